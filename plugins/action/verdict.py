# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the verdict of a bundle from its files; documented in plugins/modules/verdict.py."""
from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..module_utils.lab import lock as lab_lock
from ..plugin_utils.run.bundle import Bundle, line, unreadable


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec={"bundle": {"type": "path", "required": True}})
        bundle = Bundle(args["bundle"])
        try:
            summary = bundle.verdict()
            lab = bundle.lab()
            if lab:
                lab_lock.release(lab, os.getppid())
        except McastError as error:
            summary = unreadable(error)
        open_ends = [each for each in summary.pop("results") if each["verdict"] in ("fail", "missing", "warning")]
        # Every callback shows it, as it does what debug says.
        return dict(result, changed=False, failed=summary["verdict"] != "pass", msg=line(summary, args["bundle"]),
                    not_passed=open_ends, _ansible_verbose_always=True, **summary)
