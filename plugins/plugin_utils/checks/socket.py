# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `socket`: who listens?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils import group as groups
from .base import Check, group_option, port_option

_WILDCARDS = ("0.0.0.0", "::")


class Listening(Check):
    """Passes when a process holds a UDP socket on the port; with a group, one that datagrams to the group can reach: of
    the group's family, and bound to the wildcard address or to the group itself; with a process, one of that name.

    Fails when there is none, and when it can't be seen who holds it, which takes root. Whether the process is a member
    of the group is another question. An IPv6 socket on the wildcard address takes IPv4 too unless its program forbids
    that (IPV6_V6ONLY), as Java's never do; as this can't be seen from outside, such a socket counts, and the text says
    so."""

    NAME = "socket.listening"
    PARAMS = {
        "port": port_option,
        "group": group_option, "process": expect.text,
    }
    REQUIRED = ("port",)
    NEEDS = ("sockets",)

    def describe(self):
        return "%s listens on UDP port %d%s" % (
            self.process or "a process", self.port, " for %s" % self.group if self.group else "")

    def judge(self, facts):
        found = [row for row in facts["sockets"] if row["protocol"] == "udp" and row["port"] == self.port]
        good = [row for row in found if self._reached(row) and row["pid"] is not None
                and self.process in (None, row["process"])]
        actual = "; ".join(sorted(_shown(row, self.group) for row in good or found)) or "nobody"
        return bool(good), self._expected(), actual, {"sockets": good or found}

    def _reached(self, row):
        if self.group is None:
            return True
        return row["address"] == "::" or row["family"] == groups.family(self.group) and row["address"] in (
            _WILDCARDS + (self.group,))

    def _expected(self):
        places = [_place(address, self.port) for address in (_WILDCARDS[0], self.group) if address]
        return "%s on UDP %s%s" % (self.process or "a process", " or ".join(places),
                                   " (%s)" % groups.family(self.group) if self.group else "")


def _place(address, port):
    """As lsof has it: ``*:11111``, ``239.0.0.100:11111``, ``[ff15::100]:11111``."""
    address = "*" if address in _WILDCARDS else "[%s]" % address if ":" in address else address
    return "%s:%d" % (address, port)


def _shown(row: dict[str, Any], group: str | None) -> str:
    who = "a process that is not seen, which takes root"
    if row["pid"] is not None:
        who = "%s (pid %d, descriptor %d)" % (row["process"], row["pid"], row["descriptor"])
    family = row["family"]
    if row["address"] == "::" and group and groups.family(group) == "ipv4":
        family += ", which may take IPv4 too"
    return f"{who} on UDP {_place(row['address'], row['port'])} ({family})"


class Undropped(Listening):
    """Passes when such a socket is there, and the kernel has dropped nothing for it since the time before the streams,
    over the whole window: what arrives on the wire, and passes membership, filter and firewall, gets to the program.

    Fails when there is none, and when its buffer was full. Whether the program reads what it gets is not seen, nor
    whether anything comes: packets.datagrams says that."""

    NAME = "socket.undropped"
    REQUIRED = ("port", "group")
    ABSENCE = True

    def describe(self) -> str:
        return f"no datagram to {self.group} port {self.port} is dropped at its socket"

    def judge(self, facts: dict[str, Any]) -> tuple[bool, str, str, dict[str, Any]]:
        passed, expected, actual, evidence = super().judge(facts)
        before = {row["inode"]: row["drops"] for row in (self.since or {}).get("sockets") or ()}
        dropped = sum((row["drops"] or 0) - (before.get(row["inode"]) or 0) for row in evidence["sockets"])
        if passed and any(row["drops"] is None for row in evidence["sockets"]):
            return False, expected, "this kernel does not count what it drops at a socket", evidence
        return passed and not dropped, f"{expected}, 0 dropped", f"{actual}; {dropped} dropped", evidence


CHECKS = (Listening, Undropped)
