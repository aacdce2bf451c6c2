# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Named network namespaces, as iproute2 keeps them: a bind mount of the namespace at /run/netns/NAME.

Python has unshare and setns only since 3.12, and mount never: the C library is asked directly."""
from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from typing import Any, Callable, Collection, Iterator

FOLDER = "/run/netns"

_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x20000
_MS_RDONLY, _MS_BIND, _MS_REC, _MS_SLAVE, _MS_SHARED = 0x1, 0x1000, 0x4000, 0x80000, 0x100000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: bytes | int | None, **about: str) -> None:
    if getattr(_libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about.get("path"))


def path(name: str) -> str:
    """Where the namespace `name` is mounted."""
    return os.path.join(FOLDER, name)


def names() -> list[str]:
    """The names of all named namespaces of this machine, sorted."""
    try:
        return sorted(os.listdir(FOLDER))
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Run the calling thread in the namespace of an open descriptor, and come back. Sockets made meanwhile stay
    in it; so do reads of /proc/sys/net and /proc/thread-self/net."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", descriptor, _CLONE_NEWNET)
        yield
    finally:
        _call("setns", home, _CLONE_NEWNET)
        os.close(home)


def enter(name: str, mounts: bool = True) -> None:
    """Put the calling thread in the namespace `name`, with all that it will start. mounts: as `ip netns exec` does it,
    /sys shows the interfaces of the namespace, and the files in /etc/netns/NAME stand in place of those in /etc. That
    takes a mount namespace, whose cost grows with the mounts of the machine, of which each named namespace is one.

    There is no way back: for a thread that ends then. OSError where there is no such namespace, or no right to enter.
    Source: iproute2, lib/namespace.c."""
    descriptor = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", descriptor, _CLONE_NEWNET)
    finally:
        os.close(descriptor)
    if mounts:
        _call("unshare", _CLONE_NEWNS)
        _call("mount", b"", b"/", b"none", _MS_SLAVE | _MS_REC, None, path="/")  # what comes is not seen by others
        _mount_sys(name)
        _cover_etc(os.path.join("/etc/netns", name))


def _mount_sys(name: str) -> None:
    # Where /sys may not be unmounted (a container), it is covered: a read-only one by a read-only one alone.
    covered = _libc.umount2(b"/sys", _MNT_DETACH) != 0 and os.statvfs("/sys").f_flag & os.ST_RDONLY
    _call("mount", name.encode(), b"/sys", b"sysfs", _MS_RDONLY if covered else 0, None, path="/sys")


def _cover_etc(folder: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(folder):
            target = os.path.join("/etc", entry)
            if os.path.lexists(target):
                _call("mount", os.path.join(folder, entry).encode(), target.encode(), b"none", _MS_BIND, None,
                      path=target)


def create(name: str, prepare: Callable[[], Any]) -> int:
    """Make the namespace `name`. `prepare` is called in it while it has no name yet: if that raises, nothing is left.

    Returns an open descriptor of it. FileExistsError if the name is taken."""
    _share_folder()
    target = path(name)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", _CLONE_NEWNET)
        try:
            prepare()
            _mount(target)
        finally:
            _call("setns", home, _CLONE_NEWNET)
    finally:
        os.close(home)
    return os.open(target, os.O_RDONLY | os.O_CLOEXEC)


def _mount(target: str) -> None:
    os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        _call("mount", b"/proc/thread-self/ns/net", target.encode(), b"none", _MS_BIND, None, path=target)
    except OSError:
        os.unlink(target)
        raise


def _share_folder() -> None:
    """iproute2 makes the folder a shared mount, so that other mount namespaces see what comes and goes in it."""
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    where = FOLDER.encode()
    if _libc.mount(b"", where, b"none", _MS_SHARED | _MS_REC, None) == 0:
        return
    _call("mount", where, where, b"none", _MS_BIND | _MS_REC, None, path=FOLDER)
    _call("mount", b"", where, b"none", _MS_SHARED | _MS_REC, None, path=FOLDER)


def delete(name: str) -> None:
    """Unmount and unlink the namespace `name`; the kernel frees it once no process and no socket is left in it."""
    target = path(name)
    _libc.umount2(target.encode(), _MNT_DETACH)
    os.unlink(target)


def processes(inodes: Collection[int]) -> dict[int, int]:
    """The processes whose network namespace is one of `inodes` (st_ino of an open namespace).

    Returns ``{pid: inode}`` without the calling process; processes that end meanwhile are left out."""
    wanted = {f"net:[{inode}]": inode for inode in inodes}
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            inode = wanted.get(os.readlink(f"/proc/{entry}/ns/net"))
        except OSError:
            continue
        if inode is not None:
            found[int(entry)] = inode
    return found


def end_processes(inodes: Collection[int], deadline: float = 3.0) -> None:
    """End whatever still runs in the namespaces: SIGTERM, then SIGKILL once `deadline` seconds have passed."""
    until = time.monotonic() + deadline
    told: set[int] = set()
    number = signal.SIGTERM
    while True:
        left = processes(inodes)
        for pid in left:
            if pid not in told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        if not left:
            return
        told.update(left)
        if time.monotonic() > until:
            if number == signal.SIGKILL:
                raise OSError(16, f"processes {sorted(left)} do not end")
            told, number, until = set(), signal.SIGKILL, time.monotonic() + deadline
        time.sleep(0.005)
