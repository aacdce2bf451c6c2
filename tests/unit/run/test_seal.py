# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bundles that were edited, before their first verdict and after it."""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
from xml.etree import ElementTree

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.run import bundle as bundles
from ansible_collections.mcast.lab.tests.unit.run.bundle_runs import PLAN, digest, everything, judged
from ansible_collections.mcast.lab.tests.unit.run.bundle_runs import whole as run


@pytest.fixture
def whole(tmp_path):
    return run(str(tmp_path / "lab" / "run"))


def edited(name, old, new):
    def edit(path):
        file = path / name
        content = file.read_bytes()
        assert old in content
        file.write_bytes(content.replace(old, new, 1))
    return edit


def flip(path):
    content = bytearray((path / "captures/server.eth0.pcap").read_bytes())
    content[-1] ^= 1
    (path / "captures/server.eth0.pcap").write_bytes(content)


def cut_plan(path):
    plan = json.loads((path / "plan.json").read_text())
    (path / "plan.json").write_text(json.dumps(dict(plan, checks=plan["checks"][:1])))


def swap(name, kind):
    def plant(path):
        file = path / name
        kept = file.read_bytes()
        file.unlink()
        (path.parent / "elsewhere").write_bytes(kept)  # the same bytes, but not here
        if kind == "link":
            file.symlink_to(path.parent / "elsewhere")
        elif kind == "folder":
            file.mkdir()
        else:
            os.mkfifo(file)
    return plant


def add(name):
    def write(path):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(b"")
    return write


def link_folder(path):
    (path / "facts").rename(path.parent / "elsewhere")
    (path / "facts").symlink_to(path.parent / "elsewhere")


def forget_everything(path):
    for name in everything(bundles.Bundle(str(path))):
        if name != "manifest.json":
            (path / name).unlink()


def resealed(path):
    """Who edits the results and their checksum, but not the verdict."""
    results, manifest = (path / "results.json"), json.loads((path / "manifest.json").read_text())
    results.write_bytes(results.read_bytes().replace(b'"checks": 3', b'"checks": 4'))
    manifest["files"]["results.json"] = hashlib.sha256(results.read_bytes()).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))


# what is done to a bundle that is sealed: what is said about it
TAMPERING = {
    "a byte flipped": (flip, ["captures/server.eth0.pcap has changed"]),
    "a capture deleted": (lambda path: (path / "captures/server.eth0.pcap").unlink(),
                          ["captures/server.eth0.pcap is missing"]),
    "facts deleted": (lambda path: (path / "facts/client.json").unlink(), ["facts/client.json is missing"]),
    "facts emptied": (lambda path: (path / "facts/client.json").write_text(""), ["facts/client.json has changed"]),
    "a result edited": (edited("results.jsonl", b'"actual": "no', b'"actual": "a'), ["results.jsonl has changed"]),
    "a verdict edited": (edited("results.jsonl", b'"pass"', b'"oops"'), ["results.jsonl has changed"]),
    "the verdict edited": (edited("results.json", b'"pass"', b'"pa55"'), ["results.json has changed"]),
    "the plan cut": (cut_plan, ["plan.json has changed"]),
    "progress edited": (edited("progress.jsonl", b"completed", b"failed"), ["progress.jsonl has changed"]),
    "junit deleted": (lambda path: (path / "junit.xml").unlink(), ["junit.xml is missing"]),
    "messages deleted": (lambda path: (path / "messages.json").unlink(), ["messages.json is missing"]),
    "a file added": (add("notes.txt"), ["notes.txt was added"]),
    "a hidden file added": (add("captures/.hidden"), ["captures/.hidden was added"]),
    "a file added in a folder": (add("more/x.json"), ["more/x.json was added"]),
    "a name for a terminal": (add("\x1b[2J\n"), ["\x1b[2J\n was added"]),
    "a file renamed": (lambda path: (path / "facts/client.json").rename(path / "facts/other.json"),
                       ["facts/client.json is missing", "facts/other.json was added"]),
    "two exchanged": (lambda path: (path / "facts/client.json").write_bytes((path / "junit.xml").read_bytes()),
                      ["facts/client.json has changed"]),
    "a link in place of a file": (swap("facts/client.json", "link"), [
        "facts/client.json is not a regular file"]),
    "a FIFO in place of a file": (swap("captures/client.eth0.pcap", "FIFO"), [
        "captures/client.eth0.pcap is not a regular file"]),
    "a FIFO in place of the plan": (swap("plan.json", "FIFO"), [
        "plan.json is not a regular file"]),
    "a folder in place of a file": (swap("junit.xml", "folder"), ["junit.xml is missing"]),
    "a link in place of a folder": (link_folder, [
        "facts is not a regular file", "facts/client.json is missing", "facts/server.json is missing"]),
    "a link added": (lambda path: (path / "results.json.new").symlink_to("/etc/passwd"),
                     ["results.json.new is not a regular file"]),
    "results and their checksum edited": (resealed, ["results.json has another verdict than manifest.json"]),
    "all deleted": (forget_everything, [f"{name} is missing" for name in (
        "captures/client.eth0.pcap", "captures/server.eth0.pcap", "facts/client.json", "facts/server.json", "junit.xml",
        "messages.json", "plan.json", "progress.jsonl", "results.json", "results.jsonl")]),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_what_is_sealed_is_not_changed(whole, what):
    """By nobody else without a fail that names it, and never by a later verdict."""
    tamper, says = TAMPERING[what]
    first = whole.verdict()
    assert first["verdict"] == "pass"
    tamper(pathlib.Path(whole.path))
    before = everything(whole)
    for _time in range(2):
        found = whole.verdict()
        assert (found["verdict"], found["checks"], found["problems"]) == ("fail", 3, says)
        assert found["digest"] == digest(whole)
        assert everything(whole) == before
        assert bundles.line(found, whole.path).isprintable()


@pytest.mark.parametrize("what", ["a result edited", "the plan cut", "a file added", "a FIFO in place of a file"])
def test_a_failed_run_stays_one(whole, what):
    whole.add_progress("failed", "server", "during", "Send", "no")
    whole.verdict()
    TAMPERING[what][0](pathlib.Path(whole.path))
    found = whole.verdict()
    assert (found["verdict"], found["errors"]) == ("fail", 1) and found["problems"]


@pytest.mark.parametrize("name", ["results.json", "junit.xml", "messages.json"])
def test_a_verdict_that_can_not_be_written_leaves_none(whole, name):
    """Nothing that says pass; once it can be written, it is made again."""
    os.mkdir(os.path.join(whole.path, name))
    before = everything(whole)
    found = bundles.Bundle(whole.path).verdict()
    assert (found["verdict"], found["digest"], found["problems"]) == (
        "fail", None, [f"evidence is incomplete: {name} can't be written: Is a directory"])
    assert everything(whole) == before
    os.rmdir(os.path.join(whole.path, name))
    assert whole.verdict()["verdict"] == "pass"


def test_the_digest_shows_whether_the_manifest_was_edited(whole):
    first = whole.verdict()["digest"]
    edited("manifest.json", b'"two_hosts"', b'"too_hosts"')(pathlib.Path(whole.path))
    found = whole.verdict()
    assert found["verdict"] == "pass" and found["digest"] == digest(whole) != first


def test_nothing_is_added_to_what_is_sealed(whole):
    whole.verdict()
    before = everything(whole)
    for write in (lambda: whole.add_result(judged(PLAN[0])), lambda: whole.add_facts("server", "after", {}),
                  lambda: whole.add_progress("completed", "server", "after")):
        with pytest.raises(McastError, match="has its verdict already, and changes no more; a run needs a folder"):
            write()
    assert everything(whole) == before


# what is done to a bundle before its first verdict: what is said about it
EARLY = {
    "the plan cut": (cut_plan, [
        "plan.json has changed",
        "results.jsonl line 2: is the result of 'server/during/2', which plan.json does not hold",
        "results.jsonl line 3: is the result of 'client/before/3', which plan.json does not hold"]),
    "a capture broken": (lambda path: (path / "captures/server.eth0.pcap").write_bytes(b"x" * 99), [
        "captures/server.eth0.pcap is not a capture file; expected pcap or pcapng, or gzip of one"]),
    "a FIFO in place of a capture": (swap("captures/client.eth0.pcap", "FIFO"),
                                     ["captures/client.eth0.pcap is not a regular file"]),
    "a FIFO in place of results": (swap("results.jsonl", "FIFO"), [
        "results.jsonl is not a regular file"]),
    "a FIFO in place of progress": (swap("progress.jsonl", "FIFO"), [
        "progress.jsonl is not a regular file"]),
    "a link in place of facts": (swap("facts/server.json", "link"), ["facts/server.json is not a regular file"]),
    "a link in place of results.json": (
        lambda path: (path / "results.json").symlink_to(path.parent / "elsewhere"), [
            "results.json is not a regular file"]),
    "a link in place of results.json.new": (
        lambda path: (path / "results.json.new").symlink_to(path.parent / "elsewhere"), [
            "results.json.new is not a regular file"]),
    "a link in place of the new manifest": (
        lambda path: (path / "manifest.json.new").symlink_to(path.parent / "elsewhere"), [
            "manifest.json.new is not a regular file"]),
}


@pytest.mark.parametrize("what", EARLY)
def test_what_lies_in_a_bundle_before_its_verdict(whole, what):
    tamper, says = EARLY[what]
    elsewhere = pathlib.Path(whole.path).parent / "elsewhere"
    elsewhere.write_bytes(b"kept")
    tamper(pathlib.Path(whole.path))
    kept = elsewhere.read_bytes()
    found = whole.verdict()
    assert (found["verdict"], found["problems"]) == ("fail", says)
    assert elsewhere.read_bytes() == kept
    suite, = (suite for suite in ElementTree.parse(os.path.join(whole.path, "junit.xml")).getroot()
              if suite.get("name") == "the run")
    assert [case.find("failure").text for case in suite][found["errors"]:] == says
    assert whole.verdict()["verdict"] == "fail"
