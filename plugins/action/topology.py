# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make or remove a lab; documented in plugins/modules/topology.py."""
from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..module_utils.lab import state as lab_state
from ..plugin_utils import on_host

# Seconds that making a host of a lab may take, beside the usual of a command.
_EACH = 0.5


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(**lab_state.SPEC)
        # A lab that is removed is of an unknown size.
        longer = _EACH * len((args["settled"] or args)["hosts"] or range(2000))
        try:
            return {**result, **on_host.run(self, "topology", args, task_vars, plan="lab.state", longer=longer)}
        except McastError as error:
            return dict(result, failed=True, msg=str(error), thing=str(error.thing))
