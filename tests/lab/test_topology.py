# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module topology: what `ip` and the kernel say of the labs that it makes, mends and removes."""
from __future__ import annotations

import copy
import ipaddress
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import netns
from ansible_collections.mcast.lab.plugins.module_utils.netlink import Netlink
from ansible_collections.mcast.lab.plugins.module_utils.topology import settle
from probe import answers
from waiting import until

SEGMENTS = {"lan": {"ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64"}, "spare": {"ipv4": "10.9.0.0/29"}, "bare": {}}
HOSTS = {
    "client": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "192.168.122.181"}}},
    "server": {"interfaces": {"eth0": {"segment": "lan", "ipv6": "fd00:122::99"}, "eth1": {"segment": "spare"},
                              "tap": {"segment": "bare"}}},
    "routers": {"interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "spare", "ipv4": "10.9.0.6"}}},
}


def lab_of(name, segments=None, hosts=None):
    return {"name": name, "segments": segments or SEGMENTS, "hosts": hosts or HOSTS}


def owned(name):
    return [each for each in netns.names() if each.split(".")[0] == name]


def state(name, ip):
    """The whole of a lab as `ip` shows it: per namespace and link its state, MAC, master and addresses."""
    found = {}
    for namespace in owned(name):
        links = {}
        for link in ip("-n", namespace, "address", "show"):
            addresses = ["%s/%d" % (each["local"], each["prefixlen"]) for each in link["addr_info"]
                         if each["scope"] == "global"]
            links[link["ifname"]] = {
                "up": "UP" in link["flags"], "mac": link["address"], "master": link.get("master"),
                "kind": link.get("linkinfo", {}).get("info_kind"), "alias": link.get("ifalias"),
                "addresses": addresses}
        found[namespace] = links
    return found


def expected(lab):
    """The same, from what the user wrote, with the addresses and names that settling gave."""
    settled = settle(lab, lab["name"])
    loopback = {"up": True, "mac": "00:00:00:00:00:00", "master": None, "kind": None,
                "alias": "mcast.lab:" + lab["name"], "addresses": []}
    found = {lab["name"]: {"lo": loopback}}
    switches = found[lab["name"]]
    for segment in settled["segments"].values():
        switches[segment["bridge"]] = {"up": True, "master": None, "kind": "bridge", "alias": None, "addresses": []}
    for host in settled["hosts"].values():
        links = found[host["namespace"]] = {"lo": dict(loopback)}
        for name, interface in host["interfaces"].items():
            cable = {"up": True, "master": None, "kind": "veth", "alias": None, "addresses": []}
            links[name] = dict(cable, mac=interface["mac"], addresses=[
                interface[family] for family in ("ipv4", "ipv6") if interface[family]])
            switches[interface["port"]] = dict(cable, master=settled["segments"][interface["segment"]]["bridge"])
    return found


def flat(found):
    return {(name, link, str(sorted(body.items()))) for name, links in found.items() for link, body in links.items()}


def without_switch_macs(found, name):
    for link, body in found[name].items():
        if link != "lo":
            del body["mac"]
    return found


@pytest.fixture
def stands(module, ip):
    """stands(LAB): the lab is as it is written, and a further run says so."""
    def look(lab):
        have, want = without_switch_macs(state(lab["name"], ip), lab["name"]), expected(lab)
        # As sets, so that a failure shows what differs and nothing else.
        assert flat(have) ^ flat(want) == set()
        again = module("topology", lab)
        assert again.pop("topology") == settle(lab, lab["name"])
        assert again == {"changed": False, "made": False, "diff": {"before": {}, "after": {}}}
    return look


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
    assert diff["after"]["interfaces"]["%s.client eth0" % lab_name] == {
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
        assert answers(lab_name + ".server", address)


def test_switches_say_nothing_and_hosts_speak_at_once(lab_name, module, ip):
    """A bridge has no address of its own; a host's address is usable in the moment it is made."""
    module("topology", lab_of(lab_name))
    assert [each for link in ip("-n", lab_name, "-6", "address") for each in link["addr_info"]
            if link["ifname"] != "lo"] == []
    assert not [each for link in ip("-n", lab_name + ".server", "-6", "address") for each in link["addr_info"]
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
    "everything deleted": (["netns delete {lab}"] + ["netns delete {lab}.%s" % host for host in HOSTS], [
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
        subprocess.run(["ip", "-n", lab_name + ".client", "link", "del", "eth1"], check=False,
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
    second = lab_of(first["name"] + "-b")
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
    "hosts": ("lan", ["h" * 128, "h" * 127 + "i", "a.b-c_d", "0", "routers", "group", "x0123456789abcd"]),
    "a long segment": ("s" * 128, ["client"]),
    "a segment named as the loopback": ("lo", ["lo", "default"]),
    "a segment of 15 characters": ("fifteen-chars-x", ["client"]),
    "a segment of 16 characters": ("sixteen-chars-xx", ["client"]),
}


@pytest.mark.parametrize("name", LONG)
def test_unusual_names(lab_name, changed, stands, name):
    segment, hosts = LONG[name]
    lab = lab_of(lab_name, {segment: {"ipv4": "10.0.0.0/24"}, segment[:-1] + "~"[:0] + "2": {"ipv6": "fd00::/64"}}, {
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


@pytest.mark.parametrize("suffix", ["", ".client"])
def test_a_foreign_namespace_of_the_same_name_is_refused_and_never_touched(lab_name, module, ip, suffix):
    foreign = lab_name + suffix
    ip("netns", "add", foreign)
    ip("-n", foreign, "link", "add", "keep", "type", "bridge")
    inode = os.stat(netns.path(foreign)).st_ino
    for options in ({}, {"state": "absent"}):
        for check in (True, False):
            result = module("topology", dict(lab_of(lab_name), **options), check=check)
            assert bool(result.get("failed")) == (not options)
            if not options:
                assert "network namespace %s: is there already" % foreign in result["msg"]
                assert "ip netns delete %s" % foreign in result["msg"]
            assert owned(lab_name) == [foreign]
            assert os.stat(netns.path(foreign)).st_ino == inode
            assert [link["ifname"] for link in ip("-n", foreign, "link")] == ["lo", "keep"]


@pytest.mark.parametrize("stood", [False, True])
def test_a_lab_that_could_not_be_finished_tells_who_began_it(lab_name, module, stood):
    lab = lab_of(lab_name)
    if stood:
        module("topology", lab)
    in_the_way = Path("/run/mcast-ssh", lab_name)
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.symlink_to("/nowhere")
    try:
        result = module("topology", dict(lab, connection="ssh"))
    finally:
        in_the_way.unlink()
    assert result["failed"] and result["made"] != stood, result
    assert owned(lab_name)


def test_a_foreign_namespace_beside_the_lab_stays(lab_name, module, ip):
    """Its name looks as if it were a host of the lab, or is the mark of another lab's."""
    lab = lab_of(lab_name)
    module("topology", lab)
    others = [lab_name + ".other", lab_name + ".marked"]
    for other in others:
        ip("netns", "add", other)
    ip("-n", others[1], "link", "set", "lo", "alias", "mcast.lab:another")
    assert not module("topology", lab)["changed"]
    module("topology", {"name": lab_name, "state": "absent"})
    assert owned(lab_name) == sorted(others)


def test_a_stale_file_in_the_place_of_a_namespace_is_refused(lab_name, module):
    path = netns.path(lab_name + ".client")
    with open(path, "w"):
        pass
    try:
        assert "is there already" in module("topology", lab_of(lab_name))["msg"]
        assert owned(lab_name) == [lab_name + ".client"]
    finally:
        os.unlink(path)


def test_absent_ends_the_processes_and_leaves_nothing(lab_name, module):
    module("topology", lab_of(lab_name))
    inodes = [os.stat(netns.path(name)).st_ino for name in owned(lab_name)]
    ready = "import sys, time; print(flush=True); time.sleep(60)"
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + ready
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
        module("topology", lab_of(lab_name, hosts={name: HOSTS[name] for name in ("server", "routers")}))
        assert goes.wait(10) == -signal.SIGTERM
        assert stays.poll() is None
    finally:
        for process in (goes, stays):
            with process:
                process.kill()


def many(count, segments=3):
    networks = {"s%d" % number: {"ipv4": "10.%d.0.0/22" % number, "ipv6": "fd00:%d::/64" % number}
                for number in range(segments)}
    return networks, {"h%d" % number: {"interfaces": {
        "eth%d" % one: {"segment": segment} for one, segment in enumerate(networks)}} for number in range(count)}


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


@pytest.mark.parametrize("more", [5, 6, 7, 8, 15, 30, 40])
def test_a_failure_in_the_middle_is_one_message_and_mended_by_the_next_run(lab_name, module, forked, stands, more):
    """The kernel refuses further descriptors, at different steps of the work."""
    lab = lab_of(lab_name, *many(20, 1))

    def starved():
        limit = len(os.listdir("/proc/self/fd")) + more
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        return module("topology", lab)

    result = forked(starved)
    assert result["failed"] and "Too many open files" in result["msg"], result
    assert "changed" in module("topology", lab)
    stands(lab)


def test_a_link_of_another_kind_in_the_place_of_a_cable_is_replaced(lab_name, module, stands, ip):
    module("topology", lab_of(lab_name, hosts={"client": HOSTS["client"]}))
    ip("-n", lab_name, "tuntap", "add", "server~eth1", "mode", "tap")
    assert "changed" in module("topology", lab_of(lab_name))
    stands(lab_of(lab_name))


@pytest.mark.parametrize("request_number", [1, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 26])
def test_a_run_that_is_killed_is_mended_by_the_next(lab_name, module, stands, monkeypatch, request_number):
    """Whatever stands by then, the next run completes. (Killed between the file of a namespace and its mount, the next
    run tells to remove that file.)"""
    sent = []
    request = Netlink._request

    def counted(self, *args):
        sent.append(args)
        if len(sent) == request_number:
            os.kill(os.getpid(), signal.SIGKILL)
        return request(self, *args)

    with monkeypatch.context() as patched, pytest.raises(ValueError):  # no result
        patched.setattr(Netlink, "_request", counted)
        module("topology", lab_of(lab_name))
    assert "changed" in module("topology", lab_of(lab_name))
    stands(lab_of(lab_name))


# What is wrong: options beside the good ones, and what the message must name.
BAD = {
    "no such segment": ({"hosts": {"a": {"interfaces": {"eth0": {"segment": "lna"}}}}},
                        "hosts.a.interfaces.eth0.segment: expected one of lan, spare, bare, not 'lna'"),
    "address elsewhere": ({"hosts": {"a": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "10.0.0.1"}}}}},
                          "hosts.a.interfaces.eth0.ipv4: 10.0.0.1 is no host address of segment lan"),
    "no address": ({"hosts": {"a": {"interfaces": {"eth0": {"segment": "lan", "ipv6": "wrong"}}}}},
                   "hosts.a.interfaces.eth0.ipv6: expected an"),
    "no network": ({"segments": {"lan": {"ipv4": "192.168.122.1/24"}}},
                   "segments.lan.ipv4: expected an IPv4 network: 192.168.122.1/24 has host bits set"),
    "no family": ({"segments": {"lan": {"ipx": "1"}}}, "segments.lan.ipx: is not known"),
    "interface too long": ({"hosts": {"a": {"interfaces": {"e" * 16: {"segment": "lan"}}}}},
                           "hosts.a.interfaces.%s: is no usable name" % ("e" * 16)),
    "host with a slash": ({"hosts": {"../a": {"interfaces": {}}}}, "hosts.../a: is no usable name of a host"),
    "host of the controller's name": ({"hosts": {"localhost": {"interfaces": {}}}}, "hosts.localhost: is no usable"),
    "no hosts": ({"hosts": {}}, "hosts: expected at least one host"),
    "hosts of nothing": ({"hosts": None}, "hosts: is missing"),
    "segment full": ({"segments": {"lan": {"ipv4": "10.0.0.0/30"}}, "hosts": {
        name: {"interfaces": {"eth0": {"segment": "lan"}}} for name in "abc"}},
        "hosts.c.interfaces.eth0.ipv4: 10.0.0.0/30 has no free address left"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_nothing_is_made(lab_name, module, name):
    options, message = BAD[name]
    for check in (True, False):
        result = module("topology", dict(lab_of(lab_name), **options), check=check)
        assert result["failed"] and message in result["msg"]
    assert owned(lab_name) == []


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a/b", "x" * 65, "ü"])
def test_no_name_for_a_lab(module, name):
    before = set(netns.names())
    assert "name: expected" in module("topology", lab_of(name))["msg"]
    assert not module("topology", {"name": name, "state": "absent"}).get("changed")
    assert all(each.startswith("mct") for each in set(netns.names()) - before)  # other tests run meanwhile


def test_addresses_are_drawn_in_the_files_order(lab_name, module):
    settled = module("topology", lab_of(lab_name, *many(3, 1)), check=True)["topology"]
    drawn = [host["interfaces"]["eth0"] for host in settled["hosts"].values()]
    assert [each["ipv4"] for each in drawn] == ["10.0.0.%d/22" % number for number in (1, 2, 3)]
    assert [ipaddress.ip_interface(each["ipv6"]).ip.exploded[-4:] for each in drawn] == ["0001", "0002", "0003"]
