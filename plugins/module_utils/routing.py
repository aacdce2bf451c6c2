# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unicast routes that follow from a topology: over which router does each host reach the segments that it is not on?

Multicast needs them too: a router takes a group's packets only from where its route to their source points (RFC 7761
section 4.2), and finds the RP by them."""
from __future__ import annotations

from .error import McastError

FAMILIES = ("ipv4", "ipv6")


def add_routes(segments, hosts):
    """Give each host of a topology ``routes``: ``[{destination, gateway, interface}]``, text. segments, hosts: settled
    but for that. McastError where two segments bear one network and routers could not tell them apart."""
    for host in hosts.values():
        host["routes"] = []
    if any(host["router"] is not None for host in hosts.values()):
        for family in FAMILIES:
            _check_networks(family, segments)
            for target, segment in segments.items():
                if segment[family]:
                    ways = _ways(family, hosts, target)
                    for host in hosts.values():
                        _add_route(host, family, target, segment[family], ways)


def _check_networks(family, segments):
    seen = {}
    for name, segment in segments.items():
        network = segment[family]
        if network is not None and network in seen:
            raise McastError("segments.%s.%s" % (name, family), "is that of segment %s too, and routers could not tell "
                                                                "them apart" % seen[network])
        seen[network] = name


def _ways(family, hosts, target):
    """From the target outwards, breadth first: ``{segment: (number of routers, gateway's address there)}``; of several
    ways with as few routers the one over the router that comes first in the file."""
    routers = [[port for port in host["interfaces"].values() if port[family]]
               for host in hosts.values() if host["router"] is not None]
    ways, reached = {target: (0, None)}, [target]
    for segment in reached:
        for ports in routers:
            for port in ports:
                if port["segment"] not in ways and any(each["segment"] == segment for each in ports):
                    ways[port["segment"]] = (ways[segment][0] + 1, port[family].partition("/")[0])
                    reached.append(port["segment"])
    return ways


def _add_route(host, family, target, network, ways):
    near = [(ways[port["segment"]], name) for name, port in host["interfaces"].items()
            if port[family] and port["segment"] in ways]
    # On the segment itself, or where no router leads there, there is nothing to say.
    if near and all(way[0] for way, name in near):
        (unused, gateway), name = min(near, key=lambda one: one[0][0])
        host["routes"].append({"destination": network, "gateway": gateway, "interface": name})


def distance(topology, family, here, there):
    """How many routers are between two segments of a settled topology, 0 on the same one; None where no way leads."""
    return _ways(family, topology["hosts"], there).get(here, (None,))[0]

