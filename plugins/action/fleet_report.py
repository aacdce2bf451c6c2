# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write down what fleet_info found; documented in plugins/modules/fleet_report.py."""
from __future__ import annotations

import hashlib
import json
import os
from typing import Any
from urllib.parse import quote

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..plugin_utils.fleet import report as fleet_report
from ..plugin_utils.run.bundle import stamp
from ..plugin_utils.run.evidence_file import Folder, load, mode_option

_PARTS = ("hosts", "failures", "how", "groups", "findings", "elapsed")
_MOST = 1 << 30  # bytes of a gathering


class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec={
            "fleet": {"type": "dict", "required": True}, "results_dir": {"type": "path", "default": "results"},
            "strict": {"type": "bool", "default": False}, "mode": {"type": "raw", "default": "0600"}})
        try:
            result.update(self._report(args, task_vars))
        except McastError as error:
            result.update(failed=True, msg=str(error), thing=str(error.thing))
        return result

    def _report(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        missing = [part for part in _PARTS if part not in args["fleet"]]
        if missing:
            raise McastError("fleet", f"has no {', '.join(missing)}; give what mcast.lab.fleet_info returned")
        mode = mode_option(args["mode"])
        parent = _folder(os.path.join(args["results_dir"], "fleet"), task_vars.get("ansible_inventory_sources") or [])
        fleet = {part: args["fleet"][part] for part in _PARTS}
        fleet["inventory_hosts"] = sorted(task_vars["groups"]["all"])
        before = _last(parent)
        changed, fleet["kept"] = fleet_report.changes(before, fleet), fleet_report.kept(before, fleet)
        path = os.path.join(parent, stamp())
        if not self._task.check_mode:
            folder = Folder.new(parent, stamp(), mode)
            path = folder.path
            for name, text in (("memberships.csv", fleet_report.csv_text(fleet)),
                               ("memberships.prom", fleet_report.metrics(fleet)),
                               ("changes.json", f"{json.dumps(changed, indent=1)}\n"),
                               ("fleet.json", f"{json.dumps(fleet)}\n")):
                folder.write(name, text.encode(errors="surrogateescape"))
        lines = fleet_report.table(fleet, changed)
        reason = _failed(fleet, args["strict"])
        return {"changed": False, "path": path, "changes": changed, "lines": lines + [path], "failed": bool(reason),
                "reason": reason, "msg": reason or "\n".join(lines), "_ansible_verbose_always": True}


def _failed(fleet: dict[str, Any], strict: bool) -> str | None:
    """Why the gathering counts as failed, if it does."""
    failed = len(fleet["failures"])
    found = sum(finding["basis"] != "unknown" for finding in fleet["findings"])
    if not fleet["hosts"]:
        return f"no host answered, and {failed} failed" if failed else "there was no host to ask"
    return f"{failed} hosts failed, {found} findings; strict takes none" if strict and (failed or found) else None


def _folder(parent: str, sources: list[str]) -> str:
    """Where the gatherings of an inventory are: a folder of its name, with a number from its paths behind it where
    another inventory has that name. So hosts of one do not vanish from another. sources: its paths."""
    paths = [os.path.abspath(source) if os.path.exists(source) else source for source in sources]
    bases = [os.path.basename(path.rstrip("/")).partition(".")[0].strip(",") for path in paths]
    names = [quote(base or "hosts", safe="") for base in bases]
    name = os.path.join(os.path.abspath(parent), ("+".join(names) or "hosts")[:100])
    text = "".join(f"{path}\n" for path in paths).encode(errors="surrogateescape")
    for tried in (name, f"{name}-{hashlib.sha256(text).hexdigest()[:8]}"):
        folder = Folder(tried)
        if not os.path.lexists(tried):
            Folder.make(tried).write("inventory", text)
            return tried
        try:
            if folder.read("inventory") == text:
                return tried
        except McastError:
            continue
    raise McastError(name, "and its like are not folders of this inventory's gatherings; set another results_dir")


def _last(folder: str) -> dict[str, Any] | None:
    """The newest gathering before this one, or None. One that was cut short has no fleet.json."""
    for name in sorted(os.listdir(folder), reverse=True):
        try:
            found = load(Folder(os.path.join(folder, name)).read("fleet.json", _MOST), os.path.join(folder, name))
            fleet_report.changes(found, found)  # of the form that is compared
            return found
        except (McastError, OSError, KeyError, TypeError, AttributeError, ValueError):
            continue
    return None
