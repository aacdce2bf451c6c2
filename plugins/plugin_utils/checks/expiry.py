# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `expiry`: how long does a bridge keep a member that doesn't answer any more? Due is the group membership
interval, robustness x query interval + response interval (RFC 9776 section 8.4)."""
from __future__ import annotations

import time
from typing import Any

from ...module_utils.querier.defaults import ROBUSTNESS
from .base import GROUP, Look
from .mdb import BRIDGE, PORT, OnBridge, shown

_GRAIN = 0.05  # seconds: the kernel rounds each interval to its ticks
_LATE = 1 / 8  # of an interval: how late the kernel's timers may be (kernel/time/timer.c)
_LOOK = 0.5  # seconds by which the look that sees it gone may be late


def due(bridge: dict[str, Any]) -> float:
    """The group membership interval that follows from the bridge's query and response interval, in seconds."""
    return ROBUSTNESS * bridge["query_interval"] + bridge["query_response_interval"]


class Interval(OnBridge):
    """Passes when the bridge keeps a silent member for exactly the group membership interval that follows from its
    query interval and response interval.

    Fails when it is shorter (members are dropped though they answer) or longer (groups flow to nobody)."""

    NAME = "expiry.interval"
    PARAMS = {"bridge": BRIDGE}
    EXAMPLE = "{bridge: lan}"

    def describe(self) -> str:
        return f"bridge {self.bridge} drops a silent member after the group membership interval"

    def look(self, bridge: dict[str, Any]) -> Look:
        have, want = bridge["membership_interval"], due(bridge)
        actual = (f"{have:g} s; {ROBUSTNESS} x {bridge['query_interval']:g} s + "
                  f"{bridge['query_response_interval']:g} s is {want:g} s")
        return Look(abs(have - want) <= _GRAIN, actual, {"membership_interval": have, "due": want})


class Timer(OnBridge):
    """Passes when the group is on the port, and its timer (or those of its sources) is no longer than the group
    membership interval.

    Fails when there is no such entry, one that never ends, or a timer that is longer."""

    NAME = "expiry.timer"
    PARAMS = {"bridge": BRIDGE, "group": GROUP, "port": PORT}
    REQUIRED = ("bridge", "group", "port")
    EXAMPLE = "{bridge: lan, group: 239.0.0.100, port: server~eth0}"
    port: str

    def describe(self) -> str:
        return f"bridge {self.bridge} lets {self.group} on {self.port} expire in time"

    def look(self, bridge: dict[str, Any]) -> Look:
        found = self.entries(bridge)
        if not found:
            return Look(False, "no entry", {})
        timers = [timer for timer in [found[0]["timer"]] + [one["timer"] for one in found[0]["sources"]] if timer]
        if not timers:
            return Look(False, f"{shown(found[0])}, which never ends", {"entries": found})
        return Look(max(timers) <= due(bridge) + _GRAIN, f"{max(timers):g} s left of at most {due(bridge):g} s",
                    {"entries": found, "due": due(bridge)})


class Gone(OnBridge):
    """Passes when the group is gone from the port, no later than the group membership interval after the first look,
    that is, after the member has fallen silent. The check's time (`within`, or `wait` in a plan) must be longer.

    Fails when it is there still, or went later."""

    NAME = "expiry.gone"
    PARAMS = {"bridge": BRIDGE, "group": GROUP, "port": PORT}
    REQUIRED = ("bridge", "group", "port")
    EXAMPLE = "{bridge: lan, group: 239.0.0.100, port: server~eth0}"
    clock = staticmethod(time.monotonic)
    _begun: float | None = None
    _went: float | None = None
    port: str

    def describe(self) -> str:
        return f"bridge {self.bridge} drops {self.group} on {self.port} in time"

    def look(self, bridge: dict[str, Any]) -> Look:
        found = self.entries(bridge)
        if self._begun is None:
            self._begun = self.clock()
        passed = self.clock() - self._begun
        if found:
            timer = found[0]["timer"]
            left = "permanent" if found[0]["permanent"] else "? s left" if timer is None else f"{timer:g} s left"
            return Look(False, f"there still after {passed:.1f} s of {due(bridge):g} s, {left}", {"entries": found})
        if self._went is None:
            self._went = passed
        actual = f"gone within {self._went:.1f} s, due after {due(bridge):g} s"
        return Look(self._went <= due(bridge) * (1 + _LATE) + _LOOK, actual,
                    {"seconds": round(self._went, 3), "due": due(bridge)})


CHECKS = (Interval, Timer, Gone)
