# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The streams of an inventory, settled: the bridge from Ansible's variables to the pure `stream`."""
from __future__ import annotations

from typing import Any, Iterable

from ansible.errors import AnsibleError

from ..module_utils import stream, topology
from ..module_utils.error import McastError

# Those of a host that are mappings; and those that the inventory plugin makes, which hold no templates.
_MAPPINGS = ("mcast_querier", "mcast_router", "mcast_bridges", "mcast_host_settings")
_MADE = ("mcast_topology", "mcast_topology_error", "mcast_interfaces", "mcast_netns")


def check_variables(hostvars: Any, hosts: Iterable[str]) -> None:
    """hostvars: Ansible's; hosts: those that take part. McastError for a variable of ours that is stated and has no
    value, which a condition or a default would take as not stated."""
    for host in hosts:
        known = hostvars[host]
        for name in known:
            if not name.startswith("mcast_") or name in _MADE:
                continue
            try:
                empty = known[name] is None
            except AnsibleError as error:
                raise McastError(f"{name} of host {host}", error.message) from None
            if empty and name in _MAPPINGS:
                raise McastError(f"{name} of host {host}", "has no value; state one, or leave it out")


def interfaces_of(hostvars, host):
    """What the inventory says of a host's interfaces: a lab's by name, a real host's `mcast_interface` alone.

    Returns ``{name: {segment, ipv4, ipv6}}``, empty where it says nothing."""
    known = hostvars[host]
    if "mcast_interfaces" in known:
        return known["mcast_interfaces"]
    return {known["mcast_interface"]: {}} if known.get("mcast_interface") else {}


def streams_of(streams, groups, hostvars):
    """streams: mcast_streams, None where the inventory states none; groups, hostvars: Ansible's. Returns the settled
    streams (see `stream`)."""
    if streams is None:
        return []
    return stream.settle(streams, groups, lambda host: interfaces_of(hostvars, host))


def topology_of(hostvars, host):
    """The topology that a host belongs to, settled; None for a host that no topology file describes."""
    parts = hostvars[host].get("mcast_topology")
    return parts and topology.settle({key: parts[key] for key in ("segments", "hosts")}, parts["name"])


def snooping_bridge_of(hostvars, host, interface):
    """The host and the segment of the switch that snoops where a host's interface is, None where no topology file gives
    settings to a switch there."""
    segment = interfaces_of(hostvars, host).get(interface, {}).get("segment")
    if segment is None or topology.SWITCH not in hostvars:
        return None
    settings = (hostvars[topology.SWITCH].get("mcast_bridges") or {}).get(topology.kernel_name(segment))
    if settings is None or settings.get("snooping") is False:
        return None
    return topology.SWITCH, segment


def is_ours(hostvars, host):
    """True for a host of a lab that we make ourselves: what happens there, we explain or it is wrong."""
    return host in hostvars[host].get("mcast_topology", {}).get("hosts", ())
