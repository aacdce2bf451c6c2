# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What many hosts together tell that one alone does not: pure functions of their facts and of the streams.

A finding is ``{kind, basis, hosts, subject, evidence, remedy}``. `basis` is exact, inferred, or unknown: then it
can't be told whether there is anything to find, `evidence` says why and `remedy` what would tell."""
from __future__ import annotations

import ipaddress

from ..module_utils import group as groups_of
from ..module_utils.querier_defaults import QUERY_INTERVAL
from .fleet_groups import holder

# From which part of a limit on it is near.
NEAR = 0.8
_LISTEN = "listen for one query interval (`listen: %d`)" % QUERY_INTERVAL


def findings(hosts, failures=(), streams=None, segments=None, listened=0):
    """hosts: {name: facts}; failures: names that gave none; streams: settled, or None where none are stated; segments:
    ``{host: {interface: segment}}`` as far as an inventory says it; of the others the network of the interface's first
    address counts; listened: for how many seconds hosts listened for queries. Returns the list of findings, by kind."""
    fleet = _Fleet(hosts, failures, streams or [], segments or {}, listened)
    return [finding for search in _SEARCHES for finding in search(fleet)]


def finding(kind, basis, hosts, subject, evidence, remedy):
    return {"kind": kind, "basis": basis, "hosts": sorted(set(hosts)), "subject": subject, "evidence": evidence,
            "remedy": remedy}


class _Fleet:
    def __init__(self, hosts, failures, streams, segments, listened):
        self.hosts, self.failures, self.streams = hosts, set(failures), streams
        self._segments, self.listened = segments, listened

    def memberships(self, besides_kernel=True):
        """Yields (host, facts, membership)."""
        for host, facts in self.hosts.items():
            for row in facts.get("memberships", ()):
                if not (besides_kernel and groups_of.is_kernel_own(row["group"])):
                    yield host, facts, row

    def segment(self, host, interface):
        """What an interface is attached to, or None where nothing tells."""
        stated = self._segments.get(host, {}).get(interface)
        if stated:
            return stated
        for network in networks(self.hosts[host], interface):
            if not network.is_link_local and not network.is_loopback:
                return str(network)
        return None

    def lacking(self, part):
        return [host for host, facts in self.hosts.items() if part not in facts]

    def unknown(self, kind, hosts, evidence, remedy):
        return [finding(kind, "unknown", hosts, None, evidence, remedy)] if hosts else []


def networks(facts, interface):
    """The networks of an interface's addresses, IPv4 first."""
    found = facts.get("interfaces", {}).get(interface, {}).get("addresses", ())
    return [ipaddress.ip_interface("%s/%d" % (row["address"], row["prefix"])).network for row in found
            if not ipaddress.ip_address(row["address"]).is_multicast]


# streams

def _streams(fleet):
    wanted = {}  # (host, interface, group): streams
    for stream in fleet.streams:
        for host in stream["receivers"]:
            wanted.setdefault((host, stream["receivers"][host]["interface"], stream["group"]), []).append(stream)
    found = {(host, row["interface"], row["group"]): row for host, unused, row in fleet.memberships(False)}
    blind = fleet.lacking("memberships")
    for (host, interface, group), streams in sorted(wanted.items(), key=lambda item: item[0]):
        names = ", ".join(stream["name"] for stream in streams)
        subject = "%s on %s" % (group, interface)
        if host not in fleet.hosts or host in blind:
            yield finding("member_missing", "unknown", [host], subject,
                          "%s receives stream %s, and gave no memberships" % (host, names),
                          "see failures, or ask this host too, with the subset memberships")
        elif (host, interface, group) not in found:
            yield finding("member_missing", "exact", [host], subject,
                          "%s receives stream %s, and is no member of %s on %s" % (host, names, group, interface),
                          "start the receiver on %s, or see why its join failed" % host)
    groups = {stream["group"] for stream in fleet.streams}
    for host, interface, group in sorted(found):
        if group in groups and (host, interface, group) not in wanted:
            elsewhere = sorted(name for one, name, other in wanted if (one, other) == (host, group))
            yield finding("member_unexpected", "exact", [host], "%s on %s" % (group, interface),
                          "%s is a member of %s on %s, and %s" % (
                              host, group, interface, "receives it on %s" % ", ".join(elsewhere) if elsewhere
                              else "no stream names it as a receiver"),
                          "stop the receiver, or add the host to the stream's `to`")


# segments

def _shared_macs(fleet):
    places = {}  # (segment, mac): {group: hosts}
    for host, _unused, row in fleet.memberships():
        segment = fleet.segment(host, row["interface"])
        if segment:
            places.setdefault((segment, row["mac"]), {}).setdefault(row["group"], set()).add(host)
    for (segment, mac), groups in sorted(places.items()):
        # What one host's own addresses make of it (solicited-node groups) has been left out above.
        if len(groups) > 1:
            yield finding("shared_mac", "exact", set().union(*groups.values()), "%s on %s" % (mac, segment),
                          "%s are all carried by %s: each of these hosts gets the packets of all, and a switch that "
                          "snoops by MAC can't keep them apart" % (" and ".join(sorted(groups)), mac),
                          "take groups that differ in their last 23 bits (IPv4) or 32 bits (IPv6)")


_VERSIONS = {"igmp_version": ("IGMP", "force_igmp_version"), "mld_version": ("MLD", "force_mld_version")}


def _older(fleet):
    for key, (protocol, setting) in _VERSIONS.items():
        by_segment = {}
        for host, facts in fleet.hosts.items():
            for name, interface in facts.get("interfaces", {}).items():
                version, segment = interface[key]["value"], fleet.segment(host, name)
                if version is not None and segment and "loopback" not in interface["flags"]:
                    by_segment.setdefault(segment, {}).setdefault(version, []).append((host, name, interface))
        for segment, versions in sorted(by_segment.items()):
            newest = max(versions)
            for version in sorted(versions):
                if version < newest:
                    yield _older_finding(segment, protocol, setting, version, newest, versions)


def _older_finding(segment, protocol, setting, version, newest, versions):
    forced = any(interface[setting] == version for unused, unused, interface in versions[version])
    return finding("older_version", "exact", [host for host, unused, unused in versions[version]],
                   "%sv%d on %s" % (protocol, version, segment),
                   "%s speak %sv%d, %d neighbours on the segment v%d%s" % (
                       ", ".join("%s (%s)" % (host, name) for host, name, unused in versions[version][:20]), protocol,
                       version, len(versions[newest]), newest, "; the version is forced" if forced else ""),
                   "set %s to 0" % setting if forced else
                   "look for an older querier on the segment: a host follows the oldest that it hears")


def _queriers(fleet):
    blind = []
    for host, facts in sorted(fleet.hosts.items()):
        for name, bridge in sorted((facts.get("bridges") or {}).items()):
            if not bridge["snooping"]:
                continue
            if bridge["queriers"] is None:
                blind.append(host)
                continue
            for family, protocol in (("ipv4", "IGMP"), ("ipv6", "MLD")):
                if bridge["queriers"].get(family) is None:
                    yield finding("no_querier", "exact", [host], "bridge %s, %s" % (name, protocol),
                                  "bridge %s of %s snoops, and knows of no %s querier" % (name, host, protocol),
                                  "turn a querier on: mcast_querier 1 on the bridge, or a router on the segment")
    yield from _unheard(fleet)
    deaf = [host for host, facts in fleet.hosts.items() if facts.get("queriers") == {}]
    yield from fleet.unknown("no_querier", deaf, "could not listen for queries",
                             "it takes root (become: true), and tcpdump, timeout and base64 on the host")
    silent = fleet.lacking("queriers")
    yield from fleet.unknown("no_querier", [host for host in blind if host in silent],
                             "the kernel does not tell which querier a bridge knows",
                             "Linux 5.15 or newer tells; or " + _LISTEN)
    yield from fleet.unknown("no_querier", [host for host in fleet.lacking("bridges") if host in silent],
                             "a host keeps no record of a querier, and bridges were not asked",
                             "ask with the subset bridges where hosts are bridges; or " + _LISTEN)


def _unheard(fleet):
    """Segments on which hosts have listened, and none heard a query."""
    places = {}  # (segment, family): {host: whether it heard one}
    for host, facts in fleet.hosts.items():
        for name, rows in (facts.get("queriers") or {}).items():
            if ((facts.get("bridges") or {}).get(name) or {}).get("queriers") is not None:
                continue  # the bridge itself tells
            for family in ("ipv4", "ipv6"):
                heard = places.setdefault((fleet.segment(host, name) or "%s of %s" % (name, host), family), {})
                heard[host] = heard.get(host, False) or any(row["family"] == family for row in rows)
    long = fleet.listened >= QUERY_INTERVAL
    for (segment, family), heard in sorted(places.items()):
        protocol = {"ipv4": "IGMP", "ipv6": "MLD"}[family]
        if not any(heard.values()):
            yield finding("no_querier", "inferred" if long else "unknown", heard, "%s on %s" % (protocol, segment),
                          "no %s query was heard within %d s" % (protocol, fleet.listened),
                          "turn a querier on, if a switch on the segment snoops" if long else
                          "listen for one query interval, %d s if nobody has set another" % QUERY_INTERVAL)


# who holds it

def _without_process(fleet):
    found, unseen = {}, set()  # (cause, basis, what): hosts
    for host, facts, row in fleet.memberships():
        if "sockets" not in facts:
            continue
        cause, basis = _cause(facts, row)
        if cause == "unseen":
            unseen.add(host)
        elif cause:
            found.setdefault((cause, basis, "%s on %s" % (row["group"], row["interface"])), []).append(host)
    for host, facts in fleet.hosts.items():
        for name, mac in _packet_groups(facts):
            found.setdefault(("packet_socket", "inferred", "%s on %s" % (mac, name)), []).append(host)
    for (cause, basis, subject), hosts in sorted(found.items()):
        evidence, remedy = _CAUSES[cause]
        yield finding("no_process", basis, hosts, subject, "%s: %s" % (cause, evidence), remedy)
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


def _cause(facts, row):
    """Returns (cause, basis); cause None where a process may hold it, `unseen` where that can't be seen."""
    own = facts.get("interfaces", {}).get(row["interface"], {}).get("addresses", ())
    if any(address["address"] == row["group"] for address in own):
        return "autojoin", "exact"
    # An IPv6 socket may join IPv4 groups too.
    able = [one for one in facts["sockets"] if one["family"] == row["family"] or one["family"] == "ipv6"]
    if not able:
        return "kernel", "inferred"
    if any(one["process"] is not None for one in able):
        return None, None
    # Without root the processes of other users are not seen; root's own sockets tell which of both it is.
    seen = any(one["process"] is not None for one in facts["sockets"])
    return ("other_namespace", "inferred") if seen else ("unseen", "unknown")


def _packet_groups(facts):
    for name, interface in facts.get("interfaces", {}).items():
        explained = {row["mac"] for row in facts.get("memberships", ()) if row["interface"] == name}
        for row in interface.get("link_groups", ()) if "memberships" in facts else ():
            if row["mac"].startswith(("01:00:5e:", "33:33:")) and row["mac"] not in explained:
                yield name, row["mac"]


# limits and filters

def _limits(fleet):
    for host, facts in fleet.hosts.items():
        if "limits" not in facts or "sockets" not in facts:
            continue
        most, held = facts["limits"].get("igmp_max_memberships"), {}
        for row in facts.get("memberships", ()):
            if row["family"] == "ipv4" and not groups_of.is_kernel_own(row["group"]):
                held.setdefault(holder(facts, row)["value"], []).append(row["group"])
        for process, groups in held.items():
            count = sum(one["process"] == process and process is not None for one in facts["sockets"])
            if most and count and len(groups) >= NEAR * most * count:
                yield finding("near_limit", "inferred", [host], process,
                              "%s holds %d groups with %d sockets, and a socket takes %d" % (
                                  process, len(groups), count, most),
                              "raise net.ipv4.igmp_max_memberships, or use a socket per group")
        yield from _source_limits(host, facts)
    missing = [host for host, facts in fleet.hosts.items() if "limits" not in facts or "sockets" not in facts]
    yield from fleet.unknown("near_limit", missing, "limits and sockets were not asked for",
                             "ask with the subsets limits and sockets")


def _source_limits(host, facts):
    for row in facts.get("memberships", ()):
        most = facts["limits"].get("igmp_max_msf" if row["family"] == "ipv4" else "mld_max_msf")
        sources = len(row["include"] or ()) + len(row["exclude"] or ())
        if most and sources >= NEAR * most * max(1, row["users"]):
            yield finding("near_limit", "exact" if row["users"] == 1 else "inferred", [host],
                          "%s on %s" % (row["group"], row["interface"]),
                          "%d sources in %d filters, and one takes %d" % (sources, row["users"], most),
                          "raise net.ipv4.igmp_max_msf" if row["family"] == "ipv4" else "raise net.ipv6.mld_max_msf")


def _rp_filter(fleet):
    sources = {}  # (host, interface, group): addresses
    for stream in fleet.streams:
        for host, end in stream["receivers"].items():
            senders = {one["address"] for one in stream["senders"].values() if one["address"]}
            senders.update(stream["sources"] if stream["filter_mode"] == "include" else ())
            sources.setdefault((host, end["interface"], stream["group"]), set()).update(senders)
    for host, _unused, row in fleet.memberships():
        sources.setdefault((host, row["interface"], row["group"]), set()).update(
            one["source"] for one in row["include"] or ())
    blind = set()
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


def _rp_filtered(host, interface, group, addresses, facts):
    for source in addresses:
        towards = _towards(facts, source)
        if towards != interface:
            yield finding("rp_filter", "exact" if "routes" in facts else "inferred", [host],
                          "%s from %s on %s" % (group, source, interface),
                          "rp_filter of %s is strict, and the way back to %s is %s" % (
                              interface, source, "over " + towards if towards else "not over it"),
                          "set rp_filter to 2 (loose) on %s, or a route to %s over it" % (interface, source))


def _towards(facts, source):
    """The interface over which a host reaches an address: by its routes, else by the networks of its addresses."""
    address = ipaddress.ip_address(source)
    rows = [(ipaddress.ip_network(row["destination"]), -row["metric"], row["interface"])
            for row in facts.get("routes", ()) if row["family"] == "ipv4"]
    if "routes" not in facts:
        rows = [(network, 0, name) for name in facts["interfaces"] for network in networks(facts, name)]
    fitting = [(network.prefixlen, metric, name or "") for network, metric, name in rows
               if network.version == 4 and address in network]
    return max(fitting)[2] if fitting else None


_SEARCHES = (_streams, _shared_macs, _older, _queriers, _without_process, _limits, _rp_filter)
