# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multicast settings, ports and database of bridges over rtnetlink (linux/if_link.h IFLA_BR_*, IFLA_BRPORT_*;
linux/if_bridge.h MDBA_*)."""
from __future__ import annotations

import ipaddress
import os
import struct
from typing import Any, NamedTuple

from ..kernel.bridges import querier_state
from .links import Netlink, pack, unpack, walk

_NEWLINK, _GETLINK, _NEWMDB, _DELMDB, _GETMDB = 16, 18, 84, 85, 86
_ACK, _DUMP, _EXCL, _CREATE = 0x4, 0x300, 0x200, 0x400
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO = 3, 10, 18
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_QUERIER_STATE = 47
_AF_BRIDGE, _MDB_PERMANENT = 7, 1
_PROTOCOLS = {4: 0x0800, 6: 0x86dd}  # linux/if_ether.h ETH_P_IP, ETH_P_IPV6
_MDBA_MDB, _MDBA_MDB_ENTRY, _MDBA_MDB_ENTRY_INFO, _EATTR_SOURCE = 1, 1, 1, 4
_SET_ENTRY, _SET_ENTRY_ATTRS, _MDBE_ATTR_SOURCE = 1, 2 | 0x8000, 1  # NLA_F_NESTED, which is asked for here
_HERTZ = 100  # USER_HZ

# Option: (number of the attribute, format). An interval is told in hundredths of a second.
BRIDGE = {
    "router": (22, "=B"), "snooping": (23, "=B"), "use_ifaddr": (24, "=B"), "querier": (25, "=B"),
    "last_member_count": (28, "=I"), "startup_query_count": (29, "=I"), "last_member_interval": (30, "=Q"),
    "membership_interval": (31, "=Q"), "querier_interval": (32, "=Q"), "query_interval": (33, "=Q"),
    "query_response_interval": (34, "=Q"), "startup_query_interval": (35, "=Q"), "igmp_version": (43, "=B"),
    "mld_version": (44, "=B"),
}
PORT = {"fast_leave": (7, "=B"), "router": (25, "=B"), "flood": (27, "=B"), "to_unicast": (28, "=B")}


class Entry(NamedTuple):
    """A permanent entry of a multicast database. port: its index; group, source: addresses as text; source: None where
    it is for any."""

    port: int
    group: str
    source: str | None


def _read(table: dict[str, tuple[int, str]], attributes: dict[int, bytes]) -> dict[str, Any]:
    found = {}
    for option, (number, form) in table.items():
        value = struct.unpack(form, attributes[number])[0] if number in attributes else None
        found[option] = value / _HERTZ if form == "=Q" and value is not None else value
    return found


def _write(table: dict[str, tuple[int, str]], settings: dict[str, Any]) -> bytes:
    body = b""
    for option, value in settings.items():
        number, form = table[option]
        body += pack(number, struct.pack(form, round(value * _HERTZ) if form == "=Q" else int(value)))
    return body


class BridgeNetlink(Netlink):
    """Like Netlink: every method raises OSError with the kernel's error number and the thing it is about."""

    def bridges(self) -> dict[str, dict[str, Any]]:
        """All bridges: ``{name: {index, settings, ports: {name: {index, settings}}, queriers}}``; settings as BRIDGE
        and PORT name them, numbers and seconds, None where this kernel has none; queriers as querier_state() has
        them, None where the kernel doesn't tell."""
        found: dict[int, dict[str, Any]] = {}
        ports: list[tuple[int, str, int, dict[str, Any]]] = []
        states: dict[int, dict[int, bytes] | None] = {}
        names: dict[int, str] = {}
        for body in self._request(_GETLINK, _DUMP, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0), "links"):
            attributes, index = unpack(body, 16), struct.unpack_from("=4xi", body)[0]
            name = names[index] = attributes[_IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "replace")
            info = unpack(attributes.get(_IFLA_LINKINFO, b""), 0)
            if info.get(_INFO_KIND) == b"bridge\0":
                data = unpack(info[_INFO_DATA], 0)
                found[index] = {"name": name, "index": index, "settings": _read(BRIDGE, data), "ports": {}}
                states[index] = unpack(data[_QUERIER_STATE], 0) if _QUERIER_STATE in data else None
            if info.get(_INFO_SLAVE_KIND) == b"bridge\0":
                master = struct.unpack("=I", attributes[_IFLA_MASTER])[0]
                ports.append((master, name, index, _read(PORT, unpack(info[_INFO_SLAVE_DATA], 0))))
        for master, name, index, settings in ports:
            found[master]["ports"][name] = {"index": index, "settings": settings}
        for index, state in states.items():
            snoops = found[index]["settings"]["snooping"]
            found[index]["queriers"] = querier_state(state, names, os.uname().release) if snoops else None
        return {bridge.pop("name"): bridge for bridge in found.values()}

    def set_bridge(self, index: int, settings: dict[str, Any]) -> None:
        """settings: ``{option of BRIDGE: number, bool or seconds}``, all in one message."""
        info = pack(_INFO_KIND, b"bridge") + pack(_INFO_DATA, _write(BRIDGE, settings))
        self._set_link(index, pack(_IFLA_LINKINFO, info), ", ".join(settings))

    def set_port(self, index: int, settings: dict[str, Any]) -> None:
        """settings: ``{option of PORT: number or bool}``."""
        info = pack(_INFO_SLAVE_KIND, b"bridge") + pack(_INFO_SLAVE_DATA, _write(PORT, settings))
        self._set_link(index, pack(_IFLA_LINKINFO, info), ", ".join(settings))

    def _set_link(self, index: int, body: bytes, about: str) -> None:
        self._request(_NEWLINK, _ACK, struct.pack("=BBHiII", 0, 0, 0, index, 0, 0) + body, about)

    # the multicast database

    def permanent_entries(self, index: int) -> set[Entry]:
        """The permanent entries of the bridge with that index."""
        found = set()
        for body in self._request(_GETMDB, _DUMP, struct.pack("=BxxxI", _AF_BRIDGE, 0), "multicast database"):
            if struct.unpack_from("=4xI", body)[0] != index:
                continue
            for entry in (info for kind, part in walk(body, 8) if kind == _MDBA_MDB
                          for unused, rows in walk(part, 0) for number, info in walk(rows, 0)):
                port, state, protocol = struct.unpack_from("=IB19x", entry) + struct.unpack_from("!24xH", entry)
                if state != _MDB_PERMANENT or protocol not in _PROTOCOLS.values():
                    continue
                source = unpack(entry, 28).get(_EATTR_SOURCE)
                size = 4 if protocol == _PROTOCOLS[4] else 16
                group = str(ipaddress.ip_address(entry[8:8 + size]))
                found.add(Entry(port, group, str(ipaddress.ip_address(source)) if source else None))
        return found

    def _entry(self, kind: int, flags: int, index: int, entry: Entry) -> None:
        port, group, source = entry.port, ipaddress.ip_address(entry.group), entry.source
        body = struct.pack("=BxxxI", _AF_BRIDGE, index)
        body += pack(_SET_ENTRY, struct.pack("=IBBH16s", port, _MDB_PERMANENT, 0, 0, group.packed) + struct.pack(
            "!Hxx", _PROTOCOLS[group.version]))
        if source:
            body += pack(_SET_ENTRY_ATTRS, pack(_MDBE_ATTR_SOURCE, ipaddress.ip_address(source).packed))
        self._request(kind, _ACK | flags, body, f"entry of {group}")

    def add_entry(self, index: int, entry: Entry) -> None:
        """index: of the bridge."""
        self._entry(_NEWMDB, _CREATE | _EXCL, index, entry)

    def delete_entry(self, index: int, entry: Entry) -> None:
        self._entry(_DELMDB, 0, index, entry)
