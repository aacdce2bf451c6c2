# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold at the end of a step, as `expect` states it: ``{HOST: [{WORD: SUBJECTS}]}``. A word is the name of a
check or one of those below; what a subject (a stream or an interface) says already is not written again."""
from __future__ import annotations

from typing import Any, Callable, Iterator, NamedTuple

from ...module_utils import expect, group
from ...module_utils import stream as streams_of
from ...module_utils.error import McastError
from ...module_utils.lab.topology import SWITCH, kernel_name
from ..checks.base import count_option, group_option
from . import events, judge
from .scene import Inventory, State, Subject, subjects


class Captured(NamedTuple):
    """A capture on an interface of a host, which begins with a step."""
    step: str
    host: str
    interface: str


class Expected(NamedTuple):
    """One check of one host. capture: the one that it reads; None where it reads none."""
    path: str
    host: str
    step: str
    check: str
    params: dict[str, Any]
    about: str  # distinguishes it from other checks of its kind
    severity: str
    wait: float
    capture: Captured | None


class Since(NamedTuple):
    """The step that is read, and the names of all steps up to it, empty for a phase of the streams themselves."""
    step: str
    steps: list[str]


class Wanted(NamedTuple):
    """A check that a word stands for, with what the word says itself. about: distinguishes it from other checks of the
    word."""
    check: str
    params: dict[str, Any]
    about: str = ""
    captured: bool = True  # whether a capture is read where the check can do without


_OWN = ("since", "severity", "wait", "id")
# What a text, a number or a list stands for, where a check is given no mapping.
_MAIN = {"mdb.ports": "ports", "mdb.present": "port", "mdb.absent": "port", "mdb.router_port": "port",
         "expiry.gone": "port", "expiry.timer": "port", "membership.held": "process", "packets.datagrams": "count",
         "mroute.present": "outgoing", "mroute.absent": "outgoing", "pim.rpf": "interface", "pim.rp": "address",
         "pim.dr": "address", "pim.neighbor": "address", "querier.present": "address", "datagrams": "count",
         "reports": "change", "general_queries": "by", "answers": "count", "querier": "host", "order": "events"}
# Topics whose `port` is that of a bridge, and whose addresses are those of messages, not of datagrams.
_OF_BRIDGES, _OF_LINK = ("mdb", "expiry"), ("querier", "packets", "mdb")
_ADDRESSES = ("address", "source", "neighbor", "destination")


def capture_name(step: str, interface: str) -> str:
    """Under which name the capture runs that begins with a step."""
    return streams_of.program_name(step, interface)


def read(path: str, value: Any, inventory: Inventory, state: State, since: Since) -> Iterator[Expected]:
    """The checks that the `expect` of one step stands for, in its order. McastError names what is wrong in it."""
    for key, stated in expect.mapping(path, value).items():
        here = f"{path}.{key}"
        for host in inventory.hosts(here, key):
            if not isinstance(stated, list):
                raise McastError(here, "expected a list of expectations, such as [{member: [news]}]")
            for number, entry in enumerate(stated):
                where = f"{here}[{number}]"
                if len(expect.mapping(where, entry)) != 1:
                    raise McastError(where, f"expected one word and what it is about, not {len(entry)}")
                (word, about), = entry.items()
                expect.choice(where, word, [*WORDS, *judge.CHECKS])
                for name, given in _given(f"{where}.{word}", about, inventory, host):
                    yield from _expected(f"{where}.{word}{f'.{name}' if name else ''}", word, name, given, inventory,
                                         state, since, host)


def _given(path: str, value: Any, inventory: Inventory, host: str) -> Iterator[tuple[str | None, Any]]:
    """(subject, what is said of it): ``[SUBJECT]``, ``{SUBJECT: …}``, or options without a subject."""
    if isinstance(value, (str, list)):
        yield from ((name, None) for name in expect.texts(path, value))
        return
    given = expect.mapping(path, value or {})
    places = inventory.segments if host == SWITCH else inventory.interfaces(host)
    known = [name for name in given if inventory.named(name) or name.partition("/")[0] in places]
    if known and len(known) < len(given):
        unknown = [name for name in given if name not in known]
        raise McastError(f"{path}.{unknown[0]}", "is neither a stream nor an interface, as the others here are")
    yield from given.items() if known else [(None, given)]


def _expected(path: str, word: str, name: str | None, given: Any, inventory: Inventory, state: State, since: Since,
              host: str) -> Iterator[Expected]:
    """One word about one subject: a check for each family of it, and for each of several that are listed."""
    many = given if isinstance(given, list) and word == "reports" else [given]
    for subject in subjects(path, inventory, state, host, name):
        for one in many:
            own, options = _split(word, one)
            begun = expect.choice(f"{path}.since", own.get("since", since.step), since.steps or [since.step])
            if options.get("interface") is not None:
                subject = subject._replace(interface=expect.text(f"{path}.interface", options.pop("interface")))
            read_word = WORDS.get(word)
            found = read_word(path, subject, options) if read_word else [Wanted(word, options, captured="since" in own)]
            for wanted in found:
                yield _completed(path, wanted, subject, own, since.step, begun, bool(since.steps))


def _split(word: str, given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is said of the expectation itself, and of what is expected."""
    if given is None:
        given = {}
    elif not isinstance(given, dict):
        given = {_MAIN.get(word, ""): given}
    return ({key: given[key] for key in _OWN if key in given},
            {key: value for key, value in given.items() if key not in _OWN})


def _completed(path: str, wanted: Wanted, subject: Subject, own: dict[str, Any], step: str, begun: str,
               captures: bool) -> Expected:
    """The check with all that its subject says of it."""
    if "" in wanted.params:
        raise McastError(path, f"{wanted.check} takes options, not {wanted.params['']}")
    known = judge.CHECKS[wanted.check].PARAMS
    if subject.family is None:
        subject = subject._replace(family=_family(path, wanted.params))
    params = {**_inherited(wanted.check, subject, wanted.params), **wanted.params}
    _name_addresses(path, wanted.check, subject, params)
    # An option that is null stays out, also where it would be inherited; so does the address of a host without one.
    params = {key: value for key, value in params.items() if value is not None}
    capture = None
    required = "capture" in judge.CHECKS[wanted.check].REQUIRED
    if "capture" in known and "capture" not in params and (wanted.captured or required):
        interface = _captured_at(path, subject)
        capture = Captured(begun, subject.host, interface)
        params["capture"] = (capture_name(begun, interface) if captures else
                             streams_of.program_name("capture", interface))
    about = [own["id"]] if own.get("id") else [each for each in (
        subject.name or subject.interface, wanted.about) if each]
    return Expected(path, subject.host, step, wanted.check, params, "/".join(map(str, about)),
                    expect.choice(f"{path}.severity", own.get("severity", "failure"), ("failure", "warning")),
                    expect.duration(f"{path}.wait", own.get("wait", 0)), capture)


def _captured_at(path: str, subject: Subject) -> str:
    """The interface whose packets tell about the subject; where the switches are, that is a bridge."""
    if subject.interface is None:
        raise McastError(path, f"which interface of {subject.host} is meant is not clear; add interface: NAME")
    return kernel_name(subject.interface) if subject.host == SWITCH else subject.interface


def _family(path: str, params: dict[str, Any]) -> str | None:
    """The family of a check without a subject, as its own options say."""
    if params.get("group"):
        return group.family(group_option(f"{path}.group", params["group"]))
    protocols = {kind[:3] for kind in expect.texts(f"{path}.kinds", params.get("kinds") or [])}
    return {"mld": "ipv6"}.get(protocols.pop(), "ipv4") if len(protocols) == 1 else None


def _inherited(check: str, subject: Subject, stated: dict[str, Any]) -> dict[str, Any]:
    """The options of a check that follow from its subject, where they are not stated."""
    known, topic = judge.CHECKS[check].PARAMS, check.partition(".")[0]
    found: dict[str, Any] = {"interface": subject.interface, "bridge": subject.bridge, "family": subject.family}
    if subject.stream:
        found.update(stream=subject.stream["name"], group=subject.group, mac=group.mac(subject.group))
        if topic not in _OF_BRIDGES:
            found["port"] = subject.stream["port"]
    if topic in ("mroute", "pim") and len(subject.senders) == 1:
        found["source"] = next(iter(subject.senders.values()))
    if check == "mdb.present" and isinstance(stated.get("port"), str):
        kept = subject.filter_of(stated["port"])
        found.update({"filter_mode": kept.mode, "sources": list(kept.sources)} if kept else {})
    return {key: value for key, value in found.items() if key in known and value is not None}


def _name_addresses(path: str, check: str, subject: Subject, params: dict[str, Any]) -> None:
    """Put addresses and ports in place of the names of hosts."""
    topic = check.partition(".")[0]
    of_link = topic in _OF_LINK and check != "packets.datagrams"
    for key in _ADDRESSES:
        if isinstance(params.get(key), str):
            params[key] = subject.address(f"{path}.{key}", params[key], of_link)
    if params.get("sources") is not None and check != "delivery.received":
        params["sources"] = [subject.address(f"{path}.sources", each, False) for each in expect.texts(
            f"{path}.sources", params["sources"])]
    if topic in _OF_BRIDGES:
        if isinstance(params.get("port"), str):
            params["port"] = subject.port(f"{path}.port", params["port"])
        if params.get("ports") is not None:
            here = f"{path}.ports"
            params["ports"] = [subject.port(here, each) for each in expect.texts(here, params["ports"])]


# The words. Each takes (path, subject, options) and yields what is wanted.


def _member(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """The host is a member, with the filter that its receiver has now, or with the stated one."""
    expect.mapping(path, options, streams_of.FILTER_MODES)
    kept = subject.filter
    filtered = {"filter_mode": kept.mode, "sources": list(kept.sources)} if kept else {}
    for mode, sources in options.items():
        filtered = {"filter_mode": mode, "sources": streams_of.of_family(
            expect.texts(f"{path}.{mode}", sources), subject.the_stream(path)["group"])}
    yield Wanted("membership.present", filtered)


def _not_member(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """The host is not a member."""
    yield Wanted("membership.absent", options)


def _receives(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """The receiver has got so many datagrams of each sender: by default what the stream sends, from all senders that
    its filter lets through. ``{SENDER: count}``, or a number for each of them."""
    stream, kept = subject.the_stream(path), subject.filter
    heard = [host for host, address in subject.senders.items()
             if kept is None or address is None or streams_of.lets_through(kept.mode, kept.sources, address)]
    counts = {host: options.get("", stream["count"]) for host in heard} if set(options) <= {""} else options
    for host, count in counts.items():
        expect.choice(path, host, list(subject.senders))
        count_option(path, count)
    if len(set(counts.values())) > 1:
        raise McastError(path, f"expected one number for all senders, not {', '.join(map(str, counts.values()))}")
    yield Wanted("delivery.received", {"datagrams": next(iter(counts.values()), 0),
                                       "sources": [subject.senders[host] for host in counts]})


def _datagrams(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """So many datagrams of the stream are on the wire, each with the payload, and with the TTL that routers leave of
    it."""
    stream = subject.the_stream(path)
    senders = expect.texts(f"{path}.from", options.pop("from", list(subject.senders)))
    for host in senders:
        expect.choice(f"{path}.from", host, list(subject.senders))
    if stream["count"] and not {"count", "at_least", "at_most"} & set(options):
        options["count"] = stream["count"] * len(senders)
    if options.get("count") != 0 and options.get("at_most") != 0:
        addresses = [subject.senders[host] for host in senders]
        options = {**({"sources": addresses} if None not in addresses else {}), **_sent(subject, stream, senders),
                   **options}
    yield Wanted("packets.datagrams", options)


def _sent(subject: Subject, stream: dict[str, Any], senders: list[str]) -> dict[str, Any]:
    """What all datagrams of some senders have in common, as they come to the host."""
    family, found = group.family(stream["group"]), []
    for host in senders:
        sent = subject.state.sent.get((host, stream["name"]), stream)
        here = subject.inventory.segment(host, stream["senders"][host]["interface"])
        away = subject.inventory.distance(family, here, subject.segment) if here and subject.segment else None
        found.append({"payload": None if sent.get("sequence") else sent.get("payload", stream["payload"]),
                      "ttl": None if away is None else sent.get("ttl", stream["ttl"]) - away})
    return {key: found[0][key] for key in ("payload", "ttl")
            if len({one[key] for one in found}) == 1 and found[0][key] is not None}


def _reports(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """A host says so on the wire: ``join``, ``leave``, ``answer``, or the type of a record, in the version that it
    speaks, to the right address, with TTL 1 and Router Alert, and as often as a change is repeated where that is
    certain. `by`: which host."""
    said = events.said(path, subject, options.pop("change", "join"), options.pop("by", None), options.pop(
        "version", None))
    fixed = {"kinds": [said.kind], "record": said.record, "source": said.source, "sources": said.sources,
             "destination": said.destination, "ttl": 1, "router_alert": said.router_alert or None}
    if not {"count", "at_least", "at_most"} & set(options):
        fixed["at_least" if said.at_least else "count"] = said.times
    yield Wanted("packets.messages", {**fixed, **options}, said.change)
    if said.others:
        yield Wanted("packets.messages", {"kinds": said.others, "source": said.source, "count": 0}, "other versions")


def _queries(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """The querier asks who is still a member of the stream's group."""
    stream = subject.the_stream(path)
    asked = events.version_asked(path, subject, options.pop("version", None), None)
    yield Wanted("packets.messages", {"destination": stream["group"], **_asked(asked), **options}, "queries")


def _host(path: str, subject: Subject, name: Any) -> str | None:
    """The host that is stated, if one is."""
    return None if name is None else expect.choice(path, name, list(subject.inventory.groups["all"]))


def _general_queries(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """A querier, `by` if it is stated, asks all hosts of the segment."""
    by = _host(path, subject, options.pop("by", None))
    asked = events.version_asked(path, subject, options.pop("version", None), by)
    if asked.version:
        yield Wanted("packets.messages", {
            "group": None, "source": by, "destination": {"ipv4": "224.0.0.1", "ipv6": "ff02::1"}[asked.family],
            **_asked(asked), **options}, "general queries")


def _asked(asked: events.Asked) -> dict[str, Any]:
    """What all queries of a version have in common; those of IGMPv1 have no Router Alert."""
    return {"kinds": [asked.kind], "ttl": 1,
            "router_alert": True if asked.family == "ipv6" or asked.version > 1 else None}


def _answers(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """So many hosts answer a general query."""
    asked = events.version_asked(path, subject, options.pop("version", None), None)
    yield Wanted("querier.answers", {"query": [asked.kind], **options})


def _querier(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """The querier that the host sees on an interface, with the version and the query interval that it is set to."""
    by = _host(path, subject, options.pop("host", None))
    settings = subject.state.queriers.get((by, subject.interface_of(by) or ""), {}) if by else {}
    runs = (subject.host, subject.interface) in subject.state.querying
    yield Wanted("querier.present", {
        "address": by, "interval": settings.get("query_interval"),
        "version": events.version_asked(path, subject, None, by).version if by else None, **options}, captured=not runs)


def _delay(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """The time between two events."""
    expect.mapping(path, options, ("from", "to", "at_least", "at_most", "name", "offload"), required=("from", "to"))
    named = f"{options['from']} to {options['to']}" if isinstance(options["from"], str) and isinstance(
        options["to"], str) else None
    yield Wanted("packets.delay", {"name": named, **options, **{
        end: events.selector(f"{path}.{end}", subject, options[end]) for end in ("from", "to")}})


def _order(path: str, subject: Subject, options: dict[str, Any]) -> Iterator[Wanted]:
    """Events that come one after another."""
    stated = options.get("events")
    if not isinstance(stated, list):
        raise McastError(path, "expected a list of events, such as [query v2, report v2]")
    yield Wanted("packets.order", {"steps": [events.selector(f"{path}[{number}]", subject, each, which=False)
                                             for number, each in enumerate(stated)]})


WORDS: dict[str, Callable[[str, Subject, dict[str, Any]], Iterator[Wanted]]] = {
    "member": _member, "not_member": _not_member, "receives": _receives, "datagrams": _datagrams, "reports": _reports,
    "queries": _queries, "general_queries": _general_queries, "answers": _answers, "querier": _querier,
    "delay": _delay, "order": _order}
