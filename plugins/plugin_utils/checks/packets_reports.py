# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`, as far as it is about reports: did a host say on the wire what it joined and left?"""
from __future__ import annotations

from typing import Any, NamedTuple

from ...module_utils import expect, group
from ...module_utils.querier.defaults import ROBUSTNESS
from .base import CAPTURE, FILTER_MODE, GROUP, INTERFACE, Look, Option, flag_option, member_before
from .packets import Packets, bad_checksums, by_group, by_kind, differences, evidence_of, select

# What a host says to join and to leave, by version: kind, the type of the record by filter mode (None: the message
# has no records), where it goes (None: to the group), and how many there must be: "robust" (as many as the robustness
# variable), "some", or None where nothing is certain. IGMPv2 and MLDv1 hosts leave silently if another reported last.
REPORTS: dict[tuple[str, int, str], tuple[str, dict[str, str], str | None, str | None]] = {
    ("ipv4", 3, "join"): ("igmpv3_report", {"exclude": "to_ex", "include": "allow"}, "224.0.0.22", "robust"),
    ("ipv4", 3, "leave"): ("igmpv3_report", {"exclude": "to_in", "include": "block"}, "224.0.0.22", "robust"),
    ("ipv4", 2, "join"): ("igmpv2_report", {}, None, "some"),
    ("ipv4", 2, "leave"): ("igmpv2_leave", {}, "224.0.0.2", None),
    ("ipv4", 1, "join"): ("igmpv1_report", {}, None, "some"),
    ("ipv4", 1, "leave"): ("igmpv2_leave", {}, None, None),
    ("ipv6", 2, "join"): ("mldv2_report", {"exclude": "to_ex", "include": "allow"}, "ff02::16", "robust"),
    ("ipv6", 2, "leave"): ("mldv2_report", {"exclude": "to_in", "include": "block"}, "ff02::16", "robust"),
    ("ipv6", 1, "join"): ("mldv1_report", {}, None, "some"),
    ("ipv6", 1, "leave"): ("mldv1_done", {}, "ff02::2", None),
}


class _Wanted(NamedTuple):
    """Which reports there must be. record: the type of the record, or None. number: how many exactly, or None; least:
    how many at least."""

    kind: str
    record: str | None
    destination: str
    number: int | None
    least: int


class Reports(Packets):
    """Passes when this host's own reports of joining or leaving the group are in the capture: in IGMPv3 and MLDv2 as
    many as the robustness variable (each change is repeated), no more and no fewer, with TTL 1 and Router Alert, to the
    routers' group. Where a host says again what it is a member of, as in MLDv2 once its address has come up, that is no
    further one: it names groups of the kernel too. Older versions, and a querier that sets the robustness itself, leave
    the number open: then one report is enough, and a leave need not be seen.

    Fails when there are more or fewer, or one of them is otherwise."""

    NAME = "packets.reports"
    NEEDS = ("captures", "interfaces", "limits")
    REQUIRED = ("capture", "interface", "group", "change")
    PARAMS = {
        "capture": CAPTURE, "interface": INTERFACE, "group": GROUP,
        "change": Option(lambda path, value: expect.choice(path, value, ("join", "leave")), "`join` or `leave`"),
        "filter_mode": Option(FILTER_MODE.read, "`include` or `exclude`, which is the default"),
        "sources": Option(expect.texts, "addresses that the reports list, exactly these; none by default"),
        "exact": Option(flag_option, "`false` where one report is enough")}
    EXAMPLE = "{capture: wire, interface: eth0, group: 239.0.0.100, change: join}"
    ABSENCE = True
    interface: str
    group: str
    change: str
    filter_mode: str | None
    sources: list[str] | None
    exact: bool | None

    def describe(self) -> str:
        return f"reports on the wire: {self.change}s {self.group} on {self.interface}"

    def _expected(self, facts: dict[str, Any]) -> str:
        kind, record, destination, number, least = self._wanted(facts)
        if number is None and not least:
            return "nothing that is certain"
        many = f"at least {least}" if number is None else str(number)
        return " ".join(filter(None, (many, kind, record, self.group, "to", destination, "with TTL 1, Router Alert")))

    def _wanted(self, facts: dict[str, Any]) -> _Wanted:
        family = group.family(self.group)
        interface = facts["interfaces"].get(self.interface, {})
        found = facts["captures"].get(self.capture)
        kinds = {"ipv4": ("igmpv1_query", "igmpv2_query", "igmpv3_query"), "ipv6": ("mldv1_query", "mldv2_query")}
        queries = found and any(by_kind(found, kind) for kind in kinds[family])
        if family == "ipv4":
            version = interface.get("igmp_version", {}).get("value") or 3
        else:
            # The kernel does not tell to which version of MLD an older querier has made it fall back. Such a querier is
            # seen, or what the host answers it.
            old = found and (by_kind(found, "mldv1_query") or any(
                message["source_mac"] == interface.get("mac") for message in by_kind(found, "mldv1_report")))
            version = interface.get("force_mld_version") or (1 if old else 2)
        kind, records, destination, amount = REPORTS[family, version, self.change]
        destination = destination or self.group
        if amount != "robust":
            return _Wanted(kind, None, destination, None, 1 if amount else 0)
        if self.exact is False:
            return _Wanted(kind, None, destination, None, 1)
        robustness = facts["limits"].get("igmp_qrv" if family == "ipv4" else "mld_qrv") or ROBUSTNESS
        record = records[self.filter_mode or "exclude"]
        if queries:
            return _Wanted(kind, record, destination, None, 1)
        return _Wanted(kind, record, destination, robustness, robustness)

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        kind, record, destination, number, least = self._wanted(facts)
        mac = facts["interfaces"].get(self.interface, {}).get("mac")
        messages = [message for message in select(by_group(found, self.group), [kind], self.group, record)
                    if mac in (None, message["source_mac"])]
        wrong = differences(messages, {"destination": destination, "ttl": 1, "router_alert": True})
        if record:
            wrong += [f"sources {one['sources']} in place of {self.sources or []} (frame {message['number']})"
                      for message in messages for one in message["records"]
                      if (one["type"], one["group"]) == (record, self.group)
                      and sorted(one["sources"]) != sorted(self.sources or [])]
        wrong += bad_checksums(messages)
        own = sum(any(group.is_kernel_own(one["group"]) for one in message["records"]) for message in messages)
        fits = least <= len(messages) and (number is None or len(messages) - own <= number)
        shown = " ".join(filter(None, (str(len(messages)), kind, record, self.group)))
        before = [] if fits else member_before(self.since, self.interface, self.group)
        return Look(fits and not wrong, "; ".join([shown, *wrong, *before]), evidence_of(messages))


CHECKS = (Reports,)
