# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `mroute`: what does a router's kernel forward, from where to where?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from .base import Check, group_option


def _shown(entry):
    wrong = f" ({entry['wrong_interface']} more came in elsewhere)" if entry["wrong_interface"] else ""
    return (f"({entry['source'] or '*'}, {entry['group']}) in {entry['incoming'] or 'unresolved'} out "
            f"{' '.join(sorted(entry['outgoing'])) or 'nothing'}, {_forwarded(entry)} packets{wrong}")


def _forwarded(entry: dict[str, Any]) -> int:
    """The packets that the route took: the kernel also counts those that came in on another interface, and drops them
    (net/ipv4/ipmr.c ip_mr_forward)."""
    return entry["packets"] - entry["wrong_interface"] if entry["outgoing"] else 0


class _Mroute(Check):
    PARAMS = {"group": group_option, "source": expect.text, "incoming": expect.text, "outgoing": expect.texts}
    REQUIRED = ("group",)
    NEEDS = ("mroutes",)

    def _said(self):
        words = "(%s, %s)" % (self.source or "any", self.group)
        words += " from %s" % self.incoming if self.incoming else ""
        return words + (" to %s" % (" ".join(sorted(self.outgoing)) or "nothing") if self.outgoing is not None else "")

    def _candidates(self, facts):
        return [entry for entry in facts["mroutes"]["routes"] if entry["group"] == self.group
                and self.source in (None, entry["source"])]

    def _fits(self, entry):
        # pimreg leads to the daemon itself, which registers the source by it, and stays there for a while.
        outgoing = [name for name in entry["outgoing"] if name != "pimreg" or name in (self.outgoing or ())]
        return self.incoming in (None, entry["incoming"]) and (
            self.outgoing is None or sorted(self.outgoing) == sorted(outgoing))

    def _found(self, entries):
        return "; ".join(map(_shown, entries)) or "no route"


class Present(_Mroute):
    """Passes when the kernel has a route for the group, of that source, with that incoming interface and exactly those
    outgoing ones (but for pimreg), as far as they are given, which has carried at least so many packets.

    Fails when there is none, or it goes elsewhere, or has carried less."""

    NAME = "mroute.present"
    PARAMS = dict(_Mroute.PARAMS, packets=lambda path, value: expect.number(path, value, 0, 2 ** 63))

    def describe(self):
        return "routes %s%s" % (self._said(), ", at least %d packets" % self.packets if self.packets else "")

    def judge(self, facts):
        candidates = self._candidates(facts)
        found = [entry for entry in candidates if self._fits(entry) and _forwarded(entry) >= (self.packets or 0)]
        return bool(found), self.describe(), self._found(found or candidates), {"routes": candidates}


class Growing(_Mroute):
    """Passes once such a route has taken more packets from one look to a later one, and its outgoing interfaces have
    sent more. Packets that came in on another interface than the route's do not count.

    Fails when either stays, or there is no such route."""

    NAME = "mroute.growing"

    def describe(self):
        return "forwards more and more by %s" % self._said()

    def judge(self, facts):
        found = [entry for entry in self._candidates(facts) if self._fits(entry)]
        places = {(entry["family"], name) for entry in found for name in entry["outgoing"]}
        vifs = [vif for vif in facts["mroutes"]["vifs"] if (vif["family"], vif["interface"]) in places]
        now = (sum(map(_forwarded, found)), sum(vif["packets_out"] for vif in vifs))
        # A route that went and came again counts anew.
        self.first = tuple(map(min, getattr(self, "first", now), now))
        passed = bool(found) and now[0] > self.first[0] and now[1] > self.first[1]
        actual = (f"{self._found(found)}; {self.first[0]} before; {now[1] - self.first[1]} more sent by its outgoing "
                  "interfaces")
        return passed, self.describe(), actual, {"routes": found, "vifs": vifs}


class Absent(_Mroute):
    """Passes when the kernel has no route for the group, of that source and with that incoming interface as far as they
    are given, over the whole window; with `outgoing`, none that leads to one of these interfaces.

    Fails when there is one."""

    NAME = "mroute.absent"
    ABSENCE = True

    def describe(self):
        return "no route %s" % self._said()

    def judge(self, facts):
        found = [entry for entry in self._candidates(facts) if self.incoming in (None, entry["incoming"]) and (
            self.outgoing is None or set(self.outgoing) & set(entry["outgoing"]))]
        return not found, self.describe(), self._found(found), {"routes": found}


CHECKS = (Present, Growing, Absent)
