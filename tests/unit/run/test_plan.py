# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold, derived from the streams alone."""
from __future__ import annotations

import json

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import stream
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge, plan
from ansible_collections.mcast.lab.plugins.plugin_utils.run.inventory import Host

DOCUMENT = {
    "segments": {"lan": {"ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64"}, "wan": {"ipv4": "10.0.0.0/8"}},
    "hosts": {
        "client": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "192.168.122.181"}}},
        "server": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "192.168.122.225"}}},
        "routers": {"interfaces": {"left": {"segment": "lan"}, "right": {"segment": "wan"}}},
        "an.idle.host": {"interfaces": {"eth0": {"segment": "wan"}}},
    },
}
HOSTS = topology.settle(DOCUMENT, "lab")["hosts"]
SERVER = {"server": Host()}
HELLO = {"group": "239.0.0.100", "port": 11111, "from": "client", "to": ["server"], "count": 1}


def derive(streams, hosts=tuple(HOSTS), **known):
    settled = stream.settle(streams, {"all": list(HOSTS)}, lambda host: HOSTS[host]["interfaces"])
    return plan.derive(settled, {host: known.get(host, Host()) for host in hosts})


def identifiers(planned):
    return [check["id"] for check in planned]


def test_two_hosts():
    planned = derive({"hello": HELLO}, ["client", "server"])
    assert identifiers(planned) == [
        "client/before/interface.settings/eth0",
        "server/before/interface.settings/eth0",
        "server/before/membership.absent/239.0.0.100/eth0",
        "client/during/membership.difference",
        "client/during/membership.explained",
        "client/during/delivery.sent/hello/239.0.0.100/eth0",
        "server/during/membership.present/239.0.0.100/eth0",
        "server/during/mapping.programmed/239.0.0.100/eth0",
        "server/during/membership.difference",
        "server/during/membership.explained",
        "server/during/socket.listening/239.0.0.100/11111",
        "server/during/delivery.received/hello/239.0.0.100/eth0",
        "server/during/packets.reports/239.0.0.100/eth0",
        "client/after/membership.difference",
        "client/after/packets.datagrams/hello/239.0.0.100/eth0",
        "server/after/membership.absent/239.0.0.100/eth0",
        "server/after/membership.difference",
        "server/after/packets.reports/239.0.0.100/eth0",
        "server/after/packets.datagrams/hello/239.0.0.100/eth0",
        "server/after/packets.order/hello/239.0.0.100/eth0",
        "client/ended/packets.captured/eth0",
        "server/ended/packets.captured/eth0",
    ]
    params = {check["id"].partition("/")[2]: check["params"] for check in planned if check["host"] == "server"}
    place = {"interface": "eth0", "group": "239.0.0.100"}
    assert params["during/membership.present/239.0.0.100/eth0"] == dict(place, filter_mode="exclude", sources=[])
    assert params["during/mapping.programmed/239.0.0.100/eth0"] == dict(place, mac="01:00:5e:00:00:64")
    assert params["during/membership.difference"] == {"joined": [place]}
    assert params["during/membership.explained"] == {"memberships": [place]}
    assert params["after/membership.difference"] == {"joined": []}
    assert params["during/delivery.received/hello/239.0.0.100/eth0"] == dict(
        place, stream="hello", port=11111, datagrams=1, sources=["192.168.122.181"])
    wire = dict(place, capture="capture-eth0")
    assert params["during/packets.reports/239.0.0.100/eth0"] == dict(
        wire, change="join", filter_mode="exclude", sources=[], exact=True)
    assert params["after/packets.datagrams/hello/239.0.0.100/eth0"] == dict(
        wire, stream="hello", port=11111, sources=["192.168.122.181"], count=1, mac="01:00:5e:00:00:64",
        payload="HELLO")


MANY = {
    "a": HELLO,
    "b": dict(HELLO, port=11112),  # the same membership, for another port
    "c": dict(HELLO, group="ff15::100", to={"server": None, "routers": "left"}),
    "d": dict(HELLO, group="232.1.1.1", to="server", sources=["client"]),
    "e": {"group": "239.0.0.100", "port": 1, "from": {"routers": "right"}, "to": "an.idle.host", "count": 7},
}


def test_every_planned_check_can_be_written_made_and_told_apart():
    planned = derive(MANY)
    assert len(set(identifiers(planned))) == len(planned)
    for check in json.loads(json.dumps(planned)):
        assert set(check) == {"id", "host", "phase", "check", "description", "severity", "params",
                              "wait"}
        assert judge.make(check["check"], check["params"]).describe() == check["description"]
        assert check["id"].startswith(f"{check['host']}/{check['phase']}/{check['check']}")
    order = [(plan.PHASES.index(check["phase"]), list(HOSTS).index(check["host"])) for check in planned]
    assert order == sorted(order)


def test_a_membership_is_judged_once_and_each_delivery():
    found = [each.split("/", 2)[2] for each in identifiers(derive(MANY)) if each.startswith("server/during")]
    assert sorted(found) == sorted([
        "membership.present/239.0.0.100/eth0", "mapping.programmed/239.0.0.100/eth0",
        "membership.present/ff15::100/eth0", "mapping.programmed/ff15::100/eth0",
        "membership.present/232.1.1.1/eth0", "mapping.programmed/232.1.1.1/eth0",
        "membership.difference", "membership.explained",
        "delivery.received/a/239.0.0.100/eth0", "delivery.received/b/239.0.0.100/eth0",
        "delivery.received/c/ff15::100/eth0", "delivery.received/d/232.1.1.1/eth0",
        "packets.reports/239.0.0.100/eth0", "packets.reports/ff15::100/eth0", "packets.reports/232.1.1.1/eth0",
        "socket.listening/239.0.0.100/11111", "socket.listening/239.0.0.100/11112",
        "socket.listening/ff15::100/11111", "socket.listening/232.1.1.1/11111"])


def test_a_firewall_is_judged_where_it_is_opened():
    found = [each["id"] for each in derive(MANY, server=Host(opens=True))
             if "/firewall." in each["id"]]
    places = ("239.0.0.100/11111", "239.0.0.100/11112", "ff15::100/11111", "232.1.1.1/11111")
    expected = [f"server/before/firewall.{check}/{place}" for check in ("listed", "open") for place in places]
    assert sorted(found) == sorted([*expected, "server/before/firewall.open/igmp", "server/before/firewall.open/mld"])
    found = [each["id"] for each in plan.derive([settled_stream(0)], {"server": Host(opens=True)})]
    assert "server/before/firewall.open/igmp" in found and "server/before/firewall.open/mld" not in found


@pytest.mark.parametrize(("ours", "severity"), [(True, "failure"), (False, "warning")])
def test_where_others_may_be_members_a_report_that_lacks_is_a_warning(ours, severity):
    planned = plan.derive([settled_stream(0)], {"server": Host(is_ours=ours)})
    found = {each["check"]: each["severity"] for each in planned if each["phase"] == "after"}
    assert found["packets.order"] == found["packets.reports"] == severity
    assert found["packets.datagrams"] == "failure"


def test_without_captures_no_packets_are_judged():
    others = dict.fromkeys(set(HOSTS) - {"client"}, Host(captures=False))
    found = [each["id"] for each in derive(MANY, **others)
             if "/packets." in each["id"]]
    assert found and all(each.startswith("client/") for each in found)
    assert "client/after/packets.datagrams/d/232.1.1.1/eth0" in found


# filter mode and sources of each stream that the server receives, whether the number of reports is certain
CERTAIN = [
    ([("exclude", [])], True),
    ([("exclude", []), ("exclude", [])], True),
    ([("exclude", ["10.0.0.1"])], False),
    ([("include", ["10.0.0.1"])], True),
    ([("include", ["10.0.0.1", "10.0.0.2"])], False),
    ([("include", ["10.0.0.1"]), ("include", ["10.0.0.1"])], False),
    ([("include", ["10.0.0.1"]), ("exclude", [])], False),
]


def settled_stream(number, group="239.0.0.100", mode="exclude", sources=(), senders=("10.0.0.1",), **more):
    return dict({"name": f"s{number}", "group": group, "port": 1, "count": 3, "interval": 0, "soak": 0, "ttl": 7,
                 "foreign": [],
                 "payload": "x", "filter_mode": mode, "sources": list(sources),
                 "receivers": {"server": {"interface": "eth0"}},
                 "senders": {f"h{n}": {"interface": "eth0", "address": address}
                             for n, address in enumerate(senders)}}, **more)


@pytest.mark.parametrize(("filters", "exact"), CERTAIN)
def test_of_which_membership_the_number_of_reports_is_certain(filters, exact):
    streams = [settled_stream(number, mode=mode, sources=sources) for number, (mode, sources) in enumerate(filters)]
    found = [check for check in plan.derive(streams, SERVER) if check["check"] == "packets.reports"]
    assert [(check["params"]["change"], check["params"]["exact"]) for check in found] == [
        ("join", exact), ("leave", exact)]


@pytest.mark.parametrize("group", ["224.0.0.251", "ff01::5"])
def test_what_is_never_reported_is_not_looked_for(group):
    found = {check["check"] for check in plan.derive([settled_stream(0, group=group)], SERVER)}
    assert "packets.datagrams" in found and not found & {"packets.reports", "packets.order"}


# the senders' addresses, filter mode and sources, host; sources that are told apart, number, TTL
ON_THE_WIRE = [
    (["10.0.0.1"], "exclude", [], "server", ["10.0.0.1"], {"count": 3}),
    (["10.0.0.1", "10.0.0.2"], "exclude", [], "server", ["10.0.0.1", "10.0.0.2"], {"count": 6}),
    (["10.0.0.1", "10.0.0.2"], "include", ["10.0.0.2"], "server", ["10.0.0.2"], {"count": 3}),
    ([None, "10.0.0.2"], "exclude", [], "server", [], {"count": 6}),
    ([None, "10.0.0.2"], "exclude", ["10.0.0.2"], "server", [], {"at_least": 3}),
    ([None, "10.0.0.2"], "include", ["10.0.0.2"], "server", [], {"at_least": 3}),
    (["10.0.0.1", "10.0.0.2"], "exclude", [], "h1", ["10.0.0.2"], {"count": 3, "ttl": 7}),
    ([None], "exclude", [], "h0", [], {"count": 3, "ttl": 7}),
    ([None, None], "exclude", [], "h0", [], {"at_least": 3}),
]


@pytest.mark.parametrize(("addresses", "mode", "sources", "host", "told", "number"), ON_THE_WIRE)
def test_which_datagrams_are_certain(addresses, mode, sources, host, told, number):
    stated = settled_stream(0, mode=mode, sources=sources, senders=addresses)
    planned = plan.derive([stated], {host: Host()})
    found, = (check["params"] for check in planned if check["check"] == "packets.datagrams")
    assert found["sources"] == told
    assert {key: found[key] for key in ("count", "at_least", "ttl") if key in found} == number


def test_where_nobody_is_heard_nothing_is_sought():
    stated = settled_stream(0, mode="exclude", sources=["10.0.0.1"])
    found = {check["check"] for check in plan.derive([stated], SERVER)}
    assert not found & {"packets.datagrams", "packets.order"}


def test_a_host_that_sends_and_receives_on_two_interfaces():
    stated = settled_stream(0, receivers={"h0": {"interface": "eth1"}})
    found = {check["check"]: check["params"]["capture"] for check in plan.derive([stated], {"h0": Host()})
             if check["phase"] == "after" and check["check"].startswith("packets.")}
    assert found == {"packets.datagrams": "capture-eth0", "packets.order": "capture-eth1",
                     "packets.reports": "capture-eth1"}


def test_several_interfaces():
    routers = [each for each in identifiers(derive(MANY)) if each.startswith("routers/")]
    assert routers[:3] == ["routers/before/interface.settings/left", "routers/before/interface.settings/right",
                           "routers/before/membership.absent/ff15::100/left"]
    assert "routers/during/delivery.sent/e/239.0.0.100/right" in routers
    assert "routers/during/delivery.received/c/ff15::100/left" in routers


def test_a_host_without_a_stream_must_join_nothing():
    assert identifiers(derive({"hello": HELLO}, ["an.idle.host"])) == [
        "an.idle.host/during/membership.difference", "an.idle.host/during/membership.explained",
        "an.idle.host/after/membership.difference"]


def test_what_others_may_do_on_a_host_that_is_not_ours_is_a_warning():
    checks = {check["id"]: check["severity"] for check in derive(
        {"hello": HELLO}, ["client", "server"], server=Host(is_ours=False))}
    assert {key for key, severity in checks.items() if severity == "warning"} == {
        "server/before/membership.absent/239.0.0.100/eth0", "server/during/membership.difference",
        "server/during/membership.explained", "server/after/membership.absent/239.0.0.100/eth0",
        "server/after/membership.difference", "server/during/packets.reports/239.0.0.100/eth0",
        "server/after/packets.reports/239.0.0.100/eth0", "server/after/packets.order/hello/239.0.0.100/eth0",
        "server/after/packets.checksums/hello/239.0.0.100/eth0"}


# the senders' addresses, filter mode, sources, who must be heard
HEARD = [
    (["10.0.0.1"], "exclude", [], ["10.0.0.1"]),
    (["10.0.0.1", "10.0.0.2"], "exclude", [], ["10.0.0.1", "10.0.0.2"]),
    (["10.0.0.1", "10.0.0.2"], "exclude", ["10.0.0.2"], ["10.0.0.1"]),
    (["10.0.0.1", "10.0.0.2"], "include", ["10.0.0.2"], ["10.0.0.2"]),
    (["10.0.0.1"], "include", ["10.0.0.9"], []),
    (["10.0.0.1"], "exclude", ["10.0.0.1"], []),
    ([None], "exclude", [], [None]),
    ([None, "10.0.0.1"], "include", ["10.0.0.1"], [None, "10.0.0.1"]),
]


@pytest.mark.parametrize(("addresses", "mode", "sources", "heard"), HEARD)
def test_who_must_be_heard(addresses, mode, sources, heard):
    settled = {
        "name": "hello", "group": "239.0.0.100", "port": 1, "count": 1, "interval": 0, "soak": 0, "ttl": 1,
        "foreign": [], "payload": "", "filter_mode": mode, "sources": sources,
        "receivers": {"server": {"interface": "eth0"}},
        "senders": {f"h{number}": {"interface": "eth0", "address": address}
                    for number, address in enumerate(addresses)}}
    found, = (check for check in plan.derive([settled], SERVER) if check["check"] == "delivery.received")
    assert found["params"]["sources"] == heard


def test_a_stream_that_lasts_is_waited_for():
    planned = plan.derive([settled_stream(0, soak=300.0)], SERVER)
    assert {check["wait"] for check in planned if check["check"].startswith("delivery.")} == {300}
    assert {check["wait"] for check in planned if not check["check"].startswith("delivery.")} == {0}


@pytest.mark.parametrize("group", ["224.0.0.1", "ff02::1"])
def test_what_the_kernel_holds_itself_is_neither_new_nor_ever_gone(group):
    planned = {check["check"]: check for check in plan.derive([settled_stream(0, group=group)], SERVER)}
    assert "membership.absent" not in planned and "membership.present" in planned
    assert planned["membership.difference"]["params"] == {"joined": []}


@pytest.mark.parametrize(("checks", "steps", "phases"), [
    ([], [], {"a": ["setup", "teardown"], "b": ["setup", "teardown"]}),
    ([("a", "own")], [], {"a": ["setup", "own", "teardown"], "b": ["setup", "teardown"]}),
    ([("b", "joined")], ["joined", "left"], dict.fromkeys("ab", ["setup", "joined", "left", "teardown"])),
    # A host that does not take part, whose check nobody can judge.
    ([("c", "own")], [], {"a": ["setup", "teardown"], "b": ["setup", "teardown"], "c": ["own"]}),
])
def test_the_phases_that_each_host_has_to_complete(checks, steps, phases):
    marks = plan.marks([{"host": host, "phase": phase} for host, phase in checks], ["a", "b"], steps)
    assert {(mark["host"], mark["phase"]) for mark in marks} == {
        (host, phase) for host, its in phases.items() for phase in its}
    assert len(marks) == sum(map(len, phases.values()))
