# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of a switch: what follows from them, what contradicts, where they stand in a topology, and what is
planned for them."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import bridge_settings
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology
from ansible_collections.mcast.lab.plugins.plugin_utils.run import inventory as settled
from ansible_collections.mcast.lab.plugins.plugin_utils.run import plan


@pytest.mark.parametrize("given, response, startup, membership, querier", [
    ({"query_interval": 125}, 10, 31.25, 260, 255),  # RFC 9776 section 8
    ({"query_interval": 60}, 10, 15, 130, 125),
    ({"query_interval": 1}, 0.5, 1, 2.5, 2.25),
    ({"query_interval": 2, "query_response_interval": 0.5}, 0.5, 1, 4.5, 4.25),
    ({"query_interval": "30", "membership_interval": 90}, 10, 7.5, 90, 65),
    ({"query_interval": 4, "startup_query_interval": 3, "querier_interval": 20}, 2, 3, 10, 20),
])
def test_what_follows_from_a_query_interval(given, response, startup, membership, querier):
    found = bridge_settings.check("", given)["settings"]
    assert found == {"query_interval": float(given["query_interval"]), "query_response_interval": response,
                     "startup_query_interval": startup, "membership_interval": membership, "querier_interval": querier}


def test_only_what_is_given():
    assert bridge_settings.check("", {"snooping": True, "querier": None}) == {
        "settings": {"snooping": True}, "ports": {}, "entries": []}


V3, V2 = {"igmp_version": 3, "mld_version": 2}, {"igmp_version": 2, "mld_version": 1}


@pytest.mark.parametrize("settings, message", [
    (dict(V3, query_interval=127), None), (dict(V3, query_interval=128), None),  # whose code is the number itself
    (dict(V3, query_interval=129), "query_interval: 129 s would be read as 136 s in IGMPv3"),
    (dict(V3, query_interval=160), "query_interval: 160 s would be read as 512 s in IGMPv3"),
    (dict(V3, query_interval=255), "query_interval: 255 s would be read as 31744 s in IGMPv3"),
    (dict(V3, query_interval=256), "query_interval: 256 s does not fit into a query of IGMPv3"),
    ({"igmp_version": 2, "mld_version": 2, "query_interval": 160},
     "query_interval: 160 s would be read as 512 s in MLDv2"),
    (dict(V2, query_interval=160), None), (dict(V2, query_interval=3000), None),
    (dict(V3, query_interval=100, query_response_interval=12.7), None),
    (dict(V3, query_interval=100, query_response_interval=12.8), None),
    (dict(V3, query_interval=100, query_response_interval=12.9),
     "query_response_interval: 12.9 s would be read as 13.6 s in IGMPv3"),
    ({"mld_version": 2, "query_interval": 100, "query_response_interval": 32.7}, None),
    ({"mld_version": 2, "query_interval": 100, "query_response_interval": 40},
     "query_response_interval: 40 s would be read as 115.712 s in MLDv2"),
    (dict(V2, query_interval=100, query_response_interval=25.5), None),
    (dict(V2, query_interval=100, query_response_interval=25.6),
     "query_response_interval: 25.6 s does not fit into a query of IGMPv2"),
    ({"mld_version": 1, "query_interval": 100, "query_response_interval": 70},
     "query_response_interval: 70 s does not fit into a query of MLDv1"),
    (dict(V3, last_member_interval=13), "last_member_interval: 13 s would be read as 14.4 s in IGMPv3"),
])
def test_a_bridge_queries_with_intervals_that_its_queries_say(settings, message):
    bridge_settings.check("", dict(settings, querier=False))  # which sends none
    if message is None:
        bridge_settings.check("", dict(settings, querier=True))
        return
    with pytest.raises(McastError) as caught:
        bridge_settings.check("", dict(settings, querier=True))
    assert str(caught.value).startswith(message)


def document(**switch):
    return {"segments": {"lan": {"ipv4": "10.0.0.0/24", "switch": switch}, "plain": {}, "empty": {}}, "hosts": {
        "h1": {"interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "plain"}}},
        "a-host-with-a-long-name": {"interfaces": {"eth0": {"segment": "lan"}}}}}


def test_ports_are_named_as_the_kernel_has_them():
    entry = {"group": "239.0.0.1", "port": "a-host-with-a-long-name~eth0"}
    found = topology.settle(document(ports={"a-host-with-a-long-name~eth0": {"fast_leave": True}, "h1~eth0": {}},
                                     entries=[entry]), "lab")
    long = found["hosts"]["a-host-with-a-long-name"]["interfaces"]["eth0"]["port"]
    assert len(long) == 15 and "~" not in long
    assert found["segments"]["lan"]["switch"] == {
        "ports": {long: {"fast_leave": True}, "h1~eth0": {}}, "entries": [dict(entry, port=long)]}


@pytest.mark.parametrize("switch, message", [
    ({"snoop": True}, ".snoop: is not known"),
    ({"query_interval": 1, "query_response_interval": 2}, ".query_response_interval: 2 s is not less"),
    ({"igmp_version": 1}, ".igmp_version: expected a whole number from 2 to 3, not 1"),
    ({"ports": {"h1~eth1": {}}}, ".ports.h1~eth1: expected one of h1~eth0, a-host-with-a-long-name~eth0"),
    ({"ports": {"h1~eth0": {"speed": 1}}}, ".ports.h1~eth0.speed: is not known"),
    ({"ports": []}, ".ports: expected a mapping"),
    ({"entries": [{"group": "239.0.0.1", "port": "h1"}]}, ".entries[0].port: expected one of h1~eth0"),
    ({"entries": [{"group": 5, "port": "h1~eth0"}]}, ".entries[0].group: expected a text"),
    ({"entries": 5}, ".entries: expected a list"),
    ({"querier": "yes"}, ".querier: expected one of True, False, not 'yes'"),
    ({"query_interval": float("nan")}, ".query_interval: expected a number from 1 to 86400"),
])
def test_a_topology_refuses_a_switch(switch, message):
    with pytest.raises(McastError) as caught:
        topology.settle(document(**switch), "lab")
    assert str(caught.value).startswith(f"segments.lan.switch{message}")


def test_a_topology_refuses_a_switch_without_hosts():
    given = document()
    given["segments"]["empty"] = {"switch": {}}
    with pytest.raises(McastError, match="segments.empty.switch: a bridge without ports is not a switch"):
        topology.settle(given, "lab")


HOSTVARS = {
    "h1": {"mcast_interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "off"}, "eth2": {"segment": "none"}}},
    "h2": {"mcast_interfaces": {"eth0": {"segment": "lan"}}}, "real": {"mcast_interface": "eth0"},
    "switch": {"mcast_bridges": {"lan": {"querier": True}, "off": {"snooping": False}}}}


def stream(group, **receivers):
    return {"group": group, "receivers": {host: {"interface": interface} for host, interface in receivers.items()}}


@pytest.mark.parametrize("streams, hostvars, expected", [
    ([stream("239.0.0.1", h1="eth0", h2="eth0"), stream("239.0.0.2", h2="eth0")], HOSTVARS, ["lan/ipv4"]),
    ([stream("239.0.0.1", h1="eth0"), stream("ff15::1", h2="eth0")], HOSTVARS, ["lan/ipv4", "lan/ipv6"]),
    ([stream("239.0.0.1", h1="eth1")], HOSTVARS, []), ([stream("239.0.0.1", h1="eth2")], HOSTVARS, []),
    ([stream("239.0.0.1", real="eth0")], HOSTVARS, []), ([stream("239.0.0.1")], HOSTVARS, []),
    ([stream("224.0.0.251", h1="eth0")], HOSTVARS, []),  # is not pruned by snooping
    ([stream("239.0.0.1", h1="eth0")], {"h1": HOSTVARS["h1"]}, []),
])
def test_a_querier_is_looked_for_where_a_switch_snoops_and_members_are(streams, hostvars, expected):
    planned = plan.queriers(streams, lambda *place: settled.snooping_bridge_of(hostvars, *place), lambda _segment: None)
    assert [check["id"] for check in planned] == [f"switch/during/mdb.querier/{each}" for each in expected]
    assert {(check["host"], check["phase"], check["severity"]) for check in planned} <= {
        ("switch", "during", "failure")}


# What the inventory says of a switch, of two hosts and of a router; the query interval on their segment.
@pytest.mark.parametrize("switch, first, second, router, interval", [
    ({}, None, None, None, None), ({"snooping": True, "query_interval": 3}, None, None, None, None),
    ({"querier": True, "query_interval": 3}, None, None, None, 3), ({"querier": True}, None, None, None, 125),
    ({"querier": True, "query_interval": 3}, {"query_interval": 10}, None, None, 10),
    ({}, {}, None, None, 125), ({}, True, None, None, None),
    ({}, {"query_interval": 2}, {"query_interval": "5"}, None, 5),
    ({}, {"query_interval": 2, "interfaces": ["eth1"]}, None, None, None),
    ({}, None, None, {"igmp": {"query_interval": 7}}, 7), ({}, None, None, {"backend": "pimd"}, 125),
    ({}, None, None, {"backend": "smcroute"}, None),
])
def test_the_query_interval_that_the_inventory_states(switch, first, second, router, interval):
    lan = {"mcast_interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "other"}}}
    hostvars = {"switch": {"mcast_bridges": {"lan": switch}}, "first": dict(lan, mcast_querier=first),
                "second": dict(lan, mcast_querier=second), "router": dict(lan, mcast_router=router),
                "elsewhere": {"mcast_interface": "eth0", "mcast_querier": {}}}
    assert settled.query_interval_of(hostvars, "lan") == interval
    planned, = plan.queriers([stream("239.0.0.1", h1="eth0")],
                             lambda *place: settled.snooping_bridge_of(HOSTVARS, *place),
                             lambda segment: settled.query_interval_of(hostvars, segment))
    assert planned["params"].get("interval") == interval


def test_a_query_interval_that_is_none_is_named():
    hostvars = {"h1": dict(HOSTVARS["h1"], mcast_querier={"query_interval": "soon"})}
    with pytest.raises(McastError, match="query_interval of host h1: expected a number"):
        settled.query_interval_of(hostvars, "lan")
