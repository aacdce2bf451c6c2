# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a capture file to what it says: counts, flows and messages."""
from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any, Callable, Tuple

from ..error import McastError
from . import ip, link, timestamps
from .address import is_group
from .capture_file import Capture, open_capture
from .datagram import Datagram, of
from .flow import FlowTable, key_of
from .interface import Interface, Packet
from .malformed import Malformed, Snapped
from .message import DATA_KINDS, blank, fill, fill_udp, is_control, read_udp
from .message_filter import MessageFilter

# Messages are many times larger than the packets that they were: this many bytes of control packets become messages.
MAX_TOLD_BYTES = 4 << 20

_Unpack = Callable[[bytes], Tuple[Any, ...]]

# The hot path reads a data datagram with one struct: the ethertype, then of IPv4 the first byte, total length,
# fragment word, TTL, protocol, addresses and ports as one string, UDP length; of IPv6 the first byte, payload length,
# next header, hop limit, addresses and ports, UDP length. Frames of other shapes make it raise, and take the long way.
_SHAPES: dict[int, tuple[_Unpack, _Unpack, int]] = {
    link_type: (struct.Struct(f"!{skip}xHBxH2xHBB2x12sH").unpack_from,
                struct.Struct(f"!{skip + 2}xB3xHBB36sH").unpack_from, skip + 2)
    for link_type, skip in ((link.ETHERNET, 12), (link.COOKED, 14))
}
_NEVER = struct.Struct("!262145x8B").unpack_from
_NO_SHAPE: tuple[_Unpack, _Unpack, int] = (_NEVER, _NEVER, 0)
_VERSIONS: dict[int | None, int] = {link.IPV4: 4, link.IPV6: 6}


def read(path: str, **options: Any) -> dict[str, Any]:
    """Read a capture file. options: those of MessageFilter.

    Returns the dict that the module capture_info documents. Raises McastError where an option is wrong or the file is
    no capture."""
    with contextlib.closing(Decoder(path, **options)) as decoder:
        found = decoder.read()
    return dict(found, messages=[timestamps.readable(message) for message in found["messages"]])


class Decoder:
    """A capture file that is read on while it grows, each packet once.

    listed: how many datagrams to groups are kept one by one, in `datagrams`; None: none are. options: those of
    MessageFilter. McastError where an option is wrong or the file is not a capture."""

    def __init__(self, path: str, listed: int | None = None, **options: Any) -> None:
        self._path, self._choice = path, MessageFilter(**options)
        self._reading = _Reading(self._choice, listed)
        self._capture, self.close = open_capture(path)

    @property
    def datagrams(self) -> list[Datagram]:
        """Those that were read so far."""
        return self._reading.listed

    def read(self) -> dict[str, Any]:
        """Read what the file holds beyond what was read before; where that was something, the file must be a pcap that
        is not packed. Returns what all of it says, as the module capture_info documents it, except that the time
        of a message is a number of nanoseconds, or None."""
        capture, choice = self._capture, self._choice
        self._reading.run(_chosen(capture, choice))
        if capture.named_interfaces and choice.interface not in {None} | capture.interface_names:
            raise McastError("interface", f"{choice.interface} is not in {self._path}, which has "
                                          f"{', '.join(sorted(capture.interface_names)) or 'none'}")
        return dict(self._reading.result(), truncated=capture.broken is not None, truncated_at=capture.broken)


def _chosen(capture: Capture, choice: MessageFilter) -> Iterator[Packet]:
    """The packets of the wanted interface and time."""
    packets = capture.packets()
    if choice.since is not None or choice.until is not None:
        packets = (packet for packet in packets if choice.in_time(packet[1]))
    if choice.interface is not None:
        packets = (packet for packet in packets if _interface(packet) == choice.interface)
    return packets


def _interface(packet: Packet) -> str:
    name = packet[2].name or link.cooked_index(packet[2].link_type, packet[4])
    if name is None:
        raise McastError("interface", "the file does not tell interfaces; leave the option out, or capture as pcapng "
                                      "or with `tcpdump -i any`")
    return name


class _Reading:
    """What has been read so far."""

    def __init__(self, choice: MessageFilter, listed: int | None) -> None:
        self._choice = choice
        self.listed: list[Datagram] = []
        self._room_listed, self._not_listed = listed, 0
        self._payloads: dict[bytes, bytes] = {}  # most are alike: each is kept once
        self._flows = FlowTable()
        self._messages: list[dict[str, Any]] = []
        self._data: list[dict[str, Any]] = []
        self._room = MAX_TOLD_BYTES
        self._left_out = self._total = self._malformed = self._other = self._fragments = 0
        self._first = self._last = -1
        self._link_types: dict[str, int] = {}

    def run(self, packets: Iterator[Packet]) -> None:
        """The hot path: a datagram of a flow that is known already is counted here, all else by _careful()."""
        flows, one_by_one = self._flows, self._choice.datagrams or self._room_listed is not None
        count, octets, last, ttls = flows.packets, flows.octets, flows.last, flows.ttl
        gaps, gap_starts = flows.gap, flows.gap_start
        current: Interface | None = None
        total, mark, time = self._total, self._total, self._last
        ipv4, ipv6, room = _NO_SHAPE
        find: Callable[[bytes], int | None]
        for number, time, interface, original, frame in packets:
            if interface is not current:
                self._count_link(current, total - mark, time)
                current, mark = interface, total
                ipv4, ipv6, room = _NO_SHAPE if one_by_one else _SHAPES.get(interface.link_type, _NO_SHAPE)
                find = flows.finder(interface.name).get
            total += 1
            row = None
            try:
                ethertype, first, length, fragment, ttl, protocol, key, size = ipv4(frame)
                if ethertype == 0x0800:
                    if (protocol == 17 and first == 0x45 and size + 20 == length and not fragment & 0x3fff
                            and length + room <= original):
                        row = find(key)
                elif ethertype == 0x86dd:
                    first, length, protocol, ttl, key, size = ipv6(frame)
                    if protocol == 17 and first >> 4 == 6 and size == length and length + room + 40 <= original:
                        row = find(key)
            except struct.error:
                pass
            if row is None or time < 0:
                self._careful(number, time, interface, original, frame)
                continue
            count[row] += 1
            octets[row] += size
            before = last[row]
            if time - before > gaps[row]:
                gaps[row] = time - before
                gap_starts[row] = before
            last[row] = time
            if ttl != ttls[row]:
                flows.see_ttl(row, ttl)
        self._count_link(current, total - mark, time)
        self._total, self._last = total, time

    def _count_link(self, interface: Interface | None, packets: int, time: int) -> None:
        if interface is None:
            self._first = self._first if self._total else time
        else:
            name = link.name(interface.link_type)
            self._link_types[name] = self._link_types.get(name, 0) + packets

    def _careful(self, number: int, time: int, interface: Interface, original: int, frame: bytes) -> None:
        """One packet of any kind."""
        where = layer = None
        try:
            layer = link.parse(interface.link_type, frame)
            version = _VERSIONS.get(layer.ethertype) if layer else None
            if layer is None or version is None:
                self._other += 1
                return
            where = interface.name or link.cooked_index(interface.link_type, frame)
            datagram = ip.parse(frame, layer.offset, original, version)
        except Snapped:
            self._other += 1
            return
        except Malformed as error:
            message = blank(number, time, where, layer)
            message["malformed"] = str(error)
            self._note(message, len(frame))
            return
        to_group = is_group(datagram.destination)
        if datagram.fragment and to_group:
            self._fragments += 1
        if is_control(datagram) or to_group and (datagram.malformed or _is_later(datagram)):
            self._note(fill(blank(number, time, where, layer), datagram), len(frame))
        elif to_group and datagram.protocol == ip.UDP:
            self._datagram(number, time, where, layer, datagram)
        else:
            self._other += 1

    def _datagram(self, number: int, time: int, where: str | None, layer: link.Link, datagram: ip.Datagram) -> None:
        """A UDP datagram to a group, or the first fragment of one."""
        reason = None
        try:
            header = read_udp(datagram)
            if header is None:
                self._other += 1
                return
            key = key_of(datagram.source + datagram.destination, header[0], layer.tags)
            self._flows.add(where, key, time, header[1], datagram.ttl, bool(datagram.fragment))
            self._list(number, time, layer, datagram, header[1])
        except Malformed as error:
            reason = str(error)
        if reason or self._choice.datagrams:
            message = fill(blank(number, time, where, layer), datagram)
            message["malformed"] = reason
            fill_udp(message, datagram, self._choice.payload)
            self._note(message, 0)

    def _list(self, number: int, time: int, layer: link.Link, datagram: ip.Datagram, length: int) -> None:
        """Keep a datagram, where they are asked for and there is room."""
        if self._room_listed is None or datagram.malformed:
            return
        if len(self.listed) < self._room_listed:
            one = of(number, time, layer, datagram, length)
            self.listed.append(one._replace(payload=self._payloads.setdefault(one.payload, one.payload)))
        else:
            self._not_listed += 1

    def _note(self, message: dict[str, Any], size: int) -> None:
        """Count a message, and keep it if it is wanted and there is room. size: of the packet, in bytes."""
        if message["malformed"]:
            self._malformed += 1
        if not self._choice.takes(message):
            return
        if self._choice.data_limit is not None and message["kind"] in DATA_KINDS and not message["malformed"]:
            if len(self._data) < self._choice.data_limit:
                self._data.append(message)
            return
        if len(self._messages) < self._choice.limit and self._room >= size:
            self._room -= size
            self._messages.append(message)
        else:
            self._left_out += 1

    def result(self) -> dict[str, Any]:
        """Returns the dict; truncated and truncated_at are the file's to say."""
        flows, flows_left_out, datagrams = self._flows.listed(self._choice.group_bytes, self._choice.limit)
        return {
            "packets": {"total": self._total, "decoded": self._total - self._malformed - self._other,
                        "malformed": self._malformed, "other": self._other},
            "fragments": self._fragments,
            "first": timestamps.text(self._first), "last": timestamps.text(self._last),
            "link_types": self._link_types,
            "flows": flows,
            "messages": sorted(self._messages + self._data, key=lambda one: one["number"]),
            "left_out": {"messages": self._left_out, "flows": flows_left_out,
                         "datagrams": datagrams if self._room_listed is None else self._not_listed},
        }


def _is_later(datagram: ip.Datagram) -> bool:
    return bool(datagram.fragment and datagram.fragment.offset)
