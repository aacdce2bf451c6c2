# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `pim`: what does a router know by PIM? Told by FRR's shell."""
from __future__ import annotations

import ipaddress

from ...module_utils import expect
from .base import Check, group_option


class _Pim(Check):
    NEEDS = ("pim",)
    PART = ""

    def judge(self, facts):
        entries = facts["pim"][self.PART]
        if entries is None:
            return False, self.describe(), facts["sources"]["pim"]["note"], {}
        passed, actual, found = self.look(entries)
        return passed, self.describe(), actual, {self.PART: found}

    def look(self, entries):
        """entries: of the facts. Returns (passed, actual, the entries that it rests on)."""
        raise NotImplementedError


class Neighbor(_Pim):
    """Passes when the router has heard hellos of that neighbor on the interface, and they are still valid.

    Fails when it knows no such neighbor there."""

    NAME = "pim.neighbor"
    PARAMS = {"interface": expect.text, "address": expect.text}
    REQUIRED = ("interface", "address")
    PART = "neighbors"

    def describe(self):
        return "PIM neighbor %s on %s" % (self.address, self.interface)

    def look(self, entries):
        known = ["%s on %s" % (entry["address"], entry["interface"]) for entry in entries]
        return "%s on %s" % (self.address, self.interface) in known, ", ".join(known) or "no neighbor", entries


class Dr(_Pim):
    """Passes when the router takes that address for the designated router of the interface's segment.

    Fails when it is another one, or PIM does not run there."""

    NAME = "pim.dr"
    PARAMS = {"interface": expect.text, "address": expect.text}
    REQUIRED = ("interface", "address")
    PART = "interfaces"

    def describe(self):
        return "designated router on %s is %s" % (self.interface, self.address)

    def look(self, entries):
        found = [entry for entry in entries if entry["interface"] == self.interface]
        actual = ", ".join(str(entry["dr"]) for entry in found) or "no PIM on %s" % self.interface
        return actual == self.address, actual, found


class Rp(_Pim):
    """Passes when the router's rendezvous point for the group is that address.

    Fails when it is another one, or there is none."""

    NAME = "pim.rp"
    PARAMS = {"group": group_option, "address": expect.text}
    REQUIRED = ("group", "address")
    PART = "rps"

    def describe(self):
        return "rendezvous point for %s is %s" % (self.group, self.address)

    def look(self, entries):
        group = ipaddress.ip_address(self.group)
        found = [entry for entry in entries if entry["groups"] and group in ipaddress.ip_network(entry["groups"])]
        # The longest prefix counts (RFC 7761 section 4.7.1).
        found.sort(key=lambda entry: ipaddress.ip_network(entry["groups"]).prefixlen, reverse=True)
        actual = found[0]["address"] if found else "none"
        return actual == self.address, actual, found


class Rpf(_Pim):
    """Passes when the router expects the group's packets of that source (without `source`, those that come over the
    rendezvous point) on that interface, from that neighbor as far as it is given.

    Fails when it expects them elsewhere, or has no state for the group."""

    NAME = "pim.rpf"
    PARAMS = {"group": group_option, "source": expect.text, "interface": expect.text, "neighbor": expect.text}
    REQUIRED = ("group", "interface")
    PART = "rpf"

    def describe(self):
        return "expects (%s, %s) on %s%s" % (self.source or "*", self.group, self.interface,
                                             " from %s" % self.neighbor if self.neighbor else "")

    def look(self, entries):
        found = [entry for entry in entries if (entry["group"], entry["source"]) == (self.group, self.source)]
        passed = any(entry["interface"] == self.interface and self.neighbor in (None, entry["neighbor"])
                     for entry in found)
        actual = ", ".join("on %s from %s" % (entry["interface"], entry["neighbor"] or "the link") for entry in found)
        return passed, actual or "no state for the group", found


CHECKS = (Neighbor, Dr, Rp, Rpf)
