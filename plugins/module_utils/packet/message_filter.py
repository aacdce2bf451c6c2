# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which messages and flows are wanted."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .. import group as groups
from ..error import McastError
from . import timestamps
from .message import DATA_KINDS, KINDS, PROTOCOLS

LIMIT = 5000


class MessageFilter:
    """kinds:  kinds of messages, or protocols (``igmp``, ``mld``, ``pim``, ``udp``); None: all but single datagrams.
    group:     messages about this group (its records and queries; datagrams to it) and flows to it.
    interface: packets of this interface.
    since, until: packets from then to then, seconds since the epoch.
    limit:     how many messages, and how many flows, are listed at most.
    payload:   list datagrams one by one, with their payload.
    data_limit: the most single datagrams that are listed beside the messages; by default they count as messages.
    Raises McastError that names the option where one is wrong."""

    def __init__(self, kinds: Collection[str] | None = None, group: str | None = None, interface: str | None = None,
                 since: object = None, until: object = None, limit: int = LIMIT, payload: bool = False,
                 data_limit: int | None = None) -> None:
        unknown = sorted(set(kinds or ()) - set(KINDS) - set(PROTOCOLS))
        if unknown:
            raise McastError("kinds", f"{', '.join(map(str, unknown))}: no such kind; expected some of "
                                      f"{', '.join(PROTOCOLS + KINDS)}")
        if limit < 0:
            raise McastError("limit", f"{limit} is negative; expected how many messages and flows to list")
        self.kinds = frozenset(kinds or ())
        address = None if group is None else groups.parse(group)
        self.group = None if address is None else str(address)
        self.group_bytes = None if address is None else address.packed
        self.interface = interface
        self.since = None if since is None else timestamps.parse(since, "since")
        self.until = None if until is None else timestamps.parse(until, "until")
        self.limit = limit
        self.data_limit = data_limit
        self.payload = payload
        self.datagrams = "udp" in self.kinds if self.kinds else payload

    def in_time(self, nanoseconds: int) -> bool:
        """Whether the time lies between since and until; an unknown one (negative) lies in no span."""
        if self.since is None and self.until is None:
            return True
        return max(0, self.since or 0) <= nanoseconds and (self.until is None or nanoseconds <= self.until)

    def takes(self, message: Mapping[str, Any]) -> bool:
        """Whether a message just read is of the wanted kinds and about the wanted group."""
        if not self.kinds and message["kind"] in DATA_KINDS and not self.datagrams and not message["malformed"]:
            return False
        return self._fits(message)

    def select(self, messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns those of a list of messages, read before, that are wanted, at most `limit`."""
        return [message for message in messages
                if self.interface in (None, message["interface"])
                and self.in_time(-1 if message["time"] is None else timestamps.parse(message["time"], "time"))
                and self._fits(message)][:self.limit]

    def _fits(self, message: Mapping[str, Any]) -> bool:
        if self.kinds and message["kind"] not in self.kinds and message["protocol"] not in self.kinds:
            return False
        return self.group is None or self.group in groups_of(message)


def groups_of(message: Mapping[str, Any]) -> set[str | None]:
    """Returns the set of all groups that a message speaks of, as text."""
    return {message["group"]}.union(
        (record["group"] for record in message["records"]),
        (entry["group"] for entry in message["details"].get("groups", ())))
