# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `membership`, as far as it is about what a membership is: which range its group is in, and who holds it."""
from __future__ import annotations

from ...module_utils import expect, group
from .base import Check, find_membership, flag_option, group_option


class Range(Check):
    """Passes when the kernel holds the membership, and its group is in this range, and registered under this name, and
    source-specific or not, as far as that is asked.

    Fails when there is no such membership, or its group is of another kind."""

    NAME = "membership.range"
    PARAMS = {"interface": expect.text, "group": group_option, "scope": expect.text, "name": expect.text,
              "source_specific": flag_option}
    REQUIRED = ("interface", "group")
    NEEDS = ("memberships",)

    def describe(self):
        return "member of %s on %s: %s" % (self.group, self.interface, self._shown(self.params))

    @staticmethod
    def _shown(told):
        words = [told[key] for key in ("scope", "name") if told.get(key)]
        if told.get("source_specific") is not None:
            words.append("source-specific" if told["source_specific"] else "not source-specific")
        return ", ".join(words) or "of any kind"

    def judge(self, facts):
        found = find_membership(facts, self.interface, self.group)
        if found is None:
            return False, self._shown(self.params), "no member", {}
        told = {"scope": found["scope"], "name": found["name"], "source_specific": group.is_ssm(self.group)}
        passed = all(told[key] == value for key, value in self.params.items() if key in told)
        return passed, self._shown(self.params), self._shown(told), dict(found, **told)


class Held(Check):
    """Passes when a process of this name is a member of the group on that interface, as its own socket says.

    Fails when there is none; the actual names the processes that are."""

    NAME = "membership.held"
    PARAMS = {"interface": expect.text, "group": group_option, "process": expect.text}
    REQUIRED = ("interface", "group", "process")
    NEEDS = ("members",)

    def describe(self):
        name = group.iana_name(self.group)
        return "%s is member of %s%s on %s" % (
            self.process, self.group, " (%s)" % name if name else "", self.interface)

    def judge(self, facts):
        found = [sock for sock in facts["members"] if any(
            (one["group"], one["interface"]) == (self.group, self.interface) for one in sock["memberships"])]
        actual = ", ".join(sorted({"%s (pid %d)" % (sock["process"], sock["pid"]) for sock in found})) or "nobody"
        return any(sock["process"] == self.process for sock in found), self.process, actual, {"sockets": found}


CHECKS = (Range, Held)
