# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bridge does with multicast, compared with what it shall do, and changed in the order that works."""
from __future__ import annotations

from .bridge_settings import COUNTS, FLAGS, INTERVALS, PORT_FLAGS, SETTINGS, VERSIONS, check, contradictions
from .change import Changes
from .error import McastError
from .kernel.bridges import ROUTER
from .netlink_bridge import BridgeNetlink

_GRAIN = 0.0101  # seconds; the kernel counts in ticks, and tells hundredths that are cut off


def plan(params):
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
        _compare_port(changes, netlink, name, port, _port_of(bridge, name, "ports." + port, port), settings)
    _compare_entries(changes, netlink, bridge, name, want["entries"], bool(params["purge_entries"]))
    return changes, lambda: _result(netlink, name)


def _find(netlink, name):
    bridges = netlink.bridges()
    if name not in bridges:
        links = netlink.links()
        raise McastError("bridge %s" % name, ("is no bridge but %s" % (links[name]["kind"] or "an interface")
                         if name in links else "is not there") + "; bridges here are: %s" % (
                             ", ".join(sorted(bridges)) or "none"))
    if not bridges[name]["ports"]:
        raise McastError("bridge %s" % name, "has no ports, so that nothing could be snooped; add one first: "
                                             "ip link set INTERFACE master %s" % name)
    return bridges[name]


def _port_of(bridge, name, path, port):
    if port not in bridge["ports"]:
        raise McastError(path, "%s is no port of bridge %s; its ports are %s" % (
            port, name, ", ".join(sorted(bridge["ports"]))))
    return bridge["ports"][port]


def _shown(settings):
    """As users write them."""
    shown = {}
    for key, value in settings.items():
        if value is not None and key in FLAGS + PORT_FLAGS:
            value = bool(value)
        elif value is not None and key == "router":
            value = ROUTER[value]
        shown[key] = value
    return shown


def _in_force(bridge):
    return _shown(bridge["settings"])


def _told(settings):
    """As the kernel takes them."""
    return {key: ROUTER.index(value) if key == "router" else value for key, value in settings.items()}


def _compare_settings(changes, netlink, index, name, have, want):
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

    def apply():
        if restart:
            netlink.set_bridge(index, {"querier": False})
        netlink.set_bridge(index, _told(before))
        if restart:
            netlink.set_bridge(index, {"querier": True})

    for number, (option, value) in enumerate(before.items()):
        changes.add((name, option), have[option], value, (lambda: None) if number else apply)
    if "querier" in differing:
        changes.add((name, "querier"), have["querier"], want["querier"],
                    lambda: netlink.set_bridge(index, {"querier": want["querier"]}))


def _same(option, have, want):
    return abs(have - want) < _GRAIN if option in INTERVALS else have == want


def _compare_port(changes, netlink, name, port, link, want):
    have = _shown(link["settings"])
    for option, value in want.items():
        changes.compare((name, "ports", port, option), have[option], value, lambda value, option=option:
                        netlink.set_port(link["index"], _told({option: value})))


def _compare_entries(changes, netlink, bridge, name, wanted, purge):
    if not wanted and not purge:
        return
    index, names = bridge["index"], {port["index"]: key for key, port in bridge["ports"].items()}
    want = {(_port_of(bridge, name, "entries", port)["index"], group, source) for port, group, source in wanted}
    have = netlink.permanent_entries(index)
    for entry in sorted(want - have, key=str):
        changes.add((name, "entries", _entry_shown(entry, names)), None, "permanent",
                    lambda entry=entry: netlink.add_entry(index, entry))
    for entry in sorted(have - want, key=str) if purge else ():
        changes.add((name, "entries", _entry_shown(entry, names)), "permanent", None,
                    lambda entry=entry: netlink.delete_entry(index, entry))


def _entry_shown(entry, names):
    port, group, source = entry
    return "%s%s on %s" % (group, " from %s" % source if source else "", names.get(port, "the bridge itself"))


def _result(netlink, name):
    bridge = netlink.bridges()[name]
    return {"bridge": dict(_in_force(bridge), queriers=bridge["queriers"], ports={
        port: _shown(link["settings"]) for port, link in bridge["ports"].items()})}
