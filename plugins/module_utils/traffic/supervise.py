# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program on its own: in a session that outlives the task, watched by a parent that writes down how it ended."""
from __future__ import annotations

import contextlib
import ctypes
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


def supervise(directory: str, argv: list[str], run: Callable[[list[str]], int]) -> int:
    """Leave a supervisor and its program behind, in a session of their own.

    The supervisor writes DIRECTORY/unit.json (``{"argv": [...], "processes": [[pid, start time], ...]}``, itself first)
    before this returns and the program begins, and DIRECTORY/exit.json (``{"code", "signal", "time"}``) after the
    program ended, which itself keeps DIRECTORY/report.json. What either prints is in DIRECTORY/log. run: function that
    takes arguments and returns an exit status. Returns 0, or 1 where the supervisor failed."""
    recorded, recorder = os.pipe()
    if not os.fork():
        end_with(lambda: _supervise(directory, argv, run, recorder))
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


def _supervise(directory: str, argv: list[str], run: Callable[[list[str]], int], recorder: int) -> int:
    _detach(directory + "/log", keep=recorder)
    supervisor = os.getpid()
    gate, opener = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(recorder)
        os.close(opener)
        end_with(lambda: _work(supervisor, gate, argv + ["--report", directory + "/report.json"], run))
    signal.signal(signal.SIGTERM, lambda *unused: _pass_on(worker))
    write_json(directory + "/unit.json", {"argv": argv, "processes": [identity(supervisor), identity(worker)]})
    os.write(recorder, b".")
    os.close(recorder)
    os.write(opener, b".")
    status = os.waitpid(worker, 0)[1]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    write_json(directory + "/exit.json", {
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
        "time": time.time()})
    return 0


def _pass_on(worker: int) -> None:
    """Ask the program to end, which may just have ended and be reaped."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGTERM)


def _detach(log: str, keep: int) -> None:
    """Start a new session, send all output to the log, and close every inherited file descriptor except `keep`."""
    # A file object inherited from the parent must not be collected later: its descriptor number is reused here.
    gc.freeze()
    os.setsid()
    os.chdir("/")
    null, printed = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, descriptor in enumerate((null, printed, printed)):
        os.dup2(descriptor, number)
    sys.stderr = os.fdopen(2, "w", closefd=False)  # the parent may have replaced it
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            with contextlib.suppress(OSError):  # the descriptor of this very listing is closed already
                os.close(int(name))


def _work(supervisor: int, gate: int, argv: list[str], run: Callable[[list[str]], int]) -> int:
    """The program's side: it ends with its supervisor, and begins when it is on record."""
    _LIBC.prctl(_PR_SET_NAME, argv[0].encode(), 0, 0, 0)
    end_with_parent()
    # Where the supervisor died before that call, the gate stays shut and no signal comes.
    if not os.read(gate, 1) or os.getppid() != supervisor:
        return 1
    os.close(gate)
    return run(argv)
