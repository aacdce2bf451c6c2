# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the files of a bundle hold, checked: a bundle may be cut off, edited, or come from elsewhere. What is not as we
write it is a McastError that names the file and the place in it."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...module_utils.error import McastError
from ...module_utils.lab.topology import lab_name
from .evidence_file import load

VERDICTS = ("pass", "fail", "warning")  # of a result
EVENTS = ("completed", "failed", "changed")
COUNTS = ("checks", "failures", "missing", "warned", "errors", "changes")
MAX_LINES = 256 << 20  # bytes of results.jsonl, progress.jsonl
MAX_RESULTS = 2 * MAX_LINES  # of results.json
MAX_PROBLEMS = 100  # that are listed of a bundle, and after which no more lines are read
_CHECK = ("id", "host", "phase", "check", "description", "severity")
_EVENT = ("event", "host", "phase", "task", "message", "time")


def plan(content: Any, path: str, host: str | None = None, phase: str | None = None) -> dict[str, Any]:
    """plan.json: ``{checks, marks}``, see bundle.py. host, phase: leave out the checks of others, which are not looked
    at: of many hosts, each reads the file in each phase."""
    checks = []
    for number, check in enumerate(_list(path, _mapping(path, content), "checks")):
        thing = f"{path} checks[{number}]"
        _mapping(thing, check)
        if host in (None, check.get("host")) and phase in (None, check.get("phase")):
            _mapping(thing, check, _CHECK)
            _seconds(thing, check.get("wait", 0), "wait")
            checks.append(check)
    for number, mark in enumerate(_list(path, content, "marks")):
        _mapping(f"{path} marks[{number}]", mark, ("host", "phase"))
    return {"checks": checks, "marks": content["marks"]}


def manifest(content: Any, path: str) -> dict[str, Any]:
    """manifest.json: `files` is always there, `verdict` once the bundle is sealed; `lab` is a safe name where there is
    a `topology`."""
    files = _mapping(f"{path} files", _mapping(path, content).get("files"))
    for name, checksum in files.items():
        if not isinstance(checksum, str):
            raise McastError(f"{path} files", f"has no text as {name!r}")
    if content.get("topology"):
        try:
            lab_name(content.get("lab"))
        except McastError as error:
            raise McastError(f"{path} lab", error.reason) from None
    if "verdict" in content:
        _summary(f"{path} verdict", content["verdict"])
    return content


def facts(content: Any, path: str) -> dict[str, Any]:
    """facts/HOST.json: facts by phase."""
    for phase, gathered in _mapping(path, content).items():
        _mapping(f"{path} {phase}", gathered)
    return content


def judged(content: Any, path: str) -> dict[str, Any]:
    """results.json: what a verdict is, with its `results` and `events`."""
    _summary(path, content)
    for number, result in enumerate(_list(path, content, "results")):
        _result(f"{path} results[{number}]", result, (*VERDICTS, "missing"))
    for number, event in enumerate(_list(path, content, "events")):
        _mapping(f"{path} events[{number}]", event, _EVENT)
    return content


def rows(data: bytes, name: str, check: Callable[[str, Any], None]) -> tuple[list[Any], list[str]]:
    """The lines of results.jsonl or progress.jsonl. check: raises McastError for a row that is wrong, which does not
    count. Returns the good rows, and what is wrong with the others."""
    lines, found, problems = data.split(b"\n"), [], []
    if lines.pop():
        problems.append(f"{name} line {len(lines) + 1}: is cut off")
    for number, line in enumerate(lines, 1):
        try:
            row = load(line, name, number)
            check(f"{name} line {number}", row)
            found.append(row)
        except McastError as error:
            problems.append(str(error))
            if len(problems) > MAX_PROBLEMS:
                break
    return found, problems


def result(planned: dict[str, dict[str, Any]]) -> Callable[[str, Any], None]:
    """The check of a row of results.jsonl: it must be what was planned. planned: by id."""
    def check(thing: str, row: Any) -> None:
        _result(thing, row, VERDICTS)
        if row["id"] not in planned:
            raise McastError(thing, f"is the result of {row['id']!r}, which plan.json does not hold")
        about = planned[row["id"]]
        differing = [key for key in about if key not in row or row[key] != about[key]]
        if differing:
            raise McastError(thing, f"is not as planned in {', '.join(differing)}")
    return check


def progress(thing: str, row: Any) -> None:
    """The check of a row of progress.jsonl."""
    _mapping(thing, row, _EVENT)
    _choice(thing, row, "event", EVENTS)


def _summary(thing: str, value: Any) -> None:
    _choice(thing, _mapping(thing, value, ("verdict",)), "verdict", ("pass", "fail"))
    for key in COUNTS:
        if not isinstance(value.get(key), int) or isinstance(value[key], bool) or value[key] < 0:
            raise McastError(thing, f"has no number as {key!r}")
    if not all(isinstance(problem, str) for problem in _list(thing, value, "problems")):
        raise McastError(thing, "has no texts as 'problems'")


def _result(thing: str, row: Any, verdicts: tuple[str, ...]) -> None:
    _choice(thing, _mapping(thing, row, (*_CHECK, "verdict", "expected", "actual")), "verdict", verdicts)
    _seconds(thing, row.get("elapsed"), "elapsed")


def _seconds(thing: str, value: Any, key: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise McastError(thing, f"has no number of seconds as {key!r}")


def _choice(thing: str, value: dict[str, Any], key: str, choices: tuple[str, ...]) -> None:
    if value[key] not in choices:
        raise McastError(thing, f"has {value[key]!r} as {key!r}; expected one of {', '.join(choices)}")


def _list(thing: str, value: dict[str, Any], key: str) -> list[Any]:
    if not isinstance(value.get(key), list):
        raise McastError(thing, f"has no list as {key!r}")
    return value[key]


def _mapping(thing: str, value: Any, texts: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise McastError(thing, "is not a mapping")
    for key in texts:
        if not isinstance(value.get(key), str):
            raise McastError(thing, f"has no text as {key!r}")
    return value
