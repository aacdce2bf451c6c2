# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Links, addresses and routes over rtnetlink, one system call a change (rtnetlink(7), linux/if_link.h).

A netlink socket belongs to the network namespace in which it was made, so one process configures many hosts."""
from __future__ import annotations

import array
import errno
import fcntl
import ipaddress
import os
import socket
import struct
from typing import Any, Iterator, Union

from ..lab import netns

Interface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]

IFF_UP, IFF_NOARP, IFF_PROMISC, IFF_ALLMULTI, IFF_MULTICAST = 0x1, 0x80, 0x100, 0x200, 0x1000

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_REQUEST, _ACK, _DUMP, _REPLACE, _EXCL, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x200, 0x400
_ERROR, _DONE = 2, 3

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_NET_NS_FD = 18, 20, 28
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15
_RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNICAST = 254, 4, 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_SIOCETHTOOL, _GTXCSUM, _STXCSUM = 0x8946, 0x16, 0x17  # linux/sockios.h, linux/ethtool.h ETHTOOL_*
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def pack(kind: int, value: bytes | str | int) -> bytes:
    """One attribute of a message; value: bytes, a text, or a number of 32 bits."""
    if isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + b"\0" * (-size % 4)


def walk(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yields (kind, bytes) of each attribute behind the fixed part of a message; the kernel's own: taken on trust."""
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            break
        yield kind & 0x3fff, data[offset + 4:offset + size]
        offset += size + 3 & ~3


def unpack(data: bytes, offset: int) -> dict[int, bytes]:
    """The attributes of a message: ``{kind: bytes}``."""
    return dict(walk(data, offset))


def _link_header(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, index, flags, change)


class Netlink:
    """One rtnetlink socket, in the namespace of an open descriptor or, without one, in the caller's own.

    Every method raises OSError with the kernel's error number and the thing it is about."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        else:
            with netns.inside(descriptor):
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _request(self, kind: int, flags: int, body: bytes, about: str) -> list[bytes]:
        """Send one request; returns the bodies of a dump, or [] once the kernel has acknowledged a change."""
        self._sequence += 1
        header = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, self._sequence, 0)
        self._socket.send(header + body)
        bodies: list[bytes] = []
        while True:
            data = self._socket.recv(1 << 17)
            offset = 0
            while offset + 16 <= len(data):
                size, got, _flags, sequence, _port = struct.unpack_from("=IHHII", data, offset)
                if sequence == self._sequence:
                    if got == _DONE:
                        return bodies
                    if got == _ERROR:
                        number = -struct.unpack_from("=i", data, offset + 16)[0]
                        if number:
                            raise OSError(number, os.strerror(number), about)
                        return bodies
                    bodies.append(data[offset + 16:offset + size])
                offset += size + 3 & ~3

    # links

    def links(self) -> dict[str, dict[str, Any]]:
        """All links: ``{name: {index, flags, mtu, mac, master, kind, alias}}``; flags as the IFF_ bits that a user
        set, master an index or None, kind such as ``"veth"`` or None."""
        found = {}
        for body in self._request(_GETLINK, _DUMP, _link_header(), "links"):
            index, flags = struct.unpack_from("=4xiI", body)
            attributes = unpack(body, 16)
            info = unpack(attributes.get(_IFLA_LINKINFO, b""), 0)
            master = attributes.get(_IFLA_MASTER)
            found[_decode(attributes[_IFLA_IFNAME])] = {
                "index": index, "flags": flags,
                "mtu": struct.unpack("=I", attributes[_IFLA_MTU])[0],
                "mac": attributes.get(_IFLA_ADDRESS, b"").hex(":") or None,
                "master": struct.unpack("=I", master)[0] if master else None,
                "kind": _text(info.get(_INFO_KIND)), "alias": _text(attributes.get(_IFLA_IFALIAS)),
            }
        return found

    def alias(self, index: int) -> str | None:
        """The alias of the link with that index, or None."""
        body = self._request(_GETLINK, _ACK, _link_header(index), f"link {index}")[0]
        return _text(unpack(body, 16).get(_IFLA_IFALIAS))

    def index(self, name: str) -> int:
        """The index of the link `name`."""
        body = self._request(_GETLINK, _ACK, _link_header() + pack(_IFLA_IFNAME, name), name)[0]
        return struct.unpack_from("=4xi", body)[0]

    def add_veth(self, name: str, mac: str, master: int, peer_name: str, peer_mac: str, peer_descriptor: int) -> None:
        """A veth pair: `name` here, up, as a port of the bridge with index `master`; its peer in the namespace of
        `peer_descriptor`, still down (drivers/net/veth.c refuses to open an end that has no other yet)."""
        up = _link_header(0, IFF_UP, IFF_UP)
        peer = _link_header() + pack(_IFLA_IFNAME, peer_name) + pack(_IFLA_ADDRESS, _mac(peer_mac))
        peer += pack(_IFLA_NET_NS_FD, peer_descriptor)
        info = pack(_INFO_KIND, b"veth") + pack(_INFO_DATA, pack(_VETH_INFO_PEER, peer))
        body = up + pack(_IFLA_IFNAME, name) + pack(_IFLA_ADDRESS, _mac(mac))
        body += pack(_IFLA_MASTER, master) + pack(_IFLA_LINKINFO, info)
        self._request(_NEWLINK, _ACK | _CREATE | _EXCL, body, name)

    def add_bridge(self, name: str, mac: str) -> None:
        """A bridge that is up. Its MAC is fixed, else it would change with its ports."""
        body = _link_header(0, IFF_UP, IFF_UP) + pack(_IFLA_IFNAME, name) + pack(_IFLA_ADDRESS, _mac(mac))
        body += pack(_IFLA_LINKINFO, pack(_INFO_KIND, b"bridge"))
        self._request(_NEWLINK, _ACK | _CREATE | _EXCL, body, name)

    def set_flags(self, index: int, flags: int, change: int) -> None:
        """Set those IFF_ bits of a link that `change` names to what they are in `flags`."""
        self._request(_NEWLINK, _ACK, _link_header(index, flags, change), f"link {index}")

    def set_up(self, index: int, alias: str | None = None) -> None:
        """Take a link up, and in the same step give it an alias (a free text that `ip link` shows)."""
        body = _link_header(index, IFF_UP, IFF_UP)
        if alias is not None:
            body += pack(_IFLA_IFALIAS, alias.encode())
        self._request(_NEWLINK, _ACK, body, f"link {index}")

    def set_mtu(self, index: int, mtu: int) -> None:
        self._request(_NEWLINK, _ACK, _link_header(index) + pack(_IFLA_MTU, mtu), f"mtu {mtu}")

    def offloads_checksums(self, name: str) -> bool:
        """Whether the link `name` is to fill in the checksums of what it sends (ethtool's tx-checksumming). False for
        one that is gone: the kernel clears deleted namespaces while others look."""
        try:
            return bool(self._ethtool(name, _GTXCSUM, 0))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise

    def offload_checksums(self, name: str, wanted: bool) -> None:
        """Have the link `name` fill in the checksums of what it sends, or the kernel before that."""
        self._ethtool(name, _STXCSUM, int(wanted))

    def _ethtool(self, name: str, command: int, value: int) -> int:
        """Run one ethtool command with a value. Returns the value that the kernel leaves. The ioctl works on any socket
        of the link's namespace, so also on this one."""
        data = array.array("I", (command, value))
        try:
            fcntl.ioctl(self._socket, _SIOCETHTOOL, struct.pack("16sP16x", os.fsencode(name), data.buffer_info()[0]))
        except OSError as error:
            raise OSError(error.errno, error.strerror, name) from None
        return data[1]

    def set_master(self, index: int, master: int) -> None:
        """Make a link a port of the bridge with index `master`."""
        self._request(_NEWLINK, _ACK, _link_header(index) + pack(_IFLA_MASTER, master), f"link {index}")

    def delete_link(self, index: int) -> None:
        """Remove a link; of a veth pair both ends go. One that is gone by now (the kernel takes its time to clear a
        namespace) is as good as removed."""
        try:
            self._request(_DELLINK, _ACK, _link_header(index), f"link {index}")
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    # addresses

    def addresses(self) -> dict[int, list[Interface]]:
        """All addresses: ``{index: [ip_interface, ...]}``, link-local ones too, in the kernel's order."""
        found: dict[int, list[Interface]] = {}
        for body in self._request(_GETADDR, _DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0), "addresses"):
            prefix, index = struct.unpack_from("=xB2xI", body)
            attributes = unpack(body, 8)
            packed = attributes.get(_IFA_LOCAL) or attributes[_IFA_ADDRESS]
            found.setdefault(index, []).append(ipaddress.ip_interface((packed, prefix)))
        return found

    def _address(self, kind: int, flags: int, index: int, interface: Interface, further: bytes = b"") -> None:
        packed = interface.ip.packed
        body = struct.pack("=BBBBI", _FAMILIES[interface.version], interface.network.prefixlen, 0, 0, index)
        body += pack(_IFA_LOCAL, packed) + pack(_IFA_ADDRESS, packed) + further
        self._request(kind, _ACK | flags, body, str(interface))

    def add_address(self, index: int, interface: Interface) -> None:
        """An IPv4 one gets its broadcast address where its prefix has one."""
        further = b""
        if interface.version == 4 and interface.network.prefixlen < 31:
            further = pack(_IFA_BROADCAST, interface.network.broadcast_address.packed)
        self._address(_NEWADDR, _CREATE | _EXCL, index, interface, further)

    def delete_address(self, index: int, interface: Interface) -> None:
        self._address(_DELADDR, 0, index, interface)

    # routes

    def routes(self, version: int, protocol: int | None = None) -> list[dict[str, Any]]:
        """The unicast routes of the main table: ``[{destination: ip_network, index, gateway: ip_address or None,
        metric}]``; version 4 or 6; protocol: only those that were added under this number (0 to 255). (A prefix of
        groups such as 224.0.0.0/4 is an ordinary route too.)"""
        request = struct.pack("=BBBBBBBBI", _FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0)
        found = []
        for body in self._request(_GETROUTE, _DUMP, request, "routes"):
            prefix, table, origin, kind = struct.unpack_from("=xB2xBBxB", body)
            attributes = unpack(body, 12)
            table = struct.unpack("=I", attributes[_RTA_TABLE])[0] if _RTA_TABLE in attributes else table
            if table != _RT_TABLE_MAIN or kind != _RTN_UNICAST or _RTA_OIF not in attributes:
                continue
            if protocol not in (None, origin):
                continue
            packed = attributes.get(_RTA_DST, bytes(4 if version == 4 else 16))
            gateway, metric = attributes.get(_RTA_GATEWAY), attributes.get(_RTA_PRIORITY)
            found.append({
                "destination": ipaddress.ip_network((packed, prefix)),
                "index": struct.unpack("=I", attributes[_RTA_OIF])[0],
                "gateway": ipaddress.ip_address(gateway) if gateway else None,
                "metric": struct.unpack("=I", metric)[0] if metric else 0,
            })
        return found

    def _route(self, kind: int, flags: int, route: dict[str, Any], protocol: int = _RTPROT_STATIC) -> None:
        destination, gateway = route["destination"], route["gateway"]
        scope = _SCOPE_UNIVERSE if gateway or destination.version == 6 else _SCOPE_LINK
        body = struct.pack("=BBBBBBBBI", _FAMILIES[destination.version], destination.prefixlen, 0, 0,
                           _RT_TABLE_MAIN, protocol, scope, _RTN_UNICAST, 0)
        body += pack(_RTA_DST, destination.network_address.packed) + pack(_RTA_OIF, route["index"])
        if gateway:
            body += pack(_RTA_GATEWAY, gateway.packed)
        if route["metric"]:
            body += pack(_RTA_PRIORITY, route["metric"])
        self._request(kind, _ACK | flags, body, f"route {destination}")

    def add_route(self, route: dict[str, Any]) -> None:
        """route: as `routes` returns them."""
        self._route(_NEWROUTE, _CREATE | _EXCL, route)

    def set_route(self, route: dict[str, Any], protocol: int) -> None:
        """Add a route under a protocol's number, in place of one to the same destination with the same metric."""
        self._route(_NEWROUTE, _CREATE | _REPLACE, route, protocol)

    def delete_route(self, route: dict[str, Any], protocol: int = _RTPROT_STATIC) -> None:
        self._route(_DELROUTE, 0, route, protocol)


def _decode(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _text(value: bytes | None) -> str | None:
    return _decode(value) if value else None


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
