# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unicast routes that follow from a topology: over which router does each host reach the segments that it is not on?

Multicast needs them too: a router takes a group's packets only from where its route to their source points (RFC 7761
section 4.2), and finds the RP by them."""
from __future__ import annotations

import math

from . import group
from .error import McastError

FAMILIES = ("ipv4", "ipv6")
_LEARNING = 1.0  # seconds


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
    """From the target outwards, breadth first: ``{segment: {hops, router, gateway, near, far}}``: how many routers are
    on the way, and the next of them, its address and interface here and the one on the far side. Of several ways with
    as few routers it is the one over the router that comes first in the file."""
    routers = [(name, [(interface, port) for interface, port in host["interfaces"].items() if port[family]])
               for name, host in hosts.items() if host["router"] is not None]
    ways, edge = {target: {"hops": 0}}, [target]
    while edge:
        found = []
        for segment in edge:
            for name, ports in routers:
                far = [interface for interface, port in ports if port["segment"] == segment]
                for near, port in ports if far else ():
                    if port["segment"] not in ways:
                        found.append(port["segment"])
                        ways[port["segment"]] = {
                            "hops": ways[segment]["hops"] + 1, "router": name, "near": near, "far": far[0],
                            "gateway": port[family].partition("/")[0]}
        edge = found
    return ways


def _add_route(host, family, target, network, ways):
    near = [(ways[port["segment"]], name) for name, port in host["interfaces"].items()
            if port[family] and port["segment"] in ways]
    # On the segment itself, or where no router leads there, there is nothing to say.
    if near and all(way["hops"] for way, name in near):
        way, name = min(near, key=lambda one: one[0]["hops"])
        host["routes"].append({"destination": network, "gateway": way["gateway"], "interface": name})


def distance(topology, family, here, there):
    """How many routers are between two segments of a settled topology, 0 on the same one; None where no way leads."""
    return _ways(family, topology["hosts"], there).get(here, {"hops": None})["hops"]


def _path(topology, family, sender, receiver):
    """The routers from a sender's segment to a receiver's, that nearest to the receiver first: ``[{router, near, far,
    ...}]``, far towards the sender. None where no way leads."""
    ways, path = _ways(family, topology["hosts"], sender), []
    while ways.get(receiver, {"hops": 0})["hops"]:
        way = ways[receiver]
        path.append(way)
        receiver = topology["hosts"][way["router"]]["interfaces"][way["far"]]["segment"]
    return path if receiver == sender else None


def _loss(path, topology, stream):
    """How many of a stream's datagrams may be lost before routers that learn the route from them have done so. FRR
    loses the first at each router that registers or joins; a second is ample."""
    learn = any(topology["hosts"][way["router"]]["router"].get("backend", "frr") != "smcroute" for way in path)
    sent = math.ceil(_LEARNING / stream["interval"]) if stream["interval"] else stream["count"]
    return min(sent, stream["count"] - 1) if learn else 0


def check_streams(topology, streams):
    """Refuse what no router of a settled topology can bring from a sender to a receiver, and give each receiver behind
    routers its ``loss``: how many datagrams of a sender may be lost at the beginning. streams: settled. McastError
    names the stream's key."""
    for stream in streams:
        for sender, receiver, path in _paths(topology, stream):
            between = "between %s and %s" % (sender, receiver)
            about = "streams.%s." % stream["name"]
            if path is None:
                raise McastError(about + "to", "no router leads from %s to %s; they are on segments without a way "
                                               "between them" % (sender, receiver))
            if path and group.is_link_local(stream["group"]):
                raise McastError(about + "group", "%s never leaves its segment, and a router is %s" % (
                    stream["group"], between))
            if path and len(path) >= stream["ttl"]:
                raise McastError(about + "ttl", "is %d, and each of the %d routers %s takes one; expected at least "
                                                "%d" % (stream["ttl"], len(path), between, len(path) + 1))
            for way in path:
                backend = (topology["hosts"][way["router"]]["router"] or {}).get("backend", "frr")
                if ":" in stream["group"] and backend != "smcroute":
                    raise McastError(about + "group", "%s is of IPv6, and the backend %s of router %s forwards IPv4 "
                                                      "alone; smcroute takes both" % (
                                                          stream["group"], backend, way["router"]))
            end = stream["receivers"][receiver]
            end["loss"] = max(end.get("loss", 0), _loss(path, topology, stream))


def static_routes(topology, streams, router):
    """What a router forwards by hand, so that every stream comes to its receivers: ``[{group, source, incoming,
    outgoing}]``, source only where it is known. topology, streams: settled."""
    found = {}
    for stream in streams:
        for sender, _receiver, path in _paths(topology, stream):
            for way in path or ():
                if way["router"] == router:
                    key = (stream["group"], stream["senders"][sender]["address"], way["far"])
                    found.setdefault(key, {})[way["near"]] = None
    return [dict({"group": address, "incoming": incoming, "outgoing": list(outgoing)}, **(
        {"source": source} if source else {})) for (address, source, incoming), outgoing in found.items()]


def _paths(topology, stream):
    """(sender, receiver, path) of those ends that the topology knows."""
    def segment(ends, host):
        known = topology["hosts"].get(host, {"interfaces": {}})["interfaces"].get(stream[ends][host]["interface"])
        return known and known["segment"]

    for sender in stream["senders"]:
        for receiver in stream["receivers"]:
            here, there = segment("senders", sender), segment("receivers", receiver)
            if here and there:
                yield sender, receiver, _path(topology, group.family(stream["group"]), here, there)
