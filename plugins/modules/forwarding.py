#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: forwarding
short_description: Switch forwarding of IPv4 and IPv6 packets on or off
version_added: 0.1.0
description:
  - Sets C(net.ipv4.conf.all.forwarding) and C(net.ipv6.conf.all.forwarding), that is, for all interfaces.
  - A multicast router needs them for unicast. Multicast itself is forwarded as soon as a multicast routing daemon runs,
    whatever is set here; its setting C(mc_forwarding) belongs to that daemon and can't be written.
  - A host that forwards IPv6 no longer takes router advertisements. Settings last until the next boot.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  ipv4:
    description: Forward IPv4.
    type: bool
  ipv6:
    description: Forward IPv6.
    type: bool
extends_documentation_fragment:
  - mcast.lab.attributes.full
"""

EXAMPLES = r"""
- name: A router for both families
  mcast.lab.forwarding:
    ipv4: true
    ipv6: true
"""

RETURN = r"""
forwarding:
  description: What is in force now, or was before a run in check mode; null where the host has no such family.
  returned: success
  type: dict
  sample: {ipv4: true, ipv6: false}
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, sysctl
from ..module_utils.error import McastError

FAMILIES = ("ipv4", "ipv6")


def path(family: str) -> str:
    return f"{family}/conf/all/forwarding"


def in_force() -> dict[str, dict[str, bool | None]]:
    found: dict[str, bool | None] = {}
    for family in FAMILIES:
        try:
            found[family] = bool(sysctl.read(path(family)))
        except McastError:
            found[family] = None
    return {"forwarding": found}


def plan(params: dict[str, Any]) -> change.Planned:
    changes = change.Changes()
    for family in FAMILIES:
        if params[family] is not None:
            changes.compare((family,), bool(sysctl.read(path(family))), params[family],
                            partial(sysctl.write, path(family)))
    return changes, in_force


def main() -> None:
    change.run(AnsibleModule(
        argument_spec={family: {"type": "bool"} for family in FAMILIES},
        required_one_of=[FAMILIES],
        supports_check_mode=True,
    ), plan)


if __name__ == "__main__":
    main()
