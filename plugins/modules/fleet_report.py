#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: Write down who is a member of what, and what changed
version_added: 0.1.0
description:
  - Writes what M(mcast.lab.fleet_info) returned to a new folder on the controller, and compares it with the last one
    there.
  - The files are C(fleet.json) (all of it), C(memberships.csv), C(memberships.prom) (for the textfile collector of
    node_exporter) and C(changes.json).
  - This is an action that runs once for the play.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  fleet:
    description: What M(mcast.lab.fleet_info) returned.
    type: dict
    required: true
  results_dir:
    description:
      - The folder C(fleet/INVENTORY/TIME) is made below this one. INVENTORY is the name of the inventory, with a number
        behind it where another inventory has that name.
    type: path
    default: results
  strict:
    description:
      - Whether the task fails where any host failed, and where there are findings. It always fails where no host
        answered. All is written before.
    type: bool
    default: false
  mode:
    description: Mode of the files, such as V("0640"). Folders can be entered by those who may read their files.
    type: raw
    default: "0600"
extends_documentation_fragment:
  - mcast.lab.attributes
attributes:
  check_mode:
    support: full
    description: Compares, and writes nothing.
  diff_mode:
    support: none
seealso:
  - module: mcast.lab.fleet_info
"""

EXAMPLES = r"""
- name: Ask all hosts
  mcast.lab.fleet_info:
  run_once: true
  register: fleet

- name: Write it down
  mcast.lab.fleet_report:
    fleet: "{{ fleet }}"
  run_once: true
"""

RETURN = r"""
path:
  description: The folder.
  returned: always
  type: str
  sample: /home/me/results/fleet/20261122T091346Z-12353
lines:
  description: The table, as it is shown.
  returned: always
  type: list
  elements: str
reason:
  description: Why the gathering counts as failed, null where it does not.
  returned: always
  type: str
changes:
  description:
    - What is new since the last gathering; C(joined) and C(left) (host, interface and group), C(moved) (host, group,
      from one interface to another), C(appeared) (hosts that answer for the first time), C(vanished) (that the
      inventory no longer holds) and C(unknown) (that were known and did not answer).
    - A host that did not answer is compared with what was known of it before, once it answers again.
  returned: always
  type: dict
  sample:
    joined: [{host: server, interface: eth0, group: 239.0.0.100}]
    left: []
    moved: []
    appeared: []
    vanished: []
    unknown: []
"""
