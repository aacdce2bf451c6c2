# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One description of a querier, and what each backend makes of it: our own program, a Linux bridge, FRR."""
from __future__ import annotations

from typing import Any, NamedTuple

from ..module_utils.error import McastError
from ..module_utils.querier.defaults import IGMP_VERSION, LAST_MEMBER_QUERY_INTERVAL, MLD_VERSION, QUERY_INTERVAL
from ..module_utils.stream import program_name

_PROGRAM = "querier"


class Parts(NamedTuple):
    """What to do on a host. programs: as the module `act` takes them; bridges: options of the module `bridge` by name;
    router: options of the module `router`, empty where there is none."""
    programs: dict[str, dict[str, Any]]
    bridges: dict[str, dict[str, Any]]
    router: dict[str, Any]


# Settings as the module `bridge`, and as the option igmp of the module `router` spell them. What is not there, the
# backend has no setting for.
_OF_BRIDGES = {
    "igmp_version": "igmp_version", "mld_version": "mld_version", "query_interval": "query_interval",
    "query_response_interval": "query_response_interval", "startup_query_interval": "startup_query_interval",
    "startup_query_count": "startup_query_count", "last_member_query_interval": "last_member_interval",
    "last_member_query_count": "last_member_count",
}
_OF_FRR = {
    "igmp_version": "version", "query_interval": "query_interval", "query_response_interval": "query_response_interval",
    "last_member_query_interval": "last_member_query_interval", "last_member_query_count": "last_member_query_count",
}
_DEFAULTS = {"igmp_version": IGMP_VERSION, "mld_version": MLD_VERSION, "query_interval": QUERY_INTERVAL,
             "last_member_query_interval": LAST_MEMBER_QUERY_INTERVAL}


def parts(querier: dict[str, Any], interfaces: list[str], routes: bool, stopped: bool = False) -> Parts:
    """querier: `mcast_querier`; interfaces: those of the host, where it names none; routes: whether the host is a
    multicast router too. McastError for what the backend can't do."""
    settings = {key: value for key, value in querier.items()
                if key not in ("backend", "interfaces") and value is not None}
    backend, interfaces = querier.get("backend") or "builtin", querier.get("interfaces", interfaces)
    if not stopped:
        _refuse(backend, settings, interfaces, routes)
    if backend == "builtin":
        return Parts({program_name(_PROGRAM, each): {_PROGRAM: {"interface": each, **settings}} for each in interfaces},
                     {}, {})
    if backend == "bridge":
        options = {"querier": False} if stopped else {
            "snooping": True, "querier": True, **_spelled(_OF_BRIDGES, {**_DEFAULTS, **settings})}
        return Parts({}, dict.fromkeys(interfaces, options), {})
    igmp = _spelled(_OF_FRR, {"igmp_version": _DEFAULTS["igmp_version"], **settings})
    return Parts({}, {}, {"backend": "frr", "interfaces": interfaces, "igmp": igmp})


def _spelled(spelling: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings[key] for key, name in spelling.items() if key in settings}


def _refuse(backend: str, settings: dict[str, Any], interfaces: list[str], routes: bool) -> None:
    if not interfaces:
        raise McastError("mcast_querier", "interfaces is missing")
    if backend == "builtin":
        return
    if backend == "frr" and routes:
        raise McastError("mcast_querier", "this host is a router already, by mcast_router; its igmp is the place for "
                                          "these settings")
    if backend == "frr" and settings.get("mld_version"):
        raise McastError("mcast_querier", "the backend frr speaks no MLD; leave mld_version out, or take builtin")
    if backend == "bridge" and settings.get("mld_version", 2) not in (1, 2):
        raise McastError("mcast_querier", "a bridge is a querier of both families; take builtin for one alone")
    if settings.get("igmp_version", 3) not in (2, 3):
        raise McastError("mcast_querier", f"the backend {backend} has IGMPv2 and IGMPv3 alone; take builtin")
    known = {*(_OF_BRIDGES if backend == "bridge" else _OF_FRR), "mld_version"}
    lacking = [key for key in settings if key not in known]
    if lacking:
        raise McastError("mcast_querier", f"{', '.join(lacking)} can't be set with the backend {backend}; leave it out,"
                                          " or take builtin")
