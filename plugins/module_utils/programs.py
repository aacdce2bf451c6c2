# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several of our programs on one host: begun and ended in one go, each under its name (see `unit`)."""
from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, Callable

from . import expect, unit
from .change import Changes
from .error import McastError
from .traffic import capture, cli
from .traffic.cli import UsageError

PROGRAMS = ("capture", "querier", "receiver", "sender")
# So that none that was forgotten stays.
_TIMEOUT = 3600
# What keeps the processors busy: with more at a time, each would take longer, and miss its deadline on a small host.
_AT_A_TIME = 2 * (os.cpu_count() or 1)


def command(name: str, body: dict[str, Any]) -> list[str]:
    """The command line of a program. body: ``{"receiver": {"group": [...], "port": 5000, ...}}``, options as the
    program's own --help has them, with _ for -; a list is an option given several times, true one without a value.
    Of a capture the file and the filter may be left out, and `streams` makes the filter. McastError names what is
    wrong, as far as that can be told without the host."""
    expect.mapping(name, body, PROGRAMS)
    if len(body) != 1:
        raise McastError(name, "expected one program, such as {receiver: {group: 239.0.0.100, port: 11111, "
                               f"interface: eth0}}}}, not {len(body)}")
    (program, given), = body.items()
    path = f"{name}.{program}"
    kinds = cli.kinds(program)
    options = {"timeout": _TIMEOUT, **expect.mapping(
        path, given or {}, tuple(kinds) + (("streams",) if program == "capture" else ()))}
    if program == "capture":
        options.setdefault("file", unit.folder(name) + "/capture.pcap")
        options.setdefault("filter", capture.default_filter(options.pop("streams", [])))
    argv = [program]
    for option, value in options.items():
        argv += _words(f"{path}.{option}", "--" + option.replace("_", "-"), kinds[option], value)
    try:
        cli.check(argv)
    except UsageError as error:
        raise McastError(f"{path}.{error.thing}", error.reason) from None
    return argv


def _words(path: str, option: str, kind: str, value: Any) -> list[str]:
    """One option as words of a command line; none where its value is null."""
    if value is None:
        return []
    if kind == "flag":
        return [option] if expect.choice(path, value, (True, False)) else []
    if kind == "value" and isinstance(value, list):
        raise McastError(path, f"takes one value, not a list of {len(value)}")
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, (str, int, float)) or isinstance(one, bool):
            raise McastError(path, f"expected text or a number, not {json.dumps(one, default=str)}")
    return [f"{option}={one}" for one in values]


class _Batches(Changes):
    """Changes of programs: those of a batch are made side by side, one batch after another."""

    def __init__(self, batches: list[list[Changes]]) -> None:
        super().__init__()
        self._batches = batches
        for batch in batches:
            for changes in batch:
                self.extend(changes)

    def apply(self) -> None:
        """Make every change. Where a program fails, the rest of its batch is still made, and no later batch is.
        McastError holds a reason for each that failed."""
        for batch in self._batches:
            with ThreadPoolExecutor(_AT_A_TIME) as pool:
                errors = [error for error in pool.map(_error_of, batch) if error]
            _raise(errors)


def _raise(errors: list[McastError]) -> None:
    """One error with a reason for each, where there are any."""
    if errors:
        raise McastError(errors[0].thing, "; ".join([errors[0].reason, *map(str, errors[1:])]))


def _error_of(changes: Changes) -> McastError | None:
    try:
        changes.apply()
    except McastError as error:
        return error
    return None


def plan(started: dict[str, Any], stopped: list[str]) -> tuple[Changes, Callable[[], dict[str, Any]]]:
    """started: ``{name: body}``, begun in this order, those of one kind that follow each other at the same time;
    stopped: names, ended after that. Returns (Changes, function that returns
    ``{"reports": {name: report or None}}``)."""
    for name in stopped:
        if name in started:
            raise McastError(name, "shall be started and stopped; leave one out")
    planned = {}
    commands = {name: command(name, body) for name, body in started.items()}
    errors = []
    for name, argv in commands.items():
        try:
            planned[name] = unit.plan(name, argv, argv[0], adapts=("--filter-mode", "--source"))
        except McastError as error:
            errors.append(error if error.thing == name else McastError(name, str(error)))
    _raise(errors)
    for name in stopped:
        have = unit.status(name)
        planned[name] = unit.plan(name, None, have["argv"][0] if have and have["argv"] else "")
    by_kind = groupby(planned, lambda name: commands[name][0] if name in commands else "stopped")
    changes = _Batches([[planned[name][0] for name in names] for unused, names in by_kind])
    return changes, lambda: {"reports": {name: result()["report"] for name, (unused, result) in planned.items()}}
