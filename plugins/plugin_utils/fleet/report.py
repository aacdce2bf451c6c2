# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a gathering is written down as: a table, CSV, metrics, and what changed since another. Pure functions of what
fleet_info returns."""
from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ...module_utils import group as groups_of
from .. import neutral

COLUMNS = ("host", "interface", "group", "mode", "sources", "process", "basis", "name")
CHANGES = ("joined", "left", "moved", "appeared", "vanished", "unknown")
# How many names a line shows before it says how many more there are.
_SHOWN = 6


def _rows(fleet: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(group, member) of each membership."""
    for group, members in fleet["groups"].items():
        for member in members:
            yield group, member


def csv_text(fleet: dict[str, Any]) -> str:
    """One line per host, interface and group; sources apart by spaces."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group, member in sorted(_rows(fleet), key=lambda row: (row[1]["host"], row[1]["interface"], row[0])):
        writer.writerow(map(neutral.cell, (
            member["host"], member["interface"], group, member["mode"] or "unknown",
            "unknown" if member["sources"] is None else " ".join(member["sources"]),
            member["process"]["value"] or "", member["process"]["basis"], groups_of.iana_name(group) or "")))
    return output.getvalue()


def _metric(name: str, kind: str, text: str, rows: Iterable[tuple[dict[str, str], float]]) -> Iterator[str]:
    """rows: labels and the value that they have."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in rows:
        shown = ",".join(f'{key}="{neutral.label(each)}"' for key, each in labels.items())
        yield f"{name}{f'{{{shown}}}' if shown else ''} {value}"


def metrics(fleet: dict[str, Any]) -> str:
    """The text format that node_exporter's textfile collector reads."""
    members = [({"host": member["host"], "interface": member["interface"], "group": group,
                 "mode": member["mode"] or "unknown"}, 1) for group, member in _rows(fleet)]
    answered = [({"host": host}, 1) for host in fleet["hosts"]]
    answered += [({"host": host}, 0) for host in fleet["failures"]]
    kinds: dict[tuple[str, str], int] = {}
    for finding in fleet["findings"]:
        key = finding["kind"], finding["basis"]
        kinds[key] = kinds.get(key, 0) + 1
    found = [({"kind": kind, "basis": basis}, count) for (kind, basis), count in sorted(kinds.items())]
    lines = [
        *_metric("mcast_membership", "gauge", "A host is a member of a group on an interface.", members),
        *_metric("mcast_host_answered", "gauge", "Whether the host answered.", answered),
        *_metric("mcast_findings", "gauge", "Findings across the hosts.", found),
        *_metric("mcast_gather_seconds", "gauge", "How long the gathering took.", [({}, fleet["elapsed"])])]
    return "\n".join(lines) + "\n"


def changes(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, list[Any]]:
    """before: an earlier gathering, or None; now: this one. Returns ``{joined, left, moved, appeared, vanished,
    unknown}``: {host, interface, group} for the first two, {host, group, from, to} for moved, names of hosts for the
    last three. A host has vanished once the inventory no longer holds it; one that was known and does not answer is
    unknown, and compared with what was known of it once it answers again."""
    found: dict[str, list[Any]] = {kind: [] for kind in CHANGES}
    if before is None:
        return found
    known = {*before["hosts"], *before.get("kept", {})}
    found["appeared"] = sorted(set(now["hosts"]) - known)
    found["vanished"] = sorted(known - set(now["inventory_hosts"]))
    found["unknown"] = sorted(known & set(now["failures"]))
    both = known & set(now["hosts"])
    old, new = (_places(fleet, both) for fleet in (before, now))
    for host, group in sorted(set(old) | set(new)):
        gone, come = (sorted(one.get((host, group), set()) - other.get((host, group), set()))
                      for one, other in ((old, new), (new, old)))
        moved = min(len(gone), len(come))
        found["moved"] += [{"host": host, "group": group, "from": one, "to": other} for one, other in zip(gone, come)]
        for kind, interfaces in (("left", gone[moved:]), ("joined", come[moved:])):
            found[kind] += [{"host": host, "interface": interface, "group": group} for interface in interfaces]
    return found


def kept(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, list[list[str]]]:
    """What was known last of hosts that the inventory holds and that did not answer now, or were not asked: by host,
    [interface, group] each."""
    if before is None:
        return {}
    found: dict[str, list[list[str]]] = {host: [] for host in before["hosts"]}
    for group, member in _rows(before):
        found[member["host"]].append([member["interface"], group])
    found = {**before.get("kept", {}), **found}
    return {host: rows for host, rows in found.items()
            if host in now["inventory_hosts"] and host not in now["hosts"]}


def _places(fleet: dict[str, Any], hosts: Collection[str]) -> dict[tuple[str, str], set[str]]:
    """The interfaces by host and group."""
    found: dict[tuple[str, str], set[str]] = {}
    for host, rows in fleet.get("kept", {}).items():
        for interface, group in rows if host in hosts else ():
            found.setdefault((host, group), set()).add(interface)
    for group, member in _rows(fleet):
        if member["host"] in hosts:
            found.setdefault((member["host"], group), set()).add(member["interface"])
    return found


def _some(names: Iterable[str]) -> str:
    names = sorted(set(names))
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def table(fleet: dict[str, Any], changed: dict[str, list[Any]]) -> list[str]:
    """changed: of changes(). Returns lines: groups, hosts that failed, findings, what changed, and a summary."""
    rows: list[tuple[str, ...]] = [("GROUP", "HOSTS", "INTERFACES", "PROCESSES", "WHO")]
    own = 0
    for group, members in fleet["groups"].items():
        if groups_of.is_kernel_own(group):
            own += 1
            continue
        hosts = {member["host"] for member in members}
        processes = {member["process"]["value"] or "?" for member in members}
        rows.append((group, str(len(hosts)), _some(member["interface"] for member in members), _some(processes),
                     _some(hosts)))
    lines = _columns(rows)
    if own:
        lines.append(f"and {own} groups that kernels join by themselves")
    for host, failure in fleet["failures"].items():
        lines.append(f"failed  {host}: {failure['reason']}: {failure['detail']}")
    for finding in fleet["findings"]:
        if finding["basis"] != "unknown":
            lines.append(f"{finding['kind']}  {_some(finding['hosts'])}: {finding['subject']}: {finding['evidence']}; "
                         f"{finding['remedy']}")
    for kind in ("joined", "left", "moved"):
        lines += [f"{kind}  {_change(each)}" for each in changed[kind]]
    lines += [f"{kind}  {_some(changed[kind])}" for kind in ("appeared", "vanished", "unknown") if changed[kind]]
    return [neutral.line(line) for line in [*lines, summary(fleet)]]


def _change(each: dict[str, str]) -> str:
    if "from" in each:
        return f"{each['host']}: {each['group']} from {each['from']} to {each['to']}"
    return f"{each['host']}: {each['group']} on {each['interface']}"


def summary(fleet: dict[str, Any]) -> str:
    found = sum(finding["basis"] != "unknown" for finding in fleet["findings"])
    return (f"{len(fleet['hosts'])} hosts answered, {len(fleet['failures'])} failed, {found} findings, "
            f"{fleet['elapsed']:.2f} s")


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
