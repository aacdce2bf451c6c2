# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge checks of one host; documented in plugins/modules/check.py."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils import expect
from ..module_utils.error import McastError
from ..plugin_utils import neutral, on_host
from ..plugin_utils.checks.base import Check
from ..plugin_utils.run import judge
from ..plugin_utils.run.bundle import Bundle, bundle_of_run, timestamp
from ..plugin_utils.run.captures import Captures
from ..plugin_utils.run.evidence_file import Folder
from ..plugin_utils.run.gather import gather

# How long a check may take to come true, and an absence must hold, where neither task nor inventory says it.
_DURATIONS = {"within": "5s", "window": "500ms"}


class _Kept(NamedTuple):
    """Where captures are kept, and what is there of them already; see Captures."""

    folder: Folder | None = None
    file_of: Callable[[str], str] | None = None
    known: Mapping[str, Any] | None = None


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(
            argument_spec={
                "checks": {"type": "list", "elements": "dict"},
                "since": {"type": "dict"},
                "bundle": {"type": "str"},
                "phase": {"type": "str"},
                "within": {"type": "str"},
                "window": {"type": "str"},
            },
            mutually_exclusive=[("checks", "phase")],
            required_one_of=[("checks", "phase")],
            required_by={"bundle": "phase"},
        )
        self._task_vars = task_vars
        self._host = task_vars["inventory_hostname"]
        self._failures: list[str] = []  # of tasks before, where there is a bundle
        try:
            within, window = (self._duration(name, args[name], default) for name, default in _DURATIONS.items())
            run = self._planned if args["phase"] else self._given
            results = run(args, within, window, result)
        except McastError as error:
            result.update(self._failure(error))
            return result
        failed = [each for each in results if each["verdict"] == "fail"]
        result.update(changed=False, checks=results, passed=not failed)
        if failed and not args["phase"]:
            told = "; ".join(f"{each['description']}: expected {each['expected']}, actual {each['actual']}"
                             for each in failed)
            result.update(failed=True, msg=f"{self._host}: {len(failed)} of {len(results)} checks failed: {told}")
        return result

    def _duration(self, name: str, given: str | None, default: str) -> float:
        """In seconds: what the task says, or else the inventory."""
        stated = self._task_vars.get(f"mcast_evidence_{name}", default)
        return expect.duration(name, self._templar.template(stated) if given is None else given)

    def _failure(self, error: McastError) -> dict[str, Any]:
        return {"failed": True, "msg": f"{self._host}: {error}", "thing": str(error.thing)}

    def _given(self, args: dict[str, Any], within: float, window: float, unused: dict[str, Any]
               ) -> list[dict[str, Any]]:
        """The checks that stand in the task."""
        planned = []
        for number, given in enumerate(args["checks"]):
            params = dict(given)
            name = expect.text(f"checks[{number}].check", params.pop("check", None))
            severity = expect.choice("severity", params.pop("severity", "failure"), ("failure", "warning"))
            planned.append({"id": f"{self._host}/{number}", "host": self._host, "phase": None, "check": name,
                            "description": judge.make(name, params).describe(), "severity": severity,
                            "params": params})
        return list(self._judge(planned, args["since"], within, window))

    def _planned(self, args: dict[str, Any], within: float, window: float, outcome: dict[str, Any]
                 ) -> list[dict[str, Any]]:
        """The bundle's planned checks of this host and phase; each result is written as it is decided. What is judged
        is returned though it can't be written, and `outcome` then gets what the task fails by."""
        path, phase = args["bundle"] or bundle_of_run(self._task_vars), args["phase"]
        if not path:
            raise McastError("bundle", "is not given, and the playbook has begun no run; see mcast.lab.begin")
        bundle = Bundle(path)
        self._failures = bundle.failures(self._host)
        # What was there before anything ran is what both later phases are compared with.
        known = bundle.facts(self._host)
        since = known.get("before")
        results = []
        planned = bundle.planned(self._host, phase)
        kept = _Kept(bundle.folder, lambda name: bundle.capture_file(self._host, name), _programs(known.values()))
        try:
            for result in self._judge(planned, since, within, window, kept):
                results.append(result)
                bundle.add_result(result)
            bundle.add_facts(self._host, phase, gather(self, task_vars=self._task_vars))
            bundle.add_progress("completed", self._host, phase)
        except McastError as error:
            outcome.update(self._failure(error))
        return results

    def _judge(self, planned: list[dict[str, Any]], since: dict[str, Any] | None, within: float, window: float,
               kept: _Kept | None = None) -> Iterator[dict[str, Any]]:
        checks = {each["id"]: judge.make(each["check"], each["params"], since) for each in planned}
        about = {each["id"]: each for each in planned}
        names = {check.params["capture"] for check in checks.values() if "captures" in check.NEEDS}
        captures = Captures(self, names, *(kept or _Kept()))
        longer = {each["id"]: each.get("wait", 0) for each in planned}
        judged = judge.judge(checks, lambda subsets: self._gather(subsets, captures), within, window, longer,
                             self._waiting)
        with contextlib.closing(captures):
            for key, said, elapsed in judged:
                bad = "fail" if about[key]["severity"] == "failure" else "warning"
                yield dict(about[key], verdict="pass" if said.passed else bad, expected=said.expected,
                           actual=said.actual, evidence=said.evidence, elapsed=round(elapsed, 3), time=timestamp())

    def _waiting(self, elapsed: float, checks: list[Check]) -> None:
        """Say what is waited for: the callback hears of a check once it is decided, which may take as long as a stream.
        """
        if boolean(os.environ.get("MCAST_QUIET", "no"), strict=False):
            return
        more = f", and {len(checks) - 1} more" if len(checks) > 1 else ""
        self._display.display(f"waiting {self._host}: {neutral.line(checks[0].describe())}{more} ({elapsed:.0f} s)")

    def _gather(self, subsets: list[str], captures: Captures) -> dict[str, Any]:
        """The host's facts, what its captures hold so far, and which processes are members of what."""
        wanted = {"traffic" if subset in ("captures", "datagrams") else subset for subset in subsets} - {"members"}
        facts = gather(self, sorted(wanted), self._task_vars)
        facts["failures"] = self._failures
        if "members" in subsets:
            found = on_host.run(self, "socket_info", {"group": None}, self._task_vars)
            if found.get("failed"):
                raise McastError("mcast.lab.socket_info", found["msg"])
            facts["members"] = found["sockets"]
        if "captures" in subsets:
            facts["captures"] = captures.gather(facts["traffic"], "datagrams" in subsets)
        return facts


def _programs(phases: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last report of each program that was there in phases before, by name."""
    found: dict[str, dict[str, Any]] = {}
    for facts in phases:
        for name, report in facts.get("traffic", {}).items():
            if report and (report.get("started") or 0) >= (found.get(name, {}).get("started") or 0):
                found[name] = report
    return found
