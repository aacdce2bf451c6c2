# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time for each lab of this machine: two would build, use and remove the same namespaces.

/run/mcast/LAB.run says which process holds the lab. A run that was killed can't release it: the next one finds a
holder that has ended, and so what that one left."""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import IO, Iterator, NamedTuple

from ..error import McastError
from ..traffic.supervise import identity
from ..unit import ROOT


class Left(NamedTuple):
    """What a run left that ended without releasing its lab.

    pid: that of the run; made: whether the lab was not there before it; since: its start time in clock ticks."""

    pid: int
    made: bool
    since: int


class _Lock(NamedTuple):
    process: list[int]  # as `identity` returns it
    made: bool
    left: Left | None


def acquire(lab: str, pid: int, stands: bool) -> None:
    """Note that the process `pid` runs the lab. stands: whether the lab is there already. McastError where another
    process holds it."""
    with _opened(lab) as file:
        if not file:
            return
        before = _read(file)
        if before and _lives(before):
            if before.process[0] != pid:
                raise _held(lab, before)
            return
        _write(file, _Lock(identity(pid) or [pid, 0], not stands, _merged(before)))


def release(lab: str, pid: int) -> None:
    """Let others have the lab, if `pid` holds it."""
    with _opened(lab) as file:
        lock = _read(file) if file else None
        if file and (lock is None or lock.process == identity(pid)):
            os.unlink(_path(lab))
    with contextlib.suppress(OSError):  # units may be in it
        os.rmdir(ROOT)


def check(lab: str) -> Left | None:
    """Whether this process may change the lab: McastError where another run holds it. Returns what an earlier run
    left, None if nothing."""
    lock = _peek(lab)
    if lock is None:
        return None
    if not _lives(lock):
        return _merged(lock)
    if lock.process[0] not in _ancestors():
        raise _held(lab, lock)
    return lock.left


def holder(lab: str) -> int | None:
    """The pid of the run that holds the lab, None where there is none."""
    lock = _peek(lab)
    return lock.process[0] if lock and _lives(lock) else None


def forget(lab: str) -> None:
    """What an earlier run left is cleared."""
    with _opened(lab) as file:
        lock = _read(file) if file else None
        if file and lock and _lives(lock):
            _write(file, lock._replace(left=None))
        elif file:
            os.unlink(_path(lab))


def _merged(lock: _Lock | None) -> Left | None:
    """What a run that has ended left, with what it had found itself."""
    if lock is None:
        return None
    own = Left(lock.process[0], lock.made, lock.process[1])
    if lock.left is None:
        return own
    return Left(own.pid, own.made or lock.left.made, min(own.since, lock.left.since))


def _held(lab: str, lock: _Lock) -> McastError:
    return McastError(f"lab {lab}", f"is in use by the run of process {lock.process[0]}; wait until it ends, or give "
                                    "a copy of the topology another name")


def _lives(lock: _Lock) -> bool:
    return identity(lock.process[0]) == lock.process


def _ancestors() -> list[int]:
    """This process, its parent, and so on (proc(5), PPid of status)."""
    pids, pid = [], os.getpid()
    while pid:
        pids.append(pid)
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
                pid = next(int(line.split()[1]) for line in status if line.startswith("PPid:"))
        except (OSError, StopIteration):
            break
    return pids


@contextlib.contextmanager
def _opened(lab: str) -> Iterator[IO[str] | None]:
    """The file, locked; None for a user who may not write there, and so can't build labs either."""
    try:
        os.makedirs(ROOT, exist_ok=True)
        while True:
            with open(_path(lab), "a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_there(file):  # not removed meanwhile
                    yield file
                    return
    except PermissionError:
        yield None


def _is_there(file: IO[str]) -> bool:
    try:
        return os.stat(file.name).st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _path(lab: str) -> str:
    return f"{ROOT}/{lab}.run"


def _peek(lab: str) -> _Lock | None:
    try:
        with open(_path(lab), encoding="utf-8") as file:
            return _read(file)
    except OSError:
        return None


def _read(file: IO[str]) -> _Lock | None:
    file.seek(0)
    try:
        noted = json.load(file)
        left = noted["left"]
        return _Lock(noted["process"], noted["made"], Left(**left) if left else None)
    except (ValueError, KeyError, TypeError):
        return None  # empty, or cut off by what ended its writer


def _write(file: IO[str], lock: _Lock) -> None:
    file.truncate(0)
    json.dump(dict(lock._asdict(), left=lock.left and lock.left._asdict()), file)
    file.flush()
