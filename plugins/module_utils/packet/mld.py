# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MLD: versions 1 (RFC 2710) and 2 (RFC 9777), and multicast router discovery (RFC 4286), on ICMPv6."""
from __future__ import annotations

import struct
from typing import Any

from .malformed import Malformed
from .membership import classify, decode_code, read_group, read_query_tail, read_records

OTHER_KINDS = {151: "mrd_advertisement", 152: "mrd_solicitation", 153: "mrd_termination"}
_GROUP_KINDS = {131: "mldv1_report", 132: "mldv1_done"}  # of version 1
TYPES = frozenset((130, 131, 132, 143)) | frozenset(OTHER_KINDS)


def parse(payload: bytes, length: int, message: dict[str, Any]) -> None:
    """payload: the captured bytes from the ICMPv6 header on, of a type in TYPES; length: how many it has by the IP
    header, by which the versions of a query are told apart. Fills `message`; raises Malformed, with all that it could
    read filled in."""
    kind = message["type"] = payload[0]
    if kind == 130:
        _query(payload, length, message)
    elif kind in _GROUP_KINDS:
        message["kind"], message["version"] = _GROUP_KINDS[kind], 1
        _need(payload, 24)
        read_group(payload[8:24], message)
    elif kind == 143:
        message["kind"], message["version"] = "mldv2_report", 2
        _need(payload, 8)
        read_records(payload, 16, message)
    else:
        message["kind"] = OTHER_KINDS[kind]


def _need(payload: bytes, size: int) -> None:
    if len(payload) < size:
        raise Malformed(f"an MLD message of {len(payload)} bytes, it takes {size}")


def _query(payload: bytes, length: int, message: dict[str, Any]) -> None:
    """RFC 9777 section 8.1: 24 bytes are version 1, 28 and more are version 2; all else is no query."""
    message["version"] = 2 if length >= 28 else 1
    message["kind"] = f"mldv{message['version']}_query"
    _need(payload, 24)
    code, = struct.unpack_from("!H", payload, 4)
    message["max_response"] = (decode_code(code, 16) if length >= 28 else code) / 1000
    read_group(payload[8:24], message)
    message["query"] = classify(message)
    if length >= 28:
        _need(payload, 28)
        read_query_tail(payload, 24, 16, message)
    elif length != 24:
        raise Malformed(f"an MLD query of {length} bytes; version 1 has 24, version 2 has 28 or more")
