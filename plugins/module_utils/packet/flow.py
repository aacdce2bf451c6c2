# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Flows: the UDP datagrams from one source to one group and port, counted."""
from __future__ import annotations

import heapq
import struct
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from .address import ip_text
from .timestamps import seconds, text

# Each flow takes some 250 bytes; datagrams of further flows are counted together.
MAX_FLOWS = 131072


class Listed(NamedTuple):
    """What FlowTable.listed() returns. flows: in the order of their first datagrams. left_out: how many flows are not
    among them. datagrams: how many those had."""

    flows: list[dict[str, Any]]
    left_out: int
    datagrams: int


class FlowTable:
    """All flows of a capture, a column for each thing that is counted: numbers side by side take a quarter of the
    memory that objects would.

    finder(interface) gives the dictionary from a flow's key to its row. A key is the source, the group and the two
    ports as they stand in the packet (12 bytes with IPv4, 36 with IPv6), then two bytes for each VLAN tag."""

    def __init__(self) -> None:
        self._finders: dict[str | None, dict[bytes, int]] = {}
        self.packets = array("q")
        self.octets = array("q")
        self.first = array("q")
        self.last = array("q")
        self.gap = array("q")
        self.gap_start = array("q")
        self.ttl = array("B")
        self._more_ttls: dict[int, set[int]] = {}
        self._fragmented: dict[int, int] = {}
        self.untracked = 0

    def finder(self, interface: str | None) -> dict[bytes, int]:
        """interface: the name, or None. Returns the dictionary."""
        return self._finders.setdefault(interface, {})

    def add(self, interface: str | None, key: bytes, time: int, size: int, ttl: int, fragmented: bool) -> None:
        """Count one datagram. time: nanoseconds, or -1 where it isn't known; size: the length in the UDP header."""
        finder = self.finder(interface)
        row = finder.get(key)
        if row is None:
            if len(self.packets) == MAX_FLOWS:
                self.untracked += 1
                return
            row = finder[key] = len(self.packets)
            for column, value in ((self.packets, 0), (self.octets, 0), (self.first, time), (self.last, time),
                                  (self.gap, 0), (self.gap_start, time), (self.ttl, ttl)):
                column.append(value)
        self.packets[row] += 1
        self.octets[row] += size
        if fragmented:
            self._fragmented[row] = self._fragmented.get(row, 0) + 1
        if ttl != self.ttl[row]:
            self.see_ttl(row, ttl)
        if time >= 0:
            if time - self.last[row] > self.gap[row]:
                self.gap[row], self.gap_start[row] = time - self.last[row], self.last[row]
            self.last[row] = time

    def see_ttl(self, row: int, ttl: int) -> None:
        """Note a TTL that isn't the flow's last one."""
        self._more_ttls.setdefault(row, {self.ttl[row]}).add(ttl)
        self.ttl[row] = ttl

    def listed(self, group: bytes | None, limit: int) -> Listed:
        """group: bytes, or None for all. Beyond `limit`, only the flows with the most datagrams are listed."""
        chosen = [row for finder in self._finders.values() for key, row in finder.items()
                  if group in (None, _group(key))]
        left_out = max(0, len(chosen) - limit)
        datagrams = self.untracked
        if left_out:
            datagrams += sum(self.packets[row] for row in chosen)
            chosen = heapq.nlargest(limit, chosen, self.packets.__getitem__)
            datagrams -= sum(self.packets[row] for row in chosen)
        wanted = set(chosen)
        rows = [(row, self._flow(interface, key, row)) for interface, finder in self._finders.items()
                for key, row in finder.items() if row in wanted]
        return Listed([flow for unused, flow in sorted(rows, key=lambda pair: pair[0])], left_out, datagrams)

    def _flow(self, interface: str | None, key: bytes, row: int) -> dict[str, Any]:
        size = _address_size(key)
        source_port, destination_port = struct.unpack_from("!HH", key, 2 * size)
        tags = struct.unpack_from(f"!{(len(key) - 2 * size - 4) // 2}H", key, 2 * size + 4)
        packets = self.packets[row]
        return {
            "interface": interface, "vlan": tags[-1] if tags else None, "vlans": list(tags),
            "source": ip_text(key[:size]), "group": ip_text(_group(key)),
            "source_port": source_port, "destination_port": destination_port,
            "packets": packets, "bytes": self.octets[row] - 8 * packets,
            "fragmented": self._fragmented.get(row, 0),
            "first": text(self.first[row]), "last": text(self.last[row]),
            "ttls": sorted(self._more_ttls.get(row) or [self.ttl[row]]),
            "gaps": {
                "mean": seconds((self.last[row] - self.first[row]) / (packets - 1)) if packets > 1 else None,
                "longest": seconds(self.gap[row]) if packets > 1 else None,
                "longest_from": text(self.gap_start[row]) if packets > 1 else None,
            },
        }


def key_of(addresses: bytes, ports: bytes, tags: Sequence[int]) -> bytes:
    """Returns the key of a flow. addresses, ports: source and destination as they are in the packet; tags: numbers."""
    return addresses + ports + struct.pack(f"!{len(tags)}H", *tags)


def _address_size(key: bytes) -> int:
    # An IPv4 key with as many tags as link.py reads is still shorter than any IPv6 key.
    return 4 if len(key) < 36 else 16


def _group(key: bytes) -> bytes:
    size = _address_size(key)
    return key[size:2 * size]
