# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever a user writes: one message, or something that holds together. Needs hypothesis, else it is skipped."""
from __future__ import annotations

import contextlib
import ipaddress

import pytest

pytest.importorskip("hypothesis")

from ansible_collections.mcast.lab.plugins.module_utils import group, stream
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.expect import duration as seconds
from ansible_collections.mcast.lab.plugins.module_utils.kernel import facts, sources
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = st.sampled_from(["a", "b", "eth0", "lan", "routers", "239.0.0.100", "ff15::1", "232.1.1.1", "10.0.0.1",
                         "10.0.0.1/24", "10.0.0.0/24", "fd00::/64", "include", "exclude", "ipv4", "", "1", "yes"])
# What YAML can make, with words that come close to being right.
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
                    st.binary(max_size=4), st.dates())
KEYS = st.one_of(WORDS, st.integers(), st.none(), st.sampled_from(
    stream.KEYS + topology.KEYS + ("interfaces", "segment", "interface", "joined", "memberships", "mac", "datagrams")))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
                      max_leaves=12)


def read(function, *arguments):
    with contextlib.suppress(McastError):
        return function(*arguments)
    return None


def broken(right, values):
    """`right` with one of its values, at any depth, replaced."""
    if not isinstance(right, dict) or not right:
        return values
    return st.sampled_from(sorted(right)).flatmap(lambda key: st.one_of(
        values, broken(right[key], values)).map(lambda value: dict(right, **{key: value})))


HELLO = {"hello": {"group": "239.0.0.100", "port": 1, "from": "a", "to": {"b": "eth0"}, "sources": ["a"], "count": 1,
                   "interval": 0.1, "ttl": 1, "payload": "", "filter_mode": "include"}}
LAB = {"name": "lab", "segments": {"lan": {"ipv4": "10.0.0.0/24", "ipv6": "fd00::/64"}}, "streams": {},
       "hosts": {"a": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "10.0.0.1", "ipv6": "fd00::1"}}}}}
HOSTS = {"a": {"eth0": {"segment": "lan", "ipv4": "10.0.0.1/24"}}, "b": {"eth0": {"segment": "lan"}, "eth1": {}}}


@settings(deadline=None)
@given(st.one_of(VALUES, broken(HELLO, VALUES)))
def test_streams_are_refused_or_settled(value):
    streams = read(stream.settle, value, {"all": list(HOSTS), "routers": ["b"]}, HOSTS.__getitem__)
    for host in HOSTS if streams else ():
        stream.of_host(streams, host)
        stream.memberships(streams, host)


@settings(deadline=None)
@given(st.one_of(VALUES, broken(LAB, VALUES)))
def test_topologies_are_refused_or_settled(value):
    settled = read(topology.settle, value, "lab")
    for host in settled["hosts"].values() if settled else ():
        for interface in host["interfaces"].values():
            for family in ("ipv4", "ipv6"):
                network = settled["segments"][interface["segment"]][family]
                if network:
                    assert ipaddress.ip_interface(interface[family]).network == ipaddress.ip_network(network)


# The facts of a host that tells no more than its release.
NOTHING = facts.facts(dict(dict.fromkeys(source.name for source in sources.SOURCES), release="6.1.0"))


@settings(deadline=None)
@given(st.sampled_from(sorted(judge.CHECKS)), st.data())
def test_params_are_refused_or_described(name, data):
    right = {"interface": "eth0", "group": "239.0.0.100", "mac": "01:00:5e:00:00:64", "stream": "hello", "port": 1,
             "datagrams": 1, "joined": [], "memberships": [], "sources": ["10.0.0.1"], "state": "up", "mtu": 1500}
    right = {key: value for key, value in right.items() if key in judge.CHECKS[name].PARAMS}
    check = read(judge.make, name, data.draw(broken(right, VALUES)))
    if check:
        assert isinstance(check.describe(), str)
        assert check.judge(dict(NOTHING, captures={}))[0] in (True, False)


@given(SCALARS)
def test_durations_are_refused_or_read(value):
    assert (read(seconds, "within", value) or 0) >= 0


@given(st.integers(0xe0000000, 0xefffffff))
def test_every_ipv4_group_is_among_those_that_share_its_mac(number):
    address = ipaddress.IPv4Address(number)
    assert str(address) in group.groups_of_mac(group.mac(address))


@given(st.integers(0xff << 120, (1 << 128) - 1))
def test_every_ipv6_group_has_a_mac_and_a_scope(number):
    address = ipaddress.IPv6Address(number)
    assert group.mac(address).replace(":", "") == f"3333{number & 0xffffffff:08x}"
    assert group.scope(address)
    assert group.is_ssm(address) == (address in ipaddress.ip_network(
        f"{0xff30 | number >> 112 & 0xf:x}::/32"))
