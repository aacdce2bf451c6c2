#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: progress
short_description: Record that hosts have completed a phase of a run, or what failed in it
version_added: 0.1.0
description:
  - Writes a line to the bundle (see M(mcast.lab.plan)), from which M(mcast.lab.verdict) judges. A run passes only where
    each host has completed each of its phases and no task failed.
  - M(mcast.lab.check) records by itself that a host has completed the phase that it judges.
  - Runs on the controller.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  bundle:
    description:
      - Folder of the bundle on the controller. Default is that of the run, which M(mcast.lab.plan) returned on
        localhost as C(mcast_plan).
      - Where there is none, nothing is recorded, and O(event=failed) fails as the task before it did.
    type: path
  phase:
    description: Name of the phase.
    type: str
    required: true
  event:
    description:
      - With V(completed), the hosts are through with the phase.
      - With V(failed), in the C(rescue) of a block, a task of the block failed. Which one, and why, Ansible says in
        C(ansible_failed_task) and C(ansible_failed_result).
      - With V(changed), a setting of the host was changed, and stays so after the run.
    type: str
    choices: [completed, failed, changed]
    default: completed
  hosts:
    description: The hosts that it is about. Default is the host of the task, the only one with O(event=failed).
    type: list
    elements: str
  registered:
    description: Names of the variables that hold the results of the tasks that may have changed something on each of
      the hosts. Nothing is recorded where none did. Required if O(event=changed).
    type: list
    elements: str
attributes:
  check_mode:
    support: full
    description: Records all the same.
  diff_mode:
    support: none
extends_documentation_fragment:
  - mcast.lab.attributes
seealso:
  - module: mcast.lab.plan
  - module: mcast.lab.check
  - module: mcast.lab.verdict
"""

EXAMPLES = r"""
- name: Narrow the interface
  block:
    - name: Set its MTU
      mcast.lab.interface:
        name: eth0
        mtu: 1400
  rescue:
    - name: Record what failed
      mcast.lab.progress:
        phase: narrowed
        event: failed

- name: Record who is through, for all at once
  mcast.lab.progress:
    phase: narrowed
    hosts: "{{ ansible_play_hosts }}"
  run_once: true
"""

RETURN = r"""
again:
  description: True where it fails as the task before it did, so that the failure need not be shown twice.
  returned: if O(event=failed) and there is no bundle
  type: bool
"""
