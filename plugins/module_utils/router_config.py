# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user says of a multicast router, read and checked, and the configuration of each daemon that follows from it.

Pure: settings and text. Settled settings are ``{backend, interfaces: [name], rp: {address: [prefix]}, igmp: {...},
hello_interval, dr_priority, routes: [{group, source, incoming, outgoing}]}``, intervals in seconds."""
from __future__ import annotations

import ipaddress
from typing import Any, Callable, Collection, Mapping, Sequence

from . import expect
from . import group as groups_of
from .error import McastError
from .netlink.links import Interface
from .querier.defaults import (
    IGMP_VERSION,
    LAST_MEMBER_QUERY_INTERVAL,
    QUERY_INTERVAL,
    QUERY_RESPONSE_INTERVAL,
    ROBUSTNESS,
)

BACKENDS = ("frr", "smcroute", "pimd")
IGMP = ("version", "query_interval", "query_response_interval", "last_member_query_interval",
        "last_member_query_count")
_ALL_GROUPS = "224.0.0.0/4"
# What a daemon can't be told; the others ignore nothing in silence either.
_LACKS = {
    "frr": {"routes": "is for the backend smcroute; FRR finds its routes by PIM and IGMP"},
    "smcroute": dict.fromkeys(("rp", "igmp", "hello_interval", "dr_priority"),
                              "is for the backends frr and pimd; smcroute speaks neither PIM nor IGMP"),
    "pimd": {"routes": "is for the backend smcroute; pimd finds its routes by PIM and IGMP"},
}


def settle(params: Mapping[str, Any], links: Mapping[str, Sequence[Interface]]) -> dict[str, Any]:
    """params: options of the module `router`, None for what is not given. links: ``{name: [address]}`` of the host's
    interfaces but lo. Returns settled settings; McastError names the option that is wrong."""
    backend = expect.choice("backend", params["backend"], BACKENDS)
    for option, why in _LACKS[backend].items():
        if params.get(option):
            raise McastError(option, why)
    names = params.get("interfaces")
    if names is None:
        names = [name for name, addresses in links.items()
                 if backend == "smcroute" or any(address.version == 4 for address in addresses)]
    settled: dict[str, Any] = {
        "backend": backend, "interfaces": [_interface("interfaces", name, links) for name in names]}
    if not names:
        raise McastError("interfaces", "there is none with an IPv4 address on this host")
    settled["rp"] = _rp(params.get("rp"))
    settled["igmp"] = _igmp(backend, params.get("igmp") or {})
    settled["hello_interval"] = _hello(backend, params.get("hello_interval"))
    settled["dr_priority"] = params.get("dr_priority")
    if settled["dr_priority"] is not None:
        expect.number("dr_priority", settled["dr_priority"], 1, 2 ** 32 - 2)
    settled["routes"] = [_route(f"routes[{number}]", route, settled["interfaces"])
                         for number, route in enumerate(params.get("routes") or [])]
    return settled


OPTIONS = ("backend", "interfaces", "rp", "igmp", "hello_interval", "dr_priority", "routes")


def check(hosts: dict[str, Any]) -> None:
    """The routers of a topology, each with what is said of it in ``router``. McastError names the key that is wrong: a
    rendezvous point must be one of them."""
    addresses = {port["ipv4"].partition("/")[0] for host in hosts.values() if host["router"] is not None
                 for port in host["interfaces"].values() if port["ipv4"]}
    for name, host in hosts.items():
        if host["router"] is None:
            continue
        path = f"hosts.{name}.router"
        expect.mapping(path, host["router"], OPTIONS)
        links = {interface: [ipaddress.ip_interface(port[family]) for family in ("ipv4", "ipv6") if port[family]]
                 for interface, port in host["interfaces"].items()}
        try:
            settled = settle(dict({"backend": BACKENDS[0]}, **host["router"]), links)
        except McastError as error:
            raise McastError(f"{path}.{error.thing}", error.reason) from None
        for address in settled["rp"]:
            if address not in addresses:
                raise McastError(f"{path}.rp.{address}", "is not an address of a router in this topology")


def _interface(path: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        raise McastError(path, f"there is no interface {name} here; there are {', '.join(known) or 'none'}")
    return name


def _rp(value: Any) -> dict[str, list[str]]:
    """An address for all groups, or ``{address: groups}``, groups a prefix or a list of them."""
    if not value:
        return {}
    if not isinstance(value, dict):
        value = {expect.text("rp", value): _ALL_GROUPS}
    found: dict[str, list[str]] = {}
    for address, prefixes in value.items():
        path = f"rp.{address}"
        try:
            if ipaddress.IPv4Address(address).is_multicast:
                raise ValueError
        except ValueError:
            raise McastError(path, "expected the IPv4 address of a router; a rendezvous point for IPv6 takes pim6d, "
                                   "which no backend has" if ":" in address else
                                   "expected the IPv4 address of a router") from None
        found[address] = []
        for prefix in expect.texts(path, prefixes):
            try:
                network = ipaddress.IPv4Network(prefix)
            except ValueError as error:
                raise McastError(path, f"expected groups such as 239.0.0.0/8: {error}") from None
            if not network.subnet_of(ipaddress.IPv4Network(_ALL_GROUPS)):
                raise McastError(path, f"{prefix} holds addresses that are no groups")
            found[address].append(str(network))
    return found


def _igmp(backend: str, given: Any) -> dict[str, Any]:
    """FRR's units are whole seconds and tenths (doc/user/pim.rst); pimd can be told the version and the interval."""
    known = IGMP if backend == "frr" else ("version", "query_interval")
    expect.mapping("igmp", given, IGMP)
    expect.mapping("igmp", given, known)
    limits = {"version": (2, 3, int), "query_interval": (1, 65535, int), "last_member_query_count": (1, 255, int),
              "query_response_interval": (0.1, 6553.5, float), "last_member_query_interval": (0.1, 6553.5, float)}
    igmp = {key: expect.number(f"igmp.{key}", given[key], *limits[key]) for key in IGMP if given.get(key) is not None}
    response, interval = (igmp.get(key, default) for key, default in (
        ("query_response_interval", QUERY_RESPONSE_INTERVAL), ("query_interval", QUERY_INTERVAL)))
    if backend == "frr" and response > interval:
        by_default = "" if "query_response_interval" in igmp else " by default"
        raise McastError("igmp.query_response_interval", (
            f"is {response:g} s{by_default}, longer than the query interval of {interval:g} s; members could not "
            "answer before the next query (RFC 9776 section 8.3)"))
    return igmp


def _hello(backend: str, value: Any) -> int | None:
    if value is None:
        return None
    low, high = (1, 180) if backend == "frr" else (30, 18724)
    return expect.number("hello_interval", value, low, high)


def _route(path: str, value: Any, interfaces: Sequence[str]) -> dict[str, Any]:
    value = expect.mapping(path, value, ("group", "source", "incoming", "outgoing"), ("group", "incoming", "outgoing"))
    try:
        group = groups_of.parse(expect.text(path + ".group", value["group"]))
        source = value.get("source") and ipaddress.ip_address(expect.text(path + ".source", value["source"]))
    except McastError as error:
        raise McastError(path + ".group", f"{error.thing} {error.reason}") from None
    except ValueError as error:
        raise McastError(path + ".source", str(error)) from None
    if source and source.version != group.version:
        raise McastError(path + ".source", f"{source} is of another family than the group {group}")
    known = dict.fromkeys(interfaces)
    outgoing = [_interface(path + ".outgoing", name, known) for name in expect.texts(
        path + ".outgoing", value["outgoing"])]
    incoming = _interface(path + ".incoming", expect.text(path + ".incoming", value["incoming"]), known)
    if incoming in outgoing or not outgoing:
        raise McastError(path + ".outgoing", f"expected interfaces other than the incoming one, {incoming}")
    return {"group": str(group), "source": str(source) if source else None, "incoming": incoming, "outgoing": outgoing}


# FRR's defaults are those of the RFC (doc/user/pim.rst). All are set, so that a daemon that runs already comes to the
# same as a new one. Name, command, units in a second (of a count, 1), default.
_FRR = (("version", "version", 1, IGMP_VERSION), ("query_interval", "query-interval", 1, QUERY_INTERVAL),
        ("query_response_interval", "query-max-response-time", 10, QUERY_RESPONSE_INTERVAL),
        ("last_member_query_interval", "last-member-query-interval", 10, LAST_MEMBER_QUERY_INTERVAL),
        ("last_member_query_count", "last-member-query-count", 1, ROBUSTNESS))


def frr(settings: dict[str, Any]) -> str:
    """For vtysh: a line each, an interface's own indented. FRR counts in seconds, or tenths of them."""
    lines = [f"ip pim rp {address} {prefix}"
             for address, prefixes in settings["rp"].items() for prefix in prefixes]
    body = [" ip igmp"] + [f" ip igmp {command} {round(settings['igmp'].get(key, default) * factor)}"
                           for key, command, factor, default in _FRR]
    body += [" ip pim", f" ip pim hello {settings['hello_interval'] or 30}",
             f" ip pim drpriority {settings['dr_priority'] or 1}"]
    for name in settings["interfaces"]:
        lines += ["interface " + name] + body + ["exit"]
    return _text(lines)


def frr_commands(before: str, after: str) -> str:
    """What vtysh has to be told so that a daemon with the configuration `before` has `after`."""
    had, wanted = before.splitlines(), after.splitlines()
    gone = [line for line in had if line not in wanted]
    lines = ["no " + line for line in gone if line.startswith("ip pim rp")]
    for line in gone:
        if line.startswith("interface "):
            lines += [line, "no ip igmp", "no ip pim", "exit"]
    for line in wanted:
        # At no time may the response time be longer than the interval, whichever of the two is the first to change.
        if line.startswith(" ip igmp query-interval"):
            lines.append(" ip igmp query-max-response-time 1")
        lines.append(line)
    return _text(lines)


def frr_hellos(text: str) -> dict[str, str]:
    """``{interface: its hello line}`` of a configuration for FRR."""
    names = [line for line in text.splitlines() if line.startswith("interface ")]
    return dict(zip(names, (line for line in text.splitlines() if line.startswith(" ip pim hello "))))


def smcroute(settings: dict[str, Any]) -> str:
    """For smcrouted -N (smcroute.conf(5)). It joins each group where it comes in: a switch that snoops sends it then,
    though smcroute is not a router that it would notice."""
    lines = [f"phyint {name} enable" for name in settings["interfaces"]]
    joined: dict[str, None] = {}  # a set in its order
    for route in settings["routes"]:
        about = (f"source {route['source']} " if route["source"] else "") + f"group {route['group']}"
        joined[f"mgroup from {route['incoming']} {about}"] = None
        lines.append(f"mroute from {route['incoming']} {about} to {' '.join(route['outgoing'])}")
    phyints = len(settings["interfaces"])
    return _text(lines[:phyints] + list(joined) + lines[phyints:])


def pimd(settings: dict[str, Any]) -> str:
    """For pimd -N (pimd.conf(5)), in the order that it wants."""
    lines = []
    if settings["hello_interval"] is not None:
        lines.append(f"hello-interval {settings['hello_interval']}")
    if "query_interval" in settings["igmp"]:
        lines.append(f"igmp-query-interval {settings['igmp']['query_interval']}")
    for name in settings["interfaces"]:
        line = f"phyint {name} enable igmpv{settings['igmp'].get('version', 3)}"
        if settings["dr_priority"] is not None:
            line += f" dr-priority {settings['dr_priority']}"
        lines.append(line)
    for address, prefixes in settings["rp"].items():
        lines += [f"rp-address {address} {prefix}" for prefix in prefixes]
    return _text(lines)


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


RENDER: dict[str, Callable[[dict[str, Any]], str]] = {"frr": frr, "smcroute": smcroute, "pimd": pimd}
