# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `delivery`: did the datagrams leave, and did they arrive? Read from the programs' own reports."""
from __future__ import annotations

import math
import re
from typing import Any

from ...module_utils import expect
from ...module_utils.stream import program_name
from .base import GROUP, INTERFACE, PORT, Check, Judgement, Option, count_option


def _senders(path: str, value: Any) -> list[str | None]:
    """Addresses; None stands for a sender whose address is not known beforehand."""
    items = value if isinstance(value, list) else [value]
    return [None if item is None else expect.text(path, item) for item in items]


# Failures of several programs come in one message, each with its name in front; a failure may hold "; " itself.
_NEXT_UNIT = re.compile(r"; (?=(?:sender|receiver)-[^\s:]+: )")


class _Delivery(Check):
    REQUIRED: tuple[str, ...] = ("stream", "group", "port", "interface", "datagrams")
    NEEDS = ("traffic", "sockets")
    SOAKS = True
    PROGRAM = ""
    stream: str
    group: str
    port: int
    interface: str
    datagrams: int | None

    def _report(self, facts: dict[str, Any]) -> dict[str, Any] | None:
        """The report of the program that serves this stream on this host, or None."""
        report = facts["traffic"].get(program_name(self.PROGRAM, self.stream))
        return report if report and report.get("program") == self.PROGRAM else None

    def _lacking(self, facts: dict[str, Any]) -> str:
        """What there is to say where no such program runs: what its start said, if that has failed."""
        unit = f"{program_name(self.PROGRAM, self.stream)}: "
        said = [part for message in facts.get("failures", ()) for part in _NEXT_UNIT.split(message) if unit in part]
        return f"no {self.PROGRAM}{''.join(f'; {part}' for part in dict.fromkeys(said))}"


def _is_gone(report: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether the process has ended and nobody wrote down how: its supervisor was killed with it. No for one whose
    socket may be among those whose process is not seen."""
    udp = [row["pid"] for row in facts["sockets"] if row["protocol"] == "udp"]
    begun = report.get("state") in ("joined", "sending") and not report.get("ended") and not report.get("exit")
    return begun and None not in udp and report["pid"] not in udp


def _ending(report: dict[str, Any], facts: dict[str, Any]) -> str:
    """How the program ended, where that is not as it was asked to."""
    reason = (report.get("ended") or {}).get("reason")
    if _is_gone(report, facts):
        return "; its process is gone, and so is its supervisor, which would know how it ended"
    if _is_killed(report):
        return f"; killed by {report['exit']['signal']}"
    if reason is None and (report.get("exit") or {}).get("code") and not report.get("error"):
        return f"; ended with exit status {report['exit']['code']}"
    return f"; ended by {reason}" if reason not in (None, "count", "until", "end of input", "error") else ""


def _is_killed(report: dict[str, Any]) -> bool:
    """Whether a signal ended the process before it could write down an end of its own."""
    return bool((report.get("exit") or {}).get("signal"))


def _error(report: dict[str, Any]) -> str:
    return f"; {report['error']}" if report.get("error") else ""


class Sent(_Delivery):
    """Passes when the sender says that it has sent the number of datagrams to this group and port, from this
    interface.

    Fails when there is no sender, it was killed, or it sent fewer, more, or elsewhere."""

    NAME = "delivery.sent"
    PARAMS = {"stream": Option(expect.text, "name of the stream; its programs are called `sender-STREAM` and "
                                            "`receiver-STREAM`"),
              "group": GROUP, "port": PORT, "interface": INTERFACE,
              "datagrams": Option(count_option, "number of datagrams of each sender")}
    EXAMPLE = "{stream: hello, group: 239.0.0.100, port: 11111, interface: eth0, datagrams: 5}"
    PROGRAM = "sender"

    def describe(self) -> str:
        return f"{self.stream}: sends {self.datagrams} to {self.group} port {self.port} on {self.interface}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        report = self._report(facts)
        expected = f"{self.datagrams} to {self.group} port {self.port} on {self.interface}"
        if report is None:
            return Judgement(False, expected, self._lacking(facts), {})
        actual = (f"{report.get('datagrams')} to {report.get('group')} port {report.get('port')} on "
                  f"{report.get('interface')}")
        passed = actual == expected and not report.get("error") and not _is_killed(report) and not _is_gone(
            report, facts)
        refused = ", ".join(f"{count} {name}" for name, count in (report.get("refusals") or {}).items())
        actual += f"; {report['refused']} refused by this host: {refused}" if refused else ""
        return Judgement(passed, expected, actual + _ending(report, facts) + _error(report), report)


class Received(_Delivery):
    """Passes when the receiver has got exactly the number of datagrams from each sender, at this group and port, over
    this interface, and nothing more over the whole window. With `at_least`, so many of them are enough: routers that
    learn a route from the first datagrams lose those. Without `datagrams` there may be any number more.

    Fails when there is no receiver, when it was killed, when datagrams of a sender are missing or arrive more than
    once, or when datagrams of another source arrive. A sender of unknown address matches any source."""

    NAME = "delivery.received"
    REQUIRED = ("stream", "group", "port", "interface")
    PARAMS = dict(
        Sent.PARAMS,
        sources=Option(_senders, "addresses of exactly the senders that are heard, null for one that is not known; "
                                 "nobody without it"),
        at_least=Option(count_option, "number of datagrams of each sender that is enough"))
    EXAMPLE = ("{stream: hello, group: 239.0.0.100, port: 11111, interface: eth0, datagrams: 5, "
               "sources: [192.168.122.181]}")
    PROGRAM = "receiver"
    ABSENCE = True  # "exactly" says that no copy and no stranger follows
    sources: list[str | None] | None
    at_least: int | None

    def describe(self) -> str:
        return f"{self.stream}: receives {self._number()} from {self._named()} at {self.group} port {self.port}"

    def _number(self) -> str:
        if self.datagrams is None:
            return f"at least {self.at_least or 1}"
        return f"{self.datagrams}" if self.at_least is None else f"{self.at_least} to {self.datagrams}"

    def _named(self) -> str:
        return ", ".join(source or "any source" for source in self.sources or []) or "nobody"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        report = self._report(facts)
        expected = f"{self._number()} from {self._named()} over {self.interface}"
        if report is None:
            return Judgement(False, expected, self._lacking(facts), {})
        got: dict[tuple[str, str], int] = {}
        for flow in report["flows"]:
            if (flow["group"], flow["port"]) == (self.group, self.port):
                key = (flow["source"], flow["interface"])
                got[key] = got.get(key, 0) + flow["datagrams"]
        actual = "; ".join(f"{count} from {source} over {interface}"
                           for (source, interface), count in sorted(got.items())) or "0 datagrams"
        left_out = report.get("flows_left_out")
        actual += f"; {left_out} further flows are not listed, so whose they are is unknown" if left_out else ""
        # One that was killed can't know what came after.
        lost = left_out or report.get("error") or _is_killed(report) or _is_gone(report, facts)
        return Judgement(self._complete(got) and not lost, expected, actual + _ending(report, facts) + _error(report),
                         report)

    def _complete(self, got: dict[tuple[str, str], int]) -> bool:
        wanted = list(self.sources or [])
        most = math.inf if self.datagrams is None else self.datagrams
        fewest = self.at_least if self.at_least is not None else self.datagrams or 1
        if any(interface != self.interface or not fewest <= count <= most
               for (unused, interface), count in got.items()):
            return False
        heard = {source for source, unused in got}
        known = {source for source in wanted if source is not None}
        return known <= heard and len(heard) == len(wanted)


CHECKS = (Sent, Received)
