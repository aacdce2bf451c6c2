#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: route
short_description: Add or remove a route, above all one for groups
version_added: 0.1.0
description:
  - Keeps one route of the main table. A route for groups, such as V(224.0.0.0/4) on an interface, tells programs that
    choose no interface themselves where to send and join; without one and without a default route they fail with
    C(Network is unreachable) or C(No such device).
  - Routes last until the next boot or until their interface goes down.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  destination:
    description: Network, such as V(224.0.0.0/4), V(ff00::/8), V(10.0.0.0/8) or V(0.0.0.0/0).
    type: str
    required: true
  interface:
    description: Outgoing interface.
    type: str
    required: true
  gateway:
    description: Next hop. There is none for groups.
    type: str
  metric:
    description: Priority of the route, lower is better, 0 to 4294967295. The kernel makes 1024 of an IPv6 route's V(0).
    type: int
    default: 0
  state:
    description: Whether the route shall be there.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mcast.lab.attributes.full
"""

EXAMPLES = r"""
- name: Groups go out over eth0
  mcast.lab.route:
    destination: 224.0.0.0/4
    interface: eth0

- name: The way back to the other segment
  mcast.lab.route:
    destination: 10.2.0.0/16
    interface: eth0
    gateway: 10.1.0.1
"""

RETURN = r"""
route:
  description: The route in question.
  returned: success
  type: dict
  sample: {destination: 224.0.0.0/4, interface: eth0, gateway: null, metric: 0}
"""

import ipaddress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, expect, interface
from ..module_utils.error import McastError
from ..module_utils.netlink.links import Netlink

IPV6_METRIC = 1024  # net/ipv6/route.c: IP6_RT_PRIO_USER takes the place of 0


def settle(params: dict[str, Any]) -> dict[str, Any]:
    """The wanted route, with ipaddress objects."""
    try:
        destination = ipaddress.ip_network(params["destination"])
    except ValueError as error:
        raise McastError("destination", f"expected a network such as 224.0.0.0/4: {error}") from None
    gateway = None
    if params["gateway"]:
        try:
            gateway = ipaddress.ip_address(params["gateway"])
        except ValueError:
            raise McastError("gateway", f"expected an address, not {params['gateway']!r}") from None
        if destination.is_multicast or gateway.version != destination.version:
            raise McastError("gateway", "a route for groups has none, and another route one of its own family")
    metric = expect.number("metric", params["metric"], 0, 2 ** 32 - 1)
    return {"destination": destination, "gateway": gateway,
            "metric": metric or (IPV6_METRIC if destination.version == 6 else 0)}


def plan(params: dict[str, Any]) -> change.Planned:
    want = settle(params)
    netlink, changes = Netlink(), change.Changes()
    want["index"] = interface.find(netlink, params["interface"])["index"]
    shown = {"destination": str(want["destination"]), "interface": params["interface"],
             "gateway": str(want["gateway"]) if want["gateway"] else None, "metric": want["metric"]}
    have = want in netlink.routes(want["destination"].version)
    path = ("routes", shown["destination"])
    if params["state"] == "present" and not have:
        changes.add(path, None, shown, lambda: netlink.add_route(want))
    elif params["state"] == "absent" and have:
        changes.add(path, shown, None, lambda: netlink.delete_route(want))
    return changes, lambda: {"route": shown}


def main() -> None:
    change.run(AnsibleModule(
        argument_spec={
            "destination": {"type": "str", "required": True},
            "interface": {"type": "str", "required": True},
            "gateway": {"type": "str"},
            "metric": {"type": "int", "default": 0},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    ), plan)


if __name__ == "__main__":
    main()
