# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do all that a host does in one phase of a run; documented in plugins/modules/act.py."""
from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils import act, expect, interface
from ..module_utils.error import McastError
from ..module_utils.firewall import nftables
from ..plugin_utils import on_host

# Seconds that a program may take to begin, beside the usual of a command.
_EACH = 0.5


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(
            argument_spec=act.SPEC, mutually_exclusive=[("duties", name) for name in act.SPEC if name != "duties"])
        try:
            if args["duties"]:
                args = _checked("duties", act.SPEC, args["duties"])
            if not any(args.values()):
                return dict(result, changed=False, reports={})
            for name, given in args["interfaces"].items():
                settings = expect.mapping(f"interfaces.{name}", given or {})
                args["interfaces"][name] = _checked(f"interface {name}", interface.SPEC, dict(settings, name=name))
            if args["firewall"]:
                args["firewall"] = _checked("firewall", nftables.SPEC, args["firewall"])
            return {**result, **on_host.run(self, "act", args, task_vars, longer=_EACH * len(args["started"]))}
        except McastError as error:
            return dict(result, failed=True, msg=str(error), thing=str(error.thing))


def _checked(thing: str, spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The options of a module, complete. McastError names all that are wrong."""
    validated = ArgumentSpecValidator(spec).validate(given)
    if validated.error_messages:
        raise McastError(thing, "; ".join(validated.error_messages))
    return validated.validated_parameters
