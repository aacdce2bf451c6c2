# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Openings as rules of a table of our own, by nft(8).

Each rule says in its comment why it is there: that is how it is found again. Rules of others stay as they are, in our
table too; every change is one transaction."""
from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
from typing import Any

from ..change import Changes, Planned
from ..error import BECOME, McastError
from ..kernel import firewall
from ..kernel.firewall import CHAIN, MLD_TYPES, TABLE
from . import evaluation
from . import opening as openings

NAME = "nftables"
# Options of the module `firewall`, as Ansible's argument specs have them.
SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ports": {"type": "list", "elements": "dict", "options": {
        "port": {"type": "str", "required": True},
        "protocol": {"type": "str", "choices": ["udp", "tcp"], "default": "udp"},
        "group": {"type": "str"},
        "source": {"type": "str"},
    }},
    "protocols": {"type": "list", "elements": "str", "choices": ["igmp", "mld", "pim"]},
    "membership_protocols": {"type": "bool", "default": True},
    "closed": {"type": "bool"},
}
FOLDERS = "/usr/sbin:/sbin"  # where nft is, though a user's PATH may lack them
_TABLE = " ".join(TABLE)
_OURS = f"{_TABLE} {CHAIN}"
_MLD = f"icmpv6 type {{ {', '.join(map(str, MLD_TYPES))} }}"
_ALONE = {"igmp": "ip protocol 2", "mld": _MLD, "pim": "meta l4proto 103"}
# What "closed" closes, by name: all multicast that could be opened, and nothing that keeps a host alive (IPv6
# neighbour discovery, the connection of whoever is logged in).
_CLOSED = dict(_ALONE, udp4="ip daddr 224.0.0.0/4 meta l4proto 17", udp6="ip6 daddr ff00::/8 meta l4proto 17")
_CLOSED_COMMENT = "mcast.lab: closed "


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `firewall`. Returns (Changes, function for the further result)."""
    wanted = openings.read(params)
    objects = firewall.parse(_nft(["-j", "-n", "list", "ruleset"]))
    _refuse_strange(objects)
    have = firewall.openings(objects)
    want = openings.settle([opening for opening, unused in have], wanted, params["state"])
    closed = {rule["comment"][len(_CLOSED_COMMENT):]: rule["handle"] for rule in firewall.rules(objects)
              if rule.get("comment", "").startswith(_CLOSED_COMMENT)}
    want_closed = _want_closed(params, bool(closed))
    lines = _transaction(objects, _lines(have, want, closed, want_closed), len(have) + len(closed),
                         bool(want or want_closed))
    changes = Changes()
    if lines:
        changes.add((_TABLE,), _shown([opening for opening, unused in have], bool(closed)), _shown(want, want_closed),
                    lambda: _nft(["-f", "-"], "".join(line + "\n" for line in lines)))
    named = wanted if params["state"] == "present" else []
    needed = {protocol for opening in named for protocol in opening["needs"]}
    told = named + [opening for opening in want if not opening["asked"] and opening["protocol"] in needed]
    model = firewall.model(objects)

    def report() -> dict[str, Any]:
        found = [dict(opening, **evaluation.verdict(model, opening, without=TABLE)) for opening in told]
        return {"backend": NAME, "manager": model["manager"], "openings": found,
                "warnings": _warnings(model["manager"], found)}
    return changes, report


def _warnings(manager: str | None, told: list[dict[str, Any]]) -> list[str]:
    """What an opening is worth nothing against: told: openings with the verdict of the whole ruleset."""
    return [f"{openings.shown(each)}: open in our table, but {evaluation.in_words(each['overridden_by'])}; "
            "let it through there too, with " + (
                "firewall-cmd" if manager == "firewalld" else
                f"nft insert rule {each['overridden_by'][0]['chain']} {condition(each)} accept")
            for each in told if each["overridden_by"]]


def _want_closed(params: dict[str, Any], closed: bool) -> bool:
    if params["state"] == "present":
        return closed if params["closed"] is None else params["closed"]
    everything = not (params["ports"] or params["protocols"] or params["closed"] is not None)
    return closed and not everything and not params["closed"]


def _refuse_strange(objects: list[firewall.Object]) -> None:
    """What would make our rules do nothing."""
    for kind, body in objects:
        if kind == "table" and (body["family"], body["name"]) == TABLE and not firewall.is_active(body):
            raise McastError("table " + _TABLE, "is dormant; remove it with: nft delete table " + _TABLE)
        if kind == "chain" and (body["family"], body["table"], body["name"]) == TABLE + (CHAIN,) and (
                body.get("type"), body.get("hook")) != ("filter", "input"):
            raise McastError("chain " + _OURS, "is no filter at the hook input; remove it with: nft delete table "
                             + _TABLE)


def _lines(have: list[tuple[dict[str, Any], int]], want: list[dict[str, Any]], closed: dict[str, int],
           want_closed: bool) -> list[str]:
    """The commands that make the difference. Openings go before what closes. have: of kernel.firewall.openings();
    closed: handles of the rules that close, by the keys of _CLOSED."""
    kept: list[dict[str, Any]] = []
    lines = []
    for opening, handle in have:
        if opening in want and opening not in kept:
            kept.append(opening)
        else:
            lines.append(f"delete rule {_OURS} handle {handle:d}")
    lines += [f"insert rule {_OURS} {_rule(opening)}" for opening in reversed(want) if opening not in kept]
    for name, what in _CLOSED.items():
        if want_closed and name not in closed:
            lines.append(f'add rule {_OURS} {what} drop comment "{_CLOSED_COMMENT}{name}"')
    return lines + [f"delete rule {_OURS} handle {handle:d}" for handle in closed.values() if not want_closed]


def _rule(opening: dict[str, Any]) -> str:
    comment = "mcast.lab: " + ("asked" if opening["asked"] else "needed")
    comment += f", with {' '.join(opening['needs'])}" if opening["needs"] else ""
    return f'{condition(opening)} accept comment "{comment}"'


def condition(opening: dict[str, Any]) -> str:
    """The opening in the language of nft: ``"ip daddr 239.0.0.100 udp dport 11111"``."""
    if not opening["port"]:
        return _ALONE[opening["protocol"]]
    words = [f"{'ip' if ipaddress.ip_network(opening[key]).version == 4 else 'ip6'} {field} {opening[key]}"
             for key, field in (("source", "saddr"), ("group", "daddr")) if opening[key]]
    return " ".join(words + [f"{opening['protocol']} dport {opening['port']}"])


def _transaction(objects: list[firewall.Object], lines: list[str], rules: int, anything: bool) -> list[str]:
    """The whole script: our table is made where it is missing, and goes once nothing is left in it. rules: how many of
    ours there are; anything: whether any shall be."""
    tables = [body for kind, body in objects if kind == "table" and (body["family"], body["name"]) == TABLE]
    inside = [kind for kind, body in objects if (body.get("family"), body.get("table")) == TABLE]
    if not anything:
        chains = inside.count("chain")
        empty = len(inside) - rules == chains <= 1
        return ["delete table " + _TABLE] if tables and empty else lines
    begin = [] if any(kind == "chain" and (body["family"], body["table"], body["name"]) == TABLE + (CHAIN,)
                      for kind, body in objects) else [
        "add table " + _TABLE, f"add chain {_OURS} {{ type filter hook input priority 0; policy accept; }}"]
    return begin + lines if lines else []


def _shown(want: list[dict[str, Any]], closed: bool) -> dict[str, Any] | None:
    return {"openings": sorted(map(openings.shown, want)), "closed": closed} if want or closed else None


def _nft(argv: list[str], script: str | None = None) -> str:
    """Run nft; returns what it printed. McastError where it isn't there, refuses, or takes too long."""
    program = shutil.which("nft", path=os.environ.get("PATH", "") + ":" + FOLDERS)
    if not program:
        raise McastError("nft", "is not on this host; install the package nftables")
    try:
        # run_command belongs to a module; what is below modules raises in its own words.
        ran = subprocess.run(  # pylint: disable=ansible-bad-function
            [program] + argv, input=script, capture_output=True, text=True, check=False, timeout=60, errors="replace",
            env=dict(os.environ, LC_ALL="C"))
    except subprocess.TimeoutExpired:
        raise McastError("nft", "did not end within 60 s") from None
    if ran.returncode:
        said = " ".join(ran.stderr.split())[:500] or f"exit status {ran.returncode}"
        if "not permitted" in said or "must be root" in said:
            said += f"; {BECOME}"
        raise McastError("nft", ("refused, and nothing was changed: " if script else "could not be asked: ") + said)
    return ran.stdout
