# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The captures of a host, as they are fetched while they run: each byte once, in whatever phase."""
from __future__ import annotations

import re
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.run import captures, evidence_file
from ansible_collections.mcast.lab.tests.unit.packet import build, fuzz

DATA = build.pcap(fuzz.frames())


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose shell is that of this machine, with one capture; `fetched`: where each fetch began, in bytes."""
    fetched: list[int] = []

    def run(unused, script):
        fetched.extend(int(each) - 1 for each in re.findall(r"tail -c \+(\d+)", script))
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    monkeypatch.setattr(captures, "run", run)
    made = SimpleNamespace(file=tmp_path / "remote.pcap", fetched=fetched, pid=7, started=1.5,
                           folder=evidence_file.Folder.make(str(tmp_path / "bundle")))

    def traffic(length):
        made.file.write_bytes(DATA[:length])
        return {"wire": {"program": "capture", "file": str(made.file), "bytes": length, "pid": made.pid,
                         "started": made.started}}
    made.traffic = traffic
    return made


def look(host, lengths, known=None):
    """One phase with so many looks. Returns what the last one found."""
    found = captures.Captures(SimpleNamespace(_host="host"), {"wire", "gone"}, host.folder, lambda name: name, known)
    results = [found.gather(host.traffic(length), datagrams=True) for length in lengths]
    found.close()
    return results[-1]["wire"]


def test_each_byte_travels_once(host, tmp_path):
    first = look(host, [0, 24, 100, 100, 300])
    known = host.traffic(300)
    last = look(host, [len(DATA), len(DATA)], known)
    assert host.fetched == [0, 0, 24, 100, 100, 300, len(DATA)]
    assert host.folder.read("wire") == DATA
    assert first["wire"]["packets"]["total"] < last["wire"]["packets"]["total"]
    host.fetched.clear()
    host.folder = evidence_file.Folder.make(str(tmp_path / "other"))
    assert look(host, [len(DATA)]) == last


@pytest.mark.parametrize("change", [{"pid": 8}, {"started": 2.5}])
def test_another_capture_of_the_name_is_fetched_anew(host, change):
    look(host, [300])
    known = host.traffic(300)
    vars(host).update(change)
    host.fetched.clear()
    look(host, [200], known)
    assert host.fetched == [0] and host.folder.read("wire") == DATA[:200]


def test_a_capture_that_can_not_be_read_is_named(host):
    traffic = host.traffic(300)
    traffic["wire"]["bytes"] = 400
    with pytest.raises(McastError, match=r"remote\.pcap: could not be read on the host"):
        captures.Captures(SimpleNamespace(_host="host"), {"wire"}).gather(traffic)


def test_evidence_has_the_messages_and_the_first_datagrams(host, monkeypatch):
    monkeypatch.setattr(captures, "DATAGRAMS", 1)
    host.file.write_bytes(DATA)
    found = captures.evidence_of(str(host.file))
    numbers = [one["number"] for one in found["messages"]]
    assert numbers == sorted(numbers)
    assert [one["kind"] for one in found["messages"]].count("udp") == 1 < found["packets"]["total"]
    host.file.write_bytes(b"")
    assert captures.evidence_of(str(host.file))["packets"]["total"] == 0
