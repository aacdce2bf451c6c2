# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a lab shall be: present as its topology says, absent, or cleared of what a killed run left."""
from __future__ import annotations

from typing import Any

from ..change import Changes, Planned
from . import build as lab
from . import lock as lab_lock
from . import netns, ssh, topology

# Of the module `topology`, as Ansible has it.
SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str"},
        "settled": {"type": "dict"},
        "connection": {"type": "str", "choices": list(topology.CONNECTIONS), "default": topology.CONNECTIONS[0]},
        "segments": {"type": "dict"},
        "hosts": {"type": "dict"},
        "state": {"type": "str", "choices": ["present", "absent", "cleared"], "default": "present"},
    },
    "required_one_of": [("name", "settled")],
    "required_together": [("segments", "hosts")],
    "mutually_exclusive": [("settled", "name"), ("settled", "segments"), ("settled", "hosts")],
    "required_if": [("state", "present", ("segments", "settled"), True)],
}


def plan(params: dict[str, Any]) -> Planned:
    settled = params["settled"]
    name = settled["name"] if settled else topology.lab_name(params["name"])
    left = lab_lock.check(name)
    if params["state"] == "absent":
        changes = lab.removal(name)
        ssh.plan(changes, name, [])
        _forget(changes, name, left)
        return changes, dict
    if params["state"] == "cleared":
        changes = lab.clearing(name, left)
        if left and left.made:
            ssh.plan(changes, name, [])
    else:
        if not settled:
            settled = topology.settle({key: params[key] for key in ("name", "connection", "segments", "hosts")}, name)
        changes = lab.building(settled, left)
        changes.known["made"] = False  # until the first namespace is
        made = bool(left and left.made) or name not in netns.names()
        by_ssh = settled["connection"] == "ssh"
        ssh.plan(changes, name, [host["namespace"] for host in settled["hosts"].values()] if by_ssh else [])
    cleared = _cleared(name, left, changes)
    if cleared:
        changes.known["warnings"] = [cleared]
    _forget(changes, name, left)
    result: dict[str, Any] = {"cleared": cleared} if cleared else {}
    if params["state"] == "present":
        result.update(topology=settled, made=made)
    return changes, lambda: result


def _cleared(name: str, left: lab_lock.Left | None, changes: Changes) -> str | None:
    before = changes.result()["diff"]["before"]
    if left and left.made and "namespaces" in before:
        return f"lab {name}: the run of process {left.pid} ended early and left it standing; it is removed"
    if left and "programs" in before:
        programs = ", ".join(sorted({unit for units in before["programs"].values() for unit in units}))
        return (f"lab {name}: the run of process {left.pid} ended early and left programs running: {programs}; they "
                "are stopped")
    return None


def _forget(changes: Changes, name: str, left: lab_lock.Left | None) -> None:
    """The last change: what was left is no longer there."""
    if left:
        changes.add(("lock",), f"process {left.pid}, which has ended", None, lambda: lab_lock.forget(name))
