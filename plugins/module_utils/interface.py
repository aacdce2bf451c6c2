# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of one interface, compared and changed."""
from __future__ import annotations

import ipaddress
from typing import Any, Iterable, Union

from . import expect, sysctl
from .change import Changes, Planned
from .error import McastError
from .netlink.links import IFF_ALLMULTI, IFF_MULTICAST, IFF_NOARP, IFF_PROMISC, IFF_UP, Netlink

# Options of the module `interface`, as Ansible's argument specs have them.
SPEC = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["up", "down"]},
    "multicast": {"type": "bool"},
    "allmulti": {"type": "bool"},
    "promisc": {"type": "bool"},
    "arp": {"type": "bool"},
    "mtu": {"type": "int"},
    "addresses": {"type": "list", "elements": "str"},
    "purge_addresses": {"type": "bool", "default": False},
    "igmp_version": {"type": "int", "choices": [0, 1, 2, 3]},
    "mld_version": {"type": "int", "choices": [0, 1, 2]},
    "rp_filter": {"type": "str", "choices": ["off", "strict", "loose"]},
}
RP_FILTER = ("off", "strict", "loose")  # by the kernel's number
_FLAGS = {"multicast": IFF_MULTICAST, "allmulti": IFF_ALLMULTI, "promisc": IFF_PROMISC}
_VERSIONS = {"igmp_version": "ipv4/conf/{}/force_igmp_version", "mld_version": "ipv6/conf/{}/force_mld_version"}
_Address = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]


def find(netlink: Netlink, name: str) -> dict[str, Any]:
    """The link `name` as Netlink.links() gives it; McastError names those there are."""
    links = netlink.links()
    if name not in links:
        raise McastError(f"interface {name}", f"is not there; there are {', '.join(sorted(links))}")
    return links[name]


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `interface`. Returns (Changes, function for the further result)."""
    netlink, changes, name = Netlink(), Changes(), params["name"]
    link = find(netlink, name)
    wanted = _addresses(params["addresses"])
    if params["mtu"] is not None:
        expect.number("mtu", params["mtu"], 68, 65535)
    have = netlink.addresses().get(link["index"], [])
    if link["flags"] & IFF_UP and params["state"] == "down":
        have = [address for address in have if address.version == 4]  # those that the kernel keeps
    _flags(changes, netlink, link, params)
    changes.compare((name, "mtu"), link["mtu"], params["mtu"], lambda mtu: netlink.set_mtu(link["index"], mtu))
    for option, path in _VERSIONS.items():
        _setting(changes, name, option, path.format(name), params[option])
    if params["rp_filter"]:
        _setting(changes, name, "rp_filter", f"ipv4/conf/{name}/rp_filter", RP_FILTER.index(params["rp_filter"]))
    # Last: an interface that goes down loses its IPv6 addresses, one that comes up gets its own.
    if wanted is not None:
        _compare_addresses(changes, netlink, link["index"], name, have, wanted, params["purge_addresses"])
    return changes, lambda: {"effective": {"rp_filter": _effective_rp_filter(name)}}


def _addresses(texts: Iterable[str] | None) -> list[_Address] | None:
    if texts is None:
        return None
    wanted = []
    for number, text in enumerate(texts):
        try:
            address: _Address | None = ipaddress.ip_interface(text)
        except ValueError:
            address = None
        if address is not None and address.is_multicast:
            raise McastError(f"addresses[{number}]", f"{text} is a group, not the address of a host")
        if address is None or "/" not in text:
            raise McastError(f"addresses[{number}]", "expected an address with prefix such as 10.0.0.2/8, not "
                                                     f"{text!r}")
        wanted.append(address)
    return wanted


def _flags(changes: Changes, netlink: Netlink, link: dict[str, Any], params: dict[str, Any]) -> None:
    for option in (*_FLAGS, "arp"):
        _flag(changes, netlink, link, (params["name"], option), params[option])
    changes.compare((params["name"], "state"), "up" if link["flags"] & IFF_UP else "down", params["state"],
                    lambda state: netlink.set_flags(link["index"], IFF_UP if state == "up" else 0, IFF_UP))


def _flag(changes: Changes, netlink: Netlink, link: dict[str, Any], path: tuple[str, str], want: bool | None) -> None:
    option = path[1]
    bit = _FLAGS.get(option, IFF_NOARP)
    have = bool(link["flags"] & bit) != (option == "arp")  # the kernel's flag is NOARP
    changes.compare(path, have, want, lambda value: netlink.set_flags(
        link["index"], bit if value != (option == "arp") else 0, bit))


def _setting(changes: Changes, name: str, option: str, path: str, want: int | None) -> None:
    if want is not None:
        changes.compare((name, option), sysctl.read(path), want, lambda value: sysctl.write(path, value))


def _compare_addresses(changes: Changes, netlink: Netlink, index: int, name: str, have: list[_Address],
                       wanted: list[_Address], purge: bool) -> None:
    surplus = [address for address in have if address not in wanted and not (
        address.version == 6 and address.is_link_local)] if purge else []
    missing = [address for address in wanted if address not in have]
    if not surplus and not missing:
        return

    def apply() -> None:
        for address in surplus:
            netlink.delete_address(index, address)
        for address in missing:
            netlink.add_address(index, address)

    kept = [address for address in have if address not in surplus]
    changes.add((name, "addresses"), [str(address) for address in have],
                [str(address) for address in kept + missing], apply)


def _effective_rp_filter(name: str) -> str:
    return RP_FILTER[max(sysctl.read(f"ipv4/conf/{each}/rp_filter") for each in ("all", name))]
