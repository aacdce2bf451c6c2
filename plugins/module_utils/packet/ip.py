# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers: from a frame to the datagram in it."""
from __future__ import annotations

import struct
from typing import NamedTuple

from .checksum import UNCHECKED, judge
from .malformed import Malformed, Snapped

IGMP, UDP, ICMPV6, PIM = 2, 17, 58, 103
HOP_BY_HOP, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS = 0, 44, 51, 60
# Each of these starts with the next header and its own length: also routing, mobility, host identity and shim6 (IANA
# registry "IPv6 Extension Header Types").
_CHAINED = (HOP_BY_HOP, 43, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, 135, 139, 140)
MAX_HEADERS = 16

_IPV4 = struct.Struct("!BxHHHBB2x4s4s")
_IPV6 = struct.Struct("!4xHBB16s16s")


class Fragment(NamedTuple):
    """Which part of a datagram this is. offset: in bytes. more: whether more follow."""

    offset: int
    more: bool
    identification: int


class Datagram:
    """What the IP header says.

    version: 4 or 6. source, destination: 4 or 16 bytes. ttl: or the hop limit.
    router_alert: whether that option stands in the options or the hop-by-hop header (RFC 2113, RFC 2711).
    protocol: of the payload, behind all extension headers; None where the header can't be followed to it.
    payload: the captured bytes of it. length: how many bytes it has by the header.
    checksum: of the IPv4 header; None with IPv6.
    fragment: None where the datagram is here in one piece.
    malformed: the first thing that is wrong with the header, or None.
    """

    __slots__ = ("version", "source", "destination", "ttl", "router_alert", "protocol", "payload", "length", "checksum",
                 "fragment", "malformed")
    version: int
    source: bytes
    destination: bytes
    ttl: int
    router_alert: bool
    protocol: int | None
    payload: bytes
    length: int
    checksum: str | None
    fragment: Fragment | None
    malformed: str | None

    @property
    def whole(self) -> bool:
        """Whether all of the payload is here, so that what is missing in it can only be the sender's fault."""
        return len(self.payload) >= self.length and not self.fragment

    def complain(self, reason: str) -> None:
        """Keep the first thing that is wrong, and read on."""
        self.malformed = self.malformed or reason


def parse(frame: bytes, offset: int, original: int, version: int) -> Datagram:
    """frame: captured bytes; offset: of the IP header in it; original: length of the frame on the wire; version: 4 or
    6, as the link layer has it. Returns a Datagram. Raises Malformed or Snapped where not even the fixed part of the
    header can be read."""
    size = 20 if version == 4 else 40
    held = len(frame) - offset
    if held < size:
        if original > len(frame):
            raise Snapped(f"the frame ends in the IPv{version} header")
        raise Malformed(f"an IPv{version} header of {size} bytes, {held} are there")
    if frame[offset] >> 4 != version:
        raise Malformed(f"an IPv{version} header with version {frame[offset] >> 4}")
    datagram = Datagram()
    datagram.version = version
    datagram.router_alert = False
    datagram.fragment = datagram.malformed = datagram.checksum = None
    (_ipv4 if version == 4 else _ipv6)(datagram, frame, offset, original - offset)
    return datagram


def _ipv4(datagram: Datagram, frame: bytes, offset: int, room: int) -> None:
    first, total, identification, fragment, ttl, protocol, source, destination = _IPV4.unpack_from(frame, offset)
    datagram.source, datagram.destination, datagram.ttl, datagram.protocol = source, destination, ttl, protocol
    header = (first & 0xf) * 4
    if header < 20 or header > room:
        datagram.complain(f"IPv4 header length {header}")
        datagram.protocol, datagram.length, datagram.payload = None, 0, b""
        return
    total = _clip(datagram, total, header, room)
    start = offset + header
    datagram.checksum = judge(frame[offset:start]) if len(frame) >= start else UNCHECKED
    if header > 20:
        _ipv4_options(datagram, frame[offset + 20:start], header - 20)
    if fragment & 0x3fff:
        datagram.fragment = Fragment((fragment & 0x1fff) * 8, bool(fragment & 0x2000), identification)
    datagram.length = total - header
    datagram.payload = frame[start:offset + total]


def _clip(datagram: Datagram, total: int, least: int, room: int) -> int:
    """The length that the header gives, held against the frame. 0: the sender's network interface was to cut a large
    segment and to fill the length in (segmentation offload of IPv4), so the frame is the measure."""
    if total == 0:
        return room
    if total < least:
        datagram.complain(f"IPv{datagram.version} length {total}, its header alone has {least}")
        return least
    if total > room:
        datagram.complain(f"IPv{datagram.version} length {total}, the frame has room for {room}")
        return room
    return total


def _ipv4_options(datagram: Datagram, options: bytes, size: int) -> None:
    """RFC 791 section 3.1: type 0 ends the list, type 1 pads, all others carry a length that counts their own two
    bytes. size: what the header says; fewer are here where the capture is cut off."""
    position = 0
    while position + 1 < len(options) and options[position]:
        kind, length = options[position], options[position + 1]
        if kind == 1:
            position += 1
            continue
        if length < 2 or position + length > size or (kind == 148 and length != 4):
            datagram.complain(f"IPv4 option {kind} with length {length}")
            return
        if kind == 148:
            datagram.router_alert = True
        position += length
    if position + 1 == size and options[position:position + 1] > b"\1":
        datagram.complain(f"IPv4 option {options[position]} without a length")


def _ipv6(datagram: Datagram, frame: bytes, offset: int, room: int) -> None:
    length, protocol, datagram.ttl, datagram.source, datagram.destination = _IPV6.unpack_from(frame, offset)
    end = offset + _clip(datagram, length + 40, 40, room)
    datagram.protocol, position = _follow(datagram, frame, protocol, offset + 40, end)
    datagram.length = end - position
    datagram.payload = frame[position:end]


def _follow(datagram: Datagram, frame: bytes, protocol: int, position: int, end: int) -> tuple[int | None, int]:
    """Walk the chain of extension headers. Returns the payload's protocol (None where the chain is broken) and its
    offset; a later fragment ends the walk, for what follows its header is no header."""
    for index in range(MAX_HEADERS):
        if protocol not in _CHAINED or (datagram.fragment and datagram.fragment.offset):
            return protocol, position
        size = 8
        if position + 8 <= end:
            if position + 8 > len(frame):
                raise Snapped("the frame ends in the IPv6 extension headers")
            size = _extension_size(protocol, frame[position + 1])
        if position + size > end:
            datagram.complain(f"IPv6 extension header {protocol} past the end")
            return None, end
        if protocol == FRAGMENT:
            _fragment(datagram, frame, position)
        elif protocol == HOP_BY_HOP and index:
            datagram.complain("an IPv6 hop-by-hop header that is not the first header")
        elif protocol in (HOP_BY_HOP, DESTINATION_OPTIONS):
            _ipv6_options(datagram, frame[position + 2:position + size], size - 2, protocol)
        protocol, position = frame[position], position + size
    if protocol not in _CHAINED:
        return protocol, position
    datagram.complain(f"more than {MAX_HEADERS} IPv6 extension headers")
    return None, end


def _extension_size(protocol: int, units: int) -> int:
    if protocol == FRAGMENT:
        return 8
    return (units + 2) * 4 if protocol == AUTHENTICATION else (units + 1) * 8


def _fragment(datagram: Datagram, frame: bytes, position: int) -> None:
    word, identification = struct.unpack_from("!HI", frame, position + 2)
    if word & 0xfff9:
        datagram.fragment = Fragment(word & 0xfff8, bool(word & 1), identification)


def _ipv6_options(datagram: Datagram, options: bytes, size: int, header: int) -> None:
    """RFC 8200 section 4.2: type 0 pads with one byte, all others carry a length that doesn't count their own two."""
    position = 0
    while position + 1 < len(options):
        kind, length = options[position], options[position + 1]
        if kind == 0:
            position += 1
            continue
        if position + 2 + length > size or (kind == 5 and length != 2):
            datagram.complain(f"IPv6 option {kind} with length {length}")
            return
        if kind == 5 and header == HOP_BY_HOP:
            datagram.router_alert = True
        position += 2 + length
    if position + 1 == size and options[position:position + 1] > b"\0":
        datagram.complain(f"IPv6 option {options[position]} without a length")
