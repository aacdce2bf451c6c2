# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user wants to be let in, and what has to be open then: the part that is the same for every backend."""
from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterable

from .. import expect
from .. import group as groups_of
from ..error import McastError

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?\Z", re.ASCII)
_MEMBERSHIP = {4: "igmp", 6: "mld"}


def read(params: dict[str, Any]) -> list[dict[str, Any]]:
    """params: `ports`, `protocols` and `membership_protocols` of the module. Returns the openings that they name, as
    kernel.firewall.openings() has them. McastError names the key."""
    wanted = [_port(f"ports[{number}]", given, params["membership_protocols"])
              for number, given in enumerate(params["ports"] or [])]
    wanted += [_alone(protocol, True) for protocol in params["protocols"] or []]
    return wanted


def settle(have: Iterable[dict[str, Any]], wanted: Iterable[dict[str, Any]], state: str) -> list[dict[str, Any]]:
    """All that shall be open. have: what is, `wanted`: what the user names; with state absent that goes, and where
    nothing is named everything does. What ports need follows from those that stay."""
    asked = {key(opening): opening for opening in have if opening["asked"]}
    if state == "present":
        asked.update((key(opening), opening) for opening in wanted)
    else:
        gone = {key(opening) for opening in wanted} or set(asked)
        asked = {each: opening for each, opening in asked.items() if each not in gone}
    needed = sorted({protocol for opening in asked.values() for protocol in opening["needs"]})
    return list(asked.values()) + [_alone(protocol, False) for protocol in needed]


def key(opening: dict[str, Any]) -> tuple[str, str | None, str | None, str | None]:
    """What makes two openings the same one."""
    return opening["protocol"], opening["port"], opening["group"], opening["source"]


def shown(opening: dict[str, Any]) -> str:
    """``"11111/udp to 239.0.0.100 from 10.0.0.0/8"``, ``"igmp"``."""
    text = f"{opening['port']}/{opening['protocol']}" if opening["port"] else opening["protocol"]
    text += f" to {opening['group']}" if opening["group"] else ""
    text += f" from {opening['source']}" if opening["source"] else ""
    return text if opening.get("asked", True) else f"{text} (needed by ports)"


def _alone(protocol: str, asked: bool) -> dict[str, Any]:
    return {"protocol": protocol, "port": None, "group": None, "source": None, "asked": asked, "needs": []}


def _port(path: str, given: dict[str, Any], membership: bool) -> dict[str, Any]:
    group, protocol = given.get("group"), given.get("protocol") or "udp"
    if group is not None:
        try:
            group = str(groups_of.parse(group))
        except McastError as error:
            raise McastError(f"{path}.group", f"{error.thing} {error.reason}") from None
        if protocol != "udp":
            raise McastError(f"{path}.protocol", f"only udp can be sent to a group, not {protocol}")
    sender = given.get("source") and source(f"{path}.source", given["source"], group)
    needs = []
    if membership and protocol == "udp":
        address = group or sender
        needs = [_MEMBERSHIP[ipaddress.ip_network(address).version]] if address else ["igmp", "mld"]
    return {"protocol": protocol, "port": ports(f"{path}.port", given["port"]), "group": group, "source": sender,
            "asked": True, "needs": needs}


def ports(path: str, value: object) -> str:
    """A port or a range of ports, as text: ``"11111"`` or ``"5000-5010"``."""
    match = _PORTS.match(str(value).strip())
    if not match:
        raise McastError(path, f"expected a port such as 11111, or a range such as 5000-5010, not {value!r}")
    low, high = (expect.number(path, number, 1, 65535) for number in (match[1], match[2] or match[1]))
    if low > high:
        raise McastError(path, f"the range {value} ends before it begins")
    return str(low) if low == high else f"{low}-{high}"


def source(path: str, value: object, group: str | None = None) -> str:
    """An address or network of senders, as nft lists it; `group`: of the same family."""
    try:
        network = ipaddress.ip_network(expect.text(path, value))
    except ValueError as error:
        raise McastError(path, f"expected an address or a network such as 10.0.0.0/8: {error}") from None
    if network.is_multicast or not network.prefixlen:
        raise McastError(path, f"{value} is not an address of senders; leave it out to let in all")
    if group and groups_of.parse(group).version != network.version:
        raise McastError(path, f"{value} is of another family than the group {group}")
    return str(network[0] if network.prefixlen == network.max_prefixlen else network)
