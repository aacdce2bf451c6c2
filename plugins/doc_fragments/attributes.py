# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    """The attributes that every module and action states."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
  diff_mode:
    description: Shows in diff mode what changed or would change.
  platform:
    description: Where it acts.
    support: full
    platforms: linux
"""

    # Of modules that change a host.
    FULL = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Says what would change, and changes nothing.
  diff_mode:
    support: full
    description: Shows what changed or would change, before and after.
  platform:
    description: Where it acts.
    support: full
    platforms: linux
"""

    # Of those that only read.
    READS = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Changes nothing at all.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    description: Where it acts.
    support: full
    platforms: linux
"""
