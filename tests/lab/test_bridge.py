# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `bridge` and the facts about bridges, with iproute2 and the bridge's own doings as witnesses."""
from __future__ import annotations

import json
import os
import subprocess
import time

import pytest
import verify_lab
from ansible_collections.mcast.lab.plugins.module_utils.kernel import bridges, sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

DEADLINE = 20


@pytest.fixture
def lan(lab_name, module):
    """A lab of a segment with two hosts; returns (name of the switches' namespace, function that runs the module)."""
    topology = {"name": lab_name, "segments": {"lan": {"ipv4": "10.3.0.0/24"}, "spare": {}}, "hosts": {
        host: {"interfaces": {"eth0": {"segment": "lan"}}} for host in ("h1", "h2")}}
    assert module("topology", topology)["changed"]

    def bridge(check=False, name="lan", **options):
        return module("bridge", dict(options, name=name), check=check, namespace=lab_name)
    return lab_name, bridge


def tell(namespace, *words):
    run = subprocess.run([words[0], "-n", namespace, "-d", "-j", "-s", *words[1:]], check=True, capture_output=True)
    return json.loads(run.stdout)


def linked(namespace, name="lan"):
    return tell(namespace, "ip", "link", "show", name)[0]["linkinfo"]


def gathered(namespace, name="lan"):
    run = subprocess.run(["ip", "netns", "exec", namespace, "/bin/sh", "-s"], input=sources.script(["bridges"]),
                         capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return facts(sources.split(run.stdout))["bridges"][name]


def until(look):
    """What `look` returns, once it is true."""
    end = time.monotonic() + DEADLINE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


ALL = {"snooping": True, "querier": True, "use_ifaddr": True, "igmp_version": 3, "mld_version": 2,
       "query_interval": 4.5, "startup_query_interval": 2.25, "query_response_interval": 1.5,
       "membership_interval": 30.0, "last_member_interval": 0.25, "querier_interval": 40.0, "startup_query_count": 3,
       "last_member_count": 4, "router": "always"}


def test_settings_as_ip_shows_them(lan):
    namespace, bridge = lan
    planned = bridge(check=True, **ALL)
    assert planned["changed"] and linked(namespace)["info_data"]["mcast_querier"] == 0
    done = bridge(**ALL)
    assert done["changed"] and done["diff"] == planned["diff"]
    data = linked(namespace)["info_data"]
    for table in (bridges.SWITCHES, bridges.NUMBERS):
        assert {key: data[key] for option, key in table.items() if option in ALL} == {
            key: ALL[option] for option, key in table.items() if option in ALL}
    wanted = pytest.approx({option: ALL[option] for option in bridges.INTERVALS}, abs=0.011)  # a tick of the kernel
    assert {option: data[key] / 100 for option, key in bridges.INTERVALS.items()} == wanted
    assert {option: done["bridge"][option] for option in bridges.INTERVALS} == wanted
    assert data["mcast_router"] == 2
    rest = {option: value for option, value in ALL.items() if option not in bridges.INTERVALS}
    assert {option: done["bridge"][option] for option in rest} == rest
    again = bridge(**ALL)
    assert not again["changed"] and again["diff"] == {"before": {}, "after": {}}
    found = gathered(namespace)
    assert {option: found[option] for option in ALL} == {option: done["bridge"][option] for option in ALL}
    assert found["queriers"]["ipv4"]["self"] is True and found["queriers"] == again["bridge"]["queriers"]


def test_what_follows_from_a_query_interval(lan):
    namespace, bridge = lan
    found = bridge(query_interval=1)["bridge"]
    assert {option: found[option] for option in bridges.INTERVALS} == pytest.approx({
        "query_interval": 1, "startup_query_interval": 1, "query_response_interval": 0.5, "membership_interval": 2.5,
        "querier_interval": 2.25, "last_member_interval": 1}, abs=0.011)
    found = bridge(query_interval=125, querier_interval=300)["bridge"]
    assert {option: found[option] for option in bridges.INTERVALS} == pytest.approx({
        "query_interval": 125, "startup_query_interval": 31.25, "query_response_interval": 10,
        "membership_interval": 260, "querier_interval": 300, "last_member_interval": 1}, abs=0.011)
    assert not bridge(query_interval=125, querier_interval=300)["changed"]


def test_ports_as_bridge_shows_them(lan):
    namespace, bridge = lan
    want = {"h1~eth0": {"router": "always", "fast_leave": True, "flood": False},
            "h2~eth0": {"router": "never", "to_unicast": True}}
    assert bridge(check=True, ports=want)["changed"]
    assert {row["mcast_router"] for row in tell(namespace, "bridge", "link")} == {1}
    result = bridge(ports=want)
    assert result["diff"]["after"]["lan"]["ports"] == want
    assert not bridge(ports=want)["changed"]
    shown = {row["ifname"]: row for row in tell(namespace, "bridge", "link")}
    assert [shown["h1~eth0"][key] for key in ("mcast_router", "fastleave", "mcast_flood", "mcast_to_unicast")] == [
        2, True, False, False]
    assert [shown["h2~eth0"][key] for key in ("mcast_router", "fastleave", "mcast_flood", "mcast_to_unicast")] == [
        0, False, True, True]
    for port, settings in want.items():
        assert settings.items() <= gathered(namespace)["ports"][port].items()
        assert settings.items() <= result["bridge"]["ports"][port].items()
    assert {"port": "h1~eth0", "type": "always", "timer": None} in gathered(namespace)["router_ports"]


def permanent(namespace):
    return sorted((row["grp"], row.get("src"), row["port"]) for part in tell(namespace, "bridge", "mdb", "show")
                  for row in part["mdb"] if row["state"] == "permanent")


def test_entries_as_bridge_shows_them(lan):
    namespace, bridge = lan
    want = [{"group": "239.0.0.100", "port": "h1~eth0"}, {"group": "ff15::100", "port": "h2~eth0"},
            {"group": "232.0.0.1", "port": "h2~eth0", "sources": ["10.3.0.7", "10.3.0.8"]},
            {"group": "ff3e::1", "port": "h1~eth0", "sources": ["fd00::1"]}]
    bridge(snooping=True, igmp_version=3, mld_version=2)
    assert bridge(check=True, entries=want)["changed"] and permanent(namespace) == []
    result = bridge(entries=want)
    assert not result.get("failed"), result["msg"]
    assert result["diff"] == {"before": {}, "after": {"lan": {"entries": dict.fromkeys((
        "239.0.0.100 on h1~eth0", "ff15::100 on h2~eth0", "232.0.0.1 from 10.3.0.7 on h2~eth0",
        "232.0.0.1 from 10.3.0.8 on h2~eth0", "ff3e::1 from fd00::1 on h1~eth0"), "permanent")}}}
    all_of_them = [("232.0.0.1", "10.3.0.7", "h2~eth0"), ("232.0.0.1", "10.3.0.8", "h2~eth0"),
                   ("239.0.0.100", None, "h1~eth0"), ("ff15::100", None, "h2~eth0"), ("ff3e::1", "fd00::1", "h1~eth0")]
    assert permanent(namespace) == all_of_them
    assert not bridge(entries=want, purge_entries=True)["changed"]
    assert not bridge(entries=want[:1])["changed"]
    assert bridge(entries=want[:1], purge_entries=True)["changed"]
    assert permanent(namespace) == [("239.0.0.100", None, "h1~eth0")]
    found, = (row for row in gathered(namespace)["entries"] if row["permanent"])
    assert (found["group"], found["port"], found["protocol"], found["timer"]) == (
        "239.0.0.100", "h1~eth0", "static", None)
    assert bridge(purge_entries=True)["changed"] and permanent(namespace) == []


@pytest.mark.parametrize("options, message", [
    ({"query_interval": 5, "query_response_interval": 5}, "query_response_interval: 5 s is not less than the query"),
    ({"query_response_interval": 125.5}, "query_response_interval: 125.5 s is not less than the query interval of 125"),
    ({"query_interval": 10, "membership_interval": 14}, "membership_interval: 14 s is shorter than the 15 s"),
    ({"query_interval": 10, "querier_interval": 5}, "querier_interval: 5 s is shorter than"),
    ({"query_interval": 0.5}, "query_interval: expected a number from 1 to 86400, not 0.5"),
    ({"query_interval": 2, "query_response_interval": 0.05}, "query_response_interval: expected a number from 0.1"),
    ({"name": "spare"}, "bridge spare: has no ports"),
    ({"name": "none"}, "bridge none: is not there; bridges here are: lan, spare"),
    ({"name": "h1~eth0"}, "bridge h1~eth0: is not a bridge but veth"),
    ({"ports": {"h3~eth0": {}}}, "ports.h3~eth0: h3~eth0 is not a port of bridge lan; its ports are h1~eth0, h2~eth0"),
    ({"ports": {"h1~eth0": {"speed": 1}}}, "ports.h1~eth0.speed: is not known"),
    ({"ports": {"h1~eth0": {"router": "yes"}}}, "ports.h1~eth0.router: expected one of never, learn, always"),
    ({"entries": [{"group": "239.0.0.1"}]}, "entries[0].port: is missing"),
    ({"entries": [{"group": "10.0.0.1", "port": "h1~eth0"}]}, "entries[0].group: 10.0.0.1 is not a multicast group"),
    ({"entries": [{"group": "224.0.0.9", "port": "h1~eth0"}]}, "entries[0].group: 224.0.0.9 goes to every port anyway"),
    ({"entries": [{"group": "239.0.0.1", "port": "x"}]}, "entries: x is not a port of bridge lan"),
    ({"entries": [{"group": "232.0.0.1", "port": "h1~eth0", "sources": ["fd00::1"]}]},
     "entries[0].sources: expected the IPv4 address of a host, not 'fd00::1'"),
    ({"snooping": False, "entries": [{"group": "239.0.0.1", "port": "h1~eth0"}]}, "entries: can't be kept"),
])
def test_what_is_refused_changes_nothing(lan, options, message):
    namespace, bridge = lan
    before = tell(namespace, "ip", "link", "show", "type", "bridge")[0]["linkinfo"]["info_data"]
    result = bridge(**dict({"last_member_count": 7}, **options))
    assert result.get("failed") and result["msg"].startswith(message)
    after = tell(namespace, "ip", "link", "show", "type", "bridge")[0]["linkinfo"]["info_data"]
    assert {key: value for key, value in after.items() if "timer" not in key} == {
        key: value for key, value in before.items() if "timer" not in key}


def test_a_running_querier_begins_anew_with_its_new_intervals(lan, module):
    """Else the next query came after up to 125 s, those of the old interval."""
    namespace, bridge = lan
    bridge(snooping=True, querier=True, igmp_version=3)
    with joined(f"{namespace}.h1"):
        until(lambda: entry(namespace) is not None)
        bridge(query_interval=1)
        # A report before sets the timer to the old 260 s, one after to the new 2.5 s; queries alone keep it alive.
        until(lambda: (entry(namespace) or {"timer": 99})["timer"] <= 2.5)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert entry(namespace)
            time.sleep(0.1)


def entry(namespace, group="239.0.0.100"):
    return next((row for row in gathered(namespace)["entries"] if row["group"] == group), None)


class joined:
    """A member of 239.0.0.100."""

    def __init__(self, namespace):
        code = ("import socket, struct, sys\n"
                "held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "held.setsockopt(0, 35, socket.inet_aton('239.0.0.100') + struct.pack('=4xi', "
                "socket.if_nametoindex('eth0')))\nsys.stdin.read()\n")
        self.process = subprocess.Popen(["ip", "netns", "exec", namespace, "/usr/bin/python3", "-c", code],
                                        stdin=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        with self.process:
            self.process.stdin.close()


# Who says how often the querier asks: the bridge, which is to ask as often, or the check.
@pytest.mark.parametrize("settings, interval", [({"query_interval": 1}, {}), ({}, {"interval": 1})])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_querier_that_has_ended_is_remembered_and_does_not_pass(lan, module, family, settings, interval):
    """Within one query interval, and long before the bridge forgets it."""
    namespace, bridge = lan
    bridge(snooping=True, querier_interval=60, **settings)
    protocols = {"igmp_version": 3 if family == "ipv4" else 0, "mld_version": 2 if family == "ipv6" else 0}
    querier = dict(protocols, name="q", interface="eth0", query_interval=1, query_response_interval=0.5)
    check = judge.make("mdb.querier", {"bridge": "lan", "family": family, **interval})
    assert not module("querier", querier, namespace=f"{namespace}.h1").get("failed")
    until(lambda: check.judge({"bridges": {"lan": gathered(namespace)}})[0])
    with joined(f"{namespace}.h2"):
        module("querier", dict(querier, state="stopped"), namespace=f"{namespace}.h1")
        until(lambda: not check.judge({"bridges": {"lan": gathered(namespace)}})[0])
        remembered = gathered(namespace)["queriers"][family]
        assert remembered and remembered["timer"] > 30


def test_facts_as_bridge_mdb_has_them(lan):
    """The whole database, while a member is learned and another querier is heard."""
    namespace, bridge = lan
    bridge(snooping=True, igmp_version=3, query_interval=2, ports={"h2~eth0": {"router": "always"}},
           entries=[{"group": "239.0.0.101", "port": "h2~eth0"}])

    def both():
        """What bridge shows and what we find, unless a report has set a timer anew in between."""
        shown, = tell(namespace, "bridge", "mdb", "show")
        found = gathered(namespace)
        timers = {one["group"]: one["timer"] for one in found["entries"]}
        return all(timers[row["grp"]] is None if row["state"] == "permanent"
                   else 0 <= float(row["timer"]) - timers[row["grp"]] < 2 for row in shown["mdb"]) and (shown, found)

    with joined(f"{namespace}.h1"):
        until(lambda: entry(namespace))
        shown, found = until(both)
    assert sorted((row["grp"], row["port"], row["state"] == "permanent", row.get("filter_mode"), row["protocol"])
                  for row in shown["mdb"]) == sorted(
        (row["group"], row["port"], row["permanent"], row["filter_mode"], row["protocol"]) for row in found["entries"])
    assert [row["port"] for row in found["router_ports"]] == [row["port"] for row in shown["router"]["lan"]]
    assert found["queriers"] == {"ipv4": None, "ipv6": None}


def test_without_root_and_without_bridges(lan):
    namespace, unused = lan
    run = subprocess.run(["ip", "netns", "exec", f"{namespace}.h1", "/bin/sh", "-s"],
                         input=sources.script(["bridges"]), capture_output=True, text=True, check=True)
    assert facts(sources.split(run.stdout))["bridges"] == {}
    assert os.geteuid() == 0


def test_a_run_looks_for_a_querier_where_a_switch_snoops(inventory):
    """Streams pass all the same for as long as the first memberships last: the classic outage, seen beforehand."""
    folder = inventory()
    switch = {"snooping": True, "igmp_version": 3, "mld_version": 2}
    topology = dict(verify_lab.TOPOLOGY, segments=dict(verify_lab.TOPOLOGY["segments"], lan=dict(
        verify_lab.TOPOLOGY["segments"]["lan"], switch=switch)))
    (folder / "topology.yml").write_text(json.dumps(topology))
    ran = verify_lab.playbook(folder, "verify")
    judged = verify_lab.results(folder)
    assert verify_lab.not_passed(judged) == {
        "switch/during/mdb.querier/lan/ipv4", "switch/during/mdb.querier/lan/ipv6"}, ran.stdout + ran.stderr
    assert "no querier" in ran.stdout


def test_a_run_with_a_querier_on_the_switch_passes(inventory):
    folder = inventory()
    switch = {"snooping": True, "querier": True, "igmp_version": 3, "mld_version": 2, "query_interval": 1}
    topology = dict(verify_lab.TOPOLOGY, segments=dict(verify_lab.TOPOLOGY["segments"], lan=dict(
        verify_lab.TOPOLOGY["segments"]["lan"], switch=switch)))
    (folder / "topology.yml").write_text(json.dumps(topology))
    ran = verify_lab.playbook(folder, "verify")
    judged = verify_lab.results(folder)
    assert verify_lab.not_passed(judged) == set() and ran.returncode == 0, ran.stdout + ran.stderr
    assert {"switch/during/mdb.querier/lan/ipv4", "switch/during/mdb.querier/lan/ipv6"} <= {
        each["id"] for each in judged["results"]}


@pytest.mark.parametrize("segment, addresses", [
    ({"ipv6": "fd00:3::/64", "switch": {"querier": True}}, 1), ({"switch": {"querier": True, "mld_version": 2}}, 1),
    ({"ipv6": "fd00:3::/64", "switch": {"querier": False}}, 0), ({"switch": {"querier": True}}, 0),
    ({"ipv6": "fd00:3::/64"}, 0)])
def test_only_an_mld_querier_has_a_link_local_address(lab_name, module, segment, addresses):
    topology = {"name": lab_name, "segments": {"lan": segment, "plain": {"ipv6": "fd00:4::/64"}}, "hosts": {
        "h1": {"interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "plain"}}}}}
    assert module("topology", topology)["changed"] and not module("topology", topology)["changed"]
    found = {link["ifname"]: [address for address in link["addr_info"] if address["family"] == "inet6"]
             for link in tell(lab_name, "ip", "address", "show", "type", "bridge")}
    assert (len(found["lan"]), found["plain"]) == (addresses, [])
    assert not any(address.get("tentative") for address in found["lan"])


def test_an_mld_querier_on_a_bridge_is_heard(lab_name, module):
    """Its queries come, from the address that the facts tell; and it asks for no router."""
    options = {"snooping": True, "querier": True, "mld_version": 2, "query_interval": 1}
    topology = {"name": lab_name, "segments": {"lan": {"ipv6": "fd00:3::/64", "switch": options}}, "hosts": {
        host: {"interfaces": {"eth0": {"segment": "lan"}}} for host in ("h1", "h2")}}
    module("topology", topology)
    words = ["ip", "netns", "exec", f"{lab_name}.h2", "tcpdump", "-i", "eth0", "-n", "-l", "--immediate-mode", "ip6"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as capture:
        capture.stderr.readline()
        capture.stderr.readline()
        assert module("bridge", dict(options, name="lan"), namespace=lab_name)["changed"]
        lines, queries = [], 0
        while queries < 4:
            lines.append(capture.stdout.readline())
            queries += "multicast listener query v2" in lines[-1]
        capture.kill()
    querier = gathered(lab_name)["queriers"]["ipv6"]
    assert querier["self"] and querier["address"].startswith("fe80::")
    assert not [line for line in lines if "router solicitation" in line and querier["address"] in line]
    assert any("fe80" in line and querier["address"] in line for line in lines)
