# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import interfaces


@pytest.mark.parametrize("line, name, index, mtu, flags", [
    ("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000",
     "lo", 1, 65536, ["loopback", "lower_up", "running", "up"]),
    ("2: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000",
     "eth0", 2, 1500, ["broadcast", "lower_up", "multicast", "running", "up"]),
    ("2: eth0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue qlen 1000",
     "eth0", 2, 1500, ["broadcast", "lower_up", "multicast", "running", "up"]),
    ("12: eth0.10@eth0: <NO-CARRIER,BROADCAST,NOARP,ALLMULTI,PROMISC,UP> mtu 9000 qdisc noqueue state LOWERLAYERDOWN",
     "eth0.10", 12, 9000, ["allmulti", "broadcast", "noarp", "promisc", "up"]),
    ("3: ifb0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default qlen 32",
     "ifb0", 3, 1500, ["broadcast", "noarp"]),
    ("7: tun0: <> mtu 1420", "tun0", 7, 1420, []),
])
def test_ip_addr_link(line, name, index, mtu, flags):
    assert interfaces.ip_addr(f"{line}\n") == {
        name: {"index": index, "flags": flags, "mtu": mtu, "mac": None, "addresses": []}}


@pytest.mark.parametrize("word, known, name", [
    ("a@b@if2", None, "a@b"), ("a@b", None, "a"), ("a@b", "a@b", "a@b"), ("a@b@c", "a@b", "a@b"),
    ("@x@if3", "@x", "@x"), ("@x", None, "@x"), ("x@@if3", "x@", "x@"), ("eth0@if2", "other", "eth0"),
    ("eth0", "eth0", "eth0"),
])
def test_a_name_may_hold_what_stands_before_a_peer(word, known, name):
    assert set(interfaces.ip_addr(f"5: {word}: <UP> mtu 1500\n", {5: known} if known else {})) == {name}


@pytest.mark.parametrize("line, mac, addresses", [
    ("    link/ether 82:49:b4:11:19:a5 brd ff:ff:ff:ff:ff:ff link-netns mct-hf0b", "82:49:b4:11:19:a5", []),
    ("    link/none ", None, []),
    ("    inet 10.9.0.1/24 scope global eth0", None, [("10.9.0.1", 24)]),
    ("    inet 192.168.122.225/24 brd 192.168.122.255 scope global noprefixroute eth0", None,
     [("192.168.122.225", 24)]),
    ("    inet 10.8.0.6 peer 10.8.0.5/32 scope global tun0", None, [("10.8.0.6", 32)]),
    ("    inet6 fe80::8049:b4ff:fe11:19a5/64 scope link ", None, []),
    ("       valid_lft forever preferred_lft forever", None, []),
    ("    altname enp0s3", None, []),
])
def test_ip_addr_details(line, mac, addresses):
    found = interfaces.ip_addr(f"2: eth0: <UP> mtu 1500 qdisc noqueue\n{line}\n")["eth0"]
    assert found["mac"] == mac
    assert [(row["address"], row["prefix"]) for row in found["addresses"]] == addresses


def test_sysfs():
    text = "".join(f"/sys/class/net/{row}\n" for row in (
        "eth0/ifindex:2", "lo/ifindex:1", "eth0/flags:0x1303", "lo/flags:0x9", "eth0/mtu:1500", "lo/mtu:65536",
        "eth0/address:02:00:00:00:00:01", "lo/address:00:00:00:00:00:00", "eth0/operstate:down",
        "lo/operstate:unknown", "bonding_masters/mtu:3"))
    assert interfaces.sysfs(text) == {
        "eth0": {"index": 2, "flags": ["allmulti", "broadcast", "multicast", "promisc", "up"], "mtu": 1500,
                 "mac": "02:00:00:00:00:01", "addresses": []},
        "lo": {"index": 1, "flags": ["loopback", "running", "up"], "mtu": 65536,
               "mac": "00:00:00:00:00:00", "addresses": []}}


@pytest.mark.parametrize("line, name, address, prefix, tentative", [
    ("fe8000000000000000fc00fffe000001 04 40 20 80     eth0", "eth0", "fe80::fc:ff:fe00:1", 64, False),
    ("00000000000000000000000000000001 01 80 10 80       lo", "lo", "::1", 128, False),
    ("fd000000000000000000000000000002 04 40 00 82     eth0", "eth0", "fd00::2", 64, False),
    ("fe8000000000000000fc00fffe000001 0a 40 20 c0 long-interface0", "long-interface0", "fe80::fc:ff:fe00:1", 64, True),
    ("fd000000000000000000000000000002 100 40 00 82     eth0", "eth0", "fd00::2", 64, False),
])
def test_if_inet6(line, name, address, prefix, tentative):
    assert interfaces.if_inet6(f"{line}\n") == {
        name: [{"family": "ipv6", "address": address, "prefix": prefix, "tentative": tentative}]}


@pytest.mark.parametrize("line, index, mac, users", [
    ("2    eth0            1     0     333300000001", 2, "33:33:00:00:00:01", 1),
    ("2    eth0            3     1     01005e000064", 2, "01:00:5e:00:00:64", 3),
    ("14   ib0             1     0     00ffffffff12401bffff00000000000000000001", 14,
     "00:ff:ff:ff:ff:12:40:1b:ff:ff:00:00:00:00:00:00:00:00:00:01", 1),
])
def test_dev_mcast(line, index, mac, users):
    assert interfaces.dev_mcast(f"{line}\n") == {index: [{"mac": mac, "users": users}]}


def test_conf():
    text = "/proc/sys/net/ipv4/conf/all/rp_filter:0\n/proc/sys/net/ipv4/conf/eth0.10/rp_filter:2\n"
    assert interfaces.conf(text) == {"all": 0, "eth0.10": 2}
    assert interfaces.conf(None) == {}


@pytest.mark.parametrize("parse, text", [
    (interfaces.ip_addr, "Usage: ip [ OPTIONS ] OBJECT\n"),
    (interfaces.ip_addr, "2: eth0: UP mtu 1500\n"),
    (interfaces.sysfs, "/sys/class/net/eth0/ifindex:two\n"),
    (interfaces.sysfs, "eth0:2\n"),
    (interfaces.if_inet6, "fe80::1 04 40 20 80 eth0\n"),
    (interfaces.dev_mcast, "2 eth0 1 0 3333000000011\n"),
    (interfaces.conf, "/proc/sys/net/ipv4/conf/all/rp_filter:\n"),
])
def test_odd_text_is_refused(parse, text):
    with pytest.raises(McastError):
        parse(text)
