# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a packet that comes in for this host: which chains drop it, and how sure that is.

Every chain at every hook must let a packet pass: an accept ends the walk through its own base chain alone (nft(8),
"VERDICT STATEMENTS"). A question may be answered by yes, no or None, where what is asked about isn't known: the sender,
say, or a state that changes."""
from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any, Iterable, Iterator, Sequence, Tuple

from ..kernel.firewall import HOOKS, PROTOCOLS

_IGNORED = {"counter", "log", "notrack", "mangle", "ct helper", "ct timeout", "flow", "secmark", "last", "set", "map"}
_ENDS = {"queue", "dnat", "snat", "masquerade", "redirect", "tproxy", "synproxy", "fwd"}
_VERDICTS = ("accept", "drop", "reject", "return", "jump", "goto")
_NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "icmpv6": 58, "ipv6-icmp": 58, "pim": 103, "ipv4": 2, "ipv6": 10,
            "ip": 0x0800, "ip6": 0x86dd, "multicast": 2, "membership-query": 0x11, "mld-listener-query": 130,
            "invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
# (lowest, highest)
_Interval = Tuple[int, int]
_ALONE: dict[str, tuple[int, ...]] = {"igmp": (4,), "mld": (6,), "pim": (4, 6)}


def verdict(firewall: dict[str, Any], opening: dict[str, Any], interface: str | None = None,
            without: tuple[str, str] | None = None) -> dict[str, Any]:
    """Does what `opening` describes come through?

    firewall: of kernel.firewall.model(). opening: ``{protocol, port, group, source}``. interface: name of the one that
    it comes in by, or None for any but lo. without: (family, table) to leave out.
    Returns ``{"open": {"value": bool or None, "basis": "exact" or "unknown"}, "overridden_by": [...]}``: each chain
    that drops it, or may, as ``{chain, priority, rule, verdict, certain}``: chain such as "inet filter input", rule its
    handle, or None for the chain's policy."""
    drops: list[dict[str, Any]] = []
    for version in versions(opening):
        for chain in firewall["chains"]:
            if (chain["family"], chain["table"]) != without and chain["hook"] in HOOKS and chain["family"] in (
                    "inet", "netdev", "ip" if version == 4 else "ip6"):
                walk = _Walk(firewall, chain, Packet(opening, version, interface,
                                                     chain["hook"] == "input" and not firewall["untracked"]))
                drops += [drop for drop in walk.drops() if drop not in drops]
    value = True if not drops else False if any(drop["certain"] for drop in drops) else None
    return {"open": {"value": value, "basis": "unknown" if value is None else "exact"}, "overridden_by": drops}


def in_words(drops: Iterable[dict[str, Any]]) -> str:
    """``"dropped by inet filter input (policy drop)"``, for all of `overridden_by`."""
    return ", ".join(map(_drop_in_words, drops))


def _drop_in_words(drop: dict[str, Any]) -> str:
    how = "dropped" if drop["certain"] else "perhaps dropped"
    what = drop["verdict"] if drop["rule"] is None else f"{drop['verdict']}, handle {drop['rule']:d}"
    return f"{how} by {drop['chain']} ({what})"


def versions(opening: dict[str, Any]) -> tuple[int, ...]:
    """The IP versions that an opening concerns: those of its addresses, else all that it may have."""
    for address in (opening.get("group"), opening.get("source")):
        if address:
            return (ipaddress.ip_network(address, strict=False).version,)
    return _ALONE.get(opening["protocol"], (4, 6))


class Packet:
    """What is known of it. Each field is (lowest, highest), as numbers; a field of another protocol is no part of it,
    and one that isn't known is None."""

    def __init__(self, opening: dict[str, Any], version: int, interface: str | None, tracked: bool) -> None:
        protocol, group = opening["protocol"], opening.get("group")
        ip, self.interface = "ip" if version == 4 else "ip6", interface
        number, ports = PROTOCOLS[protocol], opening.get("port") and _interval(opening["port"])
        multicast = bool(group) or protocol not in ("udp", "tcp")
        everyone = "224.0.0.0/4" if version == 4 else "ff00::/8"
        source = opening.get("source") or ("fe80::/10" if protocol == "mld" else None)
        self.headers = {"th", ip, {"mld": "icmpv6"}.get(protocol, protocol)}
        self.fields: dict[tuple[str, str], _Interval | None] = {
            (ip, "daddr"): _interval(group or everyone) if multicast else None,
            (ip, "saddr"): _interval(source) if source else None,
            ("ip", "protocol"): (number,) * 2, ("ip", "version"): (4, 4), ("ip6", "version"): (6, 6),
            # MLD stands behind a hop-by-hop header (RFC 9777 section 5), which is number 0.
            ("ip6", "nexthdr"): (0, 0) if protocol == "mld" else (number,) * 2,
            (protocol, "dport"): ports, ("th", "dport"): ports,
            # What a member must hear is the query.
            ("igmp", "type"): (0x11, 0x11), ("icmpv6", "type"): (130, 130),
            ("meta", "l4proto"): (number,) * 2, ("meta", "nfproto"): (2, 2) if version == 4 else (10, 10),
            ("meta", "protocol"): (0x0800,) * 2 if version == 4 else (0x86dd,) * 2,
            ("meta", "pkttype"): (2, 2) if multicast else None,
            ("fib", "type"): (5, 5) if multicast else None,
            # Nobody answers from a group's address, so what is sent to it never becomes established; MLD is not
            # tracked at all (net/netfilter/nf_conntrack_proto_icmpv6.c).
            ("ct", "state"): None if not (multicast and tracked) else (64, 64) if protocol == "mld" else (8, 8),
        }

    def look(self, left: object) -> tuple[bool, _Interval | None]:
        """left: of a match. Returns (whether the packet has such a field at all, (lowest, highest) or None)."""
        if not isinstance(left, dict):
            return True, None
        if "payload" in left:
            key = left["payload"].get("protocol"), left["payload"].get("field")
            if key[0] not in (None, "ether", "vlan", "th") and key[0] not in self.headers:
                return False, None
            return True, self.fields.get(key)
        for kind, name in (("meta", "key"), ("ct", "key"), ("fib", "result")):
            if kind in left:
                return True, self.fields.get((kind, left[kind].get(name)))
        parts = left.get("concat") or left.get("&") or []
        return all(self.look(part)[0] for part in parts), None


class _Walk:
    """One packet through one base chain."""

    def __init__(self, firewall: dict[str, Any], chain: dict[str, Any], packet: Packet) -> None:
        self.sets, self.packet, self.base = firewall["sets"], packet, chain
        self.chains = {(each["family"], each["table"], each["name"]): each for each in firewall["chains"]}
        self.found: list[dict[str, Any]] = []
        self.accepted = False  # whether it may have been accepted before

    def drops(self) -> list[dict[str, Any]]:
        devices = self.base["devices"]
        if devices and self.packet.interface and self.packet.interface not in devices:
            return []
        arrival = self.base["hook"] == "ingress" and not (devices and self.packet.interface)
        unsure = arrival or self.base["active"] is None
        if not self._run(self.base, unsure, 0) and self.base["policy"] == "drop":
            self._drop(self.base, None, "policy drop", not unsure)
        return self.found

    def _drop(self, chain: dict[str, Any], rule: dict[str, Any] | None, what: str, certain: bool) -> None:
        self.found.append({"chain": f"{chain['family']} {chain['table']} {chain['name']}",
                           "priority": self.base["priority"], "rule": rule and rule["handle"], "verdict": what,
                           "certain": certain and not self.accepted})

    def _run(self, chain: dict[str, Any] | None, unsure: bool, depth: int) -> bool:
        """Returns whether the packet certainly ends in this chain. unsure: it may not have come here at all."""
        if chain is None or depth > 16:  # the kernel allows 16
            self.accepted = True
            return False
        for rule in chain["rules"]:
            for hit, kind, body in self._verdicts(chain, rule):
                sure = hit and not unsure
                if kind in ("drop", "reject"):
                    self._drop(chain, rule, kind, sure)
                    if sure:
                        return True
                elif kind == "accept":
                    if sure:
                        return True
                    self.accepted = True
                elif kind == "unknown":
                    self._drop(chain, rule, "not known", False)
                    self.accepted = True
                elif kind == "return":
                    if sure:
                        return False
                    unsure = True
                elif kind in ("jump", "goto"):
                    target = self.chains.get((chain["family"], chain["table"], body["target"]))
                    if self._run(target, not sure, depth + 1):
                        return True
                    if kind == "goto":
                        if sure:
                            return False
                        unsure = True
        return False

    def _verdicts(self, chain: dict[str, Any], rule: dict[str, Any]) -> Iterator[tuple[bool, str, Any]]:
        """Yields (certain, verdict, its body) for each verdict that the rule may have for the packet."""
        hit: bool | None = True
        for statement in rule["expr"]:
            kind, body = _only(statement)
            if kind == "match":
                matched = self._match(chain, body)
                if matched is False:
                    return
                hit = hit and matched
            elif kind == "vmap":
                yield from self._vmap(chain, body, hit)
            elif kind in _VERDICTS:
                yield bool(hit), kind, body
            elif kind in _ENDS or kind == "xt" and (body or {}).get("type") != "match":
                yield False, "unknown", None
            elif kind not in _IGNORED:
                hit = None

    def _vmap(self, chain: dict[str, Any], body: dict[str, Any], hit: bool | None) -> Iterator[tuple[bool, str, Any]]:
        unused, value = seen = self.packet.look(body["key"])
        elements = self._elements(chain, body["data"])
        if elements is None:
            yield False, "unknown", None
            return
        if not seen[0]:
            return
        state = body["key"].get("ct", {}).get("key") == "state"
        for key, outcome in elements:
            matched = _within(value, _intervals([key]), state)
            if matched is not False:
                kind, inner = _only(outcome)
                if kind != "continue":
                    yield bool(hit and matched), kind if kind in _VERDICTS else "unknown", inner

    def _elements(self, chain: dict[str, Any], right: Any) -> list[Any] | None:
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        if isinstance(right, str) and right.startswith("@"):
            return self.sets.get(f"{chain['family']} {chain['table']} {right[1:]}")
        return right if isinstance(right, list) else [right]

    def _match(self, chain: dict[str, Any], match: dict[str, Any]) -> bool | None:
        left = match["left"] if isinstance(match["left"], dict) else {}
        there, value = self.packet.look(left)
        if not there:
            return False
        elements, op = self._elements(chain, match["right"]), match["op"]
        if elements is None:
            return None
        if left.get("meta", {}).get("key") in ("iif", "iifname"):
            matched = self._enters_by(elements)
        elif op in ("<", ">", "<=", ">="):
            return _compare(value, op, _intervals(elements))
        else:
            state = left.get("ct", {}).get("key") == "state"
            matched = _within(value, _intervals(elements), state)
        return matched if op != "!=" or matched is None else not matched

    def _enters_by(self, names: list[Any]) -> bool | None:
        if not all(isinstance(name, str) for name in names):
            return None
        if self.packet.interface is None:
            return False if set(names) <= {"lo"} else None
        return any(self.packet.interface.startswith(name[:-1]) if name.endswith("*") else name == self.packet.interface
                   for name in names)


def _only(statement: object) -> tuple[str | None, Any]:
    """The one key of a statement and what stands under it; (None, None) for a form that isn't known."""
    return list(statement.items())[0] if isinstance(statement, dict) and statement else (None, None)


def _interval(value: object) -> _Interval:
    """``"224.0.0.0/4"``, ``"10.0.0.1"``, ``"5000-5010"`` or ``"53"`` as (lowest, highest)."""
    return _parsed(str(value))


@lru_cache(maxsize=4096)  # each question about a packet goes through the same rules
def _parsed(text: str) -> _Interval:
    if "." in text or ":" in text:
        network = ipaddress.ip_network(text, strict=False)
        return int(network[0]), int(network[-1])
    first, unused, last = text.partition("-")
    return int(first), int(last or first)


def _intervals(elements: Iterable[Any]) -> list[_Interval | None]:
    """Elements of a match or set as [(lowest, highest)], None for one that isn't understood."""
    return [_element(element) for element in elements]


def _element(element: Any) -> _Interval | None:
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"].get("val")
    try:
        if isinstance(element, dict) and "prefix" in element:
            return _interval(f"{element['prefix']['addr']}/{element['prefix']['len']:d}")
        if isinstance(element, dict) and "range" in element:
            low, high = (_interval(_NUMBERS.get(end, end)) for end in element["range"])
            return low[0], high[1]
        return None if isinstance(element, (dict, list)) else _interval(_NUMBERS.get(element, element))
    except (ValueError, TypeError):
        return None


def _within(value: _Interval | None, intervals: Sequence[_Interval | None], bits: bool = False) -> bool | None:
    """Does the whole of `value` lie in one of the intervals, or none of it in any? bits: each is a bit mask."""
    known = [each for each in intervals if each]
    if value is None or len(known) < len(intervals):
        return True if value and known and _within(value, known, bits) else False if not intervals else None
    if bits:
        return any(each[0] & value[0] for each in known)
    if any(low <= value[0] and value[1] <= high for low, high in known):
        return True
    return False if all(value[1] < low or high < value[0] for low, high in known) else None


def _compare(value: _Interval | None, op: str, intervals: Sequence[_Interval | None]) -> bool | None:
    if value is None or len(intervals) != 1 or intervals[0] is None:
        return None
    limit, equal = intervals[0][0], op.endswith("=")
    low, high = value if op[0] == "<" else (-value[1], -value[0])
    limit = limit if op[0] == "<" else -limit
    if high < limit or equal and high == limit:
        return True
    return False if low > limit or not equal and low == limit else None
