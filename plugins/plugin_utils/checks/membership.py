# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `membership`: of which groups is a host a member, and on which interface?"""
from __future__ import annotations

from ...module_utils import expect, group
from .base import Check, find_membership, group_option


def _places(path, value):
    """A list of ``{interface, group}``."""
    if not isinstance(value, list):
        expect.mapping(path, value)
    return [{"interface": expect.text(path, expect.mapping(path, item, ("interface", "group"))["interface"]),
             "group": group_option(path, item["group"])} for item in value]


def _shown(entries):
    return ", ".join(sorted(entries)) or "nothing"


class Present(Check):
    """Passes when the kernel holds the membership on that interface, with the filter mode and sources given.

    Fails when there is none, or when its sources or its mode are others. Where the kernel's tables leave the mode
    open, an inferred mode is judged by the sources alone."""

    NAME = "membership.present"
    PARAMS = {
        "interface": expect.text, "group": group_option, "sources": expect.texts,
        "filter_mode": lambda path, value: expect.choice(path, value, ("include", "exclude")),
    }
    REQUIRED = ("interface", "group")
    NEEDS = ("memberships",)

    def describe(self):
        return "member of %s on %s%s" % (self.group, self.interface, self._filter())

    def _filter(self):
        if self.filter_mode is None or (self.filter_mode == "exclude" and not self.sources):
            return ""
        return ", %s %s" % (self.filter_mode, _shown(self.sources or []))

    def judge(self, facts):
        found = find_membership(facts, self.interface, self.group)
        expected = self.describe()
        if found is None:
            elsewhere = sorted(entry["interface"] for entry in facts["memberships"] if entry["group"] == self.group)
            return False, expected, "member on %s instead" % ", ".join(elsewhere) if elsewhere else "no member", {}
        mode = found["filter_mode"]
        have = {kind: sorted(entry["source"] for entry in found[kind]) for kind in ("include", "exclude")}
        passed = True
        if self.filter_mode is not None:
            passed = have[self.filter_mode] == sorted(self.sources or [])
            passed = passed and (mode["value"] == self.filter_mode or mode["basis"] != "exact")
        actual = "member of %s on %s, %s (%s)" % (self.group, self.interface, mode["value"], mode["basis"])
        for kind, sources in have.items():
            actual += ", %s %s" % (kind, _shown(sources)) if sources else ""
        return passed, expected, actual, found


class Absent(Check):
    """Passes when the kernel holds no membership of the group on that interface, over the whole window.

    Fails when it is held, by whatever process."""

    NAME = "membership.absent"
    PARAMS = {"interface": expect.text, "group": group_option}
    REQUIRED = ("interface", "group")
    NEEDS = ("memberships",)
    ABSENCE = True

    def describe(self):
        return "no member of %s on %s" % (self.group, self.interface)

    def judge(self, facts):
        found = find_membership(facts, self.interface, self.group)
        return found is None, self.describe(), "no member" if found is None else "member", found or {}


class Difference(Check):
    """Passes when, since the earlier gathering, exactly the given memberships have come and nothing has gone: each
    with its group and its link-layer group, unless they were there before.

    Fails on anything more or less, on every interface."""

    NAME = "membership.difference"
    PARAMS = {"joined": _places}
    REQUIRED = ("joined",)
    NEEDS = ("interfaces", "memberships")
    ABSENCE = True

    def describe(self):
        what = _shown("%s on %s" % (place["group"], place["interface"]) for place in self.joined)
        return "since then joined: %s" % what

    def judge(self, facts):
        if self.since is None:
            return False, self.describe(), "there is no earlier gathering to compare with", {}
        before, now = _entries(self.since), _entries(facts)
        wanted = set()
        for place in self.joined:
            wanted.add("%s %s" % (place["interface"], place["group"]))
            wanted.add("%s link %s" % (place["interface"], group.mac(place["group"])))
        expected = before | wanted
        come, gone = sorted(now - before), sorted(before - now)
        return (now == expected, "new: %s; gone: nothing" % _shown(expected - before),
                "new: %s; gone: %s" % (_shown(come), _shown(gone)), {"new": come, "gone": gone})


def _entries(facts):
    """Memberships and link-layer groups as comparable words: ``"eth0 239.0.0.100"``, ``"eth0 link 01:00:…"``."""
    found = {"%s %s" % (entry["interface"], entry["group"]) for entry in facts["memberships"]}
    for name, interface in facts["interfaces"].items():
        found.update("%s link %s" % (name, link["mac"]) for link in interface["link_groups"])
    return found


class Explained(Check):
    """Passes when every membership is one of the given ones, or one that the kernel holds for itself (all-systems,
    all-nodes, solicited-node), over the whole window.

    Fails when there is another: somebody joined what no stream asks for."""

    NAME = "membership.explained"
    PARAMS = {"memberships": _places}
    REQUIRED = ("memberships",)
    NEEDS = ("memberships",)
    ABSENCE = True

    def describe(self):
        return "no membership that no stream explains"

    def judge(self, facts):
        known = {(place["interface"], place["group"]) for place in self.memberships}
        strange = [entry for entry in facts["memberships"] if not group.is_kernel_own(entry["group"])
                   and (entry["interface"], entry["group"]) not in known]
        shown = _shown("%s on %s" % (entry["group"], entry["interface"]) for entry in strange)
        return not strange, "nothing beyond the streams", shown, {"unexplained": strange}


CHECKS = (Present, Absent, Difference, Explained)
