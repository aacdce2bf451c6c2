# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Link types: from a captured frame to the network-layer packet in it (https://www.tcpdump.org/linktypes.html)."""
from __future__ import annotations

import struct
from collections.abc import Callable

from .malformed import Malformed, Snapped

IPV4, IPV6 = 0x0800, 0x86dd
VLAN_TAGS = (0x8100, 0x88a8, 0x9100)
MAX_TAGS = 8

ETHERNET, NULL, LOOP, RAW, COOKED, COOKED_V2, RAW_IPV4, RAW_IPV6 = 1, 0, 108, 101, 113, 276, 228, 229

_NAMES = {
    ETHERNET: "ethernet", NULL: "bsd_loopback", LOOP: "openbsd_loopback", RAW: "raw_ip", 12: "raw_ip", 14: "raw_ip",
    COOKED: "linux_cooked", COOKED_V2: "linux_cooked_v2", RAW_IPV4: "raw_ipv4", RAW_IPV6: "raw_ipv6",
    6: "token_ring", 7: "arcnet", 8: "slip", 9: "ppp", 10: "fddi", 50: "ppp_hdlc", 51: "pppoe", 100: "atm_rfc1483",
    104: "cisco_hdlc", 105: "ieee802_11", 107: "frame_relay", 109: "encrypted_loopback", 117: "pflog",
    119: "ieee802_11_prism", 122: "ip_over_fibre_channel", 127: "ieee802_11_radiotap", 129: "arcnet_linux",
    138: "ip_over_firewire", 143: "docsis", 163: "ieee802_11_avs", 187: "bluetooth_hci", 189: "usb_linux",
    192: "ppi", 195: "ieee802_15_4", 201: "bluetooth_hci", 220: "usb_linux", 227: "socketcan", 239: "nflog",
    247: "infiniband", 249: "usbpcap", 252: "upper_pdu", 253: "netlink",
}
# BSD systems number AF_INET6 differently; the field is in the byte order of the machine that captured.
_LOOPBACK_FAMILIES = {2: IPV4, 24: IPV6, 28: IPV6, 30: IPV6, 10: IPV6}


class Link:
    """What the link layer says of a frame.

    ethertype:   of the innermost header, or None where the frame carries no such thing.
    offset:      where the network-layer packet starts in the frame.
    source, destination: 6 bytes, or None where the link type has none.
    tags:        VLAN identifiers, from the outermost to the innermost.
    """

    __slots__ = ("ethertype", "offset", "source", "destination", "tags")

    def __init__(self, ethertype: int | None, offset: int, source: bytes | None = None,
                 destination: bytes | None = None) -> None:
        self.ethertype = ethertype
        self.offset = offset
        self.source = source
        self.destination = destination
        self.tags: tuple[int, ...] = ()


def name(link_type: int) -> str:
    """Returns a word such as ``"ethernet"``, or ``"link_type_147"`` for one that has none here."""
    return _NAMES.get(link_type) or f"link_type_{link_type}"


def parse(link_type: int, frame: bytes) -> Link | None:
    """frame: the captured bytes. Returns a Link, or None for a link type that this doesn't read.
    Raises Snapped where the frame ends before its own header does, Malformed where VLAN tags pile up."""
    parser = _PARSERS.get(link_type)
    if parser is None:
        return None
    try:
        link = parser(frame)
        if link.ethertype in VLAN_TAGS:
            _untag(link, link.ethertype, frame)
    except struct.error:
        raise Snapped(f"the frame ends in its {name(link_type)} header") from None
    return link


def cooked_index(link_type: int, frame: bytes) -> str | None:
    """The interface's index in a Linux cooked v2 frame, as text; None for all other frames."""
    if link_type != COOKED_V2 or len(frame) < 8:
        return None
    return str(struct.unpack_from("!I", frame, 4)[0])


def _untag(link: Link, ethertype: int, frame: bytes) -> None:
    tags: list[int] = []
    while ethertype in VLAN_TAGS:
        if len(tags) == MAX_TAGS:
            raise Malformed(f"more than {MAX_TAGS} VLAN tags")
        tag, ethertype = struct.unpack_from("!HH", frame, link.offset)
        tags.append(tag & 0xfff)
        link.offset += 4
    link.ethertype, link.tags = ethertype, tuple(tags)
    _unwrap_llc(link, ethertype, frame)


def _unwrap_llc(link: Link, number: int, frame: bytes) -> None:
    """A number up to 1500 is no type but a length (IEEE 802.3): the type follows in a SNAP header, if at all."""
    if number <= 1500:
        llc, ethertype = struct.unpack_from("!6sH", frame, link.offset)
        link.ethertype = ethertype if llc == b"\xaa\xaa\x03\0\0\0" else None
        link.offset += 8


def _ethernet(frame: bytes) -> Link:
    destination, source, ethertype = struct.unpack_from("!6s6sH", frame)
    link = Link(ethertype, 14, source, destination)
    _unwrap_llc(link, ethertype, frame)
    return link


def _cooked(frame: bytes) -> Link:
    length, address, ethertype = struct.unpack_from("!4xH8sH", frame)
    return Link(ethertype, 16, address[:6] if length == 6 else None)


def _cooked_v2(frame: bytes) -> Link:
    ethertype, length, address = struct.unpack_from("!H9xB8s", frame)
    return Link(ethertype, 20, address[:6] if length == 6 else None)


def _raw(frame: bytes) -> Link:
    version, = struct.unpack_from("!B", frame)
    return Link({4: IPV4, 6: IPV6}.get(version >> 4), 0)


def _loopback(frame: bytes) -> Link:
    family, = struct.unpack_from("<I", frame)
    swapped, = struct.unpack_from(">I", frame)
    return Link(_LOOPBACK_FAMILIES.get(family) or _LOOPBACK_FAMILIES.get(swapped), 4)


_PARSERS: dict[int, Callable[[bytes], Link]] = {
    ETHERNET: _ethernet, COOKED: _cooked, COOKED_V2: _cooked_v2, RAW: _raw, 12: _raw, 14: _raw,
    RAW_IPV4: _raw, RAW_IPV6: _raw, NULL: _loopback, LOOP: _loopback,
}
