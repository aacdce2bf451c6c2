# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..module_utils.kernel.sources import SUBSETS
from ..plugin_utils.run.gather import gather


class ActionModule(ActionBase):
    """Reads the host's multicast state with one command and parses it here: the host needs no Python."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec={
            "gather_subset": {"type": "list", "elements": "str", "choices": list(SUBSETS), "default": list(SUBSETS)}})
        try:
            found = gather(self, args["gather_subset"], task_vars)
        except McastError as error:
            result.update(failed=True, msg=str(error), thing=str(error.thing))
            return result
        result.update(changed=False, ansible_facts={"mcast": found})
        return result
