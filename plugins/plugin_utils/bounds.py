# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host that is asked may take, in time and in bytes; and how a question that takes more is ended."""
from __future__ import annotations

import concurrent.futures
import contextvars
import os
import signal
import threading
import time
from typing import Callable, TypeVar

from ansible.errors import AnsibleConnectionFailure

from ..module_utils.error import McastError

# What a host may print: a thousand times what a busy host does.
MOST_OUTPUT = 64 << 20
# Seconds that one command on a host may take, where it is not known to take longer.
PATIENCE = 30.0
_LOOK = 0.1  # seconds between two looks at what a question takes

_Answer = TypeVar("_Answer")


def bounded(host: str, ask: Callable[[], _Answer], expected: int = 0, longer: float = 0.0) -> _Answer:
    """Ask a host over a connection plugin, which knows no bounds itself. ask: does it; returns the answer. expected:
    bytes that the host is known to print, for which there is a second more for each megabyte; longer: seconds more.

    AnsibleConnectionFailure where the host takes longer than PATIENCE, McastError where it prints more than
    MOST_OUTPUT; the processes of the connection are ended then. For a process that asks one host at a time."""
    seconds, most = PATIENCE + longer + expected / 1e6, MOST_OUTPUT + expected
    answer: concurrent.futures.Future[_Answer] = concurrent.futures.Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # of whatever kind, it is the caller's
            answer.set_exception(error)

    # Ansible keeps the task that is run in a context, which a thread does not have by itself.
    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
    until, before = time.monotonic() + seconds, _resident()
    while not concurrent.futures.wait([answer], timeout=_LOOK).done:
        if _resident() - before > 4 * most:  # as bytes, as text, and while these are taken apart
            end_children()
            raise McastError(host, f"prints more than {most >> 20} MB; look at what its shell or its login prints")
        if time.monotonic() >= until:
            end_children()
            raise AnsibleConnectionFailure(f"{host} did not answer within {seconds:.0f} s; it is frozen, or the way to "
                                           "it is")
    return answer.result()


def _resident() -> int:
    """Bytes of memory that this process holds (proc(5), statm)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def end_children() -> None:
    """Kill the processes that this one has started and not waited for: those of connections that hang."""
    try:
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
                for pid in file.read().split():
                    os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass  # no such file in this kernel, or the process has ended meanwhile
