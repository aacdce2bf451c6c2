# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`: what was on the wire? Read from the host's captures.

Beside what host_facts gathers, facts hold ``captures``: by name ``{report, wire, datagrams}``: the report of
mcast.lab.capture, what capture_info returns of the file as far as it is written, and (only for checks that need
``datagrams``) its datagrams one by one, with the number of those that are not listed in ``left_out`` of the wire."""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ...module_utils import expect
from ...module_utils.packet import timestamps
from ...module_utils.packet.checksum import BAD
from ...module_utils.packet.message import DATA_KINDS, KINDS, PROTOCOLS
from ...module_utils.packet.message_filter import groups_of
from .base import (
    CAPTURE,
    GROUP,
    INTERFACE_SHOWN,
    SOURCE,
    Check,
    Judgement,
    Look,
    Option,
    count_option,
    flag_option,
)

RECORDS = ("is_in", "is_ex", "to_in", "to_ex", "allow", "block")
EVIDENCE = 20


def kinds_option(path: str, value: Any) -> list[str]:
    known = [kind for kind in PROTOCOLS + KINDS if kind not in DATA_KINDS]
    return [expect.choice(path, kind, known) for kind in expect.texts(path, value)]


def seconds_option(path: str, value: Any) -> float:
    return expect.number(path, value, 0, 10 ** 6, float)


def _ttl(path: str, value: Any) -> int:
    return expect.number(path, value, 0, 255)


def record_option(path: str, value: Any) -> str:
    return expect.choice(path, value, RECORDS)


TTL = Option(_ttl, "TTL, or hop limit of IPv6, 0 to 255")
NUMBER = {"count": Option(count_option, "exactly so many"), "at_least": Option(count_option, "so many or more"),
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


class Counted(Packets):
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
    return messages if address is None else indexed(found, "groups", messages, groups_of).get(address, [])


def by_kind(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The messages of a capture of one kind."""
    return indexed(found, "kinds", found["wire"]["messages"], lambda message: (message["kind"],)).get(kind, [])


def indexed(found: dict[str, Any], name: str, rows: Iterable[Any], keys: Callable[[Any], Iterable[Any]]
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


def bad_checksums(messages: list[dict[str, Any]]) -> list[str]:
    return [f"bad checksum (frame {message['number']})" for message in messages if is_bad(message)]


def differences(messages: list[dict[str, Any]], wanted: dict[str, Any]) -> list[str]:
    """What is not as wanted: ``"ttl 5 in place of 1 (frame 3)"``. wanted: ``{key of a message: value}``."""
    return [f"{key.replace('_', ' ')} {message[key]} in place of {value} (frame {message['number']})"
            for message in messages for key, value in wanted.items() if message[key] != value]


def evidence_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"messages": [timestamps.readable(message) for message in messages[:EVIDENCE]]}


class Messages(Counted):
    """Passes when the capture holds the number of messages of these kinds, about this group, and all of them are as
    given: addresses, TTL, Router Alert, the sources of the group's record, and spacing: `within` so many seconds from
    the first to the last, `apart` at least so many from each to the next. With `groups`, they are about so many groups.
    None of them may have a wrong checksum.

    Fails on more or fewer, or when one of them is otherwise. `count: 0` passes when there are none."""

    NAME = "packets.messages"
    PARAMS = dict(NUMBER, **{
        "capture": CAPTURE,
        "kinds": Option(kinds_option, "kinds of messages, as `mcast.lab.capture_info` calls them, or `igmp`, `mld` or "
                                      "`pim`"),
        "group": GROUP,
        "record": Option(record_option, "type of a record for the group, `is_in`, `is_ex`, `to_in`, `to_ex`, `allow` "
                                        "or `block`"),
        "source": SOURCE,
        "destination": Option(expect.text, "address that they go to"),
        "ttl": TTL,
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
        wrong = differences(messages, {key: self.params[key] for key in self._EACH if key in self.params})
        wrong += self._sources(messages) + self._spacing(messages) + self._about(messages) + bad_checksums(messages)
        actual = "; ".join([str(len(messages))] + wrong)
        return Look(self._fits(len(messages), len(messages)) and not wrong, actual, evidence_of(messages))

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


CHECKS = (Messages, Captured)
