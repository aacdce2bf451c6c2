# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `mroute`: what does a router's kernel forward, from where to where?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from .base import GROUP, SOURCE, Check, Judgement, Option


def _shown(entry: dict[str, Any]) -> str:
    wrong = f" ({entry['wrong_interface']} more came in elsewhere)" if entry["wrong_interface"] else ""
    return (f"({entry['source'] or '*'}, {entry['group']}) in {entry['incoming'] or 'unresolved'} out "
            f"{' '.join(sorted(entry['outgoing'])) or 'nothing'}, {_taken(entry)} packets{wrong}")


def _taken(entry: dict[str, Any]) -> int:
    """The packets that the route took: the kernel also counts those that came in on another interface, and drops them
    (net/ipv4/ipmr.c ip_mr_forward, net/ipv6/ip6mr.c ip6_mr_forward)."""
    return entry["packets"] - entry["wrong_interface"]


class _Mroute(Check):
    PARAMS = {"group": GROUP, "source": SOURCE,
              "incoming": Option(expect.text, "interface that the packets come in on"),
              "outgoing": Option(expect.texts, "interfaces that they go out on; FRR's `pimreg` counts only if named")}
    REQUIRED = ("group",)
    NEEDS = ("mroutes",)
    group: str
    source: str | None
    incoming: str | None
    outgoing: list[str] | None

    def _said(self) -> str:
        words = f"({self.source or 'any'}, {self.group})"
        words += f" from {self.incoming}" if self.incoming else ""
        return words + (f" to {' '.join(sorted(self.outgoing)) or 'nothing'}" if self.outgoing is not None else "")

    def _candidates(self, facts: dict[str, Any]) -> list[dict[str, Any]]:
        return [entry for entry in facts["mroutes"]["routes"] if entry["group"] == self.group
                and self.source in (None, entry["source"])]

    def _leads_to(self, entry: dict[str, Any]) -> list[str]:
        """The interfaces that it sends to. pimreg leads to the daemon itself, which registers the source by it, and
        stays there for a while."""
        return [name for name in entry["outgoing"] if name != "pimreg" or name in (self.outgoing or ())]

    def _fits(self, entry: dict[str, Any]) -> bool:
        return self.incoming in (None, entry["incoming"]) and (
            self.outgoing is None or sorted(self.outgoing) == sorted(self._leads_to(entry)))

    def _sent(self, entry: dict[str, Any], facts: dict[str, Any]) -> dict[str, int]:
        """How many packets each of those interfaces has sent, of all routes. They count what leaves, where the route
        counts what comes in: a packet with too low a TTL stays, and so does one of this host's own."""
        return {vif["interface"]: vif["packets_out"] for vif in facts["mroutes"]["vifs"]
                if vif["family"] == entry["family"] and vif["interface"] in self._leads_to(entry)}

    def _found(self, entries: list[dict[str, Any]]) -> str:
        return "; ".join(map(_shown, entries)) or "no route"


class Present(_Mroute):
    """Passes when the kernel has a route for the group, of that source, with that incoming interface and exactly those
    outgoing ones (but for pimreg), as far as they are given, which has forwarded at least so many packets: it has taken
    them from its incoming interface, and one of its outgoing interfaces has sent as many.

    Fails when there is none, or it goes elsewhere, or has forwarded less."""

    NAME = "mroute.present"
    PARAMS = dict(_Mroute.PARAMS, packets=Option(lambda path, value: expect.number(path, value, 0, 2 ** 63),
                                                 "number of packets that are forwarded, at least"))
    EXAMPLE = "{group: 239.1.0.1, source: 10.0.1.2, incoming: eth0, outgoing: [eth1], packets: 5}"
    packets: int | None

    def describe(self) -> str:
        return f"routes {self._said()}{f', at least {self.packets} packets' if self.packets else ''}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        candidates = self._candidates(facts)
        fitting = [entry for entry in candidates if self._fits(entry)]
        found = [entry for entry in fitting if not self.packets or self._forwarded(entry, facts) >= self.packets]
        actual = self._found(found or candidates)
        if self.packets and fitting and not found:
            actual += f"; {max(self._forwarded(entry, facts) for entry in fitting)} packets forwarded"
        return Judgement(bool(found), self.describe(), actual, {"routes": candidates})

    def _forwarded(self, entry: dict[str, Any], facts: dict[str, Any]) -> int:
        return min(_taken(entry), max(self._sent(entry, facts).values(), default=0))


class Growing(_Mroute):
    """Passes when a route as `mroute.present` has it has taken more packets from one look to a later one, and one of
    its outgoing interfaces has sent more; with `outgoing`, each of them. Packets that came in on another interface than
    the route's do not count.

    Fails when either stays, or there is no such route."""

    NAME = "mroute.growing"
    EXAMPLE = "{group: 239.1.0.1, outgoing: [eth1]}"

    def __init__(self, params: dict[str, Any], since: dict[str, Any] | None = None) -> None:
        super().__init__(params, since)
        self._before: dict[tuple[str | None, ...], tuple[int, dict[str, int]]] = {}

    def describe(self) -> str:
        return f"forwards more and more by {self._said()}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = [entry for entry in self._candidates(facts) if self._fits(entry)]
        grown = [self._grown(entry, facts) for entry in found]
        actual = "; ".join([self._found(found), *(words for unused, words in grown)])
        return Judgement(any(passed for passed, unused in grown), self.describe(), actual, {"routes": found})

    def _grown(self, entry: dict[str, Any], facts: dict[str, Any]) -> tuple[bool, str]:
        """Returns (whether it has forwarded more since an earlier look, what has changed since, in words)."""
        key = entry["family"], entry["source"], entry["incoming"]
        taken, sent = _taken(entry), self._sent(entry, facts)
        first, sent_first = self._before.get(key, (taken, sent))
        # A route or an interface that went and came again counts anew.
        first, sent_first = min(first, taken), {name: min(sent_first.get(name, now), now) for name, now in sent.items()}
        self._before[key] = first, sent_first
        more = {name: now - sent_first[name] for name, now in sorted(sent.items())}
        enough = any(more.values()) if self.outgoing is None else bool(more) and all(more.values())
        words = [f"{first} before"] + [f"{name} has sent {number} more" for name, number in more.items()]
        return taken > first and enough, ", ".join(words)


class Absent(_Mroute):
    """Passes when the kernel has no route for the group, of that source and with that incoming interface as far as they
    are given, over the whole window; with `outgoing`, none that leads to one of these interfaces.

    Fails when there is one."""

    NAME = "mroute.absent"
    EXAMPLE = "{group: 239.1.0.1, source: 10.0.1.2}"
    ABSENCE = True

    def describe(self) -> str:
        return f"no route {self._said()}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = [entry for entry in self._candidates(facts) if self.incoming in (None, entry["incoming"]) and (
            self.outgoing is None or set(self.outgoing) & set(entry["outgoing"]))]
        return Judgement(not found, self.describe(), self._found(found), {"routes": found})


CHECKS = (Present, Growing, Absent)
