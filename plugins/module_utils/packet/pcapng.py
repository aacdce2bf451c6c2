# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng): sections, interfaces and packets."""
from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

from .interface import Interface, Packet

MAGIC = b"\x0a\x0d\x0d\x0a"
SECTION, INTERFACE, PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0a0d0d0a, 1, 2, 3, 6
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
CHUNK = 1 << 18
# Wireshark refuses larger blocks too (wiretap/pcapng.c MAX_BLOCK_SIZE); the bound keeps the memory small.
MAX_BLOCK = 16 << 20
MAX_INTERFACES = 4096
# Times are kept in 64 bits: the year 2262.
MAX_TIME = (1 << 63) - 1
NO_TIME = -1


class _Broken(Exception):
    """The block can't be what it says."""


class Stream(Protocol):
    """The bytes of a capture file."""

    def read(self, size: int, /) -> bytes:
        """Returns up to `size` bytes, fewer only at the end."""


class Reading(Protocol):
    """What packets() tells of the file beside its packets: the part of Capture (capture_file.py) that it knows."""

    interface_names: set[str]

    def fail(self, number: int, offset: int, reason: str) -> None:
        """See Capture."""


class _Interface(Interface):
    """One Interface Description Block: link type, name (its number where it has none), snap length, and how its time
    stamps become nanoseconds: ``ticks * multiplier // divisor + offset``."""

    __slots__ = ("snap_length", "multiplier", "divisor", "offset")
    name: str

    def __init__(self, body: bytes, order: str, number: int) -> None:
        link_type, self.snap_length = struct.unpack_from(f"{order}HxxI", body)
        options = dict(_options(body, 8, order))
        super().__init__(link_type, options.get(2, b"").rstrip(b"\0").decode("utf-8", "replace") or str(number))
        resolution = (options.get(9) or b"\6")[0]
        units = 2 ** (resolution & 0x7f) if resolution & 0x80 else 10 ** resolution
        scale = Fraction(10 ** 9, units)
        self.multiplier, self.divisor = scale.numerator, scale.denominator
        offset = options.get(14, b"")
        self.offset = struct.unpack(f"{order}q", offset)[0] * 10 ** 9 if len(offset) == 8 else 0


def _options(body: bytes, position: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Yields (code, value) of an option list; ends with the list, or where it breaks."""
    while position + 4 <= len(body):
        code, length = struct.unpack_from(f"{order}HH", body, position)
        if not code:
            return
        yield code, body[position + 4:position + 4 + length]
        position += 4 + (length + 3 & ~3)


class _Blocks:
    """The blocks of a stream, one after the other: (type, buffer, start and end of the body). order: the byte order of
    the one at hand; offset: where it starts in the file."""

    def __init__(self, stream: Stream, head: bytes) -> None:
        self.offset = 0
        self.order = "<"
        self._stream = stream
        self._head = head

    def __iter__(self) -> Iterator[tuple[int, bytes, int, int]]:
        data, position, base = self._head, 0, 0
        header = struct.Struct("<II").unpack_from
        trailer = struct.Struct("<I").unpack_from
        while True:
            if len(data) - position < 12:
                data, position, base = data[position:] + self._stream.read(CHUNK), 0, base + position
                self.offset = base
                if not data:
                    return
                if len(data) < 12:
                    raise _Broken("the file ends in the middle of a block")
            self.offset = base + position
            if data[position:position + 4] == MAGIC:
                order = _ORDERS.get(data[position + 8:position + 12])
                if order is None:
                    raise _Broken("a section without its byte-order magic")
                self.order = order
                header = struct.Struct(f"{self.order}II").unpack_from
                trailer = struct.Struct(f"{self.order}I").unpack_from
            kind, length = header(data, position)
            if length < 12 or length & 3 or length > MAX_BLOCK:
                raise _Broken(f"a block of {length} bytes")
            end = position + length
            if end > len(data):
                data, end, base = data[position:] + self._stream.read(max(CHUNK, length)), length, base + position
                position = 0
                if end > len(data):
                    raise _Broken("the file ends in the middle of a block")
            if trailer(data, end - 4)[0] != length:
                raise _Broken(f"a block that gives its length as {length} and as {trailer(data, end - 4)[0]}")
            yield kind, data, position + 8, end - 4
            position = end


def packets(capture: Reading, stream: Stream, head: bytes) -> Iterator[Packet]:
    """The generator behind Capture.packets() (see capture_file.py) for a pcapng stream; head: its first bytes, read
    already."""
    number = 0
    blocks = _Blocks(stream, head)
    interfaces: list[_Interface] = []
    try:
        for kind, data, start, end in blocks:
            if kind in (ENHANCED_PACKET, PACKET):
                yield (number + 1,) + _packet(kind, data, start, end, blocks.order, interfaces)
                number += 1
            elif kind == SIMPLE_PACKET:
                yield (number + 1,) + _simple_packet(data, start, end, blocks.order, interfaces)
                number += 1
            elif kind == INTERFACE:
                if end - start < 8 or len(interfaces) == MAX_INTERFACES:
                    raise _Broken("an interface description that is too short, or one of too many")
                interfaces.append(_Interface(data[start:end], blocks.order, len(interfaces)))
                if len(capture.interface_names) < MAX_INTERFACES:
                    capture.interface_names.add(interfaces[-1].name)
            elif kind == SECTION:
                interfaces = []
    except _Broken as error:
        capture.fail(number + 1, blocks.offset, str(error))
    else:
        reason = getattr(stream, "broken", None)
        if reason:
            capture.fail(number + 1, blocks.offset, reason)


_PACKET_HEADS = {(order, kind): struct.Struct(order + layout).unpack_from for order in "<>"
                 for kind, layout in ((ENHANCED_PACKET, "IIIII"), (PACKET, "HxxIIII"))}


def _packet(kind: int, data: bytes, start: int, end: int, order: str,
            interfaces: list[_Interface]) -> tuple[int, Interface, int, bytes]:
    if end - start < 20:
        raise _Broken(f"a packet block of {end - start} bytes")
    index, high, low, captured, original = _PACKET_HEADS[order, kind](data, start)
    start += 20
    if captured > end - start:
        raise _Broken(f"a packet of {captured} bytes in a block with room for {end - start}")
    if index >= len(interfaces):
        raise _Broken(f"a packet of interface {index}, {len(interfaces)} are described")
    interface = interfaces[index]
    time = (high << 32 | low) * interface.multiplier // interface.divisor + interface.offset
    if not 0 <= time <= MAX_TIME:
        time = NO_TIME
    return time, interface, original if original > captured else captured, data[start:start + captured]


def _simple_packet(data: bytes, start: int, end: int, order: str,
                   interfaces: list[_Interface]) -> tuple[int, Interface, int, bytes]:
    if end - start < 4 or not interfaces:
        raise _Broken("a simple packet block without a length or an interface")
    original, = struct.unpack_from(f"{order}I", data, start)
    interface = interfaces[0]
    captured = min(original, interface.snap_length or original)
    if captured > end - start - 4:
        raise _Broken(f"a packet of {captured} bytes in a block with room for {end - start - 4}")
    return NO_TIME, interface, original, data[start + 4:start + 4 + captured]
