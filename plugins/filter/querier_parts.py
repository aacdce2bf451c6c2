# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: querier_parts
short_description: What a querier is made of on a host
version_added: 0.1.0
description:
  - Returns what the modules need that make a querier with its backend, or stop it.
author:
  - The mcast.lab authors (!UNKNOWN)
positional: interfaces, routes, stopped
options:
  _input:
    description: The querier, that is C(mcast_querier).
    type: dict
    required: true
  interfaces:
    description: The interfaces of the host, on which it queries where the querier names none.
    type: list
    elements: str
    required: true
  routes:
    description: Whether the host is a multicast router too.
    type: bool
    required: true
  stopped:
    description: Return what stops it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Query with our own program
  mcast.lab.act:
    started: "{{ (mcast_querier | mcast.lab.querier_parts(['eth0'], false)).programs }}"
"""

RETURN = r"""
_value:
  description:
    - C(programs) as M(mcast.lab.act) takes them, C(bridges), options of M(mcast.lab.bridge) by the bridge's name, and
      C(router), options of M(mcast.lab.router).
    - All are empty but the one of the backend.
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.error import McastError
from ..plugin_utils import querier_backend


def querier_parts(querier: dict[str, Any], interfaces: list[str], routes: bool, stopped: bool = False
                  ) -> dict[str, Any]:
    try:
        return querier_backend.parts(querier, interfaces, routes, stopped)._asdict()
    except McastError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"querier_parts": querier_parts}
