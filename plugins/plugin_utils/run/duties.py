# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each host does in a run: its interfaces set up, the phases of the streams that run by themselves, and the steps.
The phases are steps like any other: all hosts open their firewalls, then capture and receive, then send, and so on."""
from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from ansible.module_utils.parsing.convert_bool import boolean

from ...module_utils import stream as streams_of
from .steps import Acts, Plan

_SETTINGS = {"state": "up", "multicast": True}


def of_host(host: str, known: Mapping[str, Any], running: list[dict[str, Any]], streams: list[dict[str, Any]],
            scenario: Plan, is_made: bool = False) -> dict[str, Any]:
    """known: the variables of the host. running: settled streams that run by themselves; streams: all of them. is_made:
    whether the host is made with its interfaces as _SETTINGS has them, and is one of a lab.

    Returns ``{"interfaces": {name: settings}, "steps": {step: {part: ...}}, "started": [names of programs], "undo":
    [commands], "firewall": options}``: the parts "capture", "act" and "send" hold options of the module `act`,
    "command" a list of commands; the last three are what is to be taken back at the end on hosts that stay."""
    whole = streams_of.of_host(streams, host)
    firewall = _firewall(known, whole["open"])
    steps = {name: hosts[host] for name, hosts in scenario.acts.items() if host in hosts}
    if running:
        steps = {**_phases(known, streams_of.of_host(running, host), firewall), **steps}
    elif firewall and scenario.names:
        steps = {**steps, scenario.names[0]: replace(steps.get(scenario.names[0], Acts()), firewall=firewall)}
    interfaces = known.get("mcast_host_interfaces")
    names = whole["interfaces"] if interfaces is None else interfaces
    settings = known.get("mcast_host_settings")
    return {"interfaces": {} if is_made and not settings else dict.fromkeys(names, settings or _SETTINGS),
            "steps": {name: _parts(acts) for name, acts in steps.items()},
            "started": list(dict.fromkeys(name for acts in steps.values()
                                          for part in (acts.captures, acts.started, acts.sent) for name in part)),
            "undo": [command["undo"] for acts in steps.values() for command in acts.commands if command["undo"]][::-1],
            "firewall": {"state": "absent"} if firewall else {}}


def moves(names: list[str], duties: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """What all hosts do together, one after another: ``{step, part}``, the parts as in of_host(), where any host has
    something to do, and "judge". names: of the steps, in their order; duties: by host."""
    found = []
    for name in names:
        there = {part for host in duties.values() for part in host["steps"].get(name, ())}
        found += [{"step": name, "part": part} for part in _PARTS if part in there]
        found.append({"step": name, "part": "judge"})
    return found


_PARTS = ("capture", "act", "command", "send")


def _parts(acts: Acts) -> dict[str, Any]:
    act = {key: getattr(acts, key) for key in ("firewall", "started", "stopped", "ended", "killed")}
    parts = {"capture": {"started": acts.captures} if acts.captures else {},
             "act": {key: value for key, value in act.items() if value},
             "command": acts.commands, "send": {"started": acts.sent} if acts.sent else {}}
    return {part: parts[part] for part in _PARTS if parts[part]}


def _firewall(known: Mapping[str, Any], places: list[dict[str, Any]]) -> dict[str, Any]:
    """The openings for streams, empty where the host's firewall is left as it is."""
    if not boolean(known.get("mcast_firewall", False)):
        return {}
    ports = known.get("mcast_firewall_ports")
    closed = {"closed": True} if boolean(known.get("mcast_firewall_closed", False)) else {}
    return {"state": "present", "ports": places if ports is None else ports, **closed}


def _phases(known: Mapping[str, Any], duties: dict[str, Any], firewall: dict[str, Any]) -> dict[str, Acts]:
    """What the host does before, during and after its streams. duties: of stream.of_host()."""
    captures = _captures(known, duties)
    received, sent = (
        streams_of.programs(duties[duty] if known.get(variable) is None else known[variable], program)
        for duty, variable, program in (("receive", "mcast_receiver_streams", "receiver"),
                                        ("send", "mcast_sender_streams", "sender")))
    return {"before": Acts(firewall=firewall),
            "during": Acts(started={**captures, **received}, sent=sent),
            "after": Acts(stopped=[*sent, *received], firewall={"state": "absent"} if firewall else {}),
            "ended": Acts(ended=list(captures))}


def _captures(known: Mapping[str, Any], duties: dict[str, Any]) -> dict[str, Any]:
    if not boolean(known.get("mcast_capture", True)):
        return {}
    interfaces = known.get("mcast_capture_interfaces")
    return streams_of.captures(duties["send"] + duties["receive"],
                               duties["interfaces"] if interfaces is None else interfaces,
                               known.get("mcast_capture_max_size"))
