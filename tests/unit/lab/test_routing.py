# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The routes that follow from where routers stand."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import routing, topology

NETWORKS = {name: {"ipv4": f"10.{number}.0.0/16", "ipv6": f"fd00:{number}::/64"}
            for number, name in enumerate("abcd", 1)}


def settled(hosts, segments=NETWORKS):
    """hosts: ``{name: "ab"}``, a letter for each segment; r… are routers."""
    return topology.settle({"segments": segments, "hosts": {name: dict(
        {"interfaces": {f"eth{number}": {"segment": segment} for number, segment in enumerate(on)}},
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
        sixth = {f"fd00:{to[3:]}": (f"fd00:{via.split('.')[1]}::{via.split('.')[3]}", interface)
                 for to, (via, interface) in routed.items()}
        assert routes(found, host, "ipv6") == sixth


def test_each_family_goes_its_own_way():
    segments = dict(NETWORKS, b={"ipv6": "fd00:2::/64"})
    found = settled({"s": "a", "r1": "ab", "r2": "bc", "t": "c"}, segments)
    assert routes(found, "s") == {}
    assert set(routes(found, "s", "ipv6")) == {"fd00:2", "fd00:3"}
    assert [routing.distance(found, family, "a", "c") for family in routing.FAMILIES] == [None, 2]


def stream(group="239.1.1.1", sender="s", receivers=("t",), **keys):
    senders = {sender: {"interface": "eth0", "address": "10.1.0.1"}}
    return dict({"name": "x", "group": group, "ttl": 8, "count": 20, "interval": 0.1, "senders": senders,
                 "receivers": {receiver: {"interface": "eth0"} for receiver in receivers}}, **keys)


ROW = {"s": "a", "r1": "ab", "r2": "bc", "t": "c", "u": "b", "v": "d"}
REFUSED = {
    "ttl": (stream(ttl=2), "streams.x.ttl: is 2, and each of the 2 routers between s and t takes one; expected at "
                           "least 3"),
    "no way": (stream(receivers=("u", "v")), "streams.x.to: no router leads from s to v"),
    "link-local": (stream(group="224.0.0.100"), "streams.x.group: 224.0.0.100 never leaves its segment"),
    "IPv6 over FRR": (stream(group="ff15::1"), "backend frr of router r2 forwards IPv4 alone; smcroute takes both"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_streams_that_no_router_can_bring_are_refused(name):
    given, message = REFUSED[name]
    with pytest.raises(McastError) as caught:
        routing.check_streams(settled(ROW), [stream(ttl=3), given])
    assert message in str(caught.value)


def test_streams_on_one_segment_are_no_business_of_routers():
    routing.check_streams(settled(ROW), [stream("224.0.0.100", "u", ("u",), ttl=1),
                                         stream("ff02::100", "s", ("s",), ttl=0)])


@pytest.mark.parametrize(("keys", "backend", "loss"), [
    ({}, "frr", 10), ({}, "smcroute", 0), ({"interval": 0.3}, "pimd", 4), ({"count": 5}, "frr", 4),
    ({"count": 1}, "frr", 0), ({"interval": 0}, "frr", 19), ({"receivers": {"w": {"interface": "eth0"}}}, "frr", 0)])
def test_routers_that_learn_lose_the_first_datagrams(keys, backend, loss):
    found = settled(dict(ROW, w="a"))
    for host in ("r1", "r2"):
        found["hosts"][host]["router"] = {"backend": backend}
    given = dict(stream(), **keys)
    routing.check_streams(found, [given])
    assert [end["loss"] for end in given["receivers"].values()] == [loss]


def test_static_routes():
    found = settled(dict(ROW, w="b"))
    streams = [stream(receivers=("t", "u")), stream(group="ff15::1", sender="t", receivers=("s",)),
               stream(group="239.2.2.2", senders={"s": {"interface": "eth0", "address": None}})]
    assert routing.static_routes(found, streams, "r1") == [
        {"group": "239.1.1.1", "source": "10.1.0.1", "incoming": "eth0", "outgoing": ["eth1"]},
        {"group": "ff15::1", "source": "10.1.0.1", "incoming": "eth1", "outgoing": ["eth0"]},
        {"group": "239.2.2.2", "incoming": "eth0", "outgoing": ["eth1"]}]
    assert routing.static_routes(found, streams[:1], "r2") == [
        {"group": "239.1.1.1", "source": "10.1.0.1", "incoming": "eth0", "outgoing": ["eth1"]}]
    assert routing.static_routes(found, [stream(receivers=("u",))], "r2") == []


def test_a_router_in_the_middle_of_three_segments_sends_both_ways():
    found = settled({"s": "a", "r": "abc", "t": "b", "u": "c"})
    assert routing.static_routes(found, [stream(receivers=("t", "u"))], "r") == [
        {"group": "239.1.1.1", "source": "10.1.0.1", "incoming": "eth0", "outgoing": ["eth1", "eth2"]}]


@pytest.mark.parametrize(("here", "there", "hops"), [
    ("a", "a", 0), ("a", "b", 1), ("b", "a", 1), ("a", "c", 2), ("c", "a", 2), ("a", "d", None)])
def test_distance(here, there, hops):
    assert routing.distance(settled({"s": "a", "r1": "ab", "r2": "bc"}), "ipv4", here, there) == hops


def test_one_network_on_two_segments_is_refused_where_there_are_routers():
    twice = dict(NETWORKS, b=NETWORKS["a"])
    settled({"s": "a", "t": "b"}, twice)
    with pytest.raises(McastError, match=r"segments\.b\.ipv4: is that of segment a too"):
        settled({"s": "a", "t": "b", "r": "ac"}, twice)
