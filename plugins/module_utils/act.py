# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one host does in one phase of a run, all at once: interfaces, openings of its firewall, and programs."""
from __future__ import annotations

from typing import Any

from . import interface, programs
from .change import InTurn, Planned
from .firewall import nftables

# Options of the module `act`, as Ansible's argument specs have them.
SPEC = {
    "duties": {"type": "dict"},  # the others in one; the action plugin takes them apart
    "interfaces": {"type": "dict", "default": {}},
    "firewall": {"type": "dict"},
    "started": {"type": "dict", "default": {}},
    "stopped": {"type": "list", "elements": "str", "default": []},
    "ended": {"type": "list", "elements": "str", "default": []},
    "killed": {"type": "list", "elements": "str", "default": []},
}


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `act`: `interfaces`, `firewall`, `started`, `stopped`, `ended` and `killed`,
    the settings of the first two as complete as their modules take them. Returns (Changes, function for the further
    result)."""
    parts = [interface.plan(dict(settings, name=name)) for name, settings in params["interfaces"].items()]
    parts += [nftables.plan(params["firewall"])] if params["firewall"] else []
    parts.append(programs.plan(params["started"], params["stopped"], params["ended"], params["killed"]))

    def report() -> dict[str, Any]:
        reports = [each() for unused, each in parts]
        return {"reports": reports[-1]["reports"],
                "warnings": [warning for each in reports for warning in each.get("warnings", ())]}
    return InTurn([changes for changes, unused in parts]), report
