# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Group addresses: the link-layer address, the ranges, SSM, and names."""
from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import group
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError

# RFC 1112 section 6.4 and RFC 2464 section 7; every one of the 23 bits, and those that are left out.
MACS = [
    ("239.0.0.100", "01:00:5e:00:00:64"),
    ("224.10.1.1", "01:00:5e:0a:01:01"),
    ("224.0.0.1", "01:00:5e:00:00:01"),
    ("239.255.255.255", "01:00:5e:7f:ff:ff"),
    ("224.127.255.255", "01:00:5e:7f:ff:ff"),
    ("224.128.0.0", "01:00:5e:00:00:00"),
    ("225.138.1.1", "01:00:5e:0a:01:01"),
    ("232.1.2.3", "01:00:5e:01:02:03"),
    ("ff02::1", "33:33:00:00:00:01"),
    ("ff15::100", "33:33:00:00:01:00"),
    ("ff02::1:ff84:2b1", "33:33:ff:84:02:b1"),
    ("FF3E::8000:1", "33:33:80:00:00:01"),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "33:33:ff:ff:ff:ff"),
]


@pytest.mark.parametrize(("address", "mac"), MACS)
def test_mac(address, mac):
    assert group.mac(address) == mac
    assert group.mac(ipaddress.ip_address(address)) == mac


@pytest.mark.parametrize(("address", "mac"), [row for row in MACS if "." in row[0]])
def test_32_groups_share_each_mac_and_lead_back_to_it(address, mac):
    sharing = group.groups_of_mac(mac)
    assert len(set(sharing)) == 32
    assert address in sharing
    assert {group.mac(each) for each in sharing} == {mac}
    assert sharing == sorted(sharing, key=ipaddress.ip_address)
    assert group.groups_of_mac(mac.upper()) == sharing


def test_every_low_bit_counts_and_no_high_one():
    base = group.mac("224.0.0.0")
    assert all(group.mac(ipaddress.IPv4Address(0xe0000000 | 1 << bit)) != base for bit in range(23))
    assert all(group.mac(ipaddress.IPv4Address(0xe0000000 | 1 << bit)) == base for bit in range(23, 28))
    base = group.mac("ff00::")
    assert all(group.mac(ipaddress.IPv6Address((0xff << 120) + (1 << bit))) != base for bit in range(32))
    assert all(group.mac(ipaddress.IPv6Address((0xff << 120) + (1 << bit))) == base for bit in range(32, 120))


@pytest.mark.parametrize("mac", ["33:33:00:00:00:01", "01:00:5e:80:00:00", "01:80:c2:00:00:00", "ff:ff:ff:ff:ff:ff",
                                 "01-00-5e-00-00-01", "", "eth0", "01:00:5e:00:00:00:01"])
def test_other_macs_carry_no_ipv4_group(mac):
    with pytest.raises(McastError, match="expected 01:00:5e:00:00:00 to 01:00:5e:7f:ff:ff"):
        group.groups_of_mac(mac)


@pytest.mark.parametrize(("address", "says"), [
    ("192.168.122.181", "not a multicast group; expected an address of 224.0.0.0/4 or ff00::/8"),
    ("223.255.255.255", "not a multicast group"),
    ("240.0.0.0", "not a multicast group"),
    ("255.255.255.255", "not a multicast group"),
    ("fe80::1", "not a multicast group"),
    ("::ffff:239.0.0.100", "not a multicast group"),
    ("239.0.0", "a group is one of 224.0.0.0/4 or ff00::/8"),
    ("239.0.0.256", "a group is one of"),
    ("239.0.0.100/32", "a group is one of"),
    ("239.0.0.100 ", "a group is one of"),
    ("", "a group is one of"),
    ("hello", "a group is one of"),
    ("ff02::1%eth0", "ff00::/8"),
])
@pytest.mark.parametrize("function", [
    group.parse, group.family, group.mac, group.scope, group.is_ssm, group.is_link_local, group.is_reported,
    group.is_kernel_own, group.iana_name])
def test_what_is_no_group_is_refused_by_every_function(function, address, says):
    with pytest.raises(McastError) as error:
        function(address)
    assert error.value.thing == address
    assert says in str(error.value)


# group: scope, SSM, link-local, reported, name. First and last of each range of RFC 5771 and the registry.
RANGES = [
    ("224.0.0.0", "link-local", False, True, False, None),
    ("224.0.0.1", "link-local", False, True, False, "all-systems"),
    ("224.0.0.13", "link-local", False, True, False, "all-pim-routers"),
    ("224.0.0.22", "link-local", False, True, False, "igmp"),
    ("224.0.0.255", "link-local", False, True, False, None),
    ("224.0.1.0", "internetwork-control", False, False, True, None),
    ("224.0.1.1", "internetwork-control", False, False, True, "ntp"),
    ("224.0.1.255", "internetwork-control", False, False, True, None),
    ("224.0.2.0", "ad-hoc-1", False, False, True, None),
    ("224.0.255.255", "ad-hoc-1", False, False, True, None),
    ("224.1.0.0", "reserved", False, False, True, None),
    ("224.2.127.254", "sdp-sap", False, False, True, "sap"),
    ("224.3.0.0", "ad-hoc-2", False, False, True, None),
    ("224.4.255.255", "ad-hoc-2", False, False, True, None),
    ("224.5.0.0", "reserved", False, False, True, None),
    ("231.255.255.255", "reserved", False, False, True, None),
    ("232.0.0.0", "ssm", True, False, True, None),
    ("232.255.255.255", "ssm", True, False, True, None),
    ("233.0.0.0", "glop", False, False, True, None),
    ("233.251.255.255", "glop", False, False, True, None),
    ("233.252.0.0", "test-net", False, False, True, None),
    ("233.252.0.255", "test-net", False, False, True, None),
    ("233.252.1.0", "ad-hoc-3", False, False, True, None),
    ("233.255.255.255", "ad-hoc-3", False, False, True, None),
    ("234.0.0.1", "unicast-prefix", False, False, True, None),
    ("235.0.0.0", "reserved", False, False, True, None),
    ("238.255.255.255", "reserved", False, False, True, None),
    ("239.0.0.100", "administratively-scoped", False, False, True, None),
    ("239.191.255.255", "administratively-scoped", False, False, True, None),
    ("239.192.0.0", "organization-local", False, False, True, None),
    ("239.195.255.255", "organization-local", False, False, True, None),
    ("239.196.0.0", "administratively-scoped", False, False, True, None),
    ("239.255.255.0", "local", False, False, True, None),  # not NTP's
    ("239.255.255.250", "local", False, False, True, "ssdp"),
    ("ff00::1", "reserved", False, True, False, None),
    ("ff01::1", "interface-local", False, True, False, "all-nodes"),
    ("ff02::1", "link-local", False, True, False, "all-nodes"),
    ("ff02::2", "link-local", False, True, True, "all-routers"),
    ("ff02::16", "link-local", False, True, True, "all-mldv2-capable-routers"),
    ("ff02::1:ff84:2b1", "link-local", False, True, True, "solicited-node"),
    ("ff12::1", "link-local", False, True, True, None),
    ("ff03::1", "realm-local", False, False, True, None),
    ("ff04::1", "admin-local", False, False, True, None),
    ("ff05::101", "site-local", False, False, True, "ntp"),
    ("ff05::1:3", "site-local", False, False, True, "dhcp-servers"),
    ("ff15::101", "site-local", False, False, True, None),
    ("ff06::1", "unassigned", False, False, True, None),
    ("ff08::fb", "organization-local", False, False, True, "mdns"),
    ("ff0d::1", "unassigned", False, False, True, None),
    ("ff0e::101", "global", False, False, True, "ntp"),
    ("ff0f::1", "reserved", False, False, True, None),
    ("ff30::1", "reserved", True, True, False, None),
    ("ff32::8000:1", "link-local", True, True, True, None),
    ("ff35::1", "site-local", True, False, True, None),
    ("ff3e::8000:1", "global", True, False, True, None),
    ("ff3e:0:ffff::1", "global", True, False, True, None),
    ("ff3e:1::1", "global", False, False, True, None),  # RFC 3306: /32 ends before this bit
    ("ff3e:30:2001:db8::1", "global", False, False, True, None),
    ("ff7e::1", "global", False, False, True, None),  # RFC 3956, embedded RP
]


@pytest.mark.parametrize(("address", "scope", "ssm", "link_local", "reported", "name"), RANGES)
def test_ranges(address, scope, ssm, link_local, reported, name):
    assert group.scope(address) == scope
    assert group.is_ssm(address) is ssm
    assert group.is_link_local(address) is link_local
    assert group.is_reported(address) is reported
    assert group.iana_name(address) == name
    assert group.family(address) == ("ipv6" if ":" in address else "ipv4")


@pytest.mark.parametrize(("address", "own"), [
    ("224.0.0.1", True), ("224.0.0.2", False), ("224.0.0.22", False), ("239.0.0.100", False), ("ff01::1", True),
    ("ff02::1", True), ("ff02::2", True), ("ff05::2", True), ("ff02::1:ff00:0", True), ("ff02::1:ffff:ffff", True),
    ("224.0.0.106", True),
    ("ff02::6a", True), ("ff02::1:fe00:1", False), ("ff02::2:ff00:1", False), ("ff02::16", False), ("ff15::1", False),
])
def test_what_the_kernel_joins_for_itself(address, own):
    assert group.is_kernel_own(address) is own


def test_every_ipv4_group_has_a_scope():
    for first in range(224, 240):
        for second in range(256):
            assert group.scope(f"{first}.{second}.0.0")


def test_spellings_are_one_group():
    assert group.parse("FF15:0:0::0064") == group.parse("ff15::64")
    assert str(group.parse("FF15:0:0::0064")) == "ff15::64"
