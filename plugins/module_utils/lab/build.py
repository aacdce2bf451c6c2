# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make and remove the namespaces, switches and cables of a settled topology.

A lab owns what it made: the loopback interface of each of its namespaces bears the lab's mark as an alias, which
lives and dies with the namespace. A namespace without the mark is somebody else's and is never touched."""
from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import resource
from functools import partial
from typing import Any, Callable

from .. import sysctl, unit
from ..change import Changes
from ..error import McastError, reason
from ..netlink.links import IFF_MULTICAST, IFF_UP, Interface, Netlink
from . import netns, routing
from . import topology as topologies
from .lock import Left

# The number under which a route of ours stands (include/uapi/linux/rtnetlink.h leaves those above 4 to programs).
_PROTOCOL = 77


def mark(lab: str) -> str:
    return f"mcast.lab:{lab}"


def building(topology: dict[str, Any], left: Left | None = None) -> Changes:
    """topology: settled; left: what a run left that was killed, and is cleared first. Returns the Changes by which the
    lab stands as its topology says."""
    lab = _Lab(topology)
    lab.clear(left)
    lab.build()
    return lab.changes


def clearing(name: str, left: Left | None) -> Changes:
    """Returns the Changes by which nothing is left of a run that was killed: the lab where that run made it, else the
    programs that were started since."""
    lab = _empty(name)
    lab.clear(left)
    return lab.changes


def removal(name: str) -> Changes:
    """Returns the Changes by which nothing is left of the lab `name`."""
    lab = _empty(name)
    lab.remove()
    return lab.changes


def standing() -> dict[str, list[str]]:
    """The labs of this machine, by their mark: ``{name: [namespace, ...]}``, both sorted."""
    found: dict[str, list[str]] = {}
    for name in netns.names():
        owner = _owner(name)
        if owner is not None:
            found.setdefault(owner, []).append(name)
    return dict(sorted(found.items()))


def _owner(namespace: str) -> str | None:
    """The lab that made a namespace, None where it is not one of ours."""
    try:
        descriptor = os.open(netns.path(namespace), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        with Netlink(descriptor) as netlink:  # setns, which takes root
            prefix, unused, lab = (netlink.alias(1) or "").partition(":")
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file that is not a namespace
            raise McastError(f"network namespace {namespace}", reason(error)) from None
        return None
    finally:
        os.close(descriptor)
    return lab if mark(lab) == f"{prefix}:{lab}" else None


def _empty(name: str) -> _Lab:
    return _Lab({"name": name, "segments": {}, "hosts": {}})


def _hop(route: dict[str, Any]) -> str:
    return f"{route['gateway']} on {route['interface']}"


def _allow_many_descriptors() -> None:
    """Two stay open for each namespace; the usual soft limit of 1,024 would end at 500 hosts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Lab:
    def __init__(self, topology: dict[str, Any]) -> None:
        _allow_many_descriptors()
        self.topology = topology
        self.changes = Changes()
        self.mark = mark(topology["name"])
        self.switch = topology["name"]  # the namespace of all switches; hosts are LAB.HOST, so it is free
        self.wanted = [self.switch] + [body["namespace"] for body in topology["hosts"].values()]
        self.open: dict[str, tuple[int, Netlink]] = {}
        self.links: dict[str, dict[str, dict[str, Any]]] = {}  # of each namespace, as Netlink.links() returns them
        self.ours: list[str] = []
        self.foreign: list[str] = []
        self.stood = False  # whether there was anything of it before this run built it
        for name in netns.names():
            if name == self.switch or name.startswith(f"{self.switch}."):
                (self.ours if self._is_ours(name) else self.foreign).append(name)

    def _is_ours(self, name: str) -> bool:
        try:
            descriptor = os.open(netns.path(name), os.O_RDONLY | os.O_CLOEXEC)
            self.open[name] = (descriptor, Netlink(descriptor))
            return self.netlink(name).alias(1) == self.mark
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL):
                raise
            return False  # gone in this moment, or a file that is not a namespace: nothing of ours

    def netlink(self, name: str) -> Netlink:
        return self.open[name][1]

    # left by a run that was killed

    def clear(self, left: Left | None) -> None:
        if left is None:
            return
        if left.made:
            self.remove()
            self.ours = []
            return
        for name in self.ours:
            inode = os.fstat(self.open[name][0]).st_ino
            units = unit.names(inode, left.since)
            if units:
                self.changes.add(("programs", name), units, None, partial(unit.clean, inode, units))

    # present

    def build(self) -> None:
        for name in self.wanted:
            if name in self.foreign:
                raise McastError(f"network namespace {name}", (
                    f"is there already and was not made by lab {self.switch}; rename the lab, or remove it: ip netns "
                    f"delete {name}"))
        self.stood = bool(self.ours)
        self._remove_namespaces([name for name in self.ours if name not in self.wanted])
        self.links = {name: self.netlink(name).links() for name in self.ours if name in self.wanted}
        for name in self.wanted:
            if name not in self.links:
                self.changes.add(("namespaces", name), None, "present", partial(self._create, name))
        for segment in self.topology["segments"].values():
            self._bridge(segment["bridge"])
            if topologies.queries_ipv6(segment):
                self._link_local(segment["bridge"])
        self._surplus()
        for host in self.topology["hosts"].values():
            have = self.links.get(host["namespace"], {})
            addresses = self.netlink(host["namespace"]).addresses() if have else {}
            kept = [name for name, interface in host["interfaces"].items() if not self._interface(
                host["namespace"], name, interface, have.get(name), addresses)]
            self._routes(host, have, {have[name]["index"]: name for name in kept})
            if host["router"] is not None:
                self._forwarding(host["namespace"], bool(have))

    def _create(self, name: str) -> None:
        descriptor = netns.create(name, lambda: self._prepare(name))
        self.open[name] = (descriptor, Netlink(descriptor))
        self.changes.known["made"] = self.changes.known.get("made") or not self.stood

    def _prepare(self, name: str) -> None:
        """Runs in a new namespace before it gets its name: however a run ends, none is left without the mark."""
        # Hosts: the topology keeps addresses unique, so detection would only delay every report by seconds.
        # Switches: a bridge is not a host of its segment, and must not send reports and solicitations into it.
        setting = "disable_ipv6" if name == self.switch else "accept_dad"
        with contextlib.suppress(McastError):  # a kernel without IPv6 needs neither
            sysctl.write(f"ipv6/conf/default/{setting}", int(name == self.switch))
        with Netlink() as netlink:
            netlink.set_up(1, alias=self.mark)

    def _bridge(self, name: str) -> None:
        have = self.links.get(self.switch, {}).get(name)
        if not have:
            self.changes.add(("switches", name), None, "present",
                             lambda: self.netlink(self.switch).add_bridge(name, topologies.mac(self.switch, name)))
        elif not have["flags"] & IFF_UP:
            self.changes.add(("switches", name), "down", "up", lambda: self.netlink(self.switch).set_up(have["index"]))

    def _link_local(self, name: str) -> None:
        """The address from which a bridge sends MLD queries. No solicitations: it is not a host of its segment all the
        same."""
        path = f"ipv6/conf/{name}/"
        stands = name in self.links.get(self.switch, {})
        if stands and self._inside(self.switch, sysctl.read, f"{path}disable_ipv6") in (0, None):
            return

        def apply() -> None:
            for setting in ("accept_dad", "accept_ra", "disable_ipv6"):
                self._inside(self.switch, sysctl.write, path + setting, 0)

        self.changes.add(("switches", f"{name} link-local"), None, "present", apply)

    def _surplus(self) -> None:
        """Bridges and cables in the switches' namespace that the topology doesn't name (any more)."""
        wanted = {segment["bridge"] for segment in self.topology["segments"].values()}
        wanted.update(interface["port"] for host in self.topology["hosts"].values()
                      for interface in host["interfaces"].values())
        for name, link in self.links.get(self.switch, {}).items():
            if link["kind"] in ("bridge", "veth") and name not in wanted:
                self.changes.add(("switches", name), "present", None,
                                 partial(self.netlink(self.switch).delete_link, link["index"]))

    def _interface(self, namespace: str, name: str, want: dict[str, Any], have: dict[str, Any] | None,
                   addresses: dict[int, list[Interface]]) -> bool:
        """Returns whether its routes go, if they are there, by what has to change."""
        ports = self.links.get(self.switch, {})
        bridge = self.topology["segments"][want["segment"]]["bridge"]
        port = ports.get(want["port"])
        leftover = port or have
        path = ("interfaces", f"{namespace} {name}")
        down = not (have and port and have["flags"] & IFF_UP)
        if not (have and port):
            self.changes.add(path + ("segment",), None, want["segment"],
                             lambda: self._cable(namespace, name, want, bridge, leftover))
            have, addresses = None, {}
        else:
            if bridge not in ports or port["master"] != ports[bridge]["index"]:
                self.changes.add(path + ("segment",), None, want["segment"], lambda: self.netlink(
                    self.switch).set_master(port["index"], self.netlink(self.switch).index(bridge)))
            for where, link in ((namespace, have), (self.switch, port)):
                if not link["flags"] & IFF_UP:
                    self.changes.add(path + ("state",), "down", "up", partial(
                        self.netlink(where).set_up, link["index"]))
                if not link["flags"] & IFF_MULTICAST:
                    self.changes.add(path + ("multicast",), False, True, partial(
                        self.netlink(where).set_flags, link["index"], IFF_MULTICAST, IFF_MULTICAST))
            ends = ((self.netlink(namespace), name), (self.netlink(self.switch), want["port"]))
            if any(netlink.offloads_checksums(end) for netlink, end in ends):
                self.changes.add(path + ("checksum_offload",), True, False, lambda: self._finish_checksums(ends))
        return self._addresses(path, namespace, name, want, addresses.get(have["index"], []) if have else []) or down

    def _cable(self, namespace: str, name: str, want: dict[str, Any], bridge: str,
               leftover: dict[str, Any] | None) -> None:
        switch, host = self.netlink(self.switch), self.netlink(namespace)
        if leftover:  # one end without its other: somebody moved or renamed that
            for netlink, end in ((switch, want["port"]), (host, name)):
                links = netlink.links()
                if end in links:
                    netlink.delete_link(links[end]["index"])
        # Not the host's own: a bridge keeps what is addressed to one of its ports.
        port_mac = topologies.mac(self.switch, f"port {want['port']}")
        switch.add_veth(want["port"], port_mac, switch.index(bridge), name, want["mac"], self.open[namespace][0])
        self._finish_checksums(((host, name), (switch, want["port"])))
        host.set_up(host.index(name))

    def _finish_checksums(self, ends: tuple[tuple[Netlink, str], ...]) -> None:
        """Have checksums filled in before a packet is on the cable. A veth leaves them to hardware that there is not:
        captures could not tell them from wrong ones, and what copies packets would send them on unfinished."""
        for netlink, name in ends:
            netlink.offload_checksums(name, False)

    def _addresses(self, path: tuple[str, ...], namespace: str, name: str, want: dict[str, Any],
                   have: list[Interface]) -> bool:
        wanted = [ipaddress.ip_interface(want[family]) for family in ("ipv4", "ipv6") if want[family]]
        have = [address for address in have if not address.is_link_local]
        if have == wanted:
            return False

        def apply() -> None:
            netlink = self.netlink(namespace)
            index = netlink.index(name)
            for address in have:
                if address not in wanted:
                    netlink.delete_address(index, address)
            for address in wanted:
                if address not in have:
                    netlink.add_address(index, address)

        self.changes.add(path + ("addresses",), [str(address) for address in have] or None,
                         [str(address) for address in wanted] or None, apply)
        return True

    def _routes(self, host: dict[str, Any], links: dict[str, dict[str, Any]], kept: dict[int, str]) -> None:
        """Those that follow from routers, told from others by the number of who added them. kept: ``{index: name}`` of
        the interfaces whose routes stay as they are."""
        namespace: str = host["namespace"]
        have: dict[str, dict[str, Any]] = {}
        if links:
            netlink = self.netlink(namespace)
            for route in netlink.routes(4, _PROTOCOL) + netlink.routes(6, _PROTOCOL):
                have[str(route["destination"])] = route
        for want in host["routes"]:
            before = have.pop(want["destination"], None)
            shown = before and {"destination": str(before["destination"]), "gateway": str(before["gateway"]),
                                "interface": kept.get(before["index"])}
            if shown != want:
                self.changes.add(("routes", namespace, want["destination"]), shown and _hop(shown), _hop(want),
                                 partial(self._set_route, namespace, want))
        for destination, route in have.items():
            self.changes.add(("routes", namespace, destination), str(route["gateway"]), None,
                             partial(self._delete_route, namespace, route))

    def _set_route(self, namespace: str, want: dict[str, Any]) -> None:
        netlink = self.netlink(namespace)
        netlink.set_route({
            "destination": ipaddress.ip_network(want["destination"]), "index": netlink.index(want["interface"]),
            "gateway": ipaddress.ip_address(want["gateway"]), "metric": 0}, _PROTOCOL)

    def _delete_route(self, namespace: str, route: dict[str, Any]) -> None:
        try:
            self.netlink(namespace).delete_route(route, _PROTOCOL)
        except OSError as error:
            if error.errno != errno.ESRCH:  # it went with its interface or address, earlier in this run
                raise

    def _forwarding(self, namespace: str, stands: bool) -> None:
        for family in routing.FAMILIES:
            path = f"{family}/conf/all/forwarding"
            if not stands or self._inside(namespace, sysctl.read, path) == 0:
                self.changes.add(("forwarding", namespace, family), False if stands else None, True,
                                 partial(self._inside, namespace, sysctl.write, path, 1))

    def _inside(self, namespace: str, work: Callable[..., int | None], *arguments: str | int) -> int | None:
        """None on a kernel without IPv6, which has no such setting."""
        with netns.inside(self.open[namespace][0]), contextlib.suppress(McastError):
            return work(*arguments)
        return None

    # absent

    def remove(self) -> None:
        self._remove_namespaces(self.ours)

    def _remove_namespaces(self, names: list[str]) -> None:
        for name in names:
            # Processes are ended for all namespaces at once, before the first of them goes.
            self.changes.add(("namespaces", name), "present", None, partial(self._delete, names, name))

    def _delete(self, names: list[str], name: str) -> None:
        if name == names[0]:
            inodes = [os.fstat(self.open[each][0]).st_ino for each in names]
            netns.end_processes(inodes)
            for inode in inodes:
                unit.clean(inode)
        descriptor, netlink = self.open.pop(name)
        netlink.close()
        os.close(descriptor)
        netns.delete(name)
