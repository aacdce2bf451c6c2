# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the texts of sources.py to the facts about one host: the shape that host_facts returns and checks judge."""
from __future__ import annotations

import json
import re
from typing import Any, Callable, NoReturn

from ..error import McastError
from . import bridges, counters, firewall, frr, interfaces, memberships, mroutes, routes, sockets
from .sources import KERNEL, LIMITS, SILENT, SOURCES, SUBSETS, VTYSH_LIMIT, Texts

_UNKNOWN: dict[str, Any] = {"value": None, "basis": "unknown"}
_SOURCES_OF = {part: [source for source in SOURCES if part in source.parts] for part in SUBSETS}


def facts(texts: Texts) -> dict[str, Any]:
    """texts: of sources.split(). Returns a dict with the parts that were asked for (see docs/facts.md for each),
    ``kernel`` and ``sources``. McastError where a text is of an unknown form."""
    release = texts.get("release")
    if not release:
        raise McastError("/proc", "could not be read: it has to be mounted, and grep has to be there")
    found: dict[str, Any] = {KERNEL: {"release": release.strip(), "hostname": (texts["hostname"] or "").strip()},
                             "sources": {}}
    for part, build in _PARTS.items():
        asked = _SOURCES_OF[part]
        if not all(source.name in texts for source in asked):
            continue
        found[part], note = build(texts)
        read = [source.path for source in asked if texts[source.name] is not None]
        missing = [source.path for source in asked if texts[source.name] is None]
        if part == "interfaces":
            read, missing, note = _links_note(read, missing, texts)
        found["sources"][part] = {"read": read, "missing": missing, "note": note}
    return found


def _links_note(read: list[str], missing: list[str], texts: Texts) -> tuple[list[str], list[str], str | None]:
    """/sys is only read where there is no `ip`, so that it is missing where `ip` was there is no news."""
    if texts["ip_addr"] is not None:
        return read, [path for path in missing if path != "/sys/class/net"], None
    return read, missing, ("there is no ip command: IPv4 addresses are unknown, and /sys may show another network "
                           "namespace than /proc")


def _version(index: int, name: str, versions: dict[int, int | None], settings: dict[str, int]) -> dict[str, Any]:
    """The IGMP version in force: told by /proc/net/igmp for an interface with memberships, else by what is forced."""
    if versions.get(index):
        return {"value": versions[index], "basis": "exact"}
    # Version 1 goes before version 2, wherever either is set (net/ipv4/igmp.c IGMP_V1_SEEN, IGMP_V2_SEEN).
    forced = [version for version in (1, 2) if version in (settings.get("all"), settings.get(name))]
    return {"value": forced[0], "basis": "exact"} if forced else dict(_UNKNOWN)


def _mld_version(name: str, settings: dict[str, int]) -> dict[str, Any]:
    """Only what is forced is known: the setting of all interfaces goes before the interface's own (net/ipv6/mcast.c
    mld_force_mld_version); a querier of version 1 leaves no trace in /proc."""
    forced = settings.get("all") or settings.get(name)
    return {"value": forced, "basis": "exact"} if forced in (1, 2) else dict(_UNKNOWN)


def _bool(value: int | None) -> bool | None:
    return None if value is None else value != 0


def _interfaces(texts: Texts) -> tuple[dict[str, dict[str, Any]], None]:
    if texts["ip_addr"] is not None:
        links = interfaces.ip_addr(texts["ip_addr"], interfaces.names(texts["dev_mcast"]))
    else:
        links = interfaces.sysfs(texts["sysfs"])
    ipv6 = interfaces.if_inet6(texts["if_inet6"])
    link_groups = interfaces.dev_mcast(texts["dev_mcast"])
    versions, unused = memberships.igmp(texts["igmp"])
    conf = {source.name: interfaces.conf(texts[source.name]) for source in SOURCES if source.name.startswith("conf_")}
    for name, link in links.items():
        link["addresses"] += ipv6.get(name, [])
        link.update(
            igmp_version=_version(link["index"], name, versions, conf["conf_force_igmp_version"]),
            mld_version=_mld_version(name, conf["conf_force_mld_version"]),
            querier=dict(_UNKNOWN), link_groups=link_groups.get(link["index"], []), **_settings(name, conf))
    return links, None


def _settings(name: str, conf: dict[str, dict[str, int]]) -> dict[str, Any]:
    def of(setting: str) -> int | None:
        return conf[f"conf_{setting}"].get(name)

    rp_filter = of("rp_filter")
    return {
        "forwarding": {family: _bool(of(f"forwarding_{family}")) for family in ("ipv4", "ipv6")},
        "mc_forwarding": {family: _bool(of(f"mc_forwarding_{family}")) for family in ("ipv4", "ipv6")},
        "rp_filter": rp_filter,
        # include/linux/inetdevice.h IN_DEV_RPFILTER: the greater of the two is in force.
        "rp_filter_effective": None if rp_filter is None else max(rp_filter, conf["conf_rp_filter"].get("all", 0)),
        "force_igmp_version": of("force_igmp_version"),
        "force_mld_version": of("force_mld_version"),
    }


def _memberships(texts: Texts) -> tuple[list[dict[str, Any]], None]:
    unused, members = memberships.igmp(texts["igmp"])
    members = members + memberships.igmp6(texts["igmp6"])
    filters = {"ipv4": None if texts["mcfilter"] is None else memberships.mcfilter(texts["mcfilter"]),
               "ipv6": None if texts["mcfilter6"] is None else memberships.mcfilter6(texts["mcfilter6"])}
    programmed = None
    if texts["dev_mcast"] is not None:
        programmed = {index: {row["mac"] for row in found}
                      for index, found in interfaces.dev_mcast(texts["dev_mcast"]).items()}
    return memberships.memberships(members, filters, programmed), None


def _sockets(texts: Texts) -> tuple[list[dict[str, Any]], str | None]:
    return sockets.sockets({name: texts[name] for name in ("udp", "udp6", "raw", "raw6")},
                           texts["processes"], texts["passwd"])


def _forwarding(texts: Texts) -> tuple[dict[str, bool | None], None]:
    ipv6 = interfaces.conf(texts["conf_forwarding_ipv6"]).get("all")
    return {"ipv4": _bool(_number(texts["ip_forward"])), "ipv6": _bool(ipv6)}, None


def _routes(texts: Texts) -> tuple[list[dict[str, Any]], str]:
    return (routes.ipv4(texts["route"]) + routes.ipv6(texts["ipv6_route"]),
            "routes of type multicast and other tables than main are not in /proc/net/route")


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.match(r"\s*-?\d{1,19}\s*\Z", text, re.ASCII):
        raise McastError("/proc/sys/net", f"has a value that is not a number: {text[:200]!r}")
    return int(text)


def _limits(texts: Texts) -> tuple[dict[str, int | None], None]:
    return {name: _number(texts[name]) for name in LIMITS}, None


_REPORT = re.compile(r"/run/mcast/\d+/(?P<unit>[^/]+)/(?P<part>report|exit)\.json:(?P<line>.*)\Z", re.DOTALL)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _traffic(texts: Texts) -> tuple[dict[str, Any], str | None]:
    """Reports of programs that run or ran under a name, with how the process ended as `exit`; None for one that is
    broken (half written, say)."""
    raw: dict[str, dict[str, list[str]]] = {"report": {}, "exit": {}}
    found: dict[str, Any] = {}
    broken = []
    for line in (texts["reports"] or "").split("\n"):
        match = _REPORT.match(line)
        if match:
            raw[match["part"]].setdefault(match["unit"], []).append(match["line"])
    for unit, lines in raw["report"].items():
        found[unit] = _json(lines)
        if found[unit] is None:
            broken.append(unit)
        elif isinstance(found[unit], dict) and unit in raw["exit"]:
            found[unit]["exit"] = _json(raw["exit"][unit])
    return found, f"no JSON in the report of: {', '.join(broken)}" if broken else None


def _json(lines: list[str]) -> Any:
    try:
        return json.loads("\n".join(lines), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _firewall(texts: Texts) -> tuple[dict[str, Any], str | None]:
    nothing: dict[str, Any] = dict.fromkeys(("backend", "manager", "chains", "sets", "untracked", "accepts"))
    if texts["nft"] is None:
        return nothing, "the ruleset can't be read: there is no nft, or it needs root"
    try:
        return firewall.model(firewall.parse(texts["nft"])), None
    except McastError as error:
        return nothing, str(error)  # nft's own fault is no reason to know nothing of the host


def _bridges(texts: Texts) -> tuple[dict[str, dict[str, Any]], str | None]:
    if texts["bridge_links"] is None:
        return {}, "bridges are unknown: there is no iproute2 that speaks JSON"
    return bridges.bridges(texts["bridge_links"], texts["bridge_ports"], texts["bridge_database"],
                           texts["bridge_queriers"], texts["release"]), None


def _mroutes(texts: Texts) -> tuple[dict[str, list[dict[str, Any]]], None]:
    found: dict[str, list[dict[str, Any]]] = {"vifs": [], "routes": []}
    for family, name in ("ipv4", "ip_mr"), ("ipv6", "ip6_mr"):
        vifs = mroutes.vifs(texts[f"{name}_vif"], family)
        found["vifs"] += vifs.values()
        found["routes"] += mroutes.routes(texts[f"{name}_cache"], family, vifs)
    return found, None


def _prerequisites(texts: Texts) -> tuple[dict[str, dict[str, Any]], str | None]:
    there = [name for name in mroutes.OPTIONS.values() if name and texts[name] is not None]
    note = None if texts["config"] else "the kernel's configuration can't be read; known is what /proc/net shows"
    return mroutes.prerequisites(texts["config"], there), note


def _pim(texts: Texts) -> tuple[dict[str, Any], str | None]:
    nothing: dict[str, Any] = dict.fromkeys(frr.PARTS)
    if texts["vtysh"] is None:
        return nothing, "no FRR answers, or it needs root"
    if texts["vtysh"].strip() == SILENT:
        return nothing, (f"vtysh did not answer within {VTYSH_LIMIT} s: a daemon of FRR is frozen; restart it, "
                         "or continue it (kill -CONT)")
    try:
        return frr.pim(texts["vtysh"]), None
    except McastError as error:
        return nothing, str(error)


def _counters(texts: Texts) -> tuple[dict[str, dict[str, int]], None]:
    return {**counters.of_pairs("/proc/net/snmp", texts["snmp"]),
            **counters.of_pairs("/proc/net/netstat", texts["netstat"]),
            **counters.of_lines("/proc/net/snmp6", texts["snmp6"])}, None


# What makes each part: returns it, and a note or None.
_PARTS: dict[str, Callable[[Texts], tuple[Any, str | None]]] = dict(zip(SUBSETS, (
    _interfaces, _memberships, _sockets, _forwarding, _routes, _limits, _traffic, _firewall, _bridges, _mroutes,
    _prerequisites, _pim, _counters)))
