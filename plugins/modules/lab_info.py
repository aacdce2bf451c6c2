#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: lab_info
short_description: List the labs that stand on this machine
version_added: 0.1.0
description:
  - Finds the labs of M(mcast.lab.topology) by the mark that their network namespaces bear, without any topology file.
  - Needs root.
author:
  - The mcast.lab authors (!UNKNOWN)
options: {}
extends_documentation_fragment:
  - mcast.lab.attributes
  - mcast.lab.attributes.reads
seealso:
  - module: mcast.lab.topology
"""

EXAMPLES = r"""
- name: Which labs stand here?
  mcast.lab.lab_info:
  register: standing
  delegate_to: localhost
"""

RETURN = r"""
labs:
  description: The labs, by name.
  returned: success
  type: dict
  contains:
    namespaces:
      description: Names of its network namespaces, sorted. C(LAB) is that of the switches, C(LAB.HOST) that of a host.
      type: list
      elements: str
    run:
      description: Process ID of the playbook that uses the lab now. Null where none does.
      type: int
lines:
  description: The same for people, a line for each lab, or one that says that there is none.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change
from ..module_utils.lab import build as lab
from ..module_utils.lab import lock as lab_lock


def plan(unused: dict[str, Any]) -> change.Planned:
    labs = {name: {"namespaces": namespaces, "run": lab_lock.holder(name)}
            for name, namespaces in lab.standing().items()}
    return change.Changes(), lambda: {"labs": labs, "lines": _lines(labs)}


def _lines(labs: dict[str, Any]) -> list[str]:
    """The same for people."""
    found = [f"lab {name}: {', '.join(body['namespaces'])}" + (
        f"; in use by the run of process {body['run']}" if body["run"] else "") for name, body in labs.items()]
    return found or ["no lab stands on this machine"]


def main() -> None:
    change.run(AnsibleModule(argument_spec={}, supports_check_mode=True), plan)


if __name__ == "__main__":
    main()
