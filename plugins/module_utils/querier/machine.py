# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A querier of one family on one interface as a state machine without sockets or a clock: RFC 2236 and 9776 (IGMP), RFC
2710 and 9777 (MLD), RFC 1112 for version 1. It is told what is heard and what time it is, and gives the queries that
are to be sent."""
from __future__ import annotations

import collections
import ipaddress
from typing import Any, Callable, Collection, NamedTuple

from ..error import McastError
from . import message as messages
from .defaults import QUERY_INTERVAL, QUERY_RESPONSE_INTERVAL, ROBUSTNESS
from .group import EXCLUDE, Group
from .message import MOST_SOURCES, PROTOCOLS, VERSIONS, Query, newest

_MOST_GROUPS = 10000
_MOST_EVENTS = 1000
_MOST_LISTED = 1000

# What each message of the older versions stands for: its version and the record of the newest (RFC 9776 section 7.3.2,
# RFC 9777 section 8.3.2).
_OLDER = {
    "igmpv1_report": (1, "is_ex"), "igmpv2_report": (2, "is_ex"), "igmpv2_leave": (None, "to_in"),
    "mldv1_report": (1, "is_ex"), "mldv1_done": (None, "to_in"),
}
_NEWEST = ("igmpv3_report", "mldv2_report")


class Settings(NamedTuple):
    """The values of RFC 9776 section 8 and RFC 9777 section 9, in seconds; None: derived as is said there, and the
    response interval is 10, or half of the query interval if that is less."""

    family: int
    version: int
    robustness: int = ROBUSTNESS
    query_interval: float = QUERY_INTERVAL
    query_response_interval: float | None = None
    startup_query_interval: float | None = None
    startup_query_count: int | None = None
    last_member_query_interval: float = 1.0
    last_member_query_count: int | None = None


class Settled(NamedTuple):
    """Settings with nothing left open, and with times as the wire can say them."""

    family: int
    version: int
    robustness: int
    query_interval: float
    query_response_interval: float
    startup_query_interval: float
    startup_query_count: int
    last_member_query_interval: float
    last_member_query_count: int


def settle(settings: Settings) -> Settled:
    """Fill in what the settings leave open. McastError names what can't be."""
    family, version = settings.family, settings.version
    response = settings.query_response_interval
    if response is None:
        response = max(messages.LEAST_RESPONSE, min(QUERY_RESPONSE_INTERVAL, settings.query_interval / 2))
    if version not in VERSIONS[family]:
        raise McastError(f"{PROTOCOLS[family].lower()}_version",
                         f"{version} is none; expected one of {', '.join(map(str, VERSIONS[family]))}")
    for name in ("query_interval", "startup_query_interval"):
        if getattr(settings, name) is not None and not 0.1 <= getattr(settings, name) <= 31744:
            raise McastError(name, f"{getattr(settings, name):g} s is none; expected 0.1 to 31744 s")
    for name in ("robustness", "startup_query_count", "last_member_query_count"):
        if not 1 <= (1 if getattr(settings, name) is None else getattr(settings, name)) <= 7:
            raise McastError(name, f"{getattr(settings, name)} is none; expected 1 to 7")
    messages.check_response("query_response_interval", family, version, response)
    messages.check_response("last_member_query_interval", family, version, settings.last_member_query_interval)
    # An IGMPv1 query says nothing of it, and asks for no last member.
    if (family, version) != (4, 1) and response >= settings.query_interval:
        raise McastError("query_response_interval", f"{response:g} s is not less than the query_interval of "
                         f"{settings.query_interval:g} s: answers must be there before the next query")
    return Settled(
        family, version, settings.robustness, settings.query_interval,
        query_response_interval=messages.said_response(family, version, response),
        last_member_query_interval=messages.said_response(family, version, settings.last_member_query_interval),
        startup_query_interval=settings.startup_query_interval or max(0.1, settings.query_interval / 4),
        startup_query_count=settings.startup_query_count or settings.robustness,
        last_member_query_count=settings.last_member_query_count or settings.robustness)


class Event(NamedTuple):
    """details: what the event is about, as the report shows it."""

    time: float
    name: str
    details: dict[str, Any]


class Machine:
    """events: the latest. outgoing: the queries to send now; who sends them empties it."""

    def __init__(self, settings: Settled, address: str) -> None:
        """address: the querier's own, as text."""
        self.settings = settings
        self.address = address
        self.role: str | None = None
        self.robustness, self.query_interval = settings.robustness, settings.query_interval
        self.other: dict[str, Any] | None = None
        self.other_expires: float | None = None
        self.groups: dict[str, Group] = {}
        self.outgoing: list[Query] = []
        self.events: collections.deque[Event] = collections.deque(maxlen=_MOST_EVENTS)
        self.counts: collections.Counter[str] = collections.Counter()
        self._startup_left = 0
        self._due: float | None = None
        self._wake = 0.0  # nothing is due before: so a message costs no look at all the groups

    # what follows from the settings in force

    @property
    def response(self) -> float:
        return self.settings.query_response_interval

    @property
    def membership_interval(self) -> float:
        """The group membership interval, which is also that of older hosts."""
        return self.robustness * self.query_interval + self.response

    @property
    def other_querier_interval(self) -> float:
        return self.robustness * self.query_interval + self.response / 2

    @property
    def last_member_query_time(self) -> float:
        return self.settings.last_member_query_interval * self._last_member_query_count

    @property
    def _last_member_query_count(self) -> int:
        # By default it is the robustness, so it goes with it.
        own = self.settings.last_member_query_count
        return own if own != self.settings.robustness else self.robustness

    @property
    def _has_records(self) -> bool:
        return self.settings.version == newest(self.settings.family)

    # general queries and election

    def start(self, now: float) -> None:
        """Every router begins as a querier."""
        self._startup_left = self.settings.startup_query_count
        self._become_querier(now)

    def _become_querier(self, now: float) -> None:
        self.role, self.other, self.other_expires = "querier", None, None
        self.robustness, self.query_interval = self.settings.robustness, self.settings.query_interval
        self._due = self._wake = now
        self._note(now, "querier", address=self.address)
        self.advance(now)

    def _become_other(self, now: float, message: dict[str, Any], version: int) -> None:
        first = self.other is None or self.other["address"] != message["source"]
        self.role, self._due, self._startup_left = "non_querier", None, 0
        # Zero says nothing; versions without these fields neither.
        self.robustness = message["robustness"] or self.settings.robustness
        self.query_interval = float(message["interval"] or 0) or self.settings.query_interval
        self.other = {"address": message["source"], "version": version, "robustness": message["robustness"],
                      "interval": message["interval"], "heard": now}
        self.other_expires, self._wake = now + self.other_querier_interval, now
        for group in self.groups.values():
            group.end_asking()
        if first:
            self._note(now, "non_querier", address=message["source"], version=version)

    def hear(self, message: dict[str, Any], now: float) -> None:
        """Take what was heard. message: as querier_message.read() returns it."""
        self.advance(now)
        kind = message["kind"]
        if kind.endswith("_query"):
            self._hear_query(message, message["version"], now)
        elif kind in _NEWEST and self._has_records:
            self.counts["reports"] += 1
            for record in message["records"]:
                self._take(record["group"], record["type"], record["sources"], None, now)
        elif kind in _OLDER and message["group"]:
            self.counts["reports"] += 1
            version, record = _OLDER[kind]
            self._take(message["group"], record, (), version, now)
        else:
            self.counts["ignored"] += 1
        self.advance(now)

    def _hear_query(self, message: dict[str, Any], version: int, now: float) -> None:
        source = ipaddress.ip_address(message["source"])
        if str(source) == self.address:
            return
        self.counts["queries_heard"] += 1
        self._note(now, "query_heard", address=message["source"], version=version, query=message["query"],
                   group=message["group"], max_response=message["max_response"])
        if version != self.settings.version:
            self._note(now, "version_differs", address=message["source"], version=version)
        # In version 1 of IGMP there is no election; and 0.0.0.0, a switch, never wins one.
        if self.settings.family == 4 and 1 in (version, self.settings.version):
            return
        if int(source) < int(ipaddress.ip_address(self.address)) and not source.is_unspecified:
            self._become_other(now, message, version)
        if self.role == "non_querier" and message["group"] and not message["suppress"]:
            group = self.groups.get(message["group"])
            if group:
                group.lower(now + message["max_response"] * self._last_member_query_count, message["sources"])
                self._wake = now

    # members

    def _take(self, address: str, kind: str, sources: Collection[str], version: int | None, now: float) -> None:
        """One record about a group. kind: its type. version: that of an older host's report."""
        group = self.groups.get(address)
        if group is None:
            if len(self.groups) >= _MOST_GROUPS:
                self.counts["groups_refused"] += 1
                return
            group = Group(address)
        before = group.mode, group.compatibility(self.settings.version)
        if version and version < self.settings.version:
            group.older[version] = now + self.membership_interval
        record, sources = self._translate(group, kind, sources)
        if record is None or (record == "to_in" and not self._has_records and group.is_checked()):
            self.counts["ignored"] += 1
            return
        ask_sources, ask_group = group.take(record, sources, now + self.membership_interval)
        if not self._has_records and record == "is_ex":
            group.end_asking()  # RFC 2236 section 7: a report stops the queries
        if self.role == "querier" and (self.settings.family, self.settings.version) != (4, 1):
            time, count = self.last_member_query_time, self._last_member_query_count
            group.ask_sources(ask_sources, now, time, count)
            if ask_group:
                group.ask_group(now, time, count)
        self._keep(group, before, record, now)

    def _translate(self, group: Group, record: str, sources: Collection[str]) -> tuple[str | None, Collection[str]]:
        """What a record says while hosts of an older version are there."""
        version = group.compatibility(self.settings.version)
        oldest_with_leave = 2 if self.settings.family == 4 else 1
        if version < oldest_with_leave and record in ("to_in", "block"):
            return None, ()
        if version < newest(self.settings.family):
            if record == "block":
                return None, ()
            if record == "to_ex":
                return record, ()
        return record, sources

    def _keep(self, group: Group, before: tuple[str, int], record: str | None, now: float) -> None:
        """Note what has become of a group; one that has nothing in it is none."""
        known = group.address in self.groups
        if group.is_empty():
            if known:
                del self.groups[group.address]
                self._note(now, "group_left", group=group.address, record=record)
            return
        self.groups[group.address] = group
        self._wake = min(self._wake, group.next_time())
        after = group.mode, group.compatibility(self.settings.version)
        if not known or before != after:
            self._note(now, "group_changed" if known else "group_joined", group=group.address, record=record,
                       filter_mode=group.mode, version=after[1])

    # time

    def advance(self, now: float) -> None:
        """Do what is due by now."""
        if now < self._wake:
            return
        if self.other is not None and self.other_expires is not None and self.other_expires <= now:
            self._note(now, "other_querier_gone", address=self.other["address"])
            self._become_querier(now)
        if self._due is not None and self._due <= now:
            self._startup_left = max(0, self._startup_left - 1)
            self._due = now + (self.settings.startup_query_interval if self._startup_left else self.query_interval)
            self._send(now, self._query(self.response))
        for group in list(self.groups.values()):
            if group.next_time() <= now:
                self._advance_group(group, now)
        ends = [self._due, self.other_expires] + [group.next_time() for group in self.groups.values()]
        self._wake = min(end for end in ends if end is not None)

    def _advance_group(self, group: Group, now: float) -> None:
        before = group.mode, group.compatibility(self.settings.version)
        group.expire(now)
        self._keep(group, before, None, now)
        if group.is_empty():
            return
        interval = self.settings.last_member_query_interval
        most = MOST_SOURCES[self.settings.family]
        for sources, suppress in group.due_queries(now, interval, self.last_member_query_time):
            for start in range(0, max(1, len(sources)), most):
                self._send(now, self._query(interval, group.address, sources[start:start + most], suppress))

    def _query(self, response: float, group: str | None = None, sources: Collection[str] = (),
               suppress: bool = False) -> Query:
        return Query(self.settings.family, self.settings.version, response, group, tuple(sources), suppress,
                     self.robustness, messages.said_interval(self.query_interval))

    def _send(self, now: float, query: Query) -> None:
        self.outgoing.append(query)
        self.counts["queries_sent"] += 1
        self._note(now, "query_sent", query=query.kind, group=query.group, sources=list(query.sources),
                   suppress=query.suppress)

    def next_time(self) -> float:
        """When advance() is to be called next."""
        return self._wake

    def _note(self, now: float, event: str, **details: Any) -> None:
        self.counts["events"] += 1
        self.events.append(Event(now, event, details))

    # report

    def report(self, clock: Callable[[float | None], float | None]) -> dict[str, Any]:
        """All of it as plain values. clock: function that makes a time of this machine one of the day; None of None."""
        settings = self.settings._asdict()
        listed = sorted(self.groups.values(), key=lambda group: ipaddress.ip_address(group.address))[:_MOST_LISTED]
        return {
            "address": self.address, "role": self.role, "version": settings.pop("version"),
            "other": self.other and dict(self.other, heard=clock(self.other["heard"]),
                                         expires=clock(self.other_expires)),
            "next_query": clock(self._due),
            "settings": {name: value for name, value in settings.items() if name != "family"},
            "in_force": {
                "robustness": self.robustness, "query_interval": self.query_interval,
                "group_membership_interval": self.membership_interval,
                "other_querier_present_interval": self.other_querier_interval,
                "last_member_query_time": self.last_member_query_time},
            "queries_sent": self.counts["queries_sent"], "queries_heard": self.counts["queries_heard"],
            "reports": self.counts["reports"], "ignored": self.counts["ignored"],
            "groups": [self._group_report(group, clock) for group in listed],
            "groups_left_out": len(self.groups) - len(listed) + self.counts["groups_refused"],
            "events": [dict(event.details, time=clock(event.time), event=event.name) for event in self.events],
            "events_left_out": self.counts["events"] - len(self.events)}

    def _group_report(self, group: Group, clock: Callable[[float | None], float | None]) -> dict[str, Any]:
        return {
            "group": group.address, "filter_mode": group.mode, "expires": clock(group.expires),
            "sources": [{"source": source, "expires": clock(group.sources[source])}
                        for source in sorted(group.requested())],
            "excluded": sorted(set(group.sources) - group.requested()) if group.mode == EXCLUDE else [],
            "version": group.compatibility(self.settings.version),
            "older": {str(version): clock(end) for version, end in sorted(group.older.items())}}
