# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a scenario: what each host does, and which checks the expectations stand for."""
from __future__ import annotations

import random

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import stream
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import routing, topology
from ansible_collections.mcast.lab.plugins.plugin_utils.run import duties, plan, scene, steps

TOPOLOGY = topology.settle({
    "segments": {"lan": {"ipv4": "10.0.0.0/24", "ipv6": "fd00::/64", "switch": {"querier": True}},
                 "far": {"ipv4": "10.1.0.0/24"}, "old": {"ipv4": "10.2.0.0/24", "ipv6": "fd00:2::/64"}},
    "hosts": {
        "alpha": {"interfaces": {"eth0": {"segment": "lan", "mac": "02:00:00:00:00:0a"}}},
        "beta": {"interfaces": {"eth0": {"segment": "lan"}}},
        "mon": {"interfaces": {"eth0": {"segment": "lan", "mac": "02:00:00:00:00:0c"}, "eth1": {"segment": "old"}}},
        "tv": {"interfaces": {"eth0": {"segment": "far"}}},
        "router": {"interfaces": {"up": {"segment": "lan"}, "down": {"segment": "far"}}, "router": {"backend": "frr"}},
        "asker": {"interfaces": {"eth0": {"segment": "old"}}, "querier": {"igmp_version": 2, "mld_version": 1,
                                                                          "query_interval": 2}},
    }}, "lab")
STREAMS = {
    "news": {"group": ["239.1.1.1", "ff15::1"], "port": 5001, "from": ["alpha", "beta"], "to": "mon", "count": 3},
    "film": {"group": "239.2.2.2", "port": 5002, "from": "alpha", "to": "tv", "count": 0, "ttl": 4},
    "held": {"group": ["239.3.3.3", "ff15::3"], "port": 5003, "to": {"mon": "eth1"}},
}
HOSTS = {**TOPOLOGY["hosts"], "switch": {"interfaces": {}}}
GROUPS = {"all": list(HOSTS), "senders": ["alpha", "beta"]}
SETTLED = stream.settle(STREAMS, GROUPS, lambda host: HOSTS[host]["interfaces"])
INVENTORY = scene.Inventory(
    GROUPS, SETTLED, lambda host: HOSTS[host]["interfaces"], lambda host: {"igmp_version": 2} if host == "tv" else {},
    lambda host: HOSTS[host].get("querier") or {}, TOPOLOGY["segments"],
    lambda *places: routing.distance(TOPOLOGY, *places))


def read(*stated):
    return steps.read(list(stated), INVENTORY)


def expectations(acts, host, *expected):
    """The checks of a step, as (check, params, capture)."""
    stated = read(dict({"name": "one"}, **acts), {"name": "two", "expect": {host: list(expected)}})
    return [(each.check, each.params) for each in stated.checks]


def programs(part):
    return {name: next(iter(body.values())) for name, body in part.items()}


def test_who_receives_and_sends():
    found = read({"name": "one", "receive": {"mon": {"news": {"exclude": ["beta"]}}}, "send": ["news"]},
                 {"name": "two", "leave": ["news"], "stop_sending": {"senders": ["news"]}})
    one = found.acts["one"]
    assert programs(one["mon"].started) == {
        "receiver-news%2Fipv4": {"group": "239.1.1.1", "port": 5001, "interface": "eth0", "filter_mode": "exclude",
                                 "sources": ["10.0.0.2"]},
        "receiver-news%2Fipv6": {"group": "ff15::1", "port": 5001, "interface": "eth0", "filter_mode": "exclude",
                                 "sources": ["fd00::2"]}}
    assert programs(one["beta"].sent)["sender-news%2Fipv6"] == {
        "group": "ff15::1", "port": 5001, "interface": "eth0", "ttl": 1, "count": 3, "interval": 0.1,
        "payload": "HELLO"}
    assert found.acts["two"]["mon"].stopped == ["receiver-news%2Fipv4", "receiver-news%2Fipv6"]
    assert found.acts["two"]["alpha"].stopped == ["sender-news%2Fipv4", "sender-news%2Fipv6"]
    assert found.streams == {"news/ipv4", "news/ipv6"} and found.names == ["one", "two"]


def test_foreign_programs_are_neither_started_nor_stopped():
    settled = stream.settle({"news": dict(STREAMS["news"], foreign=["alpha", "mon"])}, GROUPS,
                            lambda host: HOSTS[host]["interfaces"])
    found = steps.read([{"name": "one", "receive": ["news"], "send": ["news"]}, {"name": "two", "leave": ["news"]}],
                       INVENTORY._replace(streams=settled))
    assert list(found.acts["one"]) == ["beta"] and found.acts["two"] == {}


def test_what_is_left_to_undo():
    commands = [{"argv": ["true"], "undo": ["false"]}, {"argv": ["a"]}, {"argv": ["b"], "undo": ["c", "d"]}]
    joined = {"reports": {"news/ipv6": {"change": "join", "since": "one"}}}
    found = read({"name": "one", "receive": ["news"], "query": {"mon": "eth1"}, "command": {"mon": commands}},
                 {"name": "two", "kill": {"mon": ["news/ipv4"]},
                  "start": {"mon": {"x": {"capture": {"interface": "eth0"}}}}, "expect": {"mon": [joined]}})
    own = duties.of_host("mon", {}, [], SETTLED, found)
    assert own["undo"] == [["c", "d"], ["false"]] and not own["firewall"]
    assert own["started"] == ["one-eth0", "receiver-news%2Fipv4", "receiver-news%2Fipv6", "querier-eth1", "x"]
    assert own["steps"]["two"]["act"]["killed"] == ["receiver-news%2Fipv4"]
    assert own["steps"]["one"]["capture"]["started"].keys() == {"one-eth0"}
    assert duties.of_host("alpha", {}, [], SETTLED, found) == {
        "interfaces": {"eth0": {"state": "up", "multicast": True}}, "steps": {}, "started": [], "undo": [],
        "firewall": {}}
    assert [tuple(move.values()) for move in duties.moves(found.names, {"mon": own})] == [
        ("one", "capture"), ("one", "act"), ("one", "command"), ("one", "send"), ("one", "judge"),
        ("two", "act"), ("two", "judge")]


def test_what_a_host_does_in_the_phases_of_its_streams():
    """As its variables say; hosts that have nothing to do take no part."""
    running = [each for each in SETTLED if each["name"].startswith("news")]
    known = {"mcast_firewall": "yes", "mcast_firewall_closed": True, "mcast_host_settings": {"mtu": 1400},
             "mcast_capture_max_size": 100}
    own = duties.of_host("mon", known, running, SETTLED, read())
    names = ["receiver-news%2Fipv4", "receiver-news%2Fipv6"]
    assert own["interfaces"] == {"eth0": {"mtu": 1400}, "eth1": {"mtu": 1400}}
    before, during, after, ended = (own["steps"][phase]["act"] for phase in steps.PHASES)
    assert before["firewall"]["closed"] and {"group": "239.1.1.1", "port": "5001"} in before["firewall"]["ports"]
    # Its own captures run before its receivers.
    assert list(during["started"]) == ["capture-eth0", *names]
    assert during["started"]["capture-eth0"]["capture"]["max_size"] == 100
    assert after == {"firewall": {"state": "absent"}, "stopped": names} and ended == {"ended": ["capture-eth0"]}
    assert own["firewall"] == {"state": "absent"} and own["started"] == ["capture-eth0", *names]
    bare = duties.of_host("mon", {"mcast_capture": False, "mcast_receiver_streams": []}, running, SETTLED, read())
    assert {phase: parts for phase, parts in bare["steps"].items() if parts} == {}
    assert [tuple(move.values()) for move in duties.moves(list(steps.PHASES), {"mon": bare})] == [
        (phase, "judge") for phase in steps.PHASES]
    sent = duties.of_host("alpha", {}, running, SETTLED, read())["steps"]["during"]["send"]["started"]
    assert list(sent) == ["sender-news%2Fipv4", "sender-news%2Fipv6"]


def test_the_first_step_opens_the_firewall_where_only_steps_run_streams():
    found = read({"name": "one", "receive": ["news"]})
    own = duties.of_host("mon", {"mcast_firewall": True}, [], SETTLED, found)
    assert own["steps"]["one"]["act"]["firewall"]["state"] == "present" and own["firewall"] == {"state": "absent"}


def test_a_querier_keeps_what_it_was_set_to():
    found = read({"name": "one", "query": {"asker": {"eth0": {"robustness": 3}}}},
                 {"name": "two", "stop_querying": {"asker": "eth0"}},
                 {"name": "three", "query": {"asker": {"eth0": {"igmp_version": 3}}}})
    own = {"igmp_version": 2, "mld_version": 1, "query_interval": 2, "robustness": 3, "interface": "eth0"}
    assert programs(found.acts["one"]["asker"].sent) == {"querier-eth0": own}
    assert programs(found.acts["three"]["asker"].sent) == {"querier-eth0": dict(own, igmp_version=3)}


# The switch of `lan` asks in IGMPv2 and MLDv1, as bridges do; the far segment is asked by nobody.
NEWS = {"receive": ["news"]}
EXPECTED = [
    (NEWS, "mon", {"member": "news/ipv4"}, "membership.present",
     {"interface": "eth0", "group": "239.1.1.1", "filter_mode": "exclude", "sources": []}),
    (NEWS, "mon", {"member": {"news/ipv4": {"include": ["10.0.0.9", "fd00::9"]}}}, "membership.present",
     {"interface": "eth0", "group": "239.1.1.1", "filter_mode": "include", "sources": ["10.0.0.9"]}),
    (NEWS, "mon", {"receives": ["news/ipv6"]}, "delivery.received",
     {"stream": "news/ipv6", "group": "ff15::1", "port": 5001, "interface": "eth0", "datagrams": 3,
      "sources": ["fd00::1", "fd00::2"]}),
    (NEWS, "mon", {"receives": {"news/ipv4": {"beta": 7}}}, "delivery.received",
     {"stream": "news/ipv4", "group": "239.1.1.1", "port": 5001, "interface": "eth0", "datagrams": 7,
      "sources": ["10.0.0.2"]}),
    ({"receive": {"mon": {"news": {"include": ["beta"]}}}}, "mon", {"receives": ["news/ipv4"]}, "delivery.received",
     {"stream": "news/ipv4", "group": "239.1.1.1", "port": 5001, "interface": "eth0", "datagrams": 3,
      "sources": ["10.0.0.2"]}),
    (NEWS, "mon", {"datagrams": {"news/ipv4": {"from": "alpha", "count": 3}}}, "packets.datagrams",
     {"capture": "two-eth0", "interface": "eth0", "stream": "news/ipv4", "group": "239.1.1.1", "port": 5001, "count": 3,
      "sources": ["10.0.0.1"], "mac": "01:00:5e:01:01:01", "payload": "HELLO", "ttl": 1}),
    (NEWS, "mon", {"datagrams": {"news/ipv4": {"count": 0, "since": "one"}}}, "packets.datagrams",
     {"capture": "one-eth0", "interface": "eth0", "stream": "news/ipv4", "group": "239.1.1.1", "port": 5001, "count": 0,
      "mac": "01:00:5e:01:01:01"}),
    # A router takes one of the TTL.
    ({"send": ["film"]}, "tv", {"datagrams": {"film": {"at_least": 5}}}, "packets.datagrams",
     {"capture": "two-eth0", "interface": "eth0", "stream": "film", "group": "239.2.2.2", "port": 5002, "at_least": 5,
      "sources": ["10.0.0.1"], "mac": "01:00:5e:02:02:02", "payload": "HELLO", "ttl": 3}),
    # Numbered, each has another payload.
    ({"send": {"alpha": {"film": {"sequence": True}}}}, "tv", {"datagrams": ["film"]}, "packets.datagrams",
     {"capture": "two-eth0", "interface": "eth0", "stream": "film", "group": "239.2.2.2", "port": 5002,
      "sources": ["10.0.0.1"], "mac": "01:00:5e:02:02:02", "ttl": 3}),
    (NEWS, "mon", {"reports": {"news/ipv4": "answer"}}, "packets.messages",
     {"capture": "two-eth0", "kinds": ["igmpv2_report"], "group": "239.1.1.1", "source": "10.0.0.3",
      "destination": "239.1.1.1", "ttl": 1, "router_alert": True}),
    (NEWS, "beta", {"reports": {"news/ipv6": {"change": "leave"}}}, "packets.messages",
     {"capture": "two-eth0", "kinds": ["mldv1_done"], "group": "ff15::1", "source": "fe80::ff:fe00:c",
      "destination": "ff02::2", "ttl": 1, "router_alert": True, "count": 1}),
    (NEWS, "mon", {"reports": {"news/ipv4": {"change": "join", "version": 3}}}, "packets.messages",
     {"capture": "two-eth0", "kinds": ["igmpv3_report"], "group": "239.1.1.1", "record": "to_ex", "sources": [],
      "source": "10.0.0.3", "destination": "224.0.0.22", "ttl": 1, "router_alert": True, "count": 2}),
    # As it is set, whatever it is asked.
    ({"receive": ["film"]}, "tv", {"reports": {"film": "answer"}}, "packets.messages",
     {"capture": "two-eth0", "kinds": ["igmpv2_report"], "group": "239.2.2.2", "source": "10.1.0.1",
      "destination": "239.2.2.2", "ttl": 1, "router_alert": True}),
    (NEWS, "mon", {"queries": {"news/ipv6": {"count": 2}}}, "packets.messages",
     {"capture": "two-eth0", "kinds": ["mldv1_query"], "group": "ff15::1", "destination": "ff15::1", "ttl": 1,
      "router_alert": True, "count": 2}),
    ({}, "mon", {"general_queries": {"eth1/ipv4": "asker"}}, "packets.messages",
     {"capture": "two-eth1", "kinds": ["igmpv2_query"], "source": "10.2.0.2", "destination": "224.0.0.1", "ttl": 1,
      "router_alert": True}),
    ({}, "mon", {"querier": {"eth1/ipv4": "asker"}}, "querier.present",
     {"capture": "two-eth1", "interface": "eth1", "family": "ipv4", "address": "10.2.0.2", "version": 2,
      "interval": 2}),
    # It knows by itself, without a capture.
    ({}, "asker", {"querier": {"eth0/ipv4": "asker"}}, "querier.present",
     {"interface": "eth0", "family": "ipv4", "address": "10.2.0.2", "version": 2, "interval": 2}),
    ({"receive": ["held"]}, "asker", {"answers": {"held/ipv4": 1}}, "querier.answers",
     {"capture": "two-eth0", "query": ["igmpv2_query"], "group": "239.3.3.3", "count": 1}),
    ({"receive": ["held"]}, "asker", {"querier.member": ["held/ipv6"]}, "querier.member",
     {"interface": "eth0", "group": "ff15::3"}),
    (NEWS, "mon", {"delay": {"news/ipv4": {"from": "join v3", "to": "last datagram by alpha", "at_most": 1}}},
     "packets.delay",
     {"capture": "two-eth0", "name": "join v3 to last datagram by alpha", "at_most": 1,
      "from": {"kinds": ["igmpv3_report"], "group": "239.1.1.1", "record": "to_ex", "source": "10.0.0.3"},
      "to": {"group": "239.1.1.1", "port": 5001, "source": "10.0.0.1", "which": "last"}}),
    (NEWS, "alpha", {"order": {"news/ipv4": ["general query v1", "query v2", "report", "datagram of film"]}},
     "packets.order",
     {"capture": "two-eth0", "interface": "eth0", "stream": "news/ipv4", "group": "239.1.1.1", "steps": [
         {"kinds": ["igmpv1_query"]}, {"kinds": ["igmpv2_query"], "group": "239.1.1.1"},
         {"kinds": ["igmpv2_report"], "group": "239.1.1.1", "source": "10.0.0.3"},
         {"group": "239.2.2.2", "port": 5002}]}),
    (NEWS, "switch", {"mdb.ports": {"news/ipv4": ["mon", "beta~eth0"]}}, "mdb.ports",
     {"bridge": "lan", "group": "239.1.1.1", "ports": ["mon~eth0", "beta~eth0"]}),
    (NEWS, "switch", {"mdb.present": {"news/ipv6": "mon"}}, "mdb.present",
     {"bridge": "lan", "group": "ff15::1", "port": "mon~eth0", "filter_mode": "exclude", "sources": []}),
    ({}, "switch", {"mdb.querier": {"lan/ipv6": {"self": True}}}, "mdb.querier",
     {"bridge": "lan", "family": "ipv6", "self": True}),
    ({}, "switch", {"general_queries": {"lan/ipv6": {"version": 2}}}, "packets.messages",
     {"capture": "two-lan", "kinds": ["mldv1_query"], "destination": "ff02::1", "ttl": 1, "router_alert": True}),
    ({}, "router", {"mroute.present": {"film": {"incoming": "up", "outgoing": ["down"]}}}, "mroute.present",
     {"group": "239.2.2.2", "source": "10.0.0.1", "incoming": "up", "outgoing": ["down"]}),
    ({}, "router", {"mroute.absent": {"film": {"source": None}}}, "mroute.absent", {"group": "239.2.2.2"}),
    ({}, "router", {"pim.neighbor": {"down": "10.1.0.9"}}, "pim.neighbor",
     {"interface": "down", "address": "10.1.0.9"}),
    ({}, "router", {"kernel.prerequisites": {}}, "kernel.prerequisites", {}),
    ({}, "mon", {"packets.messages": {"interface": "eth1", "kinds": ["mldv1_query"], "source": "asker"}},
     "packets.messages", {"capture": "two-eth1", "kinds": ["mldv1_query"],
                          "source": scene.link_local(HOSTS["asker"]["interfaces"]["eth0"]["mac"])}),
]


@pytest.mark.parametrize(("acts", "host", "expected", "check", "params"), EXPECTED,
                         ids=[f"{row[1]} {row[2]}"[:60] for row in EXPECTED])
def test_what_an_expectation_stands_for(acts, host, expected, check, params):
    assert expectations(acts, host, expected) == [(check, params)]
    plan.expected(read({"name": "one", **acts}, {"name": "two", "expect": {host: [expected]}}).checks, list(HOSTS))


def test_a_stream_of_both_families_is_judged_in_both():
    found = read({"name": "one", "receive": ["news"], "expect": {"mon": [{"member": "news"}]}}).checks
    assert [each.about for each in found] == ["news/ipv4", "news/ipv6"]
    found = read({"name": "one", "expect": {"mon": [{"querier": "eth0"}]}}).checks
    assert [each.about for each in found] == ["eth0/ipv4", "eth0/ipv6"]


def test_reports_of_an_older_version_exclude_those_of_others():
    found = expectations(NEWS, "mon", {"reports": {"news": "join"}})
    assert [(params["kinds"], params.get("count")) for unused, params in found] == [
        (["igmpv2_report"], None), (["igmpv1_report", "igmpv3_report"], 0),
        (["mldv1_report"], None), (["mldv2_report"], 0)]


CHANGES = [
    (("include", ["alpha"]), ("include", ["beta"]), "allow", ["10.0.0.2"], 2),
    (("include", ["alpha"]), ("include", ["beta"]), "block", ["10.0.0.1"], 2),
    (("exclude", []), ("include", ["beta"]), "to_in", ["10.0.0.2"], 2),
    (("include", ["beta"]), ("exclude", ["alpha"]), "to_ex", ["10.0.0.1"], None),
    (("include", ["alpha"]), ("include", ["alpha", "beta"]), "is_in", ["10.0.0.1", "10.0.0.2"], None),
    (("include", ["alpha"]), ("exclude", []), "join", [], 2),
]


@pytest.mark.parametrize(("before", "after", "change", "sources", "count"), CHANGES)
def test_what_a_change_of_the_filter_says(before, after, change, sources, count):
    found = read({"name": "one", "receive": {"mon": {"news/ipv4": {before[0]: before[1]}}}},
                 {"name": "two", "receive": {"mon": {"news/ipv4": {after[0]: after[1]}}},
                  "expect": {"mon": [{"reports": {"news/ipv4": {"change": change, "version": 3}}}]}})
    params = found.checks[0].params
    assert (params["sources"], params.get("count")) == (sources, count)


def test_what_is_said_of_an_expectation_itself():
    about = {"interface": "eth0", "kinds": ["igmp"], "since": "one", "severity": "warning", "wait": "2m", "id": "x"}
    found, = read({"name": "one"}, {"name": "two", "expect": {"mon": [{"packets.messages": about}]}}).checks
    assert (found.severity, found.wait, found.about, found.capture) == ("warning", 120, "x", ("one", "mon", "eth0"))
    planned, = plan.expected([found], ["mon"])
    assert planned["id"] == "mon/two/packets.messages/x"
    assert plan.expected([found], ["alpha"]) == []
    assert [each["id"] for each in plan.expected([found, found], ["mon"])][1] == "mon/two/packets.messages/x#2"


def test_a_capture_begins_with_the_step_that_is_named():
    found = read({"name": "one"}, {"name": "two", "expect": {"mon": [{"queries": {"news": {"since": "one"}}}]}})
    assert list(found.acts["one"]["mon"].captures) == ["one-eth0"] and not found.acts["two"]
    ports = {each["port"] for each in found.acts["one"]["mon"].captures["one-eth0"]["capture"]["streams"]}
    assert ports == {5001, 5002, 5003}


def test_phases_of_the_streams_take_expectations_and_no_acts():
    found = read({"name": "during", "expect": {"mon": [{"member": "news/ipv4"}, {"queries": "news/ipv4"}]}})
    assert found.names == [] and found.streams == set()
    assert found.checks[0].params["filter_mode"] == "exclude"
    assert (found.checks[1].params["capture"], found.checks[1].step) == ("capture-eth0", "during")
    with pytest.raises(McastError, match=r"during is a phase of the streams themselves\)\.send: is not known"):
        read({"name": "during", "send": ["news"]})


WRONG = [
    ({"name": "setup"}, "mcast_steps[0].name: setup is a phase of every run"),
    ({}, "mcast_steps[0].name: is missing"),
    ({"name": "a", "recieve": []}, "mcast_steps[0].recieve: is not known; expected one of "),
    ({"name": "a", "receive": ["nwes"]},
     "mcast_steps[0].receive.nwes: expected one of news, film, held, not 'nwes'; did"),
    ({"name": "a", "receive": {"nobody": ["news"]}}, "mcast_steps[0].receive.nobody: 'nobody' is neither a host nor"),
    ({"name": "a", "receive": {"tv": ["news"]}}, "mcast_steps[0].receive.tv.news: tv is not among the receivers of"),
    ({"name": "a", "receive": {"mon": {"news": {"only": ["beta"]}}}},
     "mcast_steps[0].receive.mon.news.only: is not known"),
    ({"name": "a", "receive": {"mon": {"news": {"include": ["10.0.0.1"]}}}},
     "mcast_steps[0].receive.mon.news.include: has no source for ff15::1; name senders, or an ipv6 address"),
    ({"name": "a", "receive": {"mon": {"news": {"include": [], "exclude": []}}}},
     "mcast_steps[0].receive.mon.news: expected i"),
    ({"name": "a", "receive": {"mon": {"news/ipv4": {"include": ["fd00::1"]}}}},
     "mcast_steps[0].receive.mon.news/ipv4.include: has no source for 239.1.1.1; name senders, or an ipv4 address"),
    ({"name": "a", "receive": {"mon": {"news": {"exclude": ["gamma"]}}}},
     "mcast_steps[0].receive.mon.news.exclude: 'gamma' is neither an address nor a sender of this stream"),
    ({"name": "a", "leave": {"mon": ["news"]}},
     "mcast_steps[0].leave.mon.news: mon does not receive news/ipv4 at this"),
    ({"name": "a", "send": {"alpha": {"news": {"ttl": 999}}}},
     "mcast_steps[0].send.alpha.news.sender-news%2Fipv4.sender.ttl"),
    ({"name": "a", "query": {"mon": "eth7"}},
     "mcast_steps[0].query.mon.eth7: expected one of eth0, eth1, not 'eth7'; did"),
    ({"name": "a", "query": {"mon": {"eth0": {"igmp_vresion": 2}}}},
     "mcast_steps[0].query.mon.eth0.querier-eth0.querier.igmp_vresion: is not known"),
    ({"name": "a", "start": {"mon": {"x": {"reciever": {}}}}}, "mcast_steps[0].start.mon.x.reciever: is not known"),
    ({"name": "a", "command": {"mon": {"argv": "reboot now"}}},
     "mcast_steps[0].command.mon.argv: expected a command and"),
    ({"name": "a", "expect": {"mon": {"member": "news"}}},
     "mcast_steps[0].expect.mon: expected a list of expectations"),
    ({"name": "a", "expect": {"mon": [{"membre": "news"}]}},
     "mcast_steps[0].expect.mon[0]: expected one of member, not_"),
    ({"name": "a", "expect": {"mon": [{"member": "news", "delay": {}}]}},
     "mcast_steps[0].expect.mon[0]: expected one word"),
    ({"name": "a", "expect": {"mon": [{"member": "eth0"}]}},
     "mcast_steps[0].expect.mon[0].member.eth0: membership.present"),
    ({"name": "a", "expect": {"mon": [{"member": {"news": {}, "nwes": {}}}]}},
     "mcast_steps[0].expect.mon[0].member.nwes: is neither a stream nor an interface, as the others here are"),
    ({"name": "a", "expect": {"mon": [{"reports": {"news": "jion"}}]}},
     "mcast_steps[0].expect.mon[0].reports.news: expected"),
    ({"name": "a", "expect": {"mon": [{"reports": {"news": "join"}}]}},
     "mcast_steps[0].expect.mon[0].reports.news: no receiver has this stream at this step"),
    ({"name": "a", "expect": {"mon": [{"queries": {"news": {"since": "b"}}}]}},
     "mcast_steps[0].expect.mon[0].queries.news.since: expected one of a, not 'b'"),
    ({"name": "a", "expect": {"mon": [{"delay": {"news": {"from": "jion", "to": "datagram", "at_most": 1}}}]}},
     "mcast_steps[0].expect.mon[0].delay.news.from: 'jion' is not an event; expected [first|last|next] WHAT"),
    ({"name": "a", "expect": {"mon": [{"delay": {"news": {"from": "query", "to": "datagram"}}}]}},
     "mcast_steps[0].expect.mon[0].delay.news: packets.delay: needs a bound"),
    ({"name": "a", "expect": {"mon": [{"queries": {"news": {"version": 1}}}]}},
     "mcast_steps[0].expect.mon[0].queries.news.version: MLD has no version beside IGMPv1"),
    ({"name": "a", "expect": {"mon": [{"packets.messages": {"kinds": ["igmp"]}}]}},
     "mcast_steps[0].expect.mon[0].packets.messages: which interface of mon is meant is not clear; add"),
    ({"name": "a", "expect": {"mon": [{"receives": {"news": {"alpha": 1, "beta": 2}}}]}},
     "mcast_steps[0].expect.mon[0].receives.news: expected one number for all senders, not 1, 2"),
    ({"name": "a", "expect": {"mon": [{"membership.held": {"news": "vlc", "held": 5}}]}},
     "mcast_steps[0].expect.mon[0].membership.held.held: membership.held.process: expected a text"),
]


@pytest.mark.parametrize(("step", "says"), WRONG, ids=[row[1][15:75] for row in WRONG])
def test_wrong_steps_are_named(step, says):
    with pytest.raises(McastError) as caught:
        plan.expected(read(step).checks, list(HOSTS))
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(("stated", "says"), [
    ({}, "mcast_steps: expected a list of steps"), (["a"], "mcast_steps[0]: expected a mapping"),
    ([{"name": "a"}, {"name": "a"}], "mcast_steps[1].name: a is there twice"),
    ([{"name": "during"}, {"name": "during"}], "mcast_steps[1].name: during is there twice"),
    ([{"name": ""}], "mcast_steps[0].name: expected 1 to 32 letters"),
    ([{"name": "a b"}], "mcast_steps[0].name: expected 1 to 32 letters"),
    ([{"name": "a" * 33}], "mcast_steps[0].name: expected 1 to 32 letters"),
])
def test_no_list_of_steps(stated, says):
    with pytest.raises(McastError) as caught:
        steps.read(stated, INVENTORY)
    assert str(caught.value).startswith(says)


JUNK = [None, True, 0, -1, 1.5, "", "news", "eth0", "mon", "x y", [], ["news"], [1], [[]], {}, {"news": {}}, {"": 1},
        {"mon": ["news"]}, {"from": "alpha"}, {1: 2}]


def mutated(draw, value, depth=0):
    """The value with something else in one place of it."""
    if not isinstance(value, (dict, list)) or not value or draw.random() < 0.15 * depth:
        return draw.choice(JUNK)
    key = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[key] = mutated(draw, value[key], depth + 1)
    return changed


def test_whatever_is_stated_is_read_or_refused_by_name():
    draw = random.Random(5)
    valid = [step for step, unused in WRONG]
    valid += [{"name": "one", "expect": {host: [expected]}, **acts} for acts, host, expected, *unused in EXPECTED]
    refused = 0
    for _case in range(6000):
        stated = [mutated(draw, draw.choice(valid)), *draw.sample(valid, 1)]
        try:
            plan.expected(steps.read(stated, INVENTORY).checks, list(HOSTS))
        except McastError as error:
            refused += 1
            assert str(error)
    assert refused > 3000
