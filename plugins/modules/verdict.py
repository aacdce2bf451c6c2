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
    C(messages.json), and fails unless the verdict is pass.
  - The first verdict seals the bundle with the checksum of each file in C(manifest.json). From then on nothing in it is
    written. Each later verdict compares all files with the checksums and is the same where they agree. Where a file has
    changed, is missing or was added, the verdict is fail and names it.
  - A planned check without a result counts as failed, and so does a run without checks, a task that failed on the way,
    and a host that did not complete each phase. So the verdict of a run that was interrupted can be made later, and is
    fail.
  - Where a file can't be written, such as on a full disk, the verdict is fail, says that evidence is incomplete, and
    leaves the bundle unsealed. It can be made again.
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
  description: V(pass) or V(fail). Always V(fail) where the bundle can't be read; the numbers are 0 then.
  returned: always
  type: str
checks:
  description: Number of planned checks.
  returned: always
  type: int
failures:
  description: Number of checks that failed.
  returned: always
  type: int
missing:
  description: Number of planned checks without a result.
  returned: always
  type: int
warned:
  description: Number of checks that failed on hosts where others may act too; they leave the verdict alone.
  returned: always
  type: int
problems:
  description: What is wrong with the bundle itself, such as a file that has changed since the first verdict, a line of
    results that does not match the plan, or evidence that could not be written. Any of them fails the run. The first
    hundred, then how many more there are.
  returned: always
  type: list
  elements: str
digest:
  description: The SHA-256 of C(manifest.json), which C(sha256sum manifest.json) prints too; it stands for all files of
    the bundle. The line in RV(msg) has its first 16 digits. Null where the bundle is not sealed.
  returned: always
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
errors:
  description: Number of tasks that failed on the way, and of hosts that did not complete all phases. Any of them fails
    the run.
  returned: always
  type: int
changes:
  description: Number of times that settings of hosts were changed that stay so after the run.
  returned: always
  type: int
events:
  description: What RV(errors) and RV(changes) count.
  returned: always
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
msg:
  description: The line that ends the run.
  returned: always
  type: str
  sample: "verdict: pass, 40 checks, sha256:9f86d081884c7d65, results/two_hosts/20260131T120000Z/"
not_passed:
  description: The results other than pass, as in RV(mcast.lab.check#module:checks).
  returned: always
  type: list
  elements: dict
"""
