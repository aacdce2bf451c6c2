# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `querier`, as far as it is about members: which groups does a querier of ours keep, how does it lose them, and
how many members answer?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect, group
from .base import CAPTURE, GROUP, INTERFACE, Check, Judgement, Look, Option
from .packets import Packets, by_group, kinds_option, seconds_option

# Seconds by which a program on a busy machine may be late.
_LATE = 1.0
# And by which the clocks of the kernel and of a program read one moment apart.
_GRAIN = 0.05


def _of(facts: dict[str, Any], interface: str, family: str) -> dict[str, Any] | None:
    """What the querier of ours on the interface says of a family, or None."""
    for report in facts["traffic"].values():
        if report and report.get("program") == "querier" and report.get("interface") == interface:
            return report.get(family)
    return None


class Member(Check):
    """Passes when the querier of `mcast.lab.querier` on this interface keeps the group, because it has members.

    Fails when it doesn't, or there is no querier of ours."""

    NAME = "querier.member"
    PARAMS = {"interface": INTERFACE, "group": GROUP}
    REQUIRED = ("interface", "group")
    EXAMPLE = "{interface: eth0, group: 239.0.0.100}"
    NEEDS = ("traffic",)
    interface: str
    group: str

    def describe(self) -> str:
        return f"the querier on {self.interface} has members of {self.group}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        told = _of(facts, self.interface, group.family(self.group))
        if told is None:
            return Judgement(False, self.describe(), "no querier of ours", {})
        found = [one for one in told["groups"] if one["group"] == self.group]
        return Judgement(bool(found), self.describe(), "members" if found else "none", {"groups": found})


class Expired(Packets):
    """Passes when the querier of `mcast.lab.querier` on this interface has dropped the group, the group membership
    interval after the last report about it that the capture holds (RFC 9776 section 8.4), give or take what a busy
    machine takes.

    Fails when it still has it, or dropped it sooner or later."""

    NAME = "querier.expired"
    PARAMS = {"capture": CAPTURE, "interface": INTERFACE, "group": GROUP}
    REQUIRED = ("capture", "interface", "group")
    EXAMPLE = "{capture: wire, interface: eth0, group: 239.0.0.100}"
    NEEDS = ("captures", "traffic")
    interface: str
    group: str

    def describe(self) -> str:
        return (f"the querier on {self.interface} drops {self.group} once nobody has reported it for the group "
                "membership interval")

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        told = _of(facts, self.interface, group.family(self.group))
        if told is None:
            return Look(False, "no querier of ours", {})
        left = [event for event in told["events"]
                if (event["event"], event.get("group")) == ("group_left", self.group)]
        reports = [message for message in by_group(found, self.group)
                   if message["kind"].endswith("_report")]
        if not left or not reports or any(one["group"] == self.group for one in told["groups"]):
            return Look(False, "still there" if reports else "never reported", {})
        due = told["in_force"]["group_membership_interval"]
        last = max(message["time"] for message in reports) / 1e9
        after = left[-1]["time"] - last
        actual = f"{after:.3f} s after the last report; due after {due:g} s"
        return Look(due - _GRAIN <= after <= due + _LATE, actual, {"seconds": after, "due": due})


class Answers(Packets):
    """Passes when the last general query of this kind that was followed by another one had, before that, exactly so
    many answers about the group. Those that begin within `apart` seconds after another count as one with it: who
    reports at the same moment can't have heard the other.

    Fails when it had more or fewer, or no query has been followed by another one. So the time between two queries is to
    be longer than what the hosts may take to answer."""

    NAME = "querier.answers"
    PARAMS = {"capture": CAPTURE, "query": Option(kinds_option, "kinds of the queries, such as `igmpv3_query`"),
              "group": GROUP,
              "count": Option(lambda path, value: expect.number(path, value, 0, 10 ** 6), "number of answers"),
              "apart": Option(seconds_option, "seconds within which answers count as one")}
    REQUIRED = ("capture", "query", "group", "count")
    EXAMPLE = "{capture: wire, query: [igmpv2_query], group: 239.0.0.100, count: 1, apart: 0.02}"
    query: list[str]
    group: str
    count: int
    apart: float | None

    def describe(self) -> str:
        return f"{self.count} answers to {' or '.join(self.query)} about {self.group}"

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        messages = found["wire"]["messages"]
        queries = [message["time"] for message in messages
                   if message["kind"] in self.query and message["query"] == "general"]
        if len(queries) < 2:
            return Look(False, f"{len(queries)} queries", {})
        answers = [message["time"] for message in by_group(found, self.group)
                   if message["kind"].endswith("_report")]
        alone = [answer for before, answer in zip([0] + answers, answers)
                 if answer - before > (self.apart or -1) * 1e9]
        counts = [sum(begin <= answer < end for answer in alone) for begin, end in zip(queries, queries[1:])]
        delays = [round((answer - queries[-2]) / 1e9, 3) for answer in answers if queries[-2] <= answer < queries[-1]]
        actual = f"{counts[-1]}, after {', '.join(f'{delay:g} s' for delay in delays) or 'no time'}"
        return Look(counts[-1] == self.count, actual, {"answers": counts, "seconds": delays})


CHECKS = (Member, Expired, Answers)
