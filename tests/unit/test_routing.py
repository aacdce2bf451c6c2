# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The routes that follow from where routers stand."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import routing, topology
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError

NETWORKS = {name: {"ipv4": "10.%d.0.0/16" % number, "ipv6": "fd00:%d::/64" % number}
            for number, name in enumerate("abcd", 1)}


def settled(hosts, segments=NETWORKS):
    """hosts: ``{name: "ab"}``, a letter for each segment; r… are routers."""
    return topology.settle({"segments": segments, "hosts": {name: dict(
        {"interfaces": {"eth%d" % number: {"segment": segment} for number, segment in enumerate(on)}},
        **({"router": {}} if name.startswith("r") else {})) for name, on in hosts.items()}}, "lab")


def routes(found, host, family="ipv4"):
    mark = ":" if family == "ipv6" else "."
    return {route["destination"].replace(".0.0/16", "").replace("::/64", ""): (route["gateway"], route["interface"])
            for route in found["hosts"][host]["routes"] if mark in route["destination"]}


# the hosts by the segments they are on, and who goes where over whom
ROUTED = {
    "no router": ({"s": "a", "t": "b", "u": "ab"}, {"s": {}, "t": {}, "u": {}}),
    "one router": ({"s": "a", "r": "ab", "t": "b"}, {
        "s": {"10.2": ("10.1.0.2", "eth0")}, "r": {}, "t": {"10.1": ("10.2.0.1", "eth0")}}),
    "two in a row": ({"s": "a", "r1": "ab", "r2": "bc", "t": "c"}, {
        "s": {"10.2": ("10.1.0.2", "eth0"), "10.3": ("10.1.0.2", "eth0")},
        "r1": {"10.3": ("10.2.0.2", "eth1")}, "r2": {"10.1": ("10.2.0.1", "eth0")},
        "t": {"10.1": ("10.3.0.1", "eth0"), "10.2": ("10.3.0.1", "eth0")}}),
    "side by side: the first in the file": ({"s": "a", "r2": "ab", "r1": "ab", "t": "b"}, {
        "s": {"10.2": ("10.1.0.2", "eth0")}, "r1": {}, "r2": {}}),
    "the shorter way": ({"s": "a", "r1": "ab", "r2": "bc", "r3": "ac"}, {
        "s": {"10.2": ("10.1.0.2", "eth0"), "10.3": ("10.1.0.3", "eth0")}, "r1": {"10.3": ("10.1.0.3", "eth0")}}),
    "a host on two segments": ({"s": "ad", "r1": "ab", "r2": "dc", "r3": "bc"}, {
        "s": {"10.2": ("10.1.0.2", "eth0"), "10.3": ("10.4.0.2", "eth1")}}),
    "a ring": ({"r1": "ab", "r2": "bc", "r3": "cd", "r4": "da"}, {
        "r1": {"10.3": ("10.2.0.2", "eth1"), "10.4": ("10.1.0.2", "eth0")}}),
    "no way": ({"s": "a", "r": "bc", "t": "c"}, {"s": {}, "t": {"10.2": ("10.3.0.1", "eth0")}}),
}


@pytest.mark.parametrize("name", ROUTED)
def test_who_goes_where(name):
    hosts, wanted = ROUTED[name]
    found = settled(hosts)
    for host, routed in wanted.items():
        assert routes(found, host) == routed
        sixth = {"fd00:" + to[3:]: ("fd00:%s::%s" % (via.split(".")[1], via.split(".")[3]), interface)
                 for to, (via, interface) in routed.items()}
        assert routes(found, host, "ipv6") == sixth


def test_each_family_goes_its_own_way():
    segments = dict(NETWORKS, b={"ipv6": "fd00:2::/64"})
    found = settled({"s": "a", "r1": "ab", "r2": "bc", "t": "c"}, segments)
    assert routes(found, "s") == {}
    assert set(routes(found, "s", "ipv6")) == {"fd00:2", "fd00:3"}
    assert [routing.distance(found, family, "a", "c") for family in routing.FAMILIES] == [None, 2]


@pytest.mark.parametrize(("here", "there", "hops"), [
    ("a", "a", 0), ("a", "b", 1), ("b", "a", 1), ("a", "c", 2), ("c", "a", 2), ("a", "d", None)])
def test_distance(here, there, hops):
    assert routing.distance(settled({"s": "a", "r1": "ab", "r2": "bc"}), "ipv4", here, there) == hops


def test_one_network_on_two_segments_is_refused_where_there_are_routers():
    twice = dict(NETWORKS, b=NETWORKS["a"])
    settled({"s": "a", "t": "b"}, twice)
    with pytest.raises(McastError, match=r"segments\.b\.ipv4: is that of segment a too"):
        settled({"s": "a", "r": "ab"}, twice)
