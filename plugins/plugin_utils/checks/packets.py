# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`: what was on the wire? Read from the host's captures.

Beside what host_facts gathers, facts hold ``captures``: by name ``{report, wire, datagrams}``: the report of
mcast.lab.capture, what capture_info returns of the file as far as it is written, and (only for checks that need
``datagrams``) its first datagrams one by one."""
from __future__ import annotations

from typing import Any

from ...module_utils import expect, group
from ...module_utils.packet import moment
from ...module_utils.packet.checksum import BAD, UNFINISHED
from ...module_utils.packet.choice import groups_of
from ...module_utils.packet.message import DATA_KINDS, KINDS, PROTOCOLS
from .base import Check, count_option, flag_option, group_option, mode_option, port_option

_RECORDS = ("is_in", "is_ex", "to_in", "to_ex", "allow", "block")
_EVIDENCE = 20


def kinds_option(path, value):
    known = [kind for kind in PROTOCOLS + KINDS if kind not in DATA_KINDS]
    return [expect.choice(path, kind, known) for kind in expect.texts(path, value)]


def seconds_option(path, value):
    return expect.number(path, value, 0, 10 ** 6, float)


def _ttl(path, value):
    return expect.number(path, value, 0, 255)


def record_option(path, value):
    return expect.choice(path, value, _RECORDS)


_NUMBER = {"count": count_option, "at_least": count_option, "at_most": count_option}


class Packets(Check):
    """READS: what the check reads of the capture, ``messages`` or ``flows`` or both."""

    NEEDS = ("captures",)
    REQUIRED = ("capture",)
    READS: tuple[str, ...] = ("messages",)

    def judge(self, facts):
        found = facts["captures"].get(self.capture)
        if found is None:
            return False, self._expected(facts), "no capture %s" % self.capture, {}
        passed, actual, evidence = self._look(found, facts)
        lacking = _lacking(found, self.READS)
        if lacking and (not passed or self._needs_all()):
            return False, self._expected(facts), "; ".join([actual, *lacking]), evidence
        return passed, self._expected(facts), actual, evidence

    def _needs_all(self) -> bool:
        """Whether passing rests on packets that are not there, or on all of them: then none may lack."""
        return True

    def _expected(self, facts):
        """What is expected, in a few words."""
        return self.describe()

    def _look(self, found, facts):
        """found: the capture. Returns (passed, actual, evidence)."""
        raise NotImplementedError


class _Counted(Packets):
    """Passes by number: `count` (exactly), `at_least`, `at_most`; without any of them, at least one."""

    @property
    def ABSENCE(self):
        """Only "at least" is decided at first sight."""
        return self.count is not None or self.at_most is not None

    def _fits(self, number):
        if self.count is not None:
            return number == self.count
        least = self.at_least if self.at_least is not None or self.at_most is not None else 1
        return (least or 0) <= number and (self.at_most is None or number <= self.at_most)

    def _many(self):
        words = ["%s %d" % (word, number) for word, number in (
            ("exactly", self.count), ("at least", self.at_least), ("at most", self.at_most)) if number is not None]
        return " and ".join(words) if words else "at least 1"


def _lacking(found: dict[str, Any], reads: tuple[str, ...]) -> list[str]:
    """What the capture lacks, in words: packets that it did not take, and those that are not listed one by one."""
    report, wire, words = found["report"], found["wire"], []
    ended, killed = report["ended"], (report.get("exit") or {}).get("signal")
    if ended and ended["reason"] != "SIGTERM":
        words.append(f"the capture has ended: {report['error'] or ended['reason']}")
    elif killed:
        words.append(f"the capture was killed by {killed}")
    if report.get("dropped") or report.get("dropped_by_interface"):
        words.append(f"{(report['dropped'] or 0) + (report['dropped_by_interface'] or 0)} packets were dropped")
    if wire["truncated"]:
        words.append("the capture file is cut off")
    for kind in reads:
        if wire["left_out"][kind]:
            words.append(f"{wire['left_out'][kind]} further {kind} are not listed, so what they say is unknown")
    return words


def is_dropped(message: dict[str, Any], no_offload: bool) -> bool:
    """Whether a receiver's kernel drops the datagram for its checksum (RFC 768, RFC 8200 section 8.1)."""
    return message["checksum"] == BAD or no_offload and message["checksum"] == UNFINISHED


def select(messages, kinds=None, group=None, record=None, source=None):
    """Returns the messages of some kinds or protocols, about a group, with a record of a type for it, of a source."""
    return [message for message in messages
            if (not kinds or message["kind"] in kinds or message["protocol"] in kinds)
            and source in (None, message["source"])
            and (group is None or group in groups_of(message))
            and (record is None or any(record == one["type"] and group in (None, one["group"])
                                       for one in message["records"]))]


def _differences(messages, wanted):
    """What is not as wanted: ``"ttl 5 in place of 1 (frame 3)"``. wanted: ``{key of a message: value}``."""
    return ["%s %s in place of %s (frame %d)" % (key.replace("_", " "), message[key], value, message["number"])
            for message in messages for key, value in wanted.items() if message[key] != value]


def _evidence(messages):
    return {"messages": messages[:_EVIDENCE]}


class Messages(_Counted):
    """Passes when the capture holds the number of messages of these kinds, about this group, and all of them are as
    given: addresses, TTL, Router Alert, the sources of the group's record, and spacing: `within` so many seconds from
    the first to the last, `apart` at least so many from each to the next. With `groups`, they are about so many groups.

    Fails on more or fewer, or when one of them is otherwise. `count: 0` passes when there are none."""

    NAME = "packets.messages"
    PARAMS = dict(_NUMBER, **{
        "capture": expect.text, "kinds": kinds_option, "group": group_option, "record": record_option,
        "source": expect.text, "destination": expect.text, "ttl": _ttl, "router_alert": flag_option,
        "source_mac": expect.text, "destination_mac": expect.text, "sources": expect.texts, "groups": count_option,
        "within": seconds_option, "apart": seconds_option})
    _EACH = ("destination", "ttl", "router_alert", "source_mac", "destination_mac")
    _ALL = (*_EACH, "sources", "groups", "within", "apart")

    def _needs_all(self) -> bool:
        return self.ABSENCE or any(key in self.params for key in self._ALL)

    def describe(self):
        about = [" and ".join(self.kinds) if self.kinds else "messages", self.record, self.group]
        told = ["%s %s" % (key.replace("_", " "), self.params[key]) for key in (
            "source",) + self._EACH + ("sources", "groups", "within", "apart") if key in self.params]
        return ", ".join(["%s of %s" % (self._many(), " ".join(filter(None, about)))] + told)

    def _look(self, found, facts):
        messages = select(found["wire"]["messages"], self.kinds, self.group, self.record, self.source)
        wrong = _differences(messages, {key: self.params[key] for key in self._EACH if key in self.params})
        wrong += self._sources(messages) + self._spacing(messages) + self._about(messages)
        actual = "; ".join([str(len(messages))] + wrong)
        return self._fits(len(messages)) and not wrong, actual, _evidence(messages)

    def _sources(self, messages):
        if self.sources is None:
            return []
        return ["sources %s in place of %s (frame %d)" % (record["sources"], self.sources, message["number"])
                for message in messages for record in message["records"]
                if self.record in (None, record["type"]) and self.group in (None, record["group"])
                and sorted(record["sources"]) != sorted(self.sources)]

    def _about(self, messages):
        if self.groups is None:
            return []
        about = {name for message in messages for name in (
            groups_of(message) if self.record is None else
            [record["group"] for record in message["records"] if record["type"] == self.record])}
        return [] if len(about) == self.groups else ["%d groups in place of %d" % (len(about), self.groups)]

    def _spacing(self, messages):
        times = [moment.parse(message["time"], "time") / 1e9 for message in messages if message["time"]]
        gaps = [after - before for before, after in zip(times, times[1:])]
        wrong = []
        if self.within is not None and times and times[-1] - times[0] > self.within:
            wrong.append("%.3f s from the first to the last" % (times[-1] - times[0]))
        if self.apart is not None and gaps and min(gaps) < self.apart:
            wrong.append("two of them %.3f s apart" % min(gaps))
        return wrong


class Datagrams(_Counted):
    """Passes when the capture holds the number of datagrams to this group and port (from these sources), and all of
    them have the TTL, the MAC and the payload that are given. With `consecutive`, they end in numbers of which each is
    one more than the one before (as mcast.lab's sender numbers them).

    Fails on more or fewer, when one of them is otherwise or has a wrong UDP checksum, and when there are more than are
    judged one by one. With `offload: false`, a checksum that is left to the interface is wrong, too."""

    NAME = "packets.datagrams"
    NEEDS = ("captures", "datagrams")
    REQUIRED = ("capture", "group", "port")
    READS = ("flows", "datagrams")
    PARAMS = dict(_NUMBER, **{
        "capture": expect.text, "stream": expect.text, "interface": expect.text, "group": group_option,
        "port": port_option, "sources": expect.texts, "ttl": _ttl, "mac": expect.text, "payload": expect.text,
        "consecutive": flag_option, "offload": flag_option})
    _ONE_BY_ONE = ("mac", "payload", "consecutive")

    def describe(self):
        origin = " from %s" % ", ".join(self.sources) if self.sources else ""
        return "%s%s on the wire%s to %s port %d" % (
            "%s: " % self.stream if self.stream else "", self._many(), origin, self.group, self.port)

    def _needs_all(self) -> bool:
        return self.ABSENCE or any(self.params.get(key) is not None for key in ("ttl", *self._ONE_BY_ONE))

    def _expected(self, facts):
        return "; ".join([self._many()] + [
            "%s %.40s" % (key, self.params[key]) for key in ("ttl", "mac", "payload") if key in self.params] + [
                "numbers without a gap"] * bool(self.consecutive))

    def _look(self, found, facts):
        flows = [flow for flow in found["wire"]["flows"]
                 if (flow["group"], flow["destination_port"]) == (self.group, self.port)
                 and (not self.sources or flow["source"] in self.sources)]
        first = [message for message in found["datagrams"]
                 if (message["group"], message["details"].get("destination_port")) == (self.group, self.port)
                 and (not self.sources or message["source"] in self.sources)]
        number = sum(flow["packets"] for flow in flows)
        ttls = sorted({ttl for flow in flows for ttl in flow["ttls"]})
        wrong = []
        if self.ttl is not None and ttls not in ([], [self.ttl]):
            wrong.append("ttl %s in place of %d" % (", ".join(map(str, ttls)), self.ttl))
        if self.mac is not None:
            wrong += _differences(first, {"destination_mac": self.mac})
        wrong += self._payloads(first) + self._gaps(first) + self._checksums(first)
        if len(first) < number and any(self.params.get(key) for key in self._ONE_BY_ONE):
            wrong.append(f"only {len(first)} of them are listed, so what the others hold is unknown")
        return self._fits(number) and not wrong, "; ".join([str(number)] + wrong), dict(_evidence(first), flows=flows)

    def _checksums(self, messages: list[dict[str, Any]]) -> list[str]:
        """Datagrams that no receiver gets. One whose checksum is unfinished is left to the interface, unless that
        is known to be off."""
        dropped = [message for message in messages if is_dropped(message, self.offload is False)]
        if not dropped:
            return []
        return [f"{len(dropped)} with a wrong UDP checksum, which no receiver gets (the first is frame "
                f"{dropped[0]['number']})"]

    def _gaps(self, messages):
        if not self.consecutive:
            return []
        texts = [bytes.fromhex(message["details"]["payload"]).rpartition(b" ")[2] for message in messages]
        numbers = [int(text) if text.isdigit() else None for text in texts]
        return ["%s after %s (frame %d)" % (after, before, message["number"])
                for message, before, after in zip(messages[1:], numbers, numbers[1:])
                if None in (before, after) or after != before + 1]

    def _payloads(self, messages):
        """A fragment, or what the capture cut off, must be the payload's beginning."""
        if self.payload is None:
            return []
        wanted, wrong = self.payload.encode(), []
        for message in messages:
            payload = bytes.fromhex(message["details"]["payload"])
            part = message["snapped"] or message["fragment"]
            if not (wanted.startswith(payload) if part else payload == wanted):
                wrong.append("payload %r in place of %r (frame %d)" % (
                    payload[:40].decode(errors="replace"), self.payload[:40], message["number"]))
        return wrong


# What a host says to join and to leave, by version: kind, the type of the record by filter mode (None: the message
# has no records), where it goes (None: to the group), and how many there must be: "robust" (as many as the robustness
# variable), "some", or None where nothing is certain. IGMPv2 and MLDv1 hosts leave silently if another reported last.
_REPORTS = {
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
_ROBUSTNESS = 2


class Reports(Packets):
    """Passes when this host's own reports of joining or leaving the group are in the capture: in IGMPv3 and MLDv2 as
    many as the robustness variable (each change is repeated), no more and no fewer, with TTL 1 and Router Alert, to the
    routers' group. Older versions, and a querier that sets the robustness itself, leave the number open: then one
    report is enough, and a leave need not be seen.

    Fails when there are more or fewer, or one of them is otherwise."""

    NAME = "packets.reports"
    NEEDS = ("captures", "interfaces", "limits")
    REQUIRED = ("capture", "interface", "group", "change")
    PARAMS = {
        "capture": expect.text, "interface": expect.text, "group": group_option,
        "change": lambda path, value: expect.choice(path, value, ("join", "leave")),
        "filter_mode": mode_option,
        "sources": expect.texts, "exact": flag_option}
    ABSENCE = True

    def describe(self):
        return "reports on the wire: %ss %s on %s" % (self.change, self.group, self.interface)

    def _expected(self, facts):
        kind, record, destination, number, least = self._wanted(facts)
        if number is None and not least:
            return "nothing that is certain"
        many = "at least %d" % least if number is None else str(number)
        return " ".join(filter(None, (many, kind, record, self.group, "to", destination, "with TTL 1, Router Alert")))

    def _wanted(self, facts):
        """Returns (kind, type of the record or None, destination, exact number or None, least number)."""
        family = group.family(self.group)
        interface = facts["interfaces"].get(self.interface, {})
        found = facts["captures"].get(self.capture)
        messages = found["wire"]["messages"] if found else []
        queries = [message for message in messages if message["query"]
                   and (message["protocol"] == "igmp") == (family == "ipv4")]
        if family == "ipv4":
            version = interface.get("igmp_version", {}).get("value") or 3
        else:
            # The kernel does not tell to which version of MLD an older querier has made it fall back. Such a querier is
            # seen, or what the host answers it.
            old = any(message["kind"] == "mldv1_query" or message["kind"] == "mldv1_report"
                      and message["source_mac"] == interface.get("mac") for message in messages)
            version = interface.get("force_mld_version") or (1 if old else 2)
        kind, records, destination, amount = _REPORTS[family, version, self.change]
        destination = destination or self.group
        if amount != "robust":
            return kind, None, destination, None, 1 if amount else 0
        if self.exact is False:
            return kind, None, destination, None, 1
        robustness = facts["limits"].get("igmp_qrv" if family == "ipv4" else "mld_qrv") or _ROBUSTNESS
        record = records[self.filter_mode or "exclude"]
        if queries:
            return kind, record, destination, None, 1
        return kind, record, destination, robustness, robustness

    def _look(self, found, facts):
        kind, record, destination, number, least = self._wanted(facts)
        mac = facts["interfaces"].get(self.interface, {}).get("mac")
        messages = [message for message in select(found["wire"]["messages"], [kind], self.group, record)
                    if mac in (None, message["source_mac"])]
        wrong = _differences(messages, {"destination": destination, "ttl": 1, "router_alert": True})
        if record:
            wrong += ["sources %s in place of %s (frame %d)" % (one["sources"], self.sources or [], message["number"])
                      for message in messages for one in message["records"]
                      if (one["type"], one["group"]) == (record, self.group)
                      and sorted(one["sources"]) != sorted(self.sources or [])]
        fits = len(messages) == number if number is not None else len(messages) >= least
        shown = " ".join(filter(None, (str(len(messages)), kind, record, self.group)))
        return fits and not wrong, "; ".join([shown] + wrong), _evidence(messages)


class Captured(Packets):
    """Passes when the capture went on until it was stopped, its file is whole, and the kernel dropped nothing.

    Fails when it ended by itself, was killed, or lacks packets."""

    NAME = "packets.captured"
    PARAMS = {"capture": expect.text, "interface": expect.text}

    def _needs_all(self) -> bool:
        return False  # it says itself what lacks

    def describe(self):
        return "capture %s is whole" % self.capture

    def _expected(self, facts):
        return "stopped, 0 dropped, all packets in the file"

    def _look(self, found, facts):
        report, wire = found["report"], found["wire"]
        total = wire["packets"]["total"]
        ended = report["ended"]["reason"] if report["ended"] else "not ended, or killed"
        dropped = (report["dropped"] or 0) + (report["dropped_by_interface"] or 0)
        passed = ended == "SIGTERM" and not dropped and report["captured"] == total and not wire["truncated"]
        actual = "%s, %s captured, %s received, %s dropped, %d in the file" % (
            "stopped" if ended == "SIGTERM" else ended, report["captured"], report["received"], dropped, total)
        return passed, actual, dict(report)


CHECKS = (Messages, Datagrams, Reports, Captured)
