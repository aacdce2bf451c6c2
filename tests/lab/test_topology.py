# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module topology: what `ip` and the kernel say of the labs that it makes, mends and removes."""
from __future__ import annotations

import copy
import ipaddress
import os
import random
import signal
import subprocess
import sys

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from probe import answers
from topology_lab import HOSTS, SEGMENTS, lab_of, many, offload, owned, state
from waiting import until


@pytest.fixture
def changed(module, ip):
    """changed(OPTIONS): run the module, after check mode has foretold the same and changed nothing."""
    def run(options):
        before, stood = state(options["name"], ip), options["name"] in netns.names()
        foretold = module("topology", options, check=True)
        assert state(options["name"], ip) == before
        done = module("topology", options)
        assert done.get("changed"), done
        assert foretold == done
        assert options.get("state") == "absent" or done["made"] != stood
        return done["diff"]
    return run


def test_up_and_down(lab_name, changed, stands, ip):
    lab = lab_of(lab_name)
    diff = changed(lab)
    assert diff["before"] == {}
    assert diff["after"]["namespaces"] == dict.fromkeys(owned(lab_name), "present")
    assert diff["after"]["switches"] == {"lan": "present", "spare": "present", "bare": "present"}
    assert diff["after"]["interfaces"][f"{lab_name}.client eth0"] == {
        "segment": "lan", "addresses": ["192.168.122.181/24", "fd00:122::1/64"]}
    stands(lab)

    inodes = [os.stat(netns.path(name)).st_ino for name in owned(lab_name)]
    diff = changed({"name": lab_name, "state": "absent"})
    assert diff["before"]["namespaces"] == dict.fromkeys(diff["before"]["namespaces"], "present")
    assert len(diff["before"]["namespaces"]) == 4 and diff["after"] == {}
    assert owned(lab_name) == [] and netns.processes(inodes) == {}


def test_absent_is_idempotent(lab_name, module):
    assert not module("topology", {"name": lab_name, "state": "absent"})["changed"]


def test_the_hosts_reach_each_other(lab_name, module):
    module("topology", lab_of(lab_name))
    for address in ("192.168.122.181", "fd00:122::1", "10.9.0.6"):
        assert answers(f"{lab_name}.server", address)


def test_switches_say_nothing_and_hosts_speak_at_once(lab_name, module, ip):
    """A bridge has no address of its own; a host's address is usable in the moment it is made."""
    module("topology", lab_of(lab_name))
    assert [each for link in ip("-n", lab_name, "-6", "address") for each in link["addr_info"]
            if link["ifname"] != "lo"] == []
    assert not [each for link in ip("-n", f"{lab_name}.server", "-6", "address") for each in link["addr_info"]
                if each.get("tentative")]


# drift: words of ip with {lab} in them, and the names of the interfaces or namespaces that the diff must tell
DRIFT = {
    "address removed": (["-n {lab}.client address del 192.168.122.181/24 dev eth0"], ["client eth0"]),
    "IPv6 address removed": (["-n {lab}.server address del fd00:122::99/64 dev eth0"], ["server eth0"]),
    "all addresses gone": (["-n {lab}.server address flush dev eth0"], ["server eth0"]),
    "address too many": (["-n {lab}.client address add 192.168.122.7/24 dev eth0"], ["client eth0"]),
    "other prefix": (["-n {lab}.client address del 192.168.122.181/24 dev eth0",
                      "-n {lab}.client address add 192.168.122.181/16 dev eth0"], ["client eth0"]),
    "link down": (["-n {lab}.server link set eth0 down"], ["server eth0"]),
    "port down": (["-n {lab} link set server~eth0 down"], ["server eth0"]),
    "bridge down": (["-n {lab} link set lan down"], ["lan"]),
    "port pulled": (["-n {lab} link set client~eth0 nomaster"], ["client eth0"]),
    "port in the wrong switch": (["-n {lab} link set client~eth0 master spare"], ["client eth0"]),
    "interface deleted": (["-n {lab}.routers link del eth1"], ["routers eth1"]),
    "interface renamed": (["-n {lab}.routers link set eth1 down", "-n {lab}.routers link set eth1 name old"],
                          ["routers eth1"]),
    "interface moved away": (["-n {lab}.routers link set eth1 netns {lab}.client"], ["routers eth1"]),
    "bridge deleted": (["-n {lab} link del lan"], ["lan", "client eth0", "server eth0", "routers eth0"]),
    "host deleted": (["netns delete {lab}.server"], ["server", "server eth0", "server eth1", "server tap"]),
    "two hosts deleted": (["netns delete {lab}.server", "netns delete {lab}.client"],
                          ["client", "server", "client eth0", "server eth0", "server eth1", "server tap"]),
    "switches deleted": (["netns delete {lab}"], [
        "", "lan", "spare", "bare", "client eth0", "server eth0", "server eth1", "server tap", "routers eth0",
        "routers eth1"]),
    "everything deleted": (["netns delete {lab}"] + [f"netns delete {{lab}}.{host}" for host in HOSTS], [
        "", "lan", "spare", "bare", "client", "server", "routers", "client eth0", "server eth0", "server eth1",
        "server tap", "routers eth0", "routers eth1"]),
    "further bridge": (["-n {lab} link add more type bridge"], ["more"]),
}


def told(diff, lab):
    """What a diff speaks of: hosts and interfaces without the name of the lab, the switches' namespace as ""."""
    return {name[len(lab):].lstrip(".") if name.startswith(lab) else name
            for half in diff.values() for part in half.values() for name in part}


def cables_are_whole(name, ip):
    """False while the kernel still clears a namespace that was deleted."""
    ends = [(namespace == name) for namespace, links in state(name, ip).items() for body in links.values()
            if body["kind"] == "veth"]
    return ends.count(True) == ends.count(False)


@pytest.mark.parametrize("drift", DRIFT)
def test_drift_is_mended_and_nothing_else_touched(lab_name, module, changed, stands, ip, drift):
    lab = lab_of(lab_name)
    module("topology", lab)
    commands, names = DRIFT[drift]
    for words in commands:
        subprocess.run(["ip", *words.format(lab=lab_name).split()], check=True)
    until(lambda: cables_are_whole(lab_name, ip))
    assert told(changed(lab), lab_name) == set(names)
    stands(lab)


@pytest.mark.parametrize(("host", "link"), [(".client", "eth0"), ("", "client~eth0")])
def test_checksums_are_filled_in_on_both_ends_of_a_standing_lab(lab_name, module, changed, stands, host, link):
    lab = lab_of(lab_name)
    module("topology", lab)
    offload(lab_name + host, link, wanted=True)
    diff = changed(lab)
    path = {f"{lab_name}.client eth0": {"checksum_offload": True}}
    assert diff["before"] == {"interfaces": path} and told(diff, lab_name) == {"client eth0"}
    stands(lab)


def test_any_drifts_together_are_mended(lab_name, module, stands):
    lab = lab_of(lab_name)
    draw = random.Random(20260)
    rows = [words for commands, unused in DRIFT.values() for words in commands]
    for _unused in range(12):
        for words in draw.sample(rows, draw.randrange(1, 9)):
            # One that the others have made impossible changes nothing.
            subprocess.run(["ip", *words.format(lab=lab_name).split()], check=False, stderr=subprocess.DEVNULL)
        result = module("topology", lab)
        assert "failed" not in result, result
        # An interface that lies in the wrong host is no business of the topology, once the cable is renewed.
        subprocess.run(["ip", "-n", f"{lab_name}.client", "link", "del", "eth1"], check=False,
                       stderr=subprocess.DEVNULL)
        stands(lab)


def changed_topologies():
    segments, hosts = copy.deepcopy(SEGMENTS), copy.deepcopy(HOSTS)
    del segments["spare"], hosts["server"]["interfaces"]["eth1"], hosts["routers"]["interfaces"]["eth1"]
    yield "segment gone", segments, hosts
    yield "host gone", SEGMENTS, {name: HOSTS[name] for name in ("client", "routers")}
    yield "interface gone", SEGMENTS, dict(HOSTS, server={"interfaces": {"tap": {"segment": "bare"}}})
    yield "in another segment", SEGMENTS, dict(HOSTS, client={"interfaces": {"eth0": {"segment": "spare"}}})
    yield "other networks", dict(SEGMENTS, lan={"ipv4": "172.16.0.0/12"}), {
        name: {"interfaces": {"eth0": {"segment": "lan"}}} for name in HOSTS}
    yield "no segment in common", {"wire": {"ipv4": "10.1.1.0/31"}}, {
        "client": {"interfaces": {"eth0": {"segment": "wire"}}}, "new": {"interfaces": {"eth0": {"segment": "wire"}}}}
    yield "no interfaces", {}, {"client": {"interfaces": {}}}


@pytest.mark.parametrize("other", [list(row)[1:] for row in changed_topologies()],
                         ids=[row[0] for row in changed_topologies()])
def test_the_lab_follows_its_topology_there_and_back(lab_name, module, changed, stands, other):
    module("topology", lab_of(lab_name))
    changed(lab_of(lab_name, *other))
    stands(lab_of(lab_name, *other))
    changed(lab_of(lab_name))
    stands(lab_of(lab_name))


def test_two_labs_side_by_side_with_hosts_named_alike(new_lab_name, module, stands):
    # One name begins with the other: only the dot tells whose a host is.
    first = lab_of(new_lab_name())
    second = lab_of(f"{first['name']}-b")
    try:
        for lab in (first, second):
            module("topology", lab)
        stands(first)
        stands(second)
        module("topology", {"name": first["name"], "state": "absent"})
        assert owned(first["name"]) == []
        stands(second)
    finally:
        for lab in (first, second):
            module("topology", {"name": lab["name"], "state": "absent"})
    assert owned(second["name"]) == []


LONG = {
    "hosts": ("lan", ["h" * 128, f"{'h' * 127}i", "a.b-c_d", "0", "routers", "group", "x0123456789abcd"]),
    "a long segment": ("s" * 128, ["client"]),
    "a segment named as the loopback": ("lo", ["lo", "default"]),
    "a segment of 15 characters": ("fifteen-chars-x", ["client"]),
    "a segment of 16 characters": ("sixteen-chars-xx", ["client"]),
}


@pytest.mark.parametrize("name", LONG)
def test_unusual_names(lab_name, changed, stands, name):
    segment, hosts = LONG[name]
    lab = lab_of(lab_name, {segment: {"ipv4": "10.0.0.0/24"}, f"{segment[:-1]}2": {"ipv6": "fd00::/64"}}, {
        host: {"interfaces": {"eth0": {"segment": segment}, "a-long-name.100": {"segment": segment}}}
        for host in hosts})
    changed(lab)
    stands(lab)
    changed({"name": lab_name, "state": "absent"})
    assert owned(lab_name) == []


def test_the_longest_name_of_a_lab(new_lab_name, module, stands):
    lab = lab_of(new_lab_name().ljust(64, "x"), hosts={"h" * 128: HOSTS["client"]})
    module("topology", lab)
    try:
        stands(lab)
    finally:
        module("topology", {"name": lab["name"], "state": "absent"})
    assert owned(lab["name"]) == []


def test_absent_ends_the_processes_and_leaves_nothing(lab_name, module):
    module("topology", lab_of(lab_name))
    inodes = [os.stat(netns.path(name)).st_ino for name in owned(lab_name)]
    ready = "import sys, time; print(flush=True); time.sleep(60)"
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {ready}"
    processes = [subprocess.Popen(["ip", "netns", "exec", lab_name + host, sys.executable, "-c", code],
                                  stdout=subprocess.PIPE) for host, code in
                 (("", ready), (".client", ready), (".client", stubborn), (".server", ready))]
    bystander = subprocess.Popen([sys.executable, "-c", ready], stdout=subprocess.PIPE)
    try:
        for process in processes + [bystander]:
            process.stdout.read(1)
        assert set(netns.processes(inodes)) == {process.pid for process in processes}
        foretold = module("topology", {"name": lab_name, "state": "absent"}, check=True)
        assert [process.poll() for process in processes] == [None] * 4
        done = module("topology", {"name": lab_name, "state": "absent"})
        assert foretold == done
        # Asked first: who ends at once is not killed.
        assert [process.wait(10) for process in processes] == [
            -signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL, -signal.SIGTERM]
        assert bystander.poll() is None
    finally:
        for process in processes + [bystander]:
            with process:
                process.kill()
    assert owned(lab_name) == []


def test_a_host_that_goes_takes_its_processes_along_and_no_others(lab_name, module):
    module("topology", lab_of(lab_name))
    goes, stays = (subprocess.Popen(["ip", "netns", "exec", lab_name + host, "sleep", "60"])
                   for host in (".client", ".server"))
    try:
        for process, host in ((goes, ".client"), (stays, ".server")):
            inside = f"net:[{os.stat(netns.path(lab_name + host)).st_ino}]"
            until(lambda pid=process.pid, inside=inside: os.readlink(f"/proc/{pid}/ns/net") == inside)
        module("topology", lab_of(lab_name, hosts={name: HOSTS[name] for name in ("server", "routers")}))
        assert goes.wait(10) == -signal.SIGTERM
        assert stays.poll() is None
    finally:
        for process in (goes, stays):
            with process:
                process.kill()


def test_many_hosts(lab_name, module, changed, stands):
    segments, hosts = many(50)
    lab = lab_of(lab_name, segments, hosts)
    changed(lab)
    stands(lab)
    fewer = lab_of(lab_name, segments, {name: hosts[name] for name in list(hosts)[::5]})
    changed(fewer)
    stands(fewer)
    changed(lab)
    stands(lab)
    changed({"name": lab_name, "state": "absent"})
    assert owned(lab_name) == []


def test_a_link_of_another_kind_in_the_place_of_a_cable_is_replaced(lab_name, module, stands, ip):
    module("topology", lab_of(lab_name, hosts={"client": HOSTS["client"]}))
    ip("-n", lab_name, "tuntap", "add", "server~eth1", "mode", "tap")
    assert "changed" in module("topology", lab_of(lab_name))
    stands(lab_of(lab_name))


def test_addresses_are_drawn_in_the_files_order(lab_name, module):
    settled = module("topology", lab_of(lab_name, *many(3, 1)), check=True)["topology"]
    drawn = [host["interfaces"]["eth0"] for host in settled["hosts"].values()]
    assert [each["ipv4"] for each in drawn] == [f"10.0.0.{number}/22" for number in (1, 2, 3)]
    assert [ipaddress.ip_interface(each["ipv6"]).ip.exploded[-4:] for each in drawn] == ["0001", "0002", "0003"]
