# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rulesets as nft prints them; tests/lab/test_firewall.py holds what is said of them against real datagrams."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.firewall import evaluation, opening
from ansible_collections.mcast.lab.plugins.module_utils.kernel import firewall
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts

TEXT = (Path(__file__).parents[1] / "fixtures" / "kernel" / "nft.json").read_text()
HELLO = {"protocol": "udp", "port": "11111", "group": "239.0.0.100", "source": None}


def model(text=TEXT):
    return firewall.model(firewall.parse(text))


def test_what_ours_opens():
    assert model()["accepts"] == [
        dict(HELLO, asked=True, needs=["igmp"]),
        {"protocol": "udp", "port": "5000-5010", "group": None, "source": "fd00::/64", "asked": True, "needs": ["mld"]},
        {"protocol": "igmp", "port": None, "group": None, "source": None, "asked": False, "needs": []},
        {"protocol": "mld", "port": None, "group": None, "source": None, "asked": False, "needs": []},
        {"protocol": "pim", "port": None, "group": None, "source": None, "asked": True, "needs": []},
    ]


def test_chains_and_sets():
    found = model()
    assert [tuple(chain[key] for key in ("table", "name", "hook", "policy")) for chain in found["chains"]] == [
        ("filter", "input", "input", "drop"), ("mcast_lab", "input", "input", "accept"),
        ("filter", "extra", None, None)]
    assert found["sets"] == {"inet filter ports": [80, {"range": [90, 99]}], "inet filter empty": [],
                             "inet filter vm": [["1.2.3.4", {"drop": None}]]}
    assert (found["backend"], found["manager"], found["untracked"]) == ("nftables", None, False)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"nftables": 1}', '{"nftables": [{}]}', '{"nftables": [[1]]}',
                                  '{"nftables": [{"table": 1}]}', TEXT[:-9]])
def test_other_forms_are_refused(text):
    with pytest.raises(McastError, match="nft -j -n list ruleset: printed something of an unknown form"):
        firewall.parse(text)


@pytest.mark.parametrize("kind, body", [
    ("rule", {"family": "inet", "table": "t", "chain": "none", "handle": 1}),
    ("chain", {"family": "inet", "table": "t"}),
    ("rule", {"family": "inet", "table": "filter", "chain": "input", "handle": 1, "expr": 5}),
])
def test_other_objects_are_refused(kind, body):
    with pytest.raises(McastError, match="printed objects of an unknown form"):
        firewall.model(firewall.parse(TEXT) + [(kind, body)])


def test_facts_without_a_ruleset():
    for text, says in ((None, "there is no nft, or it needs root"), ("{", "unknown form")):
        found = facts({"release": "6", "hostname": "h", "nft": text})
        assert found["firewall"]["backend"] is None and found["firewall"]["accepts"] is None
        assert says in found["sources"]["firewall"]["note"]


def ruleset(*rules, policy="accept"):
    """The model of one chain at the hook input, each rule an expression."""
    where = {"family": "inet", "table": "t"}
    objects = [("chain", dict(where, name="input", type="filter", hook="input", prio=0, policy=policy))]
    objects += [("rule", dict(where, chain="input", handle=number, expr=expr)) for number, expr in enumerate(rules, 1)]
    return firewall.model(objects)


def match(protocol, field, right, op="=="):
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}


DROP, ACCEPT = {"drop": None}, {"accept": None}
RANGE = dict(HELLO, port="5000-5010")


@pytest.mark.parametrize("wanted, expr, value", [
    (RANGE, [match("udp", "dport", {"range": [5000, 5010]}), DROP], False),
    (RANGE, [match("udp", "dport", {"range": [4000, 6000]}), DROP], False),
    (RANGE, [match("udp", "dport", {"range": [5010, 6000]}), DROP], None),
    (RANGE, [match("udp", "dport", {"range": [5011, 6000]}), DROP], True),
    (RANGE, [match("udp", "dport", 5005), DROP], None),
    (RANGE, [match("udp", "dport", 5005, "!="), DROP], None),
    (RANGE, [match("udp", "dport", 5011, "!="), DROP], False),
    (RANGE, [match("udp", "dport", 5000, ">="), DROP], False),
    (RANGE, [match("udp", "dport", 5000, ">"), DROP], None),
    (RANGE, [match("udp", "dport", 5010, ">"), DROP], True),
    (RANGE, [match("udp", "dport", 5010, "<="), DROP], False),
    (RANGE, [match("udp", "dport", 5010, "<"), DROP], None),
    (RANGE, [match("udp", "dport", 5000, "<"), DROP], True),
    (HELLO, [match("ip", "daddr", {"prefix": {"addr": "239.0.0.0", "len": 8}}), DROP], False),
    (HELLO, [match("ip", "daddr", {"set": ["239.0.0.1", {"range": ["239.0.0.99", "239.0.0.101"]}]}), DROP], False),
    (HELLO, [match("ip6", "daddr", "ff15::100"), DROP], True),
    (HELLO, [match("ip", "saddr", "10.0.0.1"), DROP], None),
    (dict(HELLO, source="10.0.0.1"), [match("ip", "saddr", "10.0.0.1"), DROP], False),
    (dict(HELLO, source="10.0.0.0/8"), [match("ip", "saddr", "10.0.0.1"), DROP], None),
    (dict(HELLO, source="10.0.0.2"), [match("ip", "saddr", {"elem": {"val": "10.0.0.1"}}), DROP], True),
    (HELLO, [match("udp", "dport", "some-name"), DROP], None),
    (HELLO, [match("tcp", "dport", 11111, "!="), DROP], True),
    (HELLO, [match("th", "dport", 11111), DROP], False),
    (HELLO, [match("igmp", "type", 17), DROP], True),
    (HELLO, [match("ip", "ttl", 2, "<"), DROP], None),
    (HELLO, [{"xt": {"type": "target", "name": "REJECT"}}], None),
    (HELLO, [{"xt": None}], None),
    (HELLO, [{"xt": {"type": "match", "name": "udp"}}, DROP], None),
    (HELLO, [{"queue": {"num": 1}}], None),
    (HELLO, [{"something new": {}}, DROP], None),
    (HELLO, [{"counter": {}}, {"log": None}, DROP], False),
    (HELLO, ["something", DROP], None), (HELLO, [{}, DROP], None),
    (HELLO, [{"match": {"op": "==", "left": "something", "right": 1}}, DROP], None),
    (HELLO, [{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": "@gone"}}], None),
    (HELLO, [{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {
        "set": [[11111, {"queue": None}]]}}}], None),
    (HELLO, [{"jump": {"target": "gone"}}, DROP], None),
    ({"protocol": "igmp"}, [match("ip", "protocol", 2), DROP], False),
    ({"protocol": "igmp"}, [match("igmp", "type", 17), DROP], False),
    ({"protocol": "igmp"}, [match("udp", "dport", 1), DROP], True),
    ({"protocol": "mld"}, [match("icmpv6", "type", {"set": [130, 131]}), DROP], False),
    ({"protocol": "mld"}, [match("ip6", "nexthdr", 58), DROP], True),
    ({"protocol": "mld"}, [match("ip6", "saddr", {"prefix": {"addr": "fe80::", "len": 10}}, "!="), DROP], True),
    ({"protocol": "pim"}, [match("ip", "daddr", {"prefix": {"addr": "224.0.0.0", "len": 4}}), DROP], False),
    ({"protocol": "tcp", "port": "22"}, [match("ip", "daddr", "224.0.0.1"), DROP], None),
])
def test_one_rule(wanted, expr, value):
    found = evaluation.verdict(ruleset(expr), dict({"port": None, "group": None, "source": None}, **wanted))
    assert found["open"] == {"value": value, "basis": "unknown" if value is None else "exact"}
    assert bool(found["overridden_by"]) == (value is not True)


@pytest.mark.parametrize("rules, policy, value", [
    ([], "accept", True), ([], "drop", False), ([[ACCEPT]], "drop", True), ([[ACCEPT], [DROP]], "accept", True),
    ([[match("ip", "saddr", "10.0.0.1"), ACCEPT]], "drop", None),
    ([[match("ip", "saddr", "10.0.0.1"), ACCEPT], [DROP]], "accept", None),
    ([[match("ip", "saddr", "10.0.0.1"), {"return": None}], [ACCEPT]], "drop", None),
    ([[match("ip", "saddr", "10.0.0.1"), {"return": None}], [DROP]], "drop", False),  # this way or that
    ([[{"return": None}], [DROP]], "accept", True), ([[{"return": None}], [ACCEPT]], "drop", False),
    ([[{"jump": {"target": "input"}}]], "drop", None),  # the kernel allows no loop
])
def test_several_rules(rules, policy, value):
    assert evaluation.verdict(ruleset(*rules, policy=policy), HELLO)["open"]["value"] is value


def asked(*ports, protocols=(), membership=True):
    return opening.read({"ports": list(ports), "protocols": list(protocols), "membership_protocols": membership})


@pytest.mark.parametrize("port, needs", [
    ({"port": 1, "group": "239.0.0.1"}, ["igmp"]), ({"port": 1, "group": "FF15::1"}, ["mld"]),
    ({"port": 1}, ["igmp", "mld"]), ({"port": 1, "source": "10.0.0.1"}, ["igmp"]),
    ({"port": 1, "source": "fd00::/8"}, ["mld"]),
    ({"port": 1, "protocol": "tcp"}, []),
])
def test_what_a_port_needs(port, needs):
    assert asked(port)[0]["needs"] == needs
    assert asked(port, membership=False)[0]["needs"] == []


def test_settle():
    one, two = asked({"port": "5000-5000", "group": "239.0.0.1"}), asked({"port": 6000, "group": "239.0.0.2"})
    shown = [opening.shown(each) for each in opening.settle(one, two, "present")]
    assert shown == ["5000/udp to 239.0.0.1", "6000/udp to 239.0.0.2", "igmp (needed by ports)"]
    assert opening.settle(one + two, two, "absent") == opening.settle([], one, "present")
    assert opening.settle(one + two, [], "absent") == []
    alone = asked({"port": 5000, "group": "239.0.0.1"}, membership=False)
    assert opening.settle(one, alone, "present") == alone
    both = opening.settle(one, asked(protocols=["igmp"]), "present")
    assert [each["asked"] for each in both if each["protocol"] == "igmp"] == [True, False]
