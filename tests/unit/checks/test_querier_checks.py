# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is the querier, by what a capture, a querier of ours, a bridge or FRR tells."""
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

START = 1700000000
NO_FRR = {"pim": {"interfaces": None}, "sources": {"pim": {"note": "no FRR answers"}}}
# A router between two others, as FRR 8.4 really answered: on eth0 another one queries, on eth1 itself.
ROUTER = facts(sources.split((Path(__file__).parents[2] / "fixtures" / "kernel" / "router.txt").read_text()))


def query(at, source="10.0.0.1", version=3, interval=2, family="igmp", kind="general", max_response=1.0, robustness=2):
    newest = (family, version) in (("igmp", 3), ("mld", 2))
    return {"time": round((START + at) * 1e9), "source": source, "version": version,
            "kind": f"{family}v{version}_query", "query": kind,
            "max_response": None if (family, version) == ("igmp", 1) else max_response,
            "interval": interval if newest else None, "robustness": robustness if newest else None}


def capture(*messages, length=10.0, interface="eth0", reason="SIGTERM", left_out=0, **report):
    ended = {"time": START + length, "reason": reason}
    wire = {"report": dict(report, interface=interface, started=START, ended=ended), "wire": {
        "messages": list(messages), "left_out": {"messages": left_out}}}
    return {"captures": {"wire": wire}, "traffic": {}, "bridges": {}, **NO_FRR}


def ours(role="querier", interface="eth0", ended=None, **other):
    own = {"address": "10.0.0.5", "role": role, "version": 3, "other": other or None,
           "settings": {"query_interval": 2.0}}
    lan = {"program": "querier", "interface": interface, "ended": ended, "ipv4": own, "ipv6": None}
    return {"traffic": {"lan": lan, "hello": {"program": "sender"}, "broken": None}, "bridges": {}, **NO_FRR}


def bridge(found, **more):
    lan = {"ports": {"p1": {}}, "queriers": {"ipv4": found, "ipv6": None}, "igmp_version": 3, "mld_version": 2,
           "query_interval": 1.0}
    return {"traffic": {}, "bridges": {"lan": dict(lan, **more)}, **NO_FRR}


def frr(**traffic):
    return {"traffic": traffic, "bridges": {}, "pim": ROUTER["pim"]}


SELF = {"address": "0.0.0.0", "self": True, "port": None, "timer": None}
FOREIGN = {"address": "10.0.0.9", "self": False, "port": "p1", "timer": 2.0}
LOW = {"address": "10.0.0.1", "version": 3, "interval": 2}
V2 = [query(at, version=2) for at in (1, 1.5, 3.5, 5.5, 7.45, 9.5)]

# options beside interface and family, facts, whether it passes, a part of what was found
ROWS = [
    ({"capture": "wire"}, capture(query(9)), True, "IGMPv3 querier 10.0.0.1 every 2 s (capture wire)"),
    (dict(LOW, capture="wire"), capture(query(9)), True, ""),
    ({"address": "10.0.0.2", "capture": "wire"}, capture(query(9)), False, "; address not 10.0.0.2"),
    ({"version": 2, "capture": "wire"}, capture(query(9)), False, "version not 2"),
    ({"interval": 1.5, "capture": "wire"}, capture(query(9)), True, ""),
    ({"interval": 3, "capture": "wire"}, capture(query(9)), False, "interval not 3"),
    ({"address": "10.0.0.1", "capture": "wire"}, capture(query(8), query(9, "10.0.0.9"), query(9, "0.0.0.0")), True,
     ""),
    ({"address": "10.0.0.9", "capture": "wire"}, capture(query(8, "10.0.0.10"), query(9, "10.0.0.9")), True, ""),
    ({"address": "0.0.0.0", "capture": "wire"}, capture(query(9, "0.0.0.0")), True, ""),
    # It has been silent for longer than 2 × 2 s + 0.5 s, and the other has taken over.
    ({"address": "10.0.0.9", "capture": "wire"}, capture(query(5), query(9, "10.0.0.9")), True, ""),
    ({"address": "10.0.0.9", "capture": "wire"}, capture(query(6), query(9, "10.0.0.9")), False, "10.0.0.1 every"),
    ({"capture": "wire"}, capture(query(5)), False, "no querier (capture wire: no general query for 5.0 s)"),
    ({"capture": "wire"}, capture(query(9, kind="group")), False,
     "unknown: no general query in the 10.0 s of capture wire"),
    ({"capture": "wire"}, capture(), False, "a query interval is 125 s by default"),
    ({"capture": "wire"}, capture(length=300), False, "no querier (capture wire: no general query for 300.0 s)"),
    ({"capture": "wire"}, capture(query(9, family="mld", source="fe80::1", version=2)), False, "unknown"),
    ({"capture": "wire"}, capture(query(9), interface="eth1"), False, "capture wire is of eth1"),
    ({"capture": "other"}, capture(query(9)), False, "no capture other"),
    # Nobody takes a query with a wrong checksum.
    ({"capture": "wire"}, capture(dict(query(9), checksum="bad")), False, "unknown: no general query"),
    # What lacks may be the query of another one, or a later one.
    ({"capture": "wire"}, capture(query(9), dropped=1), True, "10.0.0.1 every 2 s (capture wire)"),
    ({"capture": "wire"}, capture(query(9), left_out=1), True, "10.0.0.1 every 2 s (capture wire)"),
    (dict(LOW, capture="wire"), capture(query(9), dropped=1), False, "unknown: capture wire: 1 packets were dropped"),
    ({"version": 3, "capture": "wire"}, capture(query(9), left_out=1), False, "1 further messages are not listed"),
    ({"capture": "wire"}, capture(query(9), reason="size"), False, "wire: the capture has ended: size"),
    ({"capture": "wire"}, capture(query(5), dropped=1), False, "unknown: capture wire: 1 packets were dropped"),
    ({"version": 2, "interval": 2, "capture": "wire"}, capture(*V2), True, "IGMPv2 querier 10.0.0.1 every 2.05 s"),
    ({"interval": 5, "capture": "wire"}, capture(*V2), False, "interval not 5"),
    ({"interval": 2, "capture": "wire"}, capture(V2[0], V2[1], length=2), False, "unknown interval"),
    ({"capture": "wire"}, capture(*V2, length=20), False, "no querier"),
    ({"version": 1, "capture": "wire"}, capture(query(1, version=1)), True, "IGMPv1 querier"),
    ({}, ours(), True, "IGMPv3 querier 10.0.0.5 every 2 s (as the querier of ours here says)"),
    ({"address": "10.0.0.5", "version": 3, "interval": 2}, ours(), True, ""),
    (LOW, ours("non_querier", **LOW), True, ""),
    ({"interval": 2}, ours("non_querier", address="10.0.0.1", version=2, interval=None), False, "unknown interval"),
    ({}, ours(interface="eth1"), False, "unknown: no capture was named, no querier of ours runs here, no bridge here"),
    ({}, ours(ended={"time": 1.0, "reason": "SIGTERM"}), False, "unknown"),
    ({"capture": "wire"}, dict(ours(), captures={}), True, "as the querier of ours"),
    ({}, bridge(None), False, "unknown: no capture was named, no querier of ours runs here, no bridge here"),
]
ON_BRIDGE = [
    ("lan", {"version": 3, "interval": 1}, bridge(SELF), True,
     "IGMPv3 querier 0.0.0.0 every 1 s (as bridge lan knows)"),
    ("p1", {"address": "10.0.0.9"}, bridge(FOREIGN), True, "IGMP querier 10.0.0.9 (as"),
    ("lan", {"version": 3}, bridge(FOREIGN), False, "unknown version"),
    # A bridge remembers one for long after it has ended.
    ("lan", {}, bridge(FOREIGN, querier_interval=3.1), True, "IGMP querier 10.0.0.9"),
    ("lan", {}, bridge(FOREIGN, querier_interval=60), False, "10.0.0.9 has been silent for 58.0 s"),
    ("lan", {}, bridge(SELF, up=False, querier_interval=60), False, "no querier (as bridge lan knows: it is down"),
    ("lan", {}, bridge(None), False, "no querier (as bridge lan knows)"),
    ("lan", {}, bridge(None, queriers=None), False,
     "unknown: no capture was named, no querier of ours runs here, bridge"),
    ("lan", {}, bridge(SELF, ports=None), True, ""),
]
IN_FRR = [
    ("eth1", {"address": "10.3.0.1", "version": 3}, frr(), True, "IGMPv3 querier 10.3.0.1 (as FRR knows)"),
    ("eth0", {"address": "10.2.0.1"}, frr(), True, "IGMP querier 10.2.0.1 (as FRR knows)"),
    ("eth0", {"address": "10.2.0.2"}, frr(), False, "address not 10.2.0.2"),
    ("eth0", {"version": 3}, frr(), False, "unknown version"),
    ("eth1", {"interval": 2}, frr(), False, "unknown interval"),
    ("eth2", {}, frr(), False, "no bridge here, FRR knows none on eth2"),
    ("eth0", {}, frr(**ours()["traffic"]), True, "10.0.0.5 every 2 s (as the querier of ours"),
    ("eth0", {}, bridge(None), False, "no bridge here, no FRR answers"),
]


@pytest.mark.parametrize(("interface", "options", "facts", "passed", "found"),
                         [("eth0",) + row for row in ROWS] + ON_BRIDGE + IN_FRR)
def test_who_is_the_querier(interface, options, facts, passed, found):
    check = judge.make("querier.present", dict(options, interface=interface, family="ipv4"))
    assert ("captures" in check.NEEDS) == ("capture" in options)
    result, expected, actual, unused = check.judge(facts)
    assert (result, found in actual) == (passed, True), actual
    assert interface in expected


def test_frr_tells_nothing_of_mld():
    check = judge.make("querier.present", {"interface": "eth1", "family": "ipv6"})
    assert check.judge(frr())[::2] == (
        False, "unknown: no capture was named, no querier of ours runs here, no bridge here, FRR has no MLD")


def test_of_mld_too():
    facts = capture(query(9, "fe80::2", 2, 2, "mld"), query(9, "fe80::1", 2, 2, "mld"))
    check = judge.make("querier.present", {"interface": "eth0", "family": "ipv6", "capture": "wire", "version": 2,
                                           "address": "FE80:0::1"})
    assert check.judge(facts)[::2] == (True, "MLDv2 querier fe80::1 every 2 s (capture wire)")


@pytest.mark.parametrize(("options", "says"), [
    ({"interface": "eth0"}, "querier.present.family: is missing"),
    ({"interface": "eth0", "family": "ipv5"}, "expected one of ipv4, ipv6"),
    ({"interface": "eth0", "family": "ipv4", "version": 4}, "expected a whole number from 1 to 3"),
    ({"interface": "eth0", "family": "ipv4", "address": "router"}, "expected an address"),
    ({"interface": "eth0", "family": "ipv4", "interval": 0}, "expected a number from 0.1"),
])
def test_wrong_options_are_named(options, says):
    with pytest.raises(McastError) as caught:
        judge.make("querier.present", options)
    assert says in str(caught.value)
