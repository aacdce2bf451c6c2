# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs on their own: in a session that outlives the task, watched by a parent that writes down how they ended."""
from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import signal
import sys
import time
import traceback
from typing import Callable, NoReturn

from .program import write_json

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h


def identity(pid: int) -> list[int] | None:
    """What tells a process from a later one of the same pid: ``[pid, start time in clock ticks]`` (proc(5), field 22
    of stat). None where there is no such process, or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            # The name in parentheses may hold anything, parentheses too.
            fields = handle.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else [pid, int(fields[19])]


def end_with_parent() -> None:
    """The kernel sends this process SIGTERM once its parent has ended."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def supervise(units: dict[str, list[str]], run: Callable[[list[str]], int]) -> int:
    """Leave a supervisor and its programs behind, in a session of their own.

    units: ``{directory: argv}``. Before this returns and a program begins, the supervisor writes DIRECTORY/unit.json
    (``{"argv": [...], "processes": [[pid, start time], ...]}``, itself first), and after it has ended
    DIRECTORY/exit.json (``{"code", "signal", "time"}``). The program itself keeps DIRECTORY/report.json, and what it
    prints is in DIRECTORY/log, of the first also what the supervisor prints. run: function that takes arguments and
    returns an exit status. Returns 0, or 1 where the supervisor failed."""
    recorded, recorder = os.pipe()
    if not os.fork():
        end_with(lambda: _supervise(units, run, recorder))
    os.close(recorder)
    with open(recorded, "rb", buffering=0) as on_record:
        return 0 if on_record.read(1) else 1


def end_with(work: Callable[[], int]) -> NoReturn:
    """End this process, a fork, with the status that the work returns, and without what its parent does at its end."""
    status = 1
    try:
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _supervise(units: dict[str, list[str]], run: Callable[[list[str]], int], recorder: int) -> int:
    _detach(f"{next(iter(units))}/log", keep=recorder)
    supervisor = os.getpid()
    gate, opener = os.pipe()
    workers: dict[int, str] = {}
    for directory, argv in units.items():
        worker = os.fork()
        if not worker:
            os.close(recorder)
            os.close(opener)
            end_with(functools.partial(_work, supervisor, gate, directory, argv, run))
        workers[worker] = directory
    signal.signal(signal.SIGTERM, lambda *unused: _pass_on(list(workers)))
    for worker, directory in workers.items():
        write_json(f"{directory}/unit.json", {
            "argv": units[directory], "processes": [identity(supervisor), identity(worker)]})
    os.write(recorder, b".")
    os.close(recorder)
    os.close(opener)
    while workers:
        worker, status = os.wait()
        _note(workers.pop(worker), status)
    return 0


def _note(directory: str, status: int) -> None:
    """Write down how a program ended."""
    write_json(f"{directory}/exit.json", {
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
        "time": time.time()})


def _pass_on(workers: list[int]) -> None:
    """Ask programs to end, of which some may just have ended and been reaped."""
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGTERM)


def _detach(log: str, keep: int) -> None:
    """Start a new session, send all output to the log, and close every inherited file descriptor except `keep`."""
    # A file object inherited from the parent must not be collected later: its descriptor number is reused here.
    gc.freeze()
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    _print_to(log)
    sys.stderr = os.fdopen(2, "w", closefd=False)  # the parent may have replaced it
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            with contextlib.suppress(OSError):  # the descriptor of this very listing is closed already
                os.close(int(name))


def _print_to(log: str) -> None:
    """Send all output to the end of a file."""
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    os.close(printed)


def _work(supervisor: int, gate: int, directory: str, argv: list[str], run: Callable[[list[str]], int]) -> int:
    """The program's side: it ends with its supervisor, and begins when all are on record."""
    _LIBC.prctl(_PR_SET_NAME, argv[0].encode(), 0, 0, 0)
    end_with_parent()
    _print_to(f"{directory}/log")
    # The gate opens when its other end is closed, also where the supervisor died before that call, so that no signal
    # comes.
    os.read(gate, 1)
    if os.getppid() != supervisor:
        return 1
    os.close(gate)
    return run(argv + ["--report", f"{directory}/report.json"])
