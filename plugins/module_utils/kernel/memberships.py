# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Group memberships: /proc/net/igmp, igmp6, mcfilter and mcfilter6, and what `ip maddress` prints."""
from __future__ import annotations

import json
import re
from typing import Any, Callable, Collection, Dict, List, NamedTuple, Tuple

from .. import group as groups
from ..error import McastError
from .rows import ipv4_little, ipv4_network, ipv6_network, rows, unexpected_line

_IGMP_DEVICE = re.compile(r"(?P<index>\d{1,10})\s+(?P<name>\S+?)\s*:\s+\d+\s+(?P<version>\w+)\s*\Z", re.ASCII)
_IGMP_GROUP = re.compile(r"\s+(?P<group>[0-9A-Fa-f]{8})\s+(?P<users>\d{1,10})\s+\S+\s+\S+\s*\Z", re.ASCII)
_IGMP6 = re.compile(r"(?P<index>\d{1,10})\s+(?P<name>\S+)\s+(?P<group>[0-9a-f]{32})\s+(?P<users>\d{1,10})\s+"
                    r"[0-9A-Fa-f]{1,8}\s+-?\d+\s*\Z", re.ASCII)
_COUNTS = r"\s+(?P<include>\d{1,20})\s+(?P<exclude>\d{1,20})\s*\Z"
_MCFILTER = re.compile(r"\s*(?P<index>\d{1,10})\s+\S+\s+0x(?P<group>[0-9a-f]{8})\s+0x(?P<source>[0-9a-f]{8})" + _COUNTS,
                       re.ASCII)
_MCFILTER6 = re.compile(r"\s*(?P<index>\d{1,10})\s+\S+\s+(?P<group>[0-9a-f]{32})\s+(?P<source>[0-9a-f]{32})" + _COUNTS,
                        re.ASCII)
_VERSIONS = {"V1": 1, "V2": 2, "V3": 3}


class Filtered(NamedTuple):
    """A source that an interface filters for a group: how many sockets include it, and how many exclude it."""

    source: str
    include: int
    exclude: int


# By an interface's index and a group.
Filters = Dict[Tuple[int, str], List[Filtered]]


def igmp(text: str | None) -> tuple[dict[int, int | None], list[dict[str, Any]]]:
    """text: of /proc/net/igmp (net/ipv4/igmp.c igmp_mc_seq_show; groups as little-endian words).

    Returns ``({index: IGMP version in force or None}, [membership])``: see member()."""
    versions: dict[int, int | None] = {}
    found: list[dict[str, Any]] = []
    device = None
    for line in (text or "").split("\n"):
        group = _IGMP_GROUP.match(line)
        if group and device:
            found.append(member(device["name"], int(device["index"]), ipv4_little(group["group"]),
                                int(group["users"])))
        elif line.strip() and not line.startswith("Idx"):
            device = _IGMP_DEVICE.match(line)
            if not device:
                raise unexpected_line("/proc/net/igmp", line)
            versions[int(device["index"])] = _VERSIONS.get(device["version"])
    return versions, found


def igmp6(text: str | None) -> list[dict[str, Any]]:
    """text: of /proc/net/igmp6 (net/ipv6/mcast.c igmp6_mc_seq_show). Returns [membership]: see member()."""
    return [member(match["name"], int(match["index"]), ipv6_network(match["group"]), int(match["users"]))
            for match in rows("/proc/net/igmp6", text, _IGMP6)]


def member(interface: str, index: int, group: str, users: int) -> dict[str, Any]:
    """One membership of an interface. users: how many sockets (and the kernel itself) hold it; McastError where
    `group` is none."""
    return {"interface": interface, "index": index, "family": groups.family(group), "group": group, "users": users}


def mcfilter(text: str | None) -> Filters:
    """text: of /proc/net/mcfilter; interfaces' names are cut there. Returns ``{(index, group): [Filtered]}``."""
    return _filters("/proc/net/mcfilter", text, _MCFILTER, ipv4_network)


def mcfilter6(text: str | None) -> Filters:
    """text: of /proc/net/mcfilter6. Returns what mcfilter() does."""
    return _filters("/proc/net/mcfilter6", text, _MCFILTER6, ipv6_network)


def _filters(source: str, text: str | None, pattern: re.Pattern[str], address: Callable[[str], str]) -> Filters:
    found: Filters = {}
    for match in rows(source, text, pattern, header="Idx"):
        found.setdefault((int(match["index"]), address(match["group"])), []).append(
            Filtered(address(match["source"]), int(match["include"]), int(match["exclude"])))
    return found


def filter_mode(users: int, sources: Collection[Filtered]) -> dict[str, str]:
    """The filter mode of an interface for a group (RFC 9776 section 3.2), from how many hold it and its source rows.

    Every holder is either INCLUDE with one source or more, each counted in its row, or EXCLUDE with any number
    (net/ipv4/igmp.c ip_mc_add_src, net/ipv6/mcast.c ip6_mc_add_src); one EXCLUDE makes the interface EXCLUDE.
    Returns ``{"value": "include" or "exclude", "basis": "exact" or "inferred"}``."""
    included = [each.include for each in sources if each.include]
    if any(each.exclude for each in sources) or sum(included) < users:
        return {"value": "exclude", "basis": "exact"}
    # One source that all holders include leaves none that excludes; else EXCLUDE{} beside INCLUDE{a,b} looks the
    # same as INCLUDE{a} beside INCLUDE{b}.
    return {"value": "include", "basis": "exact" if max(included, default=0) >= users else "inferred"}


def memberships(members: list[dict[str, Any]], filters: dict[str, Filters | None],
                programmed: dict[int, set[str]] | None) -> list[dict[str, Any]]:
    """members: of igmp() and igmp6(); filters: ``{"ipv4": of mcfilter(), "ipv6": of mcfilter6()}``, None for what
    could not be read; programmed: ``{index: set of MACs}``, or None. Returns the list as host_facts shows it."""
    listed = _with_listed_sources(members, filters)
    return [_membership(row, filters, programmed, (row["index"], row["group"]) in listed) for row in members]


def _with_listed_sources(members: list[dict[str, Any]], filters: dict[str, Filters | None]) -> set[tuple[int, str]]:
    """The memberships, as (index, group), whose sources the kernel's table is sure to list.

    The table begins at the first interface whose newest membership has sources; of the interfaces before it nothing
    is listed, whatever else they filter (net/ipv4/igmp.c igmp_mcf_get_first, net/ipv6/mcast.c igmp6_mcf_get_first).
    /proc/net/igmp and igmp6 show interfaces and memberships in the same order, the newest first."""
    told = set()
    for family, found in filters.items():
        if found is None:
            continue
        listed, begun = {index for index, unused in found}, False
        newest = set()
        for row in members:
            if row["family"] != family:
                continue
            begun = begun or row["index"] in listed
            if begun or row["index"] not in newest:
                told.add((row["index"], row["group"]))
            newest.add(row["index"])
    return told


def _membership(row: dict[str, Any], filters: dict[str, Filters | None], programmed: dict[int, set[str]] | None,
                told: bool) -> dict[str, Any]:
    group, link = row["group"], groups.mac(row["group"])
    listed = filters[row["family"]] if told else None
    sources = listed.get((row["index"], group), []) if listed else []
    return dict(
        row, mac=link, programmed=None if programmed is None else link in programmed.get(row["index"], ()),
        filter_mode=filter_mode(row["users"], sources) if told else {"value": None, "basis": "unknown"},
        include=[{"source": each.source, "count": each.include} for each in sources if each.include] if told else None,
        exclude=[{"source": each.source, "count": each.exclude} for each in sources if each.exclude] if told else None,
        scope=groups.scope(group), name=groups.iana_name(group))


_MADDR_DEVICE = re.compile(r"(?P<index>\d{1,10}):\s+(?P<name>\S+)\s*\Z", re.ASCII)
_MADDR_ROW = re.compile(r"\s+(?P<kind>link|inet6?)\s+(?P<address>[0-9A-Za-z.:]+)(?P<users> users \d{1,10})?"
                        r"(?P<static> static)?\s*\Z", re.ASCII)


def maddr_text(text: str) -> list[dict[str, Any]]:
    """text: of `ip maddress show`, as every iproute2 prints it. Returns what maddr_json() does."""
    found: list[dict[str, Any]] = []
    for line in text.split("\n"):
        device, row = _MADDR_DEVICE.match(line), _MADDR_ROW.match(line)
        if device:
            found.append({"interface": device["name"], "index": int(device["index"]), "link": [], "groups": []})
        elif row and found:
            _maddr_row(found[-1], row["kind"], row["address"], int((row["users"] or "1").split()[-1]),
                       bool(row["static"]))
        elif line.strip():
            raise unexpected_line("ip maddress show", line)
    return found


def maddr_json(text: str) -> list[dict[str, Any]]:
    """text: of `ip -j maddress show`. Returns ``[{"interface": name, "index": int, "link": [{"mac": …, "users": int,
    "static": bool}], "groups": [membership]}]``; see member(). McastError where it is no such JSON."""
    try:
        found: list[dict[str, Any]] = []
        for device in json.loads(text):
            found.append({"interface": str(device["ifname"]), "index": int(device["ifindex"]),
                          "link": [], "groups": []})
            for row in device["maddr"]:
                kind = "link" if "link" in row else row["family"]
                _maddr_row(found[-1], kind, row["link" if kind == "link" else "address"], int(row.get("users", 1)),
                           row.get("features") == "static")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise McastError("ip -j maddress show", f"is not the JSON that was expected ({error})") from None
    return found


def _maddr_row(device: dict[str, Any], kind: str, address: str, users: int, static: bool) -> None:
    if kind == "link":
        device["link"].append({"mac": str(address).lower(), "users": users, "static": static})
    else:
        device["groups"].append(member(device["interface"], device["index"], str(groups.parse(address)), users))
