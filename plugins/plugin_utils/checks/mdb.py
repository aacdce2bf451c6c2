# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `mdb`: to which ports does a bridge send a group, and who queries its segment? A bridge is named by its segment
or as the kernel has it, a port as HOST~INTERFACE or as the kernel has it."""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils.packet import moment
from ...module_utils.querier_defaults import QUERY_INTERVAL
from ...module_utils.topology import kernel_name
from .base import Check, family_option, flag_option, group_option, mode_option
from .packets import broken_off
from .querier import LATE, general_queries, interval_option, seconds, silence, until


def _is(name, have):
    """Whether a user's name of a bridge or port is what the kernel calls `have`."""
    return have in (name, kernel_name(name))


class OnBridge(Check):
    """A question about the bridge `bridge`, and a port of it where `port` is given."""

    NEEDS = ("bridges",)
    REQUIRED = ("bridge",)

    def judge(self, facts):
        found = next((bridge for name, bridge in facts["bridges"].items() if _is(self.bridge, name)), None)
        if found is None:
            there = ", ".join(sorted(facts["bridges"])) or "none (or no iproute2 to ask)"
            return False, self.describe(), "no bridge %s; bridges here: %s" % (self.bridge, there), {}
        if found["entries"] is None or found["ports"] is None:
            return False, self.describe(), "unknown: the program bridge of iproute2 is not there", {}
        for port in self.params.get("ports", []) + [self.params[key] for key in ("port",) if key in self.params]:
            if not any(_is(port, name) for name in list(found["ports"]) + [self.bridge]):
                return False, self.describe(), "%s has no port %s; its ports: %s" % (
                    self.bridge, port, ", ".join(sorted(found["ports"])) or "none"), {}
        passed, actual, evidence = self.look(found)
        return passed, self.describe(), actual, evidence

    def look(self, bridge):
        """bridge: of facts["bridges"]. Returns (passed, actual, evidence)."""
        raise NotImplementedError

    def entries(self, bridge):
        """Those of the group on the port, or on any; of the source where one is asked for, else the group's own."""
        return [entry for entry in bridge["entries"] if entry["group"] == self.group
                and entry["source"] == self.params.get("source")
                and (not self.params.get("port") or _is(self.port, entry["port"]))]


def shown(entry):
    words = ["%s on %s" % (entry["group"], entry["port"])]
    if entry["source"]:
        words.append("from %s" % entry["source"])
    words.append("permanent" if entry["permanent"] else entry["filter_mode"] or "joined by the bridge itself")
    if entry["sources"]:
        words.append(", ".join(sorted(one["source"] for one in entry["sources"])))
    return " ".join(words)


def _listed(entries):
    return "; ".join(shown(entry) for entry in entries) or "none"


class Present(OnBridge):
    """Passes when the database has the group (of that source) on the port, or on any, with the filter mode and the
    sources given.

    Fails when there is none, or when it is otherwise."""

    NAME = "mdb.present"
    PARAMS = {"bridge": expect.text, "group": group_option, "port": expect.text, "source": expect.text,
              "filter_mode": mode_option, "sources": expect.texts, "permanent": flag_option}
    REQUIRED = ("bridge", "group")

    def describe(self):
        about = [self.group, "from %s" % self.source if self.source else None, "on %s" % (self.port or "any port"),
                 self.filter_mode, ", ".join(self.sources or []) or None,
                 None if self.permanent is None else "permanent" if self.permanent else "learned"]
        return "bridge %s knows %s" % (self.bridge, " ".join(filter(None, about)))

    def look(self, bridge):
        found = self.entries(bridge)
        fits = [entry for entry in found if self._fits(entry)]
        elsewhere = [entry for entry in bridge["entries"] if entry["group"] == self.group]
        return bool(fits), _listed(fits or found or elsewhere), {"entries": fits or elsewhere}

    def _fits(self, entry):
        return (self.filter_mode in (None, entry["filter_mode"]) and self.permanent in (None, entry["permanent"])
                and (self.sources is None or sorted(self.sources) == sorted(
                    one["source"] for one in entry["sources"])))


class Absent(OnBridge):
    """Passes when the database has no entry for the group (of that source) on the port, or on any, over the whole
    window.

    Fails when there is one, permanent ones too."""

    NAME = "mdb.absent"
    PARAMS = {"bridge": expect.text, "group": group_option, "port": expect.text, "source": expect.text}
    REQUIRED = ("bridge", "group")
    ABSENCE = True

    def describe(self):
        about = [self.group, "from %s" % self.source if self.source else None, "on %s" % (self.port or "any port")]
        return "bridge %s has no %s" % (self.bridge, " ".join(filter(None, about)))

    def look(self, bridge):
        found = self.entries(bridge)
        return not found, _listed(found), {"entries": found}


class Ports(OnBridge):
    """Passes when the group is on exactly these ports, over the whole window.

    Fails when one is missing or there is another. Ports to routers get every group, and are not told here."""

    NAME = "mdb.ports"
    PARAMS = {"bridge": expect.text, "group": group_option, "ports": expect.texts}
    REQUIRED = ("bridge", "group", "ports")
    ABSENCE = True

    def describe(self):
        return "bridge %s sends %s to %s alone" % (self.bridge, self.group, ", ".join(self.ports) or "no port")

    def look(self, bridge):
        have = sorted({entry["port"] for entry in bridge["entries"] if entry["group"] == self.group})
        passed = all(any(_is(port, name) for name in have) for port in self.ports) and all(
            any(_is(port, name) for port in self.ports) for name in have)
        return passed, ", ".join(have) or "no port", {"ports": have}


class RouterPort(OnBridge):
    """Passes when the port counts as one to a router, which gets every group.

    Fails when it doesn't."""

    NAME = "mdb.router_port"
    PARAMS = {"bridge": expect.text, "port": expect.text}
    REQUIRED = ("bridge", "port")

    def describe(self):
        return "bridge %s has a router at %s" % (self.bridge, self.port)

    def look(self, bridge):
        found = [row for row in bridge["router_ports"] if _is(self.port, row["port"])]
        listed = ", ".join("%s (%s)" % (row["port"], row["type"]) for row in bridge["router_ports"])
        return bool(found), "router ports: %s" % (listed or "none"), {"router_ports": bridge["router_ports"]}


class _Querier(OnBridge):
    def look(self, bridge):
        if not bridge["snooping"]:
            return False, "unknown: the bridge doesn't snoop, and so knows no querier", {}
        if bridge["queriers"] is None:
            return False, "unknown: this kernel, or the lack of /usr/bin/python3, leaves the querier open", {}
        found = bridge["queriers"][self.family or "ipv4"]
        sends = not (found and found["self"] and found["address"] == "::")
        if found is None:
            actual = "no querier"
        elif not sends:
            actual = "no querier: the bridge has no link-local address to send MLD queries from"
        elif found["self"]:
            actual = "the bridge itself, as %s" % found["address"]
        else:
            actual = "%s at %s" % (found["address"], found["port"])
        silent = silence(bridge, self.family or "ipv4")
        actual += "" if silent is None else f", last heard {silent:.1f} s ago"
        return self.decide(found if sends else None), actual, {"querier": found}

    def decide(self, found):
        """found: the querier that the bridge knows of and that can send, or None."""
        raise NotImplementedError


class Querier(_Querier):
    """Passes when a querier of the family lives on the segment, as the bridge knows it: itself, while it is up, or
    another that it has heard within the query interval; with the address and at the port that are given. A bridge
    remembers a querier for much longer. The query interval is `interval`, in seconds, or else that of the bridge. With
    a capture on this host, a query in it that is no older is as good.

    Fails when there is none, another, one that is silent and only remembered, or when nothing tells."""

    NAME = "mdb.querier"
    PARAMS = {"bridge": expect.text, "family": family_option, "address": expect.text, "port": expect.text,
              "self": flag_option, "interval": interval_option, "capture": expect.text}

    @property
    def NEEDS(self) -> tuple[str, ...]:
        return ("bridges", "captures") if self.capture else ("bridges",)

    def describe(self):
        about = ["the bridge itself" if self.params.get("self") else None, self.address,
                 "at %s" % self.port if self.port else None]
        said = " ".join(filter(None, about))
        return "segment of bridge %s has a querier for %s%s" % (
            self.bridge, self.family or "ipv4", ": " + said if said else "")

    def judge(self, facts: dict[str, Any]) -> tuple[bool, str, str, dict[str, Any]]:
        passed, expected, actual, evidence = super().judge(facts)
        if "query_interval" in evidence:
            expected += f", heard within its query interval of {evidence['query_interval']:g} s"
        if passed or not self.capture:
            return passed, expected, actual, evidence
        query, why = self._captured(facts["captures"].get(self.capture))
        return query is not None, expected, f"{actual}; {why}", {**evidence, "query": query and moment.readable(query)}

    def look(self, bridge: dict[str, Any]) -> tuple[bool, str, dict[str, Any]]:
        passed, actual, evidence = super().look(bridge)
        silent, interval = silence(bridge, self.family or "ipv4"), self.interval or bridge["query_interval"]
        if silent is not None:
            return passed and silent <= LATE * interval, actual, {**evidence, "query_interval": interval}
        if passed and evidence["querier"]["self"] and bridge.get("up") is False:
            return False, f"{actual}, which is down and sends no queries", evidence
        return passed, actual, evidence

    def decide(self, found):
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

    Fails when there is one, or when nothing tells."""

    NAME = "mdb.no_querier"
    PARAMS = {"bridge": expect.text, "family": family_option}
    ABSENCE = True

    def describe(self):
        return "segment of bridge %s has no querier for %s" % (self.bridge, self.family or "ipv4")

    def decide(self, found):
        return found is None


CHECKS = (Present, Absent, Ports, RouterPort, Querier, NoQuerier)
