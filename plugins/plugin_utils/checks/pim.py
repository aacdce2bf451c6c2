# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `pim`: what does a router know by PIM? FRR's shell says it."""
from __future__ import annotations

import ipaddress
from typing import Any

from ...module_utils import expect
from .base import GROUP, INTERFACE, SOURCE, Check, Judgement, Look, Option


class _Pim(Check):
    NEEDS = ("pim",)
    PART = ""

    def judge(self, facts: dict[str, Any]) -> Judgement:
        entries = facts["pim"][self.PART]
        if entries is None:
            return Judgement(False, self.describe(), facts["sources"]["pim"]["note"], {})
        return self.look(entries).judged(self.describe())

    def look(self, entries: list[dict[str, Any]]) -> Look:
        """entries: those of PART. The evidence are those that it rests on, by the same name."""
        raise NotImplementedError


class Neighbor(_Pim):
    """Passes when the router has heard hellos of that neighbor on the interface, and they are still valid.

    Fails when it knows no such neighbor there."""

    NAME = "pim.neighbor"
    PARAMS = {"interface": INTERFACE, "address": Option(expect.text, "address of the neighbor")}
    REQUIRED = ("interface", "address")
    EXAMPLE = "{interface: eth0, address: 10.0.12.2}"
    PART = "neighbors"
    interface: str
    address: str

    def describe(self) -> str:
        return f"PIM neighbor {self.address} on {self.interface}"

    def look(self, entries: list[dict[str, Any]]) -> Look:
        known = [f"{entry['address']} on {entry['interface']}" for entry in entries]
        return Look(f"{self.address} on {self.interface}" in known, ", ".join(known) or "no neighbor",
                    {self.PART: entries})


class Dr(_Pim):
    """Passes when the router takes that address for the designated router of the interface's segment.

    Fails when it is another one, or PIM does not run there."""

    NAME = "pim.dr"
    PARAMS = {"interface": INTERFACE, "address": Option(expect.text, "address of the designated router")}
    REQUIRED = ("interface", "address")
    EXAMPLE = "{interface: eth0, address: 10.0.12.2}"
    PART = "interfaces"
    interface: str
    address: str

    def describe(self) -> str:
        return f"designated router on {self.interface} is {self.address}"

    def look(self, entries: list[dict[str, Any]]) -> Look:
        found = [entry for entry in entries if entry["interface"] == self.interface]
        actual = ", ".join(str(entry["dr"]) for entry in found) or f"no PIM on {self.interface}"
        return Look(actual == self.address, actual, {self.PART: found})


class Rp(_Pim):
    """Passes when the router's rendezvous point for the group is that address.

    Fails when it is another one, or there is none."""

    NAME = "pim.rp"
    PARAMS = {"group": GROUP, "address": Option(expect.text, "address of the rendezvous point")}
    REQUIRED = ("group", "address")
    EXAMPLE = "{group: 239.1.0.1, address: 10.0.12.1}"
    PART = "rps"
    group: str
    address: str

    def describe(self) -> str:
        return f"rendezvous point for {self.group} is {self.address}"

    def look(self, entries: list[dict[str, Any]]) -> Look:
        group = ipaddress.ip_address(self.group)
        found = [entry for entry in entries if entry["groups"] and group in ipaddress.ip_network(entry["groups"])]
        # The longest prefix counts (RFC 7761 section 4.7.1).
        found.sort(key=lambda entry: ipaddress.ip_network(entry["groups"]).prefixlen, reverse=True)
        actual = found[0]["address"] if found else "none"
        return Look(actual == self.address, actual, {self.PART: found})


class Rpf(_Pim):
    """Passes when the router expects the group's packets of that source (without `source`, those that come over the
    rendezvous point) on that interface, from that neighbor as far as it is given.

    Fails when it expects them elsewhere, or has no state for the group."""

    NAME = "pim.rpf"
    PARAMS = {"group": GROUP, "source": SOURCE, "interface": INTERFACE,
              "neighbor": Option(expect.text, "address of the router that they come from")}
    REQUIRED = ("group", "interface")
    EXAMPLE = "{group: 239.1.0.1, source: 10.0.1.2, interface: eth1, neighbor: 10.0.12.1}"
    PART = "rpf"
    group: str
    source: str | None
    interface: str
    neighbor: str | None

    def describe(self) -> str:
        origin = f" from {self.neighbor}" if self.neighbor else ""
        return f"expects ({self.source or '*'}, {self.group}) on {self.interface}{origin}"

    def look(self, entries: list[dict[str, Any]]) -> Look:
        found = [entry for entry in entries if (entry["group"], entry["source"]) == (self.group, self.source)]
        passed = any(entry["interface"] == self.interface and self.neighbor in (None, entry["neighbor"])
                     for entry in found)
        actual = ", ".join(f"on {entry['interface']} from {entry['neighbor'] or 'the link'}" for entry in found)
        return Look(passed, actual or "no state for the group", {self.PART: found})


CHECKS = (Neighbor, Dr, Rp, Rpf)
