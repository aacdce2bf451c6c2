# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `membership`, as far as it is about what a membership is: which range is its group in, and who
holds it?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect, group
from .base import GROUP, INTERFACE, PROCESS, Check, Judgement, Option, find_membership, flag_option


class Range(Check):
    """Passes when the kernel holds the membership, and its group is in this range, and registered under this name, and
    source-specific or not, as far as that is asked.

    Fails when there is no such membership, or its group is of another kind."""

    NAME = "membership.range"
    PARAMS = {
        "interface": INTERFACE, "group": GROUP,
        "scope": Option(expect.text, "range that the group is in, as `mcast.lab.host_facts` calls it"),
        "name": Option(expect.text, "name of the group, as registered with IANA"),
        "source_specific": Option(flag_option, "whether it is a source-specific group"),
    }
    REQUIRED = ("interface", "group")
    EXAMPLE = "{interface: eth0, group: 239.0.0.100, scope: administratively-scoped, source_specific: false}"
    NEEDS = ("memberships",)
    interface: str
    group: str

    def describe(self) -> str:
        return f"member of {self.group} on {self.interface}: {self._shown(self.params)}"

    @staticmethod
    def _shown(told: dict[str, Any]) -> str:
        words = [told[key] for key in ("scope", "name") if told.get(key)]
        if told.get("source_specific") is not None:
            words.append("source-specific" if told["source_specific"] else "not source-specific")
        return ", ".join(words) or "of any kind"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = find_membership(facts, self.interface, self.group)
        if found is None:
            return Judgement(False, self._shown(self.params), "no member", {})
        told = {"scope": found["scope"], "name": found["name"], "source_specific": group.is_ssm(self.group)}
        passed = all(told[key] == value for key, value in self.params.items() if key in told)
        return Judgement(passed, self._shown(self.params), self._shown(told), dict(found, **told))


class Held(Check):
    """Passes when a process of this name is a member of the group on that interface, as its own socket says. This
    takes what `mcast.lab.socket_info` takes.

    Fails when there is none; the actual names the processes that are."""

    NAME = "membership.held"
    PARAMS = {"interface": INTERFACE, "group": GROUP, "process": PROCESS}
    REQUIRED = ("interface", "group", "process")
    EXAMPLE = "{interface: eth0, group: 224.0.1.129, process: ptp4l}"
    NEEDS = ("members",)
    interface: str
    group: str
    process: str

    def describe(self) -> str:
        name = group.iana_name(self.group)
        return f"{self.process} is member of {self.group}{f' ({name})' if name else ''} on {self.interface}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = [sock for sock in facts["members"] if any(
            (one["group"], one["interface"]) == (self.group, self.interface) for one in sock["memberships"])]
        actual = ", ".join(sorted({f"{sock['process']} (pid {sock['pid']})" for sock in found})) or "nobody"
        return Judgement(any(sock["process"] == self.process for sock in found), self.process, actual,
                         {"sockets": found})


CHECKS = (Range, Held)
