# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several of our programs on one host: begun and ended in one go, each under its name (see `unit`)."""
from __future__ import annotations

import json
from itertools import groupby
from typing import Any, Sequence

from . import expect, unit
from .change import InTurn, Planned
from .error import McastError
from .traffic import capture, cli
from .traffic.cli import UsageError

PROGRAMS = ("capture", "querier", "receiver", "sender")
# So that none that was forgotten stays.
_TIMEOUT = 3600
# What a program takes over while it runs.
_ADAPTS = ("--filter-mode", "--source")
# Seconds to begin, where that takes long: a querier begins in MLD only once address detection has ended.
_PATIENCE = {"querier": 15.0}


def command(name: str, body: dict[str, Any]) -> list[str]:
    """The command line of a program. body: ``{"receiver": {"group": [...], "port": 5000, ...}}``, options as its module
    has them, and all others of the program's own --help, with _ for -; a list is an option given several times, true
    one without a value. McastError names what is wrong, as far as that can be told without the host."""
    expect.mapping(name, body, PROGRAMS)
    if len(body) != 1:
        raise McastError(name, "expected one program, such as {receiver: {group: 239.0.0.100, port: 11111, "
                               f"interface: eth0}}}}, not {len(body)}")
    (program, given), = body.items()
    return _command(name, program, given or {}, f"{name}.{program}.")


def _command(name: str, program: str, given: dict[str, Any], path: str) -> list[str]:
    """path: what stands before an option in a message. Of a capture the file and the filter may be left out, and
    `streams` makes the filter."""
    known = cli.options(program)
    wanted = expect.mapping(path.rstrip("."), given, (*known, "streams") if program == "capture" else tuple(known))
    wanted = {"timeout": _TIMEOUT, **{option: value for option, value in wanted.items() if value is not None}}
    if program == "capture":
        wanted.setdefault("file", f"{unit.folder(name)}/capture.pcap")
        wanted.setdefault("filter", capture.default_filter(wanted.get("streams", [])))
    return arguments(program, wanted, path)


def arguments(program: str, given: dict[str, Any], path: str = "") -> list[str]:
    """The command line for options of a program, those that are None left out. path: what stands before an option in a
    message."""
    known = cli.options(program)
    # In the order of the program's own, so that the same options are the same command line.
    argv = [program, *(word for option, spelled in known.items() if given.get(option) is not None
                       for word in _words(path + option, spelled, given[option]))]
    try:
        cli.check(argv)
    except UsageError as error:
        raise McastError(f"{path}{error.thing}", error.reason) from None
    return argv


def _words(path: str, option: cli.Option, value: Any) -> list[str]:
    """One option as words of a command line."""
    if option.kind == "flag":
        return [option.flag] if expect.choice(path, value, (True, False)) else []
    if option.kind == "value" and isinstance(value, list):
        raise McastError(path, f"takes one value, not a list of {len(value)}")
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, (str, int, float)) or isinstance(one, bool):
            raise McastError(path, f"expected text or a number, not {json.dumps(one, default=str)}")
    return [f"{option.flag}={one}" for one in values]


def plan(started: dict[str, Any], stopped: Sequence[str] = (), ended: Sequence[str] = (), killed: Sequence[str] = ()
         ) -> Planned:
    """What has to change so that programs run, or don't.

    started: ``{name: body}``, begun in this order, those of one kind that follow each other at the same time; stopped:
    names, gone after that; ended: names, ended after that, with all that they left; killed: names, ended last by
    SIGKILL, which no program can answer. Returns (Changes, function that returns
    ``{"reports": {name: report or None}}``)."""
    for name in started:
        if name in (*stopped, *ended, *killed):
            raise McastError(name, "shall be started and stopped; leave one out")
    return _plan({name: command(name, body) for name, body in started.items()}, stopped, ended, killed)


def plan_one(program: str, params: dict[str, Any]) -> Planned:
    """The same for the module of one program. params: the options of the module, of which the program has those of its
    names; state "started", "stopped", or of a capture, which is stopped with its file left, "absent". The function
    returns ``{"name", "state", "report"}``."""
    name, state = params["name"], params["state"]
    if state == "started":
        given = {option: value for option, value in params.items() if option not in ("name", "state")}
        changes, reports = _plan({name: _command(name, program, given, "")})
    else:
        keep = program == "capture" and state == "stopped"
        changes, reports = _plan({}, [] if keep else [name], [name] if keep else [], program=program)
    return changes, lambda: {"name": name, "state": state, "report": reports()["reports"][name]}


def _plan(commands: dict[str, list[str]], stopped: Sequence[str] = (), ended: Sequence[str] = (),
          killed: Sequence[str] = (), program: str | None = None) -> Planned:
    """program: what those that end must be, where it matters."""
    errors: list[McastError] = []
    steps: list[unit.Step] = []
    reports: dict[str, Any] = {}
    for name, argv in [*commands.items(), *((name, None) for name in (*stopped, *ended, *killed))]:
        try:
            have = unit.status(name)
            end = unit.kill if name in killed else unit.halt if name in ended else unit.stop
            step = unit.step(name, argv, have, argv[0] if argv else program, end, adapts=_ADAPTS)
            steps += [step] if step else []
            reports[name] = have and have["report"]
        except McastError as error:
            errors.append(error if error.thing == name else McastError(name, str(error)))
    unit.raise_all(errors)
    deadline = max((_PATIENCE.get(argv[0], 0) for argv in commands.values()), default=0) or unit.DEADLINE
    batches = [unit.Steps(batch, deadline) for unused, batch in groupby(steps, lambda step: step.argv[:1])]

    def report() -> dict[str, Any]:
        for batch in batches:
            reports.update(batch.reports)
        return {"reports": reports}
    return _Batches(batches), report


class _Batches(InTurn):
    """Programs of one kind after another. Where some fail, the others are begun or ended all the same."""

    def apply(self) -> None:
        errors: list[McastError] = []
        for part in self._parts:
            try:
                part.apply()
            except McastError as error:
                errors.append(error)
        unit.raise_all(errors)
