# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unicast routes, as far as multicast needs them: which interface a group or a source is reached by."""
from __future__ import annotations

import re
from typing import Any

from .rows import ipv4_little, ipv6_network, rows, unexpected_line

# include/uapi/linux/route.h and ipv6_route.h
_GATEWAY, _REJECT, _CACHE, _ANYCAST, _LOCAL = 0x2, 0x200, 0x01000000, 0x00100000, 0x80000000
_ROUTE = re.compile(
    r"(?P<interface>\S+)\s+(?P<destination>[0-9A-F]{8})\s+(?P<gateway>[0-9A-F]{8})\s+(?P<flags>[0-9A-F]{4,8})\s+"
    r"-?\d+\s+-?\d+\s+(?P<metric>-?\d{1,10})\s+(?P<mask>[0-9A-F]{8})\s+\d+\s+\d+\s+\d+\s*\Z", re.ASCII)
_ROUTE6 = re.compile(
    r"(?P<destination>[0-9a-f]{32}) (?P<prefix>[0-9a-f]{2}) (?P<source>[0-9a-f]{32}) (?P<source_prefix>[0-9a-f]{2}) "
    r"(?P<gateway>[0-9a-f]{32}) (?P<metric>[0-9a-f]{8}) [0-9a-f]{8} [0-9a-f]{8} (?P<flags>[0-9a-f]{8})\s+"
    r"(?P<interface>\S+)\s*\Z")


def ipv4(text: str | None) -> list[dict[str, Any]]:
    """text: of /proc/net/route (net/ipv4/fib_trie.c fib_route_seq_show): the main table, without routes of type
    multicast or broadcast. Returns [route]: see _route()."""
    found = []
    for row in rows("/proc/net/route", text, _ROUTE, header="Iface"):
        mask = int.from_bytes(bytes.fromhex(row["mask"]), "little")
        prefix = bin(mask).count("1")
        if mask != 0xffffffff << 32 - prefix & 0xffffffff:
            raise unexpected_line("/proc/net/route", row[0])
        found.append(_route("ipv4", f"{ipv4_little(row['destination'])}/{prefix}",
                            ipv4_little(row["gateway"]), row["interface"], int(row["metric"]), int(row["flags"], 16)))
    return found


def ipv6(text: str | None) -> list[dict[str, Any]]:
    """text: of /proc/net/ipv6_route (net/ipv6/route.c rt6_seq_show). The host's own addresses (local, anycast) and
    the reject route that every table ends with are left out. Returns [route]."""
    found = []
    for row in rows("/proc/net/ipv6_route", text, _ROUTE6):
        flags, prefix = int(row["flags"], 16), int(row["prefix"], 16)
        if flags & (_LOCAL | _ANYCAST | _CACHE) or prefix == 0 and flags & _REJECT and row["metric"] == "f" * 8:
            continue
        found.append(_route("ipv6", f"{ipv6_network(row['destination'])}/{prefix}",
                            ipv6_network(row["gateway"]), row["interface"], int(row["metric"], 16), flags))
    return found


def _route(family: str, destination: str, gateway: str, interface: str, metric: int, flags: int) -> dict[str, Any]:
    """gateway: None where the destination is on the link; interface: None where a reject route has none."""
    return {"family": family, "destination": destination, "gateway": gateway if flags & _GATEWAY else None,
            "interface": None if interface == "*" else interface, "metric": metric,
            "type": "reject" if flags & _REJECT else "unicast"}
