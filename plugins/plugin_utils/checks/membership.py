# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `membership`: of which groups is a host a member, and on which interface?"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...module_utils import expect, group
from ...module_utils.error import McastError
from .base import FILTER_MODE, GROUP, INTERFACE, Check, Judgement, Option, find_membership, group_option, member_before


def _places(path: str, value: Any) -> list[dict[str, str]]:
    """A list of ``{interface, group}``."""
    if not isinstance(value, list):
        raise McastError(path, f"expected a list of {{interface, group}}, not {value}")
    for item in value:
        expect.mapping(path, item, ("interface", "group"), required=("interface", "group"))
    return [{"interface": expect.text(f"{path}.interface", item["interface"]),
             "group": group_option(f"{path}.group", item["group"])} for item in value]


def _shown(entries: Iterable[str]) -> str:
    return ", ".join(sorted(entries)) or "nothing"


class Present(Check):
    """Passes when the kernel holds the membership on that interface, with the filter mode and sources given.

    Fails when there is none, or when its sources or its mode are others. Where the kernel's tables leave the mode
    open, an inferred mode is judged by the sources alone; where they leave out the sources too, the membership alone
    is judged, and the actual says so. Where others were members before, as the earlier gathering has it, it is enough
    that the filter of all together lets in what this one does."""

    NAME = "membership.present"
    PARAMS = {
        "interface": INTERFACE, "group": GROUP,
        "sources": Option(expect.texts, "addresses that the filter lists"),
        "filter_mode": FILTER_MODE,
    }
    REQUIRED = ("interface", "group")
    EXAMPLE = "{interface: eth0, group: 239.0.0.100, filter_mode: include, sources: [192.168.122.181]}"
    NEEDS = ("memberships",)
    interface: str
    group: str
    sources: list[str] | None
    filter_mode: str | None

    def describe(self) -> str:
        return f"member of {self.group} on {self.interface}{self._filter()}"

    def _filter(self) -> str:
        mode = self._mode()
        if mode is None or (mode == "exclude" and not self.sources):
            return ""
        return f", {mode} {_shown(self.sources or [])}"

    def _mode(self) -> str | None:
        return self.filter_mode or ("include" if self.sources else None)

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = find_membership(facts, self.interface, self.group)
        expected = self.describe()
        if found is None:
            elsewhere = sorted(entry["interface"] for entry in facts["memberships"] if entry["group"] == self.group)
            actual = f"member on {', '.join(elsewhere)} instead" if elsewhere else "no member"
            return Judgement(False, expected, actual, {})
        if found["include"] is None:
            actual = f"member of {self.group} on {self.interface}; the kernel doesn't list its sources"
            return Judgement(True, expected, actual, found)
        mode, wanted = found["filter_mode"], self._mode()
        have = {kind: sorted(entry["source"] for entry in found[kind]) for kind in ("include", "exclude")}
        passed = True
        if wanted is not None:
            possible = [have["include"]] if wanted == "include" else _excluded(found)
            passed = sorted(self.sources or []) in possible
            passed = passed and (mode["value"] == wanted or mode["basis"] != "exact")
        others = not passed and bool(member_before(self.since, self.interface, self.group))
        actual = f"member of {self.group} on {self.interface}, {mode['value']} ({mode['basis']})"
        for kind, sources in have.items():
            actual += f", {kind} {_shown(sources)}" if sources else ""
        actual += "; others were members before" if others else ""
        return Judgement(passed or others and self._let_in(found), expected, actual, found)

    def _let_in(self, found: dict[str, Any]) -> bool:
        """Whether the interface's filter lets in all that is asked for, and perhaps more."""
        wanted = set(self.sources or [])
        if found["filter_mode"]["value"] == "include":
            return self._mode() == "include" and wanted <= {entry["source"] for entry in found["include"]}
        return any(wanted.isdisjoint(excluded) if self._mode() == "include" else wanted.issuperset(excluded)
                   for excluded in _excluded(found))


def _excluded(found: dict[str, Any]) -> list[list[str]]:
    """What the interface may exclude, as lists of sources: those that every excluder excludes and nobody includes (RFC
    9776 section 3.2). The kernel counts holders and, per source, who includes and who excludes it; one who includes
    two sources stands in two rows, so how many exclude is exact only where at most one source is included."""
    include = {entry["source"]: entry["count"] for entry in found["include"]}
    exclude = {entry["source"]: entry["count"] for entry in found["exclude"]}
    fewest = max([1, found["users"] - sum(include.values())] + list(exclude.values()))
    most = found["users"] - max(include.values(), default=0)
    return [sorted(source for source, count in exclude.items() if count == excluders and source not in include)
            for excluders in range(fewest, most + 1)]


class Absent(Check):
    """Passes when the kernel holds no membership of the group on that interface, over the whole window.

    Fails when it is held, by whatever process."""

    NAME = "membership.absent"
    PARAMS = {"interface": INTERFACE, "group": GROUP}
    REQUIRED = ("interface", "group")
    EXAMPLE = "{interface: eth0, group: 239.0.0.100}"
    NEEDS = ("memberships",)
    ABSENCE = True
    interface: str
    group: str

    def describe(self) -> str:
        return f"no member of {self.group} on {self.interface}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        found = find_membership(facts, self.interface, self.group)
        return Judgement(found is None, self.describe(), "no member" if found is None else "member", found or {})


class Difference(Check):
    """Passes when, since the earlier gathering (`since`), exactly the given memberships have come and nothing has
    gone: each with its group and its link-layer group, unless they were there before.

    Fails on anything more or less, on every interface."""

    NAME = "membership.difference"
    PARAMS = {"joined": Option(_places, "list of mappings of `interface` and `group`")}
    REQUIRED = ("joined",)
    EXAMPLE = "{joined: [{interface: eth0, group: 239.0.0.100}]}"
    NEEDS = ("interfaces", "memberships")
    ABSENCE = True
    joined: list[dict[str, str]]

    def describe(self) -> str:
        what = _shown(f"{place['group']} on {place['interface']}" for place in self.joined)
        return f"newly joined since before: {what}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        if self.since is None:
            return Judgement(False, self.describe(), "there is no earlier gathering to compare with", {})
        before, now = _entries(self.since), _entries(facts)
        wanted = set()
        for place in self.joined:
            wanted.add(f"{place['interface']} {place['group']}")
            wanted.add(f"{place['interface']} link {group.mac(place['group'])}")
        expected = before | wanted
        come, gone = sorted(now - before), sorted(before - now)
        return Judgement(now == expected, f"new: {_shown(expected - before)}; gone: nothing",
                         f"new: {_shown(come)}; gone: {_shown(gone)}", {"new": come, "gone": gone})


def _entries(facts: dict[str, Any]) -> set[str]:
    """Memberships and link-layer groups as comparable words: ``"eth0 239.0.0.100"``, ``"eth0 link 01:00:…"``."""
    found = {f"{entry['interface']} {entry['group']}" for entry in facts["memberships"]}
    for name, interface in facts["interfaces"].items():
        found.update(f"{name} link {link['mac']}" for link in interface["link_groups"])
    return found


class Explained(Check):
    """Passes when every membership is one of the given ones, or one that the kernel holds for itself (all-systems,
    all-nodes, solicited-node), over the whole window.

    Fails when there is another: somebody joined what no stream asks for."""

    NAME = "membership.explained"
    PARAMS = {"memberships": Option(_places, "list of mappings of `interface` and `group`")}
    REQUIRED = ("memberships",)
    EXAMPLE = "{memberships: [{interface: eth0, group: 239.0.0.100}]}"
    NEEDS = ("memberships",)
    ABSENCE = True
    memberships: list[dict[str, str]]

    def describe(self) -> str:
        return "no membership that no stream explains"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        known = {(place["interface"], place["group"]) for place in self.memberships}
        strange = [entry for entry in facts["memberships"] if not group.is_kernel_own(entry["group"])
                   and (entry["interface"], entry["group"]) not in known]
        shown = _shown(f"{entry['group']} on {entry['interface']}" for entry in strange)
        return Judgement(not strange, "nothing beyond the streams", shown, {"unexplained": strange})


CHECKS = (Present, Absent, Difference, Explained)
