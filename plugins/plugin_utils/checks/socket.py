# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `socket`: who listens?"""
from __future__ import annotations

from typing import Any

from ...module_utils import group as groups
from ...module_utils.kernel import counters
from .base import GROUP, PORT, PROCESS, Check, Judgement, Option, count_option

_WILDCARDS = ("0.0.0.0", "::")


class Listening(Check):
    """Passes when a process holds a UDP socket on the port; with a group, one that datagrams to the group can reach: of
    the group's family, and bound to the wildcard address or to the group itself; with a process, one of that name.

    Fails when there is none, and when it is not known who holds it (only root can see that). Whether the process is a
    member of the group is another question. An IPv6 socket on the wildcard address takes IPv4 too unless its program
    forbids that (IPV6_V6ONLY), as Java's never do; as this can't be seen from outside, such a socket counts, and the
    text says so."""

    NAME = "socket.listening"
    PARAMS = {"port": PORT, "group": GROUP, "process": PROCESS}
    REQUIRED: tuple[str, ...] = ("port",)
    EXAMPLE = "{port: 11111, group: 239.0.0.100, process: vlc}"
    NEEDS: tuple[str, ...] = ("sockets",)
    port: int
    group: str | None
    process: str | None

    def describe(self) -> str:
        aim = f" for {self.group}" if self.group else ""
        return f"{self.process or 'a process'} listens on UDP port {self.port}{aim}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = [row for row in facts["sockets"] if row["protocol"] == "udp" and row["port"] == self.port]
        good = [row for row in found if self._reached(row) and row["pid"] is not None
                and self.process in (None, row["process"])]
        actual = "; ".join(sorted(_shown(row, self.group) for row in good or found)) or "nobody"
        return Judgement(bool(good), self._expected(), actual, {"sockets": good or found})

    def _reached(self, row: dict[str, Any]) -> bool:
        if self.group is None:
            return True
        return row["address"] == "::" or row["family"] == groups.family(self.group) and row["address"] in (
            _WILDCARDS + (self.group,))

    def _expected(self) -> str:
        places = [_place(address, self.port) for address in (_WILDCARDS[0], self.group) if address]
        family = f" ({groups.family(self.group)})" if self.group else ""
        return f"{self.process or 'a process'} on UDP {' or '.join(places)}{family}"


def _place(address: str, port: int) -> str:
    """As lsof has it: ``*:11111``, ``239.0.0.100:11111``, ``[ff15::100]:11111``."""
    address = "*" if address in _WILDCARDS else f"[{address}]" if ":" in address else address
    return f"{address}:{port}"


def _shown(row: dict[str, Any], group: str | None) -> str:
    who = "an unknown process (run as root to see it)"
    if row["pid"] is not None:
        who = f"{row['process']} (pid {row['pid']}, descriptor {row['descriptor']})"
    family = row["family"]
    if row["address"] == "::" and group and groups.family(group) == "ipv4":
        family += ", which may take IPv4 too"
    return f"{who} on UDP {_place(row['address'], row['port'])} ({family})"


class Delivered(Listening):
    """Passes when a socket is there as `socket.listening` has it, the kernel has dropped nothing for it since the
    earlier gathering (`since`), over the whole window, and programs of the host that are not ours have read `datagrams`
    of the group's family since, or more. For a receiver that is not ours, and so has no report.

    Fails when there is none, when its buffer was full, and when fewer were read: a program that does not read, or the
    host itself that drops between the wire and the socket (its rp_filter, a rule of its firewall, a wrong checksum).
    The kernel counts all datagrams of a family together, so that others may stand in for some that don't come."""

    NAME = "socket.delivered"
    PARAMS = {**Listening.PARAMS, "datagrams": Option(count_option, "number of datagrams that are read, at least")}
    REQUIRED = ("port", "group", "datagrams")
    EXAMPLE = "{port: 5004, group: 239.10.0.1, datagrams: 5}"
    NEEDS = ("sockets", "counters", "traffic")
    ABSENCE = True
    group: str
    datagrams: int

    def describe(self) -> str:
        return f"datagrams to {self.group} port {self.port} get to a program that is not ours, none is dropped"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        there, expected, actual, evidence = super().judge(facts)
        family, since = groups.family(self.group), self.since or {}
        expected = f"{expected}, 0 dropped, at least {self.datagrams} read"
        before = {row["inode"]: row["drops"] for row in since.get("sockets") or ()}
        read = _read_by_others(facts, family)
        if read is None or any(row["drops"] is None for row in evidence["sockets"]):
            return Judgement(False, expected,
                             f"{actual}; this kernel does not count what is read, or dropped at a socket", evidence)
        dropped = sum(row["drops"] - (before.get(row["inode"]) or 0) for row in evidence["sockets"])
        read -= (_read_by_others(since, family) if since else 0) or 0
        return Judgement(there and not dropped and read >= self.datagrams, expected,
                         f"{actual}; {dropped} dropped, {read} of {family} read by programs that are not ours",
                         dict(evidence, read=read))


def _read_by_others(facts: dict[str, Any], family: str) -> int | None:
    """How many datagrams of a family all programs have read but our receivers. None where that is not counted."""
    read = counters.datagrams_read(facts["counters"], family)
    flows = [flow for report in facts["traffic"].values() if report and report["program"] == "receiver"
             for flow in report["flows"]]
    return None if read is None else read - sum(
        flow["datagrams"] for flow in flows if groups.family(flow["group"]) == family)


CHECKS = (Listening, Delivered)
