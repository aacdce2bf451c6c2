# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold, derived from the streams before anything runs.

A planned check is ``{id, host, phase, check, description, severity, params, wait}``. `phase` is before (nothing
runs), during (all receivers and senders run), after (they have ended) or ended (the captures have ended too), or a step
of a scenario. `severity` is failure, or warning where a host isn't ours and others may act on it.
`wait` is how many seconds longer than others the check may take to come true."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...module_utils import group as groups_of
from ...module_utils import stream as streams_of
from ...module_utils.error import McastError
from . import judge
from .expectations import Expected
from .inventory import Host
from .steps import PHASES, SETUP, TEARDOWN

_REPORTS = ("igmpv1_report", "igmpv2_report", "igmpv3_report", "mldv1_report", "mldv2_report")


class _Must(NamedTuple):
    """What a phase asks of a host: a check, how grave it is where it does not pass, and its params."""
    check: str
    severity: str
    params: dict[str, Any]


def derive(streams: list[dict[str, Any]], hosts: Mapping[str, Host]) -> list[dict[str, Any]]:
    """streams: settled. hosts: those that take part in the run, by name.

    Returns the list of planned checks, in the order of phase and host; none where there are no streams."""
    longest = max((stream["soak"] for stream in streams), default=0)
    planned = []
    for phase in PHASES if streams else ():
        for name, host in hosts.items():
            for check, severity, params in _RULES[phase](streams, name, "failure" if host.is_ours else "warning"):
                if _can_judge(host, check):
                    identifier, wait = _identifier(name, phase, check, params), (
                        longest if judge.CHECKS[check].SOAKS else 0)
                    planned.append(_planned(identifier, name, phase, check, severity, params, wait))
    return planned


def _can_judge(host: Host, check: str) -> bool:
    """Whether the run does what the check is about."""
    needs = judge.CHECKS[check].NEEDS
    return not ("captures" in needs and not host.captures or "firewall" in needs and not host.opens
                or check == "membership.explained" and host.is_device)


def queriers(streams: list[dict[str, Any]], bridge_of: Callable[[str, str], tuple[str, str] | None],
             interval_of: Callable[[str], float | None]) -> list[dict[str, Any]]:
    """That a querier lives on each snooped segment with members: without one a switch forgets them, or floods.

    streams: settled. bridge_of: a function of a host and its interface, which returns the host and the bridge of the
    snooping switch there, or None. interval_of: a function of a bridge, which returns the query interval on its segment
    in seconds, None where it is not known. Returns planned checks."""
    places = dict.fromkeys((bridge_of(host, end["interface"]), groups_of.family(stream["group"]))
                           for stream in streams if groups_of.is_reported(stream["group"])
                           for host, end in stream["receivers"].items())
    intervals = {place: interval_of(place[1]) for place, unused in places if place}
    planned = []
    for place, family in places:
        if place:
            identifier = "/".join([place[0], "during", "mdb.querier", place[1], family])
            interval = {"interval": intervals[place]} if intervals[place] else {}
            planned.append(_planned(identifier, place[0], "during", "mdb.querier", "failure", dict(
                interval, bridge=place[1], family=family), 0))
    return planned


def _planned(identifier: str, host: str, phase: str, check: str, severity: str, params: dict[str, Any], wait: float
             ) -> dict[str, Any]:
    return {"id": identifier, "host": host, "phase": phase, "check": check, "severity": severity, "params": params,
            "description": judge.make(check, params).describe(), "wait": wait}


def expected(stated: list[Expected], hosts: list[str]) -> list[dict[str, Any]]:
    """The checks of the steps. hosts: those that take part; the checks of others are left out. Returns planned checks;
    McastError names the expectation that is wrong."""
    planned: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for each in stated:
        identifier = "/".join(filter(None, [each.host, each.step, each.check, each.about]))
        seen[identifier] = seen.get(identifier, 0) + 1
        if seen[identifier] > 1:
            identifier += f"#{seen[identifier]}"
        if each.host in hosts:
            try:
                planned.append(_planned(identifier, each.host, each.step, each.check, each.severity, each.params,
                                        each.wait))
            except McastError as error:
                raise McastError(each.path, str(error)) from None
    return planned


def finish_checksums(planned: list[dict[str, Any]], is_on_our_cables: Callable[[str], bool]) -> None:
    """The cables of a lab of ours leave no checksum to an interface; so an unfinished one is wrong there, also in
    checks that the inventory states."""
    affected = ("packets.datagrams", "packets.order", "packets.delay")
    for check in planned:
        if check["check"] in affected and is_on_our_cables(check["host"]):
            check["params"].setdefault("offload", False)


def marks(checks: list[dict[str, Any]], hosts: list[str], steps: list[str]) -> list[dict[str, str]]:
    """The phases that each host has to complete: set-up and teardown, the steps, and those of its own checks. Returns
    ``{host, phase}`` each."""
    found = [(host, phase) for host in hosts for phase in (SETUP, *steps)]
    found += [(check["host"], check["phase"]) for check in checks]
    found += [(host, TEARDOWN) for host in hosts]
    return [{"host": host, "phase": phase} for host, phase in dict.fromkeys(found)]


def ordered(planned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The planned checks in the order of their phases: those of every run first, then a scenario's own as they come."""
    phases = list(dict.fromkeys(PHASES + tuple(check["phase"] for check in planned)))
    return sorted(planned, key=lambda check: phases.index(check["phase"]))


def _identifier(host: str, phase: str, check: str, params: dict[str, Any]) -> str:
    keys = ("stream", "group", "interface") if "stream" in params else ("group", "port", "protocol", "interface")
    what = [str(params[key]) for key in keys if params.get(key)]
    return "/".join([host, phase, check] + what)


def _before(streams: list[dict[str, Any]], host: str, others: str) -> Iterator[_Must]:
    for interface in streams_of.of_host(streams, host)["interfaces"]:
        yield _Must("interface.settings", "failure", {"interface": interface, "state": "up", "multicast": True})
    yield from _not_joined(streams, host, others)
    openings = streams_of.of_host(streams, host)["open"]
    for opening in openings:
        yield _Must("firewall.listed", "failure", dict(opening))
        yield _Must("firewall.open", "failure", dict(opening))
    # Dropped queries and reports let the membership expire, minutes after all looked well.
    for family in sorted({groups_of.family(opening["group"]) for opening in openings}):
        yield _Must("firewall.open", "failure", {"protocol": "igmp" if family == "ipv4" else "mld"})


def _during(streams: list[dict[str, Any]], host: str, others: str) -> Iterator[_Must]:
    wanted = streams_of.memberships(streams, host)
    for (interface, group), union in wanted.items():
        yield _Must("membership.present", "failure", dict(union, interface=interface, group=group))
        yield _Must("mapping.programmed", "failure", {
            "interface": interface, "group": group, "mac": groups_of.mac(group)})
    expected = [{"interface": interface, "group": group} for interface, group in wanted]
    if not _foreign_groups(streams, host):
        yield _Must("membership.difference", others, {"joined": [
            place for place in expected if not groups_of.is_kernel_own(place["group"])]})
    yield _Must("membership.explained", others, {"memberships": expected})
    for opening in streams_of.of_host(streams, host)["open"]:
        yield _Must("socket.listening", "failure", {"group": opening["group"], "port": int(opening["port"])})
    unseen = _unseen(streams, host)
    for stream in streams:
        shared = {"stream": stream["name"], "group": stream["group"], "port": stream["port"]}
        if host in stream["senders"] and host not in stream["foreign"]:
            yield _Must("delivery.sent", "failure", dict(shared, datagrams=stream["count"],
                                                         interface=stream["senders"][host]["interface"]))
        if host in stream["receivers"]:
            yield _received(stream, host, shared, unseen)
    for params in _reports(streams, host, "join"):
        yield _Must("packets.reports", others, params)


def _unseen(streams: list[dict[str, Any]], host: str) -> dict[str, int]:
    """How many datagrams foreign receivers of a host get, by family: together, as the kernel counts them."""
    found: dict[str, int] = {}
    for stream in streams:
        if host in stream["receivers"] and host in stream["foreign"]:
            family = groups_of.family(stream["group"])
            got = (stream["count"] - stream["receivers"][host].get("loss", 0)) * len(_senders(stream))
            found[family] = found.get(family, 0) + got
    return found


def _received(stream: dict[str, Any], host: str, shared: dict[str, Any], unseen: dict[str, int]) -> _Must:
    """What arrives at the program of a receiver: counted by ours, and by the kernel where it is foreign."""
    end = stream["receivers"][host]
    if host in stream["foreign"]:
        return _Must("socket.delivered", "failure", {"group": stream["group"], "port": stream["port"],
                                                     "datagrams": unseen[groups_of.family(stream["group"])]})
    params = dict(shared, sources=_senders(stream), interface=end["interface"])
    if _is_foreign(stream):
        return _Must("delivery.received", "failure", dict(params, at_least=stream["count"] - end.get("loss", 0)))
    params["datagrams"] = stream["count"]
    return _Must("delivery.received", "failure", dict(params, at_least=stream["count"] - end["loss"]) if end.get(
        "loss") else params)


def _is_foreign(stream: dict[str, Any]) -> bool:
    """Whether another program than ours sends: then it is not known what, and how much beyond `count`."""
    return bool(set(stream["foreign"]) & set(stream["senders"]))


def _reports(streams: list[dict[str, Any]], host: str, change: str) -> Iterator[dict[str, Any]]:
    """The reports of each membership. How many there are is certain where the filter changes once: one EXCLUDE without
    sources, however often, or one INCLUDE of a single source."""
    for (interface, group), union in streams_of.memberships(streams, host).items():
        if not groups_of.is_reported(group) or (interface, group) in _foreign_groups(streams, host):
            continue
        filters = [(stream["filter_mode"], tuple(stream["sources"])) for stream in streams
                   if stream["group"] == group and stream["receivers"].get(host, {}).get("interface") == interface]
        exact = set(filters) == {("exclude", ())} or len(filters) == 1 and filters[0][0] == "include" and len(
            filters[0][1]) == 1
        capture = streams_of.program_name("capture", interface)
        yield dict(union, capture=capture, interface=interface, group=group, change=change, exact=exact)


def _wire(streams: list[dict[str, Any]], host: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The datagrams of each stream, where they leave and where they arrive, as (check, params)."""
    for stream in streams:
        receives = host in stream["receivers"] and _senders(stream)
        if host in stream["senders"]:
            yield "packets.datagrams", _leaving(stream, host)
        elif receives:
            yield "packets.datagrams", _arriving(stream, host)
            yield "packets.checksums", dict(_captured(stream, stream["receivers"][host]), port=stream["port"])
        if receives and groups_of.is_reported(stream["group"]) and (
                stream["receivers"][host]["interface"], stream["group"]) not in _foreign_groups(streams, host):
            about = {"group": stream["group"]}
            yield "packets.order", dict(_captured(stream, stream["receivers"][host]), steps=[
                dict(about, kinds=list(_REPORTS)), dict(about, port=stream["port"])])


def _captured(stream: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    interface = end["interface"]
    return {"capture": streams_of.program_name("capture", interface), "interface": interface, "stream": stream["name"],
            "group": stream["group"]}


def _datagrams(stream: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    params = dict(_captured(stream, end), port=stream["port"], mac=groups_of.mac(stream["group"]))
    return params if _is_foreign(stream) else dict(params, payload=stream["payload"])


def _leaving(stream: dict[str, Any], host: str) -> dict[str, Any]:
    """Other senders' datagrams may pass by here too: what leaves is told apart by the source where that is known."""
    own = stream["senders"][host]
    params = dict(_datagrams(stream, own), sources=[own["address"]] if own["address"] else [])
    if not _is_foreign(stream) and (own["address"] or len(stream["senders"]) == 1):
        return dict(params, count=stream["count"], ttl=stream["ttl"])
    return dict(params, at_least=stream["count"])


def _arriving(stream: dict[str, Any], host: str) -> dict[str, Any]:
    """Of a sender that the filter leaves out nothing is certain: its datagrams may come this far, or may not. Nor is
    the TTL: there may be routers, and they may lose the first datagrams."""
    heard = _senders(stream)
    loss = stream["receivers"][host].get("loss", 0)
    known = None not in heard
    params = dict(_datagrams(stream, stream["receivers"][host]), sources=heard if known else [])
    if not _is_foreign(stream) and (known or (stream["filter_mode"], stream["sources"]) == ("exclude", [])):
        most = stream["count"] * len(heard)
        return dict(params, at_least=most - loss * len(heard), at_most=most) if loss else dict(params, count=most)
    return dict(params, at_least=stream["count"] - loss)


def _senders(stream: dict[str, Any]) -> list[str | None]:
    """The senders that a receiver must hear: those that its source filter lets through. An address that is not
    known beforehand stands as None: any source will do for it."""
    addresses = [end["address"] for end in stream["senders"].values()]
    return [address for address in addresses
            if address is None or streams_of.lets_through(stream["filter_mode"], stream["sources"], address)]


def _not_joined(streams: list[dict[str, Any]], host: str, others: str) -> Iterator[_Must]:
    """Before and after the streams; a foreign receiver may run longer."""
    foreign = _foreign_groups(streams, host)
    for interface, group in streams_of.memberships(streams, host):
        if not groups_of.is_kernel_own(group) and (interface, group) not in foreign:
            yield _Must("membership.absent", others, {"interface": interface, "group": group})


def _foreign_groups(streams: list[dict[str, Any]], host: str) -> set[tuple[str, str]]:
    """(interface, group) of the streams that another program than ours receives on this host: nobody knows when it
    joins and leaves."""
    return {(stream["receivers"][host]["interface"], stream["group"]) for stream in streams
            if host in stream["receivers"] and host in stream["foreign"]}


def _after(streams: list[dict[str, Any]], host: str, others: str) -> Iterator[_Must]:
    yield from _not_joined(streams, host, others)
    if not _foreign_groups(streams, host):
        yield _Must("membership.difference", others, {"joined": []})
    for params in _reports(streams, host, "leave"):
        yield _Must("packets.reports", others, params)
    for check, params in _wire(streams, host):
        # Where others were members before, a join is not reported: as for packets.reports. And where cables are not
        # ours, an interface may be yet to fill in checksums; packets.datagrams judges them where none is.
        if check != "packets.checksums" or others == "warning":
            yield _Must(check, "failure" if check == "packets.datagrams" else others, params)


def _ended(streams: list[dict[str, Any]], host: str, unused: str) -> Iterator[_Must]:
    for interface in streams_of.of_host(streams, host)["interfaces"]:
        capture = streams_of.program_name("capture", interface)
        yield _Must("packets.captured", "failure", {"capture": capture, "interface": interface})


_RULES: dict[str, Callable[[list[dict[str, Any]], str, str], Iterator[_Must]]] = {
    "before": _before, "during": _during, "after": _after, "ended": _ended}
