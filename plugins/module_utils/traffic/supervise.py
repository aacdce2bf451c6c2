# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program on its own: in a session that outlives the task, watched by a parent that writes down how it ended."""
from __future__ import annotations

import ctypes
import os
import signal
import time

from .program import write_json

_PR_SET_PDEATHSIG = 1


def identity(pid):
    """What tells a process from a later one of the same pid: ``[pid, start time in clock ticks]`` (proc(5), field 22
    of stat). None where there is no such process, or only its zombie."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as handle:
            # The name in parentheses may hold anything, parentheses too.
            fields = handle.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else [pid, int(fields[19])]


def end_with_parent():
    """The kernel sends this process SIGTERM once its parent has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def supervise(directory, argv, run):
    """Leave a supervisor and its program behind, and return.

    It writes DIRECTORY/unit.json (``{"argv": [...], "processes": [[pid, start time], ...]}``, supervisor first) before
    it returns and the program begins, and DIRECTORY/exit.json (``{"code", "signal", "time"}``) after the program ended,
    which itself keeps DIRECTORY/report.json. run: function that takes arguments and returns an exit status. Returns
    the exit status of this process, which is one of the three."""
    recorded, recorder = os.pipe()
    if os.fork():
        os.close(recorder)
        return 0 if os.read(recorded, 1) else 1
    os.setsid()
    supervisor = os.getpid()
    gate, opener = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(recorder)
        os.close(opener)
        return _work(supervisor, gate, argv + ["--report", directory + "/report.json"], run)
    signal.signal(signal.SIGTERM, lambda *unused: os.kill(worker, signal.SIGTERM))
    write_json(directory + "/unit.json", {"argv": argv, "processes": [identity(supervisor), identity(worker)]})
    os.write(recorder, b".")
    os.write(opener, b".")
    status = os.waitpid(worker, 0)[1]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    write_json(directory + "/exit.json", {
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
        "time": time.time()})
    return 0


def _work(supervisor, gate, argv, run):
    """The program's side: it ends with its supervisor, and begins when it is on record."""
    end_with_parent()
    # Where the supervisor died before that call, the gate stays shut and no signal comes.
    if not os.read(gate, 1) or os.getppid() != supervisor:
        return 1
    os.close(gate)
    return run(argv)
