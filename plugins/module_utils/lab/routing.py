# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unicast routes that follow from a topology: over which router does each host reach the segments that it is not on?

Multicast needs them too: a router takes a group's packets only from where its route to their source points (RFC 7761
section 4.2), and finds the RP by them."""
from __future__ import annotations

import math
from typing import Any, Iterator, NamedTuple

from .. import group
from ..error import McastError

FAMILIES = ("ipv4", "ipv6")
_LEARNING = 1.0  # seconds


class _Way(NamedTuple):
    """From a segment towards another: how many routers are on the way, and of the next of them its name, its interface
    here, that on the far side, and its address here. On the segment itself there is none."""

    hops: int
    router: str = ""
    near: str = ""
    far: str = ""
    gateway: str = ""


def add_routes(segments: dict[str, Any], hosts: dict[str, Any]) -> None:
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


def _check_networks(family: str, segments: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for name, segment in segments.items():
        network = segment[family]
        if network is not None and network in seen:
            raise McastError(f"segments.{name}.{family}", f"is that of segment {seen[network]} too, and routers could "
                                                          "not tell them apart")
        seen[network] = name


def _ways(family: str, hosts: dict[str, Any], target: str) -> dict[str, _Way]:
    """From the target outwards, breadth first: ``{segment: way}``. Of several ways with as few routers it is the one
    over the router that comes first in the file."""
    routers = [(name, [(interface, port) for interface, port in host["interfaces"].items() if port[family]])
               for name, host in hosts.items() if host["router"] is not None]
    ways, edge = {target: _Way(0)}, [target]
    while edge:
        found: list[str] = []
        for segment in edge:
            for name, ports in routers:
                far = [interface for interface, port in ports if port["segment"] == segment]
                for near, port in ports if far else ():
                    if port["segment"] not in ways:
                        found.append(port["segment"])
                        ways[port["segment"]] = _Way(
                            ways[segment].hops + 1, name, near, far[0], port[family].partition("/")[0])
        edge = found
    return ways


def _add_route(host: dict[str, Any], family: str, target: str, network: str, ways: dict[str, _Way]) -> None:
    near = [(ways[port["segment"]], name) for name, port in host["interfaces"].items()
            if port[family] and port["segment"] in ways]
    # On the segment itself, or where no router leads there, there is nothing to say.
    if near and all(way.hops for way, name in near):
        way, name = min(near, key=lambda one: one[0].hops)
        host["routes"].append({"destination": network, "gateway": way.gateway, "interface": name})


def distance(topology: dict[str, Any], family: str, here: str, there: str) -> int | None:
    """How many routers are between two segments of a settled topology, 0 on the same one; None where no way leads."""
    way = _ways(family, topology["hosts"], there).get(here)
    return way.hops if way else None


def _path(topology: dict[str, Any], family: str, sender: str, receiver: str) -> list[_Way] | None:
    """The routers from a sender's segment to a receiver's, that nearest to the receiver first, each with its far side
    towards the sender. None where no way leads."""
    ways = _ways(family, topology["hosts"], sender)
    path: list[_Way] = []
    while receiver in ways and ways[receiver].hops:
        way = ways[receiver]
        path.append(way)
        receiver = topology["hosts"][way.router]["interfaces"][way.far]["segment"]
    return path if receiver == sender else None


def _loss(path: list[_Way], topology: dict[str, Any], stream: dict[str, Any]) -> int:
    """How many of a stream's datagrams may be lost before routers that learn the route from them have done so. FRR
    loses the first at each router that registers or joins; a second is ample."""
    learn = any(topology["hosts"][way.router]["router"].get("backend", "frr") != "smcroute" for way in path)
    sent = math.ceil(_LEARNING / stream["interval"]) if stream["interval"] else stream["count"]
    return min(sent, stream["count"] - 1) if learn else 0


def check_streams(topology: dict[str, Any], streams: list[dict[str, Any]]) -> None:
    """Refuse what no router of a settled topology can bring from a sender to a receiver, and give each receiver behind
    routers its ``loss``: how many datagrams of a sender may be lost at the beginning. streams: settled. McastError
    names the stream's key."""
    for stream in streams:
        for sender, receiver, path in _paths(topology, stream):
            between = f"between {sender} and {receiver}"
            about = f"streams.{stream['name']}."
            if path is None:
                raise McastError(f"{about}to", f"no router leads from {sender} to {receiver}; they are on segments "
                                               "without a way between them")
            if path and group.is_link_local(stream["group"]):
                raise McastError(f"{about}group", f"{stream['group']} never leaves its segment, and a router is "
                                                  f"{between}")
            if path and len(path) >= stream["ttl"]:
                raise McastError(f"{about}ttl", f"is {stream['ttl']}, and each of the {len(path)} routers {between} "
                                                f"takes one; expected at least {len(path) + 1}")
            for way in path:
                backend = (topology["hosts"][way.router]["router"] or {}).get("backend", "frr")
                if ":" in stream["group"] and backend != "smcroute":
                    raise McastError(f"{about}group", f"{stream['group']} is of IPv6, and the backend {backend} of "
                                                      f"router {way.router} forwards IPv4 alone; smcroute takes both")
            end = stream["receivers"][receiver]
            end["loss"] = max(end.get("loss", 0), _loss(path, topology, stream))


def static_routes(topology: dict[str, Any], streams: list[dict[str, Any]], router: str) -> list[dict[str, Any]]:
    """What a router forwards by hand, so that every stream comes to its receivers: ``[{group, source, incoming,
    outgoing}]``, source only where it is known. topology, streams: settled."""
    found: dict[tuple[str, str | None, str], dict[str, None]] = {}
    for stream in streams:
        for sender, _receiver, path in _paths(topology, stream):
            for way in path or ():
                if way.router == router:
                    key = (stream["group"], stream["senders"][sender]["address"], way.far)
                    found.setdefault(key, {})[way.near] = None
    return [dict({"group": address, "incoming": incoming, "outgoing": list(outgoing)}, **(
        {"source": source} if source else {})) for (address, source, incoming), outgoing in found.items()]


def _paths(topology: dict[str, Any], stream: dict[str, Any]) -> Iterator[tuple[str, str, list[_Way] | None]]:
    """(sender, receiver, path) of those ends that the topology knows."""
    def segment(ends: str, host: str) -> str | None:
        known = topology["hosts"].get(host, {"interfaces": {}})["interfaces"].get(stream[ends][host]["interface"])
        return known and known["segment"]

    for sender in stream["senders"]:
        for receiver in stream["receivers"]:
            here, there = segment("senders", sender), segment("receivers", receiver)
            if here and there:
                yield sender, receiver, _path(topology, group.family(stream["group"]), here, there)
