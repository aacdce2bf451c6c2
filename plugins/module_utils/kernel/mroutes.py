# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multicast forwarding: /proc/net/ip_mr_vif, ip_mr_cache and the IPv6 ones, and what the kernel was built with."""
from __future__ import annotations

import ipaddress
import re
from typing import Any, Collection

from .rows import ipv4_little, rows, unexpected_line

# net/ipv4/ipmr.c ipmr_vif_seq_show, net/ipv6/ip6mr.c ip6mr_vif_seq_show
_VIF = re.compile(r"\s*(?P<index>\d{1,5})\s+(?P<name>\S+)\s+(?P<bytes_in>\d+)\s+(?P<packets_in>\d+)\s+"
                  r"(?P<bytes_out>\d+)\s+(?P<packets_out>\d+)\s+(?P<flags>[0-9A-F]{5})(\s+[0-9A-F]{8}){0,2}\s*\Z",
                  re.ASCII)
# ipmr_mfc_seq_show, ip6mr_mfc_seq_show; an incoming interface of -1 is one that no daemon has told yet
_ROUTE = re.compile(r"(?P<group>[0-9A-Fa-f:]{8,39})\s+(?P<source>[0-9A-Fa-f:]{8,39})\s+(?P<incoming>-?\d{1,5})\s+"
                    r"(?P<packets>\d+)\s+(?P<bytes>\d+)\s+(?P<wrong>\d+)(?P<outgoing>(\s+\d+:\d+)*)\s*\Z", re.ASCII)
_ANY = ("0.0.0.0", "::")

# By their names without CONFIG_; and the file whose presence tells as well, where there is one.
OPTIONS = {
    "IP_MULTICAST": "igmp", "IP_ADVANCED_ROUTER": None, "IP_MROUTE": "ip_mr_vif", "IP_PIMSM_V1": None,
    "IP_PIMSM_V2": None, "IPV6_MROUTE": "ip6_mr_vif", "IPV6_PIMSM_V2": None,
}
_OPTION = re.compile(r"(# )?CONFIG_(?P<name>\w+)(=(?P<value>\S+)| is not set)\s*\Z", re.ASCII)


def vifs(text: str | None, family: str) -> dict[int, dict[str, Any]]:
    """text: of /proc/net/ip_mr_vif or ip6_mr_vif; family: "ipv4" or "ipv6". Returns ``{index: {family, interface,
    packets_in, bytes_in, packets_out, bytes_out}}`` of the interfaces that groups are forwarded between; the numbers of
    all routes together."""
    found = {}
    for match in rows("/proc/net/ip_mr_vif", text, _VIF, header="Interface"):
        found[int(match["index"])] = dict({"family": family, "interface": match["name"]}, **{
            key: int(match[key]) for key in ("packets_in", "bytes_in", "packets_out", "bytes_out")})
    return found


def routes(text: str | None, family: str, known: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """text: of /proc/net/ip_mr_cache or ip6_mr_cache; known: of vifs(). Returns ``[{family, group, source, incoming,
    outgoing, packets, bytes, wrong_interface}]``: source None for any, incoming None while no daemon has told it;
    outgoing with those that the daemon holds back by the incoming one too; packets with those that came in on a wrong
    interface."""
    found = []
    for match in rows("/proc/net/ip_mr_cache", text, _ROUTE, header="Group"):
        incoming, outgoing = int(match["incoming"]), [int(each.split(":")[0]) for each in match["outgoing"].split()]
        named = {index: known[index]["interface"] if index in known else None for index in [incoming] + outgoing}
        source = _address(match["source"])
        found.append({
            "family": family, "group": _address(match["group"]), "source": None if source in _ANY else source,
            "incoming": named[incoming], "outgoing": [named[index] for index in outgoing if named[index]],
            "packets": int(match["packets"]), "bytes": int(match["bytes"]), "wrong_interface": int(match["wrong"])})
    return found


def _address(digits: str) -> str:
    return str(ipaddress.IPv6Address(digits)) if ":" in digits else ipv4_little(digits)


def prerequisites(config: str | None, there: Collection[str]) -> dict[str, dict[str, Any]]:
    """What a multicast router needs of its kernel: ``{option: {value: "present", "missing" or None, basis}}``.

    config: lines of the kernel's configuration, None where there is none; there: names of the files in /proc/net."""
    built: dict[str, bool] | None = None
    if config is not None:
        built = {}
        for line in config.split("\n"):
            match = _OPTION.match(line)
            if line.strip() and not match:
                raise unexpected_line("/proc/config.gz", line)
            if match:
                built[match["name"]] = match["value"] in ("y", "m")
    return {name: _prerequisite(built, name, file in there if file else None) for name, file in OPTIONS.items()}


def _prerequisite(built: dict[str, bool] | None, name: str, there: bool | None) -> dict[str, Any]:
    if built is not None:
        # A module that is not loaded is present too: the kernel loads it once it is asked for.
        return {"value": "present" if built.get(name) else "missing", "basis": "exact"}
    if there is None:
        return {"value": None, "basis": "unknown"}
    return {"value": "present" if there else "missing", "basis": "exact"}
