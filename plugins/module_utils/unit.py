# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a program on this host under a name: started, found again, and stopped with its report.

A unit lives in /run/mcast/INODE/NAME/, where INODE is that of its network namespace, so that hosts which share a
machine never meet: mcast.pyz (the programs), log, unit.json, report.json and exit.json (see traffic/supervise.py), and
what the program itself leaves there. Where systemd runs the host, it is a service too (see `systemd`)."""
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

from . import systemd
from .change import Changes
from .error import BECOME, McastError, reason
from .traffic import cli, zipapp
from .traffic.program import write_json
from .traffic.supervise import identity

ROOT = "/run/mcast"
_POLL = 0.01
# With what urllib.parse.quote makes of any name of an interface.
_NAME = re.compile(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]{0,63}\Z")
_LOG_LINES = 5
_BEGUN = ("joined", "sending", "capturing", "querying", "ended")


def plan(name, argv, program, deadline=5.0, keep=False, adapts=()):
    """What has to change so that the unit runs with these arguments, or is gone.

    argv: ``["receiver", "--group", ...]``, checked here; None: gone, or with `keep` ended, with all that it left.
    program: "receiver", "sender", "capture" or "querier"; a name that another one bears is refused. A unit that runs
    with the same arguments stays as it is; one that has ended, or runs with others, is started anew. adapts: options
    that the program takes over while it runs, such as ``("--source",)``, where no others have changed. Returns
    (Changes, function that returns ``{"report": {...} or None}``)."""
    if argv is not None:
        cli.build(argv)
    have = status(name)
    if have and have["argv"][:1] not in ([], [program]):
        raise McastError(name, "is the name of a %s on this host; the %s needs another" % (have["argv"][0], program))
    result = {"report": have and have["report"]}
    changes = Changes()
    before = have and {"arguments": have["argv"], "running": have["running"]}
    after = {"arguments": argv, "running": True}
    if argv is None and have and keep:
        changes.compare((name,), before, dict(before, running=False), lambda unused: result.update(
            report=halt(name, deadline)))
    elif argv is None and have:
        changes.add((name,), before, None, lambda: result.update(report=stop(name, deadline)))
    elif argv is not None and before != after:
        begin = adapt if have and have["running"] and _without(have["argv"], adapts) == _without(
            argv, adapts) else start
        changes.add((name,), before, after, lambda: result.update(report=begin(name, argv, deadline)))
    return changes, lambda: result


def start(name, argv, deadline=5.0):
    """Start a program, in place of one that the name had before, and wait until it has begun its work.

    deadline: seconds to wait. Returns the report. McastError with the program's own words where it fails or takes
    longer; then nothing of it is left."""
    stop(name, deadline)
    directory = folder(name)
    make(directory)
    with _cleared_on_error(name):
        zipapp.build(directory + "/mcast.pyz")
        supervise = [sys.executable, "-IS", directory + "/mcast.pyz", "supervise", directory] + argv
        if systemd.used():
            supervise = systemd.command(name, supervise, directory + "/log", "forking")
        with open(directory + "/log", "ab") as log:
            # run_command belongs to a module, and waits for whatever holds the output: this is no module, and what it
            # starts stays.
            subprocess.run(  # pylint: disable=ansible-bad-function
                supervise, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        return _await(name, deadline, lambda report: report.get("state") in _BEGUN)


def _await(name, deadline, begun):
    """Wait until the report says what it shall. Returns it."""
    directory = folder(name)
    end = time.monotonic() + deadline
    while True:
        found = _read(directory)
        report = found["report"] or {}
        if begun(report):
            return report
        if report.get("state") == "failed":
            raise McastError(name, report["error"])
        if found["exit"] or not found["running"]:
            raise McastError(name, "ended before it began: %s" % last_words(directory + "/log"))
        if time.monotonic() >= end:
            raise McastError(name, "did not begin within %g s: %s" % (deadline, last_words(directory + "/log")))
        time.sleep(_POLL)


def _without(argv, options):
    return [word for word in argv if word.partition("=")[0] not in options]


def adapt(name, argv, deadline=5.0):
    """Hand new arguments to a program that runs: it gets SIGHUP, and reads them in unit.json. Returns its report once
    it has taken them over. McastError as for start()."""
    directory = folder(name)
    with _cleared_on_error(name):
        before = (_json(directory, "report.json") or {}).get("changed")
        noted = dict(record(directory), argv=argv)
        write_json(directory + "/unit.json", noted)
        _signal(living(noted["processes"])[1:], signal.SIGHUP)
        return _await(name, deadline, lambda report: report.get("changed") != before)


def status(name):
    """Returns None where there is no such unit, else ``{"argv": [...], "running": bool, "report": {...} or None,
    "exit": {"code", "signal", "time"} or None}``."""
    directory = folder(name)
    return _read(directory) if os.path.isdir(directory) else None


def stop(name, deadline=5.0):
    """Stop the program (SIGTERM, and SIGKILL after `deadline` seconds) and remove all that the unit had.

    Returns its last report with ``exit`` added (``{"code", "signal", "time"}``, or None where the supervisor was
    killed); None where there was no such unit, or one that never reported."""
    directory = folder(name)
    return _stop([directory], deadline)[0] if os.path.isdir(directory) else None


def halt(name, deadline=5.0):
    """Stop the program like stop(), and leave all that the unit has. Returns its last report, None where there is
    none."""
    directory = folder(name)
    _end([directory], deadline)
    return _read(directory)["report"]


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


def folder(name):
    """The unit's own folder, whether it is there or not. McastError for what is no name."""
    if not _NAME.match(name):
        raise McastError(name, "is not a valid name for a program; expected 1 to 64 of A-Z, a-z, 0-9, '_', '-', '%', "
                               "'~' and '.', not beginning with '.'")
    return "%s/%d/%s" % (ROOT, os.stat("/proc/self/ns/net").st_ino, name)


def make(directory):
    """A folder for a unit, which must not be there yet. McastError where it is, or can't be made."""
    for _attempt in range(100):
        try:
            os.makedirs(os.path.dirname(directory), mode=0o755, exist_ok=True)
            return os.mkdir(directory, 0o755)
        except FileNotFoundError:
            continue  # another unit's end removed the parent in between
        except FileExistsError:
            raise McastError(os.path.basename(directory), "is being started by somebody else; try again") from None
        except OSError as error:
            raise McastError(ROOT, f"cannot be written: {reason(error)}") from None
    raise McastError(directory, "vanishes as soon as it is made; try again")


@contextlib.contextmanager
def _cleared_on_error(name):
    try:
        yield
    except BaseException:
        stop(name, 0.5)
        raise


def _read(directory):
    noted, ended = record(directory), _json(directory, "exit.json")
    # Whoever noted the end of the program lives on for a moment.
    return {"argv": noted["argv"], "running": not ended and bool(living(noted["processes"])),
            "report": _json(directory, "report.json"), "exit": ended}


def record(directory):
    """What was noted of a unit at its start: ``{"argv", "processes", ...}``, both empty where nothing was."""
    return _json(directory, "unit.json") or {"argv": [], "processes": []}


def _json(directory, name):
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as handle:
            return json.load(handle)
    except FileNotFoundError:
        return None


def living(processes):
    """Which of them still run. processes: of what `identity` returned when each began, or None."""
    return [process for process in processes if process and identity(process[0]) == process]


def last_words(log):
    """The last lines of what a program printed, as one."""
    try:
        with open(log, encoding="utf-8", errors="replace") as handle:
            lines = [line.strip() for line in handle if line.strip()]
    except FileNotFoundError:  # its folder is gone
        lines = []
    return " / ".join(lines[-_LOG_LINES:]) or "it said nothing"


def _stop(directories, deadline):
    """Returns the last reports."""
    _end(directories, deadline)
    return [remove(directory) for directory in directories]


def _end(directories, deadline):
    end([record(directory)["processes"] for directory in directories], deadline)


def end(groups, deadline):
    """End processes, all at once: the wait is that of the slowest.

    groups: lists of identities. The first of each that lives is asked to end (a supervisor passes it on, and then still
    notes how the program ended); after `deadline` seconds all are killed. McastError without the right to."""
    for group in groups:
        _signal(living(group)[:1], signal.SIGTERM)
    limit = time.monotonic() + deadline
    while any(map(living, groups)):
        if time.monotonic() >= limit:
            for group in groups:
                _signal(living(group), signal.SIGKILL)
        time.sleep(_POLL)


def _signal(processes, number):
    for process in processes:
        try:
            os.kill(process[0], number)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise McastError("process %d" % process[0], "cannot be stopped: " + BECOME) from None


def remove(directory):
    """Remove all that a unit has, and what nobody else needs above it. Returns its last report, or None."""
    report = _json(directory, "report.json")
    if report:
        report["exit"] = _json(directory, "exit.json")
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.isdir(directory):
        raise McastError(directory, "cannot be removed: " + BECOME)
    for parent in (os.path.dirname(directory), ROOT):
        with contextlib.suppress(OSError):
            os.rmdir(parent)
    return report
