# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bundle: written as things happen, and judged from its files alone."""
from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import stat
from xml.etree import ElementTree

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.run import bundle as bundles
from ansible_collections.mcast.lab.plugins.plugin_utils.run import bundle_read
from ansible_collections.mcast.lab.tests.unit.run.bundle_runs import (
    FACTS,
    MARKS,
    PLAN,
    begun,
    check,
    digest,
    everything,
    judged,
    whole,
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lab" / "run")


@pytest.fixture
def bundle(path):
    return begun(path)


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
    kept = {key: found.pop(key) for key in ("results", "events")}
    sealed = found.pop("digest")
    assert found == {"verdict": verdict, "checks": 3, "failures": failures, "missing": missing, "warned": warned,
                     "errors": 0, "changes": 0, "problems": []}
    assert [(each["id"], each["verdict"]) for each in kept["results"]] == [
        (planned["id"], each or "missing") for planned, each in zip(PLAN, verdicts)]
    assert read(bundle, "results.json") == {**found, **kept}
    manifest = read(bundle, "manifest.json")
    assert (manifest["verdict"], manifest["lab"]) == (found, "two_hosts")
    # A later one is the same, and writes nothing.
    before = everything(bundle)
    assert bundles.Bundle(bundle.path).verdict() == {**found, **kept, "digest": sealed}
    assert everything(bundle) == before and sealed == digest(bundle)


def test_no_checks_fail(path):
    bundle = bundles.Bundle.open(path, [], [], {})
    found = bundle.verdict()
    assert (found["verdict"], found["checks"], found["results"], found["problems"]) == ("fail", 0, [], [])
    assert ElementTree.parse(os.path.join(path, "junit.xml")).getroot().tag == "testsuites"


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
    bundle = bundles.Bundle.open(path, PLAN, MARKS, {})
    for planned in PLAN:
        bundle.add_result(judged(planned))
    for event, host, phase in progress:
        bundle.add_progress(event, host, phase, "a task", "a reason")
    found = bundle.verdict()
    assert (found["verdict"], found["errors"], found["changes"]) == (verdict, errors, changes)
    assert found["failures"] == found["missing"] == 0
    suites = {suite.get("name"): suite for suite in ElementTree.parse(os.path.join(path, "junit.xml")).getroot()}
    assert len(suites.get("the run", ())) == errors


LINE = json.dumps(judged(PLAN[1]), sort_keys=True)


@pytest.mark.parametrize(("tail", "missing", "line"), [
    (LINE + "\n", 0, None),
    (LINE, 1, "line 3: is cut off"),  # whole but for its end: nobody knows whether it is
    (LINE[:-1], 1, "line 3: is cut off"), ("{", 1, "line 3: is cut off"),
    (LINE[:40] + "\n", 1, "line 3: is not JSON: "), ("\n", 1, "line 3: is not JSON: "),
    (LINE[:40] + LINE + "\n", 1, "line 3: is not JSON: "),  # another writer went on behind what was cut off
    (LINE[:40] + "\n" + LINE + "\n", 0, "line 3: is not JSON: "), (LINE + "\n\xff", 0, "line 4: is cut off"),
    ("\0\0\0\n" + LINE + "\n", 0, "line 3: is not JSON: "), ("\xff\n", 1, "line 3: is not text in UTF-8"),
    ("[" * 100000 + "\n", 1, "line 3: is nested too deeply"),
    (LINE.replace("0.125", "NaN") + "\n", 1, "line 3: is not JSON: NaN is not a number"),
    ("[]\n", 1, "line 3: is not a mapping"), ("null\n", 1, "line 3: is not a mapping"),
    ("{}\n", 1, "line 3: has no text as 'id'"), (LINE.replace('"id"', '"ID"') + "\n", 1, "line 3: has no text as 'id'"),
])
def test_a_line_that_is_not_a_result_is_named_and_never_passes(bundle, tail, missing, line):
    for number in (0, 2):
        bundle.add_result(judged(PLAN[number]))
    with open(os.path.join(bundle.path, "results.jsonl"), "a", encoding="latin-1") as file:
        file.write(tail)
    found = bundle.verdict()
    assert (found["missing"], found["verdict"]) == (missing, "fail" if line else "pass")
    assert [problem[:len(f"results.jsonl {line}")] for problem in found["problems"]] == (
        [f"results.jsonl {line}"] if line else [])
    assert bundle.verdict() == found


# what a result has that is not as planned, or not as we write it; what is said about it
ODD_RESULTS = [
    ({"verdict": "oops"}, "has 'oops' as 'verdict'; expected one of pass, fail, warning"),
    ({"verdict": "missing"}, "has 'missing' as 'verdict'"), ({"verdict": True}, "has no text as 'verdict'"),
    ({"host": "client"}, "is not as planned in host"), ({"severity": "warning"}, "is not as planned in severity"),
    ({"check": "membership.absent", "phase": "after"}, "is not as planned in check, phase"),
    ({"params": {"interface": "eth1"}}, "is not as planned in params"), ({"params": []}, "is not as planned in params"),
    ({"description": "all is well"}, "is not as planned in description"),
    ({"id": "server/during/9"}, "is the result of 'server/during/9', which plan.json does not hold"),
    ({"id": 7}, "has no text as 'id'"), ({"actual": None}, "has no text as 'actual'"),
    ({"elapsed": "0"}, "has no number of seconds as 'elapsed'"), ({"elapsed": -1}, "has no number of seconds"),
    ({"elapsed": True}, "has no number of seconds"),
]


@pytest.mark.parametrize(("odd", "says"), ODD_RESULTS)
def test_a_result_that_is_not_as_planned_never_passes(bundle, odd, says):
    for planned in PLAN[1:]:
        bundle.add_result(judged(planned))
    bundle.add_result(judged(PLAN[0], **odd))
    found = bundle.verdict()
    assert (found["verdict"], found["missing"], len(found["problems"])) == ("fail", 1, 1)
    assert found["problems"][0].startswith("results.jsonl line 3: " + says)


@pytest.mark.parametrize(("row", "says"), [
    ({"event": "oops"}, "has 'oops' as 'event'; expected one of completed, failed, changed"),
    ({"host": None}, "has no text as 'host'"), ({"phase": 1}, "has no text as 'phase'"),
])
def test_progress_that_is_not_as_written_never_passes(path, row, says):
    bundle = whole(path)
    good = {"event": "changed", "host": "a", "phase": "b", "task": "", "message": "", "time": ""}
    bundle._append("progress.jsonl", {**good, **row})
    found = bundle.verdict()
    assert (found["verdict"], found["problems"]) == ("fail", ["progress.jsonl line 5: " + says])


def test_the_number_of_problems_is_bounded(bundle):
    with open(os.path.join(bundle.path, "results.jsonl"), "w", encoding="utf-8") as file:
        file.write("{\n" * 100000)
    assert len(bundle_read.rows(bundle.folder.read("results.jsonl"), "results.jsonl", bundle_read.progress)[1]) == 101
    assert len(bundle.verdict()["problems"]) == 101
    for number in range(300):
        bundle.folder.write(f"more/{number}", b"")
    found = bundle.verdict()
    assert len(found["problems"]) == 101 and re.match(r"and \d+ more\Z", found["problems"][-1])


def test_the_last_result_of_a_check_counts(bundle):
    for planned in PLAN:
        bundle.add_result(judged(planned, "fail"))
        bundle.add_result(judged(planned, "pass"))
    assert bundle.verdict()["verdict"] == "pass"


def _write(bundle, writer, count):
    for number in range(count):
        bundle.add_result(judged(check(number, host=f"h{writer}"), evidence={"padding": "x" * 10 ** (number % 6)}))


def test_writers_at_once_lose_nothing(path):
    writers, count = 4, 60
    bundle = bundles.Bundle.open(path, [check(number, host=f"h{writer}") for writer in range(writers)
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
        os.fchmod(file.fileno(), 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        process.start()
        process.join(0.3)
        assert process.is_alive()
        assert os.fstat(file.fileno()).st_size == 0
        fcntl.flock(file, fcntl.LOCK_UN)  # the fork holds this file too, so that closing it would not do
    process.join(60)
    assert process.exitcode == 0
    assert bundle.verdict()["missing"] == 2


def test_checksums_verify(path):
    bundle = whole(path)
    sums, times = set(), ("started", "ended")
    for _again in range(2):
        sums.add(bundle.verdict()["digest"])
        files = read(bundle, "manifest.json")["files"]
        assert sorted(files) == ["captures/client.eth0.pcap", "captures/server.eth0.pcap", "facts/client.json",
                                 "facts/server.json", "junit.xml", "messages.json", "plan.json", "progress.jsonl",
                                 "results.json", "results.jsonl"]
        for name, checksum in files.items():
            assert hashlib.sha256(pathlib.Path(bundle.path, name).read_bytes()).hexdigest() == checksum
    assert sums == {digest(bundle)}
    manifest = read(bundle, "manifest.json")
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", manifest[key]) for key in times)


def test_junit(path):
    odd = "\0\x1b[31mred\ud800 <&\">]]>\r\n\ufffe \U0001f600"
    plan = [dict(PLAN[0], description=odd), *PLAN[1:]]
    bundle = bundles.Bundle.open(path, plan, [], {})
    bundle.add_result(judged(plan[0], "fail", actual=odd))
    bundle.add_result(judged(PLAN[2], "warning"))
    bundle.add_progress("failed", "server", "during", odd, odd)
    bundle.verdict()
    suites = {suite.get("name"): suite for suite in ElementTree.parse(os.path.join(bundle.path, "junit.xml")).getroot()}
    assert {name: (suite.get("tests"), suite.get("failures")) for name, suite in suites.items()} == {
        "server": ("2", "2"), "client": ("1", "0"), "the run": ("1", "1")}
    failed, missing = suites["server"]
    error, = suites["the run"]
    for one in (failed, error):
        assert "\ufffd[31mred\ufffd <&\">]]>" in one.find("failure").text
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
    os.chmod(path, 0o755)
    with pytest.raises(McastError, match="is not empty; each run needs a folder of its own"):
        bundles.Bundle.open(path, [], [], {})
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o755  # which may be the home of the user
    (tmp_path / "file").write_text("")
    with pytest.raises(McastError, match="can't be made: .*; set mcast_results_dir"):
        bundles.Bundle.open(str(tmp_path / "file" / "run"), [], [], {})


def test_one_of_two_runs_that_found_a_folder_empty_is_refused(path, monkeypatch):
    monkeypatch.setattr(bundles, "_is_empty", lambda path: True)
    bundle = bundles.Bundle.open(path, PLAN, [], {})
    with pytest.raises(McastError, match="plan.json: can't be written: File exists"):
        bundles.Bundle.open(path, [], [], {})
    assert bundle.planned() == PLAN


def _begin(way, path, number):
    try:
        make = bundles.Bundle.open if way == "one folder" else bundles.Bundle.new
        return make(path, [check(number)], [], {}).planned()[0]["id"]
    except McastError:
        return None


@pytest.mark.parametrize("way", ["one folder", "one folder of results"])
def test_runs_that_begin_at_once(tmp_path, way):
    """In one folder, all but one are refused; in one folder of results, each has its own."""
    with multiprocessing.get_context("fork").Pool(8) as pool:
        for turn in range(5):
            folder = tmp_path / str(turn)
            folder.mkdir()
            found = set(pool.starmap(_begin, [(way, str(folder), number) for number in range(16)])) - {None}
            made = [folder] if way == "one folder" else list(folder.iterdir())
            assert len(made) == len(found) == (1 if way == "one folder" else 16)
            assert {bundles.Bundle(str(one)).planned()[0]["id"] for one in made} == found
            assert {bundles.Bundle(str(one)).verdict()["missing"] for one in made} == {1}


# name of a file, its content (None: none), and what is said about it
MALFORMED = [
    ("plan.json", None, "plan.json: can't be read: No such file or directory"),
    ("plan.json", "", "plan.json line 1: is not JSON: Expecting value"),
    ("plan.json", '{"checks":\n\n[', "plan.json line 3: is not JSON: Expecting value"),
    ("plan.json", "[]", "plan.json: is not a mapping"), ("plan.json", "{}", "plan.json: has no list as 'checks'"),
    ("plan.json", '{"checks": []}', "plan.json: has no list as 'marks'"),
    ("plan.json", '{"checks": [[]], "marks": []}', "plan.json checks[0]: is not a mapping"),
    ("plan.json", '{"checks": [{"host": "a"}], "marks": []}', "plan.json checks[0]: has no text as 'id'"),
    ("plan.json", '{"checks": [], "marks": [{"host": []}]}', "plan.json marks[0]: has no text as 'host'"),
    ("plan.json", json.dumps({"checks": [dict(PLAN[0], wait="1")], "marks": []}),
     "plan.json checks[0]: has no number of seconds as 'wait'"),
    ("plan.json", "[" * 100000, "plan.json: is nested too deeply"), ("plan.json", "NaN", "plan.json: is not JSON: NaN"),
    ("manifest.json", None, "manifest.json: can't be read: No such file or directory"),
    ("manifest.json", "", "manifest.json line 1: is not JSON: Expecting value"),
    ("manifest.json", "[1]", "manifest.json: is not a mapping"),
    ("manifest.json", "{}", "manifest.json files: is not a mapping"),
    ("manifest.json", '{"files": {"a": 1}}', "manifest.json files: has no text as 'a'"),
    ("manifest.json", '{"files": {}, "verdict": "pass"}', "manifest.json verdict: is not a mapping"),
    ("manifest.json", '{"files": {}, "verdict": {"verdict": "pass"}}', "manifest.json verdict: has no number as 'che"),
    ("manifest.json", '{"files": {}, "topology": {"a": 1}, "lab": "../x"}', "manifest.json lab: "),
    ("manifest.json", '{"files": {}, "topology": {"a": 1}}', "manifest.json lab: "),
]


@pytest.mark.parametrize(("name", "content", "says"), MALFORMED)
def test_a_bundle_that_can_not_be_read_is_no_pass(bundle, name, content, says):
    file = pathlib.Path(bundle.path, name)
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(McastError) as told:
        bundle.verdict()
    assert str(told.value).startswith(os.path.join(bundle.path, says)) and "\n" not in str(told.value)
    found = bundles.unreadable(told.value)
    assert found["verdict"] == "fail" and found["digest"] is None
    assert bundles.line(found, bundle.path).startswith(f"verdict: fail, 0 checks, {told.value}, ")


def test_facts_that_can_not_be_read_are_not_overwritten(bundle):
    bundle.add_facts("server", "before", FACTS)
    for content in ("[", "[]", '{"before": 1}'):
        pathlib.Path(bundle.path, "facts/server.json").write_text(content)
        for use in (lambda: bundle.facts("server"), lambda: bundle.add_facts("server", "during", FACTS)):
            with pytest.raises(McastError, match=r"facts/server.json"):
                use()
        assert pathlib.Path(bundle.path, "facts/server.json").read_text() == content


@pytest.mark.parametrize(("changes", "says"), [
    ({}, "verdict: pass, 17 checks, sha256:0123456789abcdef, results/x/"),
    ({"failures": 2, "missing": 1, "warned": 3, "errors": 5, "changes": 4}, "verdict: fail, 17 checks, 2 failed, "
     "1 missing, 3 with warnings, 5 errors on the way, 4 changed beforehand, sha256:0123456789abcdef, results/x/"),
    ({"problems": ["a", "b\n\x1b\u202e", "ü", "d", "e"]}, "verdict: fail, 17 checks, a, "
     "b\\n\\x1b\\u202e, ü, and 2 more problems, sha256:0123456789abcdef, results/x/"),
    ({"problems": ["evidence is incomplete: no"], "digest": None},
     "verdict: fail, 17 checks, evidence is incomplete: no, results/x/"),
])
def test_line(changes, says):
    summary = {"verdict": "fail" if changes else "pass", "checks": 17, "failures": 0, "missing": 0, "warned": 0,
               "errors": 0, "changes": 0, "problems": [], "digest": "sha256:" + "0123456789abcdef" * 4, **changes}
    assert bundles.line(summary, os.path.abspath("results/x")) == says
    assert bundles.line(summary, "/nowhere/else").endswith(", /nowhere/else/")
