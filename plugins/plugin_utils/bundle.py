# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence of one run: a folder that is written as things happen, and judged from its files alone.

plan.json      what had to hold, `checks` (see `plan`), and the phases that each host had to complete, `marks`
results.jsonl  a line for each decided check, written at once; the verdict makes results.json and junit.xml of it
progress.jsonl  a line for each phase that a host has completed, each task that failed, each setting that was changed
facts/HOST.json  what was gathered, by phase
captures/HOST.NAME.pcap  what was on the wire (of capture-eth0, the name is eth0); the verdict makes messages.json of it
manifest.json  versions, topology, and the SHA-256 of each file
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
from typing import Any, Iterator
from urllib.parse import quote
from xml.etree import ElementTree

from ..module_utils.error import McastError
from . import captures

# What XML 1.0 can't hold, not even escaped (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Bundle:
    """path: the folder."""

    def __init__(self, path):
        self.path = path

    @classmethod
    def open(cls, path: str, checks: list[dict[str, Any]], marks: list[dict[str, str]],
             manifest: dict[str, Any]) -> Bundle:
        """Make the folder and write what is known before the run. McastError if it is not an empty place.

        marks: ``{host, phase}`` for each phase that a host has to complete."""
        bundle = cls(path)
        try:
            os.makedirs(path, exist_ok=True)
            if os.listdir(path):
                raise McastError("results folder %s" % path, "is not empty; each run needs a folder of its own")
            os.mkdir(os.path.join(path, "facts"))
        except OSError as error:
            raise McastError("results folder %s" % path, "can't be made: %s; set mcast_results_dir to a folder that "
                                                         "can be written" % error.strerror) from None
        bundle._write("plan.json", {"checks": checks, "marks": marks})
        bundle._write("manifest.json", dict(manifest, started=timestamp()))
        return bundle

    def planned(self, host=None, phase=None):
        """The planned checks, of one host and phase or of all."""
        return [check for check in self._read("plan.json")["checks"]
                if host in (None, check["host"]) and phase in (None, check["phase"])]

    def add_result(self, result):
        """Append one result."""
        self._append("results.jsonl", result)

    def add_progress(self, event: str, host: str, phase: str, task: str = "", message: str = "") -> None:
        """Append what happened on a host in a phase. event: "completed" (the host is through with the phase), "failed"
        (a task was), or "changed" (a setting that stays as it is now)."""
        self._append("progress.jsonl", {"event": event, "host": host, "phase": phase, "task": task, "message": message,
                                        "time": timestamp()})

    def _append(self, name: str, row: dict[str, Any]) -> None:
        """Many processes do so at once; a line is written whole or not at all."""
        with open(os.path.join(self.path, name), "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(row, sort_keys=True) + "\n")

    def add_facts(self, host, phase, facts):
        """Keep what was gathered of a host in one phase. A host writes its own file only."""
        kept = self.facts(host)
        kept[phase] = facts
        self._write(_facts_file(host), kept)

    def facts(self, host):
        """Returns ``{phase: facts}`` of a host, as far as there is any."""
        try:
            return self._read(_facts_file(host))
        except McastError:
            return {}

    def capture(self, host, name):
        """Where the packets of a host's capture are kept. Returns the path; its folder is there."""
        name = name[len("capture-"):] if name.startswith("capture-") else name
        folder = os.path.join(self.path, "captures")
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, "%s.%s.pcap" % (quote(host, safe=""), quote(name, safe="")))

    def lab(self):
        """Returns the name of the lab that was used, None where the hosts are no lab of ours."""
        manifest = self._read("manifest.json")
        return manifest["lab"] if manifest.get("topology") else None

    def verdict(self):
        """Judge the files against the plan and write results.json, junit.xml, messages.json and the
        manifest's checksums.

        A planned check without a result counts as failed, and so does a run in which nothing was planned, a task that
        failed, and a phase that a host did not complete.
        Returns ``{verdict: pass|fail, checks, failures, missing, warned, errors, changes, results, events}``; numbers
        are counts."""
        done = {result["id"]: result for result in self._rows("results.jsonl")}
        results = [done.get(check["id"]) or _missing(check) for check in self.planned()]
        count = {verdict: sum(result["verdict"] == verdict for result in results)
                 for verdict in ("fail", "missing", "warning")}
        events = self._events()
        changes = sum(event["event"] == "changed" for event in events)
        errors = len(events) - changes
        passed = bool(results) and not count["fail"] and not count["missing"] and not errors
        summary = {"verdict": "pass" if passed else "fail", "checks": len(results), "failures": count["fail"],
                   "missing": count["missing"], "warned": count["warning"], "errors": errors, "changes": changes}
        self._write("results.json", dict(summary, results=results, events=events))
        _junit(results).write(os.path.join(self.path, "junit.xml"), encoding="utf-8", xml_declaration=True)
        if os.path.isdir(os.path.join(self.path, "captures")):
            self._write("messages.json", self._messages())
        manifest = self._read("manifest.json")
        manifest.setdefault("ended", timestamp())
        self._write("manifest.json", dict(manifest, verdict=summary, files=self._checksums()))
        return dict(summary, results=results, events=events)

    def _events(self) -> list[dict[str, Any]]:
        """What failed and what was changed, in the order of time; and, as failed, each phase that a host did not
        complete although nothing else says why."""
        rows = list(self._rows("progress.jsonl"))
        completed = {(row["host"], row["phase"]) for row in rows if row["event"] == "completed"}
        events = [row for row in rows if row["event"] != "completed"]
        lacking: dict[str, list[str]] = {}
        for mark in self._read("plan.json")["marks"]:
            if (mark["host"], mark["phase"]) not in completed:
                lacking.setdefault(mark["host"], []).append(mark["phase"])
        return events + [_incomplete(host, phases) for host, phases in lacking.items()]

    def _messages(self):
        """What each capture says, by its file's name: what capture_info returns, the first datagrams among it."""
        folder, told = os.path.join(self.path, "captures"), {}
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            try:
                wire = captures.wire_of(path)
                messages = sorted(wire["messages"] + captures.datagrams_of(path), key=lambda one: one["number"])
                told[name] = dict(wire, messages=messages)
            except McastError as error:
                told[name] = {"error": str(error)}
        return told

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        try:
            with open(os.path.join(self.path, name), encoding="utf-8", errors="replace") as file:
                lines = [line for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return
        for line in lines:
            # A line that was cut off by whatever ended its writer doesn't count, nor does what was appended to it.
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def _checksums(self):
        sums = {}
        for folder, _unused, names in os.walk(self.path):
            for name in names:
                path = os.path.join(folder, name)
                if name != "manifest.json":
                    sums[os.path.relpath(path, self.path)] = _sha256(path)
        return dict(sorted(sums.items()))

    def _read(self, name):
        try:
            with open(os.path.join(self.path, name), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise McastError(os.path.join(self.path, name), "is no readable part of a bundle: %s" % error) from None

    def _write(self, name, content):
        """Replace a file as a whole: an interrupt leaves the old one or the new one."""
        path = os.path.join(self.path, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True)
        os.replace(path + ".new", path)


def timestamp():
    """Now, in UTC, as ``2026-01-31T12:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def new_path(results_dir, lab):
    """A path for a run that begins now: ``RESULTS/LAB/20260131T120000Z``, with a number behind it if that is taken."""
    first = os.path.join(results_dir, lab, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    path, number = first, 1
    while os.path.exists(path):
        number += 1
        path = "%s-%d" % (first, number)
    return path


def line(summary, path):
    """The one line that ends a run."""
    troubles = ["%d %s" % (summary[key], word) for key, word in (
        ("failures", "failed"), ("missing", "missing"), ("warned", "with warnings"), ("errors", "errors on the way"),
        ("changes", "changed beforehand")) if summary[key]]
    shown = os.path.relpath(path)
    counted = ", ".join(["%d checks" % summary["checks"]] + troubles)
    return "verdict: %s, %s, %s/" % (summary["verdict"], counted, path if shown.startswith("..") else shown)


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _facts_file(host):
    return os.path.join("facts", quote(host, safe="") + ".json")


def _missing(check):
    return dict(check, verdict="missing", expected="a judgement", evidence={}, elapsed=0.0,
                actual="none: the host was not reached, or the run ended before")


def _incomplete(host: str, phases: list[str]) -> dict[str, Any]:
    return {"event": "failed", "host": host, "phase": phases[0], "task": "", "time": timestamp(),
            "message": f"did not complete {', '.join(phases)}: it could not be reached, a task outside a block failed, "
                       "or the run ended before"}


def _xml(text):
    return _NOT_XML.sub("\ufffd", text)


def _junit(results):
    """The results as JUnit XML, which build servers read: a suite for each host."""
    suites = ElementTree.Element("testsuites", name="mcast.lab")
    by_host = {}
    for result in results:
        by_host.setdefault(result["host"], []).append(result)
    for host, cases in by_host.items():
        failures = sum(case["verdict"] in ("fail", "missing") for case in cases)
        suite = ElementTree.SubElement(suites, "testsuite", name=_xml(host), tests=str(len(cases)),
                                       failures=str(failures))
        for case in cases:
            element = ElementTree.SubElement(suite, "testcase", classname=_xml(host), name=_xml(case["id"]),
                                             time="%.3f" % case["elapsed"])
            told = _xml("expected: %s\nactual: %s" % (case["expected"], case["actual"]))
            if case["verdict"] in ("fail", "missing"):
                ElementTree.SubElement(element, "failure", message=_xml(case["description"])).text = told
            elif case["verdict"] == "warning":
                ElementTree.SubElement(element, "system-out").text = told
    return ElementTree.ElementTree(suites)
