# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages: what one packet says, as a dict of plain values, its time in nanoseconds since the epoch.

Every message has all the keys of blank(), None or empty where they don't apply to its kind."""
from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from . import igmp, ip, mld, pim
from .address import ip_text, is_group, mac_text
from .checksum import BAD, GOOD, UNCHECKED, is_good, judge, judge_udp, pseudo_header
from .link import Link
from .malformed import Malformed

PROTOCOLS = ("igmp", "mld", "pim", "udp")
# Told only where they are asked for: a capture of data would be nothing else.
DATA_KINDS = ("udp", "fragment")
KINDS = tuple(dict.fromkeys((
    "igmpv1_query", "igmpv2_query", "igmpv3_query", "igmpv1_report", "igmpv2_report", "igmpv3_report", "igmpv2_leave",
) + tuple(igmp.OTHER_KINDS.values()) + ("igmp_unknown",) + (
    "mldv1_query", "mldv2_query", "mldv1_report", "mldv2_report", "mldv1_done",
) + tuple(pim.KINDS.values()) + ("pim_unknown", "malformed") + DATA_KINDS))

# No datagram whose protocol is None is among them.
_CONTROL: dict[tuple[int, int | None], tuple[str, Callable[[bytes, int, dict[str, Any]], None]]] = {
    (4, ip.IGMP): ("igmp", igmp.parse), (6, ip.ICMPV6): ("mld", mld.parse),
    (4, ip.PIM): ("pim", pim.parse), (6, ip.PIM): ("pim", pim.parse),
}


def blank(number: int, time: int, interface: str | None, link: Link | None) -> dict[str, Any]:
    """A message with nothing in it yet but where it came from. link: a Link, or None where not even that was read."""
    tags = link.tags if link else ()
    return {
        "number": number, "time": None if time < 0 else time, "interface": interface,
        "vlan": tags[-1] if tags else None, "vlans": list(tags),
        "source_mac": mac_text(link.source) if link and link.source else None,
        "destination_mac": mac_text(link.destination) if link and link.destination else None,
        "source": None, "destination": None, "ttl": None, "router_alert": None, "ip_checksum": None, "checksum": None,
        "fragment": None, "snapped": False, "protocol": None, "version": None, "kind": "malformed", "type": None,
        "query": None, "group": None, "sources": [], "max_response": None, "suppress": None,
        "robustness": None, "interval": None, "records": [], "details": {}, "malformed": None,
    }


def is_control(datagram: ip.Datagram) -> bool:
    """Whether the datagram is of a protocol that is decoded: IGMP, MLD or PIM."""
    if (datagram.version, datagram.protocol) not in _CONTROL:
        return False
    if datagram.protocol != ip.ICMPV6:
        return True
    return _is_later(datagram) or datagram.payload[:1] in _MLD_FIRST_BYTES


_MLD_FIRST_BYTES = frozenset(bytes((kind,)) for kind in mld.TYPES)


def _is_later(datagram: ip.Datagram) -> bool:
    return bool(datagram.fragment and datagram.fragment.offset)


def fill(message: dict[str, Any], datagram: ip.Datagram) -> dict[str, Any]:
    """Fill in what the IP header and the payload say. Returns the message."""
    message["source"], message["destination"] = ip_text(datagram.source), ip_text(datagram.destination)
    message["ttl"], message["router_alert"] = datagram.ttl, datagram.router_alert
    message["ip_checksum"] = datagram.checksum
    message["malformed"] = datagram.malformed
    if datagram.fragment:
        message["fragment"] = datagram.fragment._asdict()
    if _is_later(datagram):
        message["kind"] = "fragment"
        message["protocol"] = _protocol(datagram)
        if is_group(datagram.destination):
            message["group"] = message["destination"]
    elif is_control(datagram):
        message["protocol"], parse = _CONTROL[datagram.version, datagram.protocol]
        message["checksum"] = _judge(datagram)
        _guard(message, datagram, parse)
    return message


def _protocol(datagram: ip.Datagram) -> str | None:
    if datagram.protocol == ip.UDP:
        return "udp"
    return _CONTROL.get((datagram.version, datagram.protocol), (None,))[0]


def _guard(message: dict[str, Any], datagram: ip.Datagram,
           parse: Callable[[bytes, int, dict[str, Any]], None]) -> None:
    """Call a parser; where it runs out of bytes, the fault is the capture's unless the packet is here in full."""
    try:
        parse(datagram.payload, datagram.length, message)
    except Malformed as error:
        if datagram.whole:
            message["malformed"] = message["malformed"] or str(error)
    message["snapped"] = len(datagram.payload) < datagram.length
    if message["kind"] == "malformed":
        message["kind"] = f"{message['protocol']}_unknown"


def _judge(datagram: ip.Datagram) -> str:
    """The checksum of an IGMP, MLD or PIM message."""
    if not datagram.whole or not datagram.payload:
        return UNCHECKED
    payload, extra = datagram.payload, 0
    if datagram.version == 6 and datagram.protocol is not None:
        extra = pseudo_header(datagram.source, datagram.destination, len(payload), datagram.protocol)
    if datagram.protocol == ip.PIM and payload[0] & 0xf == 1:
        # A register's covers the first 8 bytes alone; some senders take in the whole packet (RFC 7761 section 4.9).
        short = pseudo_header(datagram.source, datagram.destination, 8, ip.PIM) if extra else 0
        heads = (is_good(payload[:8], part) for part in (short, extra))
        return GOOD if any(heads) or is_good(payload, extra) else BAD
    return judge(payload, extra)


def read_udp(datagram: ip.Datagram) -> tuple[bytes, int] | None:
    """Returns (the four bytes of the two ports, the length in the UDP header). Raises Malformed where the header
    contradicts the IP header; None in place of a pair where the capture ends in it."""
    payload = datagram.payload
    if len(payload) < 8:
        if datagram.length >= 8:
            return None
        raise Malformed(f"a UDP header of {datagram.length} bytes, it takes 8")
    size, = struct.unpack_from("!H", payload, 4)
    if size < 8 or (size > datagram.length and not datagram.fragment):
        raise Malformed(f"UDP length {size}, the IP header leaves {datagram.length}")
    return payload[:4], size


def fill_udp(message: dict[str, Any], datagram: ip.Datagram, with_payload: bool) -> None:
    """Add what a UDP datagram to a group says: its ports and length and, if wanted, its payload: in hex, and as text
    where it is printable. What is wrong with it stands in ``malformed`` already."""
    message["protocol"] = message["kind"] = "udp"
    message["group"] = message["destination"]
    payload = datagram.payload
    message["snapped"] = len(payload) < datagram.length
    if len(payload) < 8:
        return
    source_port, destination_port, size = struct.unpack_from("!HHH", payload)
    message["details"] = {"source_port": source_port, "destination_port": destination_port, "length": size - 8}
    segment = payload[:size]
    whole = datagram.whole and not message["malformed"]
    message["checksum"] = judge_udp(segment, datagram.source, datagram.destination) if whole else UNCHECKED
    if with_payload:
        words = segment[8:].decode("utf-8", "replace")
        message["details"]["payload"] = segment[8:].hex()
        message["details"]["text"] = words if words.isprintable() and "\ufffd" not in words else None
