# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Queries of IGMP and MLD as bytes, and the bytes that a querier hears as messages. Pure functions."""
from __future__ import annotations

import ipaddress
import struct
from typing import Any, Callable, Dict, NamedTuple

from ..error import McastError
from ..packet import igmp, ip, mld
from ..packet.checksum import is_good, pseudo_header, remainder
from ..packet.malformed import Malformed, Snapped
from ..packet.membership import decode_code
from .defaults import QUERY_INTERVAL, ROBUSTNESS

ALL_SYSTEMS = {4: "224.0.0.1", 6: "ff02::1"}
PROTOCOLS = {4: "IGMP", 6: "MLD"}
VERSIONS = {4: (1, 2, 3), 6: (1, 2)}
# Linux takes an IGMP query with a shorter one for IGMPv1's, which has none.
LEAST_RESPONSE = 0.1
# IGMPv1 queries carry none: RFC 1112 gives hosts this long.
IGMPV1_RESPONSE = 10.0


class _ResponseCode(NamedTuple):
    """Of the maximum response code: how many units are a second, how many bits it has (0: it is a plain number), its
    largest value."""

    units: int
    bits: int
    largest: int


_RESPONSE = {(4, 2): _ResponseCode(10, 0, 255), (4, 3): _ResponseCode(10, 8, 31744),
             (6, 1): _ResponseCode(1000, 0, 65535), (6, 2): _ResponseCode(1000, 16, 8387584)}
_QQIC_BITS, _LARGEST_QQI = 8, 31744
# As many sources fit into a query on Ethernet (RFC 9776 section 4.1.8, RFC 9777 section 5.1.10).
MOST_SOURCES = {4: 366, 6: 89}
_MLD_TYPES = (130, 131, 132, 143)


class Query(NamedTuple):
    """family: 4 or 6. group: text, or None in a general query. sources: of a group-and-source-specific one. The times
    are in seconds; suppress, robustness, interval and sources exist in IGMPv3 and MLDv2 only."""

    family: int
    version: int
    max_response: float
    group: str | None = None
    sources: tuple[str, ...] = ()
    suppress: bool = False
    robustness: int = ROBUSTNESS
    interval: float = QUERY_INTERVAL

    @property
    def kind(self) -> str:
        """Which of the three: ``"general"``, ``"group"`` or ``"group_and_source"``."""
        if self.group is None:
            return "general"
        return "group_and_source" if self.sources else "group"

    @property
    def destination(self) -> str:
        return self.group or ALL_SYSTEMS[self.family]


def newest(family: int) -> int:
    return VERSIONS[family][-1]


def check_response(name: str, family: int, version: int, seconds: float) -> None:
    """McastError where a query of that version can't ask for answers within so many seconds."""
    if (family, version) == (4, 1):
        return
    longest = _RESPONSE[family, version].largest / _RESPONSE[family, version].units
    if not LEAST_RESPONSE <= seconds <= longest:
        raise McastError(name, f"{seconds:g} s can't be said in {PROTOCOLS[family]}v{version}; expected "
                               f"{LEAST_RESPONSE:g} to {longest:g} s (with less, Linux hosts take a query for IGMPv1)")


def said_response(family: int, version: int, seconds: float) -> float:
    """What hosts read where a query is to say so many seconds: the next value below that the code has."""
    if (family, version) == (4, 1):
        return IGMPV1_RESPONSE
    units, bits, unused = _RESPONSE[family, version]
    code = _response_code(family, version, seconds)
    return (decode_code(code, bits) if bits else code) / units


def said_interval(seconds: float) -> int:
    """What the QQIC says of a query interval: whole seconds, rounded up, for 0 means that nothing is said."""
    return decode_code(_interval_code(seconds))


def encode_code(value: int, bits: int = 8) -> int:
    """The code of a whole number, of the next smaller one where it has none: RFC 9776 section 4.1.1 (8 bits), RFC 9777
    section 5.1.3 (16 bits). The reverse of packet.membership.decode_code."""
    if value < 1 << (bits - 1):
        return value
    mantissa_bits = bits - 4
    exponent = value.bit_length() - mantissa_bits - 4
    if exponent > 7:
        return (1 << bits) - 1
    mantissa = value >> (exponent + 3) & (1 << mantissa_bits) - 1
    return 1 << (bits - 1) | exponent << mantissa_bits | mantissa


def _response_code(family: int, version: int, seconds: float) -> int:
    units, bits, largest = _RESPONSE[family, version]
    value = min(largest, int(seconds * units + 1e-6))  # 0.3 is a little less than three tenths
    return encode_code(value, bits) if bits else value


def _interval_code(seconds: float) -> int:
    whole = min(_LARGEST_QQI, max(1, -int(-seconds // 1)))
    code = encode_code(whole)
    # Rounded up here as well: who waits for the next query must not give up before it.
    return code if decode_code(code) >= whole else min(255, code + 1)


def write(query: Query, source: str = "") -> bytes:
    """The IGMP or ICMPv6 payload of a Query, with its checksum. source: of an MLD query, as text; IGMP takes none."""
    family, version = query.family, query.version
    group = ipaddress.ip_address(query.group or ("0.0.0.0" if family == 4 else "::")).packed
    code = 0 if (family, version) == (4, 1) else _response_code(family, version, query.max_response)
    head = struct.pack("!BBH", 0x11, code, 0) if family == 4 else struct.pack("!BBHHH", 130, 0, 0, code, 0)
    payload = head + group
    if version == newest(family):
        flags = (8 if query.suppress else 0) | (query.robustness if query.robustness <= 7 else 0)
        payload += struct.pack("!BBH", flags, _interval_code(query.interval), len(query.sources))
        payload += b"".join(ipaddress.ip_address(one).packed for one in query.sources)
    extra = 0
    if family == 6:
        extra = pseudo_header(ipaddress.ip_address(source).packed, ipaddress.ip_address(query.destination).packed,
                              len(payload), ip.ICMPV6)
    checksum = 0xffff - (remainder(payload) + extra) % 0xffff
    return payload[:2] + struct.pack("!H", checksum) + payload[4:]


def read(packet: bytes, family: int) -> dict[str, Any] | None:
    """What a querier heard: packet: bytes from the IP header on. Returns a dict with ``kind`` (as in packet.message),
    ``version``, ``source`` (text), ``group``, ``sources``, ``records``, ``query``, ``max_response``, ``suppress``,
    ``robustness``, ``interval``; None for all that a router has to ignore (bad checksums; RFC 9777 sections 5.1.14 and
    5.2.14: MLD that is not of a link-local source, or without hop limit 1 and Router Alert)."""
    try:
        datagram = ip.parse(packet, 0, len(packet), family)
    except (Malformed, Snapped):
        return None
    if datagram.malformed or not datagram.whole or not datagram.payload or datagram.checksum == "bad":
        return None
    parser = _igmp_parser(datagram) if family == 4 else _mld_parser(datagram)
    message: dict[str, Any] = {
        "source": str(ipaddress.ip_address(datagram.source)), "group": None, "sources": [], "records": [],
        "query": None, "max_response": None, "suppress": False, "robustness": None, "interval": None}
    try:
        if parser is None:
            return None
        parser(datagram.payload, datagram.length, message)
    except Malformed:
        return None
    return message if _is_sound(message) else None


# Fills in the message that is its last argument (see packet.igmp.parse and packet.mld.parse).
_Parser = Callable[[bytes, int, Dict[str, Any]], None]


def _igmp_parser(datagram: ip.Datagram) -> _Parser | None:
    return igmp.parse if datagram.protocol == ip.IGMP and is_good(datagram.payload) else None


def _mld_parser(datagram: ip.Datagram) -> _Parser | None:
    payload, source = datagram.payload, datagram.source
    if datagram.protocol != ip.ICMPV6 or payload[0] not in _MLD_TYPES:
        return None
    if datagram.ttl != 1 or not datagram.router_alert or source[0] != 0xfe or source[1] >> 6 != 2:
        return None
    extra = pseudo_header(source, datagram.destination, len(payload), ip.ICMPV6)
    return mld.parse if is_good(payload, extra) else None


def _is_sound(message: dict[str, Any]) -> bool:
    groups = [message["group"]] if message["group"] else []
    groups += [record["group"] for record in message["records"]]
    return all(ipaddress.ip_address(group).is_multicast for group in groups)
