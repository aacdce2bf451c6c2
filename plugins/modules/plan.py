#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Derive what must hold from the streams
version_added: 0.1.0
description:
  - Reads C(mcast_streams) and the inventory, refuses what can't work, and derives the checks of a run.
  - Every receiver must be a member, hear each sender, and leave; every sender must send; on hosts of a lab nothing else
    may be joined, on other hosts that is a warning.
  - Plans the steps in C(mcast_steps) and what they expect too. A stream that a step starts or stops is judged by what
    the steps expect, and by nothing else.
  - With O(results_dir) or O(bundle) it also makes the bundle, that is, the folder of evidence that M(mcast.lab.check)
    writes to and M(mcast.lab.verdict) judges.
  - Runs on the controller. Changes nothing else.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  hosts:
    description: Names of the hosts that take part. Default is all hosts of the inventory.
    type: list
    elements: str
  results_dir:
    description:
      - Folder in which the bundle C(LAB/UTC TIME/) is made. LAB is the name of the topology, or else of the
        inventory's folder.
    type: path
  bundle:
    description: Folder of the bundle itself, instead of a new one in O(results_dir). It must be empty if it exists.
    type: path
  mode:
    description:
      - Mode of the bundle's files, as octal digits in quotes. Folders that are made, those above the bundle among them,
        have x in addition where it has r.
      - With sudo, files and folders belong to the user who runs it.
    type: raw
    default: "0600"
attributes:
  check_mode:
    support: full
    description: Makes no bundle.
  diff_mode:
    support: none
extends_documentation_fragment:
  - mcast.lab.attributes
seealso:
  - module: mcast.lab.check
  - module: mcast.lab.verdict
"""

EXAMPLES = r"""
- name: Refuse what can't work, and begin the evidence
  mcast.lab.plan:
    results_dir: results
  delegate_to: localhost
  register: plan
"""

RETURN = r"""
verdict:
  description: V(fail).
  returned: if the bundle can't be written
  type: str
bundle:
  description: Path of the bundle, or null if none was asked for.
  returned: success
  type: str
duties:
  description:
    - What each host does, by its name.
    - C(interfaces), each with the options of M(mcast.lab.interface), and C(steps) by name, each with what the host does
      in a part of it, C(capture), C(act) and C(send) (options of M(mcast.lab.act)) and C(command) (a list of commands).
    - What is to be taken back in the end are C(started), the names of all programs, C(undo), commands, and C(firewall).
  returned: success
  type: dict
groups:
  description:
    - Names of hosts by what is to be done on them before the streams, C(mcast_setup), those that are reached and set
      up, and among them C(mcast_devices), switches, routers and queriers.
    - A namespace of a lab without settings of its own is in neither. It is made as it shall be.
  returned: success
  type: dict
moves:
  description:
    - What all hosts do together, one after another, each with a C(step) (or a phase of the streams that run by
      themselves) and a C(part) of it, V(capture), V(act), V(command), V(send) or V(judge).
  returned: success
  type: list
  elements: dict
checks:
  description: The planned checks. A bundle has them in its C(plan.json).
  returned: where no bundle was asked for
  type: list
  elements: dict
  contains:
    id:
      description: Names the check within the run.
      type: str
      sample: server/during/membership.present/239.0.0.100/eth0
    host:
      description: The one host that it is about.
      type: str
    phase:
      description: V(before), V(during) or V(after) the streams, or V(ended), after the captures; or a step of
        C(mcast_steps).
      type: str
    check:
      description: Name of the check.
      type: str
    description:
      description: What must hold.
      type: str
    severity:
      description: V(failure), or V(warning) where it can't decide the verdict.
      type: str
    params:
      description: The options of the check.
      type: dict
    wait:
      description: How much longer than others it may take to come true, in seconds.
      type: float
"""
