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
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import quote

from ansible.plugins.action import ActionBase

from ...module_utils.error import McastError
from ...module_utils.kernel import sources
from ...module_utils.packet.capture import Decoder, read
from ..bounds import bounded
from .evidence_file import Folder
from .gather import run

# How many datagrams a bundle lists one by one; all are counted.
DATAGRAMS = 1000
# How many messages and datagrams are judged one by one: 50 MB and 150 MB of memory at most. A capture of the default
# size holds no more datagrams. What lies beyond passes no check that needs it.
JUDGED, JUDGED_DATAGRAMS = 20000, 550000
# Bytes before the first packet of a file; of fewer nothing can be said.
_HEADER = 24
_EMPTY = {"packets": {"total": 0, "decoded": 0, "malformed": 0, "other": 0}, "fragments": 0, "first": None,
          "last": None, "link_types": {}, "flows": [], "messages": [], "truncated": False, "truncated_at": None,
          "left_out": {"messages": 0, "flows": 0, "datagrams": 0}}


def evidence_of(path: str) -> dict[str, Any]:
    """What a capture file says, whole packets as far as it is written (see mcast.lab.capture_info), with the first
    datagrams among its messages."""
    if os.path.getsize(path) < _HEADER:
        return dict(_EMPTY)
    return read(path, payload=True, data_limit=DATAGRAMS)


class _Local:
    """What is here of one capture: of which process, in which file, so many bytes; what they say."""

    def __init__(self, pid: int, file: str, length: int) -> None:
        self.pid, self.file, self.length = pid, file, length
        self.decoder: Decoder | None = None
        self.said: dict[str, Any] = {}


class Captures:
    """action: the ActionBase of the task; names: those of the captures that are wanted; folder: where their files are
    kept on the controller, by default one that goes with this object; file_of: function of a capture's name that
    returns that of its file there; known: facts["traffic"] of a phase before, whose captures are in the folder as far
    as they went then."""

    def __init__(self, action: ActionBase, names: Collection[str], folder: Folder | None = None,
                 file_of: Callable[[str], str] | None = None, known: Mapping[str, Any] | None = None) -> None:
        self._action = action
        self._names = names
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="mcast")  # lives as long as this object
            folder = Folder(self._temporary.name)
        self._folder = folder
        self._file_of = file_of or (lambda name: quote(name, safe=""))
        self._known = known or {}
        self._local: dict[str, _Local] = {}

    def gather(self, traffic: Mapping[str, Any], datagrams: bool = False) -> dict[str, Any]:
        """traffic: facts["traffic"]. Returns ``{name: {report, wire, datagrams}}`` of those captures that there are;
        see checks/packets.py; datagrams are empty unless they are asked for at the first look, as later looks of a
        task ask for no more than the first. McastError where a file can't be read."""
        reports = {name: traffic[name] for name in self._names if (traffic.get(name) or {}).get("program") == "capture"}
        if not reports:
            return {}
        for name, report in reports.items():
            self._begin(name, report)
        more = {name: report["bytes"] - self._local[name].length for name, report in reports.items()}
        fetched = self._fetch({name: report["file"] for name, report in reports.items()}, sum(more.values()))
        for name, report in reports.items():
            if len(fetched[name]) < more[name]:
                raise McastError(report["file"], "could not be read on the host, with tail and base64 as the user of "
                                                 "this task; run it as root, with become: true")
            self._keep(name, fetched[name], datagrams)
        return {name: dict(self._local[name].said, report=report) for name, report in reports.items()}

    def _begin(self, name: str, report: dict[str, Any]) -> None:
        """What is here of a capture: that of the same process, from a look or a phase before, is its beginning."""
        if name in self._local and self._local[name].pid == report["pid"]:
            return
        file = self._file_of(name)
        before = self._known.get(name) or {}
        is_same = (before.get("pid"), before.get("started")) == (report["pid"], report["started"])
        length = self._folder.size(file) if is_same else 0
        self._local[name] = _Local(report["pid"], file, length if length <= report["bytes"] else 0)

    def _keep(self, name: str, more: bytes, datagrams: bool) -> None:
        """Append what has come, and read it."""
        local = self._local[name]
        if more or not local.length:
            (self._folder.append if local.length else self._folder.write)(local.file, more)
            local.length += len(more)
        elif local.said:
            return
        if local.length < _HEADER:
            local.said = {"wire": dict(_EMPTY), "datagrams": [], "index": {}}
            return
        if local.decoder is None:
            path = os.path.join(self._folder.path, local.file)
            local.decoder = Decoder(path, JUDGED_DATAGRAMS if datagrams else None, limit=JUDGED)
        # The index is what checks make of it, see checks/packets.py.
        local.said = {"wire": local.decoder.read(), "datagrams": local.decoder.datagrams, "index": {}}

    def close(self) -> None:
        """Close all files."""
        for local in self._local.values():
            if local.decoder:
                local.decoder.close()

    def _fetch(self, wanted: dict[str, str], more: int) -> dict[str, bytes]:
        """wanted: files on the host by name; more: bytes that are known to be written beyond what is here. Returns
        ``{name: the bytes beyond}``; a single round trip."""
        names = list(wanted)
        script = "".join(
            f"echo '{sources.MARK}' {number}\ntail -c +{self._local[name].length + 1} {shlex.quote(path)} | base64\n"
            for number, (name, path) in enumerate(wanted.items()))
        texts: dict[str, list[str]] = {name: [] for name in names}
        current: list[str] = []
        for line in bounded(self._action._host, lambda: run(self._action, script), 2 * more).splitlines():
            if line.startswith(sources.MARK):
                current = texts[names[int(line.split()[1])]]
            else:
                current.append(line.strip())
        try:
            return {name: base64.b64decode("".join(text), validate=True) for name, text in texts.items()}
        except (binascii.Error, ValueError):
            raise McastError("base64", "did not answer on the host as expected; it is part of coreutils") from None
