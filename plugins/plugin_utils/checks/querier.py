# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `querier`: who asks the hosts of a segment for their groups, in which version, and how often?

What tells is a capture on this host, the report of a querier of ours that runs here, a bridge, or FRR; in this order,
the first that knows."""
from __future__ import annotations

import ipaddress
import time
from typing import Any

from ...module_utils import expect
from ...module_utils.error import McastError
from ...module_utils.querier.defaults import QUERY_INTERVAL, QUERY_RESPONSE_INTERVAL, ROBUSTNESS
from ...module_utils.querier.message import said_interval
from .base import CAPTURE, FAMILY, Check, Judgement, Option
from .packets import broken_off, is_bad, lacking

# Of a query interval: a timer of the kernel may be late by up to an eighth, and so may the next query.
LATE = 1.125
_PROTOCOLS = {"ipv4": "IGMP", "ipv6": "MLD"}
# How far the time between two queries may be from the interval, in parts of it and seconds: nobody keeps it exactly.
_SLACK, _LEAST_SLACK = 0.1, 0.3


def silence(bridge: dict[str, Any], family: str) -> float | None:
    """Seconds since the bridge has heard the other querier that it knows: a query sets its timer to the querier
    interval (net/bridge/br_multicast.c br_multicast_update_query_timer). None where that is not known."""
    found = (bridge["queriers"] or {}).get(family)
    if not found or found["timer"] is None or bridge.get("querier_interval") is None:
        return None
    return max(0.0, bridge["querier_interval"] - found["timer"])


def general_queries(found: dict[str, Any], family: str) -> list[dict[str, Any]]:
    """The general queries of a family that a capture holds, but for those with a wrong checksum, which nobody takes."""
    return [query for query in found["wire"]["messages"] if query["query"] == "general"
            and query["kind"].startswith(_PROTOCOLS[family].lower()) and not is_bad(query)]


def until(found: dict[str, Any], queries: list[dict[str, Any]]) -> float:
    """The time that the capture reaches to, in seconds since the epoch: now, while it runs."""
    return (found["report"]["ended"] or {}).get("time") or max([time.time()] + [seconds(query) for query in queries])


def _version(path: str, value: Any) -> int:
    return expect.number(path, value, 1, 3)


def interval_option(path: str, value: Any) -> float:
    """An interval in seconds that a query can say."""
    return expect.number(path, value, 0.1, 31744, float)


def _address(path: str, value: Any) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise McastError(path, f"expected an address, not {value}") from None


class Present(Check):
    """Passes when a querier lives on the segment of the interface, and has the address, the version and the query
    interval that are given. What tells is the capture, a querier of `mcast.lab.querier` that runs here, a bridge, or
    FRR; in this order, the first that knows. A capture says so if its last general query of the lowest address is no
    older than the other querier present interval; a bridge, if it has heard the querier within its query interval.

    Fails when there is none, or another one, and, saying "unknown", when nothing shows it: no capture was named, it has
    broken off, or it is shorter than a query interval; no querier of ours runs here; neither a bridge nor FRR knows."""

    NAME = "querier.present"
    PARAMS = {"interface": Option(expect.text, "name of the interface; also a bridge, or a port of it"),
              "family": FAMILY, "address": Option(_address, "address of the querier"),
              "version": Option(_version, "version of IGMP, 1 to 3, or of MLD, 1 or 2"),
              "interval": Option(interval_option, "query interval in seconds, 0.1 to 31744"), "capture": CAPTURE}
    REQUIRED = ("interface", "family")
    EXAMPLE = "{interface: eth0, family: ipv4, address: 192.168.122.1, version: 3, interval: 125, capture: wire}"
    NEEDS: tuple[str, ...] = ("traffic", "bridges", "pim")
    interface: str
    family: str
    interval: float | None
    capture: str | None

    @property
    def _protocol(self) -> str:
        return _PROTOCOLS[self.family]

    def describe(self) -> str:
        asked = {key: self.params.get(key) for key in ("address", "version", "interval")}
        return f"{self._told(asked)} on {self.interface}"

    def _told(self, found: dict[str, Any]) -> str:
        words = [f"{self._protocol}v{found['version']}" if found.get("version") else self._protocol, "querier"]
        words += [found["address"]] if found.get("address") else []
        words += [f"every {found['interval']:g} s"] if found.get("interval") else []
        return " ".join(words)

    def judge(self, facts: dict[str, Any]) -> Judgement:
        silent = []
        for look in (self._captured, self._reported, self._bridged, self._routed):
            found, why = look(facts)
            if found:
                wrong = self._differences(found)
                actual = "; ".join([f"{self._told(found)} ({why})"] + wrong)
                return Judgement(not wrong, self.describe(), actual, found)
            if found is not None:
                return Judgement(False, self.describe(), f"no querier ({why})", {})
            silent.append(why)
        return Judgement(False, self.describe(), f"unknown: {', '.join(filter(None, silent))}", {})

    def _differences(self, found: dict[str, Any]) -> list[str]:
        wrong = []
        for key in ("address", "version", "interval"):
            if self.params.get(key) is None or self._fits(key, found):
                continue
            wrong.append(f"unknown {key}" if found.get(key) is None else f"{key} not {self.params[key]}")
        return wrong

    def _fits(self, key: str, found: dict[str, Any]) -> bool:
        have, want = found.get(key), self.params[key]
        if have is None:
            return False
        if key == "interval" and found.get("measured"):
            return abs(have - want) <= max(_LEAST_SLACK, _SLACK * want)
        # A query says whole seconds.
        return have == want or (key == "interval" and bool(found.get("said")) and have == said_interval(want))

    # Each returns (what is known, by what): {} where it is known that there is none, None where nothing is known.

    def _captured(self, facts: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        if not self.capture:
            return None, "no capture was named"
        found = facts["captures"].get(self.capture)
        if found is None:
            return None, f"no capture {self.capture}"
        if found["report"]["interface"] != self.interface:
            return None, f"capture {self.capture} is of {found['report']['interface']}"
        queries = general_queries(found, self.family)
        end = until(found, queries)
        living = [query for query in queries if end - seconds(query) <= _patience(query, queries)]
        why = f"capture {self.capture}"
        # That one lives needs no more than its query. Which one it is, the others' would say.
        asked = any(self.params.get(key) is not None for key in ("address", "version", "interval"))
        lacks = lacking(found, ("messages",))
        if lacks and (asked or not living or broken_off(found["report"])):
            return None, f"{why}: {'; '.join(lacks)}"
        if living:
            return _elected(living, queries), why
        length = end - found["report"]["started"]
        silent = end - seconds(queries[-1]) if queries else length
        if queries or length > ROBUSTNESS * QUERY_INTERVAL + QUERY_RESPONSE_INTERVAL / 2:
            return {}, f"{why}: no general query for {silent:.1f} s"
        return None, (f"no general query in the {length:.1f} s of capture {self.capture}; a query interval is "
                      f"{QUERY_INTERVAL} s by default")

    def _reported(self, facts: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        for report in facts["traffic"].values():
            if not report or (report.get("program"), report.get("interface")) != ("querier", self.interface):
                continue
            if report["ended"]:
                continue
            own = report.get(self.family)
            if not own:
                continue
            why = "as the querier of ours here says"
            if own["other"]:
                return {key: own["other"][key] for key in ("address", "version", "interval")}, why
            return {"address": own["address"], "version": own["version"],
                    "interval": own["settings"]["query_interval"]}, why
        return None, "no querier of ours runs here"

    def _bridged(self, facts: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        for name, bridge in (facts["bridges"] or {}).items():
            if self.interface != name and self.interface not in (bridge["ports"] or ()):
                continue
            if bridge["queriers"] is None:
                return None, f"bridge {name} can't be asked"
            found = bridge["queriers"][self.family]
            why = f"as bridge {name} knows"
            if not found:
                return {}, why
            silent = silence(bridge, self.family)
            if silent is not None and silent > LATE * (self.interval or bridge["query_interval"]):
                return {}, f"{why}: {found['address']} has been silent for {silent:.1f} s"
            if not found["self"]:
                return {"address": found["address"]}, why
            if bridge.get("up") is False:
                return {}, f"{why}: it is down itself"
            return {"address": found["address"], "version": bridge[f"{self._protocol.lower()}_version"],
                    "interval": bridge["query_interval"]}, why
        return None, "no bridge here"

    def _routed(self, facts: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        if self.family != "ipv4":
            return None, "FRR has no MLD"
        if facts["pim"]["interfaces"] is None:
            return None, facts["sources"]["pim"]["note"]
        for entry in facts["pim"]["interfaces"]:
            if entry["interface"] == self.interface and entry["querier"]:
                # It tells the version that it was set to, not that of another's queries.
                version = {"version": entry["igmp_version"]} if entry["querier_itself"] else {}
                return dict(version, address=entry["querier"]), "as FRR knows"
        return None, f"FRR knows none on {self.interface}"


def seconds(query: dict[str, Any]) -> float:
    """When it was, in seconds since the epoch."""
    return query["time"] / 1e9


def _patience(query: dict[str, Any], queries: list[dict[str, Any]]) -> float:
    """How long after a query its sender counts as there: the other querier present interval. The older versions don't
    say theirs: then the longest time between two of its queries."""
    response = QUERY_RESPONSE_INTERVAL if query["max_response"] is None else query["max_response"]
    times = [seconds(each) for each in queries if each["source"] == query["source"]]
    interval = query["interval"] or max(
        (after - before for before, after in zip(times, times[1:])), default=QUERY_INTERVAL)
    return (query["robustness"] or ROBUSTNESS) * interval + response / 2


def _elected(living: list[dict[str, Any]], queries: list[dict[str, Any]]) -> dict[str, Any]:
    """The querier by what it sent last: the lowest address; 0.0.0.0 only where there is no other."""
    ranked = sorted(living, key=lambda query: (ipaddress.ip_address(query["source"]).is_unspecified,
                                               ipaddress.ip_address(query["source"])))
    its = [query for query in queries if query["source"] == ranked[0]["source"]]
    last = its[-1]
    found = {"address": last["source"], "version": last["version"], "interval": last["interval"]}
    if last["interval"]:
        return dict(found, said=True)
    # The older versions don't say it; the first queries are closer to each other, so it takes three of them.
    if len(its) > 2:
        found.update(interval=round(seconds(last) - seconds(its[-2]), 2), measured=True)
    return found


CHECKS = (Present,)
