# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multicast sockets of Linux: interfaces, memberships, and the options that Python has no names for."""
from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
from typing import Iterable, Iterator, NamedTuple, Sequence

from ..error import McastError
from ..group import Address

# include/uapi/linux/in.h and in6.h
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_IP_RECVTTL = 12
_IP_PKTINFO = 8
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
_MCAST_JOIN_GROUP = 42
_MCAST_BLOCK_SOURCE = 43
_MCAST_JOIN_SOURCE_GROUP = 46
_MCAST_MSFILTER = 48
_MODES = {"exclude": 0, "include": 1}
# include/uapi/asm-generic/socket.h
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 16 << 20

# struct group_req and group_source_req: sockaddr_storage is aligned like a long.
_GROUP_REQ = struct.Struct("@I0L128s")
_GROUP_SOURCE_REQ = struct.Struct("@I0L128s128s")
# struct group_filter: interface, group, filter mode, number of sources; then a sockaddr_storage for each.
_GROUP_FILTER = struct.Struct("@I0L128sII")
_STORAGE = struct.Struct("128s")

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_LEVELS = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}


class Interface(NamedTuple):
    """address: the one by which it was found, as text; None where a name was given."""

    name: str
    ifindex: int
    address: str | None


def find_interface(wanted: str) -> Interface:
    """wanted: an interface's name, or one of its addresses. McastError if there is none."""
    with contextlib.suppress(OSError):
        return Interface(wanted, socket.if_nametoindex(wanted), None)
    try:
        address = ipaddress.ip_address(wanted.split("%")[0])
    except ValueError:
        raise McastError(wanted, f"is not an interface here, nor the address of one; there are {_names()}") from None
    found = sorted({index for index, one in _addresses() if one == address})
    if len(found) == 1:
        return Interface(socket.if_indextoname(found[0]), found[0], str(address))
    if found:
        raise McastError(wanted, "is an address of several interfaces; give the name of the one that is meant")
    raise McastError(wanted, f"is the address of no interface here; there are {_names()}")


def _names() -> str:
    return ", ".join(name for unused, name in socket.if_nameindex()) or "none"


def _addresses() -> Iterator[tuple[int, Address]]:
    """Yields (index, address object) of every address of this host: a netlink dump (rtnetlink(7), RTM_GETADDR)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("=IHHII8x", 24, 22, 0x301, 1, 0))
        while True:
            data = netlink.recv(1 << 17)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                if kind != 20:  # RTM_NEWADDR; anything else is the dump's end
                    return
                index = struct.unpack_from("=I", data, 20)[0]
                attributes = _attributes(data[24:size])
                yield index, ipaddress.ip_address(attributes.get(2) or attributes[1])  # IFA_LOCAL, IFA_ADDRESS
                data = data[size + 3 & ~3:]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:size]
        data = data[size + 3 & ~3:]
    return found


def _sockaddr(address: Address) -> bytes:
    """An ipaddress object as struct sockaddr_in or sockaddr_in6, without port."""
    if address.version == 4:
        return struct.pack("=HH4s", socket.AF_INET, 0, address.packed)
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, address.packed, 0)


def open_receiver(group: Address, port: int, index: int, filter_mode: str, sources: Iterable[Address]) -> socket.socket:
    """A non-blocking UDP socket on the wildcard address that is a member of one group on one interface.

    group, sources: ipaddress objects; filter_mode: "include" (only these sources) or "exclude" (all but these).
    It gets nothing of what other sockets joined, and tells destination, interface and TTL of each datagram.
    Raises McastError where the kernel refuses."""
    sock = socket.socket(_FAMILIES[group.version], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _enlarge(sock)
        if group.version == 4:
            for option, value in ((_IP_MULTICAST_ALL, 0), (_IP_PKTINFO, 1), (_IP_RECVTTL, 1)):
                sock.setsockopt(socket.IPPROTO_IP, option, value)
        else:
            for option, value in ((socket.IPV6_V6ONLY, 1), (_IPV6_MULTICAST_ALL, 0), (socket.IPV6_RECVPKTINFO, 1),
                                  (socket.IPV6_RECVHOPLIMIT, 1)):
                sock.setsockopt(socket.IPPROTO_IPV6, option, value)
        sock.bind(("", port))
        _join(sock, group, index, filter_mode, sources)
    except OSError as error:
        sock.close()
        raise McastError(str(group), _why_not_joined(error, port, index)) from error
    return sock


def _enlarge(sock: socket.socket) -> None:
    """A burst must fit into the buffer while the report is written. Beyond net.core.rmem_max only for root."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def _join(sock: socket.socket, group: Address, index: int, filter_mode: str, sources: Iterable[Address]) -> None:
    level = _LEVELS[group.version]
    option = _MCAST_JOIN_SOURCE_GROUP
    if filter_mode == "exclude":
        sock.setsockopt(level, _MCAST_JOIN_GROUP, _GROUP_REQ.pack(index, _sockaddr(group)))
        option = _MCAST_BLOCK_SOURCE
    for source in sources:
        sock.setsockopt(level, option, _GROUP_SOURCE_REQ.pack(index, _sockaddr(group), _sockaddr(source)))


def change_filter(sock: socket.socket, group: Address, index: int, filter_mode: str,
                  sources: Sequence[Address]) -> None:
    """Put a whole source filter in the place of the one that a member has, in one step: what both let through goes on
    (MCAST_MSFILTER, RFC 3678 section 5.2). Arguments as for open_receiver; McastError where the kernel refuses."""
    head = _GROUP_FILTER.pack(index, _sockaddr(group), _MODES[filter_mode], len(sources))
    try:
        sock.setsockopt(_LEVELS[group.version], _MCAST_MSFILTER,
                        head + b"".join(_STORAGE.pack(_sockaddr(source)) for source in sources))
    except OSError as error:
        raise McastError(str(group), _why_not_joined(error, sock.getsockname()[1], index)) from error


def _why_not_joined(error: OSError, port: int, index: int) -> str:
    if error.errno == errno.ENOBUFS:
        return ("has more sources or memberships than the kernel allows a socket; see net.ipv4.igmp_max_msf, "
                "net.ipv4.igmp_max_memberships and net.ipv6.mld_max_msf")
    if error.errno == errno.EADDRINUSE:
        return f"UDP port {port} is held by a socket that does not share it; stop that program or use another port"
    return f"cannot be joined on interface {index}, port {port}: {error.strerror}"


def open_sender(group: Address, port: int, index: int, ttl: int, address: str | None = None,
                source_port: int = 0) -> socket.socket:
    """A UDP socket connected to the group: it sends out of one interface, and its own name is the source.

    address: the source address (text) where it matters, else the kernel chooses one of the interface.
    Raises McastError where the kernel refuses."""
    sock = socket.socket(_FAMILIES[group.version], socket.SOCK_DGRAM)
    try:
        if group.version == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", b"", b"", index))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            # Without it the kernel says that it has sent what a full queue or an egress rule drops (udp_send_skb).
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            scope: tuple[int, ...] = ()
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            scope = (0, index)
        if address or source_port:
            sock.bind((address or "", source_port) + scope)
        sock.connect((str(group), port) + scope)
    except OSError as error:
        sock.close()
        via = socket.if_indextoname(index) + (f", port {source_port}" if source_port else "")
        raise McastError(str(group), f"cannot be sent to from interface {via}: {error.strerror}") from error
    return sock


def drain_errors(sock: socket.socket) -> None:
    """Forget the errors that earlier datagrams have met: the queue of IP_RECVERR (ip(7)) and the pending one."""
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recvmsg(1, 512, _MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
