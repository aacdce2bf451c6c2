# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What many hosts together tell that one alone does not: pure functions of their facts and of the streams.

A finding is ``{kind, basis, hosts, subject, evidence, remedy}``. `basis` is exact, inferred, or unknown: then it
is not known whether there is anything to find, `evidence` says why and `remedy` what would show it."""
from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Union

from ...module_utils import group as groups_of
from ...module_utils.querier.defaults import QUERY_INTERVAL
from .groups import holder

# From which part of a limit on it is near.
NEAR = 0.8
_LISTEN = f"listen for one query interval (`listen: {QUERY_INTERVAL}`)"
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def findings(hosts: dict[str, dict[str, Any]], failures: Iterable[str] = (),
             streams: list[dict[str, Any]] | None = None,
             segments: Mapping[str, Mapping[str, str | None]] | None = None, listened: int = 0
             ) -> list[dict[str, Any]]:
    """hosts: {name: facts}; failures: names that gave none; streams: settled, or None where none are stated; segments:
    ``{host: {interface: segment}}`` as far as an inventory says it; of the others the network of the interface's first
    address counts; listened: for how many seconds hosts listened for queries. Returns the list of findings, by kind."""
    fleet = _Fleet(hosts, failures, streams or [], segments or {}, listened)
    return [finding for search in _SEARCHES for finding in search(fleet)]


def finding(kind: str, basis: str, hosts: Iterable[str], subject: str | None, evidence: str, remedy: str
            ) -> dict[str, Any]:
    return {"kind": kind, "basis": basis, "hosts": sorted(set(hosts)), "subject": subject, "evidence": evidence,
            "remedy": remedy}


class _Member(NamedTuple):
    host: str
    facts: dict[str, Any]
    row: dict[str, Any]  # of facts["memberships"]


class _Fleet:
    def __init__(self, hosts: dict[str, dict[str, Any]], failures: Iterable[str], streams: list[dict[str, Any]],
                 segments: Mapping[str, Mapping[str, str | None]], listened: int) -> None:
        self.hosts, self.failures, self.streams = hosts, set(failures), streams
        self._segments, self.listened = segments, listened

    def memberships(self, besides_kernel: bool = True) -> Iterator[_Member]:
        """All memberships, without those that a kernel has by itself unless they are asked for."""
        for host, facts in self.hosts.items():
            for row in facts.get("memberships", ()):
                if not (besides_kernel and groups_of.is_kernel_own(row["group"])):
                    yield _Member(host, facts, row)

    def segment(self, host: str, interface: str) -> str | None:
        """What an interface is attached to, or None where nothing tells."""
        stated = self._segments.get(host, {}).get(interface)
        if stated:
            return stated
        for network in networks(self.hosts[host], interface):
            if not network.is_link_local and not network.is_loopback:
                return str(network)
        return None

    def lacking(self, part: str) -> list[str]:
        return [host for host, facts in self.hosts.items() if part not in facts]

    def unknown(self, kind: str, hosts: Collection[str], evidence: str, remedy: str) -> list[dict[str, Any]]:
        return [finding(kind, "unknown", hosts, None, evidence, remedy)] if hosts else []


def networks(facts: dict[str, Any], interface: str) -> list[_Network]:
    """The networks of an interface's addresses, IPv4 first."""
    found = facts.get("interfaces", {}).get(interface, {}).get("addresses", ())
    return [ipaddress.ip_interface(f"{row['address']}/{row['prefix']}").network for row in found
            if not ipaddress.ip_address(row["address"]).is_multicast]


# streams

def _streams(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    wanted: dict[tuple[str, str, str], list[dict[str, Any]]] = {}  # by host, interface, group
    for stream in fleet.streams:
        for host in stream["receivers"]:
            wanted.setdefault((host, stream["receivers"][host]["interface"], stream["group"]), []).append(stream)
    found = {(host, row["interface"], row["group"]): row for host, unused, row in fleet.memberships(False)}
    blind = fleet.lacking("memberships")
    for (host, interface, group), streams in sorted(wanted.items(), key=lambda item: item[0]):
        names = ", ".join(stream["name"] for stream in streams)
        subject = f"{group} on {interface}"
        if host not in fleet.hosts or host in blind:
            yield finding("member_missing", "unknown", [host], subject,
                          f"{host} receives stream {names}, and gave no memberships",
                          "see failures, or ask this host too, with the subset memberships")
        elif (host, interface, group) not in found:
            yield finding("member_missing", "exact", [host], subject,
                          f"{host} receives stream {names}, and is no member of {group} on {interface}",
                          f"start the receiver on {host}, or see why its join failed")
    groups = {stream["group"] for stream in fleet.streams}
    for host, interface, group in sorted(found):
        if group in groups and (host, interface, group) not in wanted:
            elsewhere = sorted(name for one, name, other in wanted if (one, other) == (host, group))
            instead = f"receives it on {', '.join(elsewhere)}" if elsewhere else "no stream names it as a receiver"
            yield finding("member_unexpected", "exact", [host], f"{group} on {interface}",
                          f"{host} is a member of {group} on {interface}, and {instead}",
                          "stop the receiver, or add the host to the stream's `to`")


# segments

def _shared_macs(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    places: dict[tuple[str, str], dict[str, set[str]]] = {}  # hosts by segment and MAC, by group
    for host, _unused, row in fleet.memberships():
        segment = fleet.segment(host, row["interface"])
        if segment:
            places.setdefault((segment, row["mac"]), {}).setdefault(row["group"], set()).add(host)
    for (segment, mac), groups in sorted(places.items()):
        # What one host's own addresses make of it (solicited-node groups) has been left out above.
        if len(groups) > 1:
            yield finding("shared_mac", "exact", set().union(*groups.values()), f"{mac} on {segment}",
                          f"{' and '.join(sorted(groups))} are all carried by {mac}: each of these hosts gets the "
                          "packets of all, and a switch that snoops by MAC can't keep them apart",
                          "take groups that differ in their last 23 bits (IPv4) or 32 bits (IPv6)")


_VERSIONS = {"igmp_version": ("IGMP", "force_igmp_version"), "mld_version": ("MLD", "force_mld_version")}


class _Speaker(NamedTuple):
    """An interface of a host that speaks a version."""
    host: str
    name: str
    interface: dict[str, Any]


def _older(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    for key, (protocol, setting) in _VERSIONS.items():
        by_segment: dict[str, dict[int, list[_Speaker]]] = {}
        for host, facts in fleet.hosts.items():
            for name, interface in facts.get("interfaces", {}).items():
                version, segment = interface[key]["value"], fleet.segment(host, name)
                if version is not None and segment and "loopback" not in interface["flags"]:
                    by_segment.setdefault(segment, {}).setdefault(version, []).append(
                        _Speaker(host, name, interface))
        for segment, versions in sorted(by_segment.items()):
            newest = max(versions)
            for version in sorted(versions):
                if version < newest:
                    yield _older_finding(segment, protocol, setting, version, newest, versions)


def _older_finding(segment: str, protocol: str, setting: str, version: int, newest: int,
                   versions: dict[int, list[_Speaker]]) -> dict[str, Any]:
    older = versions[version]
    forced = any(each.interface[setting] == version for each in older)
    shown = ", ".join(f"{each.host} ({each.name})" for each in older[:20])
    return finding("older_version", "exact", [each.host for each in older], f"{protocol}v{version} on {segment}",
                   f"{shown} speak {protocol}v{version}, {len(versions[newest])} neighbours on the segment v{newest}"
                   f"{'; the version is forced' if forced else ''}",
                   f"set {setting} to 0" if forced else
                   "look for an older querier on the segment: a host follows the oldest that it hears")


def _queriers(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    blind: list[str] = []
    for host, facts in sorted(fleet.hosts.items()):
        for name, bridge in sorted((facts.get("bridges") or {}).items()):
            if not bridge["snooping"]:
                continue
            if bridge["queriers"] is None:
                blind.append(host)
                continue
            for family, protocol in (("ipv4", "IGMP"), ("ipv6", "MLD")):
                if bridge["queriers"].get(family) is None:
                    yield finding("no_querier", "exact", [host], f"bridge {name}, {protocol}",
                                  f"bridge {name} of {host} snoops, and knows of no {protocol} querier",
                                  "turn a querier on: mcast_querier 1 on the bridge, or a router on the segment")
    yield from _unheard(fleet)
    deaf = [host for host, facts in fleet.hosts.items() if facts.get("queriers") == {}]
    yield from fleet.unknown("no_querier", deaf, "could not listen for queries",
                             "it needs root (become: true), and tcpdump, timeout and base64 on the host")
    silent = fleet.lacking("queriers")
    yield from fleet.unknown("no_querier", [host for host in blind if host in silent],
                             "the kernel does not tell which querier a bridge knows",
                             f"Linux 5.15 or newer tells; or {_LISTEN}")
    yield from fleet.unknown("no_querier", [host for host in fleet.lacking("bridges") if host in silent],
                             "a host keeps no record of a querier, and bridges were not asked",
                             f"ask with the subset bridges where hosts are bridges; or {_LISTEN}")


def _unheard(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    """Segments on which hosts have listened, and none heard a query."""
    places: dict[tuple[str, str], dict[str, bool]] = {}  # by segment and family, whether each host heard one
    for host, facts in fleet.hosts.items():
        for name, rows in (facts.get("queriers") or {}).items():
            if ((facts.get("bridges") or {}).get(name) or {}).get("queriers") is not None:
                continue  # the bridge itself tells
            for family in ("ipv4", "ipv6"):
                heard = places.setdefault((fleet.segment(host, name) or f"{name} of {host}", family), {})
                heard[host] = heard.get(host, False) or any(row["family"] == family for row in rows)
    long = fleet.listened >= QUERY_INTERVAL
    for (segment, family), heard in sorted(places.items()):
        protocol = {"ipv4": "IGMP", "ipv6": "MLD"}[family]
        if not any(heard.values()):
            yield finding("no_querier", "inferred" if long else "unknown", heard, f"{protocol} on {segment}",
                          f"no {protocol} query was heard within {fleet.listened} s",
                          "turn a querier on, if a switch on the segment snoops" if long else
                          f"listen for one query interval, {QUERY_INTERVAL} s if nobody has set another")


# who holds it

def _without_process(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    found: dict[tuple[str, str, str], list[str]] = {}  # hosts by cause, basis, what
    unseen: set[str] = set()
    for host, facts, row in fleet.memberships():
        if "sockets" not in facts:
            continue
        cause, basis = _cause(facts, row)
        if cause == "unseen":
            unseen.add(host)
        elif cause:
            found.setdefault((cause, basis, f"{row['group']} on {row['interface']}"), []).append(host)
    for host, facts in fleet.hosts.items():
        for name, mac in _packet_groups(facts):
            found.setdefault(("packet_socket", "inferred", f"{mac} on {name}"), []).append(host)
    for (cause, basis, subject), hosts in sorted(found.items()):
        evidence, remedy = _CAUSES[cause]
        yield finding("no_process", basis, hosts, subject, f"{cause}: {evidence}", remedy)
    yield from fleet.unknown("no_process", unseen, "there are sockets whose process can't be seen",
                             "ask as root (become: true); else the process is in another namespace")
    yield from fleet.unknown("no_process", fleet.lacking("sockets"), "sockets were not asked for",
                             "ask with the subset sockets")


_CAUSES = {
    "autojoin": ("an address of the interface is this group, added with `autojoin`", "ip address delete, if it is not "
                 "wanted"),
    "kernel": ("no socket of the host's network namespace can hold it: the kernel does, for a tunnel or a bridge",
               "see `ip -d link` for vxlan and the like"),
    "other_namespace": ("root sees sockets whose process it does not see: one of another namespace holds them",
                        "look for the process with `lsns -t net`, `ip netns identify`, or in containers"),
    "packet_socket": ("the interface receives this link-layer group, and no membership explains it: a packet socket, "
                      "or `ip maddress add`", "see /proc/net/packet, and `ip maddress`"),
}


def _cause(facts: dict[str, Any], row: dict[str, Any]) -> tuple[str | None, str]:
    """Returns (cause, basis); cause None where a process may hold it, `unseen` where that can't be seen."""
    own = facts.get("interfaces", {}).get(row["interface"], {}).get("addresses", ())
    if any(address["address"] == row["group"] for address in own):
        return "autojoin", "exact"
    # An IPv6 socket may join IPv4 groups too.
    able = [one for one in facts["sockets"] if one["family"] == row["family"] or one["family"] == "ipv6"]
    if not able:
        return "kernel", "inferred"
    if any(one["process"] is not None for one in able):
        return None, "unknown"
    # Without root the processes of other users are not seen; root's own sockets tell which of both it is.
    seen = any(one["process"] is not None for one in facts["sockets"])
    return ("other_namespace", "inferred") if seen else ("unseen", "unknown")


def _packet_groups(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(interface, MAC) of each link-layer group that no membership explains."""
    for name, interface in facts.get("interfaces", {}).items():
        explained = {row["mac"] for row in facts.get("memberships", ()) if row["interface"] == name}
        for row in interface.get("link_groups", ()) if "memberships" in facts else ():
            if row["mac"].startswith(("01:00:5e:", "33:33:")) and row["mac"] not in explained:
                yield name, row["mac"]


# limits and filters

def _limits(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    for host, facts in fleet.hosts.items():
        if "limits" not in facts or "sockets" not in facts:
            continue
        most = facts["limits"].get("igmp_max_memberships")
        held: dict[str | None, list[str]] = {}  # groups by process
        for row in facts.get("memberships", ()):
            if row["family"] == "ipv4" and not groups_of.is_kernel_own(row["group"]):
                held.setdefault(holder(facts, row)["value"], []).append(row["group"])
        for process, groups in held.items():
            count = sum(one["process"] == process and process is not None for one in facts["sockets"])
            if most and count and len(groups) >= NEAR * most * count:
                yield finding("near_limit", "inferred", [host], process,
                              f"{process} holds {len(groups)} groups with {count} sockets, and a socket takes {most}",
                              "raise net.ipv4.igmp_max_memberships, or use a socket per group")
        yield from _source_limits(host, facts)
    missing = [host for host, facts in fleet.hosts.items() if "limits" not in facts or "sockets" not in facts]
    yield from fleet.unknown("near_limit", missing, "limits and sockets were not asked for",
                             "ask with the subsets limits and sockets")


def _source_limits(host: str, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for row in facts.get("memberships", ()):
        most = facts["limits"].get("igmp_max_msf" if row["family"] == "ipv4" else "mld_max_msf")
        sources = len(row["include"] or ()) + len(row["exclude"] or ())
        if most and sources >= NEAR * most * max(1, row["users"]):
            yield finding("near_limit", "exact" if row["users"] == 1 else "inferred", [host],
                          f"{row['group']} on {row['interface']}",
                          f"{sources} sources in {row['users']} filters, and one takes {most}",
                          "raise net.ipv4.igmp_max_msf" if row["family"] == "ipv4" else "raise net.ipv6.mld_max_msf")


def _rp_filter(fleet: _Fleet) -> Iterator[dict[str, Any]]:
    sources: dict[tuple[str, str, str], set[str]] = {}  # addresses by host, interface, group
    for stream in fleet.streams:
        for host, end in stream["receivers"].items():
            senders = {one["address"] for one in stream["senders"].values() if one["address"]}
            senders.update(stream["sources"] if stream["filter_mode"] == "include" else ())
            sources.setdefault((host, end["interface"], stream["group"]), set()).update(senders)
    for host, _unused, row in fleet.memberships():
        sources.setdefault((host, row["interface"], row["group"]), set()).update(
            one["source"] for one in row["include"] or ())
    blind: set[str] = set()
    for (host, interface, group), addresses in sorted(sources.items()):
        facts = fleet.hosts.get(host)
        if facts is None or ":" in group:
            continue
        if interface not in facts.get("interfaces", {}):
            blind.update([host] if addresses else [])
        elif facts["interfaces"][interface]["rp_filter_effective"] == 1:
            yield from _rp_filtered(host, interface, group, sorted(addresses), facts)
    yield from fleet.unknown("rp_filter", sorted(blind), "interfaces were not asked for, or are not there",
                             "ask with the subset interfaces")


def _rp_filtered(host: str, interface: str, group: str, addresses: list[str], facts: dict[str, Any]
                 ) -> Iterator[dict[str, Any]]:
    for source in addresses:
        towards = _towards(facts, source)
        if towards != interface:
            yield finding("rp_filter", "exact" if "routes" in facts else "inferred", [host],
                          f"{group} from {source} on {interface}",
                          f"rp_filter of {interface} is strict, and the way back to {source} is "
                          f"{f'over {towards}' if towards else 'not over it'}",
                          f"set rp_filter to 2 (loose) on {interface}, or a route to {source} over it")


def _towards(facts: dict[str, Any], source: str) -> str | None:
    """The interface over which a host reaches an address: by its routes, else by the networks of its addresses."""
    address = ipaddress.ip_address(source)
    rows = [(ipaddress.ip_network(row["destination"]), -row["metric"], row["interface"])
            for row in facts.get("routes", ()) if row["family"] == "ipv4"]
    if "routes" not in facts:
        rows = [(network, 0, name) for name in facts["interfaces"] for network in networks(facts, name)]
    fitting = [(network.prefixlen, metric, name or "") for network, metric, name in rows
               if network.version == 4 and address in network]
    return max(fitting)[2] if fitting else None


_SEARCHES: tuple[Callable[[_Fleet], Iterator[dict[str, Any]]], ...] = (
    _streams, _shared_macs, _older, _queriers, _without_process, _limits, _rp_filter)
