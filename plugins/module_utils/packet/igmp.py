# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IGMP: versions 1 (RFC 1112), 2 (RFC 2236) and 3 (RFC 9776), and what else rides on its protocol number."""
from __future__ import annotations

from typing import Any

from .malformed import Malformed
from .membership import classify, decode_code, read_group, read_query_tail, read_records

# Named with their type alone (IANA registry "IGMP Type Numbers").
OTHER_KINDS = {
    0x13: "dvmrp", 0x14: "pimv1", 0x15: "cisco_trace", 0x1e: "mtrace_response", 0x1f: "mtrace_query",
    0x24: "igmp_all_hosts_pim", 0x30: "mrd_advertisement", 0x31: "mrd_solicitation", 0x32: "mrd_termination",
    0x40: "igap_report", 0x41: "igap_query", 0x42: "igap_leave",
    0xfc: "rgmp_leave", 0xfd: "rgmp_join", 0xfe: "rgmp_bye", 0xff: "rgmp_hello",
}
# Version 0 (RFC 988) has 20 bytes always.
OTHER_KINDS.update((kind, "igmpv0") for kind in range(0x10))
# The least bytes of those that have more than router discovery's 4.
_LEAST = {0x13: 8, 0x14: 8, 0x1e: 24, 0x1f: 24}
_LEAST.update(dict.fromkeys(range(0x10), 20))
_GROUP_KINDS = {0x12: ("igmpv1_report", 1), 0x16: ("igmpv2_report", 2), 0x17: ("igmpv2_leave", 2)}


def parse(payload: bytes, length: int, message: dict[str, Any]) -> None:
    """payload: the captured bytes of the IP payload; length: how many it has by the IP header, by which the versions of
    a query are told apart. Fills `message`; raises Malformed, with all that it could read filled in."""
    if not payload:
        raise Malformed("an IGMP message without a byte")
    kind = message["type"] = payload[0]
    if kind == 0x11:
        _query(payload, length, message)
    elif kind in _GROUP_KINDS:
        message["kind"], message["version"] = _GROUP_KINDS[kind]
        _need(payload)
        read_group(payload[4:8], message)
    elif kind == 0x22:
        message["kind"], message["version"] = "igmpv3_report", 3
        _need(payload)
        read_records(payload, 4, message)
    else:
        message["kind"] = OTHER_KINDS.get(kind, "igmp_unknown")
        _need(payload, _LEAST.get(kind, 4))


def _need(payload: bytes, size: int = 8) -> None:
    if len(payload) < size:
        raise Malformed(f"an IGMP message of {len(payload)} bytes, it takes {size}")


def _query(payload: bytes, length: int, message: dict[str, Any]) -> None:
    """RFC 9776 section 7.1: 8 bytes are version 1 or, with a maximum response code, version 2; 12 and more are version
    3; all else is no query."""
    code = payload[1] if len(payload) > 1 else 0
    if length >= 12:
        message["version"] = 3
        message["max_response"] = decode_code(code) / 10
    elif code:
        message["version"] = 2
        message["max_response"] = code / 10
    else:
        message["version"] = 1
    message["kind"] = f"igmpv{message['version']}_query"
    _need(payload)
    read_group(payload[4:8], message)
    message["query"] = classify(message)
    if length >= 12:
        _need(payload, 12)
        read_query_tail(payload, 8, 4, message)
    elif length != 8:
        raise Malformed(f"an IGMP query of {length} bytes; versions 1 and 2 have 8, version 3 has 12 or more")
