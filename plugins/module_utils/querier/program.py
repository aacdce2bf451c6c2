# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The querier: asks the hosts of a segment for their memberships, and keeps what they say (sockets and clock; what it
decides is in querier_state.py)."""
from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import select
import socket
import struct
import time
from typing import Any, Sequence

from .. import group as groups
from ..error import BECOME, McastError
from ..traffic import sockets
from ..traffic.program import Report, Signals
from .machine import Machine, Settings, settle
from .message import MOST_SOURCES, PROTOCOLS, Query, check_response, newest, read, write

_ETH_P_ALL = 3
_FAMILIES = {0x0800: 4, 0x86dd: 6}
# include/uapi/linux/if_packet.h, sockios.h, in6.h, include/uapi/asm-generic/socket.h
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_ALLMULTI = 263, 1, 2
_SIOCGIFADDR = 0x8915
_IPV6_HOPOPTS = 54
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 4 << 20
_TENTATIVE, _DUPLICATE = 0x40, 0x08
_ROUTER_ALERT = {4: b"\x94\4\0\0", 6: b"\0\0\5\2\0\0\1\0"}
# Address detection takes one to two seconds.
_PATIENCE = 10.0
_POLL, _LONG = 0.05, 3600
_BATCH = 256
# An interface that is down for a while is no reason to end.
_PASSING = (errno.ENETDOWN, errno.ENETUNREACH, errno.ENOBUFS, errno.EPERM, errno.EADDRNOTAVAIL, errno.EINVAL)
# Classic BPF (include/uapi/linux/filter.h) on the packet from its IP header on; the numbers at negative offsets are
# what the kernel knows beside it (SKF_AD_PROTOCOL, SKF_AD_VLAN_TAG_PRESENT). IGMP, and ICMPv6 behind a hop-by-hop
# header, which MLD must have; nothing of a VLAN upon the interface.
_LD_WORD, _LD_BYTE, _JEQ, _RET = 0x20, 0x30, 0x15, 0x06
_MULTICAST_CONTROL = (
    (_LD_WORD, 0, 0, 0xfffff000 + 48), (_JEQ, 0, 9, 0),
    (_LD_WORD, 0, 0, 0xfffff000), (_JEQ, 0, 2, 0x0800),
    (_LD_BYTE, 0, 0, 9), (_JEQ, 6, 5, 2),
    (_JEQ, 0, 4, 0x86dd), (_LD_BYTE, 0, 0, 6), (_JEQ, 0, 2, 0), (_LD_BYTE, 0, 0, 40), (_JEQ, 1, 0, 58),
    (_RET, 0, 0, 0), (_RET, 0, 0, 0x40000),
)
_NOTHING = ((_RET, 0, 0, 0),)


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _attach(sock: socket.socket, instructions: Sequence[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    held = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER,
                    bytes(_Program(len(instructions), ctypes.cast(held, ctypes.c_void_p))))


def _needs_root(error: OSError, interface: str) -> McastError:
    if isinstance(error, PermissionError):
        return McastError(interface, f"can't be queried on without root; {BECOME}")
    return McastError(interface, f"can't be queried on: {error.strerror}")


def ipv4_address(interface: str, given: str | None = None) -> str:
    """The address from which to query: the interface's first, unless one is given. McastError if it has none."""
    if given and ":" not in given:
        return given
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            found = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            raise McastError(interface, "has no IPv4 address to query from, and 0.0.0.0 never wins an election; give "
                                        "it one, or set igmp_version to 0") from None
    return socket.inet_ntoa(found[20:24])


def ipv6_address(interface: str) -> str | None:
    """The link-local address from which to query; None while address detection goes on, or there is none (yet).
    McastError where the address is another host's too."""
    with contextlib.suppress(FileNotFoundError), open("/proc/net/if_inet6", encoding="ascii") as file:
        for address, _index, _prefix, scope, flags, name in map(str.split, file):
            if name != interface or int(scope, 16) != 0x20 or int(flags, 16) & _TENTATIVE:
                continue
            text = str(ipaddress.IPv6Address(int(address, 16)))
            if int(flags, 16) & _DUPLICATE:
                raise McastError(interface, f"{text} is another host's too; MLD needs a link-local address")
            return text
    return None


def open_sender(family: int, address: str, interface: str, index: int) -> socket.socket:
    """A raw socket that sends queries: from one address, with TTL 1 and Router Alert. It receives nothing."""
    protocol = socket.IPPROTO_IGMP if family == 4 else socket.IPPROTO_ICMPV6
    sock = None
    try:
        sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_RAW, protocol)
        _attach(sock, _NOTHING)
        if family == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            struct.pack("@4s4si", b"", socket.inet_aton(address), index))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xc0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, _ROUTER_ALERT[4])
            sock.bind((address, 0))
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_HOPOPTS, _ROUTER_ALERT[6])
            sock.bind((address, 0, 0, index))
    except OSError as error:
        if sock:
            sock.close()
        raise _needs_root(error, interface) from error
    return sock


def send(sock: socket.socket, query: Query, address: str, index: int) -> None:
    """Send one Query. OSError where that fails."""
    to = (query.destination, 0) if query.family == 4 else (query.destination, 0, 0, index)
    sock.sendto(write(query, address), to)


def open_listener(interface: str, index: int) -> socket.socket:
    """A packet socket that hears IGMP and MLD to all groups, the reports of this host itself too."""
    sock = None
    try:
        # Bound to no protocol until the filter is in place.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        _attach(sock, _MULTICAST_CONTROL)
        with contextlib.suppress(PermissionError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        # IGMPv1, IGMPv2 and MLDv1 report to the group itself: those frames are only heard by asking for all groups.
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP,
                        struct.pack("@iHH8s", index, _PACKET_MR_ALLMULTI, 0, b""))
        sock.bind((interface, _ETH_P_ALL))
    except OSError as error:
        if sock:
            sock.close()
        raise _needs_root(error, interface) from error
    return sock


def _settings(options: argparse.Namespace, family: int) -> Settings:
    return Settings(family, options.igmp_version if family == 4 else options.mld_version, options.robustness,
                    options.query_interval, options.query_response_interval, options.startup_query_interval,
                    options.startup_query_count, options.last_member_query_interval, options.last_member_query_count)


class Querier:
    """One querier on one interface, for IGMP, MLD or both; says in `facts` and `report()` what it knows."""

    def __init__(self, options: argparse.Namespace) -> None:
        """options: the attributes interface, igmp_version and mld_version (0: none), those of
        querier_state.Settings, timeout (seconds, 0: none), line. McastError for what can't be."""
        self._options = options
        self._name, self._index, given = sockets.find_interface(options.interface)
        self._settings = {family: settle(_settings(options, family))
                          for family, version in ((4, options.igmp_version), (6, options.mld_version)) if version}
        if not self._settings:
            raise McastError("igmp_version", "0 and mld_version 0 leave nothing to query for")
        self._given = given
        if 4 in self._settings:
            ipv4_address(self._name, given)
        self.facts: dict[str, Any] = {
            "program": "querier", "state": "starting", "pid": None, "started": None, "interface": self._name,
            "index": self._index, "send_error": None, "ended": None, "error": None}
        self._machines: dict[int, Machine] = {}
        self._senders: dict[int, socket.socket] = {}
        self._offset = time.time() - time.monotonic()
        self._told = 0

    def report(self) -> dict[str, Any]:
        """The whole report, as docs/querier.md describes it."""
        return dict(self.facts, **{f"ipv{family}": self._machines[family].report(self._clock)
                                   if family in self._machines else None for family in (4, 6)})

    def _clock(self, at: float | None) -> float | None:
        return None if at is None else round(at + self._offset, 6)

    def work(self, signals: Signals, report: Report) -> str:
        """Query until the end. Returns why it ended: "timeout" or a signal's name."""
        begun = time.monotonic()
        deadline = begun + self._options.timeout if self._options.timeout else float("inf")
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(open_listener(self._name, self._index))
            poll = select.poll()
            for sock in (listener, signals.reader):
                poll.register(sock.fileno(), select.POLLIN)
            while signals.name is None:
                now = time.monotonic()
                if now >= deadline:
                    return "timeout"
                self._begin(stack, now, begun + _PATIENCE, report)
                self._advance(now, report)
                wait = min(self._due(now), deadline) - time.monotonic()
                written = report.wait()
                # A millisecond later rather than in circles until it is time.
                poll.poll(max(0, wait if written is None else min(wait, written)) * 1000 + 1)
                self._hear(listener, report)
        return signals.name

    def _begin(self, stack: contextlib.ExitStack, now: float, patience: float, report: Report) -> None:
        """Begin to query in the families that haven't yet and can: MLD once address detection has ended."""
        for family, settings in self._settings.items():
            if family in self._machines:
                continue
            address = ipv4_address(self._name, self._given) if family == 4 else ipv6_address(self._name)
            if address is None:
                if now >= patience:
                    raise McastError(self._name, "has no link-local address to send MLD from; is IPv6 on, and its "
                                                 "address detection ended? Or set mld_version to 0")
                continue
            self._senders[family] = stack.enter_context(open_sender(family, address, self._name, self._index))
            self._machines[family] = Machine(settings, address)
            self._machines[family].start(now)
            if len(self._machines) == len(self._settings):
                self.facts["state"] = "querying"
            report.touch()

    def _due(self, now: float) -> float:
        """When the next thing is to be done."""
        ends = [machine.next_time() for machine in self._machines.values()]
        return min(ends + [now + (_POLL if len(ends) < len(self._settings) else _LONG)])

    def _advance(self, now: float, report: Report) -> None:
        for family, machine in self._machines.items():
            machine.advance(now)
            for query in machine.outgoing:
                self._send(family, query)
            machine.outgoing.clear()
        told = sum(machine.counts["events"] for machine in self._machines.values())
        if told != self._told:
            self._told = told
            report.touch()

    def _send(self, family: int, query: Query) -> None:
        try:
            send(self._senders[family], query, self._machines[family].address, self._index)
            self.facts["send_error"] = None
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            self.facts["send_error"] = error.strerror

    def _hear(self, listener: socket.socket, report: Report) -> None:
        """Take what has come. Its own queries are heard too, and are known by their source."""
        for _number in range(_BATCH):
            try:
                packet, (unused, protocol, *unused) = listener.recvfrom(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _PASSING:
                    raise
                return  # said once when the interface goes down
            family = _FAMILIES.get(protocol)
            if family not in self._machines:
                continue
            message = read(packet, family)
            if message:
                self._machines[family].hear(message, time.monotonic())
                report.touch()


class OneQuery:
    """One query, sent now; says in `facts` what was sent."""

    def __init__(self, options: argparse.Namespace) -> None:
        """options: the attributes interface, family (4, 6), version, group (text or None), source (list of text),
        max_response, query_interval (seconds), robustness, suppress. McastError for what can't be."""
        family, version = options.family, options.version
        if version not in range(1, newest(family) + 1):
            raise McastError("version", f"{version} is none of {PROTOCOLS[family]}; expected 1 to {newest(family)}")
        check_response("max_response", family, version, options.max_response)
        self._name, self._index, self._given = sockets.find_interface(options.interface)
        group = _specific_group(family, version, options.group, options.sources)
        self.query = Query(family, version, options.max_response, group, _sources(family, options.sources),
                           options.suppress, options.robustness, options.query_interval)
        self.facts: dict[str, Any] = {
            "program": "query", "state": "starting", "pid": None, "started": None, "interface": self._name,
            "address": None, "protocol": f"{PROTOCOLS[family].lower()}v{version}",
            "query": self.query.kind, "group": group, "sources": list(self.query.sources), "time": None,
            "ended": None, "error": None}

    def report(self) -> dict[str, Any]:
        return self.facts

    def work(self, unused_signals: Signals | None = None, unused_report: Report | None = None) -> str:
        """Send it. McastError where that can't be done."""
        family = self.query.family
        address = ipv4_address(self._name, self._given) if family == 4 else ipv6_address(self._name)
        if address is None:
            raise McastError(self._name, "has no link-local address to send MLD from, or its address detection has not "
                                         "ended yet")
        with open_sender(family, address, self._name, self._index) as sock:
            self.facts.update(address=address, time=time.time())
            try:
                send(sock, self.query, address, self._index)
            except OSError as error:
                raise McastError(self._name, f"the query could not be sent: {error.strerror}") from error
        return "sent"


def _specific_group(family: int, version: int, text: str | None, sources: Sequence[str]) -> str | None:
    if text is None:
        if sources:
            raise McastError("source", "needs a group")
        return None
    group = groups.parse(text)
    if group.version != family:
        raise McastError(text, f"is not a group of {PROTOCOLS[family]}")
    if (family, version) == (4, 1):
        raise McastError(text, "can't be asked for in IGMPv1, which has general queries alone")
    if sources and version != newest(family):
        raise McastError("source", f"is known by {PROTOCOLS[family]}v{newest(family)} alone")
    return str(group)


def _sources(family: int, texts: Sequence[str]) -> tuple[str, ...]:
    found = []
    for text in texts:
        try:
            address: groups.Address | None = ipaddress.ip_address(text)
        except ValueError:
            address = None
        if address is None or address.version != family or address.is_multicast or address.is_unspecified:
            raise McastError(text, f"is not a source; expected an IPv{family} host's address")
        found.append(str(address))
    if len(found) > MOST_SOURCES[family]:
        raise McastError("source", f"{len(found)} don't fit into one query; at most {MOST_SOURCES[family]} do")
    return tuple(found)
