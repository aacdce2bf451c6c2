# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the captures of a host while they run, over the connection of an action plugin: each look fetches only what
has been written since the last."""
from __future__ import annotations

import base64
import binascii
import os
import shlex
import tempfile
from typing import Any, Callable
from urllib.parse import quote

from ..module_utils.error import McastError
from ..module_utils.kernel import sources
from ..module_utils.packet import datagram
from ..module_utils.packet.capture import read
from .bounds import bounded
from .evidence_file import Folder
from .gather import run

# How many datagrams a bundle lists one by one; all are counted.
DATAGRAMS = 1000
# How many messages and datagrams are judged one by one: 50 MB and 150 MB of memory at most. A capture of the default
# size holds no more datagrams. What lies beyond passes no check that needs it.
JUDGED, JUDGED_DATAGRAMS = 20000, 550000
_EMPTY = {"packets": {"total": 0, "decoded": 0, "malformed": 0, "other": 0}, "fragments": 0, "first": None,
          "last": None, "link_types": {}, "flows": [], "messages": [], "truncated": False, "truncated_at": None,
          "left_out": {"messages": 0, "flows": 0, "datagrams": 0}}


def wire_of(path: str, **options: Any) -> dict[str, Any]:
    """What a capture file says, whole packets as far as it is written: see mcast.lab.capture_info."""
    return read(path, **options) if os.path.getsize(path) >= 24 else dict(_EMPTY)


def datagrams_of(path: str, limit: int = DATAGRAMS) -> list[dict[str, Any]]:
    """The first datagrams of a capture file, as messages with their payload."""
    return wire_of(path, kinds=["udp"], payload=True, limit=limit)["messages"]


def _judged(path: str, datagrams: bool) -> dict[str, Any]:
    wire, listed, more = wire_of(path, limit=JUDGED), [], 0
    if datagrams and wire["packets"]["total"]:
        listed, more = datagram.datagrams(path, JUDGED_DATAGRAMS)
    return {"wire": dict(wire, left_out=dict(wire["left_out"], datagrams=more)), "datagrams": listed}


class Captures:
    """action: the ActionBase of the task; names: those of the captures that are wanted; folder: where their files are
    kept on the controller, by default one that goes with this object; file_of: function of a capture's name that
    returns that of its file there."""

    def __init__(self, action, names, folder: Folder | None = None,
                 file_of: Callable[[str], str] | None = None) -> None:
        self._action = action
        self._names = names
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="mcast")
        self._folder = folder or Folder(self._temporary.name)
        self._file_of = file_of or (lambda name: quote(name, safe=""))
        self._have = {}
        self._told = {}  # what the file said at the last look; later looks of a task ask for no more than the first

    def gather(self, traffic, datagrams=False):
        """traffic: facts["traffic"]. Returns ``{name: {report, wire, datagrams}}`` of those captures that there are;
        see checks/packets.py; datagrams are empty unless they are asked for. McastError where a file can't be read."""
        reports = {name: traffic[name] for name in self._names if (traffic.get(name) or {}).get("program") == "capture"}
        if not reports:
            return {}
        fetched = self._fetch({name: (report["file"], self._length(name, report)) for name, report in reports.items()},
                              sum(report["bytes"] - self._length(name, report) for name, report in reports.items()))
        found = {}
        for name, report in reports.items():
            file = self._file_of(name)
            if self._length(name, report) + len(fetched[name]) < report["bytes"]:
                raise McastError(report["file"], "could not be read on the host, with tail and base64 as the user of "
                                                 "this task; run it as root, with become: true")
            if fetched[name] or not self._length(name, report):
                self._keep(name, report, file, fetched[name])
                path = os.path.join(self._folder.path, file)
                self._told[name] = _judged(path, datagrams)
            found[name] = dict(self._told[name], report=report)
        return found

    def _length(self, name, report):
        """How much of this very capture is here already, in bytes."""
        return self._have.get((name, report["pid"]), 0)

    def _keep(self, name, report, file: str, more: bytes) -> None:
        length = self._length(name, report)
        (self._folder.append if length else self._folder.write)(file, more)
        self._have[name, report["pid"]] = length + len(more)

    def _fetch(self, wanted: dict[str, tuple[str, int]], more: int) -> dict[str, bytes]:
        """wanted: ``{name: (file on the host, how many bytes of it are here)}``; more: bytes that are known to be
        written after those. Returns ``{name: the bytes after those}``; a single round trip."""
        names = list(wanted)
        script = "".join(
            "echo '%s' %d\ntail -c +%d %s | base64\n" % (sources.MARK, number, length + 1, shlex.quote(path))
            for number, (path, length) in enumerate(wanted.values()))
        texts = {name: [] for name in names}
        current = []
        for line in bounded(self._action._host, lambda: run(self._action, script), 2 * more).splitlines():
            if line.startswith(sources.MARK):
                current = texts[names[int(line.split()[1])]]
            else:
                current.append(line.strip())
        try:
            return {name: base64.b64decode("".join(text), validate=True) for name, text in texts.items()}
        except (binascii.Error, ValueError):
            raise McastError("base64", "did not answer on the host as expected; it is part of coreutils") from None
