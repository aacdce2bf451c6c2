# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `mapping`: which link-layer group carries a group?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from .base import GROUP, INTERFACE, Check, Judgement, Option, first_of


class Programmed(Check):
    """Passes when the interface takes frames to the MAC that carries the group: the low 23 bits of an IPv4 group
    behind 01:00:5e, the low 32 of an IPv6 one behind 33:33.

    Fails when the kernel has not programmed that MAC there."""

    NAME = "mapping.programmed"
    PARAMS = {"interface": INTERFACE, "group": GROUP,
              "mac": Option(expect.text, "MAC that carries the group, in lower case")}
    REQUIRED = ("interface", "group", "mac")
    EXAMPLE = "{interface: eth0, group: 239.0.0.100, mac: '01:00:5e:00:00:64'}"
    NEEDS = ("interfaces",)
    interface: str
    group: str
    mac: str

    def describe(self) -> str:
        return f"{self.group} is carried by {self.mac} on {self.interface}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = facts["interfaces"].get(self.interface, {}).get("link_groups", [])
        macs = sorted(link["mac"] for link in found)
        if self.mac in macs:
            return Judgement(True, self.mac, self.mac, {"link_groups": len(macs)})
        return Judgement(False, self.mac, first_of(macs, "no link-layer group"), {"link_groups": len(macs)})


CHECKS = (Programmed,)
