# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multicast routes, what the kernel was built with, and FRR, as a router between two others really printed them."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import frr, mroutes, sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts

TEXT = (Path(__file__).parents[2] / "fixtures" / "kernel" / "router.txt").read_text()


def router(**replaced):
    return facts(dict(sources.split(TEXT), **replaced))


def test_routes_and_vifs():
    found = router()["mroutes"]
    shared = {"family": "ipv4", "group": "239.1.1.1", "incoming": "eth0", "wrong_interface": 1}
    assert found["routes"] == [
        dict(shared, source=None, outgoing=["pimreg", "eth0", "eth1"], packets=1, bytes=33),
        dict(shared, source="10.1.0.1", outgoing=["eth1"], packets=2335, bytes=77055)]
    assert [(vif["interface"], vif["packets_in"], vif["bytes_out"]) for vif in found["vifs"]] == [
        ("pimreg", 0, 0), ("eth0", 2334, 0), ("eth1", 0, 77022)]
    assert json.loads(json.dumps(router())) == router()


# The last row is one that the kernel has asked its daemon for (net/ipv6/ip6mr.c ip6mr_mfc_seq_show).
IPV6 = {
    "ip6_mr_vif": """\
Interface      BytesIn  PktsIn  BytesOut PktsOut Flags
 0 eth0           1749      33         0       0 00000
 1 eth1              0       0      1590      30 00000
""",
    "ip6_mr_cache": """\
Group                            Origin                           Iif      Pkts  Bytes     Wrong  Oifs
ff15:0000:0000:0000:0000:0000:0000:0001 fd00:000b:0001:0000:0000:0000:0000:0001 0         30     1590        0  1:1
ff15:0000:0000:0000:0000:0000:0000:0002 fd00:000b:0001:0000:0000:0000:0000:0001 0          3      159        0
ff15:0000:0000:0000:0000:0000:0000:0003 fd00:000b:0001:0000:0000:0000:0000:0001 -1         0        0        0
"""}


def test_ipv6_and_a_route_that_waits():
    found = router(**IPV6)["mroutes"]
    shared = {"family": "ipv6", "source": "fd00:b:1::1", "wrong_interface": 0}
    assert [route for route in found["routes"] if route["family"] == "ipv6"] == [
        dict(shared, group="ff15::1", incoming="eth0", outgoing=["eth1"], packets=30, bytes=1590),
        dict(shared, group="ff15::2", incoming="eth0", outgoing=[], packets=3, bytes=159),
        dict(shared, group="ff15::3", incoming=None, outgoing=[], packets=0, bytes=0)]


def test_a_host_that_is_no_router_has_none():
    nothing = dict.fromkeys(("ip_mr_vif", "ip_mr_cache", "ip6_mr_vif", "ip6_mr_cache", "vtysh"))
    found = router(**nothing)
    assert found["mroutes"] == {"vifs": [], "routes": []}
    assert found["pim"] == dict.fromkeys(frr.PARTS)
    assert "no FRR" in found["sources"]["pim"]["note"]


PRESENT, MISSING = {"value": "present", "basis": "exact"}, {"value": "missing", "basis": "exact"}
UNKNOWN = {"value": None, "basis": "unknown"}
BUILT = [
    ("CONFIG_IP_MULTICAST=y\nCONFIG_IP_MROUTE=m\n# CONFIG_IP_PIMSM_V1 is not set\n", [], {
        "IP_MULTICAST": PRESENT, "IP_MROUTE": PRESENT, "IP_PIMSM_V1": MISSING, "IP_PIMSM_V2": MISSING}),
    (None, ["igmp", "ip_mr_vif"], {"IP_MULTICAST": PRESENT, "IP_MROUTE": PRESENT, "IPV6_MROUTE": MISSING,
                                   "IP_PIMSM_V2": UNKNOWN, "IP_ADVANCED_ROUTER": UNKNOWN}),
    (None, [], {"IP_MULTICAST": MISSING, "IP_MROUTE": MISSING}),
    ("", ["igmp"], {"IP_MULTICAST": MISSING}),
]


@pytest.mark.parametrize(("config", "there", "wanted"), BUILT)
def test_prerequisites(config, there, wanted):
    found = mroutes.prerequisites(config, there)
    assert {name: found[name] for name in wanted} == wanted
    assert set(found) == set(mroutes.OPTIONS)


def test_pim():
    found = router()["pim"]
    assert found["neighbors"] == [{"interface": "eth0", "address": "10.2.0.1", "dr_priority": 1, "holdtime": 3}]
    keys = ("interface", "dr", "dr_itself", "querier")
    assert [tuple(entry[key] for key in keys) for entry in found["interfaces"]] == [
        ("eth0", "10.2.0.2", True, "10.2.0.1"), ("eth1", "10.3.0.1", True, "10.3.0.1")]
    assert found["rps"] == [{"address": "10.2.0.2", "groups": "224.0.0.0/4", "itself": True, "interface": "eth0"}]
    assert found["rpf"] == [
        {"source": None, "group": "239.1.1.1", "interface": "eth0", "neighbor": None},
        {"source": "10.1.0.1", "group": "239.1.1.1", "interface": "eth0", "neighbor": "10.2.0.1"}]
    assert found["groups"] == [{"interface": "eth1", "group": "239.1.1.1", "version": 3, "filter_mode": "exclude"}]


@pytest.mark.parametrize("placeholder", ["Unknown", "<ifname?>", "", None])
def test_what_frr_does_not_know_is_null(placeholder):
    rps = {"1": [{"rpAddress": "10.9.9.9", "iAmRP": False, "outboundInterface": placeholder}]}
    rpf = {"239.0.0.1": {"*": {"source": "*", "group": "239.0.0.1", "rpfInterface": placeholder,
                               "rpfAddress": "0.0.0.0"}}}
    found = frr.pim("{}{}" + json.dumps(rps) + json.dumps(rpf) + "{}{}")
    assert found["rps"] == [{"address": "10.9.9.9", "groups": None, "itself": False, "interface": None}]
    assert found["rpf"] == [{"source": None, "group": "239.0.0.1", "interface": None, "neighbor": None}]


@pytest.mark.parametrize("text", ["", "{}", "% Unknown command", "{}{}{}{}{}", "[][][][][][]", "{" * 5000,
                                  '{"eth0":{"a":1}}{}{}{}{}{}'])
def test_what_is_no_answer_of_frr_is_unknown(text):
    found = router(vtysh=text)
    assert found["pim"] == dict.fromkeys(frr.PARTS)
    assert found["sources"]["pim"]["note"].startswith("vtysh: has answered what is not expected of FRR")


@pytest.mark.parametrize(("name", "line"), [
    ("ip_mr_vif", " 0 eth0 x"), ("ip_mr_cache", "010101EF 0100010A"), ("ip_mr_cache", "010101EF 0100010A 1 1 1 1 a:b"),
    ("config", "CONFIG")])
def test_lines_of_an_unknown_form_are_refused(name, line):
    with pytest.raises(McastError, match="unknown form"):
        router(**{name: f"{line}\n"})
