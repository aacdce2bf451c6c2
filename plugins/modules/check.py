#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: check
short_description: Judge the multicast state of a host
version_added: 0.1.0
description:
  - Gathers what the checks need, over the task's own connection and without Python on the host, and judges it. Facts
    of earlier tasks play no part.
  - Looks again until O(within) at what has not passed yet. That something is absent is never judged by the first look,
    it must hold over the whole O(window).
  - Fails if a check fails; with O(phase) it doesn't, because M(mcast.lab.verdict) judges the whole run.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  checks:
    description:
      - The checks, each with C(check) (its name), C(severity) (V(failure) or V(warning)) and its own options.
      - >-
        What must be there passes at first sight. What must be absent, or there in an exact number, must hold over the
        whole C(window).
      - >-
        The checks C(mdb.*) and C(expiry.*) are about a C(bridge) of this host, named by its segment or as the kernel
        has it. A C(port) is C(HOST~INTERFACE), or what the kernel calls it.
      - >-
        The checks C(pim.*) ask FRR.
      - >-
        The checks C(packets.*) read the C(capture) of that name, which M(mcast.lab.capture) has started on this host,
        while it runs or after it was stopped. Where a number is asked for, it is C(count) (exactly), C(at_least),
        C(at_most), or by default at least one.
      - >-
        Of a capture that lacks packets (it has ended early, or the kernel has dropped some), only what is there
        passes, no absence and no exact number. The same holds beyond 20,000 messages and 550,000 datagrams.
      - >-
        Nobody takes a message with a wrong checksum; such a message never passes.
      - >-
        The page C(docs/checks.md) of the collection also says when each check fails, and has examples.
      - >-
        C(interface.settings) with C(interface) (name of the interface), and optionally C(state) (C(up), with a
        carrier, or C(down)), C(multicast) (whether its flag MULTICAST is on), C(allmulti) (whether it receives all
        multicast frames), C(promisc) (whether it is promiscuous), C(igmp_version) (version of IGMP that is in force,
        1 to 3; 3 also where no querier is), C(mtu) (bytes, 68 to 65535). Passes when the interface is there and has
        each setting that is given. One that is up has a carrier, too.
      - >-
        C(membership.present) with C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6),
        and optionally C(sources) (addresses that the filter lists), C(filter_mode) (C(include) or C(exclude)). Passes
        when the kernel holds the membership on that interface, with the filter mode and sources given.
      - >-
        C(membership.absent) with C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6).
        Passes when the kernel holds no membership of the group on that interface, over the whole window.
      - >-
        C(membership.difference) with C(joined) (list of mappings of C(interface) and C(group)). Passes when, since
        the earlier gathering (C(since)), exactly the given memberships have come and nothing has gone: each with its
        group and its link-layer group, unless they were there before.
      - >-
        C(membership.explained) with C(memberships) (list of mappings of C(interface) and C(group)). Passes when every
        membership is one of the given ones, or one that the kernel holds for itself (all-systems, all-nodes,
        solicited-node), over the whole window.
      - >-
        C(membership.range) with C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6), and
        optionally C(scope) (range that the group is in, as M(mcast.lab.host_facts) calls it), C(name) (name of the
        group, as registered with IANA), C(source_specific) (whether it is a source-specific group). Passes when the
        kernel holds the membership, and its group is in this range, and registered under this name, and
        source-specific or not, as far as that is asked.
      - >-
        C(membership.held) with C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6),
        C(process) (name of the process). Passes when a process of this name is a member of the group on that
        interface, as its own socket says. This takes what M(mcast.lab.socket_info) takes.
      - >-
        C(mapping.programmed) with C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6),
        C(mac) (MAC that carries the group, in lower case). Passes when the interface takes frames to the MAC that
        carries the group: the low 23 bits of an IPv4 group behind 01:00:5e, the low 32 of an IPv6 one behind 33:33.
      - >-
        C(delivery.sent) with C(stream) (name of the stream; its programs are called C(sender-STREAM) and
        C(receiver-STREAM)), C(group) (multicast address, IPv4 or IPv6), C(port) (UDP port, 1 to 65535), C(interface)
        (name of the interface), C(datagrams) (number of datagrams of each sender). Passes when the sender says that
        it has sent the number of datagrams to this group and port, from this interface.
      - >-
        C(delivery.received) with C(stream) (name of the stream; its programs are called C(sender-STREAM) and
        C(receiver-STREAM)), C(group) (multicast address, IPv4 or IPv6), C(port) (UDP port, 1 to 65535), C(interface)
        (name of the interface), and optionally C(datagrams) (number of datagrams of each sender), C(sources)
        (addresses of exactly the senders that are heard, null for one that is not known; nobody without it),
        C(at_least) (number of datagrams of each sender that is enough). Passes when the receiver has got exactly the
        number of datagrams from each sender, at this group and port, over this interface, and nothing more over the
        whole window. With C(at_least), so many of them are enough: routers that learn a route from the first
        datagrams lose those. Without C(datagrams) there may be any number more.
      - >-
        C(socket.listening) with C(port) (UDP port, 1 to 65535), and optionally C(group) (multicast address, IPv4 or
        IPv6), C(process) (name of the process). Passes when a process holds a UDP socket on the port; with a group,
        one that datagrams to the group can reach: of the group's family, and bound to the wildcard address or to the
        group itself; with a process, one of that name.
      - >-
        C(socket.delivered) with C(port) (UDP port, 1 to 65535), C(group) (multicast address, IPv4 or IPv6),
        C(datagrams) (number of datagrams that are read, at least), and optionally C(process) (name of the process).
        Passes when a socket is there as C(socket.listening) has it, the kernel has dropped nothing for it since the
        earlier gathering (C(since)), over the whole window, and programs of the host that are not ours have read
        C(datagrams) of the group's family since, or more. For a receiver that is not ours, and so has no report.
      - >-
        C(firewall.listed), optionally with C(protocol) (C(udp), which is the default, C(tcp), C(igmp), C(mld) or
        C(pim)), C(port) (port, or a range such as C(5000-5010); C(udp) and C(tcp) need it, the others have none, nor
        a group or source), C(group) (multicast address, IPv4 or IPv6), C(source) (address or network of the senders).
        Passes when the table of M(mcast.lab.firewall) lists this opening, with exactly this port, group and source.
      - >-
        C(firewall.open), optionally with C(protocol) (C(udp), which is the default, C(tcp), C(igmp), C(mld) or
        C(pim)), C(port) (port, or a range such as C(5000-5010); C(udp) and C(tcp) need it, the others have none, nor
        a group or source), C(group) (multicast address, IPv4 or IPv6), C(source) (address or network of the senders),
        C(interface) (name of the interface). Passes when every chain that such packets pass on their way in lets them
        through for certain.
      - >-
        C(packets.messages) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        and optionally C(count) (exactly so many), C(at_least) (so many or more), C(at_most) (so many or fewer),
        C(kinds) (kinds of messages, as M(mcast.lab.capture_info) calls them, or C(igmp), C(mld) or C(pim)), C(group)
        (multicast address, IPv4 or IPv6), C(record) (type of a record for the group, C(is_in), C(is_ex), C(to_in),
        C(to_ex), C(allow) or C(block)), C(source) (address of the sender), C(destination) (address that they go to),
        C(ttl) (TTL, or hop limit of IPv6, 0 to 255), C(router_alert) (whether they have the option Router Alert),
        C(source_mac) (MAC of the sender, in lower case), C(destination_mac) (MAC that they go to, in lower case),
        C(sources) (addresses that the record lists, exactly these), C(groups) (number of groups that they are about
        together), C(within) (seconds from the first to the last, at most), C(apart) (seconds from each to the next,
        at least). Passes when the capture holds the number of messages of these kinds, about this group, and all of
        them are as given: addresses, TTL, Router Alert, the sources of the group's record, and spacing: C(within) so
        many seconds from the first to the last, C(apart) at least so many from each to the next. With C(groups), they
        are about so many groups. None of them may have a wrong checksum.
      - >-
        C(packets.captured) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        and optionally C(interface) (name of the interface, for the results alone). Passes when the capture went on
        until it was stopped, its file is whole, and the kernel dropped nothing.
      - >-
        C(packets.datagrams) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(group) (multicast address, IPv4 or IPv6), C(port) (UDP port, 1 to 65535), and optionally C(count) (exactly
        so many), C(at_least) (so many or more), C(at_most) (so many or fewer), C(stream) (name of the stream, for the
        results alone), C(interface) (name of the interface, for the results alone), C(sources) (addresses of the
        senders that count; all without it), C(ttl) (TTL, or hop limit of IPv6, 0 to 255), C(mac) (MAC that they go
        to, in lower case), C(payload) (text of each), C(consecutive) (whether the numbers at their end have no gap),
        C(offload) (C(false) where no interface fills in a checksum after the capture, as in a lab). Passes when the
        capture holds the number of datagrams to this group and port (from these sources), and all of them have the
        TTL, the MAC and the payload that are given. With C(consecutive), they end in numbers of which each is one
        more than the one before (as mcast.lab's sender numbers them). One whose UDP checksum is wrong counts for
        C(at_most) alone, as no receiver takes it; so does, with C(offload: false), one whose checksum is not filled
        in. What a fragment or a packet that is cut off doesn't tell is not judged.
      - >-
        C(packets.checksums) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(group) (multicast address, IPv4 or IPv6), C(port) (UDP port, 1 to 65535), and optionally C(stream) (name of
        the stream, for the results alone), C(interface) (name of the interface, for the results alone), C(sources)
        (addresses of the senders that count; all without it). Passes when the capture holds datagrams to this group
        and port (from these sources), and the UDP checksum of each is right, or with IPv4 none. What a fragment or a
        packet that is cut off doesn't tell is not judged.
      - >-
        C(packets.reports) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6), C(change) (C(join) or
        C(leave)), and optionally C(filter_mode) (C(include) or C(exclude), which is the default), C(sources)
        (addresses that the reports list, exactly these; none by default), C(exact) (C(false) where one report is
        enough). Passes when this host's own reports of joining or leaving the group are in the capture: in IGMPv3 and
        MLDv2 as many as the robustness variable (each change is repeated), no more and no fewer, with TTL 1 and
        Router Alert, to the routers' group. Where a host says again what it is a member of, as in MLDv2 once its
        address has come up, that is no further one: it names groups of the kernel too. Older versions, and a querier
        that sets the robustness itself, leave the number open: then one report is enough, and a leave need not be
        seen.
      - >-
        C(packets.order) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(steps) (list of what to look for, each with any of C(kinds), C(group), C(record) and C(source) of a message,
        or with C(port), and any of C(group) and C(source), of datagrams), and optionally C(stream) (name of the
        stream, for the results alone), C(interface) (name of the interface, for the results alone), C(group)
        (multicast address, for the results alone), C(offload) (C(false) where no interface fills in a checksum after
        the capture, as in a lab). Passes when the capture holds each of the steps, none of them before the one that
        is given before it: messages by kind, group, type of record and source, or datagrams by group and port. What
        has a wrong checksum doesn't count, as nobody takes it; with C(offload: false), nor does a datagram whose
        checksum is not filled in.
      - >-
        C(packets.delay) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(from) (what to look for, as a step of C(packets.order), and C(which) of them, C(first), which is the
        default, or C(last)), C(to) (the same; C(which) may also be C(next), which is the default, at or after
        C(from)), and optionally C(at_least) (seconds between the two, at least; this or C(at_most) is needed),
        C(at_most) (seconds between the two, at most), C(name) (what the results call it), C(offload) (C(false) where
        no interface fills in a checksum after the capture, as in a lab). Passes when the capture holds both ends, and
        the time from the one to the other is within the bounds: each end is the first or the last of what its
        selector finds, C(to) by default the next at or after C(from). What has a wrong checksum can be the last, and
        nothing else, as nobody takes it.
      - >-
        C(mdb.present) with C(bridge) (name of the bridge, or of its segment), C(group) (multicast address, IPv4 or
        IPv6), and optionally C(port) (port of the bridge), C(source) (address of the source that the entry is for),
        C(filter_mode) (C(include) or C(exclude)), C(sources) (addresses that the entry lists, exactly these),
        C(permanent) (whether it is permanent, and not learned). Passes when the database has the group (of that
        source) on the port, or on any, with the filter mode and the sources given.
      - >-
        C(mdb.absent) with C(bridge) (name of the bridge, or of its segment), C(group) (multicast address, IPv4 or
        IPv6), and optionally C(port) (port of the bridge), C(source) (address of the source that the entry is for).
        Passes when the database has no entry for the group (of that source) on the port, or on any, over the whole
        window.
      - >-
        C(mdb.ports) with C(bridge) (name of the bridge, or of its segment), C(group) (multicast address, IPv4 or
        IPv6), C(ports) (ports of the bridge, exactly these). Passes when the group is on exactly these ports, over
        the whole window.
      - >-
        C(mdb.router_port) with C(bridge) (name of the bridge, or of its segment), C(port) (port of the bridge).
        Passes when the port counts as one to a router, which gets every group.
      - >-
        C(mdb.querier) with C(bridge) (name of the bridge, or of its segment), and optionally C(family) (C(ipv4),
        which is the default, or C(ipv6)), C(address) (address of the querier), C(port) (port of the bridge at which
        it is), C(self) (whether the bridge itself is it), C(interval) (query interval in seconds, 0.1 to 31744; by
        default the bridge's), C(capture) (name of a capture that M(mcast.lab.capture) has started on this host).
        Passes when a querier of the family lives on the segment, as the bridge knows it: itself, while it is up, or
        another that it has heard within the query interval; with the address and at the port that are given. A bridge
        remembers a querier for much longer. The query interval is C(interval), in seconds, or else that of the
        bridge. With a capture on this host, a query in it that is no older is as good.
      - >-
        C(mdb.no_querier) with C(bridge) (name of the bridge, or of its segment), and optionally C(family) (C(ipv4),
        which is the default, or C(ipv6)). Passes when the bridge knows of no querier of the family, over the whole
        window: then it floods.
      - >-
        C(expiry.interval) with C(bridge) (name of the bridge, or of its segment). Passes when the bridge keeps a
        silent member for exactly the group membership interval that follows from its query interval and response
        interval.
      - >-
        C(expiry.timer) with C(bridge) (name of the bridge, or of its segment), C(group) (multicast address, IPv4 or
        IPv6), C(port) (port of the bridge). Passes when the group is on the port, and its timer (or those of its
        sources) is no longer than the group membership interval.
      - >-
        C(expiry.gone) with C(bridge) (name of the bridge, or of its segment), C(group) (multicast address, IPv4 or
        IPv6), C(port) (port of the bridge). Passes when the group is gone from the port, no later than the group
        membership interval after the first look, that is, after the member has fallen silent. The check's time
        (C(within), or C(wait) in a plan) must be longer.
      - >-
        C(querier.present) with C(interface) (name of the interface; also a bridge, or a port of it), C(family)
        (C(ipv4) or C(ipv6)), and optionally C(address) (address of the querier), C(version) (version of IGMP, 1 to 3,
        or of MLD, 1 or 2), C(interval) (query interval in seconds, 0.1 to 31744), C(capture) (name of a capture that
        M(mcast.lab.capture) has started on this host). Passes when a querier lives on the segment of the interface,
        and has the address, the version and the query interval that are given. What tells is the capture, a querier
        of M(mcast.lab.querier) that runs here, a bridge, or FRR; in this order, the first that knows. A capture says
        so if its last general query of the lowest address is no older than the other querier present interval; a
        bridge, if it has heard the querier within its query interval.
      - >-
        C(querier.member) with C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6).
        Passes when the querier of M(mcast.lab.querier) on this interface keeps the group, because it has members.
      - >-
        C(querier.expired) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(interface) (name of the interface), C(group) (multicast address, IPv4 or IPv6). Passes when the querier of
        M(mcast.lab.querier) on this interface has dropped the group, the group membership interval after the last
        report about it that the capture holds (RFC 9776 section 8.4), give or take what a busy machine takes.
      - >-
        C(querier.answers) with C(capture) (name of a capture that M(mcast.lab.capture) has started on this host),
        C(query) (kinds of the queries, such as C(igmpv3_query)), C(group) (multicast address, IPv4 or IPv6), C(count)
        (number of answers), and optionally C(apart) (seconds within which answers count as one). Passes when the last
        general query of this kind that was followed by another one had, before that, exactly so many answers about
        the group. Those that begin within C(apart) seconds after another count as one with it: who reports at the
        same moment can't have heard the other.
      - >-
        C(mroute.present) with C(group) (multicast address, IPv4 or IPv6), and optionally C(source) (address of the
        sender), C(incoming) (interface that the packets come in on), C(outgoing) (interfaces that they go out on;
        FRR's C(pimreg) counts only if named), C(packets) (number of packets that are forwarded, at least). Passes
        when the kernel has a route for the group, of that source, with that incoming interface and exactly those
        outgoing ones (but for pimreg), as far as they are given, which has forwarded at least so many packets: it has
        taken them from its incoming interface, and one of its outgoing interfaces has sent as many.
      - >-
        C(mroute.growing) with C(group) (multicast address, IPv4 or IPv6), and optionally C(source) (address of the
        sender), C(incoming) (interface that the packets come in on), C(outgoing) (interfaces that they go out on;
        FRR's C(pimreg) counts only if named). Passes when a route as C(mroute.present) has it has taken more packets
        from one look to a later one, and one of its outgoing interfaces has sent more; with C(outgoing), each of
        them. Packets that came in on another interface than the route's do not count.
      - >-
        C(mroute.absent) with C(group) (multicast address, IPv4 or IPv6), and optionally C(source) (address of the
        sender), C(incoming) (interface that the packets come in on), C(outgoing) (interfaces that they go out on;
        FRR's C(pimreg) counts only if named). Passes when the kernel has no route for the group, of that source and
        with that incoming interface as far as they are given, over the whole window; with C(outgoing), none that
        leads to one of these interfaces.
      - >-
        C(pim.neighbor) with C(interface) (name of the interface), C(address) (address of the neighbor). Passes when
        the router has heard hellos of that neighbor on the interface, and they are still valid.
      - >-
        C(pim.dr) with C(interface) (name of the interface), C(address) (address of the designated router). Passes
        when the router takes that address for the designated router of the interface's segment.
      - >-
        C(pim.rp) with C(group) (multicast address, IPv4 or IPv6), C(address) (address of the rendezvous point).
        Passes when the router's rendezvous point for the group is that address.
      - >-
        C(pim.rpf) with C(group) (multicast address, IPv4 or IPv6), C(interface) (name of the interface), and
        optionally C(source) (address of the sender), C(neighbor) (address of the router that they come from). Passes
        when the router expects the group's packets of that source (without C(source), those that come over the
        rendezvous point) on that interface, from that neighbor as far as it is given.
      - >-
        C(kernel.prerequisites), optionally with C(options) (names of the kernel's configuration without C(CONFIG_),
        such as C(IPV6_MROUTE)). Passes when the kernel has all of the options; without C(options), all that an IPv4
        multicast router needs.
    type: list
    elements: dict
  since:
    description: An earlier gathering to compare with, that is, C(ansible_facts.mcast) as registered from
      M(mcast.lab.host_facts).
    type: dict
  phase:
    description: Judge the planned checks of this host in this phase, V(before), V(during), V(after), V(ended) or a step
      of C(mcast_steps), and write results and facts to the bundle.
    type: str
  bundle:
    description: Folder of the bundle. Default is that of the run that the playbook C(mcast.lab.begin) has begun.
    type: str
  within:
    description: How long a check may take to come true, such as V(5s), V(500ms) or V(2m). Default is the variable
      C(mcast_evidence_within), or else 5s.
    type: str
  window:
    description: How long an absence must hold. Default is the variable C(mcast_evidence_window), or else 500ms.
    type: str
attributes:
  check_mode:
    support: full
    description: Judging changes nothing.
  diff_mode:
    support: none
extends_documentation_fragment:
  - mcast.lab.attributes
seealso:
  - module: mcast.lab.plan
  - module: mcast.lab.verdict
  - module: mcast.lab.host_facts
  - module: mcast.lab.capture
"""

EXAMPLES = r"""
- name: Is the host a member, and of nothing else?
  mcast.lab.check:
    checks:
      - {check: membership.present, interface: eth0, group: 239.0.0.100}
      - {check: membership.explained, memberships: [{interface: eth0, group: 239.0.0.100}]}
    within: 2s

- name: Gather before
  mcast.lab.host_facts:
  register: before

- name: What has come since?
  mcast.lab.check:
    since: "{{ before.ansible_facts.mcast }}"
    checks:
      - check: membership.difference
        joined: [{interface: eth0, group: 239.0.0.100}]

- name: Has it joined twice, and is there no querier?
  mcast.lab.check:
    checks:
      - {check: packets.messages, capture: wire, group: 239.0.0.100, record: to_ex, count: 2, ttl: 1}
      - {check: packets.messages, capture: wire, kinds: [igmpv3_query], count: 0}
"""

RETURN = r"""
passed:
  description: Whether no check failed. A warning is no failure.
  returned: success or failed check
  type: bool
checks:
  description: The results, in the order in which they were decided.
  returned: success or failed check
  type: list
  elements: dict
  contains:
    id:
      description: Names the check within the run.
      type: str
    host:
      description: The host that it is about.
      type: str
    check:
      description: Name of the check.
      type: str
    description:
      description: What must hold.
      type: str
    verdict:
      description: V(pass), V(fail) or V(warning).
      type: str
    expected:
      description: What was expected.
      type: str
    actual:
      description: What was found.
      type: str
    evidence:
      description: The facts that the judgement rests on.
      type: dict
    elapsed:
      description: Seconds until it was decided.
      type: float
    time:
      description: When it was decided, in UTC.
      type: str
"""
