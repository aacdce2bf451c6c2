# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a querier knows of one group on one interface: RFC 9776 sections 6.2 to 6.6.3 and 7.3.2; RFC 9777 sections 7.2
to 7.6.3 and 8.3.2 say the same of MLD. No clock and no socket: every function is told the time."""
from __future__ import annotations

from typing import Collection, Iterable

INCLUDE, EXCLUDE = "include", "exclude"
# A forged report must not fill the memory.
_MOST_SOURCES = 1000


class Group:
    """mode: filter mode. expires: the group timer as the time of its end; None in INCLUDE mode. sources: ``{source: end
    of its timer}``; None where it has run out, which is the exclude list (only in EXCLUDE mode). older: ``{version: end
    of the older-host-present timer}``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.mode = INCLUDE
        self.expires: float | None = None
        self.sources: dict[str, float | None] = {}
        self.older: dict[int, float] = {}
        self._group_left = 0
        self._group_due: float | None = None
        self._sources_left: dict[str, int] = {}
        self._sources_due: float | None = None
        self._asked_until: float | None = None

    def compatibility(self, version: int) -> int:
        """The version in which this group is kept: the oldest of a host that was heard lately."""
        return min([version] + list(self.older))

    def is_empty(self) -> bool:
        return self.mode == INCLUDE and not self.sources

    def is_checked(self) -> bool:
        """Whether an answer to the queries after a leave is still due."""
        return self._asked_until is not None and self.expires is not None and self.expires <= self._asked_until

    def requested(self) -> set[str]:
        """The sources whose timers run: INCLUDE's list, or EXCLUDE's requested list."""
        return {source for source, end in self.sources.items() if end is not None}

    def _set(self, sources: Iterable[str], end: float | None) -> None:
        for source in sources:
            if source in self.sources or len(self.sources) < _MOST_SOURCES:
                self.sources[source] = end

    def _drop(self, sources: Iterable[str]) -> None:
        for source in sources:
            del self.sources[source]

    def take(self, kind: str, sources: Iterable[str], end: float) -> tuple[set[str], bool]:
        """Take a record of the type `kind`. end: the time at which a timer ends that is set to the group membership
        interval now. Returns what is to be asked: (set of sources, whether the group)."""
        told, asked = set(sources), self.requested()
        return (self._take_included if self.mode == INCLUDE else self._take_excluded)(kind, told, asked, end)

    def _take_included(self, kind: str, told: set[str], asked: set[str], end: float) -> tuple[set[str], bool]:
        """asked: A in the tables of RFC 9776 section 6.4; told: B."""
        if kind in ("is_in", "allow"):
            self._set(told, end)
        elif kind == "block":
            return asked & told, False
        elif kind == "to_in":
            self._set(told, end)
            return asked - told, False
        elif kind in ("is_ex", "to_ex"):
            self.mode, self.expires = EXCLUDE, end
            self._drop(asked - told)
            self._set(told - asked, None)
            return (asked & told if kind == "to_ex" else set()), False
        return set(), False

    def _take_excluded(self, kind: str, told: set[str], asked: set[str], end: float) -> tuple[set[str], bool]:
        """asked: X in the tables of RFC 9776 section 6.4; told: A; the other sources are Y."""
        excluded = set(self.sources) - asked
        fresh = told - asked - excluded
        if kind in ("is_in", "allow"):
            self._set(told, end)
        elif kind == "to_in":
            self._set(told, end)
            return asked - told, True
        elif kind == "block":
            self._set(fresh, self.expires)
            return told - excluded, False
        elif kind in ("is_ex", "to_ex"):
            self._drop(set(self.sources) - told)
            self._set(fresh, end if kind == "is_ex" else self.expires)
            self.expires = end
            return (told - excluded if kind == "to_ex" else set()), False
        return set(), False

    # queries

    def ask_group(self, now: float, time: float, count: int) -> None:
        """Begin to ask the group. time: the last member query time."""
        self.lower(now + time)
        self._asked_until = self.expires
        self._group_left, self._group_due = count, now

    def ask_sources(self, sources: Iterable[str], now: float, time: float, count: int) -> None:
        """Begin to ask for sources whose timers have more than the last member query time left."""
        for source in sources:
            if (self.sources.get(source) or 0) > now + time:
                self.sources[source] = now + time
                self._sources_left[source] = count
                self._sources_due = now

    def lower(self, end: float, sources: Collection[str] = ()) -> None:
        """A query was sent or heard: the group timer, or those of the sources, end at `end` at the latest."""
        if not sources and self.expires is not None:
            self.expires = min(self.expires, end)
        for source in sources:
            running = self.sources.get(source)
            if running:
                self.sources[source] = min(running, end)

    def end_asking(self) -> None:
        self._group_left, self._group_due = 0, None
        self._sources_left, self._sources_due = {}, None

    def due_queries(self, now: float, interval: float, time: float) -> list[tuple[tuple[str, ...], bool]]:
        """What is to be asked at this moment: a list of (sources, S flag), sources empty for the group itself.

        interval, time: last member query interval and time."""
        queries: list[tuple[tuple[str, ...], bool]] = []
        if self._group_due is not None and self._group_due <= now:
            queries.append(((), self.expires is not None and self.expires > now + time))
            self._group_left -= 1
            self._group_due = now + interval if self._group_left > 0 else None
        if self._sources_due is not None and self._sources_due <= now:
            queries += self._due_sources(now, time, bool(queries))
            self._sources_due = now + interval if self._sources_left else None
        return queries

    def _due_sources(self, now: float, time: float, with_group: bool) -> list[tuple[tuple[str, ...], bool]]:
        """RFC 9776 section 6.6.3.2: one query for the sources that were reported since, with the S flag, and one for
        the others; the first is left out beside a query for the group."""
        asked = {source: end for source in self._sources_left for end in (self.sources.get(source),) if end}
        later = tuple(sorted(source for source, end in asked.items() if end > now + time))
        sooner = tuple(sorted(source for source, end in asked.items() if end <= now + time))
        self._sources_left = {source: self._sources_left[source] - 1 for source in asked
                              if self._sources_left[source] > 1}
        return [(sources, flag) for sources, flag in ((later, True), (sooner, False))
                if sources and not (flag and with_group)]

    # time

    def next_time(self) -> float:
        """When something is to be done next; a group that is not empty has a timer that runs."""
        ends = [self.expires, self._group_due, self._sources_due]
        ends += list(self.sources.values()) + list(self.older.values())
        return min(end for end in ends if end is not None)

    def expire(self, now: float) -> None:
        """End the timers whose time has come (RFC 9776 section 6.5 and 6.3)."""
        for version in [version for version, end in self.older.items() if end <= now]:
            del self.older[version]
        ended = [source for source, end in self.sources.items() if end is not None and end <= now]
        if self.mode == EXCLUDE:
            self._set(ended, None)
        else:
            self._drop(ended)
        if self.expires is not None and self.expires <= now:
            self.mode, self.expires, self._asked_until = INCLUDE, None, None
            self._group_left, self._group_due = 0, None
            self._drop([source for source, end in self.sources.items() if end is None])
