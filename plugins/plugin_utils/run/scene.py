# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps of a scenario are read against: the hosts as the inventory has them, what the steps before have made
of them, and what one expectation is about."""
from __future__ import annotations

import ipaddress
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from ...module_utils import expect, group
from ...module_utils import stream as streams_of
from ...module_utils.error import McastError
from ...module_utils.lab.topology import SWITCH, kernel_name

FAMILIES = ("ipv4", "ipv6")
# The versions that a host speaks where nothing makes it speak an older one.
NEWEST = {"ipv4": 3, "ipv6": 2}
# Those that a bridge of Linux asks in, where nothing else is set (net/bridge/br_multicast.c, br_multicast_ctx_init).
_BRIDGE = {"ipv4": 2, "ipv6": 1}
_VERSION_OPTION = {"ipv4": "igmp_version", "ipv6": "mld_version"}


class Filter(NamedTuple):
    """What a receiver lets through."""
    mode: str
    sources: tuple[str, ...]


class Inventory(NamedTuple):
    """The hosts, groups and streams, and what is known of them.

    groups: ``{name: [host]}``, `all` among them. streams: settled. interfaces: host → ``{name: {segment, ipv4, ipv6,
    mac}}`` as far as known. settings: host → its mcast_host_settings. querier: host → its mcast_querier, or empty.
    segments: those of the topology, ``{name: {ipv4, ipv6, switch}}``. distance: (family, segment, segment) → the
    number of routers between them, None where that is not known."""
    groups: Mapping[str, Sequence[str]]
    streams: list[dict[str, Any]]
    interfaces: Callable[[str], Mapping[str, Mapping[str, Any]]]
    settings: Callable[[str], Mapping[str, Any]]
    querier: Callable[[str], Mapping[str, Any]]
    segments: Mapping[str, Mapping[str, Any]]
    distance: Callable[[str, str, str], int | None]

    def hosts(self, path: str, name: str) -> list[str]:
        """``"a"``, ``"routers"`` or ``"a, b"``: names of hosts and of groups. McastError for an unknown one."""
        found: list[str] = []
        for each in map(str.strip, name.split(",")):
            if each not in self.groups and each not in self.groups["all"]:
                raise McastError(path, f"{each!r} is neither a host nor a group of the inventory")
            found += [each] if each in self.groups["all"] else self.groups[each]
        return list(dict.fromkeys(found))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The settled streams that a name stands for: one, or one of each family."""
        return [stream for stream in self.streams if name in (stream["name"], streams_of.base_name(stream["name"]))]

    def segment(self, host: str, interface: str | None) -> str | None:
        """The segment on which an interface is, where the inventory says so."""
        return self.interfaces(host).get(interface, {}).get("segment") if interface else None

    def segments_of(self, stream: dict[str, Any]) -> set[str]:
        """The segments on which a stream has an end."""
        ends = [*stream["senders"].items(), *stream["receivers"].items()]
        return {segment for host, end in ends for segment in [self.segment(host, end["interface"])] if segment}

    def address(self, host: str, interface: str, family: str) -> str | None:
        """The address that datagrams of a host bear, where the inventory knows it."""
        address = self.interfaces(host).get(interface, {}).get(family)
        return address.partition("/")[0] if address else None

    def link_address(self, host: str, interface: str, family: str) -> str | None:
        """The address that its messages bear: in MLD the link-local one (RFC 9777 section 5.1.14)."""
        mac = self.interfaces(host).get(interface, {}).get("mac")
        if family == "ipv4":
            return self.address(host, interface, family)
        return link_local(mac) if mac else None


def link_local(mac: str) -> str:
    """The link-local address that follows from a MAC (RFC 4291 appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes(
        [octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]))


class State:
    """What the steps so far have made of the hosts."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.filters: dict[tuple[str, str], Filter] = {}  # of receivers, by host and stream
        self.before: dict[tuple[str, str], Filter] = {}  # the same at the beginning of the step
        self.queriers: dict[tuple[str, str], dict[str, Any]] = {}  # the settings that each had last, by host, interface
        self.querying: set[tuple[str, str]] = set()
        self.sent: dict[tuple[str, str], dict[str, Any]] = {}  # options of senders, by host and stream
        for host in inventory.groups["all"]:
            settings = dict(inventory.querier(host))
            for interface in settings.pop("interfaces", None) or inventory.interfaces(host) if settings else ():
                self.queriers[host, interface] = settings
                self.querying.add((host, interface))

    def versions(self, segment: str | None, host: str | None = None) -> dict[str, int]:
        """The versions of IGMP and MLD, by family, in which queriers of ours ask on a segment: that of one host, or the
        oldest of all, with that of the switch there."""
        found = dict(NEWEST)
        switch = self._inventory.segments.get(segment or "", {}).get("switch") or {}
        if switch.get("querier") and host in (None, SWITCH):
            found = {family: switch.get(option) or _BRIDGE[family] for family, option in _VERSION_OPTION.items()}
        for (asker, interface), settings in self.queriers.items():
            if host in (None, asker) and segment and self._inventory.segment(asker, interface) == segment:
                for family, option in _VERSION_OPTION.items():
                    found[family] = min(found[family], settings.get(option, NEWEST[family]))
        return found

    def version(self, host: str, interface: str | None, family: str) -> int:
        """The version that a host speaks on an interface: as it is set, else as it is asked."""
        stated = self._inventory.settings(host).get(_VERSION_OPTION[family])
        asked = self.versions(self._inventory.segment(host, interface))[family]
        return int(stated) if stated else asked or NEWEST[family]


class Subject(NamedTuple):
    """What one expectation is about: a stream of one group, an interface, or neither, as one host sees it."""
    inventory: Inventory
    state: State
    host: str
    name: str | None  # as the results call it
    stream: dict[str, Any] | None
    interface: str | None
    family: str | None

    @property
    def group(self) -> str | None:
        return self.stream["group"] if self.stream else None

    def the_stream(self, path: str) -> dict[str, Any]:
        """The stream; McastError where the subject is none."""
        if self.stream is None:
            raise McastError(path, "expected streams, and this is none")
        return self.stream

    @property
    def segment(self) -> str | None:
        """Where the host sees the subject; of the switches' host, where the receivers are."""
        if self.host != SWITCH:
            return self.inventory.segment(self.host, self.interface)
        if not self.stream:
            return self.interface
        found = {self.inventory.segment(host, end["interface"]) for host, end in self.stream["receivers"].items()}
        return found.pop() if len(found) == 1 else None

    @property
    def bridge(self) -> str | None:
        segment = self.segment if self.host == SWITCH else None
        return segment and kernel_name(segment)

    @property
    def filter(self) -> Filter | None:
        """What this host's receiver of the stream lets through now."""
        return self.filter_of(self.host)

    def filter_of(self, host: str | None) -> Filter | None:
        return self.state.filters.get((host, self.stream["name"])) if host and self.stream else None

    @property
    def senders(self) -> dict[str, str | None]:
        """The senders of the stream and their addresses."""
        return {host: end["address"] for host, end in self.stream["senders"].items()} if self.stream else {}

    def interface_of(self, host: str) -> str | None:
        """The interface of a host where it meets the subject: that of its end of the stream, else the one on the same
        segment; where no segments are known, as on real hosts, its only one."""
        if host == self.host:
            return self.interface
        for ends in ("receivers", "senders"):
            if self.stream and host in self.stream[ends]:
                return self.stream[ends][host]["interface"]
        found = [name for name, body in self.inventory.interfaces(host).items()
                 if self.segment is None or body.get("segment") == self.segment]
        return found[0] if len(found) == 1 else None

    def address(self, path: str, host: str, of_link: bool) -> str | None:
        """The address of a host on this subject; any other text is returned as it is. of_link: that of
        its messages of IGMP and MLD. McastError where a host's is not clear."""
        if host not in self.inventory.groups["all"]:
            return host
        interface = self.interface_of(host)
        if interface is None or self.family is None:
            raise McastError(path, f"which address of {host} is meant is not clear; give the address")
        return (self.inventory.link_address if of_link else self.inventory.address)(host, interface, self.family)

    def port(self, path: str, host: str) -> str:
        """The port of a bridge where a host is; any other text is returned as it is."""
        if host not in self.inventory.groups["all"]:
            return host
        found = [name for name, body in self.inventory.interfaces(host).items() if body.get("segment") == self.segment]
        if len(found) != 1:
            raise McastError(path, f"which port of {host} is meant is not clear; write {host}~INTERFACE")
        return f"{host}~{found[0]}"


def subjects(path: str, inventory: Inventory, state: State, host: str, name: str | None) -> Iterator[Subject]:
    """The subjects that a name stands for: of a stream with a group of each family two, of an interface (on the host of
    the switches a segment) one for each family there, unless one is named: eth0/ipv4. Without a name it is the
    host's only interface, if it has only one. McastError where the name is unknown."""
    known = inventory.segments if host == SWITCH else inventory.interfaces(host)
    if name is None:
        yield Subject(inventory, state, host, None, None, list(known)[0] if len(known) == 1 else None, None)
        return
    halves = inventory.named(name)
    for stream in halves:
        yield Subject(inventory, state, host, stream["name"], stream, _seen_at(inventory, host, stream),
                      group.family(stream["group"]))
    if halves:
        return
    interface, slash, half = name.partition("/")
    expect.choice(path, interface, [*known, *dict.fromkeys(streams_of.base_name(each["name"])
                                                           for each in inventory.streams)])
    families = inventory.segments if host == SWITCH else {
        each: inventory.segments.get(body.get("segment", ""), body) for each, body in known.items()}
    stated = [family for family in FAMILIES if families[interface].get(family)]
    for family in [expect.choice(path, half, FAMILIES)] if slash else stated or FAMILIES:
        yield Subject(inventory, state, host, f"{interface}/{family}", None, interface, family)


def _seen_at(inventory: Inventory, host: str, stream: dict[str, Any]) -> str | None:
    """The interface at which a host sees a stream: that of its own end, else the only one on a segment of an end."""
    for ends in ("receivers", "senders"):
        if host in stream[ends]:
            return stream[ends][host]["interface"]
    found = [name for name, body in inventory.interfaces(host).items()
             if body.get("segment") in inventory.segments_of(stream)]
    return found[0] if len(found) == 1 else None
