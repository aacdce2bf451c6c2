# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges: how they snoop and query, their ports, and their multicast database. From the JSON of iproute2, and from
rtnetlink itself for the querier, which iproute2 doesn't show."""
from __future__ import annotations

import ipaddress
import json
import re
import struct
from typing import Any, Callable, NamedTuple

from ..error import McastError
from ..netlink.links import unpack

# Option of mcast.lab.bridge: key of `ip -j -d link`; numbers as they are, intervals in hundredths of a second there.
SWITCHES = {"snooping": "mcast_snooping", "querier": "mcast_querier", "use_ifaddr": "mcast_query_use_ifaddr"}
NUMBERS = {"igmp_version": "mcast_igmp_version", "mld_version": "mcast_mld_version",
           "startup_query_count": "mcast_startup_query_cnt", "last_member_count": "mcast_last_member_cnt",
           "max_groups": "mcast_hash_max"}
INTERVALS = {"query_interval": "mcast_query_intvl", "startup_query_interval": "mcast_startup_query_intvl",
             "query_response_interval": "mcast_query_response_intvl", "membership_interval": "mcast_membership_intvl",
             "last_member_interval": "mcast_last_member_intvl", "querier_interval": "mcast_querier_intvl"}
# include/uapi/linux/if_bridge.h MDB_RTR_TYPE_*, by number.
ROUTER = ("never", "learn", "always", "temporary")
_PORT = {"fast_leave": "fastleave", "flood": "mcast_flood", "to_unicast": "mcast_to_unicast"}
_ROUTER_TYPES = {"disabled": "never", "temp_query": "learn", "permanent": "always", "temp": "temporary"}
_HERTZ = 100  # USER_HZ, in which the kernel tells users a time


class _Querier(NamedTuple):
    """The numbers of one family's attributes, and what makes an address of the first."""

    address: int
    port: int
    timer: int
    kind: Callable[[bytes], ipaddress.IPv4Address | ipaddress.IPv6Address]


# include/uapi/linux/if_bridge.h BRIDGE_QUERIER_*, by family.
_QUERIER = {"ipv4": _Querier(1, 2, 3, ipaddress.IPv4Address), "ipv6": _Querier(5, 6, 7, ipaddress.IPv6Address)}


def bridges(links: str | None, ports: str | None, database: str | None, queriers: str | None,
            release: str | None) -> dict[str, dict[str, Any]]:
    """links: of ``ip -j -d link show type bridge``; ports: of ``bridge -j -d link``; database: of ``bridge -j -d -s mdb
    show``; queriers: hexadecimal lines of rtnetlink messages, a bridge each. None for what could not be read. release:
    the kernel's, such as ``"6.1.0-18-amd64"``.

    Returns ``{name: {index, up, vlan_filtering, the settings, ports, entries, router_ports, queriers}}``, the last four
    None where they could not be read; intervals and timers in seconds. McastError for a text of an unknown form."""
    try:
        return _bridges(links, ports, database, queriers, release)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise McastError("iproute2", f"printed bridges in an unknown form: {error!r}") from None


def _bridges(links: str | None, ports: str | None, database: str | None, queriers: str | None,
             release: str | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    names: dict[int, str] = {}
    for link in _json("ip -j -d link", links):
        found[link["ifname"]] = _settings(link)
    for port in _json("bridge -j -d link", ports):
        names[port["ifindex"]] = port["ifname"]
        if port.get("master") in found:
            found[port["master"]]["ports"][port["ifname"]] = _port(port)
    for bridge in found.values():
        if ports is None:
            bridge["ports"] = None
        if database is None:
            bridge["entries"] = bridge["router_ports"] = None
    for part in _json("bridge -j -d -s mdb", database, "mdb"):
        for entry in part.get("mdb", ()):
            if entry["dev"] in found:
                found[entry["dev"]]["entries"].append(_entry(entry))
        for name, rows in (part.get("router") or {}).items():
            if name in found:
                found[name]["router_ports"] += [_router_port(row) for row in rows]
    told = _queriers(queriers)
    for bridge in found.values():
        bridge["queriers"] = None
        if queriers is not None and bridge["snooping"]:
            bridge["queriers"] = querier_state(told.get(bridge["index"]), names, release)
    return found


def _json(command: str, text: str | None, key: str = "ifname") -> list[dict[str, Any]]:
    """The rows that have the key; ip prints an empty object for each link that it leaves out."""
    if not text or not text.strip():
        return []
    try:
        rows = json.loads(text)
        return [row for row in rows if key in row]
    except (ValueError, TypeError, RecursionError):
        raise McastError(command, f"printed what is not its JSON: {text[:200]!r}") from None


def _settings(link: dict[str, Any]) -> dict[str, Any]:
    data = link.get("linkinfo", {}).get("info_data", {})
    settings = {"index": link["ifindex"], "up": "UP" in link["flags"] if "flags" in link else None,
                "vlan_filtering": bool(data.get("vlan_filtering"))}
    settings.update({option: _flag(data.get(key)) for option, key in SWITCHES.items()})
    settings.update({option: data.get(key) for option, key in NUMBERS.items()})
    for option, key in INTERVALS.items():
        settings[option] = None if data.get(key) is None else data[key] / _HERTZ
    settings.update(router=_router(data.get("mcast_router")), ports={}, entries=[], router_ports=[])
    return settings


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _router(number: object) -> str | None:
    return ROUTER[number] if isinstance(number, int) and number < len(ROUTER) else None


def _port(row: dict[str, Any]) -> dict[str, Any]:
    port = {option: _flag(row.get(key)) for option, key in _PORT.items()}
    return dict(port, index=row["ifindex"], state=row.get("state"), router=_router(row.get("mcast_router")))


def _seconds(text: str | float | None) -> float | None:
    return None if text is None else float(text)


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    """One membership on one port. A permanent one has no timer, nor has one that lives by its sources' timers; a
    bridge that is a member itself stands as its own port."""
    permanent = row.get("state") == "permanent"
    sources = [{"source": one["address"], "timer": _seconds(one.get("timer"))} for one in row.get("source_list", ())]
    timer = _seconds(row.get("timer"))
    if permanent or not timer and row.get("filter_mode") == "include":
        timer = None
    return {
        "group": row["grp"], "family": "ipv6" if ":" in row["grp"] else "ipv4", "source": row.get("src"),
        "port": row["port"], "filter_mode": row.get("filter_mode"), "sources": sources,
        "timer": timer, "permanent": permanent,
        "protocol": row.get("protocol"), "flags": list(row.get("flags") or ()), "vlan": row.get("vid"),
    }


def _router_port(row: dict[str, Any]) -> dict[str, Any]:
    timer = _seconds(row.get("timer"))
    kind = row.get("type")
    kind = None if kind is None else _ROUTER_TYPES.get(kind, kind)
    return {"port": row["port"], "type": kind, "timer": None if kind == "always" else timer}


def _queriers(text: str | None) -> dict[int, dict[int, bytes]]:
    """Returns ``{index of a bridge: attributes of its querier's state}``, without those that have none."""
    found: dict[int, dict[int, bytes]] = {}
    for line in (text or "").split():
        try:
            message = bytes.fromhex(line)
            index = struct.unpack_from("=4xi", message)[0]
            data = unpack(unpack(unpack(message, 16)[18], 0)[2], 0)  # IFLA_LINKINFO, IFLA_INFO_DATA
        except (ValueError, KeyError, struct.error):
            raise McastError("rtnetlink", f"answered in an unknown form: {line[:200]!r}") from None
        if 47 in data:  # IFLA_BR_MCAST_QUERIER_STATE, Linux 5.15
            found[index] = unpack(data[47], 0)
    return found


def querier_state(told: dict[int, bytes] | None, names: dict[int, str],
                  release: str | None) -> dict[str, dict[str, Any] | None] | None:
    """told: the attributes BRIDGE_QUERIER_* of a bridge that snoops, None where it has none, which since Linux 5.15
    says that there is no querier (net/bridge/br_multicast.c br_multicast_dump_querier_state); names: of interfaces.

    Returns by family ``{"address", "self", "port", "timer"}``, None where there is no querier: `self` is whether the
    bridge is it; port of another, and seconds until it counts as gone. None as a whole where nothing tells."""
    if told is None and _version(release) < (5, 15):
        return None
    state: dict[str, dict[str, Any] | None] = dict.fromkeys(_QUERIER)
    for family, number in _QUERIER.items():
        if told and number.address in told:
            other = number.timer in told
            index = struct.unpack("=I", told[number.port])[0] if number.port in told else None
            state[family] = {
                "address": str(number.kind(told[number.address])), "self": not other,
                "port": None if index is None else names.get(index, index),
                "timer": struct.unpack("=Q", told[number.timer])[0] / _HERTZ if other else None}
    return state


def _version(release: str | None) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", release or "")
    return (int(match[1]), int(match[2])) if match else (0, 0)
