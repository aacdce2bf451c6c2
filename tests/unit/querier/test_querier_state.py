"""The querier's rules against the tables of the RFCs, without a socket or a clock."""
from __future__ import annotations

import random

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.querier import message as querier_message
from ansible_collections.mcast.lab.plugins.module_utils.querier.group import EXCLUDE, INCLUDE, Group
from ansible_collections.mcast.lab.plugins.module_utils.querier.machine import Machine, Settings, settle

OWN = {4: "10.0.0.5", 6: "fe80::5"}
LOWER = {4: "10.0.0.1", 6: "fe80::1"}
HIGHER = {4: "10.0.0.9", 6: "fe80::9"}
GROUP = {4: "239.1.1.1", 6: "ff15::1"}
REPORT = {4: "igmpv3_report", 6: "mldv2_report"}
LEAVE = {4: "igmpv2_leave", 6: "mldv1_done"}
NEWEST = {4: 3, 6: 2}
# Robustness 2, group membership interval 2 × 20 + 4 s, other querier present interval 2 × 20 + 2 s.
VALUES = {"query_interval": 20.0, "query_response_interval": 4.0, "last_member_query_interval": 1.0}
GMI, OQPI, LMQT = 44.0, 42.0, 2.0


def machine(family=4, version=None, **values):
    """A machine that was started at 0 and has sent its startup queries."""
    made = Machine(settle(Settings(family, version or NEWEST[family], **dict(VALUES, **values))), OWN[family])
    made.start(0.0)
    made.advance(5.0)
    made.outgoing.clear()
    return made


def query(family=4, source=None, version=None, group=None, **more):
    version = version or NEWEST[family]
    protocol = {4: "igmp", 6: "mld"}[family]
    return dict({"kind": f"{protocol}v{version}_query", "version": version, "source": source or LOWER[family],
                 "group": group, "sources": [], "records": [],
                 "query": "group" if group else "general", "max_response": 1.0, "suppress": False,
                 "robustness": None, "interval": None}, **more)


def report(family, kind, *sources):
    return {"kind": REPORT[family], "source": HIGHER[family],
            "records": [{"type": kind, "group": GROUP[family], "sources": list(sources)}], "group": None}


def older(kind, family=4):
    return {"kind": kind, "source": HIGHER[family], "group": GROUP[family], "records": []}


def names(made, *wanted):
    return [name for unused, name, unused in made.events if not wanted or name in wanted]


def run(made, until):
    """Let time pass; returns (when, query) of all that is sent."""
    sent = []
    while made.next_time() <= until:
        now = made.next_time()
        made.advance(now)
        sent += [(round(now, 3), each) for each in made.outgoing]
        made.outgoing.clear()
    return sent


# RFC 9776 sections 6.4.1 and 6.4.2; RFC 9777 has the same. The state as (mode, sources with a timer that runs, sources
# without), then the record; then the state, the sources asked for, whether the group is asked, and which sources got
# the group membership interval now.
IN, EX = INCLUDE, EXCLUDE
TABLE = [
    ((IN, "ab", ""), "is_in", "bc", (IN, "abc", ""), "", False, "bc"),
    ((IN, "ab", ""), "is_ex", "bc", (EX, "b", "c"), "", False, ""),
    ((EX, "ab", "cd"), "is_in", "bce", (EX, "abce", "d"), "", False, "bce"),
    ((EX, "ab", "cd"), "is_ex", "bce", (EX, "be", "c"), "", False, "e"),
    ((IN, "ab", ""), "allow", "bc", (IN, "abc", ""), "", False, "bc"),
    ((IN, "ab", ""), "block", "bc", (IN, "ab", ""), "b", False, ""),
    ((IN, "ab", ""), "to_ex", "bc", (EX, "b", "c"), "b", False, ""),
    ((IN, "ab", ""), "to_in", "bc", (IN, "abc", ""), "a", False, "bc"),
    ((EX, "ab", "cd"), "allow", "bce", (EX, "abce", "d"), "", False, "bce"),
    ((EX, "ab", "cd"), "block", "bce", (EX, "abe", "cd"), "be", False, ""),
    ((EX, "ab", "cd"), "to_ex", "bce", (EX, "be", "c"), "be", False, ""),
    ((EX, "ab", "cd"), "to_in", "bce", (EX, "abce", "d"), "a", True, "bce"),
    ((IN, "", ""), "to_ex", "", (EX, "", ""), "", False, ""),
    ((IN, "", ""), "is_ex", "a", (EX, "", "a"), "", False, ""),
    ((EX, "", ""), "to_in", "", (EX, "", ""), "", True, ""),
    ((IN, "a", ""), "unknown_9", "b", (IN, "a", ""), "", False, ""),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0][0]}-{row[1]}")
def test_the_tables_of_records(row):
    (mode, running, excluded), kind, told, after, asked, whole, renewed = row
    group = Group("239.1.1.1")
    group.mode, group.expires = mode, 30.0 if mode == EXCLUDE else None
    group.sources = dict(dict.fromkeys(running, 10.0), **dict.fromkeys(excluded))
    ask_sources, ask_group = group.take(kind, told, GMI)
    assert (group.mode, group.requested(), set(group.sources) - group.requested()) == (
        after[0], set(after[1]), set(after[2]))
    assert (ask_sources, ask_group) == (set(asked), whole)
    assert {source for source, end in group.sources.items() if end == GMI} == set(renewed)
    if kind in ("is_ex", "to_ex"):
        assert group.expires == GMI
    # What is new in an exclude list is asked for until the group timer ends (section 6.4.2).
    assert all(group.sources[source] == 30.0 for source in set(asked) - set(running) if mode == EXCLUDE)


# settings

@pytest.mark.parametrize(("values", "says"), [
    ({"query_response_interval": 20.0}, "not less than the query_interval of 20 s"),
    ({"query_response_interval": 0.05}, "query_response_interval: 0.05 s can't be said in IGMPv3; expected 0.1 to"),
    ({"last_member_query_interval": 0.01}, "last_member_query_interval: 0.01 s"),
    ({"query_interval": 0.0}, "query_interval: 0 s is none"),
    ({"query_interval": 40000.0}, "query_interval: 40000 s is none"),
    ({"robustness": 0}, "robustness: 0 is none; expected 1 to 7"),
    ({"robustness": 8}, "robustness: 8"),
    ({"startup_query_count": 9}, "startup_query_count: 9"),
    ({"version": 4}, "igmp_version: 4 is none; expected one of 1, 2, 3"),
    ({"family": 6, "version": 3}, "mld_version: 3 is none"),
    ({"version": 2, "query_interval": 60.0, "query_response_interval": 30.0}, "can't be said in IGMPv2"),
])
def test_settings_that_contradict_are_refused(values, says):
    with pytest.raises(McastError) as caught:
        settle(Settings(**dict(dict(VALUES, family=4, version=3), **values)))
    assert says in str(caught.value)


def test_what_is_not_given_is_derived():
    made = settle(Settings(4, 3, robustness=3, query_interval=20.0, query_response_interval=13.0))
    assert (made.startup_query_interval, made.startup_query_count, made.last_member_query_count) == (5.0, 3, 3)
    assert made.query_response_interval == 12.8
    assert settle(Settings(4, 1, query_interval=1.0)).query_response_interval == 10.0


# general queries

def test_startup_queries_are_closer():
    made = Machine(settle(Settings(4, 3, robustness=3, **VALUES)), OWN[4])
    made.start(100.0)
    assert [each.kind for each in made.outgoing] == ["general"]
    made.outgoing.clear()
    assert [when for when, unused in run(made, 160)] == [105.0, 110.0, 130.0, 150.0]


@pytest.mark.parametrize(("family", "version"), [(4, 1), (4, 2), (4, 3), (6, 1), (6, 2)])
def test_general_queries_carry_what_is_set(family, version):
    made = machine(family, version)
    (when, sent), = run(made, 26)
    assert (when, sent.family, sent.version, sent.kind, sent.robustness, sent.interval) == (
        25.0, family, version, "general", 2, 20)
    assert sent.max_response == (10.0 if (family, version) == (4, 1) else 4.0)


# election

@pytest.mark.parametrize("family", [4, 6])
def test_the_lower_address_wins_and_its_silence_ends_that(family):
    made = machine(family)
    made.hear(query(family, HIGHER[family]), 6.0)
    assert made.role == "querier"
    made.hear(query(family, LOWER[family]), 7.0)
    assert (made.role, made.other["address"]) == ("non_querier", LOWER[family])
    assert run(made, 7.0 + OQPI - 0.01) == []
    sent = run(made, 7.0 + OQPI + 21)
    assert [(when, each.kind) for when, each in sent] == [(7.0 + OQPI, "general"), (7.0 + OQPI + 20, "general")]
    assert made.role == "querier" and made.other is None


def test_addresses_are_compared_as_numbers():
    made = Machine(settle(Settings(4, 3, **VALUES)), "10.0.0.10")
    made.start(0.0)
    made.hear(query(4, "10.0.0.9"), 1.0)
    assert made.role == "non_querier"


def test_each_query_of_the_elected_starts_the_timer_anew():
    made = machine()
    for when in (6.0, 26.0, 46.0):
        made.hear(query(), when)
    assert run(made, 46.0 + OQPI - 0.01) == []
    assert [when for when, unused in run(made, 46.0 + OQPI)] == [46.0 + OQPI]


@pytest.mark.parametrize(("own", "heard"), [
    ((4, 3), query(4, "0.0.0.0")), ((4, 3), query(4, OWN[4])), ((4, 3), query(4, LOWER[4], 1)),
    ((4, 1), query(4, LOWER[4], 1)), ((4, 1), query(4, LOWER[4], 3)), ((6, 2), query(6, "::")),
])
def test_what_wins_no_election(own, heard):
    made = machine(*own)
    made.hear(heard, 6.0)
    assert made.role == "querier"


def test_the_elected_sets_robustness_and_interval_until_it_is_gone():
    made = machine()
    made.hear(query(robustness=3, interval=30), 6.0)
    assert (made.robustness, made.query_interval) == (3, 30)
    assert made.other_querier_interval == 3 * 30 + 2 and made.membership_interval == 3 * 30 + 4
    assert made.last_member_query_time == 3.0
    assert made.next_time() == 6.0 + 92
    made.hear(query(robustness=0, interval=0), 7.0)
    assert (made.robustness, made.query_interval) == (2, 20.0)
    own = machine(robustness=3)
    own.hear(query(robustness=0, interval=0), 7.0)
    assert own.robustness == 3
    made.advance(7.0 + OQPI)
    assert (made.role, made.robustness, made.query_interval) == ("querier", 2, 20.0)


def test_another_version_is_noted():
    made = machine()
    made.hear(query(version=2), 6.0)
    assert "version_differs" in names(made) and made.role == "non_querier"


# members

@pytest.mark.parametrize(("family", "version", "join"), [
    (4, 1, older("igmpv1_report")), (4, 2, older("igmpv1_report")), (4, 2, older("igmpv2_report")),
    (4, 3, report(4, "to_ex")), (4, 3, report(4, "is_in", "10.0.0.7")), (4, 3, older("igmpv1_report")),
    (6, 1, older("mldv1_report", 6)), (6, 2, report(6, "to_ex")), (6, 2, older("mldv1_report", 6)),
])
def test_a_silent_member_is_dropped_after_the_group_membership_interval(family, version, join):
    made = machine(family, version)
    interval = 2 * 20 + 10 if (family, version) == (4, 1) else GMI
    made.hear(join, 6.0)
    assert list(made.groups) == [GROUP[family]]
    run(made, 6.0 + interval - 0.01)
    assert list(made.groups) == [GROUP[family]]
    run(made, 6.0 + interval)
    assert not made.groups
    assert names(made, "group_joined", "group_left") == ["group_joined", "group_left"]


@pytest.mark.parametrize(("family", "version", "join", "leave"), [
    (4, 2, older("igmpv2_report"), older("igmpv2_leave")),
    (4, 3, report(4, "to_ex"), report(4, "to_in")), (4, 3, older("igmpv2_report"), older("igmpv2_leave")),
    (6, 1, older("mldv1_report", 6), older("mldv1_done", 6)),
    (6, 2, report(6, "to_ex"), report(6, "to_in")), (6, 2, older("mldv1_report", 6), older("mldv1_done", 6)),
])
def test_a_leave_is_asked_about_and_believed_after_the_last_member_query_time(family, version, join, leave):
    made = machine(family, version)
    made.hear(join, 6.0)
    made.hear(leave, 10.0)
    first, = made.outgoing
    made.outgoing.clear()
    assert (first.group, first.kind, first.max_response, first.version) == (GROUP[family], "group", 1.0, version)
    assert [(when, each.group) for when, each in run(made, 11.9)] == [(11.0, GROUP[family])]
    assert made.groups
    run(made, 12.0)
    assert not made.groups


@pytest.mark.parametrize(("family", "version", "join", "leave"), [
    (4, 2, older("igmpv2_report"), older("igmpv2_leave")), (4, 3, report(4, "is_ex"), report(4, "to_in")),
    (6, 1, older("mldv1_report", 6), older("mldv1_done", 6)), (6, 2, report(6, "is_ex"), report(6, "to_in")),
])
def test_an_answer_keeps_the_group(family, version, join, leave):
    made = machine(family, version)
    made.hear(join, 6.0)
    made.hear(leave, 10.0)
    made.hear(join, 10.4)
    made.outgoing.clear()
    sent = run(made, 24.9)
    # The older versions stop asking; the newest goes on with the S flag (RFC 9776 section 6.6.3.1).
    assert [(when, each.suppress) for when, each in sent] == ([(11.0, True)] if version == NEWEST[family] else [])
    run(made, 10.4 + GMI - 0.01)
    assert made.groups
    run(made, 10.4 + GMI)
    assert not made.groups


@pytest.mark.parametrize(("family", "version"), [(4, 2), (6, 1)])
def test_of_several_leaves_the_first_is_asked_about(family, version):
    made = machine(family, version)
    made.hear(older("igmpv2_report" if family == 4 else "mldv1_report", family), 6.0)
    for when in (10.0, 10.2, 10.5):
        made.hear(older(LEAVE[family], family), when)
    assert len(made.outgoing) == 1
    made.outgoing.clear()
    assert [when for when, unused in run(made, 12.0)] == [11.0]
    assert not made.groups


@pytest.mark.parametrize("member", ["igmpv1_report"])
@pytest.mark.parametrize("leave", [older("igmpv2_leave"), report(4, "to_in"), report(4, "block", "10.0.0.7")])
@pytest.mark.parametrize("version", [2, 3])
def test_leaves_are_ignored_while_an_igmpv1_host_is_there(member, leave, version):
    made = machine(4, version)
    made.hear(older(member), 6.0)
    made.hear(leave, 10.0)
    assert not made.outgoing and made.groups
    assert made.groups[GROUP[4]].compatibility(3) == 1
    run(made, 6.0 + GMI)
    assert not made.groups


def test_an_igmpv1_querier_ignores_leaves_and_asks_for_no_group():
    made = machine(4, 1)
    made.hear(older("igmpv2_report"), 6.0)
    made.hear(older("igmpv2_leave"), 7.0)
    assert not made.outgoing and made.groups[GROUP[4]].expires == 56.0


@pytest.mark.parametrize(("family", "kind", "version"), [
    (4, "igmpv1_report", 1), (4, "igmpv2_report", 2), (6, "mldv1_report", 1)])
def test_an_older_host_is_remembered_for_the_older_host_present_interval(family, kind, version):
    made = machine(family)
    made.hear(older(kind, family), 6.0)
    made.hear(report(family, "is_ex"), 20.0)
    run(made, 6.0 + GMI - 0.01)
    assert made.groups[GROUP[family]].compatibility(NEWEST[family]) == version
    run(made, 6.0 + GMI)
    assert made.groups[GROUP[family]].compatibility(NEWEST[family]) == NEWEST[family]
    assert [details["version"] for unused, name, details in made.events if name.startswith("group_")] == [
        version, NEWEST[family]]


@pytest.mark.parametrize(("family", "kind"), [(4, "igmpv2_report"), (6, "mldv1_report")])
def test_in_an_older_mode_lists_and_blocks_are_ignored(family, kind):
    source = LOWER[family]
    made = machine(family)
    made.hear(older(kind, family), 6.0)
    made.hear(report(family, "block", source), 7.0)
    made.hear(report(family, "to_ex", source), 8.0)
    group = made.groups[GROUP[family]]
    assert not made.outgoing and not group.sources and group.expires == 8.0 + GMI
    made.hear(report(family, "to_in"), 9.0)
    assert [each.kind for each in made.outgoing] == ["group"]


@pytest.mark.parametrize(("family", "version", "heard"), [
    (4, 2, report(4, "to_ex")), (4, 1, report(4, "to_ex")), (6, 1, report(6, "to_ex"))])
def test_reports_of_a_newer_version_are_not_understood(family, version, heard):
    made = machine(family, version)
    made.hear(heard, 6.0)
    assert not made.groups and made.counts["ignored"] == 1


def test_sources_are_asked_for_with_and_without_the_s_flag():
    made = machine()
    made.hear(report(4, "is_in", "10.0.0.7", "10.0.0.8"), 6.0)
    made.hear(report(4, "block", "10.0.0.7", "10.0.0.8"), 10.0)
    assert [(each.sources, each.suppress) for each in made.outgoing] == [(("10.0.0.7", "10.0.0.8"), False)]
    made.outgoing.clear()
    made.hear(report(4, "is_in", "10.0.0.8"), 10.5)
    assert [(when, each.sources, each.suppress) for when, each in run(made, 12.5)] == [
        (11.0, ("10.0.0.8",), True), (11.0, ("10.0.0.7",), False)]
    assert list(made.groups[GROUP[4]].sources) == ["10.0.0.8"]


def test_a_change_from_exclude_to_include_asks_for_sources_and_group():
    made = machine()
    made.hear(report(4, "is_ex"), 6.0)
    made.hear(report(4, "allow", "10.0.0.7"), 7.0)
    made.hear(report(4, "to_in", "10.0.0.8"), 10.0)
    assert [(each.kind, each.sources) for each in made.outgoing] == [
        ("group", ()), ("group_and_source", ("10.0.0.7",))]
    run(made, 12.0)
    group = made.groups[GROUP[4]]
    assert (group.mode, list(group.sources)) == (INCLUDE, ["10.0.0.8"])


def test_beside_a_query_for_the_group_none_is_sent_for_sources_that_were_reported_since():
    made = machine()
    made.hear(report(4, "is_ex"), 6.0)
    made.hear(report(4, "allow", "10.0.0.7"), 7.0)
    made.hear(report(4, "to_in", "10.0.0.8"), 10.0)
    made.outgoing.clear()
    made.hear(report(4, "is_in", "10.0.0.7"), 10.5)
    assert [(when, each.kind) for when, each in run(made, 12.0)] == [(11.0, "group")]


def test_many_sources_are_asked_for_in_several_queries():
    made = machine(6)
    sources = [f"fd00::{number:x}" for number in range(1, 101)]
    made.hear(report(6, "is_in", *sources), 6.0)
    made.hear(report(6, "block", *sources), 7.0)
    assert [len(each.sources) for each in made.outgoing] == [89, 11]


@pytest.mark.parametrize(("suppress", "gone"), [(False, 8.0 + LMQT), (True, 6.0 + GMI)])
def test_a_non_querier_asks_nothing_and_follows_the_queries_of_the_elected(suppress, gone):
    made = machine()
    made.hear(query(), 5.5)
    made.hear(report(4, "is_ex"), 6.0)
    made.hear(report(4, "to_in"), 7.0)
    assert not made.outgoing
    made.hear(query(group=GROUP[4], suppress=suppress), 8.0)
    for when in (20.0, 35.0):
        made.hear(query(), when)  # it lives on
    assert made.groups[GROUP[4]].expires == gone if gone > 35 else not made.groups


def test_a_non_querier_follows_a_query_for_sources():
    made = machine()
    made.hear(query(), 5.5)
    made.hear(report(4, "is_in", "10.0.0.7", "10.0.0.8"), 6.0)
    made.hear(query(group=GROUP[4], sources=["10.0.0.7"]), 8.0)
    run(made, 10.0)
    assert list(made.groups[GROUP[4]].sources) == ["10.0.0.8"]


def test_who_loses_the_election_stops_asking():
    made = machine()
    made.hear(report(4, "is_ex"), 6.0)
    made.hear(report(4, "to_in"), 7.0)
    made.outgoing.clear()
    made.hear(query(), 7.5)
    assert run(made, 20.0) == []


# anything that may be heard

def anything(chance, family):
    """A message of the family, of any kind, about one of a few groups; or one that says nothing of a group."""
    groups = [None, GROUP[family], {4: "224.0.0.106", 6: "ff02::6a"}[family]]
    sources = [{4: "10.0.0.%d", 6: "fe80::%x"}[family] % number for number in range(1, 12)]
    some = chance.sample(sources, chance.randrange(4))
    kind = chance.choice({
        4: ["igmpv1_query", "igmpv2_query", "igmpv3_query", "igmpv1_report", "igmpv2_report", "igmpv2_leave",
            "igmpv3_report", "igmpv3_report", "igmpv3_report", "dvmrp", "igmp_unknown"],
        6: ["mldv1_query", "mldv2_query", "mldv1_report", "mldv1_done", "mldv2_report", "mldv2_report"]}[family])
    records = [{"type": chance.choice(("is_in", "is_ex", "to_in", "to_ex", "allow", "block", "unknown_7")),
                "group": chance.choice(groups[1:]), "sources": some} for unused in range(chance.randrange(3))]
    digits = [each for each in kind if each.isdigit()]
    return {"kind": kind, "version": int(digits[0]) if digits else None,
            "source": chance.choice(sources + [{4: "0.0.0.0", 6: "::"}[family]]), "records": records,
            "group": chance.choice(groups), "sources": some, "query": "general", "suppress": chance.random() < 0.3,
            "max_response": None if kind == "igmpv1_query" else chance.choice((0, 0.1, 10, 3174.4)),
            "robustness": chance.choice((None, 0, 1, 7)), "interval": chance.choice((None, 0, 1, 31744))}


@pytest.mark.parametrize(("family", "version"), [(4, 1), (4, 2), (4, 3), (6, 1), (6, 2)])
def test_whatever_is_heard_the_machine_goes_on(family, version):
    chance = random.Random(family * 10 + version)
    made, now = machine(family, version), 5.0
    for _unused in range(4000):
        now = now + chance.random() if chance.random() < 0.5 else max(now, min(made.next_time(), now + 60))
        made.advance(now)
        made.outgoing.clear()
        role = made.role
        made.hear(anything(chance, family), now)
        assert made.next_time() > now
        assert not made.outgoing or "querier" in (role, made.role)
        for sent in made.outgoing:
            assert querier_message.write(sent, "fe80::1") and len(sent.sources) <= 366
        for group in made.groups.values():
            assert not group.is_empty() and (group.expires is None) == (group.mode == INCLUDE)
            assert group.mode == EXCLUDE or None not in group.sources.values()
    assert made.report(lambda at: at)["events_left_out"] > 0


# bounds and the report

def test_forged_reports_do_not_fill_the_memory():
    made = machine()
    many = {"kind": "igmpv3_report", "source": HIGHER[4], "group": None, "records": [
        {"type": "is_ex", "group": f"239.{number >> 8}.{number & 255}.1", "sources": []}
        for number in range(10050)]}
    made.hear(many, 6.0)
    made.hear(report(4, "is_in", *(f"10.1.{number >> 8}.{number & 255}" for number in range(2000))), 7.0)
    assert len(made.groups) == 10000 and len(made.events) == 1000
    assert len(made.groups[GROUP[4]].sources) == 1000
    told = made.report(lambda at: at)
    assert len(told["groups"]) == 1000 and told["groups_left_out"] == 9050 and told["events_left_out"] > 9000


def test_the_report_tells_role_members_and_timers():
    made = machine()
    made.hear(query(robustness=3, interval=30), 6.0)
    made.hear(report(4, "is_ex", "10.0.0.7"), 7.0)
    made.hear(report(4, "allow", "10.0.0.8"), 8.0)
    told = made.report(lambda at: at and at + 1000)
    assert (told["role"], told["version"], told["next_query"]) == ("non_querier", 3, None)
    assert told["other"] == {"address": LOWER[4], "version": 3, "robustness": 3, "interval": 30, "heard": 1006.0,
                             "expires": 1006.0 + 92}
    assert told["in_force"]["group_membership_interval"] == 94
    assert told["groups"] == [{
        "group": GROUP[4], "filter_mode": "exclude", "expires": 1007.0 + 94, "excluded": ["10.0.0.7"],
        "sources": [{"source": "10.0.0.8", "expires": 1008.0 + 94}], "version": 3, "older": {}}]
    assert [each["event"] for each in told["events"]][-2:] == ["non_querier", "group_joined"]
