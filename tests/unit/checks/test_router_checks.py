# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of multicast routes, PIM and the kernel, on facts of the form that host_facts gathers."""
from __future__ import annotations

import copy

import pytest
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

FACTS = {
    "mroutes": {"vifs": [
        {"family": "ipv4", "interface": "eth0", "packets_in": 70, "packets_out": 0},
        {"family": "ipv4", "interface": "eth1", "packets_in": 0, "packets_out": 70},
        {"family": "ipv4", "interface": "eth2", "packets_in": 0, "packets_out": 0},
        {"family": "ipv4", "interface": "pimreg", "packets_in": 0, "packets_out": 90}], "routes": [
        {"family": "ipv4", "group": "239.1.1.1", "source": None, "incoming": "eth0", "outgoing": ["pimreg", "eth1"],
         "packets": 1, "bytes": 33, "wrong_interface": 0},
        {"family": "ipv4", "group": "239.1.1.1", "source": "10.1.0.1", "incoming": "eth0", "outgoing": ["eth1"],
         "packets": 70, "bytes": 33, "wrong_interface": 0}]},
    "pim": {
        "neighbors": [{"interface": "eth1", "address": "10.2.0.2", "dr_priority": 1, "holdtime": 3}],
        "interfaces": [{"interface": "eth1", "address": "10.2.0.1", "dr": "10.2.0.2"}],
        "rps": [{"address": "10.2.0.2", "groups": "224.0.0.0/4", "itself": False, "interface": "eth1"},
                {"address": "10.2.0.1", "groups": "239.1.1.1/32", "itself": True, "interface": "eth1"}],
        "rpf": [{"source": "10.1.0.1", "group": "239.1.1.1", "interface": "eth0", "neighbor": None},
                {"source": None, "group": "239.1.1.1", "interface": "eth1", "neighbor": "10.2.0.2"}],
        "groups": []},
    "prerequisites": dict.fromkeys(("IP_MULTICAST", "IP_ADVANCED_ROUTER", "IP_MROUTE", "IP_PIMSM_V1", "IP_PIMSM_V2"),
                                   {"value": "present", "basis": "exact"}),
}
FACTS["prerequisites"].update(IPV6_MROUTE={"value": None, "basis": "unknown"},
                              IPV6_PIMSM_V2={"value": "missing", "basis": "exact"})
G = {"group": "239.1.1.1"}
SG = dict(G, source="10.1.0.1")
# check, params, whether it passes, a part of the actual
ROWS = [
    ("mroute.present", G, True, "(10.1.0.1, 239.1.1.1) in eth0 out eth1, 70 packets"),
    ("mroute.present", dict(SG, incoming="eth0", outgoing=["eth1"], packets=70), True, "70 packets"),
    ("mroute.present", dict(G, packets=1, outgoing=["eth1", "pimreg"]), True, "1 packets"),
    ("mroute.present", dict(SG, packets=71), False, "70 packets"),
    ("mroute.present", dict(SG, outgoing=[]), False, "out eth1"),
    ("mroute.present", dict(SG, outgoing=["eth1", "eth2"]), False, "out eth1"),
    ("mroute.present", dict(SG, incoming="eth1"), False, "in eth0"),
    ("mroute.present", dict(G, source="10.1.0.2"), False, "no route"),
    ("mroute.present", {"group": "239.1.1.2"}, False, "no route"),
    ("mroute.absent", {"group": "239.1.1.2"}, True, "no route"),
    ("mroute.absent", dict(SG, outgoing=["eth2"]), True, "no route"),
    ("mroute.absent", dict(SG, outgoing="eth1"), False, "out eth1"),
    ("mroute.growing", SG, False, "70 before"),
    ("pim.neighbor", {"interface": "eth1", "address": "10.2.0.2"}, True, "10.2.0.2 on eth1"),
    ("pim.neighbor", {"interface": "eth0", "address": "10.2.0.2"}, False, "10.2.0.2 on eth1"),
    ("pim.dr", {"interface": "eth1", "address": "10.2.0.2"}, True, "10.2.0.2"),
    ("pim.dr", {"interface": "eth1", "address": "10.2.0.1"}, False, "10.2.0.2"),
    ("pim.dr", {"interface": "eth0", "address": "10.2.0.1"}, False, "no PIM on eth0"),
    ("pim.rp", dict(G, address="10.2.0.1"), True, "10.2.0.1"),
    ("pim.rp", {"group": "239.1.1.2", "address": "10.2.0.2"}, True, "10.2.0.2"),
    ("pim.rp", {"group": "239.1.1.2", "address": "10.2.0.1"}, False, "10.2.0.2"),
    ("pim.rpf", dict(SG, interface="eth0"), True, "on eth0 from the link"),
    ("pim.rpf", dict(G, interface="eth1", neighbor="10.2.0.2"), True, "on eth1 from 10.2.0.2"),
    ("pim.rpf", dict(G, interface="eth1", neighbor="10.2.0.3"), False, "on eth1 from 10.2.0.2"),
    ("pim.rpf", dict(G, source="10.9.0.1", interface="eth0"), False, "no state for the group"),
    ("kernel.prerequisites", {}, True, "all present"),
    ("kernel.prerequisites", {"options": ["IP_MROUTE", "IPV6_MROUTE", "IPV6_PIMSM_V2"]}, False,
     "IPV6_MROUTE unknown, IPV6_PIMSM_V2 missing"),
]


@pytest.mark.parametrize(("name", "params", "passes", "actual"), ROWS)
def test_checks(name, params, passes, actual):
    check = judge.make(name, dict(params))
    passed, _expected, found, _evidence = check.judge(FACTS)
    assert (passed, actual in found) == (passes, True), found
    assert check.describe()


def test_a_count_grows_between_two_looks():
    check, later = judge.make("mroute.growing", dict(SG)), copy.deepcopy(FACTS)
    assert not check.judge(FACTS)[0] and not check.judge(FACTS)[0]
    later["mroutes"]["routes"][1]["packets"] = 71
    assert not check.judge(later)[0]  # nothing left by eth1
    later["mroutes"]["vifs"][1]["packets_out"] = 72
    assert check.judge(later)[0]
    assert not judge.make("mroute.growing", {"group": "239.1.1.2"}).judge(later)[0]


# What the second look sees of the route: packets, of them on a wrong interface, outgoing ones; what eth1 sent; verdict.
# eth2 sends nothing, pimreg all.
GROWTH = [
    (80, 0, ["eth1", "eth2"], 80, True), (80, 0, ["pimreg"], 80, False), (80, 0, ["eth2"], 80, False),
    (80, 0, ["eth1"], 80, True), (80, 9, ["eth1"], 80, True), (80, 10, ["eth1"], 80, False),
    (80, 0, ["eth1"], 70, False), (80, 0, [], 80, False), (1000, 930, ["eth1"], 80, False),
]


@pytest.mark.parametrize(("packets", "wrong", "outgoing", "sent", "passes"), GROWTH)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_only_what_is_forwarded_counts(family, packets, wrong, outgoing, sent, passes):
    facts = copy.deepcopy(FACTS)
    route, vif = facts["mroutes"]["routes"][1], facts["mroutes"]["vifs"][1]
    route["family"] = vif["family"] = family
    check = judge.make("mroute.growing", dict(SG))
    assert not check.judge(facts)[0]
    facts = copy.deepcopy(facts)
    facts["mroutes"]["routes"][1].update(packets=packets, wrong_interface=wrong, outgoing=outgoing)
    facts["mroutes"]["vifs"][1]["packets_out"] = sent
    assert check.judge(facts)[0] == passes
    carried = judge.make("mroute.present", dict(SG, packets=71)).judge(facts)[0]
    assert carried == (packets - wrong > 70 and "eth1" in outgoing and sent > 70)


def test_each_outgoing_interface_that_is_asked_for_must_send_more():
    facts = copy.deepcopy(FACTS)
    facts["mroutes"]["routes"][1]["outgoing"] = ["eth1", "eth2"]
    check = judge.make("mroute.growing", dict(SG, outgoing=["eth2", "eth1"]))
    assert not check.judge(facts)[0]
    facts["mroutes"]["routes"][1]["packets"] += 1
    for number, passes in ((1, False), (2, True)):
        facts["mroutes"]["vifs"][number]["packets_out"] += 1
        passed, _expected, actual, _evidence = check.judge(facts)
        assert passed == passes and actual.endswith(f"70 before, eth1 has sent 1 more, eth2 has sent {number - 1} more")


@pytest.mark.parametrize("check", ["pim.neighbor", "pim.dr"])
def test_without_frr_nothing_passes(check):
    note = "vtysh did not answer within 3 s"
    nothing = {"pim": dict.fromkeys(FACTS["pim"]), "sources": {"pim": {"note": note}}}
    passed, actual = judge.make(check, {"interface": "eth1", "address": "10.2.0.2"}).judge(nothing)[::2]
    assert (passed, actual) == (False, note)
