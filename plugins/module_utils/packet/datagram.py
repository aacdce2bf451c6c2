# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UDP datagrams to groups, one by one and as short as judging takes: a message (message.py) is ten times as large."""
from __future__ import annotations

import struct
from typing import NamedTuple

from . import ip, link
from .address import ip_text, mac_text
from .checksum import BAD, UNCHECKED, judge_udp


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


def of(number: int, time: int, layer: link.Link, packet: ip.Datagram, length: int) -> Datagram:
    """One packet, which is a UDP datagram to a group. length: with its header, in bytes."""
    segment = packet.payload[:length]
    checksum = judge_udp(segment, packet.source, packet.destination) if packet.whole else UNCHECKED
    return Datagram(number, time, ip_text(packet.source), ip_text(packet.destination),
                    struct.unpack_from("!H", segment, 2)[0], packet.ttl,
                    mac_text(layer.destination) if layer.destination else None, segment[8:], packet.whole,
                    BAD if packet.checksum == BAD else checksum)
