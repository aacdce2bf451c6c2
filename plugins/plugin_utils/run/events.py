# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts and queriers say on the wire when something happens to a stream, by version: joins, leaves, answers and
queries as kinds of messages, and the words for them in `expect`."""
from __future__ import annotations

import re
from typing import Any, NamedTuple

from ...module_utils import expect, group
from ...module_utils.error import McastError
from ...module_utils.querier.defaults import ROBUSTNESS
from ..checks.packets import RECORDS
from ..checks.packets_reports import REPORTS
from .scene import FAMILIES, NEWEST, Filter, Subject

_REPORT_KINDS = {"ipv4": ["igmpv1_report", "igmpv2_report", "igmpv3_report"], "ipv6": ["mldv1_report", "mldv2_report"]}
_CHANGES = ("join", "leave", "answer", *RECORDS)
# IGMPv1 has no counterpart in IPv6, IGMPv2 and IGMPv3 have MLDv1 and MLDv2.
_BESIDE = {"ipv4": 0, "ipv6": 1}
_EVENT = re.compile(r"(?:(?P<which>first|last|next) )?(?P<what>general query|query|report|join|leave|answer|datagram)"
                    r"(?: v(?P<version>[123]))?(?: of (?P<stream>\S+))?(?: by (?P<host>\S+))?\Z")


class Asked(NamedTuple):
    """In which family and version a query is asked; version 0: in none."""
    family: str
    version: int

    @property
    def kind(self) -> str:
        """The kind of the query."""
        return f"{dict(zip(FAMILIES, ('igmp', 'mld')))[self.family]}v{self.version}_query"


class Said(NamedTuple):
    """What a host says of a change. record and sources: None where its version has none. times: how often it says it,
    None where that is not certain. others: the reports of the versions that it does not speak, where it joins in an
    older one. at_least: whether it may say it more often."""
    change: str
    kind: str
    record: str | None
    source: str | None
    sources: list[str] | None
    destination: str
    router_alert: bool
    times: int | None
    at_least: bool
    others: list[str]


def said(path: str, subject: Subject, change: str, by: str | None, version: int | None) -> Said:
    """What the host `by` says of a stream when its filter changes so: by default the host whose expectation it is, or
    the stream's only receiver. change: "join", "leave", "answer" to a query, or the type of a record."""
    expect.choice(path, change, _CHANGES)
    stream = subject.the_stream(path)
    family = group.family(stream["group"])
    reporter = _reporter(path, subject.host, stream, by)
    filters, earlier, name = subject.state.filters, subject.state.before, stream["name"]
    joined = [(host, kept) for host in stream["receivers"] if reporter in (None, host)
              for kept in [filters.get((host, name)) or earlier.get((host, name))] if kept]
    if not joined:
        raise McastError(path, f"no receiver has this stream at this step; {change} has nothing to be about")
    # Of several receivers any one may report; all are set up alike.
    example, kept = joined[0]
    interface = subject.interface_of(example)
    spoken = _version(path, family, version) or subject.state.version(example, interface, family)
    source = subject.address(path, reporter, True) if reporter else None
    key = "leave" if change == "leave" else "join"
    kind, records, destination, unused = REPORTS[family, spoken, key]
    now, before = filters.get((example, name)), earlier.get((example, name))
    older = spoken < NEWEST[family]
    record = None if older else _record(change, records, kept)
    sources = None if older else _sources(record, now, before)
    others = [each for each in _REPORT_KINDS[family] if each != kind] if older and change == "join" else []
    # Set to MLDv1, a host still sends what it was about to say in MLDv2, with what has joined since (net/ipv6/mcast.c,
    # mld_ifc_work); a query in MLDv1 ends that.
    if subject.inventory.settings(example).get("mld_version") and family == "ipv6":
        others = []
    return Said(change, kind, record, source, sources, destination or stream["group"],
                family == "ipv6" or spoken > 1, _times(subject, stream, change, older, sources),
                # Once its address has come up, a host says again what it has joined (net/ipv6/mcast.c,
                # mld_send_initial_cr).
                family == "ipv6" and change in ("join", "to_ex", "allow"), others)


def _reporter(path: str, here: str, stream: dict[str, Any], by: str | None) -> str | None:
    receivers = stream["receivers"]
    if by is not None:
        return expect.choice(f"{path}.by", by, list(receivers))
    if here in receivers:
        return here
    return next(iter(receivers)) if len(receivers) == 1 else None


def _record(change: str, records: dict[str, str], kept: Filter) -> str:
    if change in RECORDS:
        return change
    return {"include": "is_in", "exclude": "is_ex"}[kept.mode] if change == "answer" else records[kept.mode]


def _sources(record: str | None, now: Filter | None, before: Filter | None) -> list[str] | None:
    """What the list of a record must hold (RFC 9776 section 5.1), None where that does not follow from the steps."""
    new, old = (set(kept.sources) if kept and kept.mode == "include" else set() for kept in (now, before))
    if record == "allow":
        return sorted(new - old)
    if record == "block":
        return sorted(old - new)
    if record == "to_in":
        return sorted(new)
    return sorted(now.sources) if now else None


def _times(subject: Subject, stream: dict[str, Any], change: str, older: bool, sources: list[str] | None
           ) -> int | None:
    """A change of the state is said as often as the robustness variable, where the filter changes at once (RFC 9776
    section 5.1); a leave of the older versions once."""
    if older:
        return 1 if change == "leave" else None
    if change.startswith("is_") or change == "answer" or len(sources or ()) > 1 or change in (
            "join", "to_ex") and sources and stream["filter_mode"] == "exclude":
        return None
    asked = [settings.get("robustness") for (host, interface), settings in subject.state.queriers.items()
             if settings.get("robustness") and subject.inventory.segment(host, interface) == subject.segment]
    return asked[-1] if asked else ROBUSTNESS


def _version(path: str, family: str, version: Any) -> int | None:
    """The version of a family that stands beside a version of IGMP."""
    if version is None:
        return None
    number = expect.number(f"{path}.version", version, 1, 3)
    if number <= _BESIDE[family]:
        raise McastError(f"{path}.version", "MLD has no version beside IGMPv1; name the IPv4 half of the stream")
    return number - _BESIDE[family]


def version_asked(path: str, subject: Subject, version: Any, by: str | None) -> Asked:
    """In which family and version a query on the subject's segment is: as stated (a version of IGMP), else as it is
    asked in, by one host or by all; 0 where no querier asks in this family. McastError where the subject has no family.
    """
    family = subject.family
    if family is None:
        raise McastError(path, "expected streams or interfaces that this is about")
    return Asked(family, _version(path, family, version) or subject.state.versions(subject.segment, by)[family])


def selector(path: str, subject: Subject, event: Any, which: bool = True) -> dict[str, Any]:
    """What an event looks like in a capture, as `packets.delay` and `packets.order` take it. event: such as "join",
    "last datagram", "general query v2 by low", "leave of news by mon1" (v2 stands for IGMPv2, and for MLDv1), or such a
    selector itself."""
    if isinstance(event, dict):
        given = dict(event)
        if isinstance(given.get("source"), str):
            given["source"] = subject.address(f"{path}.source", given["source"], "port" not in given)
        return {key: value for key, value in given.items() if value is not None}
    found = _EVENT.match(expect.text(path, event))
    if not found:
        raise McastError(path, f"{event!r} is not an event; expected [first|last|next] WHAT [v1|v2|v3] [of STREAM] "
                               "[by HOST] with WHAT one of join, leave, report, answer, query, general query, datagram")
    if found["which"] and not which:
        raise McastError(path, f"{event!r}: {found['which']} has no meaning in an order")
    if found["stream"]:
        subject = _other(path, subject, found["stream"])
    chosen = _selected(path, subject, found["what"], found["version"], found["host"])
    if found["which"]:
        chosen["which"] = found["which"]
    return {key: value for key, value in chosen.items() if value is not None}


def _other(path: str, subject: Subject, name: str) -> Subject:
    halves = [each for each in subject.inventory.named(name)
              if group.family(each["group"]) == subject.family]
    if not halves:
        raise McastError(path, f"{name} is not a stream of {subject.family}")
    return subject._replace(name=name, stream=halves[0])


def _selected(path: str, subject: Subject, what: str, version: str | None, by: str | None) -> dict[str, Any]:
    if what in ("query", "general query"):
        asked = version_asked(path, subject, version, by)
        return {"kinds": [asked.kind], "source": by and subject.address(path, by, True),
                "group": subject.group if what == "query" else None}
    if subject.stream is None:
        raise McastError(path, f"a {what} is about a stream, and this is an interface")
    if what == "datagram":
        return {"group": subject.group, "port": subject.stream["port"],
                "source": by and subject.address(path, by, False)}
    about = said(path, subject, {"report": "answer"}.get(what, what), by, int(version) if version else None)
    return {"kinds": [about.kind], "group": subject.group, "source": about.source,
            "record": None if what == "report" else about.record}
