# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams: what a user states in `mcast_streams`, and what follows from it for each host.

A stream with a group of each family stands for two: NAME/ipv4 and NAME/ipv6. Each is settled for itself:
``{name, group, port, filter_mode, sources, count, interval, payload, ttl, senders: {HOST:
{interface, address}}, receivers: {HOST: {interface}}, soak, foreign: [HOST]}``; interval and soak in seconds, address
None where it is not known beforehand. A host is foreign where its end of the stream is another program than
ours: it is judged, and neither started nor stopped. Without senders, or with a count of 0 (until it is stopped), it is
one of mcast_steps alone."""
from __future__ import annotations

import ipaddress
import math
import re
from typing import Any, Callable, Collection, Iterable, Mapping
from urllib.parse import quote

from . import expect
from . import group as groups_of
from .error import McastError

DEFAULTS = {"count": 5, "interval": 0.1, "payload": "HELLO", "ttl": 1}
LARGEST = 65507  # bytes of payload: 65535 less the headers of IPv4 and UDP
KEYS = ("group", "port", "from", "to", "filter_mode", "sources", "soak", "foreign") + tuple(DEFAULTS)
FILTER_MODES = ("include", "exclude")
# What a program takes from its stream.
_OPTIONS = {
    "receiver": ("group", "port", "interface", "filter_mode", "sources"),
    "sender": ("group", "port", "interface", "ttl", "count", "interval", "payload"),
}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,47}\Z")  # it becomes part of the name of a process's folder


def check(streams: Any) -> dict[str, dict[str, Any]]:
    """The part of the reading that needs no hosts: every key and value. Returns ``{name: stream}`` with `from` and
    `to` as ``{name: interface or None}``, each of one group. McastError names the key."""
    if not expect.mapping("streams", streams):
        raise McastError("streams", "expected at least one stream, such as "
                                    "hello: {group: 239.0.0.100, port: 11111, from: client, to: [server]}")
    found: dict[str, dict[str, Any]] = {}
    for name, body in streams.items():
        path = f"streams.{name}"
        if not NAME.match(name):
            raise McastError(path, "is not a usable name of a stream: expected letters, digits, _ . and -, at most 48")
        expect.mapping(path, body, KEYS, required=("group", "port", "to"))
        for own, address in _groups(f"{path}.group", name, body["group"]).items():
            found[own] = _check_one(path, own, body, address)
    return found


def _groups(path: str, name: str, value: Any) -> dict[str, groups_of.Address]:
    """The groups of a stream by the names of what it stands for: itself, or one of each family."""
    addresses = []
    for text in expect.texts(path, value):
        try:
            addresses.append(groups_of.parse(text))
        except McastError as error:
            raise McastError(path, f"{error.thing} {error.reason}") from None
    families = [groups_of.family(str(address)) for address in addresses]
    if len(set(families)) != len(families) or not families:
        raise McastError(path, f"expected one group, or one of each family, not {len(families)}")
    if len(set(map(groups_of.is_ssm, addresses))) > 1:
        raise McastError(path, "one is a source-specific group and the other is not; make two streams of them")
    return dict(zip([name] if len(families) == 1 else [f"{name}/{family}" for family in families], addresses))


def base_name(name: str) -> str:
    """The name as the user wrote it of the stream that a settled one is, or is one half of."""
    return name.partition("/")[0]


def _check_one(path: str, name: str, body: dict[str, Any], address: groups_of.Address) -> dict[str, Any]:
    sources = expect.texts(f"{path}.sources", body.get("sources") or [])
    if "/" in name:  # literal addresses of the other family belong to the other half
        sources, given = of_family(sources, str(address)), sources
        if given and not sources:
            raise McastError(f"{path}.sources", f"leave none for {address}; name senders, or an IPv{address.version} "
                                                "address too")
    mode = body.get("filter_mode") or ("include" if sources else "exclude")
    expect.choice(f"{path}.filter_mode", mode, FILTER_MODES)
    if mode == "include" and not sources:
        raise McastError(f"{path}.sources", "are missing: an INCLUDE filter without sources is no membership")
    if groups_of.is_ssm(address) and mode == "exclude":
        raise McastError(f"{path}.sources", f"are missing: {address} is a source-specific group, and routers ignore "
                                            "a join without sources there (RFC 4607)")
    interval = expect.number(f"{path}.interval", body.get("interval", DEFAULTS["interval"]), 0, 3600, float)
    soak, count = _length(path, body, interval)
    return {
        "name": name, "group": str(address), "filter_mode": mode, "sources": sources, "soak": soak,
        "port": expect.number(f"{path}.port", body["port"], 1, 65535), "count": count, "interval": interval,
        "ttl": expect.number(f"{path}.ttl", body.get("ttl", DEFAULTS["ttl"]), 0, 255),
        "payload": _payload(f"{path}.payload", body.get("payload", DEFAULTS["payload"])),
        "from": _ends(f"{path}.from", body["from"]) if body.get("from") is not None else {},
        "to": _ends(f"{path}.to", body["to"]),
        "foreign": expect.texts(f"{path}.foreign", body.get("foreign") or []),
        "counted": body.get("count") is not None,
    }


def _payload(path: str, value: Any) -> str:
    text = expect.text(path, value)
    if len(text.encode()) > LARGEST:
        raise McastError(path, f"is {len(text.encode())} bytes long; a datagram takes at most {LARGEST}")
    return text


def lets_through(filter_mode: str, sources: Collection[str], address: str) -> bool:
    """Whether a source filter lets the datagrams of an address through."""
    return (address in sources) == (filter_mode == "include")


def of_family(sources: list[str], group: str) -> list[str]:
    """Of names and literal addresses, all but the addresses of another family than the group's."""
    def version(source: str) -> int | None:
        try:
            return ipaddress.ip_address(source).version
        except ValueError:
            return None
    return [each for each in sources if version(each) in (None, groups_of.parse(group).version)]


def _length(path: str, body: dict[str, Any], interval: float) -> tuple[float, int]:
    """How long a stream is. Returns (seconds that it is to last, 0 where nothing is said; datagrams of each sender)."""
    if body.get("soak") is None:
        return 0.0, expect.number(f"{path}.count", body.get("count", DEFAULTS["count"]), 0, 10 ** 9)
    soak = expect.duration(f"{path}.soak", body["soak"])
    if body.get("count") is not None:
        raise McastError(f"{path}.soak", "and count both say how long the stream is; leave one out")
    if not interval or not soak:
        raise McastError(f"{path}.soak", "needs a duration and an interval above 0")
    return soak, math.ceil(soak / interval) + 1


def _ends(path: str, value: Any) -> dict[str, str | None]:
    """`client`, `[a, b]`, or `{a: eth0, b: eth1}` → ``{name: interface or None}``."""
    if not isinstance(value, dict):
        value = dict.fromkeys(expect.texts(path, value))
    for name, interface in expect.mapping(path, value).items():
        if interface is not None:
            expect.text(f"{path}.{name}", interface)
    if not value:
        raise McastError(path, "expected at least one host")
    return value


def settle(streams: Any, groups: Mapping[str, Collection[str]], hosts: Callable[[str], Mapping[str, Mapping[str, Any]]]
           ) -> list[dict[str, Any]]:
    """Settle all streams.

    streams: as a user wrote them. groups: ``{name: [host]}`` of the inventory, `all` among them. hosts: a function
    that takes a host's name and returns what the inventory says of its interfaces: ``{name: {segment, ipv4, ipv6}}``
    (addresses as text, with prefix or without, or None). Returns a list of settled streams, in the given order."""
    return [_Settler(stream, groups, hosts).settle() for stream in check(streams).values()]


class _Settler:
    def __init__(self, stream: dict[str, Any], groups: Mapping[str, Collection[str]],
                 hosts: Callable[[str], Mapping[str, Mapping[str, Any]]]) -> None:
        self.stream, self.groups, self.hosts = stream, groups, hosts
        self.path = f"streams.{stream['name']}"
        self.family = groups_of.family(stream["group"])

    def settle(self) -> dict[str, Any]:
        stream = {key: value for key, value in self.stream.items() if key not in ("from", "to", "counted")}
        senders, receivers = (self._named(key) for key in ("from", "to"))
        stream["senders"] = {
            host: self._end("from", host, interface, receivers) for host, interface in senders.items()}
        stream["receivers"] = {
            host: {"interface": self._end("to", host, interface, senders)["interface"]}
            for host, interface in receivers.items()}
        stream["foreign"] = self._foreign({*senders, *receivers})
        if not self.stream["counted"] and senders and set(senders) <= set(stream["foreign"]):
            stream["count"] = 1  # how many another program sends is not for us to say
        # One source may be given twice, by name and by address; the kernel would refuse the second.
        stream["sources"] = list(dict.fromkeys(
            source_address(f"{self.path}.sources", stream, source) for source in stream["sources"]))
        return stream

    def _foreign(self, ends: set[str]) -> list[str]:
        """The hosts of the stream whose program is not ours."""
        found: list[str] = []
        for name in self.stream["foreign"]:
            hosts = [name] if name in ends else [host for host in self.groups.get(name, ()) if host in ends]
            if not hosts:
                raise McastError(f"{self.path}.foreign", f"{name!r} is neither a sender nor a receiver of this stream")
            found += hosts
        return sorted(set(found))

    def _named(self, key: str) -> dict[str, str | None]:
        """Names of hosts and of groups → ``{host: interface or None}``. A host's name goes before a group's,
        and what is said of the host itself before what is said of its group."""
        given, known = self.stream[key], self.groups.get("all", ())
        named: dict[str, str | None] = {}
        for name, interface in given.items():
            if name in known:
                named[name] = interface
            elif name in self.groups:
                named.update((host, interface) for host in self.groups[name] if host not in given)
            else:
                raise McastError(f"{self.path}.{key}", f"{name!r} is neither a host nor a group of the inventory")
        if given and not named:
            raise McastError(f"{self.path}.{key}", "names only groups without hosts")
        return named

    def _end(self, key: str, host: str, interface: str | None, others: Iterable[str]) -> dict[str, str | None]:
        """The interface that one end uses, and its address of the group's family."""
        known = self.hosts(host)
        path = f"{self.path}.{key}"
        if interface is None:
            candidates = list(known)
            if len(candidates) > 1:
                far = {body.get("segment") for other in others for body in self.hosts(other).values()}
                candidates = [name for name in known if known[name].get("segment") in far - {None}]
            if len(candidates) != 1:
                remedy = f"say which of {', '.join(known)}: {{{host}: {list(known)[0]}}}" if known else (
                    f"set mcast_interface for this host in the inventory, or write {{{host}: eth0}} here")
                raise McastError(path, f"the interface of {host} is not clear; {remedy}")
            interface = candidates[0]
        elif known and interface not in known:
            raise McastError(path, f"{host} has no interface {interface}; it has {', '.join(known)}")
        here = known.get(interface, {})
        address = here.get(self.family)
        if key == "from" and self.family == "ipv4" and here.get("segment") and not address:
            raise McastError(path, f"{host} has no IPv4 address on {interface}, and {self.stream['group']} takes one")
        if self.family == "ipv6" and groups_of.is_link_local(self.stream["group"]):
            address = None  # the kernel sends from the link-local address (RFC 6724 section 5, rule 2)
        return {"interface": interface, "address": address.partition("/")[0] if address else None}


def source_address(path: str, stream: dict[str, Any], source: str) -> str:
    """A source is an address, or the name of a sender whose address the inventory knows. stream: with its group and
    its senders settled. McastError where it is neither, or of the other family."""
    family, senders = groups_of.family(stream["group"]), stream["senders"]
    if source in senders:
        if senders[source]["address"] is None:
            raise McastError(path, f"the {family} address of {source} is not known; give the address")
        return senders[source]["address"]
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        raise McastError(path, f"{source!r} is neither an address nor a sender of this stream") from None
    if f"ipv{address.version}" != family or address.is_multicast or address.is_unspecified:
        raise McastError(path, f"{source} is not an {family} unicast address, as the group {stream['group']} needs")
    return str(address)


def of_host(streams: Collection[dict[str, Any]], host: str) -> dict[str, Any]:
    """What one host is to do. streams: settled. Returns ``{"send": [...], "receive": [...], "open": [...],
    "interfaces": [...]}``: for each stream the host takes part in, the stream's own settings and the `interface` it
    uses; the groups and ports that its firewall must let in; and the names of all interfaces used."""
    shared = ("name", "group", "port", "ttl", "count", "interval", "payload", "filter_mode", "sources")
    duties = {}
    for duty, ends in (("send", "senders"), ("receive", "receivers")):
        duties[duty] = [dict({key: stream[key] for key in shared}, interface=stream[ends][host]["interface"],
                             foreign=host in stream["foreign"])
                        for stream in streams if host in stream[ends]]
    places = {(duty["group"], duty["port"]): None for duty in duties["receive"]}
    duties["open"] = [{"group": group, "port": str(port)} for group, port in places]
    duties["interfaces"] = sorted({duty["interface"] for duty in duties["send"] + duties["receive"]})
    return duties


def program_name(program: str, thing: str) -> str:
    """Under which name a program of a stream or of an interface runs, whose names may have characters that such a name
    can't."""
    return f"{program}-{quote(thing, safe='')}"


def programs(duties: list[dict[str, Any]], program: str) -> dict[str, dict[str, Any]]:
    """duties: `send` or `receive` of what of_host() returns; program: "sender" or "receiver". Returns the programs of
    these streams that are ours, ``{name: {program: options}}`` as the module `act` takes them. McastError for a stream
    without a name."""
    found = {}
    for duty in duties:
        if "name" not in duty:
            raise McastError("streams", f"each needs a name, and this one has none: {duty}")
        if not duty.get("foreign"):
            options = {option: duty.get(option) for option in _OPTIONS[program]}
            found[program_name(program, duty["name"])] = {program: options}
    return found


def captures(duties: list[dict[str, Any]], interfaces: list[str], max_size: int | None) -> dict[str, dict[str, Any]]:
    """A capture of the streams on each interface, as programs() returns them. duties: `send` and `receive` of what
    of_host() returns; max_size: in bytes, None: the program's own."""
    options = {"streams": [{"group": duty["group"], "port": duty["port"]} for duty in duties], "max_size": max_size}
    return {program_name("capture", each): {"capture": {"interface": each, **options}} for each in interfaces}


def memberships(streams: Iterable[dict[str, Any]], host: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What one host must be a member of: the union over all streams by interface and group; the port plays no part.

    Returns ``{(interface, group): {filter_mode, sources}}``: any EXCLUDE makes the union EXCLUDE, with the sources
    that every excluder excludes and nobody includes (RFC 9776 section 3.2)."""
    wanted: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for stream in streams:
        if host in stream["receivers"]:
            key = (stream["receivers"][host]["interface"], stream["group"])
            wanted.setdefault(key, []).append(stream)
    return {key: _union(parts) for key, parts in wanted.items()}


def _union(parts: Collection[dict[str, Any]]) -> dict[str, Any]:
    included = {source for part in parts if part["filter_mode"] == "include" for source in part["sources"]}
    excluding = [set(part["sources"]) for part in parts if part["filter_mode"] == "exclude"]
    sources = set.intersection(*excluding) - included if excluding else included
    return {"filter_mode": "exclude" if excluding else "include", "sources": sorted(sources)}
