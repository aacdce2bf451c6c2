# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is a member of what, over all hosts: pure functions of the facts of each."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils import group as groups_of


def groups(hosts: Mapping[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """hosts: {name: facts}. Returns {group: [{host, interface, mode, sources, process}]}, the groups in order.

    mode: include, exclude, or None where it is not known; sources: those of the mode; process: see holder()."""
    found: dict[str, list[dict[str, Any]]] = {}
    for host, facts in hosts.items():
        for row in facts.get("memberships", ()):
            mode = row["filter_mode"]["value"]
            listed = row[mode] if mode else None
            found.setdefault(row["group"], []).append({
                "host": host, "interface": row["interface"], "mode": mode,
                "sources": None if listed is None else [each["source"] for each in listed],
                "process": holder(facts, row)})

    def place(group: str) -> tuple[bool, int]:
        return ":" in group, int(groups_of.parse(group))

    return {group: found[group] for group in sorted(found, key=place)}


def holder(facts: dict[str, Any], membership: dict[str, Any]) -> dict[str, Any]:
    """Who holds a membership: ``{value, basis}``. No file of the kernel says it: exact for what only the kernel holds,
    inferred from who listens to the group, unknown where several might or none can be seen."""
    if groups_of.is_kernel_own(membership["group"]):
        return {"value": "kernel", "basis": "exact" if membership["users"] == 1 else "inferred"}
    listening = [row for row in facts.get("sockets", ()) if row["process"] is not None]
    bound = {row["process"] for row in listening if row["address"] == membership["group"]}
    wild = {row["process"] for row in listening if row["address"] in ("0.0.0.0", "::")
            and (row["family"] == membership["family"] or row["address"] == "::" and membership["family"] == "ipv4")}
    for processes in (bound, wild):
        if len(processes) == 1:
            return {"value": min(processes), "basis": "inferred"}
        if processes:
            break
    return {"value": None, "basis": "unknown"}
