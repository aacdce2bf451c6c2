# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a program on this host under a name: started, found again, and stopped with its report.

A unit lives in /run/mcast/INODE/NAME/, where INODE is that of its network namespace, so that hosts which share a
machine never meet: log, unit.json, report.json and exit.json (see traffic/supervise.py), and what the program itself
leaves there. A program is a fork of the process that starts it, which has loaded its code already; those that are
started together have one supervisor. Where systemd runs the host, each is a service (see `systemd`), started from
mcast.pyz in its folder."""
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple

from . import systemd
from .change import Changes
from .error import BECOME, McastError, reason
from .traffic import cli, supervise, zipapp
from .traffic.program import write_json
from .traffic.supervise import identity

ROOT = "/run/mcast"
DEADLINE = 5.0
_AT_ONCE = 0.5
_POLL = 0.01
# With what urllib.parse.quote makes of any name of an interface.
_NAME = re.compile(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]{0,63}\Z")
_LOG_LINES = 5
_TOGETHER = 50  # programs that have one supervisor
_BEGUN = ("joined", "sending", "capturing", "querying", "ended")


# start, adapt, stop, halt or kill: takes ``{name: argv}`` and a deadline in seconds, returns the reports by name.
Act = Callable[[Dict[str, List[str]], float], Dict[str, Any]]


class Step(NamedTuple):
    """What one unit needs: `act` is done with its name and `argv`. before and after are as in a diff."""
    name: str
    argv: list[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    act: Act


def step(name: str, argv: list[str] | None, have: dict[str, Any] | None, program: str | None = None,
         end: Act | None = None, adapts: tuple[str, ...] = ()) -> Step | None:
    """What has to change so that the unit runs with these arguments, or is gone; None where nothing has.

    argv: ``["receiver", "--group", ...]``, checked here; None: ended by `end`, which is stop() by default. have: its
    status() now. program: "receiver", "sender", "capture", "querier", or None for any; another kind under that name
    is refused. A unit that runs with the same arguments stays as it is; one that has ended, or runs with others, is
    started anew. adapts: options that the program takes over while it runs, such as ``("--source",)``, where no others
    have changed."""
    if argv is not None:
        cli.build(argv)
    if have and program and have["argv"][:1] not in ([], [program]):
        raise McastError(name, f"is the name of a {have['argv'][0]} on this host; the {program} needs another")
    before = have and {"arguments": have["argv"], "running": have["running"]}
    if argv is None:
        after = dict(before, running=False) if before and end in (halt, kill) else None
        return Step(name, [], before, after, end or stop) if before != after else None
    after = {"arguments": argv, "running": True}
    adaptable = before and before["running"] and _without(before["arguments"], adapts) == _without(argv, adapts)
    return Step(name, argv, before, after, adapt if adaptable else start) if before != after else None


class Steps(Changes):
    """Steps that are all taken at once; `reports` then holds what the programs reported last, by name."""

    def __init__(self, steps: Iterable[Step], deadline: float = DEADLINE) -> None:
        super().__init__()
        self.reports: dict[str, Any] = {}
        self._deadline = deadline
        self._by_act: dict[Act, dict[str, list[str]]] = {}
        for each in steps:
            self._by_act.setdefault(each.act, {})[each.name] = each.argv
            self.add((each.name,), each.before, each.after, lambda: None)

    def apply(self) -> None:
        """Take every step. Where one fails, the others are still taken. McastError holds a reason for each."""
        errors: list[McastError] = []
        for act, units in self._by_act.items():
            try:
                self.reports.update(act(units, self._deadline))
            except McastError as error:
                errors.append(error)
        raise_all(errors)


def start(units: dict[str, list[str]], deadline: float = DEADLINE) -> dict[str, Any]:
    """Start programs, in place of those that the names had before, and wait until they have begun their work.

    units: ``{name: argv}``; deadline: seconds to wait while none of them begins. Returns the reports by name.
    McastError with each failed program's own words; then nothing of those is left."""
    stop(units, deadline)
    return _begin(units, _launch, lambda unused, report: report.get("state") in _BEGUN, deadline)


def _launch(units: dict[str, list[str]]) -> dict[str, McastError]:
    """Start programs. Returns the errors of those that could not be, by name."""
    errors: dict[str, McastError] = {}
    made: dict[str, list[str]] = {}
    for name, argv in units.items():
        directory = folder(name)
        try:
            make(directory)
            made[directory] = argv
        except McastError as error:
            errors[name] = error
    if systemd.used():
        for directory, argv in made.items():
            _launch_service(directory, argv)
    else:
        directories = list(made)
        # They wait for each other, and all of them end where their supervisor is killed.
        for begin in range(0, len(directories), _TOGETHER):
            supervise.supervise({each: made[each] for each in directories[begin:begin + _TOGETHER]}, cli.main)
    return errors


def _launch_service(directory: str, argv: list[str]) -> None:
    zipapp.build(f"{directory}/mcast.pyz")
    words = [sys.executable, "-IS", f"{directory}/mcast.pyz", "supervise", directory] + argv
    with open(f"{directory}/log", "ab") as log:
        # run_command belongs to a module, and waits for whatever holds the output: this is not a module, and what it
        # starts stays.
        subprocess.run(  # pylint: disable=ansible-bad-function
            systemd.command(os.path.basename(directory), words, f"{directory}/log", "forking"), cwd="/",
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)


def _begin(units: dict[str, list[str]], begin: Callable[[dict[str, list[str]]], dict[str, McastError]],
           has_begun: Callable[[str, dict[str, Any]], bool], deadline: float) -> dict[str, Any]:
    """Begin with all units, and wait until their reports say what they shall. What fails on the way is removed."""
    errors = begin(units)
    reports: dict[str, Any] = {}
    begun = [name for name in units if name not in errors]
    try:
        for name, found in _reports(begun, has_begun, deadline):
            if isinstance(found, McastError):
                errors[name] = found
            else:
                reports[name] = found
    finally:
        stop([name for name in begun if name not in reports], _AT_ONCE)
    raise_all([errors[name] for name in units if name in errors])
    return reports


def _reports(names: list[str], has_begun: Callable[[str, dict[str, Any]], bool], deadline: float
             ) -> Iterator[tuple[str, dict[str, Any] | McastError]]:
    """Each unit's name once its report says what it shall, with the report, or with the reason why it never will."""
    waiting = list(names)
    limit = time.monotonic() + deadline
    while waiting:
        looked = time.monotonic()
        for name in list(waiting):
            found = _report(name, has_begun)
            if found is None and looked >= limit:
                found = McastError(name, f"did not begin within {deadline:g} s: {_said(name)}")
            if found is not None:
                waiting.remove(name)
                limit = time.monotonic() + deadline
                yield name, found
        # Of many, a look itself takes time, which they need to begin.
        time.sleep(max(_POLL, time.monotonic() - looked) if waiting else 0)


def _report(name: str, has_begun: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any] | McastError | None:
    found = _read(folder(name))
    report = found["report"] or {}
    if has_begun(name, report):
        return report
    if report.get("state") == "failed":
        return McastError(name, report["error"])
    if found["exit"] or not found["running"]:
        return McastError(name, f"ended before it began: {_said(name)}")
    return None


def _said(name: str) -> str:
    return last_words(f"{folder(name)}/log")


def raise_all(errors: list[McastError]) -> None:
    """Raise one error with a reason for each, where there are any."""
    if errors:
        raise McastError(errors[0].thing, "; ".join([errors[0].reason, *map(str, errors[1:])]))


def _without(argv: list[str], options: tuple[str, ...]) -> list[str]:
    return [word for word in argv if word.partition("=")[0] not in options]


def adapt(units: dict[str, list[str]], deadline: float = DEADLINE) -> dict[str, Any]:
    """Hand new arguments to programs that run: they get SIGHUP, and read them in unit.json. As for start(), once they
    have taken them over."""
    before = {}

    def tell(units: dict[str, list[str]]) -> dict[str, McastError]:
        for name, argv in units.items():
            directory = folder(name)
            before[name] = (_json(directory, "report.json") or {}).get("changed")
            write_json(f"{directory}/unit.json", dict(record(directory), argv=argv))
            _signal(_programs(directory), signal.SIGHUP)
        return {}

    return _begin(units, tell, lambda name, report: report.get("changed") != before[name], deadline)


def status(name: str) -> dict[str, Any] | None:
    """Returns None where there is no such unit, else ``{"argv": [...], "running": bool, "report": {...} or None,
    "exit": {"code", "signal", "time"} or None}``."""
    directory = folder(name)
    return _read(directory) if os.path.isdir(directory) else None


def stop(units: Iterable[str], deadline: float = DEADLINE) -> dict[str, Any]:
    """Stop programs (SIGTERM, and SIGKILL after `deadline` seconds) and remove all that the units had.

    Returns the last reports by name, with ``exit`` added (``{"code", "signal", "time"}``, or None where the supervisor
    was killed); None where there was no such unit, or one that never reported."""
    directories = {name: folder(name) for name in units}
    return dict(zip(directories, _stop(list(directories.values()), deadline)))


def halt(units: Iterable[str], deadline: float = DEADLINE) -> dict[str, Any]:
    """Stop programs like stop(), and leave all that the units have. Returns their last reports by name, None where
    there is none."""
    directories = {name: folder(name) for name in units}
    _end(list(directories.values()), deadline)
    return {name: _read(directory)["report"] for name, directory in directories.items()}


def kill(units: Iterable[str], deadline: float = DEADLINE) -> dict[str, Any]:
    """Kill programs (SIGKILL), which then can't leave groups or write reports themselves, and keep all that the units
    have. Returns their last reports by name, None where there is none."""
    directories = {name: folder(name) for name in units}
    for directory in directories.values():
        _signal(_programs(directory), signal.SIGKILL)
    return halt(directories, deadline)  # once the supervisors have noted how they ended


def names(inode: int, since: int = 0) -> list[str]:
    """The names of the units of a network namespace, sorted.

    inode: ``os.stat("/run/netns/NAME").st_ino``; since: only those that were started later, in clock ticks."""
    parent = f"{ROOT}/{inode}"
    try:
        found = sorted(os.listdir(parent))
    except FileNotFoundError:
        return []
    return [name for name in found if _started(os.path.join(parent, name)) >= since]


def _started(directory: str) -> int:
    """When the unit was started, in clock ticks; 0 where that was not noted."""
    return max([process[1] for process in record(directory)["processes"] if process], default=0)


def clean(inode: int, wanted: list[str] | None = None, deadline: float = 5.0) -> None:
    """Stop and remove units of a network namespace, from outside of it. wanted: their names, by default all."""
    _stop([f"{ROOT}/{inode}/{name}" for name in (names(inode) if wanted is None else wanted)], deadline)


def folder(name: str) -> str:
    """The unit's own folder, whether it is there or not. McastError for what is not a name."""
    if not _NAME.match(name):
        raise McastError(name, "is not a valid name for a program; expected 1 to 64 of A-Z, a-z, 0-9, '_', '-', '%', "
                               "'~' and '.', not beginning with '.'")
    return f"{ROOT}/{os.stat('/proc/self/ns/net').st_ino}/{name}"


def make(directory: str) -> None:
    """A folder for a unit, which must not be there yet. McastError where it is, or can't be made."""
    for _attempt in range(100):
        try:
            os.makedirs(os.path.dirname(directory), mode=0o755, exist_ok=True)
            os.mkdir(directory, 0o755)
            return
        except FileNotFoundError:
            continue  # another unit's end removed the parent in between
        except FileExistsError:
            raise McastError(os.path.basename(directory), "is being started by somebody else; try again") from None
        except OSError as error:
            raise McastError(ROOT, f"cannot be written: {reason(error)}") from None
    raise McastError(directory, "vanishes as soon as it is made; try again")


def _read(directory: str) -> dict[str, Any]:
    noted, ended = record(directory), _json(directory, "exit.json")
    # Whoever noted the end of the program lives on for a moment.
    return {"argv": noted["argv"], "running": not ended and bool(living(noted["processes"])),
            "report": _json(directory, "report.json"), "exit": ended}


def record(directory: str) -> dict[str, Any]:
    """What was noted of a unit at its start: ``{"argv", "processes", ...}``, both empty where nothing was."""
    return _json(directory, "unit.json") or {"argv": [], "processes": []}


def _json(directory: str, name: str) -> Any:
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as handle:
            return json.load(handle)
    except FileNotFoundError:
        return None


def living(processes: list[Any]) -> list[list[int]]:
    """Which of them still run. processes: of what `identity` returned when each began, or None."""
    return [process for process in processes if process and identity(process[0]) == process]


def last_words(log: str) -> str:
    """The last lines of what a program printed, as one."""
    try:
        with open(log, encoding="utf-8", errors="replace") as handle:
            lines = [line.strip() for line in handle if line.strip()]
    except FileNotFoundError:  # its folder is gone
        lines = []
    return " / ".join(lines[-_LOG_LINES:]) or "it said nothing"


def _stop(directories: list[str], deadline: float) -> list[Any]:
    """Returns the last reports."""
    _end(directories, deadline)
    return [remove(directory) for directory in directories]


def _end(directories: list[str], deadline: float) -> None:
    """End the programs of units, all at once: SIGTERM, and SIGKILL after `deadline` seconds. McastError without the
    right to."""
    for directory in directories:
        _signal(_programs(directory), signal.SIGTERM)
    begun = time.monotonic()
    waiting = directories
    while True:
        waiting = [directory for directory in waiting if not _is_over(directory)]
        if not waiting:
            return
        late = time.monotonic() - begun
        for directory in waiting if late >= deadline else ():
            # A supervisor has time to note the end, before it is killed with all that it has started.
            everything = late >= deadline + DEADLINE
            _signal(living(record(directory)["processes"]) if everything else _programs(directory), signal.SIGKILL)
        time.sleep(_POLL)


def _programs(directory: str) -> list[list[int]]:
    """The program of a unit, without its supervisor, if it runs."""
    return living(record(directory)["processes"][1:])


def _is_over(directory: str) -> bool:
    """Whether its program has ended and its exit status is written, or no process is left that would write it."""
    return os.path.exists(f"{directory}/exit.json") or not living(record(directory)["processes"])


def end(groups: list[list[Any]], deadline: float) -> None:
    """End processes, all at once: the wait is that of the slowest.

    groups: lists of identities. The first of each that lives is asked to end; after `deadline` seconds all are killed.
    McastError without the right to."""
    for group in groups:
        _signal(living(group)[:1], signal.SIGTERM)
    limit = time.monotonic() + deadline
    while any(map(living, groups)):
        if time.monotonic() >= limit:
            for group in groups:
                _signal(living(group), signal.SIGKILL)
        time.sleep(_POLL)


def _signal(processes: list[list[int]], number: int) -> None:
    for process in processes:
        try:
            os.kill(process[0], number)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise McastError(f"process {process[0]}", f"cannot be stopped: {BECOME}") from None


def remove(directory: str) -> Any:
    """Remove all that a unit has, and what nobody else needs above it. Returns its last report, or None."""
    report = _json(directory, "report.json")
    if report:
        report["exit"] = _json(directory, "exit.json")
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.isdir(directory):
        raise McastError(directory, f"cannot be removed: {BECOME}")
    for parent in (os.path.dirname(directory), ROOT):
        with contextlib.suppress(OSError):
            os.rmdir(parent)
    return report
