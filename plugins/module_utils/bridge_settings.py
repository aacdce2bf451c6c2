# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bridge shall do with multicast, as users write it: read, checked, and completed. Nothing is changed here."""
from __future__ import annotations

import contextlib
import ipaddress
from typing import Any, NamedTuple

from . import expect, group
from .error import McastError
from .kernel.bridges import ROUTER
from .packet.membership import decode_code
from .querier.defaults import QUERY_RESPONSE_INTERVAL, ROBUSTNESS

ROUTERS = ROUTER[:3]
_DAY = 24 * 3600
FLAGS = ("snooping", "use_ifaddr", "querier")
# Least and greatest; net/bridge/br_multicast.c takes less than a second between queries for a second.
INTERVALS = {"query_interval": (1, _DAY), "startup_query_interval": (1, _DAY), "query_response_interval": (0.1, 3174.4),
             "membership_interval": (1, _DAY), "last_member_interval": (0.01, 3174.4), "querier_interval": (1, _DAY)}
COUNTS = {"startup_query_count": (1, 255), "last_member_count": (1, 255)}
VERSIONS = {"igmp_version": (2, 3), "mld_version": (1, 2)}
SETTINGS = ("snooping", "igmp_version", "mld_version", *INTERVALS, *COUNTS, "use_ifaddr", "router", "querier")
PORT_FLAGS = ("fast_leave", "flood", "to_unicast")


class Code(NamedTuple):
    """How a bridge writes an interval into queries of one version: as a plain number (net/bridge/br_multicast.c), which
    hosts read as a code (see decode_code) where it has `floating` bits.

    units: so many in a second; largest: what fits into the field."""

    option: str
    version: tuple[str, int]
    units: int
    largest: int
    floating: int = 0


CODES = (
    Code("query_interval", ("igmp_version", 3), 1, 255, 8), Code("query_interval", ("mld_version", 2), 1, 255, 8),
    *(code for option in ("query_response_interval", "last_member_interval") for code in (
        Code(option, ("igmp_version", 2), 10, 255), Code(option, ("igmp_version", 3), 10, 255, 8),
        Code(option, ("mld_version", 1), 1000, 65535), Code(option, ("mld_version", 2), 1000, 65535, 16))),
)
_RFC = {"igmp_version": 9776, "mld_version": 9777}


class WantedEntry(NamedTuple):
    """A permanent entry of a multicast database. port: its name; source: None where it is for any."""

    port: str
    group: str
    source: str | None


def check(path: str, options: Any) -> dict[str, Any]:
    """What the options say, complete: with the intervals that follow from `query_interval` (RFC 9776 section 8).

    path: put before the names of keys in messages, such as ``"segments.lan.switch."``, or empty. options: those of the
    module `bridge` but for its name, None where one is not given. Returns ``{settings: {option: value}, ports: {name:
    settings}, entries: [WantedEntry]}``; McastError names the key that is wrong or
    contradicts another."""
    known = SETTINGS + ("ports", "entries", "purge_entries")
    given = {key: value for key, value in expect.mapping(path[:-1], options, known).items() if value is not None}
    settings = {option: _value(path, option, given[option]) for option in SETTINGS if option in given}
    for option, value in _derived(settings).items():
        settings.setdefault(option, value)
    contradictions(path, settings)
    ports = expect.mapping(f"{path}ports", given.get("ports", {}))
    entries = [entry for number, row in enumerate(_list(f"{path}entries", given.get("entries", [])))
               for entry in _entries(f"{path}entries[{number}]", row)]
    return {"settings": settings, "entries": entries,
            "ports": {name: _port(f"{path}ports.{name}", row) for name, row in ports.items()}}


def _value(path: str, option: str, value: Any) -> Any:
    path += option
    if option in FLAGS:
        return expect.choice(path, value, (True, False))
    if option == "router":
        return expect.choice(path, value, ROUTERS)
    if option in INTERVALS:
        return expect.number(path, value, *INTERVALS[option], kind=float)
    return expect.number(path, value, *(COUNTS.get(option) or VERSIONS[option]))


def _sendable(path: str, code: Code, settings: dict[str, Any]) -> None:
    """McastError where the bridge's queries would say another interval than the one that is set."""
    family, version = code.version
    seconds = settings.get(code.option)
    if seconds is None or settings.get(family) != version:
        return
    number = int(seconds * code.units + 1e-6)
    name = f"{family[:-len('_version')].upper()}v{version}"
    limit = ((1 << code.floating - 1) if code.floating else code.largest) / code.units
    if number > code.largest:
        raise McastError(path + code.option, f"{seconds:g} s does not fit into a query of {name}; the kernel's bridge "
                                             f"sends up to {limit:g} s, mcast.lab.querier more")
    if code.floating and decode_code(number, code.floating) != number:
        heard = decode_code(number, code.floating) / code.units
        raise McastError(path + code.option, f"{seconds:g} s would be read as {heard:g} s in {name}, as the kernel's "
                                             f"bridge does not encode it (RFC {_RFC[family]}); set at most {limit:g} "
                                             "s, or use mcast.lab.querier")


def _list(path: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise McastError(path, f"expected a list, not {value!r}")
    return value


def _port(path: str, row: Any) -> dict[str, Any]:
    row = expect.mapping(path, row or {}, PORT_FLAGS + ("router",))
    return {key: expect.choice(f"{path}.{key}", value, ROUTERS if key == "router" else (True, False))
            for key, value in row.items() if value is not None}


def _entries(path: str, row: Any) -> list[WantedEntry]:
    """One entry for each source, or one for any."""
    expect.mapping(path, row, ("group", "port", "sources"), required=("group", "port"))
    address = _group(f"{path}.group", row["group"])
    if not group.is_reported(str(address)):
        raise McastError(f"{path}.group", f"{address} goes to every port anyway")
    texts = expect.texts(f"{path}.sources", row.get("sources") or [])
    sources: list[str | None] = [_source(f"{path}.sources", text, address.version) for text in texts]
    return [WantedEntry(expect.text(f"{path}.port", row["port"]), str(address), source) for source in sources or [None]]


def _group(path: str, text: Any) -> group.Address:
    try:
        return group.parse(expect.text(path, text))
    except McastError as error:
        raise McastError(path, error.reason if error.thing == path else f"{error.thing} {error.reason}") from None


def _source(path: str, text: str, version: int) -> str:
    source: group.Address | None = None
    with contextlib.suppress(ValueError):
        source = ipaddress.ip_address(text)
    if source is None or source.version != version or source.is_multicast:
        raise McastError(path, f"expected the IPv{version} address of a host, not {text!r}")
    return str(source)


def _derived(settings: dict[str, Any]) -> dict[str, float]:
    """The intervals that follow from a query interval, in seconds, where they are not given."""
    query = settings.get("query_interval")
    if query is None:
        return {}
    response = settings.get("query_response_interval", min(QUERY_RESPONSE_INTERVAL, query / 2))
    return {"query_response_interval": response, "startup_query_interval": max(1.0, query / 4),
            "membership_interval": ROBUSTNESS * query + response,
            "querier_interval": ROBUSTNESS * query + response / 2}


def contradictions(path: str, settings: dict[str, Any]) -> None:
    """McastError where settings contradict each other, or make the bridge send queries that say something else; those
    that are not there are not looked at."""
    if settings.get("querier"):
        for code in CODES:
            _sendable(path, code, settings)
    query, response = settings.get("query_interval"), settings.get("query_response_interval")
    if query is None or response is None:
        return
    if response >= query:
        raise McastError(f"{path}query_response_interval", f"{response:g} s is not less than the query interval of "
                         f"{query:g} s; members would answer after the next query (RFC 9776 section 8.3)")
    for option, least in (("membership_interval", query + response), ("querier_interval", query + response / 2)):
        if settings.get(option, least) < least:
            then = "members would be dropped meanwhile" if option[0] == "m" else "a living querier would count as gone"
            raise McastError(path + option, f"{settings[option]:g} s is shorter than the {least:g} s from a query to "
                                            f"the last answer to the next one; {then}")
