# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask all hosts of the play at once; documented in plugins/modules/fleet_info.py."""
from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.error import McastError
from ..module_utils.kernel.sources import SUBSETS, script
from ..plugin_utils.fleet import (
    ask as fleet,
)
from ..plugin_utils.fleet import (
    cache as fleet_cache,
)
from ..plugin_utils.fleet import (
    findings,
)
from ..plugin_utils.fleet import (
    groups as fleet_groups,
)
from ..plugin_utils.fleet import (
    listen as fleet_listen,
)
from ..plugin_utils.fleet.hosts import Hosts
from ..plugin_utils.run import inventory as settled

DEFAULT_SUBSETS = ["interfaces", "memberships", "sockets", "limits"]


class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        begun = time.monotonic()
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec={
            "gather_subset": {"type": "list", "elements": "str", "choices": list(SUBSETS), "default": DEFAULT_SUBSETS},
            "forks": {"type": "int", "default": 16},
            "timeout": {"type": "float"},
            "listen": {"type": "int", "default": 0},
            "streams": {"type": "dict"},
            "cache": {"type": "bool", "default": False},
        })
        display = Display()
        verbosity, display.verbosity = display.verbosity, 0  # connection plugins show commands with paths of keys
        try:
            for name in ("forks", "timeout"):
                if args[name] is not None and args[name] <= 0:
                    raise McastError(name, f"expected a number above 0, not {args[name]}")
            if args["listen"] < 0:
                raise McastError("listen", f"expected seconds, or 0, not {args['listen']}")
            result.update(changed=False, **self._ask(args, task_vars))
        except McastError as error:
            return dict(result, failed=True, msg=str(error), thing=str(error.thing))
        finally:
            display.verbosity = verbosity
        return dict(result, elapsed=round(time.monotonic() - begun, 3))

    def _ask(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Returns {hosts, failures, how, groups}."""
        names = task_vars["ansible_play_batch"]
        found: dict[str, dict[str, Any]] = {"hosts": {}, "failures": {}, "how": {}}
        begun = time.monotonic()
        # Each host has its turn although all before it keep silent.
        whole = args["timeout"] or fleet.PER_HOST + fleet.PATIENCE * -(-len(names) // args["forks"])
        timeout, per_host = whole + args["listen"], min(whole, fleet.PER_HOST) + args["listen"]
        if args["timeout"]:
            per_host = timeout
        hosts = Hosts(self, task_vars, script(args["gather_subset"], fleet_listen.script(args["listen"])), timeout)
        questions = []
        for name in names:
            try:
                questions.append(hosts.question(name))
                found["how"][name] = questions[-1].how
            except fleet.Failure as failure:
                found["failures"][name] = {"reason": failure.reason, "detail": failure.detail}
        try:
            for question, answer in fleet.ask(questions, args["forks"], timeout - time.monotonic() + begun, per_host):
                if isinstance(answer, fleet.Failure):
                    found["failures"][question.host] = {"reason": answer.reason, "detail": hosts.without_secrets(
                        question.host, answer.detail)}
                else:
                    found["hosts"][question.host] = answer
        finally:
            hosts.close()
        for part in ("hosts", "failures"):
            found[part] = {name: found[part][name] for name in names if name in found[part]}
        if args["cache"]:
            fleet_cache.store(task_vars["hostvars"], found["hosts"])
        stated = args["streams"] or task_vars.get("mcast_streams")
        streams = settled.streams_of(stated, task_vars["groups"], task_vars["hostvars"]) if stated else None
        return dict(found, groups=fleet_groups.groups(found["hosts"]),
                    findings=findings.findings(found["hosts"], found["failures"], streams, hosts.segments,
                                               args["listen"]))
