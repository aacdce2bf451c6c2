# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng): sections, interfaces and packets."""
from __future__ import annotations

import struct
from fractions import Fraction

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


class _Interface:
    """One Interface Description Block: link type, name (its number where it has none), snap length, and how its time
    stamps become nanoseconds: ``ticks * multiplier // divisor + offset``."""

    __slots__ = ("link_type", "name", "snap_length", "multiplier", "divisor", "offset")

    def __init__(self, body, order, number):
        self.link_type, self.snap_length = struct.unpack_from(order + "HxxI", body)
        options = dict(_options(body, 8, order))
        self.name = options.get(2, b"").rstrip(b"\0").decode("utf-8", "replace") or str(number)
        resolution = (options.get(9) or b"\6")[0]
        units = 2 ** (resolution & 0x7f) if resolution & 0x80 else 10 ** resolution
        scale = Fraction(10 ** 9, units)
        self.multiplier, self.divisor = scale.numerator, scale.denominator
        offset = options.get(14, b"")
        self.offset = struct.unpack(order + "q", offset)[0] * 10 ** 9 if len(offset) == 8 else 0


def _options(body, position, order):
    """Yields (code, value) of an option list; ends with the list, or where it breaks."""
    while position + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, position)
        if not code:
            return
        yield code, body[position + 4:position + 4 + length]
        position += 4 + (length + 3 & ~3)


class _Blocks:
    """The blocks of a stream, one after the other: (type, byte order, buffer, start and end of the body)."""

    def __init__(self, stream, head):
        self.offset = 0
        self.order = "<"
        self._stream = stream
        self._head = head

    def __iter__(self):
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
                self.order = _ORDERS.get(data[position + 8:position + 12])
                if self.order is None:
                    raise _Broken("a section without its byte-order magic")
                header = struct.Struct(self.order + "II").unpack_from
                trailer = struct.Struct(self.order + "I").unpack_from
            kind, length = header(data, position)
            if length < 12 or length & 3 or length > MAX_BLOCK:
                raise _Broken("a block of %d bytes" % length)
            end = position + length
            if end > len(data):
                data, end, base = data[position:] + self._stream.read(max(CHUNK, length)), length, base + position
                position = 0
                if end > len(data):
                    raise _Broken("the file ends in the middle of a block")
            if trailer(data, end - 4)[0] != length:
                raise _Broken("a block that gives its length as %d and as %d" % (length, trailer(data, end - 4)[0]))
            yield kind, data, position + 8, end - 4
            position = end


def packets(capture, stream, head):
    """The generator behind Capture.packets() (see capture_file.py) for a pcapng stream; head: its first bytes, read
    already."""
    number = 0
    blocks = _Blocks(stream, head)
    interfaces = []
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
        if getattr(stream, "broken", None):
            capture.fail(number + 1, blocks.offset, stream.broken)


_PACKET_HEADS = {(order, kind): struct.Struct(order + layout).unpack_from for order in "<>"
                 for kind, layout in ((ENHANCED_PACKET, "IIIII"), (PACKET, "HxxIIII"))}


def _packet(kind, data, start, end, order, interfaces):
    if end - start < 20:
        raise _Broken("a packet block of %d bytes" % (end - start))
    index, high, low, captured, original = _PACKET_HEADS[order, kind](data, start)
    start += 20
    if captured > end - start:
        raise _Broken("a packet of %d bytes in a block with room for %d" % (captured, end - start))
    if index >= len(interfaces):
        raise _Broken("a packet of interface %d, %d are described" % (index, len(interfaces)))
    interface = interfaces[index]
    time = (high << 32 | low) * interface.multiplier // interface.divisor + interface.offset
    if not 0 <= time <= MAX_TIME:
        time = NO_TIME
    return time, interface, original if original > captured else captured, data[start:start + captured]


def _simple_packet(data, start, end, order, interfaces):
    if end - start < 4 or not interfaces:
        raise _Broken("a simple packet block without a length or an interface")
    original, = struct.unpack_from(order + "I", data, start)
    interface = interfaces[0]
    captured = min(original, interface.snap_length or original)
    if captured > end - start - 4:
        raise _Broken("a packet of %d bytes in a block with room for %d" % (captured, end - start - 4))
    return NO_TIME, interface, original, data[start + 4:start + 4 + captured]
