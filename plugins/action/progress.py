# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record how far a host has come; documented in plugins/modules/progress.py."""
from __future__ import annotations

from typing import Any, Iterator

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..plugin_utils import task_result
from ..plugin_utils.bundle import Bundle


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(
            argument_spec={
                "bundle": {"type": "path"},
                "phase": {"type": "str", "required": True},
                "event": {"type": "str", "choices": ["completed", "failed", "changed"], "default": "completed"},
                "results": {"type": "list", "elements": "dict"},
            },
            required_if=[("event", "changed", ("results",))],
        )
        task, message = "", ""
        if args["event"] == "failed":
            task = str(task_vars["ansible_failed_task"]["name"])
            message = task_result.failure(task_vars["ansible_failed_result"])
        elif args["event"] == "changed":
            message = "; ".join(_changes_of(args["results"]))
            if not message:
                return dict(result, changed=False)
        bundle = args["bundle"] or _bundle_of_the_run(task_vars)
        if not bundle and args["event"] == "failed":
            return dict(result, failed=True, msg=f"{task}: {message}", again=True)
        host = task_vars["inventory_hostname"]
        try:
            if bundle:
                Bundle(bundle).add_progress(args["event"], host, args["phase"], task, message)
        except McastError as error:
            return dict(result, failed=True, msg=str(error), thing=str(error.thing))
        if args["event"] == "changed":
            result["warnings"] = [f"{host}: changed, and stays so: {message}"]
        return dict(result, changed=False)


def _bundle_of_the_run(task_vars: dict[str, Any]) -> str | None:
    return (task_vars["hostvars"]["localhost"].get("mcast_plan") or {}).get("bundle")


def _changes_of(results: list[dict[str, Any]]) -> Iterator[str]:
    """What the tasks or items changed that have these results."""
    for result in results:
        if result.get("results"):
            yield from _changes_of(result["results"])
        elif result.get("changed") and result.get("diff"):
            yield from _changes(result["diff"]["before"], result["diff"]["after"])


def _changes(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Each leaf in which two trees differ, as ``eth0 state: down -> up``."""
    if isinstance(before, dict) or isinstance(after, dict):
        have, want = before or {}, after or {}
        for key in dict.fromkeys([*have, *want]):
            yield from _changes(have.get(key), want.get(key), path + (str(key),))
    elif before != after:
        yield f"{' '.join(path)}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
