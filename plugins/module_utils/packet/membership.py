# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What IGMPv3 (RFC 9776) and MLDv2 (RFC 9777) have in common: codes of time, queries' tails, and group records."""
from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from .address import ip_text, is_unspecified
from .malformed import Malformed

RECORD_TYPES = {1: "is_in", 2: "is_ex", 3: "to_in", 4: "to_ex", 5: "allow", 6: "block"}


def decode_code(code: int, bits: int = 8) -> int:
    """A number of units from its code: as it stands while the top bit is clear, else a mantissa with an exponent.
    8 bits: RFC 9776 section 4.1.1 and 4.1.7; 16 bits: RFC 9777 section 5.1.3."""
    mantissa_bits = bits - 4
    if not code >> (bits - 1):
        return code
    mantissa = code & (1 << mantissa_bits) - 1 | 1 << mantissa_bits
    return mantissa << ((code >> mantissa_bits & 7) + 3)


def read_group(raw: bytes, message: dict[str, Any]) -> None:
    """Fill in the group of a query, a report or a leave; an unspecified one is None: a general query."""
    message["group"] = None if is_unspecified(raw) else ip_text(raw)


def read_query_tail(payload: bytes, offset: int, size: int, message: dict[str, Any]) -> None:
    """The part that version 3 of IGMP and version 2 of MLD add to a query: S flag, QRV, QQIC, and the sources.
    offset: of that part in payload; size: bytes of an address."""
    flags, interval, count = struct.unpack_from("!BBH", payload, offset)
    message["suppress"] = bool(flags & 8)
    message["robustness"] = flags & 7
    message["interval"] = decode_code(interval)
    message["query"] = classify(message, count)
    read_addresses(payload, offset + 4, count, size, message["sources"], "a query")


def classify(message: Mapping[str, Any], sources: int = 0) -> str:
    """Which of the three a query is: ``"general"``, ``"group"`` or ``"group_and_source"``."""
    if message["group"] is None:
        return "general"
    return "group_and_source" if sources else "group"


def read_addresses(payload: bytes, offset: int, count: int, size: int, found: list[str], owner: str) -> None:
    """Append `count` addresses to the list `found`, as far as they reach. Raises Malformed where they are fewer."""
    room = max(0, len(payload) - offset) // size
    found.extend([ip_text(payload[at:at + size])
                  for at in range(offset, offset + min(count, room) * size, size)])
    if count > room:
        raise Malformed(f"{owner} with {count} sources, room for {room}")


def read_records(payload: bytes, size: int, message: dict[str, Any]) -> None:
    """The records of a report, from byte 8 of payload on: ``{"type", "group", "sources"}``, and ``auxiliary`` (in hex)
    where there is such data. Raises Malformed where they are fewer than the report says."""
    count, = struct.unpack_from("!H", payload, 6)
    records = message["records"]
    offset = 8
    for index in range(count):
        if offset + 4 + size > len(payload):
            raise Malformed(f"a report of {count} records ends in record {index + 1}")
        kind, auxiliary, sources = struct.unpack_from("!BBH", payload, offset)
        record: dict[str, Any] = {"type": RECORD_TYPES.get(kind) or f"unknown_{kind}",
                                  "group": ip_text(payload[offset + 4:offset + 4 + size]), "sources": []}
        records.append(record)
        offset += 4 + size
        read_addresses(payload, offset, sources, size, record["sources"], f"record {index + 1}")
        offset += sources * size
        if auxiliary:
            record["auxiliary"] = payload[offset:offset + auxiliary * 4].hex()
            offset += auxiliary * 4
            if offset > len(payload):
                raise Malformed(f"record {index + 1} with {auxiliary * 4} bytes of auxiliary data past the end")
