# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the programs have in common: signals that can be waited for, the report file, the way from start to end."""
from __future__ import annotations

import errno
import json
import os
import signal
import socket
import time
from types import FrameType
from typing import Any, Callable, Protocol

from ..error import McastError

_FRESH = 0.01


class Signals:
    """SIGTERM and SIGINT as something to poll for: `reader` becomes readable, `name` says which one came.

    again: function that returns the options anew (see cli.build), or None: then SIGHUP is left as it is."""

    def __init__(self, again: Callable[[], object] | None = None) -> None:
        self.name: str | None = None
        self._numbers = [signal.SIGTERM, signal.SIGINT] + ([signal.SIGHUP] if again else [])
        self._again = False

    def __enter__(self) -> Signals:
        self.reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._before = {number: signal.signal(number, self._note) for number in self._numbers}
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *unused: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.reader.close()
        self._writer.close()

    def _note(self, number: int, unused: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._again = True
        else:
            self.name = signal.Signals(number).name

    def take_again(self) -> bool:
        """Whether SIGHUP has come since the last time: the program's arguments are others now."""
        if not self._again:
            return False
        self._again = False
        self.reader.recv(1)
        return True


class Report:
    """A JSON file that is replaced as a whole, as soon as something happened but not more often than every 10 ms
    (and never for more than a tenth of the time, however long it has become)."""

    def __init__(self, path: str | None, content: Callable[[], dict[str, Any]]) -> None:
        """path: the file, or None for no report at all; content: function that returns what to write."""
        self._path = path
        self._content = content
        self._due = 0.0
        self._dirty = False

    def touch(self) -> None:
        """Something happened: it is written now, or when a write is due."""
        self._dirty = self._path is not None
        if self._dirty and time.monotonic() >= self._due:
            self.write()

    def wait(self) -> float | None:
        """Seconds until a write is due, or None while there is nothing to write. Writes if it is due."""
        if not self._dirty:
            return None
        wait = self._due - time.monotonic()
        if wait > 0:
            return wait
        self.write()
        return None

    def write(self) -> None:
        """Write now."""
        if self._path is None:
            return
        begun = time.monotonic()
        write_json(self._path, self._content())
        now = time.monotonic()
        self._due = now + max(_FRESH, 10 * (now - begun))
        self._dirty = False


def write_json(path: str, content: dict[str, Any]) -> None:
    """Replace the file as a whole: a reader sees the old content or the new, never a part. On a full disk it is
    written over, which needs no room but a reader may meet; OSError if there is no old one."""
    text = json.dumps(content)
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as handle:
            handle.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.unlink(f"{path}.new")
        with open(path, "r+", encoding="utf-8") as handle:
            handle.write(text)
            handle.truncate()


class Program(Protocol):
    """What a Receiver, Sender, Capture, Querier and OneQuery have in common (see `run`)."""

    facts: dict[str, Any]

    def report(self) -> dict[str, Any]:
        """The whole report."""

    def work(self, signals: Signals, report: Report, /) -> str:
        """Do it all. Returns why it ended."""


def run(program: Program, path: str | None) -> str | None:
    """Run a Receiver or Sender to its end, and keep its report in the file `path` (None: no file).

    program: `facts` (the report's own part, a dict), `report()` (the whole), `work(signals, report)` (does it; returns
    the reason of its end), and `again` where it can change its options while it runs. Returns None, or the text of
    the error that it failed with."""
    facts = program.facts
    facts.update(pid=os.getpid(), started=time.time())
    report = Report(path, program.report)
    with Signals(getattr(program, "again", None)) as signals:
        report.write()
        try:
            reason = program.work(signals, report)
            facts.update(state="ended", ended={"time": time.time(), "reason": reason})
        except (McastError, OSError) as error:
            facts.update(state="failed", error=str(error), ended={"time": time.time(), "reason": "error"})
        report.write()
    return facts["error"]
