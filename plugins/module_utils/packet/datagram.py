# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UDP datagrams to groups, one by one and as short as judging takes: a message (message.py) is ten times as large."""
from __future__ import annotations

import struct
from typing import NamedTuple

from . import ip, link
from .address import ip_text, is_group, mac_text
from .capture_file import open_capture
from .checksum import BAD, UNCHECKED, judge_udp
from .malformed import Malformed, Snapped
from .message import read_udp


class Datagram(NamedTuple):
    """number: of the frame, from 1. time: nanoseconds since the epoch, -1 where the file tells none. mac: of the
    destination, None where the link type has none. payload: as much as was captured, `whole`: whether that is all.
    checksum: as judge_udp() has it; also bad where that of the IPv4 header is."""

    number: int
    time: int
    source: str
    group: str
    port: int
    ttl: int
    mac: str | None
    payload: bytes
    whole: bool
    checksum: str


def datagrams(path: str, limit: int) -> tuple[list[Datagram], int]:
    """path: of a capture file. Returns (its first `limit` datagrams, how many more there are): those that count in the
    flows of capture.read(). Raises McastError where the file is not a capture."""
    capture, close = open_capture(path)
    found: list[Datagram] = []
    more = 0
    same: dict[bytes, bytes] = {}  # payloads, of which most are alike: each is kept once
    try:
        for number, time, interface, original, frame in capture.packets():
            one = _read(number, time, interface.link_type, original, frame)
            if one is None:
                continue
            if len(found) < limit:
                found.append(one._replace(payload=same.setdefault(one.payload, one.payload)))
            else:
                more += 1
    finally:
        close()
    return found, more


def _read(number: int, time: int, link_type: int, original: int, frame: bytes) -> Datagram | None:
    """One packet; None for one that is not a datagram to a group, or not well-formed."""
    try:
        layer = link.parse(link_type, frame)
        version = layer and {link.IPV4: 4, link.IPV6: 6}.get(layer.ethertype)
        if not version:
            return None
        packet = ip.parse(frame, layer.offset, original, version)
        if packet.protocol != ip.UDP or packet.malformed or not is_group(packet.destination) or (
                packet.fragment and packet.fragment[0]):
            return None
        header = read_udp(packet)
    except (Malformed, Snapped):
        return None
    if header is None:
        return None
    segment = packet.payload[:header[1]]
    checksum = judge_udp(segment, packet.source, packet.destination) if packet.whole else UNCHECKED
    return Datagram(number, time, ip_text(packet.source), ip_text(packet.destination),
                    struct.unpack_from("!H", segment, 2)[0], packet.ttl,
                    mac_text(layer.destination) if layer.destination else None, segment[8:], packet.whole,
                    BAD if packet.checksum == BAD else checksum)
