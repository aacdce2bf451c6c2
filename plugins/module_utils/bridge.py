# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bridge does with multicast, compared with what it shall do, and changed in the order that works."""
from __future__ import annotations

from functools import partial
from typing import Any

from .bridge_settings import (
    COUNTS,
    FLAGS,
    INTERVALS,
    PORT_FLAGS,
    SETTINGS,
    VERSIONS,
    WantedEntry,
    check,
    contradictions,
)
from .change import Changes, Planned
from .error import McastError
from .kernel.bridges import ROUTER
from .netlink.bridges import BridgeNetlink, Entry

_GRAIN = 0.0101  # seconds; the kernel counts in ticks, and tells hundredths that are cut off


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `bridge`. Returns (Changes, function for the further result)."""
    name = params["name"]
    want = check("", {key: value for key, value in params.items() if key != "name"})
    netlink, changes = BridgeNetlink(), Changes()
    bridge = _find(netlink, name)
    have = _in_force(bridge)
    if set(want["settings"]) & {*INTERVALS, *VERSIONS, "querier"}:
        contradictions("", dict(have, **want["settings"]))
    if want["entries"] and not want["settings"].get("snooping", have["snooping"]):
        raise McastError("entries", "can't be kept by a bridge that doesn't snoop; set snooping to true")
    _compare_settings(changes, netlink, bridge["index"], name, have, want["settings"])
    for port, settings in want["ports"].items():
        _compare_port(changes, netlink, name, port, _port_of(bridge, name, f"ports.{port}", port), settings)
    _compare_entries(changes, netlink, bridge, name, want["entries"], bool(params["purge_entries"]))
    return changes, lambda: _result(netlink, name)


def _find(netlink: BridgeNetlink, name: str) -> dict[str, Any]:
    bridges = netlink.bridges()
    if name not in bridges:
        links = netlink.links()
        found = f"is not a bridge but {links[name]['kind'] or 'an interface'}" if name in links else "is not there"
        raise McastError(f"bridge {name}", f"{found}; bridges here are: {', '.join(sorted(bridges)) or 'none'}")
    if not bridges[name]["ports"]:
        raise McastError(f"bridge {name}", "has no ports, so that nothing could be snooped; add one first: "
                                           f"ip link set INTERFACE master {name}")
    return bridges[name]


def _port_of(bridge: dict[str, Any], name: str, path: str, port: str) -> dict[str, Any]:
    if port not in bridge["ports"]:
        raise McastError(path, f"{port} is not a port of bridge {name}; its ports are "
                               f"{', '.join(sorted(bridge['ports']))}")
    return bridge["ports"][port]


def _shown(settings: dict[str, Any]) -> dict[str, Any]:
    """As users write them."""
    shown = {}
    for key, value in settings.items():
        if value is not None and key in FLAGS + PORT_FLAGS:
            value = bool(value)
        elif value is not None and key == "router":
            value = ROUTER[value]
        shown[key] = value
    return shown


def _in_force(bridge: dict[str, Any]) -> dict[str, Any]:
    return _shown(bridge["settings"])


def _as_numbers(settings: dict[str, Any]) -> dict[str, Any]:
    """As the kernel takes them."""
    return {key: ROUTER.index(value) if key == "router" else value for key, value in settings.items()}


def _compare_settings(changes: Changes, netlink: BridgeNetlink, index: int, name: str, have: dict[str, Any],
                      want: dict[str, Any]) -> None:
    """The querier comes last, in a message of its own: it begins with the intervals that are in force then. One that
    runs is begun anew, else it would wait for as long as it was told before."""
    for option in want:
        if have[option] is None:
            raise McastError(option, "can't be set: this kernel's bridges don't know it")
    differing = {option: want[option] for option in SETTINGS if option in want and not _same(
        option, have[option], want[option])}
    before = {option: value for option, value in differing.items() if option != "querier"}
    restart = have["querier"] and "querier" not in differing and set(before) & {
        "snooping", "igmp_version", "mld_version", "use_ifaddr", *INTERVALS, *COUNTS}

    def apply() -> None:
        if restart:
            netlink.set_bridge(index, {"querier": False})
        netlink.set_bridge(index, _as_numbers(before))
        if restart:
            netlink.set_bridge(index, {"querier": True})

    for number, (option, value) in enumerate(before.items()):
        changes.add((name, option), have[option], value, (lambda: None) if number else apply)
    if "querier" in differing:
        changes.add((name, "querier"), have["querier"], want["querier"],
                    lambda: netlink.set_bridge(index, {"querier": want["querier"]}))


def _same(option: str, have: Any, want: Any) -> bool:
    return abs(have - want) < _GRAIN if option in INTERVALS else have == want


def _compare_port(changes: Changes, netlink: BridgeNetlink, name: str, port: str, link: dict[str, Any],
                  want: dict[str, Any]) -> None:
    have = _shown(link["settings"])
    for option, value in want.items():
        changes.compare((name, "ports", port, option), have[option], value,
                        partial(_set_port, netlink, link["index"], option))


def _set_port(netlink: BridgeNetlink, index: int, option: str, value: Any) -> None:
    netlink.set_port(index, _as_numbers({option: value}))


def _compare_entries(changes: Changes, netlink: BridgeNetlink, bridge: dict[str, Any], name: str,
                     wanted: list[WantedEntry], purge: bool) -> None:
    if not wanted and not purge:
        return
    index, names = bridge["index"], {port["index"]: key for key, port in bridge["ports"].items()}
    want = {Entry(_port_of(bridge, name, "entries", entry.port)["index"], entry.group, entry.source)
            for entry in wanted}
    have = netlink.permanent_entries(index)
    for entry in sorted(want - have, key=str):
        changes.add((name, "entries", _entry_shown(entry, names)), None, "permanent",
                    partial(netlink.add_entry, index, entry))
    for entry in sorted(have - want, key=str) if purge else ():
        changes.add((name, "entries", _entry_shown(entry, names)), "permanent", None,
                    partial(netlink.delete_entry, index, entry))


def _entry_shown(entry: Entry, names: dict[int, str]) -> str:
    source = f" from {entry.source}" if entry.source else ""
    return f"{entry.group}{source} on {names.get(entry.port, 'the bridge itself')}"


def _result(netlink: BridgeNetlink, name: str) -> dict[str, Any]:
    bridge = netlink.bridges()[name]
    return {"bridge": dict(_in_force(bridge), queriers=bridge["queriers"], ports={
        port: _shown(link["settings"]) for port, link in bridge["ports"].items()})}
