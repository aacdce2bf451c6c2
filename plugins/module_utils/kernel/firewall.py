# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `nft -j -n list ruleset` prints, as far as it decides what a host takes in, and what our own table opens there.

A chain is ``{family, table, name, type, hook, priority, policy, devices, active, rules}``; type to devices are None for
a chain that is only jumped to, active where nft doesn't say whether its table is dormant. A rule is ``{handle, comment,
expr}``, `expr` as nft gives it (libnftables-json(5))."""
from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Iterator, List, Tuple, Union

from ..error import McastError

TABLE = ("inet", "mcast_lab")
CHAIN = "input"
COMMAND = "nft -j -n list ruleset"
HOOKS = ("ingress", "prerouting", "input")  # what a packet for this host passes, in this order
PROTOCOLS = {"udp": 17, "tcp": 6, "igmp": 2, "mld": 58, "pim": 103}
MLD_TYPES = (130, 131, 132, 143)  # query, report, done (RFC 2710); report of version 2 (RFC 9777)
# Kind and body, such as ("rule", {...}).
Object = Tuple[str, Dict[str, Any]]
# The right side of a match; None for a form that openings don't use. And the field on its left: protocol, name.
_Right = Union[str, int, List[Any], None]
_Field = Tuple[str, str]
_COMMENT = re.compile(r"mcast\.lab: (?P<why>asked|needed)(?:, with (?P<needs>[a-z ]+))?\Z")
_NAMES: dict[str | int, int] = {
    "igmp": 2, "pim": 103, "udp": 17, "tcp": 6, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "mld-listener-reduction": 132, "mld2-listener-report": 143}


def parse(text: str) -> list[Object]:
    """Returns the list of (kind, object), such as ("rule", {...}), without what is in tables that are dormant.
    McastError where the text is of another form."""
    try:
        found = [next(iter(entry.items())) for entry in json.loads(text)["nftables"]]
        # Tables themselves are kept: ours must not be dormant.
        dormant = {(body["family"], body["name"]) for kind, body in found
                   if kind == "table" and is_active(body) is False}
        return [(kind, body) for kind, body in found
                if (body.get("family"), body.get("table")) not in dormant]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        raise McastError(COMMAND, "printed something of an unknown form (nft 1.0.6 does so where a table is dormant): "
                         f"{text[:200]!r}") from None


def is_active(table: dict[str, Any]) -> bool | None:
    """Whether packets pass the chains of a table at all: False for one that is dormant, None where nft doesn't say:
    version 1.0.6 prints anything, or no JSON, where a table has a single flag."""
    given = table.get("flags", [])
    flags = {given} if isinstance(given, str) else set(given)
    if "dormant" in flags:
        return False
    return True if flags <= {"owner", "persist"} else None


def model(objects: list[Object]) -> dict[str, Any]:
    """objects: of parse(). Returns ``{backend, manager, chains, sets, untracked, accepts}``: the chains that packets
    for this host pass, those of a hook first and by priority; named sets as ``{"inet filter ports": [element] or None
    where they change by themselves}``; whether any rule takes packets out of connection tracking; what our own table
    opens. manager: "firewalld" where that has a table, else None."""
    try:
        chains = _chains(objects)
        return {
            "backend": "nftables",
            "manager": "firewalld" if any(kind == "table" and body["name"] == "firewalld"
                                          for kind, body in objects) else None,
            "chains": chains, "sets": _sets(objects),
            "untracked": any("notrack" in statement for kind, body in objects if kind == "rule"
                             for statement in body.get("expr", [])),
            "accepts": [opening for opening, unused in openings(objects)],
        }
    except (KeyError, TypeError, AttributeError, ValueError):
        raise McastError(COMMAND, "printed objects of an unknown form") from None


def _chains(objects: list[Object]) -> list[dict[str, Any]]:
    chains: dict[tuple[str, str, str], dict[str, Any]] = {}
    active: dict[tuple[str, str], bool | None] = {}
    for kind, body in objects:
        if kind == "table":
            active[body["family"], body["name"]] = is_active(body)
        elif kind == "chain":
            devices = body.get("dev")
            chains[body["family"], body["table"], body["name"]] = {
                "family": body["family"], "table": body["table"], "name": body["name"], "type": body.get("type"),
                "hook": body.get("hook"), "priority": body.get("prio"), "policy": body.get("policy"),
                "devices": [devices] if isinstance(devices, str) else devices,
                "active": active.get((body["family"], body["table"]), True), "rules": []}
        elif kind == "rule":
            chains[body["family"], body["table"], body["chain"]]["rules"].append(
                {"handle": body["handle"], "comment": body.get("comment"), "expr": body.get("expr", [])})
    reached = sorted((key for key, chain in chains.items()
                      if chain["hook"] in HOOKS and chain["family"] in ("inet", "ip", "ip6", "netdev")),
                     key=lambda key: (HOOKS.index(chains[key]["hook"]), chains[key]["priority"]))
    # Which rule uses a map of verdicts is not followed: the chains that it names count as reached.
    maps = [(body["family"], body["table"], target) for kind, body in objects if kind == "map"
            for target in _targets(body.get("elem", []))]
    for key in reached:  # grows meanwhile
        named = [key[:2] + (target,) for target in _targets([rule["expr"] for rule in chains[key]["rules"]])]
        for target in named + maps:
            if target in chains and target not in reached:
                reached.append(target)
    return [chains[key] for key in reached]


def _targets(tree: object) -> Iterator[str]:
    """The chains that any jump or goto within leads to."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("jump", "goto"):
                yield value["target"]
            else:
                yield from _targets(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _targets(value)


def _sets(objects: list[Object]) -> dict[str, list[Any] | None]:
    return {f"{body['family']} {body['table']} {body['name']}":
            None if {"dynamic", "timeout"}.intersection(body.get("flags", [])) else body.get("elem", [])
            for kind, body in objects if kind in ("set", "map")}


def openings(objects: list[Object]) -> list[tuple[dict[str, Any], int]]:
    """What our own chain lets in: [(opening, handle)], an opening being ``{protocol, port, group, source, asked,
    needs}``.

    protocol: a key of PROTOCOLS. port: ``"11111"`` or ``"5000-5010"``, None for protocols without. group, source: text
    or None. asked: False for what is open only because a port needs it. needs: the protocols that this port needs."""
    found = []
    for body in rules(objects):
        opening = _opening(body.get("expr", []), _COMMENT.match(body.get("comment", "")))
        if opening:
            found.append((opening, body["handle"]))
    return found


def rules(objects: list[Object]) -> list[dict[str, Any]]:
    """All rules of our own chain, as nft gives them."""
    return [body for kind, body in objects
            if kind == "rule" and (body["family"], body["table"], body["chain"]) == TABLE + (CHAIN,)]


def _opening(expr: list[dict[str, Any]], comment: re.Match[str] | None) -> dict[str, Any] | None:
    """None for a rule that is none of ours."""
    if not comment or not expr or "accept" not in expr[-1] or not all("match" in each for each in expr[:-1]):
        return None
    opening = {"protocol": None, "port": None, "group": None, "source": None, "asked": comment["why"] == "asked",
               "needs": (comment["needs"] or "").split()}
    for statement in expr[:-1]:
        match = statement["match"]
        left = match["left"].get("payload") or dict(match["left"].get("meta") or {}, protocol="meta")
        key, value = (left.get("protocol"), left.get("field", left.get("key"))), _plain(match["right"])
        if match["op"] != "==" or key not in _READ:
            return None
        opening.update(_READ[key](value, key))
    return opening if opening["protocol"] else None


def _plain(right: object) -> _Right:
    if isinstance(right, dict) and "prefix" in right:
        return f"{right['prefix']['addr']}/{right['prefix']['len']:d}"
    if isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        return f"{low}-{high}"
    if isinstance(right, dict) and "set" in right:
        return [_NAMES.get(item, item) for item in right["set"] if not isinstance(item, dict)]
    return _NAMES.get(right, right) if isinstance(right, (str, int)) else None


def _protocol(value: _Right, unused: _Field) -> dict[str, str]:
    return {"protocol": {2: "igmp", 103: "pim"}[value]} if value in (2, 103) else {}


_READ: dict[_Field, Callable[[_Right, _Field], dict[str, Any]]] = {
    ("ip", "daddr"): lambda value, unused: {"group": value}, ("ip6", "daddr"): lambda value, unused: {"group": value},
    ("ip", "saddr"): lambda value, unused: {"source": value}, ("ip6", "saddr"): lambda value, unused: {"source": value},
    ("udp", "dport"): lambda value, key: {"protocol": key[0], "port": str(value)},
    ("tcp", "dport"): lambda value, key: {"protocol": key[0], "port": str(value)},
    ("ip", "protocol"): _protocol, ("meta", "l4proto"): _protocol, ("meta", "nfproto"): lambda *unused: {},
    ("icmpv6", "type"): lambda value, unused: {"protocol": "mld"} if value == list(MLD_TYPES) else {},
}
