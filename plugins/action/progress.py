# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record how far a host has come; documented in plugins/modules/progress.py."""
from __future__ import annotations

from typing import Any, Iterator

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..plugin_utils import task_result
from ..plugin_utils.run.bundle import Bundle, bundle_of_run


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(
            argument_spec={
                "bundle": {"type": "path"},
                "phase": {"type": "str", "required": True},
                "event": {"type": "str", "choices": ["completed", "failed", "changed"], "default": "completed"},
                "hosts": {"type": "list", "elements": "str", "default": [task_vars["inventory_hostname"]]},
                "registered": {"type": "list", "elements": "str"},
            },
            required_if=[("event", "changed", ("registered",))],
        )
        bundle, event = args["bundle"] or bundle_of_run(task_vars), args["event"]
        task, messages = "", dict.fromkeys(args["hosts"], "")
        if event == "failed":
            task = str(task_vars["ansible_failed_task"]["name"])
            messages = {task_vars["inventory_hostname"]: task_result.failure(task_vars["ansible_failed_result"])}
            if not bundle:
                return dict(result, failed=True, msg=f"{task}: {next(iter(messages.values()))}", again=True)
        elif event == "changed":
            messages = _changes_on(args["hosts"], args["registered"], task_vars["hostvars"])
            result["warnings"] = [f"{host}: changed, and stays so: {message}" for host, message in messages.items()]
        try:
            if bundle:
                for host, message in messages.items():
                    Bundle(bundle).add_progress(event, host, args["phase"], task, message)
        except McastError as error:
            return dict(result, failed=True, msg=str(error), thing=str(error.thing))
        return dict(result, changed=False)


def _changes_on(hosts: list[str], registered: list[str], hostvars: Any) -> dict[str, str]:
    """What was changed on each of the hosts where anything was, in words."""
    words = {host: "; ".join(_changes_of([hostvars[host][name] for name in registered if name in hostvars[host]]))
             for host in hosts}
    return {host: text for host, text in words.items() if text}


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
