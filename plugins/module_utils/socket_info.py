# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which socket of which process is a member of what: asked of the sockets themselves, so that nothing is inferred.

The kernel lists no socket's memberships. But root may borrow any process's socket (pidfd_getfd(2)) and ask it about a
group on an interface (MCAST_MSFILTER, RFC 3678 section 5.2); which groups there can be, /proc/net/igmp and igmp6 say.
Borrowing changes nothing: the copy is only asked, and closed at once."""
from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import os
import pwd
import re
import socket
import struct
from typing import Any, Iterator, NamedTuple, Sequence

from . import group as groups
from .change import Changes, Planned
from .error import BECOME, McastError
from .kernel import memberships

# The same numbers on all architectures but alpha (arch/*/tools/syscall*.tbl).
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_SIOCGSKNS = 0x894C  # include/uapi/linux/sockios.h: a descriptor of the socket's network namespace
_MCAST_MSFILTER = 48  # include/uapi/linux/in.h
_MODES = {0: "exclude", 1: "include"}
_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_LEVELS = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
_PROTOCOLS = {1: "icmp", 17: "udp", 58: "icmp", 136: "udplite"}

# struct group_filter: interface, group, filter mode, number of sources; then a sockaddr_storage for each.
_HEAD = struct.Struct("@I0L128sII")
_SOURCE = 128
_ROOM = 16  # sources; a filter that holds more says so
# Not a member; the interface went meanwhile; an IPv6 raw socket asked about IPv4.
_NO_MEMBER = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENOPROTOOPT)
_GONE = (errno.ESRCH, errno.EBADF, errno.EINVAL)

_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")
_libc = ctypes.CDLL(None, use_errno=True)


class _Borrowed(NamedTuple):
    """A socket of a process. copy: a descriptor to ask it by; None where another process with it was asked."""
    inode: int
    descriptor: int  # the lowest
    copy: socket.socket | None


class Answer(NamedTuple):
    """The source filter of one socket. sources: those that had room, sorted; total: how many there are."""
    filter_mode: str
    sources: list[str]
    total: int


def sockets(group: str | None = None) -> list[dict[str, Any]]:
    """Every UDP and raw socket of this network namespace, by process; with `group`, those that are members of it.

    Returns ``[{"pid", "process", "uid", "user", "descriptor", "inode", "protocol", "ip_protocol", "family", "address",
    "port", "memberships": [{"interface", "index", "group", "filter_mode", "sources"}]}]``, a row for each process that
    holds the socket. Processes and sockets that end meanwhile are left out. McastError where the kernel refuses."""
    if os.geteuid() != 0:
        raise McastError("sockets of other processes", f"only root may see them; {BECOME}")
    wanted = None if group is None else str(groups.parse(group))
    namespace = os.stat("/proc/thread-self/ns/net").st_ino
    candidates = [row for row in _candidates() if wanted in (None, row["group"])]
    asked: dict[int, dict[str, Any] | None] = {}
    found: list[dict[str, Any]] = []
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        if pid == os.getpid():
            continue
        for inode, descriptor, sock in _borrowed(pid, asked):
            if sock is not None:
                asked[inode] = _ask(sock, namespace, candidates)
            told = asked[inode]
            if told and (wanted is None or told["memberships"]):
                found.append(dict(told, pid=pid, process=_name(pid), descriptor=descriptor, inode=inode))
    return found


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `socket_info`. Returns (no changes, function for the result)."""
    return Changes(), lambda: {"sockets": sockets(params["group"])}


def _candidates() -> list[dict[str, Any]]:
    """What any socket here can be a member of: the memberships of all interfaces."""
    texts = []
    for name in ("igmp", "igmp6"):
        try:
            with open(f"/proc/thread-self/net/{name}", encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        except FileNotFoundError:  # a kernel without this family
            texts.append("")
    return memberships.igmp(texts[0])[1] + memberships.igmp6(texts[1])


def _borrowed(pid: int, asked: dict[int, dict[str, Any] | None]) -> Iterator[_Borrowed]:
    """Yields each socket of a process, without a copy where `asked` has its answer already. Known to be no socket of
    ours: not yielded."""
    try:
        held = _held(pid)
        pidfd = _system_call(pid, _PIDFD_OPEN, pid, 0) if held else None
    except (FileNotFoundError, ProcessLookupError):
        return
    if pidfd is None:
        return
    try:
        for inode, descriptor in held.items():
            if inode in asked:
                if asked[inode]:
                    yield _Borrowed(inode, descriptor, None)
                continue
            try:
                copy = _system_call(pid, _PIDFD_GETFD, pidfd, descriptor, 0)
            except ProcessLookupError:
                continue
            # The number may be another file's by now, which Python takes for no socket.
            if os.fstat(copy).st_ino != inode:
                os.close(copy)
                continue
            with socket.socket(fileno=copy) as sock:
                yield _Borrowed(inode, descriptor, sock)
    finally:
        os.close(pidfd)


def _held(pid: int) -> dict[int, int]:
    """Returns ``{inode: lowest descriptor}`` of the sockets of a process."""
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = sorted(map(int, os.listdir(folder)))
    except PermissionError as error:
        raise _refused(pid, error) from None
    held: dict[int, int] = {}
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            match = _SOCKET.match(os.readlink(f"{folder}/{descriptor}"))
            if match:
                held.setdefault(int(match.group(1)), descriptor)
    return held


def _system_call(pid: int, number: int, *args: int) -> int:
    result: int = _libc.syscall(number, *args)
    if result >= 0:
        return result
    error = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if error.errno in _GONE:
        raise ProcessLookupError(error.errno, error.strerror)
    if error.errno == errno.ENOSYS:
        raise McastError(f"kernel {os.uname().release}", "hands out no sockets of processes; that takes Linux 5.6 or "
                         "newer. mcast.lab.host_facts tells memberships by interface on any kernel")
    raise _refused(pid, error)


def _refused(pid: int, error: OSError) -> McastError:
    return McastError(f"process {pid} ({_name(pid)})", f"doesn't let its sockets be asked ({error.strerror}): root "
                      "needs CAP_SYS_PTRACE, and kernel.yama.ptrace_scope must not be 3")


def _ask(sock: socket.socket, namespace: int, candidates: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What a socket is and has joined, or None for one of another kind or of another network namespace."""
    if sock.family not in _FAMILIES or sock.type not in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        return None
    home = fcntl.ioctl(sock.fileno(), _SIOCGSKNS)
    try:
        if os.fstat(home).st_ino != namespace:
            return None
    finally:
        os.close(home)
    raw, uid = sock.type == socket.SOCK_RAW, os.fstat(sock.fileno()).st_uid
    address, port = sock.getsockname()[:2]
    return {
        "uid": uid, "user": _user(uid), "protocol": "raw" if raw else _PROTOCOLS.get(sock.proto, str(sock.proto)),
        "ip_protocol": sock.proto, "family": _FAMILIES[sock.family], "address": address, "port": None if raw else port,
        "memberships": list(_memberships(sock, candidates))}


def _memberships(sock: socket.socket, candidates: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in candidates:
        address = groups.parse(row["group"])
        # An IPv6 socket can be a member of IPv4 groups, not the other way round.
        if address.version == 4 or sock.family == socket.AF_INET6:
            found = _filter(sock.fileno(), row["index"], address)
            if found:
                yield {"interface": row["interface"], "index": row["index"], "group": row["group"],
                       "filter_mode": found.filter_mode, "sources": found.sources}


def _filter(descriptor: int, index: int, group: groups.Address) -> Answer | None:
    """The source filter of one socket with all its sources, or None where it is no member."""
    room = _ROOM
    while True:
        data = question(index, group, room)
        size = ctypes.c_uint32(len(data))
        buffer = (ctypes.c_char * len(data)).from_buffer(data)
        if _libc.getsockopt(descriptor, _LEVELS[group.version], _MCAST_MSFILTER, buffer, ctypes.byref(size)) != 0:
            number = ctypes.get_errno()
            if number in _NO_MEMBER:
                return None
            raise OSError(number, os.strerror(number))
        found = answer(data, group.version)
        if found.total <= room:
            return found
        room = found.total


def question(index: int, group: groups.Address, room: int) -> bytearray:
    """struct group_filter as bytes, with room for so many sources."""
    if group.version == 4:
        address = struct.pack("=HH4s", socket.AF_INET, 0, group.packed)
    else:
        address = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, group.packed, 0)
    return bytearray(_HEAD.pack(index, address, 0, room) + bytes(room * _SOURCE))


def answer(data: bytes | bytearray, version: int) -> Answer:
    """What the kernel made of the bytes."""
    mode, count = _HEAD.unpack_from(data)[2:]
    sources = []
    for start in range(_HEAD.size, min(len(data), _HEAD.size + count * _SOURCE), _SOURCE):
        begin, size = (start + 4, 4) if version == 4 else (start + 8, 16)
        sources.append(ipaddress.ip_address(bytes(data[begin:begin + size])))
    return Answer(_MODES[mode], [str(source) for source in sorted(sources, key=int)], count)


def _name(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return None


def _user(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
