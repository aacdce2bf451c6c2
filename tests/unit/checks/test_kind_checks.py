# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kind of group a membership is of, who holds it, and what a querier of ours knows of members."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import group as groups
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

G = "239.0.0.100"
BEGIN = 1700000000
PLACE = {"interface": "eth0", "group": G}


def kinds(group):
    return {"memberships": [{"interface": "eth0", "group": group, "scope": groups.scope(group),
                             "name": groups.iana_name(group)}]}


def held(*processes, group=G, interface="eth0"):
    return {"members": [{"process": process, "pid": 7, "memberships": [{"group": group, "interface": interface}]}
                        for process in processes]}


def message(second, kind, query=None):
    return {"time": BEGIN * 10 ** 9 + round(second * 1e9), "kind": kind, "protocol": "igmp",
            "query": query, "source": "10.0.0.2", "group": None if query else G, "records": [], "number": 1,
            "details": {}}


def querier(*messages, kept=False, left=None):
    events = [{"event": "querier", "time": BEGIN}] + (
        [] if left is None else [{"event": "group_left", "group": G, "time": BEGIN + left}])
    told = {"groups": [{"group": G}] if kept else [], "events": events, "in_force": {"group_membership_interval": 2.5}}
    return {"traffic": {"querier-eth0": {"program": "querier", "interface": "eth0", "ipv4": told, "ipv6": None},
                        "broken": None},
            "captures": {"c": {"report": {"ended": None}, "datagrams": [], "wire": {
                "messages": list(messages), "truncated": False,
                "left_out": {"messages": 0, "flows": 0, "datagrams": 0}}}}}


REPORTS = [message(second, "igmpv1_report") for second in (1, 4)]
EXPIRED, GENERAL = dict(PLACE, capture="c"), ("igmpv2_query", "general")
ANSWERS = {"capture": "c", "query": ["igmpv2_query"], "group": G, "count": 1}
ONE, TWO, THREE = (message(second, *GENERAL) for second in (1, 4, 7))
EARLY, LATE, LATER = (message(second, "igmpv2_report") for second in (2, 5, 6.5))

# check, its options, facts, whether it passes, a part of what it found
ROWS = [
    ("membership.range", dict(PLACE, group="224.0.1.1", scope="internetwork-control", name="ntp"), kinds("224.0.1.1"),
     True, "internetwork-control, ntp, not source-specific"),
    ("membership.range", dict(PLACE, group="224.0.1.1", name="mdns"), kinds("224.0.1.1"), False, "ntp"),
    ("membership.range", dict(PLACE, group="232.1.1.1", source_specific=True), kinds("232.1.1.1"), True, "ssm"),
    ("membership.range", dict(PLACE, group="ff35::1", scope="site-local", source_specific=False), kinds("ff35::1"),
     False, "site-local, source-specific"),
    ("membership.range", dict(PLACE, group="ff35::1"), kinds("ff15::1"), False, "no member"),
    ("membership.held", dict(PLACE, process="ptp4l"), held("other", "ptp4l"), True, "other (pid 7), ptp4l (pid 7)"),
    ("membership.held", dict(PLACE, process="ptp4l"), held("ptp4"), False, "ptp4 (pid 7)"),
    ("membership.held", dict(PLACE, process="ptp4l"), held(), False, "nobody"),
    ("membership.held", dict(PLACE, process="ptp4l"), held("ptp4l", interface="eth1"), False, "nobody"),
    ("membership.held", dict(PLACE, process="ptp4l"), held("ptp4l", group="239.0.0.10"), False, "nobody"),
    ("querier.member", PLACE, querier(kept=True), True, "members"),
    ("querier.member", PLACE, querier(), False, "none"),
    ("querier.member", dict(PLACE, group="ff15::1"), querier(kept=True), False, "no querier of ours"),
    ("querier.member", dict(PLACE, interface="eth1"), querier(kept=True), False, "no querier of ours"),
    ("querier.expired", EXPIRED, querier(*REPORTS, left=6.6), True, "2.600 s after the last report; due after 2.5 s"),
    ("querier.expired", EXPIRED, querier(*REPORTS, left=6.4), False, "2.400 s after"),
    ("querier.expired", EXPIRED, querier(*REPORTS, left=7.6), False, "3.600 s after"),
    ("querier.expired", EXPIRED, querier(*REPORTS, kept=True, left=6.6), False, "still there"),
    ("querier.expired", EXPIRED, querier(*REPORTS), False, "still there"),
    ("querier.expired", EXPIRED, querier(left=6.6), False, "never reported"),
    ("querier.answers", ANSWERS, querier(ONE, EARLY, TWO), True, "1, after 1 s"),
    ("querier.answers", ANSWERS, querier(ONE, EARLY), False, "1 queries"),
    ("querier.answers", ANSWERS, querier(ONE, TWO), False, "0, after no time"),
    ("querier.answers", ANSWERS, querier(ONE, EARLY, TWO, LATE, LATER), True, "1, after 1 s"),
    ("querier.answers", ANSWERS, querier(ONE, EARLY, TWO, LATE, LATER, THREE), False, "2, after 1 s, 2.5 s"),
    ("querier.answers", dict(ANSWERS, apart=0.02), querier(TWO, LATE, message(5.01, "igmpv2_report"), THREE), True,
     "1, after 1 s, 1.01 s"),
    ("querier.answers", ANSWERS, querier(TWO, LATE, message(5.01, "igmpv2_report"), THREE), False, "2, after 1 s"),
    ("querier.answers", dict(ANSWERS, count=2), querier(TWO, LATE, LATE, THREE), True, "2, after 1 s, 1 s"),
]


@pytest.mark.parametrize(("name", "params", "facts", "passed", "actual"), ROWS)
def test_judged(name, params, facts, passed, actual):
    check = judge.make(name, params)
    found = check.judge(facts)
    assert (found[0], check.describe() != "", found[1] != "") == (passed, True, True)
    assert actual in found[2]
