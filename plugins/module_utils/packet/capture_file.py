# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Capture files: pcap and, through pcapng.py, pcapng; gzip of either. What can't be read is one clear McastError; a
file that breaks in the middle gives all whole packets and says where it broke."""
from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from ..error import McastError
from . import pcapng
from .interface import Interface, Packet

CHUNK = 1 << 18
# The largest that libpcap and Wireshark write; a record that claims more is damaged.
MAX_PACKET = 262144

# A small file must not keep its reader busy for minutes: what gzip may unpack to, in bytes, and per packed byte.
_LEAST_ROOM, _MOST_RATIO = 16 << 20, 100

# Magic number -> byte order, nanoseconds per unit of the fraction (draft-ietf-opsawg-pcap section 4).
_PCAP_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}


class Capture:
    """An open capture file.

    packets():    the generator of its packets, as tuples (number from 1, nanoseconds since the epoch or -1 where
                  the file has no sensible time, Interface, length on the wire, captured bytes). Called again
                  on a pcap file that has grown, it goes on behind the last whole packet.
    broken:       None, or {"packet", "offset", "reason"} once the packets ended before the file was whole: the number
                  of the packet that can't be read, and the byte of the (unpacked) file where it starts.
    named_interfaces: whether the format names the interfaces.
    interface_names:  the names met so far.
    """

    def __init__(self, stream: BinaryIO | _Gunzip, path: str) -> None:
        self.broken: dict[str, Any] | None = None
        self.interface_names: set[str] = set()
        self._stream = stream
        self._head = stream.read(24)
        self._number, self._offset = 0, 24  # of the packets that were read, and where the next begins
        magic = self._head[:4]
        self.named_interfaces = magic == pcapng.MAGIC
        if not self.named_interfaces and magic not in _PCAP_MAGICS:
            raise McastError(path, "is not a capture file; expected pcap or pcapng, or gzip of one")
        if len(self._head) < 24:
            self.fail(1, 0, "the file ends in its header")

    def packets(self) -> Iterator[Packet]:
        """See the class."""
        if len(self._head) < 24:
            return iter(())
        if self.named_interfaces:
            return pcapng.packets(self, self._stream, self._head)
        return self._pcap()

    def fail(self, number: int, offset: int, reason: str) -> None:
        """Note where and why the file breaks; what a broken gzip stream says comes first."""
        self.broken = {"packet": number, "offset": offset, "reason": getattr(self._stream, "broken", None) or reason}

    def _pcap(self) -> Iterator[Packet]:
        order, scale = _PCAP_MAGICS[self._head[:4]]
        # The upper bits tell of frame check sequences, which the lengths in the IP headers leave out by themselves.
        interface = Interface(struct.unpack_from(f"{order}I", self._head, 20)[0] & 0x3ffffff)
        header = struct.Struct(f"{order}IIII").unpack_from
        read, self.broken = self._stream.read, None
        if self._number:
            self._stream.seek(self._offset)  # type: ignore[union-attr]  # a packed file is not read on
        data, position, end, base, number = b"", 0, 0, self._offset, self._number
        while True:
            start = position + 16
            if start <= end:
                seconds, fraction, captured, original = header(data, position)
                stop = start + captured
                if stop <= end:
                    number += 1
                    position = stop
                    yield (number, seconds * 1000000000 + fraction * scale, interface,
                           original if original > captured else captured, data[start:stop])
                    continue
            base += position
            self._number, self._offset = number, base
            data, position = data[position:], 0
            data += read(max(0, CHUNK - len(data)))
            captured = header(data)[2] if len(data) >= 16 else 0
            if captured > MAX_PACKET:
                self.fail(number + 1, base, f"a packet of {captured} bytes")
                return
            data += read(max(0, 16 + captured - len(data)))
            end = len(data)
            if end < 16 + captured:
                if end or getattr(self._stream, "broken", None):
                    self.fail(number + 1, base, "the file ends in the middle of a packet")
                return


class _Gunzip:
    """A stream of the unpacked bytes of a gzip file, member after member (RFC 1952). It never raises: it ends early,
    and `broken` then says why."""

    def __init__(self, stream: BinaryIO) -> None:
        self.broken: str | None = None
        self._stream = stream
        self._member = zlib.decompressobj(31)
        self._packed = b""
        self._ready = b""
        self._room = _LEAST_ROOM

    def read(self, size: int) -> bytes:
        """Returns up to `size` bytes, fewer only at the end."""
        parts, missing = [self._ready[:size]], size - len(self._ready)
        self._ready = self._ready[size:]
        while missing > 0:
            part = self._some(missing)
            if part is None:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._stream.close()

    def _some(self, size: int) -> bytes | None:
        """Returns some bytes, perhaps none, or None at the end."""
        if self.broken:
            return None
        if self._member.eof:
            rest = self._member.unused_data.lstrip(b"\0") or self._stream.read(CHUNK).lstrip(b"\0")
            if not rest:
                return None
            self._member, self._packed = zlib.decompressobj(31), rest
        if not self._packed:
            self._packed = self._stream.read(CHUNK)
            if not self._packed:
                self.broken = "the gzip stream ends in the middle"
                return None
            self._room += _MOST_RATIO * len(self._packed)
        try:
            part = self._member.decompress(self._packed, size)
        except zlib.error:
            self.broken = "the gzip stream is damaged"
            return None
        self._packed = self._member.unconsumed_tail
        self._room -= len(part)
        if self._room < 0:
            self.broken = (f"the gzip stream unpacks to more than {_MOST_RATIO} times its size; unpack it with gunzip, "
                           "if it is to be trusted")
            return None
        return part


def open_capture(path: str) -> tuple[Capture, Callable[[], None]]:
    """path: of a pcap, pcapng or gzipped file. Returns (Capture, function that closes it). Raises McastError where it
    can't be opened or is not a capture."""
    try:
        # Without waiting, as for the writer of a FIFO.
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise McastError(path, f"can't be read as a capture: {error.strerror or error}") from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise McastError(path, "is not a regular file; expected a capture")
    try:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        unpacked = _Gunzip(stream) if packed else stream
        return Capture(unpacked, path), unpacked.close
    except OSError as error:
        stream.close()
        raise McastError(path, f"can't be read as a capture: {error.strerror or error}") from None
    except McastError:
        stream.close()
        raise
