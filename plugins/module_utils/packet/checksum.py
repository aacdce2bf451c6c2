# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Internet checksum (RFC 1071), judged."""
from __future__ import annotations

import struct

GOOD, BAD, UNCHECKED, UNFINISHED = "good", "bad", "unchecked", "unfinished"


def remainder(data: bytes) -> int:
    """The ones' complement sum of the 16-bit words of `data` (an odd last byte is padded with zero), as an integer
    that is equal to it modulo 65535: one division of one large number, which Python does faster than a loop."""
    number = int.from_bytes(data, "big")
    return number << 8 if len(data) & 1 else number


def is_good(data: bytes, extra: int = 0) -> bool:
    """True where `data` with its checksum field, and `extra` (the sum of a pseudo-header), add up to 0xffff."""
    total = remainder(data) + extra
    return total != 0 and total % 65535 == 0


def judge(data: bytes, extra: int = 0) -> str:
    """Returns ``"good"`` or ``"bad"``."""
    return GOOD if is_good(data, extra) else BAD


def pseudo_header(source: bytes, destination: bytes, length: int, protocol: int) -> int:
    """The sum of the pseudo-header of IPv4 (RFC 768) and of IPv6 (RFC 8200 section 8.1). The addresses are bytes."""
    return remainder(source + destination) + length + protocol


def judge_udp(segment: bytes, source: bytes, destination: bytes) -> str:
    """segment: the whole UDP datagram with its header. ``"unchecked"`` where an IPv4 sender computed none (RFC 768);
    ``"unfinished"`` where the field holds the bare sum of the pseudo-header: a capture on the sender, before its
    network interface has filled the checksum in (Linux CHECKSUM_PARTIAL, include/linux/skbuff.h), or what copied the
    packet in that state."""
    stored = struct.unpack_from("!H", segment, 6)[0]
    if not stored and len(source) == 4:
        return UNCHECKED
    extra = pseudo_header(source, destination, len(segment), 17)
    if stored and is_good(segment, extra):
        return GOOD
    return UNFINISHED if stored and stored % 65535 == extra % 65535 else BAD
