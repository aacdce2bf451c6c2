# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`: what was on the wire? Read from the host's captures.

Beside what host_facts gathers, facts hold ``captures``: by name ``{report, wire, datagrams}``: the report of
mcast.lab.capture, what capture_info returns of the file as far as it is written, and (only for checks that need
``datagrams``) its datagrams one by one, with the number of those that are not listed in ``left_out`` of the wire."""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from ...module_utils import expect, group
from ...module_utils.packet import timestamps
from ...module_utils.packet.checksum import BAD, UNFINISHED
from ...module_utils.packet.datagram import Datagram
from ...module_utils.packet.message import DATA_KINDS, KINDS, PROTOCOLS
from ...module_utils.packet.message_filter import groups_of
from ...module_utils.querier.defaults import ROBUSTNESS
from .base import (
    CAPTURE,
    FILTER_MODE,
    GROUP,
    INTERFACE,
    INTERFACE_SHOWN,
    PORT,
    SENDERS,
    SOURCE,
    STREAM_SHOWN,
    Check,
    Judgement,
    Look,
    Option,
    count_option,
    flag_option,
    member_before,
)

RECORDS = ("is_in", "is_ex", "to_in", "to_ex", "allow", "block")
_EVIDENCE = 20


def kinds_option(path: str, value: Any) -> list[str]:
    known = [kind for kind in PROTOCOLS + KINDS if kind not in DATA_KINDS]
    return [expect.choice(path, kind, known) for kind in expect.texts(path, value)]


def seconds_option(path: str, value: Any) -> float:
    return expect.number(path, value, 0, 10 ** 6, float)


def _ttl(path: str, value: Any) -> int:
    return expect.number(path, value, 0, 255)


def record_option(path: str, value: Any) -> str:
    return expect.choice(path, value, RECORDS)


OFFLOAD = Option(flag_option, "`false` where no interface fills in a checksum after the capture, as in a lab")
_TTL = Option(_ttl, "TTL, or hop limit of IPv6, 0 to 255")
_NUMBER = {"count": Option(count_option, "exactly so many"), "at_least": Option(count_option, "so many or more"),
           "at_most": Option(count_option, "so many or fewer")}


class Packets(Check):
    """READS: what the check reads of the capture: ``messages``, ``flows``, ``datagrams``."""

    NEEDS: tuple[str, ...] = ("captures",)
    REQUIRED: tuple[str, ...] = ("capture",)
    READS: tuple[str, ...] = ("messages",)
    capture: str

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = facts["captures"].get(self.capture)
        if found is None:
            return Judgement(False, self._expected(facts), f"no capture {self.capture}", {})
        look = self._look(found, facts)
        lacks = lacking(found, self.READS)
        if lacks and (not look.passed or self._needs_all()):
            return Judgement(False, self._expected(facts), "; ".join([look.actual, *lacks]), look.evidence)
        return look.judged(self._expected(facts))

    def _needs_all(self) -> bool:
        """Whether passing rests on packets that are not there, or on all of them: then none may lack."""
        return True

    def _expected(self, facts: dict[str, Any]) -> str:
        """What is expected, in a few words."""
        return self.describe()

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        """found: the capture."""
        raise NotImplementedError


class _Counted(Packets):
    """Passes by number: `count` (exactly), `at_least`, `at_most`; without any of them, at least one."""

    count: int | None
    at_least: int | None
    at_most: int | None

    def __init__(self, params: dict[str, Any], since: dict[str, Any] | None = None) -> None:
        super().__init__(params, since)
        # Only "at least" is decided at first sight.
        self.ABSENCE = self.count is not None or self.at_most is not None

    def _fits(self, good: int, number: int) -> bool:
        """good: how many of them count as there; number: how many there are at all."""
        least, most = (self.at_least, self.at_most) if self.count is None else (self.count, self.count)
        if least is most is None:
            least = 1
        return (least or 0) <= good and (most is None or number <= most)

    def _many(self) -> str:
        words = [f"{word} {number}" for word, number in (
            ("exactly", self.count), ("at least", self.at_least), ("at most", self.at_most)) if number is not None]
        return " and ".join(words) if words else "at least 1"


def broken_off(report: dict[str, Any]) -> str | None:
    """In words: that the capture has ended otherwise than by being stopped. None where it has not."""
    ended, killed = report["ended"], (report.get("exit") or {}).get("signal")
    if ended and ended["reason"] != "SIGTERM":
        return f"the capture has ended: {report.get('error') or ended['reason']}"
    return f"the capture was killed by {killed}" if killed and not ended else None


def lacking(found: dict[str, Any], reads: tuple[str, ...]) -> list[str]:
    """What the capture lacks, in words: packets that it did not take, and those that are not listed one by one."""
    report, wire = found["report"], found["wire"]
    words = list(filter(None, [broken_off(report)]))
    dropped = sum(report.get(by) or 0 for by in ("dropped", "dropped_by_interface"))
    words += [f"{dropped} packets were dropped"] if dropped else []
    captured = report.get("captured")
    if report["ended"] and captured and captured > wire["packets"]["total"]:
        words.append(f"{captured - wire['packets']['total']} packets are not in the file")
    if wire.get("truncated"):
        words.append("the capture file is cut off")
    left_out = wire.get("left_out", {})
    return words + [f"{left_out[kind]} further {kind} are not listed, so what they say is unknown"
                    for kind in reads if left_out.get(kind)]


def by_group(found: dict[str, Any], address: str | None) -> list[dict[str, Any]]:
    """The messages of a capture about a group, all where it is None."""
    messages = found["wire"]["messages"]
    return messages if address is None else _index(found, "groups", messages, groups_of).get(address, [])


def by_kind(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The messages of a capture of one kind."""
    return _index(found, "kinds", found["wire"]["messages"], lambda message: (message["kind"],)).get(kind, [])


def _index(found: dict[str, Any], name: str, rows: Iterable[Any], keys: Callable[[Any], Iterable[Any]]
           ) -> dict[Any, list[Any]]:
    """Rows of a capture by keys, made once for all checks that read it. found["index"] goes with what was read."""
    index = found.setdefault("index", {})
    if name not in index:
        index[name] = {}
        for row in rows:
            for key in keys(row):
                index[name].setdefault(key, []).append(row)
    return index[name]


def select(messages: list[dict[str, Any]], kinds: Collection[str] | None = None, group: str | None = None,
           record: str | None = None, source: str | None = None) -> list[dict[str, Any]]:
    """The messages of some kinds or protocols, about a group, with a record of a type for it, of a source."""
    return [message for message in messages
            if (not kinds or message["kind"] in kinds or message["protocol"] in kinds)
            and source in (None, message["source"])
            and (group is None or group in groups_of(message))
            and (record is None or any(record == one["type"] and group in (None, one["group"])
                                       for one in message["records"]))]


def is_bad(message: dict[str, Any]) -> bool:
    """Whether it has a wrong checksum, so that nobody takes it. That of IGMP, MLD and PIM is never offloaded."""
    return message.get("checksum") == BAD


def _bad(messages: list[dict[str, Any]]) -> list[str]:
    return [f"bad checksum (frame {message['number']})" for message in messages if is_bad(message)]


def is_discarded(datagram: Datagram, offload: bool | None) -> bool:
    """Whether every receiver discards it: its checksum is wrong, or not filled in and `offload` is False, so that no
    interface is to do that after the capture (RFC 768, RFC 8200 section 8.1)."""
    return datagram.checksum == BAD or datagram.checksum == UNFINISHED and offload is False


def describe_discarded(datagrams: list[Datagram]) -> list[str]:
    """In words: how many of them every receiver discards, and why. datagrams: those that are is_discarded()."""
    words = {BAD: "a wrong UDP checksum", UNFINISHED: "a UDP checksum that is not filled in"}
    found = {kind: [str(one.number) for one in datagrams if one.checksum == kind] for kind in words}
    return [f"{len(frames)} of them with {words[kind]}, which no receiver takes (frames {', '.join(frames[:3])}"
            f"{' …' if len(frames) > 3 else ''})" for kind, frames in found.items() if frames]


def _differences(messages: list[dict[str, Any]], wanted: dict[str, Any]) -> list[str]:
    """What is not as wanted: ``"ttl 5 in place of 1 (frame 3)"``. wanted: ``{key of a message: value}``."""
    return [f"{key.replace('_', ' ')} {message[key]} in place of {value} (frame {message['number']})"
            for message in messages for key, value in wanted.items() if message[key] != value]


def _evidence(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"messages": [timestamps.readable(message) for message in messages[:_EVIDENCE]]}


def _datagram_evidence(datagrams: list[Datagram]) -> dict[str, Any]:
    return {"datagrams": [dict(one._asdict(), time=timestamps.text(one.time), payload=one.payload.hex())
                          for one in datagrams[:_EVIDENCE]]}


class Messages(_Counted):
    """Passes when the capture holds the number of messages of these kinds, about this group, and all of them are as
    given: addresses, TTL, Router Alert, the sources of the group's record, and spacing: `within` so many seconds from
    the first to the last, `apart` at least so many from each to the next. With `groups`, they are about so many groups.
    None of them may have a wrong checksum.

    Fails on more or fewer, or when one of them is otherwise. `count: 0` passes when there are none."""

    NAME = "packets.messages"
    PARAMS = dict(_NUMBER, **{
        "capture": CAPTURE,
        "kinds": Option(kinds_option, "kinds of messages, as `mcast.lab.capture_info` calls them, or `igmp`, `mld` or "
                                      "`pim`"),
        "group": GROUP,
        "record": Option(record_option, "type of a record for the group, `is_in`, `is_ex`, `to_in`, `to_ex`, `allow` "
                                        "or `block`"),
        "source": SOURCE,
        "destination": Option(expect.text, "address that they go to"),
        "ttl": _TTL,
        "router_alert": Option(flag_option, "whether they have the option Router Alert"),
        "source_mac": Option(expect.text, "MAC of the sender, in lower case"),
        "destination_mac": Option(expect.text, "MAC that they go to, in lower case"),
        "sources": Option(expect.texts, "addresses that the record lists, exactly these"),
        "groups": Option(count_option, "number of groups that they are about together"),
        "within": Option(seconds_option, "seconds from the first to the last, at most"),
        "apart": Option(seconds_option, "seconds from each to the next, at least")})
    EXAMPLE = "{capture: wire, kinds: [igmpv3_report], group: 239.0.0.100, record: to_ex, count: 2, ttl: 1}"
    _EACH = ("destination", "ttl", "router_alert", "source_mac", "destination_mac")
    _ALL = (*_EACH, "sources", "groups", "within", "apart")
    kinds: list[str] | None
    group: str | None
    record: str | None
    source: str | None
    sources: list[str] | None
    groups: int | None
    within: float | None
    apart: float | None

    def _needs_all(self) -> bool:
        return self.ABSENCE or any(key in self.params for key in self._ALL)

    def describe(self) -> str:
        about = [" and ".join(self.kinds) if self.kinds else "messages", self.record, self.group]
        told = [f"{key.replace('_', ' ')} {self.params[key]}" for key in (
            "source",) + self._EACH + ("sources", "groups", "within", "apart") if key in self.params]
        return ", ".join([f"{self._many()} of {' '.join(filter(None, about))}"] + told)

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        messages = select(by_group(found, self.group), self.kinds, self.group, self.record, self.source)
        wrong = _differences(messages, {key: self.params[key] for key in self._EACH if key in self.params})
        wrong += self._sources(messages) + self._spacing(messages) + self._about(messages) + _bad(messages)
        actual = "; ".join([str(len(messages))] + wrong)
        return Look(self._fits(len(messages), len(messages)) and not wrong, actual, _evidence(messages))

    def _sources(self, messages: list[dict[str, Any]]) -> list[str]:
        if self.sources is None:
            return []
        return [f"sources {record['sources']} in place of {self.sources} (frame {message['number']})"
                for message in messages for record in message["records"]
                if self.record in (None, record["type"]) and self.group in (None, record["group"])
                and sorted(record["sources"]) != sorted(self.sources)]

    def _about(self, messages: list[dict[str, Any]]) -> list[str]:
        if self.groups is None:
            return []
        about = {name for message in messages for name in (
            groups_of(message) if self.record is None else
            [record["group"] for record in message["records"] if record["type"] == self.record])}
        return [] if len(about) == self.groups else [f"{len(about)} groups in place of {self.groups}"]

    def _spacing(self, messages: list[dict[str, Any]]) -> list[str]:
        times = [message["time"] / 1e9 for message in messages if message["time"] is not None]
        gaps = [after - before for before, after in zip(times, times[1:])]
        wrong = []
        if self.within is not None and times and times[-1] - times[0] > self.within:
            wrong.append(f"{times[-1] - times[0]:.3f} s from the first to the last")
        if self.apart is not None and gaps and min(gaps) < self.apart:
            wrong.append(f"two of them {min(gaps):.3f} s apart")
        return wrong


class Datagrams(_Counted):
    """Passes when the capture holds the number of datagrams to this group and port (from these sources), and all of
    them have the TTL, the MAC and the payload that are given. With `consecutive`, they end in numbers of which each is
    one more than the one before (as mcast.lab's sender numbers them). One whose UDP checksum is wrong counts for
    `at_most` alone, as no receiver takes it; so does, with `offload: false`, one whose checksum is not filled in. What
    a fragment or a packet that is cut off doesn't tell is not judged.

    Fails on more or fewer, when one of them is otherwise, and when there are more than are judged one by one."""

    NAME = "packets.datagrams"
    NEEDS = ("captures", "datagrams")
    REQUIRED = ("capture", "group", "port")
    READS = ("flows", "datagrams")
    PARAMS = dict(_NUMBER, **{
        "capture": CAPTURE, "stream": STREAM_SHOWN, "interface": INTERFACE_SHOWN, "group": GROUP, "port": PORT,
        "sources": SENDERS, "ttl": _TTL,
        "mac": Option(expect.text, "MAC that they go to, in lower case"),
        "payload": Option(expect.text, "text of each"),
        "consecutive": Option(flag_option, "whether the numbers at their end have no gap"),
        "offload": OFFLOAD})
    EXAMPLE = "{capture: wire, group: 239.0.0.100, port: 11111, count: 5, payload: HELLO}"
    _ONE_BY_ONE = ("mac", "payload", "consecutive")
    stream: str | None
    group: str
    port: int
    sources: list[str] | None
    ttl: int | None
    mac: str | None
    payload: str | None
    consecutive: bool | None
    offload: bool | None

    def describe(self) -> str:
        origin = f" from {', '.join(self.sources)}" if self.sources else ""
        stream = f"{self.stream}: " if self.stream else ""
        return f"{stream}{self._many()} on the wire{origin} to {self.group} port {self.port}"

    def _needs_all(self) -> bool:
        return self.ABSENCE or any(self.params.get(key) is not None for key in ("ttl", *self._ONE_BY_ONE))

    def _expected(self, facts: dict[str, Any]) -> str:
        return "; ".join([self._many()] + [
            f"{key} {str(self.params[key]):.40}" for key in ("ttl", "mac", "payload") if key in self.params] + [
                "numbers without a gap"] * bool(self.consecutive))

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        flows = [flow for flow in _index(found, "flows", found["wire"]["flows"], lambda flow: [
            (flow["group"], flow["destination_port"])]).get((self.group, self.port), [])
            if not self.sources or flow["source"] in self.sources]
        listed = datagrams_to(found, self.group, self.port, self.sources)
        lost = [one for one in listed if is_discarded(one, self.offload)]
        number = max(len(listed), sum(flow["packets"] for flow in flows))
        wrong = []
        if len(listed) < number and self._needs_all():
            wrong.append(f"only {len(listed)} of them are listed, so what the others hold is unknown")
        if self.ttl is not None:
            ttls = sorted({one.ttl for one in listed})
            wrong += [f"ttl {', '.join(map(str, ttls))} in place of {self.ttl}"] if ttls not in ([], [self.ttl]) else []
        if self.mac is not None:
            wrong += [f"destination mac {one.mac} in place of {self.mac} (frame {one.number})"
                      for one in listed if one.mac != self.mac]
        wrong += self._payloads(listed) + self._gaps(listed)
        evidence = dict(_datagram_evidence(listed), flows=flows)
        actual = "; ".join([str(number), *describe_discarded(lost), *wrong[:_EVIDENCE]])
        return Look(self._fits(len(listed) - len(lost), number) and not wrong, actual, evidence)

    def _gaps(self, datagrams: list[Datagram]) -> list[str]:
        if not self.consecutive:
            return []
        texts = [one.payload.rpartition(b" ")[2] for one in datagrams]
        numbers = [int(text) if text.isdigit() else None for text in texts]
        return [f"{after} after {before} (frame {one.number})"
                for one, before, after in zip(datagrams[1:], numbers, numbers[1:])
                if before is None or after is None or after != before + 1]

    def _payloads(self, datagrams: list[Datagram]) -> list[str]:
        """A fragment, or what the capture cut off, must be the payload's beginning."""
        if self.payload is None:
            return []
        wanted = self.payload.encode()
        return [f"payload {one.payload[:40].decode(errors='replace')!r} in place of {self.payload[:40]!r} "
                f"(frame {one.number})" for one in datagrams
                if not (one.payload == wanted if one.whole else wanted.startswith(one.payload))]


def datagrams_to(found: dict[str, Any], group: str | None, port: int, sources: list[str] | None) -> list[Datagram]:
    """The datagrams that are listed of a capture: those to a port, and a group, from some sources."""
    there = _index(found, "datagrams", found["datagrams"], lambda one: [(one.group, one.port), (None, one.port)])
    return [one for one in there.get((group, port), []) if not sources or one.source in sources]


class Checksums(Packets):
    """Passes when the capture holds datagrams to this group and port (from these sources), and the UDP checksum of each
    is right, or with IPv4 none. What a fragment or a packet that is cut off doesn't tell is not judged.

    Fails when there are none, or when the checksum of one is wrong or not filled in. A network interface may fill it in
    after the capture, so that only a capture where the datagrams arrive over a real cable tells."""

    NAME = "packets.checksums"
    NEEDS = ("captures", "datagrams")
    REQUIRED = ("capture", "group", "port")
    READS = ("datagrams",)
    PARAMS = {"capture": CAPTURE, "stream": STREAM_SHOWN, "interface": INTERFACE_SHOWN, "group": GROUP, "port": PORT,
              "sources": SENDERS}
    EXAMPLE = "{capture: wire, group: 239.0.0.100, port: 11111}"
    stream: str | None
    group: str
    port: int
    sources: list[str] | None

    def describe(self) -> str:
        return (f"{f'{self.stream}: ' if self.stream else ''}right UDP checksums of the datagrams to {self.group} "
                f"port {self.port}")

    def _expected(self, facts: dict[str, Any]) -> str:
        return "right UDP checksums"

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        listed = datagrams_to(found, self.group, self.port, self.sources)
        lost = [one for one in listed if one.checksum in (BAD, UNFINISHED)]
        if not listed:
            return Look(False, "no datagrams", {})
        words = [f"{len(listed)} datagrams", *(describe_discarded(lost) or ["none of them wrong"])]
        return Look(not lost, "; ".join(words), _datagram_evidence(lost or listed))


# What a host says to join and to leave, by version: kind, the type of the record by filter mode (None: the message
# has no records), where it goes (None: to the group), and how many there must be: "robust" (as many as the robustness
# variable), "some", or None where nothing is certain. IGMPv2 and MLDv1 hosts leave silently if another reported last.
REPORTS: dict[tuple[str, int, str], tuple[str, dict[str, str], str | None, str | None]] = {
    ("ipv4", 3, "join"): ("igmpv3_report", {"exclude": "to_ex", "include": "allow"}, "224.0.0.22", "robust"),
    ("ipv4", 3, "leave"): ("igmpv3_report", {"exclude": "to_in", "include": "block"}, "224.0.0.22", "robust"),
    ("ipv4", 2, "join"): ("igmpv2_report", {}, None, "some"),
    ("ipv4", 2, "leave"): ("igmpv2_leave", {}, "224.0.0.2", None),
    ("ipv4", 1, "join"): ("igmpv1_report", {}, None, "some"),
    ("ipv4", 1, "leave"): ("igmpv2_leave", {}, None, None),
    ("ipv6", 2, "join"): ("mldv2_report", {"exclude": "to_ex", "include": "allow"}, "ff02::16", "robust"),
    ("ipv6", 2, "leave"): ("mldv2_report", {"exclude": "to_in", "include": "block"}, "ff02::16", "robust"),
    ("ipv6", 1, "join"): ("mldv1_report", {}, None, "some"),
    ("ipv6", 1, "leave"): ("mldv1_done", {}, "ff02::2", None),
}


# The default of RFC 9776 section 8.1 and RFC 9777 section 9.1, and of Linux. Network namespaces have no file
# mld_qrv of their own.


class _Wanted(NamedTuple):
    """Which reports there must be. record: the type of the record, or None. number: how many exactly, or None; least:
    how many at least."""

    kind: str
    record: str | None
    destination: str
    number: int | None
    least: int


class Reports(Packets):
    """Passes when this host's own reports of joining or leaving the group are in the capture: in IGMPv3 and MLDv2 as
    many as the robustness variable (each change is repeated), no more and no fewer, with TTL 1 and Router Alert, to the
    routers' group. Where a host says again what it is a member of, as in MLDv2 once its address has come up, that is no
    further one: it names groups of the kernel too. Older versions, and a querier that sets the robustness itself, leave
    the number open: then one report is enough, and a leave need not be seen.

    Fails when there are more or fewer, or one of them is otherwise."""

    NAME = "packets.reports"
    NEEDS = ("captures", "interfaces", "limits")
    REQUIRED = ("capture", "interface", "group", "change")
    PARAMS = {
        "capture": CAPTURE, "interface": INTERFACE, "group": GROUP,
        "change": Option(lambda path, value: expect.choice(path, value, ("join", "leave")), "`join` or `leave`"),
        "filter_mode": Option(FILTER_MODE.read, "`include` or `exclude`, which is the default"),
        "sources": Option(expect.texts, "addresses that the reports list, exactly these; none by default"),
        "exact": Option(flag_option, "`false` where one report is enough")}
    EXAMPLE = "{capture: wire, interface: eth0, group: 239.0.0.100, change: join}"
    ABSENCE = True
    interface: str
    group: str
    change: str
    filter_mode: str | None
    sources: list[str] | None
    exact: bool | None

    def describe(self) -> str:
        return f"reports on the wire: {self.change}s {self.group} on {self.interface}"

    def _expected(self, facts: dict[str, Any]) -> str:
        kind, record, destination, number, least = self._wanted(facts)
        if number is None and not least:
            return "nothing that is certain"
        many = f"at least {least}" if number is None else str(number)
        return " ".join(filter(None, (many, kind, record, self.group, "to", destination, "with TTL 1, Router Alert")))

    def _wanted(self, facts: dict[str, Any]) -> _Wanted:
        family = group.family(self.group)
        interface = facts["interfaces"].get(self.interface, {})
        found = facts["captures"].get(self.capture)
        kinds = {"ipv4": ("igmpv1_query", "igmpv2_query", "igmpv3_query"), "ipv6": ("mldv1_query", "mldv2_query")}
        queries = found and any(by_kind(found, kind) for kind in kinds[family])
        if family == "ipv4":
            version = interface.get("igmp_version", {}).get("value") or 3
        else:
            # The kernel does not tell to which version of MLD an older querier has made it fall back. Such a querier is
            # seen, or what the host answers it.
            old = found and (by_kind(found, "mldv1_query") or any(
                message["source_mac"] == interface.get("mac") for message in by_kind(found, "mldv1_report")))
            version = interface.get("force_mld_version") or (1 if old else 2)
        kind, records, destination, amount = REPORTS[family, version, self.change]
        destination = destination or self.group
        if amount != "robust":
            return _Wanted(kind, None, destination, None, 1 if amount else 0)
        if self.exact is False:
            return _Wanted(kind, None, destination, None, 1)
        robustness = facts["limits"].get("igmp_qrv" if family == "ipv4" else "mld_qrv") or ROBUSTNESS
        record = records[self.filter_mode or "exclude"]
        if queries:
            return _Wanted(kind, record, destination, None, 1)
        return _Wanted(kind, record, destination, robustness, robustness)

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        kind, record, destination, number, least = self._wanted(facts)
        mac = facts["interfaces"].get(self.interface, {}).get("mac")
        messages = [message for message in select(by_group(found, self.group), [kind], self.group, record)
                    if mac in (None, message["source_mac"])]
        wrong = _differences(messages, {"destination": destination, "ttl": 1, "router_alert": True})
        if record:
            wrong += [f"sources {one['sources']} in place of {self.sources or []} (frame {message['number']})"
                      for message in messages for one in message["records"]
                      if (one["type"], one["group"]) == (record, self.group)
                      and sorted(one["sources"]) != sorted(self.sources or [])]
        wrong += _bad(messages)
        own = sum(any(group.is_kernel_own(one["group"]) for one in message["records"]) for message in messages)
        fits = least <= len(messages) and (number is None or len(messages) - own <= number)
        shown = " ".join(filter(None, (str(len(messages)), kind, record, self.group)))
        before = [] if fits else member_before(self.since, self.interface, self.group)
        return Look(fits and not wrong, "; ".join([shown, *wrong, *before]), _evidence(messages))


class Captured(Packets):
    """Passes when the capture went on until it was stopped, its file is whole, and the kernel dropped nothing.

    Fails when it ended by itself, was killed, or lacks packets."""

    NAME = "packets.captured"
    PARAMS = {"capture": CAPTURE, "interface": INTERFACE_SHOWN}
    EXAMPLE = "{capture: wire}"

    def _needs_all(self) -> bool:
        return False  # it says itself what lacks

    def describe(self) -> str:
        return f"capture {self.capture} is whole"

    def _expected(self, facts: dict[str, Any]) -> str:
        return "stopped, 0 dropped, all packets in the file"

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        report, wire = found["report"], found["wire"]
        total = wire["packets"]["total"]
        ended = report["ended"]["reason"] if report["ended"] else "not ended, or killed"
        dropped = (report["dropped"] or 0) + (report["dropped_by_interface"] or 0)
        passed = ended == "SIGTERM" and not dropped and report["captured"] == total and not wire["truncated"]
        actual = (f"{'stopped' if ended == 'SIGTERM' else ended}, {report['captured']} captured, "
                  f"{report['received']} received, {dropped} dropped, {total} in the file")
        return Look(passed, actual, dict(report))


CHECKS = (Messages, Datagrams, Checksums, Reports, Captured)
