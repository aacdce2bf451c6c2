# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence of one run: a folder that is written as things happen, and judged from its files alone.

plan.json      what had to hold, `checks` (see `plan`), and the phases that each host had to complete, `marks`
results.jsonl  a line for each decided check, written at once; the verdict makes results.json and junit.xml of it
progress.jsonl  a line for each phase that a host has completed, each task that failed, each setting that was changed
facts/HOST.json  what was gathered, by phase
captures/HOST.NAME.pcap  what was on the wire (of capture-eth0, the name is eth0); the verdict makes messages.json of it
manifest.json  versions, topology, and the SHA-256 of plan.json; of all other files too, once the first verdict has
               sealed the bundle, which changes no more from then on
"""
from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any
from urllib.parse import quote

from ...module_utils.error import McastError
from . import bundle_read, captures, junit, seal
from .evidence_file import MAX_READ, MODE, Folder, Unwritten, dump, load

_SHOWN = 3  # problems in the line of the verdict


class Bundle:
    """path: the folder."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.folder = Folder(path)

    @classmethod
    def open(cls, path: str, checks: list[dict[str, Any]], marks: list[dict[str, str]], manifest: dict[str, Any],
             mode: int = MODE) -> Bundle:
        """Make the folder and write what is known before the run. McastError if it is not an empty place.

        marks: ``{host, phase}`` for each phase that a host has to complete. mode: of files."""
        if not _is_empty(path):
            raise McastError(f"results folder {path}", "is not empty; each run needs a folder of its own")
        with _a_place_to_write():
            return cls(Folder.make(path, mode).path)._begin(checks, marks, manifest)

    @classmethod
    def new(cls, parent: str, checks: list[dict[str, Any]], marks: list[dict[str, str]], manifest: dict[str, Any],
            mode: int = MODE) -> Bundle:
        """As open(), in a new folder in `parent`, named by the time."""
        with _a_place_to_write():
            return cls(Folder.new(parent, stamp(), mode).path)._begin(checks, marks, manifest)

    def _begin(self, checks: list[dict[str, Any]], marks: list[dict[str, str]], manifest: dict[str, Any]) -> Bundle:
        plan = dump({"checks": checks, "marks": marks})
        # Of two runs that were given the same empty folder, one can't.
        self.folder.write("plan.json", plan, exclusive=True)
        self.folder.write(seal.MANIFEST, dump(dict(manifest, started=timestamp(), files={
            "plan.json": seal.checksum(plan)})))
        return self

    def planned(self, host: str | None = None, phase: str | None = None) -> list[dict[str, Any]]:
        """The planned checks, of one host and phase or of all."""
        return self._plan(host, phase)["checks"]

    def add_result(self, result: dict[str, Any]) -> None:
        """Append one result."""
        self._append("results.jsonl", result)

    def add_progress(self, event: str, host: str, phase: str, task: str = "", message: str = "") -> None:
        """Append what happened on a host in a phase. event: "completed" (the host is through with the phase), "failed"
        (a task was), or "changed" (a setting that stays as it is now)."""
        self._append("progress.jsonl", {"event": event, "host": host, "phase": phase, "task": task, "message": message,
                                        "time": timestamp()})

    def failures(self, host: str) -> list[str]:
        """What the tasks said that have failed on a host so far."""
        name = "progress.jsonl"
        rows = self._rows(name, bundle_read.progress, [name] if self._is_there(name) else [], [])
        return [row["message"] for row in rows if (row["event"], row["host"]) == ("failed", host)]

    def add_facts(self, host: str, phase: str, facts: dict[str, Any]) -> None:
        """Keep what was gathered of a host in one phase. A host writes its own file only."""
        self._refuse_sealed()
        self.folder.write(_facts_file(host), dump({**self.facts(host), phase: facts}))

    def facts(self, host: str) -> dict[str, Any]:
        """Returns ``{phase: facts}`` of a host, as far as there is any. McastError where that can't be read."""
        name = _facts_file(host)
        return bundle_read.facts(self._read(name), self._at(name)) if self._is_there(name) else {}

    @staticmethod
    def capture_file(host: str, name: str) -> str:
        """The name, in the folder, of the file that keeps the packets of a host's capture."""
        return f"captures/{quote(host, safe='')}.{quote(name.removeprefix('capture-'), safe='%')}.pcap"

    def lab(self) -> str | None:
        """Returns the name of the lab that was used, None where the hosts are no lab of ours."""
        manifest = self._manifest(self.folder.read(seal.MANIFEST))
        return manifest["lab"] if manifest.get("topology") else None

    def verdict(self) -> dict[str, Any]:
        """Judge the files against the plan, write results.json, junit.xml and messages.json, and seal the bundle. Of
        one that is sealed, compare each file with the manifest, and write nothing.

        A planned check without a result counts as failed, and so does a run in which nothing was planned, a task that
        failed, a phase that a host did not complete, and a file that is not as it was written.
        Returns ``{verdict: pass|fail, checks, failures, missing, warned, errors, changes, problems, digest, results,
        events}``: counts; texts that say what is wrong with the bundle itself; the SHA-256 of manifest.json, None where
        the bundle could not be sealed; the results and events themselves. McastError where plan or manifest can't be
        read."""
        data = self.folder.read(seal.MANIFEST)
        manifest = self._manifest(data)
        if "verdict" in manifest:
            return dict(self._sealed_verdict(manifest), digest=f"sha256:{seal.checksum(data)}")
        return self._first_verdict(manifest)

    def _sealed_verdict(self, manifest: dict[str, Any]) -> dict[str, Any]:
        problems = seal.differences(manifest["files"], *seal.checksums(self.folder))
        summary: dict[str, Any] = manifest["verdict"]
        kept: dict[str, Any] = {"results": [], "events": []}
        if not problems:
            whole = bundle_read.judged(self._read("results.json", bundle_read.MAX_RESULTS), self._at("results.json"))
            kept = {key: whole.pop(key) for key in kept}
            if whole != summary:
                problems = ["results.json has another verdict than manifest.json"]
        if problems:
            summary = dict(summary, verdict="fail", problems=_capped(problems + summary["problems"]))
        return {**summary, **kept}

    def _first_verdict(self, manifest: dict[str, Any]) -> dict[str, Any]:
        plan = self._plan()
        sums, odd = seal.checksums(self.folder)
        known = manifest["files"]
        problems = seal.differences(known, {name: sums[name] for name in known if name in sums}, odd)
        results = self._results(plan["checks"], sums, problems)
        events = self._events(plan["marks"], sums, problems)
        messages = self._messages(sums, problems)
        summary = _summary(results, events, _capped(problems))
        kept = {"results": results, "events": events}
        written = {"results.json": dump({**summary, **kept}),
                   "junit.xml": junit.text(results, _errors(events, problems))}
        if messages:
            written["messages.json"] = dump(messages)
        try:
            for name, data in written.items():
                self.folder.write(name, data)
                sums[name] = seal.checksum(data)
            sealed = dump(dict(manifest, ended=timestamp(), verdict=summary, files=dict(sorted(sums.items()))))
            self.folder.write(seal.MANIFEST, sealed)
        except Unwritten as error:
            # What is there may not say pass. Once there is room, the verdict can be made again.
            self.folder.remove(*written)
            problems.insert(0, f"evidence is incomplete: {os.path.relpath(error.thing, self.path)} {error.reason}")
            return {**summary, **kept, "verdict": "fail", "problems": _capped(problems), "digest": None}
        return {**summary, **kept, "digest": f"sha256:{seal.checksum(sealed)}"}

    def _results(self, planned: list[dict[str, Any]], files: Container[str], problems: list[str]
                 ) -> list[dict[str, Any]]:
        """The result of each planned check. What is wrong with other lines is added to the problems."""
        as_planned = bundle_read.result({check["id"]: check for check in planned})
        rows = self._rows("results.jsonl", as_planned, files, problems)
        done = {row["id"]: row for row in rows}
        return [done.get(check["id"]) or _missing(check) for check in planned]

    def _events(self, marks: list[dict[str, str]], files: Container[str], problems: list[str]) -> list[dict[str, Any]]:
        """What failed and what was changed, in the order of time; and, as failed, each phase that a host did not
        complete although nothing else says why."""
        rows = self._rows("progress.jsonl", bundle_read.progress, files, problems)
        completed = {(row["host"], row["phase"]) for row in rows if row["event"] == "completed"}
        events = [row for row in rows if row["event"] != "completed"]
        lacking: dict[str, list[str]] = {}
        for mark in marks:
            if (mark["host"], mark["phase"]) not in completed:
                lacking.setdefault(mark["host"], []).append(mark["phase"])
        return events + [_incomplete(host, phases) for host, phases in lacking.items()]

    def _messages(self, files: Iterable[str], problems: list[str]) -> dict[str, Any]:
        """What each capture says, by its file's name: what capture_info returns, the first datagrams among it."""
        found: dict[str, Any] = {}
        for name in [name for name in files if name.startswith("captures/")]:
            path, last = self._at(name), os.path.basename(name)
            try:
                found[last] = captures.evidence_of(path)
            except McastError as error:
                found[last] = {"error": str(error)}
                problems.append(f"{name} {error.reason}")
        return found

    def _rows(self, name: str, check: Callable[[str, Any], None], files: Container[str], problems: list[str]
              ) -> list[dict[str, Any]]:
        if name not in files:
            return []
        try:
            rows, wrong = bundle_read.rows(self.folder.read(name, bundle_read.MAX_LINES), name, check)
        except McastError as error:
            rows, wrong = [], [f"{name} {error.reason}"]
        problems += wrong
        return rows

    def _append(self, name: str, row: dict[str, Any]) -> None:
        """Many processes do so at once; a line is written whole or not at all."""
        self._refuse_sealed()
        self.folder.append(name, json.dumps(row, sort_keys=True).encode() + b"\n")

    def _refuse_sealed(self) -> None:
        if self._is_there("results.json"):
            raise McastError(self.path, "has its verdict already, and changes no more; a run needs a folder of its own")

    def _plan(self, host: str | None = None, phase: str | None = None) -> dict[str, Any]:
        return bundle_read.plan(self._read("plan.json"), self._at("plan.json"), host, phase)

    def _manifest(self, data: bytes) -> dict[str, Any]:
        path = self._at(seal.MANIFEST)
        return bundle_read.manifest(load(data, path), path)

    def _read(self, name: str, limit: int = MAX_READ) -> Any:
        return load(self.folder.read(name, limit), self._at(name))

    def _is_there(self, name: str) -> bool:
        return os.path.lexists(self._at(name))

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name)


def bundle_of_run(task_vars: dict[str, Any]) -> str | None:
    """The folder of the bundle that the playbook mcast.lab.begin has made in this run, None where it has not."""
    return (task_vars["hostvars"]["localhost"].get("mcast_plan") or {}).get("bundle")


def timestamp() -> str:
    """Now, in UTC, as ``2026-01-31T12:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def stamp() -> str:
    """Now, in UTC, as the name of a folder: ``20260131T120000Z``."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def line(summary: dict[str, Any], path: str) -> str:
    """The one line that ends a run. Of the digest it has the first 16 digits."""
    parts = [f"verdict: {summary['verdict']}", f"{summary['checks']} checks"]
    parts += [f"{summary[key]} {word}" for key, word in (
        ("failures", "failed"), ("missing", "missing"), ("warned", "with warnings"), ("errors", "errors on the way"),
        ("changes", "changed beforehand")) if summary[key]]
    problems = summary["problems"]
    parts += problems[:_SHOWN]
    if len(problems) > _SHOWN:
        parts.append(f"and {len(problems) - _SHOWN} more problems")
    if summary["digest"]:
        parts.append(summary["digest"][:len("sha256:") + 16])
    shown = os.path.relpath(path)
    parts.append(f"{path if shown.startswith('..') else shown}/")
    return ", ".join(_printable(part) for part in parts)


def unreadable(error: McastError) -> dict[str, Any]:
    """The verdict of a bundle whose plan or manifest can't be read."""
    return {**_summary([], [], [str(error)]), "digest": None, "results": [], "events": []}


def _summary(results: list[dict[str, Any]], events: list[dict[str, Any]], problems: list[str]) -> dict[str, Any]:
    count = {verdict: sum(result["verdict"] == verdict for result in results)
             for verdict in ("fail", "missing", "warning")}
    changes = sum(event["event"] == "changed" for event in events)
    errors = len(events) - changes
    passed = results and not (count["fail"] or count["missing"] or errors or problems)
    return {"verdict": "pass" if passed else "fail", "checks": len(results), "failures": count["fail"],
            "missing": count["missing"], "warned": count["warning"], "errors": errors, "changes": changes,
            "problems": problems}


def _errors(events: list[dict[str, Any]], problems: list[str]) -> list[tuple[str, str]]:
    """What failed the run besides checks, as (name, message)."""
    failed = [(" ".join(filter(None, (event["host"], event["phase"], event["task"]))), event["message"])
              for event in events if event["event"] == "failed"]
    return failed + [("evidence", problem) for problem in problems]


def _capped(problems: list[str]) -> list[str]:
    """They may come from elsewhere, in any number."""
    more = len(problems) - bundle_read.MAX_PROBLEMS
    return problems[:bundle_read.MAX_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])


def _printable(text: str) -> str:
    """Names of files and what lines hold may try to write anywhere on a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _is_empty(path: str) -> bool:
    try:
        return not os.listdir(path)
    except OSError:  # not there; or who makes it says why it can't be used
        return True


@contextlib.contextmanager
def _a_place_to_write() -> Iterator[None]:
    try:
        yield
    except Unwritten as error:
        raise Unwritten(error.thing, f"{error.reason}; set mcast_results_dir to a folder that can be written") from None


def _facts_file(host: str) -> str:
    return f"facts/{quote(host, safe='')}.json"


def _missing(check: dict[str, Any]) -> dict[str, Any]:
    return dict(check, verdict="missing", expected="a judgement", evidence={}, elapsed=0.0,
                actual="none: the host was not reached, or the run ended before")


def _incomplete(host: str, phases: list[str]) -> dict[str, Any]:
    return {"event": "failed", "host": host, "phase": phases[0], "task": "", "time": timestamp(),
            "message": f"did not complete {', '.join(phases)}: it could not be reached, a task outside a block failed, "
                       "or the run ended before"}
