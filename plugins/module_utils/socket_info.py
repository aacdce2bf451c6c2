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
from typing import Any

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


def sockets(group=None):
    """Every UDP and raw socket of this network namespace, by process; with `group`, those that are members of it.

    Returns ``[{"pid", "process", "uid", "user", "descriptor", "inode", "protocol", "ip_protocol", "family", "address",
    "port", "memberships": [{"interface", "index", "group", "filter_mode", "sources"}]}]``, a row for each process that
    holds the socket. Processes and sockets that end meanwhile are left out. McastError where the kernel refuses."""
    if os.geteuid() != 0:
        raise McastError("sockets of other processes", f"only root may see them; {BECOME}")
    wanted = None if group is None else str(groups.parse(group))
    namespace = os.stat("/proc/thread-self/ns/net").st_ino
    candidates = [row for row in _candidates() if wanted in (None, row["group"])]
    asked, found = {}, []
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        if pid == os.getpid():
            continue
        for inode, descriptor, sock in _borrowed(pid, asked):
            if inode not in asked:
                asked[inode] = _ask(sock, namespace, candidates)
            if asked[inode] and (wanted is None or asked[inode]["memberships"]):
                found.append(dict(asked[inode], pid=pid, process=_name(pid), descriptor=descriptor, inode=inode))
    return found


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `socket_info`. Returns (no changes, function for the result)."""
    return Changes(), lambda: {"sockets": sockets(params["group"])}


def _candidates():
    """What any socket here can be a member of: the memberships of all interfaces."""
    texts = []
    for name in ("igmp", "igmp6"):
        try:
            with open("/proc/thread-self/net/" + name, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        except FileNotFoundError:  # a kernel without this family
            texts.append("")
    return memberships.igmp(texts[0])[1] + memberships.igmp6(texts[1])


def _borrowed(pid, asked):
    """Yields (inode, lowest descriptor, copy of the socket) of each socket of a process; None in place of the copy
    where `asked` has its answer already. Known to be no socket of ours: not yielded."""
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
                    yield inode, descriptor, None
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
                yield inode, descriptor, sock
    finally:
        os.close(pidfd)


def _held(pid):
    """Returns ``{inode: lowest descriptor}`` of the sockets of a process."""
    folder = "/proc/%d/fd" % pid
    try:
        descriptors = sorted(map(int, os.listdir(folder)))
    except PermissionError as error:
        raise _refused(pid, error) from None
    held = {}
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            match = _SOCKET.match(os.readlink("%s/%d" % (folder, descriptor)))
            if match:
                held.setdefault(int(match.group(1)), descriptor)
    return held


def _system_call(pid, number, *args):
    result = _libc.syscall(number, *args)
    if result >= 0:
        return result
    error = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if error.errno in _GONE:
        raise ProcessLookupError(error.errno, error.strerror)
    if error.errno == errno.ENOSYS:
        raise McastError("kernel %s" % os.uname().release, "hands out no sockets of processes; that takes Linux 5.6 or "
                         "newer. mcast.lab.host_facts tells memberships by interface on any kernel")
    raise _refused(pid, error)


def _refused(pid, error):
    return McastError("process %d (%s)" % (pid, _name(pid)), "doesn't let its sockets be asked (%s): root needs "
                      "CAP_SYS_PTRACE, and kernel.yama.ptrace_scope must not be 3" % error.strerror)


def _ask(sock, namespace, candidates):
    """What is told of a socket, or None for one of another kind or of another network namespace."""
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


def _memberships(sock, candidates):
    for row in candidates:
        address = groups.parse(row["group"])
        # An IPv6 socket can be a member of IPv4 groups, not the other way round.
        if address.version == 4 or sock.family == socket.AF_INET6:
            found = _filter(sock.fileno(), row["index"], address)
            if found:
                yield {"interface": row["interface"], "index": row["index"], "group": row["group"],
                       "filter_mode": found[0], "sources": found[1]}


def _filter(descriptor, index, group):
    """The filter mode and the sorted sources of one socket, or None where it is no member."""
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
        mode, sources, count = answer(data, group.version)
        if count <= room:
            return mode, sources
        room = count


def question(index, group, room):
    """struct group_filter as bytes, with room for so many sources."""
    if group.version == 4:
        address = struct.pack("=HH4s", socket.AF_INET, 0, group.packed)
    else:
        address = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, group.packed, 0)
    return bytearray(_HEAD.pack(index, address, 0, room) + bytes(room * _SOURCE))


def answer(data, version):
    """What the kernel made of the bytes: (filter mode, the sources that had room, sorted; how many there are)."""
    mode, count = _HEAD.unpack_from(data)[2:]
    sources = []
    for start in range(_HEAD.size, min(len(data), _HEAD.size + count * _SOURCE), _SOURCE):
        begin, size = (start + 4, 4) if version == 4 else (start + 8, 16)
        sources.append(ipaddress.ip_address(bytes(data[begin:begin + size])))
    return _MODES[mode], [str(source) for source in sorted(sources)], count


def _name(pid):
    try:
        with open("/proc/%d/comm" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return None


def _user(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
