# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The topology file: read, checked, and every address and kernel name in it settled. Nothing is changed here.

A settled topology is ``{name, connection, segments: {NAME: {ipv4, ipv6, bridge, switch}}, hosts: {NAME: {namespace,
router, querier, routes, interfaces: {NAME: {segment, ipv4, ipv6, mac, port}}}}}``: networks and addresses as text with
prefix or None, `bridge` and `port` the kernel's names in the namespace of the switches, which is called as the lab;
`switch`, `router` and `querier` the settings of the roles of these names, or None; `routes` what follows from routers
(see `routing`)."""
from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Any, Iterator, Union

from .. import bridge_settings, expect, router_config
from ..error import McastError
from ..group import Address
from . import routing

KEYS = ("plugin", "name", "connection", "segments", "hosts", "streams", "steps")
CONNECTIONS = ("netns", "ssh")
# What the inventory calls the host that holds the bridges, where their settings are given.
SWITCH = "switch"
ROLES = ("router", "querier")
_FAMILIES: dict[str, type[ipaddress.IPv4Network] | type[ipaddress.IPv6Network]] = {
    "ipv4": ipaddress.IPv4Network, "ipv6": ipaddress.IPv6Network}
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_LAB = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
# What a folder of /run/netns and a file of results can be called; Ansible allows more in a pattern than in a name.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_INTERFACE = re.compile(r"[!-$&-.0-9;-~]{1,15}\Z")  # ASCII: the kernel counts bytes
# The second digit says that it is not a group and not from a manufacturer's stock.
_MAC = re.compile(r"[0-9a-f][26ae](:[0-9a-f]{2}){5}\Z")
_RESERVED = {
    "localhost": "it is the controller's own name",
    "all": "Ansible has a group of this name",
    "ungrouped": "Ansible has a group of this name",
}


def settle(document: Any, name: str) -> dict[str, Any]:
    """document: the file as parsed YAML; name: the lab's name where the file gives none. Returns a settled
    topology; McastError names the key that is wrong."""
    expect.mapping("topology", document, KEYS, required=("segments", "hosts"))
    name = lab_name(document.get("name") or name)
    connection = expect.choice("connection", document.get("connection") or CONNECTIONS[0], CONNECTIONS)
    segments = _segments(document["segments"])
    hosts: dict[str, Any] = {}
    for host, body in expect.mapping("hosts", document["hosts"]).items():
        if not _HOST.match(host) or host in _RESERVED:
            why = _RESERVED.get(host, "expected letters, digits, _ . -, not beginning with . or -, at most 128")
            raise McastError(f"hosts.{host}", f"is not a usable name of a host: {why}")
        hosts[host] = {"namespace": f"{name}.{host}", "interfaces": _interfaces(name, host, body, segments)}
        for role in ROLES:
            given = body.get(role)
            hosts[host][role] = None if given is None else expect.mapping(f"hosts.{host}.{role}", given)
    if not hosts:
        raise McastError("hosts", "expected at least one host")
    if SWITCH in hosts and any(segment["switch"] is not None for segment in segments.values()):
        raise McastError(f"hosts.{SWITCH}", "is what the host of the bridges is called; rename this host")
    for segment, body in segments.items():
        if body["switch"] is not None:
            body["switch"] = _switch(f"segments.{segment}.switch", segment, body["switch"], hosts)
    _separate_networks(segments, hosts)
    _unequal_macs(hosts)
    for family in _FAMILIES:
        _addresses(family, segments, hosts)
    routing.add_routes(segments, hosts)
    router_config.check(hosts)
    return {"name": name, "connection": connection, "segments": segments, "hosts": hosts}


def numbered(hosts: Any) -> Any:
    """hosts: as in the file. Returns them with each that has a `count` in place of that many: m with count 12 becomes
    m01 to m12, alike but for their addresses. McastError names the key that is wrong."""
    if not isinstance(hosts, dict):
        return hosts  # which is for settle() to say
    found = {}
    for host, body in hosts.items():
        names = [host]
        if isinstance(body, dict) and "count" in body:
            count = expect.number(f"hosts.{host}.count", body["count"], 1, 10000)
            names = [f"{host}{number:0{len(str(count))}d}" for number in range(1, count + 1)]
            for family in _FAMILIES:
                for name, interface in (body.get("interfaces") or {}).items():
                    if count > 1 and isinstance(interface, dict) and interface.get(family):
                        raise McastError(f"hosts.{host}.interfaces.{name}.{family}",
                                         f"is one address for {count} hosts; leave it out")
            body = {key: value for key, value in body.items() if key != "count"}
        for name in names:
            if name in found or name in hosts and name != host:
                raise McastError(f"hosts.{name}", "is there twice, by its name and by count")
            found[name] = body
    return found


def lab_name(value: Any) -> str:
    """The name of a lab, which is also that of namespaces and folders; McastError where it can't be."""
    name = expect.text("name", value)
    if not _LAB.match(name):
        raise McastError("name", f"expected 1 to 64 letters, digits, _ or -, not {name!r}")
    return name


def _segments(value: Any) -> dict[str, Any]:
    segments: dict[str, Any] = {}
    for segment, body in expect.mapping("segments", value).items():
        path = f"segments.{segment}"
        if not _HOST.match(segment):
            raise McastError(path, "is not a usable name of a segment: expected letters, digits, _ . and -")
        body = expect.mapping(path, body or {}, tuple(_FAMILIES) + ("switch",))
        switch = body.get("switch")
        segments[segment] = {"bridge": kernel_name(segment), "switch": None if switch is None else expect.mapping(
            f"{path}.switch", switch)}
        for family, network in _FAMILIES.items():
            segments[segment][family] = None
            if body.get(family) is None:
                continue
            segments[segment][family] = _network(network, f"{path}.{family}", body[family])
    return segments


def _switch(path: str, segment: str, options: dict[str, Any], hosts: dict[str, Any]) -> dict[str, Any]:
    """The options of mcast.lab.bridge; a port is called HOST~INTERFACE in the file, and as the kernel has it then."""
    ports = {f"{host}~{name}": interface["port"] for host, body in hosts.items()
             for name, interface in body["interfaces"].items() if interface["segment"] == segment}
    if not ports:
        raise McastError(path, f"a bridge without ports is not a switch; no host has an interface on segment {segment}")
    bridge_settings.check(f"{path}.", options)

    def port(here: str, name: Any) -> str:
        return ports[expect.choice(here, name, list(ports))]

    options = dict(options)
    if options.get("ports"):
        options["ports"] = {port(f"{path}.ports.{name}", name): row for name, row in options["ports"].items()}
    if options.get("entries"):
        options["entries"] = [dict(row, port=port(f"{path}.entries[{number}].port", row["port"]))
                              for number, row in enumerate(options["entries"])]
    return options


def queries_ipv6(segment: dict[str, Any]) -> bool:
    """Whether the switch of a settled segment is to send MLD queries."""
    switch = segment["switch"] or {}
    return bool(switch.get("querier") and (segment["ipv6"] or switch.get("mld_version")))


def _network(network: type[ipaddress.IPv4Network] | type[ipaddress.IPv6Network], path: str, value: Any) -> str:
    value = expect.text(path, value)
    try:
        if not network(value).is_multicast:
            return str(network(value))
        error = f"{value} holds groups, not hosts"
    except ValueError as reason:
        error = str(reason)
    raise McastError(path, f"expected an IPv{4 if network is ipaddress.IPv4Network else 6} network: {error}")


def _interfaces(name: str, host: str, body: Any, segments: dict[str, Any]) -> dict[str, Any]:
    path = f"hosts.{host}"
    body = expect.mapping(path, body, ("interfaces",) + ROLES, required=("interfaces",))
    interfaces = {}
    for interface, given in expect.mapping(f"{path}.interfaces", body["interfaces"]).items():
        here = f"{path}.interfaces.{interface}"
        if not _INTERFACE.match(interface) or interface in ("lo", ".", "..", "all", "default"):
            raise McastError(here, "is not a usable name of an interface: expected 1 to 15 ASCII characters without "
                                   "space, / : and %; lo, all and default mean something else")
        given = expect.mapping(here, given, ("segment", "mac") + tuple(_FAMILIES), required=("segment",))
        expect.choice(f"{here}.segment", given["segment"], list(segments))
        # ~ stands in neither name, so that a.b + c and a + b.c stay apart.
        full = f"{host}~{interface}"
        interfaces[interface] = {
            "segment": given["segment"], "port": kernel_name(full),
            "mac": mac(name, full) if given.get("mac") is None else _mac(f"{here}.mac", given["mac"]),
            "ipv4": given.get("ipv4"), "ipv6": given.get("ipv6"),
        }
    return interfaces


def _addresses(family: str, segments: dict[str, Any], hosts: dict[str, Any]) -> None:
    """Check the given addresses and draw the missing ones, in the file's order, from the start of the segment."""
    places = [(f"hosts.{host}.interfaces.{name}.{family}", interface)
              for host, body in hosts.items() for name, interface in body["interfaces"].items()]
    taken: dict[Address, str] = {}
    for path, interface in places:
        if interface[family] is None:
            continue
        network = segments[interface["segment"]][family]
        if network is None:
            raise McastError(path, f"segment {interface['segment']} has no {family} network")
        network = ipaddress.ip_network(network)
        text, slash, prefix = expect.text(path, interface[family]).partition("/")
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise McastError(path, f"expected an {family} address, not {interface[family]!r}") from None
        if slash and prefix != str(network.prefixlen):
            raise McastError(path, f"expected no prefix, or /{network.prefixlen} of segment "
                                   f"{interface['segment']}, not /{prefix}")
        if address not in network or address in _ends(network):
            raise McastError(path, f"{address} is not a host address of segment {interface['segment']}, {network}")
        if address in taken:
            raise McastError(path, f"{address} is taken by {taken[address]}")
        taken[address] = path
        interface[family] = f"{address}/{network.prefixlen}"
    free: dict[_Network, Iterator[Address]] = {}
    for path, interface in places:
        network = segments[interface["segment"]][family]
        if interface[family] is None and network is not None:
            network = ipaddress.ip_network(network)
            # Each segment is walked once: 1,000 hosts draw in one pass.
            walk = free.setdefault(network, (address for address in network.hosts() if address not in taken))
            drawn = next(walk, None)
            if drawn is None:
                raise McastError(path, f"{network} has no free address left")
            taken[drawn] = path
            interface[family] = f"{drawn}/{network.prefixlen}"


def _ends(network: _Network) -> tuple[Address, ...]:
    """What no host may bear: network and broadcast address, the subnet-router anycast address in IPv6."""
    if network.version == 6:
        return () if network.prefixlen >= 127 else (network.network_address,)
    return () if network.prefixlen >= 31 else (network.network_address, network.broadcast_address)


def kernel_name(name: str) -> str:
    """The name itself where the kernel takes it as an interface's (15 characters), else ``x`` and a digest of it."""
    if _INTERFACE.match(name) and name not in ("lo", ".", "..", "all", "default"):
        return name
    return f"x{hashlib.sha256(name.encode()).hexdigest()[:14]}"


def _separate_networks(segments: dict[str, Any], hosts: dict[str, Any]) -> None:
    """Refuse networks that overlap, and one network on two segments of a host, which could not tell them apart."""
    for family in _FAMILIES:
        networks = sorted((ipaddress.ip_network(body[family]), name) for name, body in segments.items() if body[family])
        for (wide, first), (narrow, second) in zip(networks, networks[1:]):
            # In their order, either the wide one holds the narrow one or they are apart.
            if wide != narrow and narrow.network_address in wide:
                raise McastError(f"segments.{second}.{family}", f"{narrow} is a part of {wide} of segment {first}")
        for host, body in hosts.items():
            seen: dict[str, str] = {}
            for name, interface in body["interfaces"].items():
                network, segment = segments[interface["segment"]][family], interface["segment"]
                if network and seen.setdefault(network, segment) != segment:
                    raise McastError(f"hosts.{host}.interfaces.{name}.segment", (
                        f"has the network {network} of segment {seen[network]}, on which {host} is too"))


def _unequal_macs(hosts: dict[str, Any]) -> None:
    taken: dict[str, str] = {}
    for host, body in hosts.items():
        for name, interface in body["interfaces"].items():
            path = f"hosts.{host}.interfaces.{name}.mac"
            if taken.setdefault(interface["mac"], path) != path:
                raise McastError(path, f"{interface['mac']} is taken by {taken[interface['mac']]}")


def _mac(path: str, value: Any) -> str:
    """A MAC that stands in the file: the link-local address follows from it, and so who wins an election of MLD."""
    value = expect.text(path, value).lower()
    if not _MAC.match(value):
        raise McastError(path, "expected a locally administered MAC of one host, such as 02:00:00:00:00:01, not "
                               f"{value}")
    return value


def mac(lab: str, name: str) -> str:
    """A locally administered MAC that is the same in every run, so that captures can be compared."""
    return f"02:{hashlib.sha256(f'{lab}/{name}'.encode()).digest()[:5].hex(':')}"
