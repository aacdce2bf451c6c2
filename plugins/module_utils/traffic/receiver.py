# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The receiver: joins groups on an interface, counts what arrives for them, and reports it flow by flow."""
from __future__ import annotations

import argparse
import contextlib
import ipaddress
import select
import socket
import time
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from .. import group as groups
from ..error import McastError
from ..group import Address
from . import sockets
from .inbox import Inbox, decode
from .program import Report, Signals

_MOST_FLOWS = 1000
# Forged sources must not fill the memory.
_MOST_LEFT_OUT = 100000
_MOST_SLOTS = 100000
_SHOWN = 64
_WHOLE = 1 << 16

# Of a flow: source, source port and destination.
_Key = Tuple[Address, int, Optional[Address]]
# Datagrams, bytes and time of the last.
_Tally = List[float]


def source_filter(group: Address, filter_mode: str | None, sources: Sequence[str]) -> tuple[str, list[Address]]:
    """Check and complete a source filter. filter_mode: "include", "exclude" or None (include if there are sources).

    Returns ``(filter_mode, [ipaddress objects])``; McastError for sources that are no unicast addresses of the
    group's family, for "include" without sources, and for an SSM group (RFC 4607) without sources unless "exclude"
    was asked for by name (Linux joins it then, and routers ignore it)."""
    mode = filter_mode or ("include" if sources else "exclude")
    found: list[Address] = []
    for text in sources:
        try:
            address: Address | None = ipaddress.ip_address(text)
        except ValueError:
            address = None
        if address is None or address.version != group.version or address.is_multicast or address.is_unspecified:
            raise McastError(text, f"is not a source for {group}; expected an IPv{group.version} host's address")
        if address not in found:
            found.append(address)
    if mode == "include" and not found:
        raise McastError(str(group), "filter mode include needs at least one source")
    if groups.is_ssm(group) and not found and filter_mode is None:
        raise McastError(str(group), "is a source-specific group (RFC 4607): give the sources to receive from")
    return mode, found


class _Wanted(NamedTuple):
    """What is joined: a group with its source filter."""

    group: Address
    filter_mode: str
    sources: list[Address]


class Receiver:
    """One receiver; says in `facts` and `report()` what it joined and got."""

    def __init__(self, options: argparse.Namespace) -> None:
        """options: the attributes group (list of text), port, interface, filter_mode, sources (list of text), count,
        timeout (seconds), until (text or None), report, again (function that returns the options anew, or None).
        McastError for what can't be."""
        self._options = options
        self.again: Callable[[], argparse.Namespace] | None = options.again
        self._until: bytes | None = None if options.until is None else options.until.encode()
        name, self._index, unused = sockets.find_interface(options.interface)
        self._wanted: list[_Wanted] = []
        for text in options.group:
            group = groups.parse(text)
            self._wanted.append(_Wanted(group, *source_filter(group, options.filter_mode, options.sources)))
        self.facts: dict[str, Any] = {
            "program": "receiver", "state": "starting", "pid": None, "started": None,
            "memberships": [{"group": str(group), "port": options.port, "interface": name, "index": self._index,
                             "filter_mode": mode, "sources": [str(source) for source in sources]}
                            for group, mode, sources in self._wanted],
            "changed": None, "ended": None, "error": None}
        self._groups = {(wanted.group, self._index) for wanted in self._wanted}
        self._dropped: dict[Inbox, int] = {}
        self._flows: dict[_Key, tuple[dict[str, Any], _Tally]] = {}
        self._tallies: dict[bytes, _Tally] = {}
        self._left_out: set[_Key] = set()
        # Datagrams, bytes and time of the last: of the flows beyond the most that are listed, and of what came to
        # the port but not to a group that was joined (it is no part of the report).
        self._beyond: _Tally = [0, 0, 0.0]
        self._strangers: _Tally = [0, 0, 0.0]
        self._total = 0

    def report(self) -> dict[str, Any]:
        """The whole report, as docs/programs.md describes it."""
        flows = [dict(flow, datagrams=tally[0], bytes=tally[1], last=tally[2]) for flow, tally in self._flows.values()]
        return dict(
            self.facts, datagrams=sum(flow["datagrams"] for flow in flows) + self._beyond[0],
            bytes=sum(flow["bytes"] for flow in flows) + self._beyond[1], dropped=sum(self._dropped.values()),
            flows=flows, flows_left_out=len(self._left_out))

    def work(self, signals: Signals, report: Report) -> str:
        """Join, receive until the end, leave. Returns why it ended: "count", "until", "timeout" or a signal's name."""
        room = _WHOLE if self._options.line else max(_SHOWN, len(self._until or b""))
        with contextlib.ExitStack() as stack:
            # All joins first, without a pause: then the kernel reports them together.
            members = [stack.enter_context(sockets.open_receiver(group, self._options.port, self._index, mode, sources))
                       for group, mode, sources in self._wanted]
            inboxes = {sock.fileno(): Inbox(sock, room) for sock in members}
            self.facts["state"] = "joined"
            report.write()
            return self._receive(inboxes, members, signals, report)

    def _change_filters(self, members: list[socket.socket], options: argparse.Namespace) -> None:
        """Take the source filter of the new options: every group goes on, and leaves nothing meanwhile."""
        for sock, (group, _mode, _sources), told in zip(members, self._wanted, self.facts["memberships"]):
            mode, sources = source_filter(group, options.filter_mode, options.sources)
            sockets.change_filter(sock, group, self._index, mode, sources)
            told.update(filter_mode=mode, sources=[str(source) for source in sources])
        self.facts["changed"] = time.time()

    def _receive(self, inboxes: dict[int, Inbox], members: list[socket.socket], signals: Signals,
                 report: Report) -> str:
        deadline = time.monotonic() + self._options.timeout if self._options.timeout else None
        poll = select.poll()
        for descriptor in list(inboxes) + [signals.reader.fileno()]:
            poll.register(descriptor, select.POLLIN)
        while signals.name is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return "timeout"
            waits = [wait * 1000 for wait in (report.wait(), left) if wait is not None]
            for descriptor, _events in poll.poll(min(waits) if waits else None):
                if descriptor in inboxes:
                    reason = self._take(inboxes[descriptor], report)
                    if reason:
                        return reason
            if self.again and signals.take_again():
                self._change_filters(members, self.again())
                report.write()
        return signals.name

    def _take(self, inbox: Inbox, report: Report) -> str | None:
        """Count one batch. Returns the reason to end, or None."""
        datagrams = inbox.read()
        now = time.time()
        tallies = self._tallies
        each = self._options.line or self._options.count or self._until is not None
        for number, (slot, size) in enumerate(datagrams):
            tally = tallies.get(slot)
            if tally is None:
                tally = self._new_flow(slot, inbox.payload(number, size), now)
            tally[0] += 1
            tally[1] += size
            tally[2] = now
            if each and tally is not self._strangers:
                reason = self._look(slot, inbox.payload(number, size))
                if reason:
                    return reason
        if datagrams:
            self._dropped[inbox] = inbox.drops()
            report.touch()
        return None

    def _new_flow(self, slot: bytes, payload: bytes, now: float) -> _Tally:
        """The tally for a slot not seen before (a known flow's slot differs where only its TTL does)."""
        source, source_port, destination, index, ttl = decode(slot)
        key = (source, source_port, destination)
        if (destination, index) not in self._groups:
            tally = self._strangers
        elif key in self._flows:
            tally = self._flows[key][1]
        elif len(self._flows) < _MOST_FLOWS:
            tally = [0, 0, now]
            self._flows[key] = ({
                "source": str(source), "source_port": source_port, "group": str(destination),
                "port": self._options.port, "interface": self.facts["memberships"][0]["interface"], "first": now,
                "ttl": ttl, "payload": text_of(payload[:_SHOWN])}, tally)
        else:
            if len(self._left_out) < _MOST_LEFT_OUT:
                self._left_out.add(key)
            return self._beyond
        if len(self._tallies) < _MOST_SLOTS:
            self._tallies[slot] = tally
        return tally

    def _look(self, slot: bytes, payload: bytes) -> str | None:
        """What is only done where somebody asked for it, datagram by datagram."""
        self._total += 1
        if self._options.line:
            came, interface = decode(slot), self.facts["memberships"][0]["interface"]
            self._options.line(f"{came.source} port {came.source_port} to {came.destination} on {interface}, "
                               f"ttl {came.ttl}: {text_of(payload)}")
        if self._until is not None and payload == self._until:
            return "until"
        return "count" if self._total == self._options.count else None


def text_of(payload: bytes) -> str:
    """The payload as text where it is printable UTF-8, else its bytes in hex."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return payload.hex()
    return text if text.rstrip("\r\n").isprintable() else payload.hex()
