# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sender: plain datagrams to one group, at a steady pace or a line at a time."""
from __future__ import annotations

import argparse
import errno
import os
import select
import socket
import time
from typing import Any

from .. import group as groups
from ..error import McastError
from . import sockets
from .program import Report, Signals

# What a firewall or a full queue swallows is loss on the way, and no reason to end.
_LOST = (errno.EPERM, errno.ENOBUFS)
_LARGEST = 65507
# A sender that was held up catches up with its pace, but never by more than this many seconds.
_MOST_OWED = 1.0


def _refusal(sock: socket.socket, payload: bytes) -> str | None:
    """Send one datagram. Returns None, or the name of the error by which this host refused it.

    An error that an earlier datagram has met (ICMP, or a Packet Too Big, after which the kernel sends fragments) is
    reported at the next send in place of sending: that one is tried again."""
    for attempt in (1, 2):
        try:
            sock.send(payload)
            return None
        except OSError as error:
            if error.errno in _LOST:
                return errno.errorcode[error.errno]
            if attempt == 2:
                raise
            sockets.drain_errors(sock)
    return None


class Sender:
    """One sender; says in `facts` and `report()` what it sent."""

    def __init__(self, options: argparse.Namespace) -> None:
        """options: the attributes group, port, interface, source_port (0: the kernel chooses), ttl, count (0: endless),
        interval (seconds), timeout (seconds, 0: none), payload (text), sequence, lines. McastError for what can't
        be."""
        self._options = options
        self._group = groups.parse(options.group)
        self._payload = options.payload.encode()
        if len(self._payload) > _LARGEST:
            raise McastError("payload", f"has {len(self._payload)} bytes; expected at most {_LARGEST}")
        name, self._index, self._address = sockets.find_interface(options.interface)
        if self._address and (":" in self._address) != (self._group.version == 6):
            raise McastError(options.interface, f"is of another family than {self._group}; give an "
                                                f"IPv{self._group.version} address or a name")
        self.facts: dict[str, Any] = {
            "program": "sender", "state": "starting", "pid": None, "started": None,
            "group": str(self._group), "port": options.port, "interface": name, "index": self._index,
            "source": None, "source_port": None, "ttl": options.ttl, "datagrams": 0, "bytes": 0,
            "refused": 0, "refusals": {},
            "first": None, "last": None, "ended": None, "error": None}

    def report(self) -> dict[str, Any]:
        """The whole report, as docs/programs.md describes it."""
        return self.facts

    def work(self, signals: Signals, report: Report) -> str:
        """Send until the end. Returns why it ended: "count", "timeout", "end of input" or a signal's name."""
        options = self._options
        with sockets.open_sender(self._group, options.port, self._index, options.ttl, self._address,
                                 options.source_port) as sock:
            self.facts["source"], self.facts["source_port"] = sock.getsockname()[:2]
            self.facts["state"] = "sending"
            if options.lines:
                report.write()
                return self._send_lines(sock, signals, report)
            return self._send_paced(sock, signals, report)

    def _send(self, sock: socket.socket, payload: bytes, report: Report) -> None:
        facts = self.facts
        now = time.time()
        refusal = _refusal(sock, payload)
        if refusal:
            facts["refused"] += 1
            facts["refusals"][refusal] = facts["refusals"].get(refusal, 0) + 1
        else:
            facts["datagrams"] += 1
            facts["bytes"] += len(payload)
            facts["last"] = now
            if facts["first"] is None:
                facts["first"] = now
        report.touch()

    def _send_paced(self, sock: socket.socket, signals: Signals, report: Report) -> str:
        options = self._options
        number = 0
        due = time.monotonic()
        deadline = due + options.timeout if options.timeout else float("inf")
        while signals.name is None:
            number += 1
            self._send(sock, b"%s %d" % (self._payload, number) if options.sequence else self._payload, report)
            if number == options.count:
                return "count"
            due = max(due + options.interval, time.monotonic() - _MOST_OWED)
            self._sleep(min(due, deadline), signals, report)
            if time.monotonic() >= deadline:
                return "timeout"
        return signals.name

    @staticmethod
    def _sleep(until: float, signals: Signals, report: Report) -> None:
        while signals.name is None:
            left = until - time.monotonic()
            if left <= 0:
                return
            wait = report.wait()
            select.select([signals.reader], [], [], left if wait is None else min(wait, left))

    def _send_lines(self, sock: socket.socket, signals: Signals, report: Report) -> str:
        """Each line of standard input is a datagram; "." at the end tells receivers to end as well."""
        pending = b""
        while signals.name is None:
            ready = select.select([0, signals.reader.fileno()], [], [], report.wait())[0]
            if 0 not in ready:
                continue
            data = os.read(0, 1 << 16)
            lines = (pending + data).split(b"\n")
            # Without a newline at the end of the input, what stands there is a line too.
            pending = lines.pop() if data else b""
            for line in lines:
                if line or data:
                    self._send(sock, line[:_LARGEST], report)
            if not data:
                break
        self._send(sock, b".", report)
        return signals.name or "end of input"
