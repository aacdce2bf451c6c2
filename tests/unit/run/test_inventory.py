# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Ansible's variables to settled streams, and the filter that tells each host its part."""
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mcast.lab.plugins.filter.host_streams import FilterModule
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.run import inventory as settled

host_streams = FilterModule().filters()["host_streams"]

HELLO = {"hello": {"group": "239.0.0.100", "port": 11111, "from": "client", "to": ["servers"]}}
TOPOLOGY = {"name": "lab", "hosts": {"client": {}, "a.b": {}}}
# a lab's host, a real one, one whose interface the inventory knows nothing of
HOSTVARS = {
    "client": {"mcast_interfaces": {
        "eth0": {"segment": "lan", "ipv4": "10.0.0.1/24", "ipv6": None}}},
    "a.b": {"mcast_interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "wan"}}},
    "real": {"mcast_interface": "ens3"},
    "server": {"mcast_interface": ""},
}
GROUPS = {"all": list(HOSTVARS), "servers": ["a.b", "real"], "others": ["server"]}


@pytest.mark.parametrize(("host", "interfaces"), [
    ("client", {"eth0": {"segment": "lan", "ipv4": "10.0.0.1/24", "ipv6": None}}), ("real", {"ens3": {}}),
    ("server", {}),
])
def test_interfaces_of(host, interfaces):
    assert settled.interfaces_of(HOSTVARS, host) == interfaces


@pytest.mark.parametrize(("host", "ours"), [("client", True), ("a.b", True), ("real", False), ("server", False)])
def test_is_ours(host, ours):
    assert settled.is_ours(TOPOLOGY, host) is ours


def test_a_host_beside_a_lab_is_not_ours():
    assert not settled.is_ours(TOPOLOGY, "a") and not settled.is_ours(None, "a")


@pytest.mark.parametrize(("host", "send", "receive", "interfaces"), [
    ("client", ["hello"], [], ["eth0"]), ("a.b", [], ["hello"], ["eth0"]), ("real", [], ["hello"], ["ens3"]),
    ("server", [], [], []),
])
def test_host_streams(host, send, receive, interfaces):
    found = host_streams(HELLO, host, GROUPS, HOSTVARS)
    assert [each["name"] for each in found["send"]] == send
    assert [each["name"] for each in found["receive"]] == receive
    assert found["interfaces"] == interfaces


def test_what_a_host_is_told():
    found, = host_streams(HELLO, "real", GROUPS, HOSTVARS)["receive"]
    assert found == {
        "name": "hello", "group": "239.0.0.100", "port": 11111, "interface": "ens3", "filter_mode": "exclude",
        "sources": [], "ttl": 1, "count": 5, "interval": 0.1, "payload": "HELLO", "foreign": False}


def test_an_inventory_without_streams_has_none():
    assert settled.streams_of(None, GROUPS, HOSTVARS) == []
    assert host_streams(None, "client", GROUPS, HOSTVARS) == {"send": [], "receive": [], "open": [], "interfaces": []}


@pytest.mark.parametrize(("streams", "says"), [
    ({}, "streams: expected at least one stream"),
    ({"hello": dict(HELLO["hello"], to="others")}, "streams.hello.to: the interface of server is not clear; set "
                                                   "mcast_interface for this host"),
    ({"hello": dict(HELLO["hello"], port=0)}, "streams.hello.port: expected a whole number from 1 to 65535, not 0"),
])
def test_bad_input_is_one_message(streams, says):
    with pytest.raises(McastError) as error:
        settled.streams_of(streams, GROUPS, HOSTVARS)
    assert str(error.value).startswith(says)
    with pytest.raises(AnsibleFilterError) as failure:
        host_streams(streams, "client", GROUPS, HOSTVARS)
    assert says in str(failure.value)
