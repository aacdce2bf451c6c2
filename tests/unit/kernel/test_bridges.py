# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges from what iproute2 and the kernel really print: a switch between an IGMPv3 and MLDv2 member and a querier."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import bridges, sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts

TEXT = (Path(__file__).parents[2] / "fixtures" / "kernel" / "bridges.txt").read_text()
SECTIONS = ("bridge_links", "bridge_ports", "bridge_database", "bridge_queriers")


def br0(**replaced):
    texts = dict(sources.split(TEXT), **replaced)
    return facts(texts)["bridges"]["br0"]


def test_settings_are_told_in_seconds():
    found = br0()
    assert {key: value for key, value in found.items() if not isinstance(value, (list, dict))} == {
        "index": 2, "up": True, "vlan_filtering": False, "snooping": True,
        "querier": False, "use_ifaddr": False, "router": "learn",
        "igmp_version": 3, "mld_version": 2, "startup_query_count": 2, "last_member_count": 2, "max_groups": 4096,
        "query_interval": 1.0, "startup_query_interval": 1.0, "query_response_interval": 0.5,
        "membership_interval": 2.5, "last_member_interval": 0.1, "querier_interval": 2.5}
    assert json.loads(json.dumps(found)) == found


def test_ports():
    plain = {"state": "forwarding", "router": "learn", "fast_leave": False, "flood": True, "to_unicast": False}
    assert br0()["ports"] == {"p1": dict(plain, index=3), "p2": dict(plain, index=4),
                              "p3": dict(plain, index=6, router="always", fast_leave=True, flood=False,
                                         state=br0()["ports"]["p3"]["state"])}


EXCLUDE = {"filter_mode": "exclude", "source": None, "sources": [], "permanent": False, "protocol": "kernel",
           "flags": [], "vlan": None, "family": "ipv4", "port": "p1"}
INCLUDE = dict(EXCLUDE, filter_mode="include")


@pytest.mark.parametrize("group, source, wanted, has_timer, sources_with_timer", [
    ("239.1.1.1", None, EXCLUDE, True, []),
    ("239.1.1.2", None, INCLUDE, False, ["10.0.0.1", "10.0.0.2"]),
    ("239.1.1.2", "10.0.0.1", INCLUDE, False, []),
    ("239.1.1.2", "10.0.0.2", INCLUDE, False, []),
    ("239.1.1.3", None, dict(EXCLUDE, sources=[{"source": "10.0.0.3", "timer": 0.0}]), True, None),
    ("239.1.1.3", "10.0.0.3", dict(INCLUDE, flags=["blocked"]), False, []),
    ("ff15::1", None, dict(INCLUDE, family="ipv6"), False, ["fd00::5"]),
    ("ff15::2", None, dict(EXCLUDE, family="ipv6"), True, []),
    ("239.9.1.1", None, dict(EXCLUDE, port="p2", permanent=True, protocol="static"), False, []),
    ("232.9.1.1", "10.0.0.7", dict(INCLUDE, port="p2", permanent=True, protocol="static"), False, []),
])
def test_entries(group, source, wanted, has_timer, sources_with_timer):
    found, = (entry for entry in br0()["entries"] if (entry["group"], entry["source"]) == (group, source))
    assert 0 < found["timer"] <= 2.5 if has_timer else found["timer"] is None
    if sources_with_timer is not None:
        assert sorted(one["source"] for one in found["sources"]) == sources_with_timer
        assert all(0 < one["timer"] <= 2.5 for one in found["sources"])
        wanted = dict(wanted, sources=found["sources"])
    assert found == dict(wanted, group=group, source=source, timer=found["timer"])


def test_router_ports_and_queriers():
    found = br0()
    ports = {row["port"]: row for row in found["router_ports"]}
    assert ports["p3"] == {"port": "p3", "type": "always", "timer": None}
    assert ports["p2"]["type"] == "temporary" and 0 < ports["p2"]["timer"] <= 2.5
    ipv4, ipv6 = found["queriers"]["ipv4"], found["queriers"]["ipv6"]
    assert (ipv4["address"], ipv4["self"], ipv4["port"]) == ("10.3.0.9", False, "p2") and 0 < ipv4["timer"] <= 2.5
    assert (ipv6["address"][:6], ipv6["self"], ipv6["port"]) == ("fe80::", False, "p2") and 0 < ipv6["timer"] <= 2.5


@pytest.mark.parametrize("told, ipv4, ipv6", [
    ({}, None, None),
    ({1: b"\0\0\0\0", 5: b"\0" * 16}, ("0.0.0.0", True, None, None), ("::", True, None, None)),
    ({1: b"\x0a\0\0\1", 3: b"\xfa" + b"\0" * 7, 2: b"\4\0\0\0"}, ("10.0.0.1", False, "p2", 2.5), None),
    ({1: b"\x0a\0\0\1", 3: b"\xfa" + b"\0" * 7}, ("10.0.0.1", False, None, 2.5), None),
    ({1: b"\x0a\0\0\1", 3: b"\xfa" + b"\0" * 7, 2: b"\5\0\0\0"}, ("10.0.0.1", False, 5, 2.5), None),
])
def test_querier_state(told, ipv4, ipv6):
    keys = ("address", "self", "port", "timer")
    state = bridges.querier_state(told, {4: "p2"}, "5.10.0")
    assert state == {"ipv4": ipv4 and dict(zip(keys, ipv4)), "ipv6": ipv6 and dict(zip(keys, ipv6))}


@pytest.mark.parametrize("release, state", [
    ("5.14.0-503.el9.x86_64", None), ("", None), ("5.15.0", {"ipv4": None, "ipv6": None}),
    ("6.1.0-18-amd64", {"ipv4": None, "ipv6": None})])
def test_no_querier_state_is_no_querier_on_a_kernel_that_tells(release, state):
    assert bridges.querier_state(None, {}, release) == state


def test_a_bridge_that_does_not_snoop_knows_no_querier():
    links = sources.split(TEXT)["bridge_links"]
    assert br0(bridge_links=links.replace('"mcast_snooping":1', '"mcast_snooping":0'))["queriers"] is None


def test_what_could_not_be_read_is_null_and_named():
    found = facts(dict(sources.split(TEXT), bridge_ports=None, bridge_database=None, bridge_queriers=None))
    bridge = found["bridges"]["br0"]
    assert [bridge[key] for key in ("ports", "entries", "router_ports", "queriers")] == [None] * 4
    assert found["sources"]["bridges"]["missing"] == [
        "bridge -j -d link", "bridge -j -d -s mdb show", "rtnetlink by /usr/bin/python3"]


def test_a_host_without_bridges_and_one_without_iproute2():
    nothing = dict.fromkeys(SECTIONS, "")
    assert facts(dict(sources.split(TEXT), **dict(nothing, bridge_links="[]\n")))["bridges"] == {}
    found = facts(dict(sources.split(TEXT), **dict.fromkeys(SECTIONS)))
    assert found["bridges"] == {} and "no iproute2" in found["sources"]["bridges"]["note"]


@pytest.mark.parametrize("name, text", [
    ("bridge_links", "{"), ("bridge_ports", "no"), ("bridge_database", "3"), ("bridge_queriers", "zz"),
    ("bridge_queriers", "00"), ("bridge_links", "[" * 100000)])
def test_what_is_no_known_form_is_refused(name, text):
    with pytest.raises(McastError, match=re.escape(repr(text[:20])[:-1])):
        br0(**{name: text})


@pytest.mark.parametrize("old, new", [
    ('"ifindex":2', '"ifindice":2'), ('"mcast_query_intvl":100', '"mcast_query_intvl":"1s"'), ('"port":"p2",', ""),
    ('"timer":"   0.00"', '"timer":"soon"'), ('"linkinfo":{', '"linkinfo":3,"was":{'),
    ('"router":{', '"router":7,"r":{')])
def test_what_is_json_of_an_unknown_form_is_refused(old, new):
    assert old in TEXT
    with pytest.raises(McastError, match="unknown form"):
        facts(sources.split(TEXT.replace(old, new)))
