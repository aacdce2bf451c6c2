# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The topology file: what is settled of it, and what is refused before anything is made."""
from __future__ import annotations

import copy
import ipaddress
import itertools
import re

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology


def document(hosts=None, **keys):
    """Two hosts on one segment, unless said otherwise."""
    found = {
        "plugin": "mcast.lab.topology",
        "segments": {"lan": {"ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64"}, "bare": None},
        "hosts": hosts or {"client": one(ipv4="192.168.122.181"), "server": one()},
    }
    found.update(keys)
    return found


def one(interface="eth0", segment="lan", **addresses):
    return {"interfaces": {interface: dict(addresses, segment=segment)}}


def addresses(settled, family):
    return [interface[family] for host in settled["hosts"].values() for interface in host["interfaces"].values()]


def test_two_hosts():
    given = document()
    before = copy.deepcopy(given)
    settled = topology.settle(given, "two_hosts")
    assert given == before
    server = settled["hosts"]["server"]["interfaces"]["eth0"]
    assert re.match(r"02(:[0-9a-f]{2}){5}\Z", server.pop("mac"))
    assert server == {"segment": "lan", "port": "server~eth0", "ipv4": "192.168.122.1/24", "ipv6": "fd00:122::2/64"}
    assert settled["hosts"]["server"]["namespace"] == "two_hosts.server"
    assert addresses(settled, "ipv4") == ["192.168.122.181/24", "192.168.122.1/24"]
    assert settled["segments"] == {
        "lan": {"bridge": "lan", "ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64", "switch": None},
        "bare": {"bridge": "bare", "ipv4": None, "ipv6": None, "switch": None}}
    assert topology.settle(given, "two_hosts") == topology.settle(given, "two_hosts")


# the segment's network, what hosts are given in the file's order (None: drawn), what they have in the end
DRAWN = [
    ("ipv4", "10.0.0.0/29", [None, None, None], ["10.0.0.1/29", "10.0.0.2/29", "10.0.0.3/29"]),
    ("ipv4", "10.0.0.0/29", [None, "10.0.0.1", None], ["10.0.0.2/29", "10.0.0.1/29", "10.0.0.3/29"]),
    ("ipv4", "10.0.0.0/29", ["10.0.0.1/29", None], ["10.0.0.1/29", "10.0.0.2/29"]),
    ("ipv4", "10.0.0.0/30", [None, None], ["10.0.0.1/30", "10.0.0.2/30"]),
    ("ipv4", "10.0.0.0/31", [None, "10.0.0.0"], ["10.0.0.1/31", "10.0.0.0/31"]),
    ("ipv4", "10.0.0.7/32", ["10.0.0.7"], ["10.0.0.7/32"]),
    ("ipv4", "10.0.0.0/8", [None, "10.255.255.254"], ["10.0.0.1/8", "10.255.255.254/8"]),
    ("ipv6", "fd00::/64", [None, "FD00:0::0001", None], ["fd00::2/64", "fd00::1/64", "fd00::3/64"]),
    ("ipv6", "fd00::/127", [None, None], ["fd00::/127", "fd00::1/127"]),
    ("ipv6", "fd00::/126", ["fd00::3", None], ["fd00::3/126", "fd00::1/126"]),
]


@pytest.mark.parametrize(("family", "network", "given", "have"), DRAWN)
def test_addresses_are_given_or_drawn(family, network, given, have):
    hosts = {f"h{number}": one(**{family: address}) for number, address in enumerate(given)}
    settled = topology.settle(document(hosts, segments={"lan": {family: network}}), "lab")
    assert addresses(settled, family) == have
    assert set(addresses(settled, "ipv6" if family == "ipv4" else "ipv4")) == {None}


def test_a_thousand_hosts_draw_a_thousand_addresses():
    hosts = {f"h{number}": one() for number in range(1000)}
    settled = topology.settle(document(hosts, segments={"lan": {"ipv4": "10.0.0.0/22", "ipv6": "fd00::/64"}}), "lab")
    for family in ("ipv4", "ipv6"):
        assert len(set(addresses(settled, family))) == 1000
        assert all(ipaddress.ip_interface(each).network in (
            ipaddress.ip_network("10.0.0.0/22"), ipaddress.ip_network("fd00::/64"))
            for each in addresses(settled, family))


def test_two_segments_of_one_network_share_no_address():
    segments = {"a": {"ipv4": "10.0.0.0/24"}, "b": {"ipv4": "10.0.0.0/24"}, "c": {"ipv4": "10.0.0.0/24"}}
    hosts = {f"h{number}": one(segment=segment) for number, segment in enumerate("abcabc")}
    drawn = addresses(topology.settle(document(hosts, segments=segments), "lab"), "ipv4")
    assert len({address.partition("/")[0] for address in drawn}) == 6


@pytest.mark.parametrize("host", ["routers", "r1", "R1", "1", "a.b.example.org", "a" * 128, "_x", "client-2", "lo",
                                  "hosts", "default"])
def test_names_of_hosts(host):
    settled = topology.settle(document({host: one(), "other": one()}), "lab")
    assert settled["hosts"][host]["namespace"] == f"lab.{host}"
    assert len(settled["hosts"][host]["interfaces"]["eth0"]["port"]) <= 15


@pytest.mark.parametrize(("name", "kernel"), [
    ("lan", "lan"), ("client~eth0", "client~eth0"), ("a" * 15, "a" * 15), ("a" * 16, None), ("lo", None),
    ("all", None), ("default", None), (".", None), ("..", None), ("a b", None), ("a/b", None), ("a:b", None),
    ("a%d", None), ("é" * 8, None), ("a\0", None), ("", None)])
def test_kernel_name(name, kernel):
    found = topology.kernel_name(name)
    assert found == kernel if kernel else re.match(r"x[0-9a-f]{14}\Z", found)
    assert topology.kernel_name(name) == found


def test_no_two_cables_share_a_name():
    """Names with dots, alike, and longer than the kernel's 15 characters; segments called as hosts."""
    names = ["a", "a.b", "a.b.c", "a-b", "b", "c", "very-long-name-of-a-host", "very-long-name-of-a-host2", "lan"]
    interfaces = ["c", "b.c", "b~c", "eth0", "an-interface-15"]
    hosts = {name: {"interfaces": {interface: {"segment": "lan"} for interface in interfaces}} for name in names}
    segments = {name: {"ipv4": f"10.0.{number}.0/24"} for number, name in enumerate(names)}
    settled = topology.settle(document(hosts, segments=segments), "lab")
    cables = [each for host in settled["hosts"].values() for each in host["interfaces"].values()]
    kernel = [cable["port"] for cable in cables] + [body["bridge"] for body in settled["segments"].values()]
    assert len(set(kernel)) == len(kernel)
    assert len({cable["mac"] for cable in cables}) == len(cables)
    assert max(map(len, kernel)) == 15


def test_two_labs_share_neither_namespaces_nor_macs():
    one_lab, other = (topology.settle(document(), name) for name in ("one", "other"))
    for first, second in itertools.product(one_lab["hosts"].values(), other["hosts"].values()):
        assert first["namespace"] != second["namespace"]
        assert first["interfaces"]["eth0"]["mac"] != second["interfaces"]["eth0"]["mac"]


def test_the_name_of_the_file_goes_before_the_folders():
    assert topology.settle(document(name="mine"), "folder")["name"] == "mine"
    assert topology.settle(document(), "folder")["name"] == "folder"


E0 = "hosts.client.interfaces.eth0"
# what is wrong: the document, the key that the message names, what it says
BAD = {
    "nothing": (None, "topology", "expected a mapping, not nothing"),
    "a list": (["plugin"], "topology", "expected a mapping"),
    "a text": ("plugin", "topology", "expected a mapping, not 'plugin'"),
    "no hosts": ({"segments": {}}, "topology.hosts", "is missing"),
    "no segments": ({"hosts": {}}, "topology.segments", "is missing"),
    "empty hosts": (dict(document(), hosts={}), "hosts", "expected at least one host"),
    "unknown key": (document(links={}), "topology.links", "expected one of plugin, name, connection, "
                    "segments, hosts, streams"),
    "unknown connection": (document(connection="telnet"), "connection", "expected one of netns, ssh, not 'telnet'"),
    "hosts a list": (document(["client"]), "hosts", "expected a mapping"),
    "segments a list": (document(segments=["lan"]), "segments", "expected a mapping"),
    "a lab's name": (document(name="my lab"), "name", "expected 1 to 64 letters, digits, _ or -"),
    "a lab's name with a dot": (document(name="a.b"), "name", "expected 1 to 64"),
    "a lab's long name": (document(name="a" * 65), "name", "expected 1 to 64"),
    "a lab's name is a number": (document(name=5), "name", "expected a text, not 5"),
    "network": (document(segments={"lan": {"ipv4": "192.168.122"}}), "segments.lan.ipv4", "expected an IPv4 network"),
    "host bits": (document(segments={"lan": {"ipv4": "10.0.0.1/24"}}), "segments.lan.ipv4", "expected an IPv4 network"),
    "family": (document(segments={"lan": {"ipv4": "fd00::/64"}}), "segments.lan.ipv4", "expected an IPv4 network"),
    "family 6": (document(segments={"lan": {"ipv6": "10.0.0.0/8"}}), "segments.lan.ipv6", "expected an IPv6 network"),
    "a number": (document(segments={"lan": {"ipv4": 10}}), "segments.lan.ipv4", "expected a text, not 10"),
    "groups": (document(segments={"lan": {"ipv4": "239.0.0.0/8"}}), "segments.lan.ipv4", "groups, not hosts"),
    "segment's key": (document(segments={"lan": {"ip": "10.0.0.0/8"}}), "segments.lan.ip", "one of ipv4, ipv6"),
    "segment's name": (document(segments={"a b": {}}), "segments.a b", "expected letters, digits"),
    "localhost": (document({"localhost": one()}), "hosts.localhost", "the controller's own name"),
    "all": (document({"all": one()}), "hosts.all", "Ansible has a group of this name"),
    "ungrouped": (document({"ungrouped": one()}), "hosts.ungrouped", "Ansible has a group of this name"),
    "a path": (document({"../etc": one()}), "hosts.../etc", "expected letters, digits"),
    "a long host": (document({"a" * 129: one()}), f"hosts.{'a' * 129}", "at most 128"),
    "a number as host": (document({1: one()}), "hosts.1", "put it in quotes"),
    "host of nothing": (document({"client": None}), "hosts.client", "expected a mapping, not nothing"),
    "no interfaces": (document({"client": {}}), "hosts.client.interfaces", "is missing"),
    "host's key": (document({"client": {"interface": {}}}), "hosts.client.interface", "expected one of interfaces"),
    "no segment": (document({"client": {"interfaces": {"eth0": {}}}}), f"{E0}.segment", "is missing"),
    "interface of nothing": (document({"client": {"interfaces": {"eth0": None}}}), E0, "expected a mapping"),
    "unknown segment": (document({"client": one(segment="wan")}), f"{E0}.segment",
                        "expected one of lan, bare, not 'wan'"),
    "interface's key": (document({"client": one(mtu=1500)}), f"{E0}.mtu", "expected one of segment, mac, ipv4, ipv6"),
    "long interface": (document({"client": one("a" * 16)}), f"hosts.client.interfaces.{'a' * 16}", "1 to 15 ASCII"),
    "long in bytes": (document({"client": one("é" * 8)}), f"hosts.client.interfaces.{'é' * 8}", "1 to 15 ASCII"),
    "loopback": (document({"client": one("lo")}), "hosts.client.interfaces.lo", "lo, all and default"),
    "outside": (document({"client": one(ipv4="192.168.123.1")}), f"{E0}.ipv4",
                "192.168.123.1 is not a host address of segment lan, 192.168.122.0/24"),
    "network address": (document({"client": one(ipv4="192.168.122.0")}), f"{E0}.ipv4", "is not a host address"),
    "broadcast": (document({"client": one(ipv4="192.168.122.255")}), f"{E0}.ipv4", "is not a host address"),
    "anycast": (document({"client": one(ipv6="fd00:122::")}), f"{E0}.ipv6", "is not a host address"),
    "other family": (document({"client": one(ipv4="fd00:122::1")}), f"{E0}.ipv4", "is not a host address"),
    "no address": (document({"client": one(ipv4="192.168.122")}), f"{E0}.ipv4", "expected an ipv4 address"),
    "number for address": (document({"client": one(ipv4=5)}), f"{E0}.ipv4", "expected a text, not 5"),
    "other prefix": (document({"client": one(ipv4="192.168.122.1/16")}), f"{E0}.ipv4",
                     "expected no prefix, or /24 of segment lan, not /16"),
    "used twice": (document({"client": one(ipv4="192.168.122.5"), "server": one(ipv4="192.168.122.5/24")}),
                   "hosts.server.interfaces.eth0.ipv4", f"192.168.122.5 is taken by {E0}.ipv4"),
    "mac of a group": (document({"client": one(mac="01:00:5e:00:00:01")}), f"{E0}.mac",
                       "locally administered MAC of one host"),
    "no mac": (document({"client": one(mac="02:00:00:00:01")}), f"{E0}.mac", "expected a locally administered MAC"),
    "mac used twice": (document({"client": one(mac="02:00:00:00:00:01"), "server": one(mac="02:00:00:00:00:01")}),
                       "hosts.server.interfaces.eth0.mac", f"02:00:00:00:00:01 is taken by {E0}.mac"),
    "bare segment": (document({"client": one(segment="bare", ipv6="fd00::1")}), f"{E0}.ipv6",
                     "segment bare has no ipv6 network"),
    "full": (document({"a": one(), "b": one(), "c": one()}, segments={"lan": {"ipv4": "10.0.0.0/30"}}),
             "hosts.c.interfaces.eth0.ipv4", "10.0.0.0/30 has no free address left"),
    "a network in another": (document({"client": one()}, segments={
        "lan": {"ipv4": "10.0.0.0/16"}, "b": {"ipv4": "10.9.0.0/24"}, "c": {"ipv4": "10.0.9.0/24"}}),
        "segments.c.ipv4", "10.0.9.0/24 is a part of 10.0.0.0/16 of segment lan"),
    "a network twice at a host": (document({"client": {"interfaces": {
        "eth0": {"segment": "lan"}, "eth1": {"segment": "b"}}}}, segments={
            "lan": {"ipv6": "fd00::/64"}, "b": {"ipv6": "fd00::/64"}}),
        "hosts.client.interfaces.eth1.segment", "has the network fd00::/64 of segment lan, on which client is too"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_key_and_what_was_expected(name):
    given, key, says = BAD[name]
    with pytest.raises(McastError) as error:
        topology.settle(given, "lab")
    assert error.value.thing == key
    assert says in error.value.reason
    assert str(error.value).count("\n") == 0
