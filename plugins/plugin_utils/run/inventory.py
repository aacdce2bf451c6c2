# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The streams of an inventory, settled: the bridge from Ansible's variables to the pure `stream`."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible.module_utils.parsing.convert_bool import boolean

from ...module_utils import expect, stream
from ...module_utils.lab import routing, topology
from ...module_utils.querier.defaults import QUERY_INTERVAL
from . import scene


def interfaces_of(hostvars: Mapping[str, Mapping[str, Any]], host: str) -> dict[str, dict[str, Any]]:
    """What the inventory says of a host's interfaces: a lab's by name, a real host's `mcast_interface` alone.

    Returns ``{name: {segment, ipv4, ipv6}}``, empty where it says nothing."""
    known = hostvars[host]
    if "mcast_interfaces" in known:
        return known["mcast_interfaces"]
    return {known["mcast_interface"]: {}} if known.get("mcast_interface") else {}


def streams_of(streams: dict[str, Any] | None, groups: Mapping[str, Sequence[str]],
               hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """streams: mcast_streams, None where the inventory states none; groups, hostvars: Ansible's. Returns the settled
    streams (see `stream`)."""
    if streams is None:
        return []
    return stream.settle(streams, groups, lambda host: interfaces_of(hostvars, host))


def inventory_of(streams: list[dict[str, Any]], known: dict[str, Any] | None, groups: Mapping[str, Sequence[str]],
                 hostvars: Mapping[str, Mapping[str, Any]]) -> scene.Inventory:
    """What steps are read against. streams: settled; known: the topology, settled, None where there is none."""
    def distance(family: str, here: str, there: str) -> int | None:
        return routing.distance(known, family, here, there) if known else None

    return scene.Inventory(
        groups, streams, lambda host: interfaces_of(hostvars, host),
        lambda host: hostvars[host].get("mcast_host_settings") or {},
        lambda host: hostvars[host].get("mcast_querier") or {}, known["segments"] if known else {}, distance)


def snooping_bridge_of(hostvars: Mapping[str, Mapping[str, Any]], host: str, interface: str) -> tuple[str, str] | None:
    """The host and the segment of the switch that snoops where a host's interface is, None where no topology file gives
    settings to a switch there."""
    segment = interfaces_of(hostvars, host).get(interface, {}).get("segment")
    if segment is None or topology.SWITCH not in hostvars:
        return None
    settings = (hostvars[topology.SWITCH].get("mcast_bridges") or {}).get(topology.kernel_name(segment))
    if settings is None or settings.get("snooping") is False:
        return None
    return topology.SWITCH, segment


def query_interval_of(hostvars: Mapping[str, Mapping[str, Any]], segment: str) -> float | None:
    """The longest query interval, in seconds, that the inventory states on a segment, None where it states none.
    McastError for one that is not a number."""
    bridges = hostvars[topology.SWITCH].get("mcast_bridges") or {} if topology.SWITCH in hostvars else {}
    switch = bridges.get(topology.kernel_name(segment)) or {}
    stated = [(f"query_interval of bridge {segment}", switch)] if switch.get("querier") else []
    for host in hostvars:
        names = {name for name, body in interfaces_of(hostvars, host).items() if body.get("segment") == segment}
        known = hostvars[host] if names else {}
        for settings in (known.get("mcast_querier"), known.get("mcast_router")):
            if isinstance(settings, Mapping) and settings.get("backend") != "smcroute" and names.intersection(
                    settings.get("interfaces") or names):
                stated.append((f"query_interval of host {host}", settings.get("igmp") or settings))
    intervals = [expect.number(path, settings.get("query_interval") or QUERY_INTERVAL, 0.1, 86400, float)
                 for path, settings in stated]
    return max(intervals, default=None)


class Host(NamedTuple):
    """What a run knows of a host beforehand. is_ours: it is of a lab that we make; captures: its packets are captured;
    opens: its firewall is opened for the streams; is_device: a switch, router or querier runs there, which joins groups
    that no stream explains."""
    is_ours: bool = True
    captures: bool = True
    opens: bool = False
    is_device: bool = False


def host_of(name: str, variables: Mapping[str, Any], known: dict[str, Any] | None) -> Host:
    """variables: those of the host; known: the topology, settled, None where there is none."""
    return Host(is_ours(known, name), boolean(variables.get("mcast_capture", True)),
                boolean(variables.get("mcast_firewall", False)),
                not {"mcast_router", "mcast_querier", "mcast_bridges"}.isdisjoint(variables))


def is_ours(known: dict[str, Any] | None, host: str) -> bool:
    """True for a host of a lab that we make ourselves: what happens there, we explain or it is wrong. known: the
    topology, settled, None where there is none."""
    return known is not None and host in known["hosts"]


def is_on_our_cables(known: dict[str, Any] | None, host: str) -> bool:
    """True for a host of a lab that we make ourselves, and for its switches."""
    return is_ours(known, host) or known is not None and host == topology.SWITCH
