# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: stream_routes
short_description: What one router is to forward by hand
version_added: 0.1.0
description:
  - Tells from the streams and the topology what a router with static routes has to forward.
author:
  - The mcast.lab authors (!UNKNOWN)
positional: host, groups, hostvars
extends_documentation_fragment:
  - mcast.lab.streams
seealso:
  - plugin: mcast.lab.host_streams
    plugin_type: filter
  - module: mcast.lab.router
"""

EXAMPLES = r"""
- name: Forward the streams
  mcast.lab.router:
    backend: smcroute
    routes: "{{ mcast_streams | mcast.lab.stream_routes(inventory_hostname, groups, hostvars) }}"
"""

RETURN = r"""
_value:
  description: A list of C(group), C(source) where it is known, C(incoming) and C(outgoing), as M(mcast.lab.router)
    takes it. It is empty where no topology file describes the hosts.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.error import McastError
from ..module_utils.lab import routing
from ..plugin_utils.run import inventory as settled


def stream_routes(streams: Any, host: str, groups: Mapping[str, list[str]], hostvars: Mapping[str, Any]
                  ) -> list[dict[str, Any]]:
    try:
        topology = hostvars[host].get("mcast_settled")
        if topology is None:
            return []
        return routing.static_routes(topology, settled.streams_of(streams, groups, hostvars), host)
    except McastError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stream_routes": stream_routes}
