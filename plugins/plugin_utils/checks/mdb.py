# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `mdb`: to which ports does a bridge send a group, and who queries its segment? A bridge is named by its segment
or as the kernel has it, a port as HOST~INTERFACE or as the kernel has it."""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils.lab.topology import kernel_name
from ...module_utils.packet import timestamps
from ...module_utils.querier.defaults import QUERY_INTERVAL
from .base import CAPTURE, FILTER_MODE, GROUP, Check, Judgement, Look, Option, family_option, flag_option
from .packets import broken_off
from .querier import LATE, general_queries, interval_option, seconds, silence, until

BRIDGE = Option(expect.text, "name of the bridge, or of its segment")
PORT = Option(expect.text, "port of the bridge")
_FAMILY = Option(family_option, "`ipv4`, which is the default, or `ipv6`")
_SOURCE = Option(expect.text, "address of the source that the entry is for")


def _is(name: str, have: str) -> bool:
    """Whether a user's name of a bridge or port is what the kernel calls `have`."""
    return have in (name, kernel_name(name))


class OnBridge(Check):
    """A question about the bridge `bridge`, and a port of it where `port` is given."""

    NEEDS: tuple[str, ...] = ("bridges",)
    REQUIRED: tuple[str, ...] = ("bridge",)
    bridge: str
    group: str  # of those that look for entries

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = next((bridge for name, bridge in facts["bridges"].items() if _is(self.bridge, name)), None)
        if found is None:
            there = ", ".join(sorted(facts["bridges"])) or "none (or no iproute2 to ask)"
            return Judgement(False, self.describe(), f"no bridge {self.bridge}; bridges here: {there}", {})
        if found["entries"] is None or found["ports"] is None:
            return Judgement(False, self.describe(), "unknown: the program bridge of iproute2 is not there", {})
        for port in self.params.get("ports", []) + [self.params[key] for key in ("port",) if key in self.params]:
            if not any(_is(port, name) for name in list(found["ports"]) + [self.bridge]):
                ports = ", ".join(sorted(found["ports"])) or "none"
                return Judgement(False, self.describe(), f"{self.bridge} has no port {port}; its ports: {ports}", {})
        return self.look(found).judged(self.describe())

    def look(self, bridge: dict[str, Any]) -> Look:
        """bridge: of facts["bridges"]."""
        raise NotImplementedError

    def entries(self, bridge: dict[str, Any]) -> list[dict[str, Any]]:
        """Those of the group on the port, or on any; of the source where one is asked for, else the group's own."""
        return [entry for entry in bridge["entries"] if entry["group"] == self.group
                and entry["source"] == self.params.get("source")
                and (not self.params.get("port") or _is(self.params["port"], entry["port"]))]


def shown(entry: dict[str, Any]) -> str:
    words = [f"{entry['group']} on {entry['port']}"]
    if entry["source"]:
        words.append(f"from {entry['source']}")
    words.append("permanent" if entry["permanent"] else entry["filter_mode"] or "joined by the bridge itself")
    if entry["sources"]:
        words.append(", ".join(sorted(one["source"] for one in entry["sources"])))
    return " ".join(words)


def _listed(entries: list[dict[str, Any]]) -> str:
    return "; ".join(shown(entry) for entry in entries) or "none"


class Present(OnBridge):
    """Passes when the database has the group (of that source) on the port, or on any, with the filter mode and the
    sources given.

    Fails when there is none, or when it is otherwise."""

    NAME = "mdb.present"
    PARAMS = {"bridge": BRIDGE, "group": GROUP, "port": PORT, "source": _SOURCE, "filter_mode": FILTER_MODE,
              "sources": Option(expect.texts, "addresses that the entry lists, exactly these"),
              "permanent": Option(flag_option, "whether it is permanent, and not learned")}
    REQUIRED = ("bridge", "group")
    EXAMPLE = "{bridge: lan, group: 239.0.0.100, port: server~eth0, filter_mode: exclude}"
    port: str | None
    source: str | None
    filter_mode: str | None
    sources: list[str] | None
    permanent: bool | None

    def describe(self) -> str:
        about = [self.group, f"from {self.source}" if self.source else None, f"on {self.port or 'any port'}",
                 self.filter_mode, ", ".join(self.sources or []) or None,
                 None if self.permanent is None else "permanent" if self.permanent else "learned"]
        return f"bridge {self.bridge} knows {' '.join(filter(None, about))}"

    def look(self, bridge: dict[str, Any]) -> Look:
        found = self.entries(bridge)
        fits = [entry for entry in found if self._fits(entry)]
        elsewhere = [entry for entry in bridge["entries"] if entry["group"] == self.group]
        return Look(bool(fits), _listed(fits or found or elsewhere), {"entries": fits or elsewhere})

    def _fits(self, entry: dict[str, Any]) -> bool:
        return (self.filter_mode in (None, entry["filter_mode"]) and self.permanent in (None, entry["permanent"])
                and (self.sources is None or sorted(self.sources) == sorted(
                    one["source"] for one in entry["sources"])))


class Absent(OnBridge):
    """Passes when the database has no entry for the group (of that source) on the port, or on any, over the whole
    window.

    Fails when there is one, permanent ones too."""

    NAME = "mdb.absent"
    PARAMS = {"bridge": BRIDGE, "group": GROUP, "port": PORT, "source": _SOURCE}
    REQUIRED = ("bridge", "group")
    EXAMPLE = "{bridge: lan, group: 239.0.0.100, port: client~eth0}"
    ABSENCE = True
    port: str | None
    source: str | None

    def describe(self) -> str:
        about = [self.group, f"from {self.source}" if self.source else None, f"on {self.port or 'any port'}"]
        return f"bridge {self.bridge} has no {' '.join(filter(None, about))}"

    def look(self, bridge: dict[str, Any]) -> Look:
        found = self.entries(bridge)
        return Look(not found, _listed(found), {"entries": found})


class Ports(OnBridge):
    """Passes when the group is on exactly these ports, over the whole window.

    Fails when one is missing or there is another. Ports to routers get every group, and are not listed here."""

    NAME = "mdb.ports"
    PARAMS = {"bridge": BRIDGE, "group": GROUP, "ports": Option(expect.texts, "ports of the bridge, exactly these")}
    REQUIRED = ("bridge", "group", "ports")
    EXAMPLE = "{bridge: lan, group: 239.0.0.100, ports: [server~eth0]}"
    ABSENCE = True
    ports: list[str]

    def describe(self) -> str:
        return f"bridge {self.bridge} sends {self.group} to {', '.join(self.ports) or 'no port'} alone"

    def look(self, bridge: dict[str, Any]) -> Look:
        have = sorted({entry["port"] for entry in bridge["entries"] if entry["group"] == self.group})
        passed = all(any(_is(port, name) for name in have) for port in self.ports) and all(
            any(_is(port, name) for port in self.ports) for name in have)
        return Look(passed, ", ".join(have) or "no port", {"ports": have})


class RouterPort(OnBridge):
    """Passes when the port counts as one to a router, which gets every group.

    Fails when it doesn't."""

    NAME = "mdb.router_port"
    PARAMS = {"bridge": BRIDGE, "port": PORT}
    REQUIRED = ("bridge", "port")
    EXAMPLE = "{bridge: lan, port: router~eth0}"
    port: str

    def describe(self) -> str:
        return f"bridge {self.bridge} has a router at {self.port}"

    def look(self, bridge: dict[str, Any]) -> Look:
        found = [row for row in bridge["router_ports"] if _is(self.port, row["port"])]
        listed = ", ".join(f"{row['port']} ({row['type']})" for row in bridge["router_ports"])
        return Look(bool(found), f"router ports: {listed or 'none'}", {"router_ports": bridge["router_ports"]})


class _Querier(OnBridge):
    family: str | None

    def look(self, bridge: dict[str, Any]) -> Look:
        if not bridge["snooping"]:
            return Look(False, "unknown: the bridge doesn't snoop, and so knows no querier", {})
        if bridge["queriers"] is None:
            return Look(False, "unknown: this kernel, or the lack of /usr/bin/python3, leaves the querier open", {})
        found = bridge["queriers"][self.family or "ipv4"]
        sends = not (found and found["self"] and found["address"] == "::")
        if found is None:
            actual = "no querier"
        elif not sends:
            actual = "no querier: the bridge has no link-local address to send MLD queries from"
        elif found["self"]:
            actual = f"the bridge itself, as {found['address']}"
        else:
            actual = f"{found['address']} at {found['port']}"
        silent = silence(bridge, self.family or "ipv4")
        actual += "" if silent is None else f", last heard {silent:.1f} s ago"
        return Look(self.decide(found if sends else None), actual, {"querier": found})

    def decide(self, found: dict[str, Any] | None) -> bool:
        """found: the querier that the bridge knows of and that can send, or None."""
        raise NotImplementedError


class Querier(_Querier):
    """Passes when a querier of the family lives on the segment, as the bridge knows it: itself, while it is up, or
    another that it has heard within the query interval; with the address and at the port that are given. A bridge
    remembers a querier for much longer. The query interval is `interval`, in seconds, or else that of the bridge. With
    a capture on this host, a query in it that is no older is as good.

    Fails when there is none, another, one that is silent and only remembered, or when it is not known."""

    NAME = "mdb.querier"
    PARAMS = {"bridge": BRIDGE, "family": _FAMILY, "address": Option(expect.text, "address of the querier"),
              "port": Option(expect.text, "port of the bridge at which it is"),
              "self": Option(flag_option, "whether the bridge itself is it"),
              "interval": Option(interval_option, "query interval in seconds, 0.1 to 31744; by default the bridge's"),
              "capture": CAPTURE}
    EXAMPLE = "{bridge: lan, family: ipv4, self: true}"
    address: str | None
    port: str | None
    interval: float | None
    capture: str | None

    def describe(self) -> str:
        about = ["the bridge itself" if self.params.get("self") else None, self.address,
                 f"at {self.port}" if self.port else None]
        said = " ".join(filter(None, about))
        more = f": {said}" if said else ""
        return f"segment of bridge {self.bridge} has a querier for {self.family or 'ipv4'}{more}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        passed, expected, actual, evidence = super().judge(facts)
        if "query_interval" in evidence:
            expected += f", heard within its query interval of {evidence['query_interval']:g} s"
        if passed or not self.capture:
            return Judgement(passed, expected, actual, evidence)
        query, why = self._captured(facts["captures"].get(self.capture))
        return Judgement(query is not None, expected, f"{actual}; {why}",
                         {**evidence, "query": query and timestamps.readable(query)})

    def look(self, bridge: dict[str, Any]) -> Look:
        passed, actual, evidence = super().look(bridge)
        silent, interval = silence(bridge, self.family or "ipv4"), self.interval or bridge["query_interval"]
        if silent is not None:
            return Look(passed and silent <= LATE * interval, actual, {**evidence, "query_interval": interval})
        if passed and evidence["querier"]["self"] and bridge.get("up") is False:
            return Look(False, f"{actual}, which is down and sends no queries", evidence)
        return Look(passed, actual, evidence)

    def decide(self, found: dict[str, Any] | None) -> bool:
        return found is not None and self.address in (None, found["address"]) and self.params.get("self") in (
            None, found["self"]) and (self.port is None or found["port"] is not None and _is(self.port, found["port"]))

    def _captured(self, found: dict[str, Any] | None) -> tuple[dict[str, Any] | None, str]:
        """Returns (the query in the capture that shows the querier living, or None; what is to be said of it)."""
        if found is None:
            return None, f"no capture {self.capture}"
        queries = [query for query in general_queries(found, self.family or "ipv4")
                   if self.address in (None, query["source"])]
        if not queries or self.port is not None or self.params.get("self"):
            return None, f"capture {self.capture} shows none"
        last = queries[-1]
        silent = until(found, queries) - seconds(last)
        alive = silent <= LATE * (last["interval"] or self.interval or QUERY_INTERVAL) and not broken_off(
            found["report"])
        return last if alive else None, f"{last['source']} last heard {silent:.1f} s ago in capture {self.capture}"


class NoQuerier(_Querier):
    """Passes when the bridge knows of no querier of the family, over the whole window: then it floods.

    Fails when there is one, or when it is not known."""

    NAME = "mdb.no_querier"
    PARAMS = {"bridge": BRIDGE, "family": _FAMILY}
    EXAMPLE = "{bridge: lan, family: ipv6}"
    ABSENCE = True

    def describe(self) -> str:
        return f"segment of bridge {self.bridge} has no querier for {self.family or 'ipv4'}"

    def decide(self, found: dict[str, Any] | None) -> bool:
        return found is None


CHECKS = (Present, Absent, Ports, RouterPort, Querier, NoQuerier)
