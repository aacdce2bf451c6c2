# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    """What the filters take that tell from the streams what one host has to do."""

    DOCUMENTATION = r"""
options:
  _input:
    description: The streams by name, that is C(mcast_streams).
    type: dict
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  groups:
    description: Ansible's variable C(groups).
    type: dict
    required: true
  hostvars:
    description: Ansible's variable C(hostvars).
    type: dict
    required: true
"""
