# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each check against facts: when it passes, when it fails, and what it says then."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import group
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import memberships
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

G, MAC = "239.0.0.100", "01:00:5e:00:00:64"


def held(address=G, interface="eth0", users=1, sources=()):
    """One membership as host_facts tells it. sources: (source, how many include it, how many exclude it)."""
    row = memberships.member(interface, 2, address, users)
    listed = {(2, address): [memberships.Filtered(*source) for source in sources]}
    return memberships.memberships([row], {"ipv4": listed, "ipv6": listed}, None)[0]


def facts(*found, flags=("multicast", "running", "up"), mtu=1500, macs=None, **traffic):
    """macs: those of the memberships, unless given."""
    interfaces = {name: {"flags": list(flags), "mtu": mtu, "link_groups": [
        {"mac": mac, "users": 1} for mac in (
            macs if macs is not None else sorted({row["mac"] for row in found if row["interface"] == name}))]}
        for name in ("eth0", "eth1", "a.very.long.one")}
    return {"memberships": list(found), "interfaces": interfaces, "sockets": [],
            "traffic": {name.replace("_", "-"): report for name, report in traffic.items()}}


OWN = [held("224.0.0.1"), held("ff02::1"), held("ff01::1"), held("ff02::1:ff00:1")]
HOME = {"interface": "eth0", "group": G}
S1, S2 = "10.0.0.1", "10.0.0.2"

# check, params, facts, passed, actual
INTERFACE = [
    ({"state": "up"}, facts(), True, "up"),
    ({"state": "down"}, facts(), False, "up"),
    ({"state": "up"}, facts(flags=()), False, "down"),
    ({"state": "up", "multicast": True}, facts(), True, "up, multicast on"),
    ({"state": "up", "multicast": True}, facts(flags=["up", "running"]), False, "up, multicast off"),
    ({"state": "up"}, facts(flags=["up", "multicast"]), False, "up without carrier"),
    ({"state": "up", "multicast": True}, facts(flags=["up", "multicast"]), False, "up without carrier, multicast on"),
    ({"state": "down"}, facts(flags=["up", "multicast"]), False, "up without carrier"),
    ({"multicast": False}, facts(flags=["up"]), True, "multicast off"),
    ({"allmulti": True, "promisc": False}, facts(flags=["up", "allmulti"]), True, "allmulti on, promisc off"),
    ({"promisc": True}, facts(), False, "promisc off"),
    ({"mtu": 1500}, facts(), True, "mtu 1500"),
    ({"mtu": "9000"}, facts(), False, "mtu 1500"),
    ({"interface": "eth2", "state": "down"}, facts(), False, "no such interface"),
    ({"interface": "eth", "state": "up"}, facts(), False, "no such interface"),
    ({"interface": "a.very.long.one", "state": "up"}, facts(), True, "up"),
]
INCLUDE = dict(HOME, filter_mode="include", sources=[S2, S1])
PRESENT = [
    (HOME, facts(held()), True, "member of 239.0.0.100 on eth0, exclude (exact)"),
    (HOME, facts(*OWN), False, "no member"),
    (HOME, facts(held("239.0.0.10"), held("239.0.0.101")), False, "no member"),
    (HOME, facts(held(interface="eth1")), False, "member on eth1 instead"),
    (HOME, facts(held(interface="eth1"), held()), True, "member of 239.0.0.100 on eth0, exclude (exact)"),
    (dict(HOME, filter_mode="exclude"), facts(held()), True, "member of 239.0.0.100 on eth0, exclude (exact)"),
    (dict(HOME, filter_mode="include", sources=S1), facts(held()), False, None),
    (INCLUDE, facts(held(sources=[(S1, 1, 0), (S2, 1, 0)])), True,
     "member of 239.0.0.100 on eth0, include (exact), include 10.0.0.1, 10.0.0.2"),
    (INCLUDE, facts(held(sources=[(S1, 1, 0)])), False, None),
    (INCLUDE, facts(held(sources=[(S1, 1, 0), (S2, 1, 0), ("10.0.0.3", 1, 0)])), False, None),
    (INCLUDE, facts(held(sources=[(S1, 0, 1), (S2, 0, 1)])), False, None),
    (dict(HOME, sources=[S1]), facts(held()), False, None),  # sources alone mean INCLUDE
    (dict(HOME, sources=[S1]), facts(held(sources=[(S1, 1, 0)])), True, None),
    (HOME, facts(held(sources=[(S1, 1, 0)])), True, None),  # no filter was asked for
    (dict(HOME, filter_mode="exclude", sources=[S1]), facts(held(sources=[(S1, 0, 1)])), True, None),
    (dict(HOME, filter_mode="exclude", sources=[S1]), facts(held()), False, None),
    (dict(HOME, filter_mode="exclude"), facts(held(sources=[(S1, 0, 1)])), False, None),
    (dict(HOME, filter_mode="exclude"), facts(held(sources=[(S1, 1, 0)])), False, None),
    # EXCLUDE{S1} beside EXCLUDE{} excludes nobody; EXCLUDE{S1,S2} beside INCLUDE{S1} excludes S2
    (dict(HOME, filter_mode="exclude"), facts(held(users=2, sources=[(S1, 0, 1)])), True, None),
    (dict(HOME, filter_mode="exclude", sources=[S1]), facts(held(users=2, sources=[(S1, 0, 1)])), False, None),
    (dict(HOME, filter_mode="exclude", sources=[S2]), facts(held(users=2, sources=[(S1, 1, 1), (S2, 0, 1)])), True,
     None),
    # EXCLUDE{} beside INCLUDE{S1,S2} leaves the rows of INCLUDE{S1} beside INCLUDE{S2}: either may be meant
    (dict(HOME, filter_mode="exclude"), facts(held(users=2, sources=[(S1, 1, 0), (S2, 1, 0)])), True, None),
    (INCLUDE, facts(held(users=2, sources=[(S1, 1, 0), (S2, 1, 0)])), True, None),
    ({"interface": "eth0", "group": "FF35::0:1", "sources": ["fd00::1"]},
     facts(held("ff35::1", sources=[("fd00::1", 1, 0)])), True, None),
]
ABSENT = [
    (HOME, facts(*OWN), True, "no member"),
    (HOME, facts(held(interface="eth1"), held("239.0.0.10")), True, "no member"),
    (HOME, facts(*OWN, held()), False, "member"),
]
EXPLAINED = [
    ([], facts(*OWN), True, "nothing"),
    ([HOME], facts(*OWN, held()), True, "nothing"),
    ([HOME], facts(*OWN), True, "nothing"),
    ([], facts(*OWN, held()), False, "239.0.0.100 on eth0"),
    ([HOME], facts(held(), held(interface="eth1")), False, "239.0.0.100 on eth1"),
    ([HOME], facts(held(), held("ff15::1"), held("224.0.0.251")), False, "224.0.0.251 on eth0, ff15::1 on eth0"),
    ([{"interface": "eth0", "group": "FF15::01"}], facts(held("ff15::1")), True, "nothing"),
]
PROGRAMMED = [
    (dict(HOME, mac=MAC), facts(held()), True, MAC),
    (dict(HOME, mac=MAC), facts(held(), macs=[]), False, "no link-layer group"),
    (dict(HOME, mac=MAC), facts(held(), macs=["01:00:5e:00:00:01", "33:33:00:00:00:01"]), False,
     "01:00:5e:00:00:01, 33:33:00:00:00:01"),
    (dict(HOME, mac=MAC, interface="eth9"), facts(held()), False, "no link-layer group"),
]
STREAM = {"stream": "hello", "group": G, "port": 11111, "interface": "eth0", "datagrams": 5}
SENT = {"program": "sender", "group": G, "port": 11111, "interface": "eth0", "datagrams": 5, "error": None}
SENDING = [
    (STREAM, facts(sender_hello=SENT), True, "5 to 239.0.0.100 port 11111 on eth0"),
    (STREAM, facts(), False, "no sender"),
    (STREAM, facts(sender_hello=None), False, "no sender"),
    (STREAM, facts(sender_hello6=SENT, receiver_hello=SENT), False, "no sender"),
    (STREAM, facts(sender_hello=dict(SENT, program="receiver")), False, "no sender"),
    (STREAM, facts(sender_hello=dict(SENT, error="eth0: is down")), False,
     "5 to 239.0.0.100 port 11111 on eth0; eth0: is down"),
    (STREAM, dict(facts(), failures=["sender-hello: 239.0.0.100: cannot be sent to; sender-other: x", "y"]), False,
     "no sender; sender-hello: 239.0.0.100: cannot be sent to"),
    (STREAM, dict(facts(), failures=["sender-other: x; sender-hello: eth0: is down; set it up; then try again"]), False,
     "no sender; sender-hello: eth0: is down; set it up; then try again"),
    (STREAM, facts(sender_hello=dict(SENT, exit={"code": None, "signal": "SIGKILL", "time": 1.0})), False,
     "5 to 239.0.0.100 port 11111 on eth0; killed by SIGKILL"),
    (STREAM, facts(sender_hello=dict(SENT, datagrams=0, exit={"code": 1, "signal": None, "time": 1.0})), False,
     "0 to 239.0.0.100 port 11111 on eth0; ended with exit status 1"),
    (STREAM, facts(sender_hello=dict(SENT, datagrams=3, refused=2, refusals={"ENOBUFS": 2})), False,
     "3 to 239.0.0.100 port 11111 on eth0; 2 refused by this host: 2 ENOBUFS"),
    (STREAM, facts(sender_hello=dict(SENT, datagrams=3, exit={"code": None, "signal": "SIGKILL", "time": 1.0})), False,
     "3 to 239.0.0.100 port 11111 on eth0; killed by SIGKILL"),
    (STREAM, facts(sender_hello=dict(SENT, ended={"time": 1.0, "reason": "count"}, exit={"code": 0, "signal": None})),
     True, "5 to 239.0.0.100 port 11111 on eth0"),
    (STREAM, facts(sender_hello=dict(SENT, datagrams=1, ended={"time": 1.0, "reason": "SIGTERM"})), False,
     "1 to 239.0.0.100 port 11111 on eth0; ended by SIGTERM"),
    (STREAM, facts(sender_hello={"program": "sender"}), False, "None to None port None on None"),
] + [(STREAM, facts(sender_hello=dict(SENT, **{key: value})), False, None) for key, value in (
    ("datagrams", 4), ("datagrams", 6), ("group", "239.0.0.101"), ("port", 11112), ("interface", "eth1"))]


def flow(source=S1, count=5, interface="eth0", address=G, port=11111):
    return {"source": source, "group": address, "port": port, "interface": interface, "datagrams": count}


RUNS_ON = dict(SENT, state="sending", pid=7, ended=None)
GONE = "; its process is gone, and so is its supervisor, which would know how it ended"


def seen(report, *pids):
    """Facts of a stream's program, and of the processes whose UDP sockets there are; None: one that is not seen."""
    name = f"{report['program']}_hello"
    return dict(facts(**{name: report}), sockets=[{"protocol": "udp", "pid": pid} for pid in pids])


# A process that was killed together with its supervisor has left no word.
KILLED = [(name, dict(STREAM, **more), found, passed, text + said) for name, more, report, text in (
    ("delivery.sent", {}, RUNS_ON, "5 to 239.0.0.100 port 11111 on eth0"),
    ("delivery.received", {"sources": [S1]}, {"program": "receiver", "state": "joined", "pid": 7, "error": None,
                                              "flows": [flow()]}, "5 from 10.0.0.1 over eth0"),
) for found, passed, said in (
    (seen(report, 7), True, ""), (seen(report, 8), False, GONE), (seen(report), False, GONE),
    (seen(report, 8, None), True, ""), (seen(dict(report, ended={"time": 1.0, "reason": "count"})), True, ""),
    (seen(dict(report, state="starting")), True, ""))]

# the senders that must be heard, the flows that were, passed, actual
RECEIVING = [
    ([S1], [flow()], True, "5 from 10.0.0.1 over eth0"),
    ([S1], [], False, "0 datagrams"),
    ([S1], [flow(count=4)], False, "4 from 10.0.0.1 over eth0"),
    ([S1], [flow(count=10)], False, "10 from 10.0.0.1 over eth0"),  # each of them twice
    ([S1], [flow(count=2), flow(count=3)], True, "5 from 10.0.0.1 over eth0"),  # from two ports
    ([S1], [flow(S2)], False, "5 from 10.0.0.2 over eth0"),
    ([S1], [flow(), flow(S2)], False, "5 from 10.0.0.1 over eth0; 5 from 10.0.0.2 over eth0"),
    ([S1], [flow(interface="eth1")], False, "5 from 10.0.0.1 over eth1"),
    ([S1], [flow(), flow(interface="eth1")], False, None),
    ([S1], [flow(address="239.0.0.101"), flow(port=1)], False, "0 datagrams"),
    ([S1], [flow(), flow(address="239.0.0.101")], True, None),
    ([S1, S2], [flow(), flow(S2)], True, None),
    ([S1, S2], [flow()], False, None),
    ([None], [flow("10.9.9.9")], True, None),
    ([None], [flow(), flow(S2)], False, None),
    ([None], [], False, None),
    ([None, S1], [flow(), flow(S2)], True, None),
    ([None, S1], [flow(S2), flow("10.9.9.9")], False, None),
    ([None, S1], [flow()], False, None),
    ([], [], True, "0 datagrams"),  # the filter lets nobody through
    ([], [flow()], False, "5 from 10.0.0.1 over eth0"),
]
ROWS = (KILLED + [("interface.settings", dict({"interface": "eth0"}, **row[0])) + row[1:] for row in INTERFACE]
        + [("membership.present",) + row for row in PRESENT]
        + [("membership.absent",) + row for row in ABSENT]
        + [("membership.explained", {"memberships": row[0]}) + row[1:] for row in EXPLAINED]
        + [("mapping.programmed",) + row for row in PROGRAMMED]
        + [("delivery.sent",) + row for row in SENDING]
        + [("delivery.received", dict(STREAM, sources=row[0]), facts(
            receiver_hello={"program": "receiver", "flows": row[1], "error": None})) + row[2:] for row in RECEIVING]
        + [("delivery.received", dict(STREAM, sources=[S1]), facts(), False, "no receiver"),
           ("delivery.received", dict(STREAM, sources=[S1]), facts(
               receiver_hello={"program": "receiver", "flows": [], "error": "no such device"}), False,
            "0 datagrams; no such device"),
           ("delivery.received", dict(STREAM, sources=[S1]), facts(receiver_hello={
               "program": "receiver", "flows": [flow()], "flows_left_out": 7, "error": None}), False,
            "5 from 10.0.0.1 over eth0; 7 further flows are not listed, so whose they are is unknown"),
           ("delivery.received", dict(STREAM, sources=[S1]), facts(receiver_hello={
               "program": "receiver", "flows": [flow(count=2)], "error": None, "exit": {"signal": "SIGSEGV"}}), False,
            "2 from 10.0.0.1 over eth0; killed by SIGSEGV"),
           ("delivery.received", dict(STREAM, sources=[S1]), facts(receiver_hello={
               "program": "receiver", "flows": [flow()], "error": None, "exit": {"signal": "SIGKILL"}}), False,
            "5 from 10.0.0.1 over eth0; killed by SIGKILL"),
           ("delivery.received", dict(STREAM, sources=[S1]), dict(facts(), failures=[
               "receiver-hello: 239.0.0.100: has more sources or memberships than the kernel allows a socket"]), False,
            "no receiver; receiver-hello: 239.0.0.100: has more sources or memberships than the kernel allows a "
            "socket")])


@pytest.mark.parametrize(("name", "params", "found", "passed", "actual"), ROWS)
def test_check(name, params, found, passed, actual):
    check = judge.make(name, params)
    verdict, expected, told, evidence = check.judge(found)
    assert verdict is passed, told
    assert actual in (None, told)
    assert expected and isinstance(evidence, dict) and check.describe()
    assert set(check.NEEDS) <= {"interfaces", "memberships", "traffic", "sockets"}
    assert check.judge(found)[0] is passed  # judging changes nothing


NEIGHBOUR = held("224.128.0.100")  # shares the MAC
DIFFERENCES = [
    ([], OWN, OWN, True, "new: nothing; gone: nothing"),
    ([HOME], OWN, [held()] + OWN, True, "new: eth0 239.0.0.100, eth0 link 01:00:5e:00:00:64; gone: nothing"),
    ([HOME], OWN, OWN, False, "new: nothing; gone: nothing"),
    ([], OWN, [held()] + OWN, False, None),
    ([HOME], OWN, [held(interface="eth1")] + OWN, False, None),
    ([HOME], OWN, [held(), held("239.0.0.101")] + OWN, False, None),
    ([HOME], OWN, [held()] + OWN[1:], False, None),
    ([], OWN, OWN[1:], False, "new: nothing; gone: eth0 224.0.0.1, eth0 link 01:00:5e:00:00:01"),
    ([HOME], [held()], [held()], True, "new: nothing; gone: nothing"),  # there before
    ([HOME], [NEIGHBOUR], [NEIGHBOUR, held()], True, "new: eth0 239.0.0.100; gone: nothing"),
    ([HOME], [NEIGHBOUR], [held()], False, "new: eth0 239.0.0.100; gone: eth0 224.128.0.100"),
]


# What was there before, what is asked for, what is there now of all members; whether that lets in what is asked for.
BEFORE = [
    (held(), INCLUDE, held(users=2), True), (held(interface="eth1"), INCLUDE, held(users=2), False),
    (held("239.0.0.10"), INCLUDE, held(users=2), False), (None, INCLUDE, held(users=2), False),
    (held(), INCLUDE, held(users=2, sources=[(S1, 1, 1), (S2, 1, 0)]), True),
    (held(), INCLUDE, held(sources=[(S1, 0, 1)]), False), (held(), INCLUDE, held(sources=[("10.0.0.3", 0, 1)]), True),
    (held(sources=[("10.0.0.3", 1, 0)]), INCLUDE, held(users=2, sources=[(S1, 1, 0), (S2, 1, 0), ("10.0.0.3", 1, 0)]),
     True),
    (held(sources=[(S1, 1, 0)]), INCLUDE, held(sources=[(S1, 1, 0)]), False),
    (held(), dict(HOME, filter_mode="exclude", sources=[S1]), held(users=2, sources=[(S1, 0, 1)]), True),
    (held(), dict(HOME, filter_mode="exclude", sources=[S1]), held(sources=[(S2, 0, 1)]), False),
    (held(sources=[(S1, 1, 0)]), dict(HOME, filter_mode="exclude"), held(sources=[(S1, 1, 0)]), False),
]


@pytest.mark.parametrize(("before", "params", "now", "passed"), BEFORE)
def test_where_others_were_members_their_filter_counts_too(before, params, now, passed):
    since = facts(*([before] if before else []))
    found, _expected, actual, _evidence = judge.make("membership.present", dict(params), since).judge(facts(now))
    assert found == passed, actual
    assert ("others were members before" in actual) == (before is not None and before["interface"] == "eth0"
                                                        and before["group"] == G)


@pytest.mark.parametrize(("joined", "before", "now", "passed", "actual"), DIFFERENCES)
def test_difference(joined, before, now, passed, actual):
    check = judge.make("membership.difference", {"joined": joined}, since=facts(*before))
    verdict, _expected, told, _evidence = check.judge(facts(*now))
    assert (verdict, actual in (None, told)) == (passed, True), told


def test_a_membership_without_its_mac_is_half_a_difference():
    check = judge.make("membership.difference", {"joined": [HOME]}, since=facts())
    assert check.judge(facts(held()))[0]
    assert not check.judge(facts(held(), macs=[]))[0]
    assert group.mac(G) == MAC


def test_nothing_to_compare_with_is_no_pass():
    assert judge.make("membership.difference", {"joined": []}).judge(facts())[::2] == (
        False, "there is no earlier gathering to compare with")


@pytest.mark.parametrize(("name", "params", "key", "says"), [
    ("interface.settings", {"interface": "eth0", "multicast": "yes"}, "multicast", "expected one of True, False"),
    ("interface.settings", {"interface": "eth0", "state": "UP"}, "state", "expected one of up, down"),
    ("interface.settings", {"interface": "eth0", "mtu": 20}, "mtu", "from 68 to 65535"),
    ("membership.present", {"interface": "eth0", "group": "10.0.0.1"}, "group", "is not a multicast group"),
    ("membership.present", {"interface": "eth0", "group": [G]}, "group", "expected a text"),
    ("membership.present", dict(HOME, filter_mode="any"), "filter_mode", "expected one of include, exclude"),
    ("membership.difference", {"joined": {"interface": "eth0"}}, "joined", "expected a list"),
    ("membership.difference", {"joined": G}, "joined", "expected a list"),
    ("membership.explained", {"memberships": [{"group": G}]}, "memberships.interface", "is missing"),
    ("membership.explained", {"memberships": [{"interface": "eth0", "group": "eth0"}]}, "memberships.group", "is not"),
    ("membership.explained", {"memberships": ["eth0"]}, "memberships", "expected a mapping"),
    ("delivery.sent", dict(STREAM, port=0), "port", "from 1 to 65535"),
    ("delivery.received", dict(STREAM, sources=5), "sources", "expected a text"),
])
def test_wrong_params_name_the_key(name, params, key, says):
    with pytest.raises(McastError) as error:
        judge.make(name, params)
    assert (error.value.thing, says in error.value.reason) == (f"{name}.{key}", True)
