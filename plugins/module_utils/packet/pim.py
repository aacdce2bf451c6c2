# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PIM version 2 (RFC 7761; bootstrap and candidate-RP by RFC 5059, state refresh by RFC 3973)."""
from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from . import ip
from .address import ip_text
from .malformed import Malformed, Snapped

KINDS = {
    0: "pim_hello", 1: "pim_register", 2: "pim_register_stop", 3: "pim_join_prune", 4: "pim_bootstrap",
    5: "pim_assert", 6: "pim_graft", 7: "pim_graft_ack", 8: "pim_candidate_rp", 9: "pim_state_refresh",
    10: "pim_df_election", 11: "pim_ecmp_redirect",
}


class _Reader:
    """The bytes of a message, read from the front. Every step raises Malformed where they don't suffice."""

    def __init__(self, payload: bytes, offset: int) -> None:
        self.payload = payload
        self.offset = offset

    def more(self) -> bool:
        return self.offset < len(self.payload)

    def take(self, size: int, what: str) -> bytes:
        start, self.offset = self.offset, self.offset + size
        if self.offset > len(self.payload):
            raise Malformed(f"{what} past the end")
        return self.payload[start:self.offset]

    def numbers(self, layout: str, what: str) -> tuple[int, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def _address(self, family: int, encoding: int, what: str, most: int = 0) -> str:
        size = {1: 4, 2: 16}.get(family)
        if size is None or encoding > most:
            raise Malformed(f"{what} of address family {family}, encoding {encoding}")
        return ip_text(self.take(size, what))

    def unicast(self, what: str) -> str:
        """An encoded-unicast address (RFC 7761 section 4.9.1), as text."""
        family, encoding = self.numbers("!BB", what)
        return self._address(family, encoding, what)

    def group(self) -> dict[str, Any]:
        """An encoded-group address: ``{"group", "mask_length", "bidirectional", "zone"}``."""
        family, encoding, flags, mask = self.numbers("!BBBB", "a group")
        return {"group": self._address(family, encoding, "a group"), "mask_length": mask,
                "bidirectional": bool(flags & 0x80), "zone": bool(flags & 1)}

    def source(self) -> dict[str, Any]:
        """An encoded-source address: ``{"source", "mask_length", "sparse", "wildcard", "rpt"}``. Attributes that may
        follow it (RFC 5384) are passed over."""
        family, encoding, flags, mask = self.numbers("!BBBB", "a source")
        source = {"source": self._address(family, encoding, "a source", 1), "mask_length": mask,
                  "sparse": bool(flags & 4), "wildcard": bool(flags & 2), "rpt": bool(flags & 1)}
        last = encoding == 0
        while not last:
            head, length = self.numbers("!BB", "a join attribute")
            self.take(length, "a join attribute")
            last = bool(head & 0x40)
        return source


def parse(payload: bytes, unused_length: int, message: dict[str, Any]) -> None:
    """payload: the captured bytes of the IP payload. Fills `message`, the parts that only PIM has under ``details``;
    raises Malformed, with all that it could read filled in."""
    if not payload:
        raise Malformed("a PIM message without a byte")
    version, kind = payload[0] >> 4, payload[0] & 0xf
    message["version"], message["type"] = version, kind
    message["kind"] = KINDS.get(kind, "pim_unknown") if version == 2 else "pim_unknown"
    if version != 2:
        raise Malformed(f"PIM version {version}; expected 2")
    if len(payload) < 4:
        raise Malformed(f"a PIM message of {len(payload)} bytes, it takes 4")
    parser = _PARSERS.get(kind)
    if parser:
        parser(_Reader(payload, 4), message, message["details"])


def _prune_delay(value: bytes) -> dict[str, Any]:
    word, override = struct.unpack("!HH", value)
    return {"tracking": bool(word & 0x8000), "delay": (word & 0x7fff) / 1000, "override": override / 1000}


def _addresses(value: bytes) -> list[str]:
    reader = _Reader(value, 0)
    addresses: list[str] = []
    while reader.more():
        addresses.append(reader.unicast("an address of the address list"))
    return addresses


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")


# Hello options (RFC 7761 section 4.9.2, IANA registry "PIM-Hello Options"): name, length (None: any), what the value
# says. 65001 is the address list of senders that are older than its number.
_HELLO_OPTIONS: dict[int, tuple[str, int | None, Callable[[bytes], Any]]] = {
    1: ("holdtime", 2, _number),
    2: ("lan_prune_delay", 4, _prune_delay),
    19: ("dr_priority", 4, _number),
    20: ("generation_id", 4, _number),
    21: ("state_refresh", 4, lambda value: {"version": value[0], "interval": value[1]}),
    22: ("bidirectional", 0, lambda value: True),
    24: ("address_list", None, _addresses),
    65001: ("address_list", None, _addresses),
}


def _hello(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    while reader.more():
        kind, size = reader.numbers("!HH", "a hello option")
        value = reader.take(size, f"hello option {kind}")
        name, wanted, convert = _HELLO_OPTIONS.get(kind) or (f"option_{kind}", None, bytes.hex)
        if wanted not in (None, size):
            raise Malformed(f"hello option {kind} of {size} bytes, it takes {wanted}")
        details[name] = convert(value)


def _register(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    flags, = reader.numbers("!I", "the flags of a register")
    details["border"], details["null"] = bool(flags & 0x80000000), bool(flags & 0x40000000)
    if not reader.more():
        raise Malformed("a register without a packet in it")
    version = reader.payload[reader.offset] >> 4
    if version not in (4, 6):
        raise Malformed(f"a register with an inner packet of IP version {version}")
    # A null register's dummy header may promise a payload that isn't there (RFC 7761 section 4.9.3).
    try:
        inner = ip.parse(reader.payload, reader.offset, len(reader.payload), version)
    except Snapped as error:
        raise Malformed(f"the inner packet of a register: {error}") from None
    message["group"], message["sources"] = ip_text(inner.destination), [ip_text(inner.source)]
    details["ttl"], details["protocol"] = inner.ttl, inner.protocol
    if inner.malformed and not details["null"]:
        raise Malformed(f"the inner packet of a register: {inner.malformed}")


def _register_stop(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    group = reader.group()
    message["group"], details["mask_length"] = group["group"], group["mask_length"]
    message["sources"] = [reader.unicast("the source of a register-stop")]


def _join_prune(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    details["upstream"] = reader.unicast("the upstream neighbor")
    count, details["holdtime"] = reader.numbers("!xBH", "the number of groups")
    details["groups"] = []
    for _unused in range(count):
        group = reader.group()
        joins, prunes = reader.numbers("!HH", "the numbers of sources")
        group["joins"], group["prunes"] = [], []
        details["groups"].append(group)
        for _unused in range(joins):
            group["joins"].append(reader.source())
        for _unused in range(prunes):
            group["prunes"].append(reader.source())
    if count == 1:
        message["group"] = details["groups"][0]["group"]


def _bootstrap(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    details["fragment_tag"], details["hash_mask_length"], details["priority"] = reader.numbers("!HBB", "a bootstrap")
    details["bsr"] = reader.unicast("the bootstrap router")
    details["groups"] = []
    while reader.more():
        group = reader.group()
        group["rp_count"], present = reader.numbers("!BBxx", "the numbers of RPs")
        group["rps"] = []
        details["groups"].append(group)
        for _unused in range(present):
            rp: dict[str, Any] = {"rp": reader.unicast("an RP")}
            rp["holdtime"], rp["priority"] = reader.numbers("!HBx", "the holdtime of an RP")
            group["rps"].append(rp)


def _assert(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    group = reader.group()
    message["group"], details["mask_length"] = group["group"], group["mask_length"]
    message["sources"] = [reader.unicast("the source of an assert")]
    preference, details["metric"] = reader.numbers("!II", "the metric of an assert")
    details["rpt"], details["preference"] = bool(preference & 0x80000000), preference & 0x7fffffff


def _state_refresh(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    """RFC 3973 section 4.7.10."""
    group = reader.group()
    message["group"], details["mask_length"] = group["group"], group["mask_length"]
    message["sources"] = [reader.unicast("the source of a state refresh")]
    details["originator"] = reader.unicast("the originator of a state refresh")
    preference, details["metric"] = reader.numbers("!II", "the metric of a state refresh")
    details["rpt"], details["preference"] = bool(preference & 0x80000000), preference & 0x7fffffff
    details["source_mask_length"], details["ttl"], flags, details["interval"] = reader.numbers(
        "!BBBB", "the end of a state refresh")
    details["prune_indicator"], details["prune_now"] = bool(flags & 0x80), bool(flags & 0x40)
    details["assert_override"] = bool(flags & 0x20)


def _candidate_rp(reader: _Reader, message: dict[str, Any], details: dict[str, Any]) -> None:
    count, details["priority"], details["holdtime"] = reader.numbers("!BBH", "a candidate-RP advertisement")
    details["rp"] = reader.unicast("the candidate RP")
    details["groups"] = []
    for _unused in range(count):
        details["groups"].append(reader.group())


_PARSERS: dict[int, Callable[[_Reader, dict[str, Any], dict[str, Any]], None]] = {
    0: _hello, 1: _register, 2: _register_stop, 3: _join_prune, 4: _bootstrap, 5: _assert, 6: _join_prune,
    7: _join_prune, 8: _candidate_rp, 9: _state_refresh,
}
