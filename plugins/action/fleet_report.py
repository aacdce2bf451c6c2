# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write down what fleet_info found; documented in plugins/modules/fleet_report.py."""
from __future__ import annotations

import json
import os

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..plugin_utils import fleet_report
from ..plugin_utils.bundle import new_path

_PARTS = ("hosts", "failures", "how", "groups", "findings", "elapsed")


class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec={
            "fleet": {"type": "dict", "required": True}, "results_dir": {"type": "path", "default": "results"}})
        try:
            result.update(self._report(args))
        except McastError as error:
            result.update(failed=True, msg=str(error), thing=str(error.thing))
        return result

    def _report(self, args):
        missing = [part for part in _PARTS if part not in args["fleet"]]
        if missing:
            raise McastError("fleet", "has no %s; give what mcast.lab.fleet_info returned" % ", ".join(missing))
        fleet = {part: args["fleet"][part] for part in _PARTS}
        changed = fleet_report.changes(_last(os.path.join(args["results_dir"], "fleet")), fleet)
        path = os.path.abspath(new_path(args["results_dir"], "fleet"))
        if not self._task.check_mode:
            _write(path, {"memberships.csv": fleet_report.csv_text(fleet),
                          "memberships.prom": fleet_report.metrics(fleet),
                          "changes.json": json.dumps(changed, indent=1) + "\n",
                          "fleet.json": json.dumps(fleet) + "\n"})
        lines = fleet_report.table(fleet, changed)
        return {"changed": False, "path": path, "changes": changed, "lines": lines + [path],
                "msg": "\n".join(lines), "_ansible_verbose_always": True}


def _last(folder):
    """The newest gathering before this one, or None. One that was cut short has no fleet.json."""
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else [], reverse=True):
        try:
            with open(os.path.join(folder, name, "fleet.json"), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            continue
    return None


def _write(path, files):
    try:
        os.makedirs(path)
        for name, text in files.items():
            with open(os.path.join(path, name), "w", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise McastError(error.filename or path, "can't be written: %s" % error.strerror) from None
