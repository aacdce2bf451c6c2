# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many hosts of one kind from one entry of a topology."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology

BODY = {"interfaces": {"eth0": {"segment": "lan"}}}


@pytest.mark.parametrize("hosts, names", [
    ({"m": dict(BODY, count=1)}, ["m1"]),
    ({"m": dict(BODY, count=3)}, ["m1", "m2", "m3"]),
    ({"m": dict(BODY, count="10")}, [f"m{number:02d}" for number in range(1, 11)]),
    ({"a": BODY, "m": dict(BODY, count=2), "z": BODY}, ["a", "m1", "m2", "z"]),
])
def test_names(hosts, names):
    found = topology.numbered(hosts)
    assert list(found) == names and all(body == BODY for body in found.values())


def test_each_has_an_address_of_its_own():
    hosts = topology.numbered({"m": dict(BODY, count=300)})
    settled = topology.settle({"segments": {"lan": {"ipv4": "10.20.0.0/16"}}, "hosts": hosts}, "fleet")
    assert len({host["interfaces"]["eth0"]["ipv4"] for host in settled["hosts"].values()}) == 300


@pytest.mark.parametrize("hosts, message", [
    ({"m": dict(BODY, count=0)}, "hosts.m.count: expected a whole number from 1 to"),
    ({"m": dict(BODY, count="many")}, "hosts.m.count: expected a whole number"),
    ({"m": dict(BODY, count=2), "m1": BODY}, "hosts.m1: is there twice"),
    ({"m": {"count": 2, "interfaces": {"eth0": {"segment": "lan", "ipv4": "10.0.0.1"}}}},
     "hosts.m.interfaces.eth0.ipv4: is one address for 2 hosts"),
])
def test_what_is_refused(hosts, message):
    with pytest.raises(McastError) as error:
        topology.numbered(hosts)
    assert message in str(error.value)


@pytest.mark.parametrize("hosts", [None, [], "m", {"m": None}, {"m": BODY}])
def test_the_rest_is_left_as_it_is(hosts):
    assert topology.numbered(hosts) == hosts
