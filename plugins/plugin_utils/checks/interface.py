# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `interface`: is it set up as multicast needs it?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from .base import INTERFACE, Check, Judgement, Option, flag_option


class Settings(Check):
    """Passes when the interface is there and has each setting that is given. One that is up has a carrier, too.

    Fails when it is missing or any of them differs; settings that are not given are not looked at."""

    NAME = "interface.settings"
    PARAMS = {
        "interface": INTERFACE,
        "state": Option(lambda path, value: expect.choice(path, value, ("up", "down")),
                        "`up`, with a carrier, or `down`"),
        "multicast": Option(flag_option, "whether its flag MULTICAST is on"),
        "allmulti": Option(flag_option, "whether it receives all multicast frames"),
        "promisc": Option(flag_option, "whether it is promiscuous"),
        "igmp_version": Option(lambda path, value: expect.number(path, value, 1, 3),
                               "version of IGMP that is in force, 1 to 3; 3 also where no querier is"),
        "mtu": Option(lambda path, value: expect.number(path, value, 68, 65535), "bytes, 68 to 65535"),
    }
    REQUIRED = ("interface",)
    EXAMPLE = "{interface: eth0, state: up, multicast: true, mtu: 1500}"
    NEEDS = ("interfaces",)
    interface: str

    def _wanted(self) -> dict[str, Any]:
        return {key: value for key, value in self.params.items() if key != "interface"}

    def describe(self) -> str:
        return f"interface {self.interface} is {_shown(self._wanted())}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = facts["interfaces"].get(self.interface)
        if found is None:
            return Judgement(False, _shown(self._wanted()), "no such interface",
                             {"interfaces": sorted(facts["interfaces"])})
        have: dict[str, Any] = {flag: flag in found["flags"] for flag in ("multicast", "allmulti", "promisc")}
        # `ip` leaves running out where an interface is up and has no carrier.
        state = "down" if "up" not in found["flags"] else "up" if "running" in found["flags"] else "up without carrier"
        have.update(state=state, mtu=found["mtu"],
                    igmp_version=found.get("igmp_version", {}).get("value"))
        actual = {key: have[key] for key in self._wanted()}
        return Judgement(actual == self._wanted(), _shown(self._wanted()), _shown(actual), {"flags": found["flags"]})


def _shown(settings: dict[str, Any]) -> str:
    words: list[str] = []
    for key, value in settings.items():
        if isinstance(value, bool):
            value = "on" if value else "off"
        words.append(value if key == "state" else f"{key} {value}")
    return ", ".join(words)


CHECKS = (Settings,)
