# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bundle: written as things happen, and judged from its files alone."""
from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import re
from xml.etree import ElementTree

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils import bundle as bundles


def check(number, host="server", phase="during", severity="failure"):
    return {"id": "%s/%s/%d" % (host, phase, number), "host": host, "phase": phase, "check": "membership.present",
            "description": "member of 239.0.0.100 on eth0", "severity": severity, "params": {"interface": "eth0"}}


def judged(planned, verdict="pass", **changes):
    return dict(planned, **dict({"verdict": verdict, "expected": "a member", "actual": "no <member> & \"none\"",
                                 "evidence": {}, "elapsed": 0.125}, **changes))


MARKS = [{"host": host, "phase": phase} for host in ("server", "client") for phase in ("setup", "before")]
PLAN = [check(1), check(2), check(3, host="client", phase="before")]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lab" / "run")


@pytest.fixture
def bundle(path):
    """Of a run in which all hosts completed all phases."""
    bundle = new(path)
    for mark in MARKS:
        bundle.add_progress("completed", **mark)
    return bundle


def new(path):
    return bundles.Bundle.open(path, PLAN, MARKS, {"lab": "two_hosts"})


def read(bundle, name):
    with open(os.path.join(bundle.path, name), encoding="utf-8") as file:
        return json.load(file)


# the verdicts of the three planned checks (None: none), verdict, failures, missing, warned
VERDICTS = [
    (["pass", "pass", "pass"], "pass", 0, 0, 0),
    (["pass", "warning", "pass"], "pass", 0, 0, 1),
    (["warning", "warning", "warning"], "pass", 0, 0, 3),
    (["pass", "fail", "pass"], "fail", 1, 0, 0),
    (["fail", "warning", "fail"], "fail", 2, 0, 1),
    (["pass", None, "pass"], "fail", 0, 1, 0),
    (["pass", "pass", None], "fail", 0, 1, 0),
    (["fail", None, "warning"], "fail", 1, 1, 1),
    ([None, None, None], "fail", 0, 3, 0),
]


@pytest.mark.parametrize(("verdicts", "verdict", "failures", "missing", "warned"), VERDICTS)
def test_verdict(bundle, verdicts, verdict, failures, missing, warned):
    for planned, each in reversed(list(zip(PLAN, verdicts))):
        if each:
            bundle.add_result(judged(planned, each))
    found = bundle.verdict()
    results, events = found.pop("results"), found.pop("events")
    assert found == {"verdict": verdict, "checks": 3, "failures": failures, "missing": missing, "warned": warned,
                     "errors": 0, "changes": 0}
    assert [(each["id"], each["verdict"]) for each in results] == [
        (planned["id"], each or "missing") for planned, each in zip(PLAN, verdicts)]
    assert read(bundle, "results.json") == dict(found, results=results, events=events)
    manifest = read(bundle, "manifest.json")
    assert (manifest["verdict"], manifest["lab"]) == (found, "two_hosts")


# What happened beside checks that all pass, as (event, host, phase), verdict, errors, changes.
COMPLETED = [("completed", mark["host"], mark["phase"]) for mark in MARKS]
PROGRESS = [
    (COMPLETED, "pass", 0, 0),
    ([*COMPLETED, ("changed", "server", "setup")], "pass", 0, 1),
    ([*COMPLETED, ("failed", "server", "setup")], "fail", 1, 0),
    ([*COMPLETED, ("failed", "localhost", "setup"), ("failed", "localhost", "setup")], "fail", 2, 0),
    ([*COMPLETED, ("failed", "monitor", "a phase that nobody planned")], "fail", 1, 0),
    (COMPLETED[1:], "fail", 1, 0),
    (COMPLETED[2:], "fail", 1, 0),  # one error for each host
    (COMPLETED[:1], "fail", 2, 0),
    ([], "fail", 2, 0),
    ([*COMPLETED[1:], ("failed", *COMPLETED[0][1:])], "fail", 2, 0),
]


@pytest.mark.parametrize(("progress", "verdict", "errors", "changes"), PROGRESS)
def test_a_failure_on_the_way_or_a_phase_not_completed_fails_the_run(path, progress, verdict, errors, changes):
    bundle = new(path)
    for planned in PLAN:
        bundle.add_result(judged(planned))
    for event, host, phase in progress:
        bundle.add_progress(event, host, phase, "a task", "a reason")
    found = bundle.verdict()
    assert (found["verdict"], found["errors"], found["changes"]) == (verdict, errors, changes)
    assert found["failures"] == found["missing"] == 0


def test_no_checks_fail(path):
    bundle = bundles.Bundle.open(path, [], [], {})
    bundle.add_result(judged(check(1)))  # of a check that nobody planned
    found = bundle.verdict()
    assert (found["verdict"], found["checks"], found["results"]) == ("fail", 0, [])
    assert ElementTree.parse(os.path.join(path, "junit.xml")).getroot().tag == "testsuites"


LINE = json.dumps(judged(PLAN[1]), sort_keys=True)


@pytest.mark.parametrize(("tail", "missing"), [
    (LINE + "\n", 0),
    (LINE, 1),  # whole but for its end: nobody knows whether it is
    (LINE[:-1], 1), (LINE[:40], 1), (LINE[:40] + "\n", 1), ("{", 1), ("\n", 1),
    (LINE[:40] + LINE + "\n", 1),  # another writer went on behind what was cut off
    (LINE[:40] + "\n" + LINE + "\n", 0),
    ("\0\0\0\n" + LINE + "\n", 0),
])
def test_a_line_that_was_cut_off_is_no_result(bundle, tail, missing):
    for number in (0, 2):
        bundle.add_result(judged(PLAN[number]))
    with open(os.path.join(bundle.path, "results.jsonl"), "a", encoding="utf-8") as file:
        file.write(tail)
    found = bundle.verdict()
    assert (found["missing"], found["verdict"]) == (missing, "fail" if missing else "pass")


def test_bytes_that_are_no_text_are_no_result(bundle):
    bundle.add_result(judged(PLAN[0]))
    with open(os.path.join(bundle.path, "results.jsonl"), "ab") as file:
        file.write(b"\xff\xfe{\n")
    assert bundle.verdict()["missing"] == 2


def test_the_last_result_of_a_check_counts(bundle):
    for planned in PLAN:
        bundle.add_result(judged(planned, "fail"))
        bundle.add_result(judged(planned, "pass"))
    assert bundle.verdict()["verdict"] == "pass"


def _write(bundle, writer, count):
    for number in range(count):
        bundle.add_result(judged(check(number, host="h%d" % writer), evidence={"padding": "x" * 10 ** (number % 6)}))


def test_writers_at_once_lose_nothing(path):
    writers, count = 4, 60
    bundle = bundles.Bundle.open(path, [check(number, host="h%d" % writer) for writer in range(writers)
                                        for number in range(count)], [], {})
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_write, args=(bundle, writer, count), daemon=True) for writer in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * writers
    found = bundle.verdict()
    assert (found["verdict"], found["checks"]) == ("pass", writers * count)


def test_a_writer_waits_for_the_other(bundle):
    process = multiprocessing.get_context("fork").Process(
        target=bundle.add_result, args=(judged(PLAN[0]),), daemon=True)
    with open(os.path.join(bundle.path, "results.jsonl"), "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process.start()
        process.join(0.3)
        assert process.is_alive()
        assert os.fstat(file.fileno()).st_size == 0
        fcntl.flock(file, fcntl.LOCK_UN)  # the fork holds this file too, so that closing it would not do
    process.join(60)
    assert process.exitcode == 0
    assert bundle.verdict()["missing"] == 2


def test_checksums_verify(bundle):
    for planned in PLAN:
        bundle.add_result(judged(planned))
    bundle.add_facts("server", "before", {"memberships": []})
    for _again in range(2):
        bundle.verdict()
        files = read(bundle, "manifest.json")["files"]
        assert sorted(files) == [
            "facts/server.json", "junit.xml", "plan.json", "progress.jsonl", "results.json", "results.jsonl"]
        for name, checksum in files.items():
            with open(os.path.join(bundle.path, name), "rb") as file:
                assert hashlib.sha256(file.read()).hexdigest() == checksum
    manifest = read(bundle, "manifest.json")
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", manifest[key]) for key in ("started", "ended"))


def test_junit(bundle):
    odd = "\0\x1b[31mred\ud800 <&\">]]>\r\n\ufffe \U0001f600"
    bundle.add_result(judged(PLAN[0], "fail", actual=odd, description=odd))
    bundle.add_result(judged(PLAN[2], "warning"))
    bundle.verdict()
    suites = {suite.get("name"): suite for suite in ElementTree.parse(os.path.join(bundle.path, "junit.xml")).getroot()}
    assert {name: (suite.get("tests"), suite.get("failures")) for name, suite in suites.items()} == {
        "server": ("2", "2"), "client": ("1", "0")}
    failed, missing = suites["server"]
    assert "\ufffd[31mred\ufffd <&\">]]>" in failed.find("failure").text
    assert failed.get("time") == "0.125"
    assert "the host was not reached" in missing.find("failure").text
    case, = suites["client"]
    assert case.find("failure") is None
    assert case.find("system-out").text == "expected: a member\nactual: no <member> & \"none\""


def test_planned(bundle):
    assert bundle.planned() == PLAN
    assert bundle.planned("server") == PLAN[:2]
    assert bundle.planned("server", "before") == bundle.planned("serve") == bundle.planned("", "") == []
    assert bundle.planned(phase="before") == PLAN[2:]


@pytest.mark.parametrize("host", ["server", "a.b.example.org", "..", "a/b", "%41", "höst"])
def test_facts_are_kept_by_phase_and_host(bundle, host):
    assert bundle.facts(host) == {}
    bundle.add_facts(host, "before", {"n": 1})
    bundle.add_facts(host, "during", {"n": 2})
    bundle.add_facts("A", "before", {"n": 3})
    assert bundle.facts(host) == {"before": {"n": 1}, "during": {"n": 2}}
    assert len(os.listdir(os.path.join(bundle.path, "facts"))) == 2


def test_a_run_needs_a_folder_of_its_own(path, tmp_path):
    os.makedirs(path)
    bundles.Bundle.open(path, [], [], {})
    with pytest.raises(McastError, match="is not empty; each run needs a folder of its own"):
        bundles.Bundle.open(path, [], [], {})
    (tmp_path / "file").write_text("")
    with pytest.raises(McastError, match="can't be made: .*; set mcast_results_dir"):
        bundles.Bundle.open(str(tmp_path / "file" / "run"), [], [], {})


@pytest.mark.parametrize("name", ["plan.json", "manifest.json"])
@pytest.mark.parametrize("content", [None, "", "{\"a\":"])
def test_a_bundle_that_can_not_be_read_is_no_pass(bundle, name, content):
    file = os.path.join(bundle.path, name)
    os.remove(file)
    if content is not None:
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(content)
    with pytest.raises(McastError, match="%s: is no readable part of a bundle" % name):
        bundle.verdict()


def test_new_path_is_free(tmp_path):
    for _run in range(3):
        path = bundles.new_path(str(tmp_path), "two_hosts")
        assert re.match(r".*/two_hosts/\d{8}T\d{6}Z(-\d)?\Z", path)
        bundles.Bundle.open(path, [], [], {})


@pytest.mark.parametrize(("counts", "says"), [
    ({}, "verdict: pass, 17 checks, results/x/"),
    ({"failures": 2, "missing": 1, "warned": 3, "errors": 5, "changes": 4}, "verdict: fail, 17 checks, 2 failed, "
     "1 missing, 3 with warnings, 5 errors on the way, 4 changed beforehand, results/x/"),
])
def test_line(counts, says):
    summary = dict({"checks": 17, "failures": 0, "missing": 0, "warned": 0, "errors": 0, "changes": 0}, **counts)
    summary["verdict"] = "fail" if counts else "pass"
    assert bundles.line(summary, os.path.abspath("results/x")) == says
    assert bundles.line(summary, "/nowhere/else").endswith(", /nowhere/else/")
