# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multicast group addresses: what they mean, and the link-layer address that carries them.

Every function takes a group as text or as an ``ipaddress`` object and raises McastError where it is not a group.
"""
from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Union

from .error import McastError

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Group = Union[str, Address]

# RFC 5771 and the IANA registry of IPv4 multicast addresses; first match wins, so the narrow come first.
_SCOPES_IPV4 = [(ipaddress.ip_network(net), name) for net, name in (
    ("224.0.0.0/24", "link-local"),
    ("224.0.1.0/24", "internetwork-control"),
    ("224.0.0.0/16", "ad-hoc-1"),
    ("224.2.0.0/16", "sdp-sap"),
    ("224.3.0.0/16", "ad-hoc-2"),
    ("224.4.0.0/16", "ad-hoc-2"),
    ("232.0.0.0/8", "ssm"),
    ("233.252.0.0/24", "test-net"),
    ("233.252.0.0/14", "ad-hoc-3"),
    ("233.0.0.0/8", "glop"),
    ("234.0.0.0/8", "unicast-prefix"),
    ("239.255.0.0/16", "local"),
    ("239.192.0.0/14", "organization-local"),
    ("239.0.0.0/8", "administratively-scoped"),
    ("224.0.0.0/4", "reserved"),
)]

# RFC 4291 section 2.7 and RFC 7346: the low nibble of the second byte.
_SCOPES_IPV6 = {
    1: "interface-local", 2: "link-local", 3: "realm-local", 4: "admin-local",
    5: "site-local", 8: "organization-local", 14: "global",
}

# IANA registries "IPv4 Multicast Address Space" and "IPv6 Multicast Address Space", the ones met on real hosts.
_NAMES = {
    "224.0.0.1": "all-systems", "224.0.0.2": "all-routers", "224.0.0.4": "dvmrp-routers",
    "224.0.0.5": "ospf-routers", "224.0.0.6": "ospf-designated-routers", "224.0.0.9": "rip2-routers",
    "224.0.0.10": "eigrp-routers", "224.0.0.12": "dhcp-server-relay-agent", "224.0.0.13": "all-pim-routers",
    "224.0.0.18": "vrrp", "224.0.0.22": "igmp", "224.0.0.102": "hsrp", "224.0.0.106": "all-snoopers",
    "224.0.0.107": "ptp-pdelay", "224.0.0.251": "mdns", "224.0.0.252": "llmnr",
    "224.0.1.1": "ntp", "224.0.1.39": "cisco-rp-announce", "224.0.1.40": "cisco-rp-discovery",
    "224.0.1.129": "ptp-primary", "224.0.1.130": "ptp-alternate-1", "224.0.1.131": "ptp-alternate-2",
    "224.0.1.132": "ptp-alternate-3", "224.2.127.254": "sap", "239.255.255.250": "ssdp",
    "239.255.255.253": "slp",
    "ff01::1": "all-nodes", "ff02::1": "all-nodes", "ff01::2": "all-routers", "ff02::2": "all-routers",
    "ff05::2": "all-routers", "ff02::4": "dvmrp-routers", "ff02::5": "ospf-routers",
    "ff02::6": "ospf-designated-routers", "ff02::9": "rip-routers", "ff02::a": "eigrp-routers",
    "ff02::d": "all-pim-routers", "ff02::12": "vrrp", "ff02::16": "all-mldv2-capable-routers",
    "ff02::6a": "all-snoopers", "ff02::6b": "ptp-pdelay", "ff02::1:2": "dhcp-server-relay-agent",
    "ff02::1:3": "llmnr", "ff05::1:3": "dhcp-servers",
}
# The same in every IPv6 scope (ff0X::), keyed by the group identifier.
_NAMES_ANY_SCOPE = {0xc: "ssdp", 0xfb: "mdns", 0x101: "ntp", 0x116: "slp", 0x181: "ptp-primary"}
_SOLICITED_NODE = ipaddress.ip_network("ff02::1:ff00:0/104")
_KERNEL_OWN = {"224.0.0.1", "224.0.0.106", "ff01::1", "ff01::2", "ff02::1", "ff02::2", "ff02::6a", "ff05::2"}
_SSM_IPV4 = ipaddress.ip_network("232.0.0.0/8")


@lru_cache(maxsize=4096)
def parse(group: Group) -> Address:
    """group: ``"239.0.0.100"`` or ``"FF15::64"``. Returns the ipaddress object; McastError if it is not a group."""
    try:
        address = ipaddress.ip_address(group)
    except ValueError:
        raise McastError(str(group), "is not an IPv4 or IPv6 address; a group is one of 224.0.0.0/4 or "
                                     "ff00::/8") from None
    if not address.is_multicast or getattr(address, "scope_id", None):
        raise McastError(str(group), "is not a multicast group; expected an address of 224.0.0.0/4 or ff00::/8")
    return address


@lru_cache(maxsize=4096)
def family(group: Group) -> str:
    """Returns ``"ipv4"`` or ``"ipv6"``."""
    return f"ipv{parse(group).version}"


@lru_cache(maxsize=4096)
def mac(group: Group) -> str:
    """The link-layer group: the low 23 bits of an IPv4 group (RFC 1112 section 6.4), the low 32 of an IPv6 one
    (RFC 2464 section 7). Returns ``"01:00:5e:00:00:64"``."""
    address = parse(group)
    number = int(address)
    value = 0x01005e000000 | number & 0x7fffff if address.version == 4 else 0x333300000000 | number & 0xffffffff
    text = f"{value:012x}"
    return ":".join(text[i:i + 2] for i in range(0, 12, 2))


def groups_of_mac(link_group: str) -> list[str]:
    """The 32 IPv4 groups that share ``"01:00:5e:00:00:64"``, in order. McastError for any other kind of MAC
    (2^80 IPv6 groups share each 33:33 address: those are not listed)."""
    try:
        number = int(link_group.replace(":", ""), 16)
    except ValueError:
        number = -1
    if number >> 23 != 0x01005e000000 >> 23:
        raise McastError(link_group, "is not the MAC of an IPv4 group; expected 01:00:5e:00:00:00 to 01:00:5e:7f:ff:ff")
    low = number & 0x7fffff
    return [str(ipaddress.IPv4Address(0xe0000000 | high << 23 | low)) for high in range(32)]


@lru_cache(maxsize=4096)
def scope(group: Group) -> str:
    """The range that the group lies in: IPv4 by RFC 5771, IPv6 by its scope nibble (RFC 7346).

    Returns a word such as ``"link-local"``, ``"administratively-scoped"``, ``"ssm"``, ``"global"``; an IPv6 scope
    without a name is ``"unassigned"`` (or ``"reserved"`` for 0 and f)."""
    address = parse(group)
    if address.version == 4:
        return next(name for net, name in _SCOPES_IPV4 if address in net)
    nibble = address.packed[1] & 0xf
    return _SCOPES_IPV6.get(nibble, "reserved" if nibble in (0, 15) else "unassigned")


def is_ssm(group: Group) -> bool:
    """True for source-specific groups: 232.0.0.0/8 and ff3x::/32 (RFC 4607 section 1)."""
    address = parse(group)
    if address.version == 4:
        return address in _SSM_IPV4
    return address.packed[1] >> 4 == 3 and address.packed[2:4] == b"\0\0"


def is_link_local(group: Group) -> bool:
    """True where routers never forward: 224.0.0.0/24, and IPv6 scopes 0, 1 and 2."""
    address = parse(group)
    return scope(address) == "link-local" if address.version == 4 else address.packed[1] & 0xf <= 2


def is_reported(group: Group) -> bool:
    """True where hosts report membership: IGMP leaves out 224.0.0.1 (RFC 9776 section 6; Linux leaves out all of
    224.0.0.0/24 where net.ipv4.igmp_link_local_mcast_reports is 0), MLD ff02::1 and scopes 0 and 1 (RFC 9777
    section 6)."""
    address = parse(group)
    if address.version == 4:
        return not is_link_local(address)
    return address.packed[1] & 0xf > 1 and address != ipaddress.ip_address("ff02::1")


def is_kernel_own(group: Group) -> bool:
    """True for what a Linux kernel joins for itself on every interface that is up: all-systems, all-nodes and
    the solicited-node groups of its addresses (net/ipv4/igmp.c ip_mc_up, net/ipv6/mcast.c ipv6_mc_up,
    net/ipv6/addrconf.c addrconf_join_solict); the IPv6 router groups once it forwards (addrconf.c dev_forward_change);
    and the all-snoopers groups on a bridge that snoops (net/bridge/br_multicast.c br_multicast_join_snoopers)."""
    address = parse(group)
    return str(address) in _KERNEL_OWN or address.version == 6 and address in _SOLICITED_NODE


@lru_cache(maxsize=4096)
def iana_name(group: Group) -> str | None:
    """The group's registered name where it is well known, else None: ``"ntp"`` for 224.0.1.1 and ff05::101."""
    address = parse(group)
    known = _NAMES.get(str(address))
    if known or address.version == 4:
        return known
    if address in _SOLICITED_NODE:
        return "solicited-node"
    if address.packed[1] >> 4 == 0:
        return _NAMES_ANY_SCOPE.get(int(address) & (1 << 112) - 1)
    return None
