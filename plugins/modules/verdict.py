#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: verdict
short_description: Make the verdict of a run from its files
version_added: 0.1.0
description:
  - Reads a bundle (see M(mcast.lab.plan)), compares the results with the plan, writes C(results.json), C(junit.xml) and
    the checksums in C(manifest.json), and fails unless the verdict is pass.
  - A planned check without a result counts as failed, and so does a run without checks, a task that failed on the way,
    and a host that did not complete each phase. So the verdict of a run that was interrupted can be made later, and is
    fail.
  - Runs on the controller.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  bundle:
    description: Folder of the bundle on the controller.
    type: path
    required: true
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
extends_documentation_fragment:
  - mcast.lab.attributes
seealso:
  - module: mcast.lab.plan
  - module: mcast.lab.check
"""

EXAMPLES = r"""
- name: Judge a run again
  mcast.lab.verdict:
    bundle: results/two_hosts/20260131T120000Z
  delegate_to: localhost
"""

RETURN = r"""
verdict:
  description: V(pass) or V(fail).
  returned: if the bundle can be read
  type: str
checks:
  description: Number of planned checks.
  returned: if the bundle can be read
  type: int
failures:
  description: Number of checks that failed.
  returned: if the bundle can be read
  type: int
missing:
  description: Number of planned checks without a result.
  returned: if the bundle can be read
  type: int
warned:
  description: Number of checks that failed on hosts where others may act too; they leave the verdict alone.
  returned: if the bundle can be read
  type: int
errors:
  description: Number of tasks that failed on the way, and of hosts that did not complete all phases. Any of them fails
    the run.
  returned: if the bundle can be read
  type: int
changes:
  description: Number of times that settings of hosts were changed that stay so after the run.
  returned: if the bundle can be read
  type: int
events:
  description: What RV(errors) and RV(changes) count.
  returned: if the bundle can be read
  type: list
  elements: dict
  contains:
    event:
      description: V(failed) or V(changed).
      type: str
    host:
      description: The host.
      type: str
    phase:
      description: The phase in which it happened.
      type: str
    task:
      description: Name of the task. Empty where a host did not complete a phase.
      type: str
    message:
      description: Why it failed, or what was changed.
      type: str
    time:
      description: When, in UTC.
      type: str
not_passed:
  description: The results other than pass, as in RV(mcast.lab.check#module:checks).
  returned: if the bundle can be read
  type: list
  elements: dict
"""
