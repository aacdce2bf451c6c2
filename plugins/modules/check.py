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
      - C(interface.settings) with C(interface) and any of C(state) (V(up), with a carrier, or V(down)), C(multicast),
        C(allmulti), C(promisc), C(mtu) (bytes), C(igmp_version) (that is in force, V(3) also where no querier is).
      - C(membership.present) with C(interface), C(group), and optionally C(filter_mode) (V(include), V(exclude)) and
        C(sources).
      - C(membership.absent) with C(interface) and C(group).
      - C(membership.difference) with C(joined), a list of C(interface) and C(group). Exactly these, each with its
        link-layer group, have come since the gathering O(since).
      - C(membership.explained) with C(memberships), a list of C(interface) and C(group). There are no others but the
        kernel's own.
      - C(membership.range) with C(interface), C(group), and any of C(scope) (see
        RV(mcast.lab.host_facts#module:ansible_facts.mcast.memberships)), C(name) (as registered with IANA) and
        C(source_specific).
      - C(membership.held) with C(interface), C(group) and C(process), a name. A socket of such a process says that it
        is a member. This takes what M(mcast.lab.socket_info) takes.
      - C(mapping.programmed) with C(interface), C(group) and C(mac).
      - C(delivery.sent) with C(stream), C(group), C(port), C(interface) and the number of C(datagrams), as told by the
        sender of the name C(sender-STREAM).
      - C(delivery.received) with the same and C(sources), the senders' addresses, as told by the receiver of the name
        C(receiver-STREAM). With C(at_least), so many datagrams of each sender are enough; without C(datagrams), there
        may be any number more.
      - C(socket.listening) with C(port), and optionally C(group) and C(process), a name. A process holds a UDP socket
        that datagrams to the group can reach - on the wildcard address or the group itself, and of its family. An IPv6
        socket on the wildcard address counts for a group of IPv4, too, as it may take both.
      - C(socket.delivered) with C(port), C(group) and C(datagrams). Such a socket is there, the kernel has dropped
        nothing at it since the gathering O(since), over the whole window, and programs that are not ours have read so
        many datagrams of the group's family since, or more.
      - C(firewall.listed) with C(protocol) (V(udp), V(tcp), V(igmp), V(mld), V(pim)), C(port) (or a range such as
        V(5000-5010)), C(group) and C(source). The table of M(mcast.lab.firewall) lists exactly this.
      - C(firewall.open) with the same and optionally C(interface). No chain drops it, as far as the ruleset tells; what
        the ruleset leaves open is no pass.
      - C(mroute.present) with C(group), and optionally C(source), C(incoming) (interface), C(outgoing) (exactly these
        interfaces, FRR's C(pimreg) aside) and C(packets), at least so many that it has forwarded. C(mroute.growing)
        with the same but C(packets). It forwards more while it looks; with C(outgoing), over each of these. Packets
        that came in on a wrong interface do not count. C(mroute.absent) with the same; with C(outgoing), no route leads
        to one of these.
      - C(pim.neighbor) with C(interface) and C(address). C(pim.dr) with the same, the designated router there.
        C(pim.rp) with C(group) and C(address), its rendezvous point. C(pim.rpf) with C(group), C(interface), and
        optionally C(source) and C(neighbor), from where the group's packets are expected. They ask FRR.
      - C(kernel.prerequisites), and optionally C(options), names of the kernel's configuration without C(CONFIG_). The
        default is what an IPv4 multicast router needs. An option of which nothing tells is no pass.
      - The checks C(mdb.*) and C(expiry.*) are about a C(bridge) of this host, named by its segment or as the kernel
        has it. A C(port) is C(HOST~INTERFACE), or what the kernel calls it.
      - C(mdb.present) with C(bridge), C(group), and optionally C(port), C(source) (an entry of this source), and what
        the entry must have, C(filter_mode), C(sources), C(permanent). C(mdb.absent) with the first four.
      - C(mdb.ports) with C(bridge), C(group) and C(ports), exactly those to which the group goes, routers left out.
      - C(mdb.router_port) with C(bridge) and C(port).
      - C(mdb.querier) with C(bridge), C(family) (V(ipv4), which is the default, or V(ipv6)), and optionally C(address),
        C(port), C(self) (whether the bridge is it), C(interval) (seconds, the query interval, by default that of the
        bridge) and C(capture). Another querier must have been heard within that interval, by the bridge or in the
        capture. C(mdb.no_querier) with the first two.
      - C(expiry.interval) with C(bridge), which keeps a silent member for robustness times query interval and response
        interval. C(expiry.timer) with C(bridge), C(group) and C(port), whose timer is no longer than that.
      - C(expiry.gone) with the same. The group has gone no later than that interval after the first look.
      - C(querier.present) with C(interface), C(family) (V(ipv4), V(ipv6)), and optionally C(address), C(version),
        C(interval) (seconds) and C(capture). A querier lives on the segment, and is this one. The capture of that name
        tells, or a querier of M(mcast.lab.querier) that runs here, a bridge (C(interface) is the bridge or a port of
        it), or FRR. Where none of these knows, the check fails and says that it is unknown.
      - C(querier.member) with C(interface) and C(group). A querier of M(mcast.lab.querier) that runs here keeps the
        group.
      - C(querier.expired) with the same and C(capture). It has dropped the group, the group membership interval after
        the last report in that capture.
      - C(querier.answers) with C(capture), C(query) (kinds of queries), C(group) and C(count). The last general query
        that was followed by another one had so many answers about the group before that, those that begin within
        C(apart) seconds after another counted as one with it.
      - The checks C(packets.*) read the C(capture) of that name, which M(mcast.lab.capture) has started on this host,
        while it runs or after it was stopped. Where a number is asked for, it is C(count) (exactly), C(at_least),
        C(at_most), or by default at least one. Of a capture that lacks packets (it has ended early, or the kernel has
        dropped some), only what is there passes, no absence and no exact number. The same holds beyond 20,000 messages
        and 550,000 datagrams. Nobody takes a message with a wrong checksum; such a message never passes.
      - C(packets.messages) with the number, C(kinds) (see RV(mcast.lab.capture_info#module:messages[].kind)), C(group),
        C(record) (type of a record for the group) and C(source). All of them must have the C(destination), C(ttl),
        C(router_alert), C(source_mac), C(destination_mac) and C(sources) (of the record) that are given, with no more
        than C(within) seconds from the first to the last, and at least C(apart) seconds from each to the next, and be
        about as many C(groups) together.
      - C(packets.datagrams) with the number, C(group), C(port), and optionally C(sources), C(ttl), C(mac), C(payload)
        (text), C(consecutive) (that the numbers at their end have no gap), and C(offload) (V(false) where no interface
        is to fill in a checksum after the capture, as in a lab). One with a wrong UDP checksum counts as one too many
        and not as one that is there, and so does, with C(offload=false), one whose checksum is not filled in.
      - C(packets.checksums) with C(group), C(port), and optionally C(sources). No datagram has a UDP checksum that is
        wrong or not filled in.
      - C(packets.reports) with C(interface), C(group), C(change) (V(join) or V(leave)), and optionally C(filter_mode),
        C(sources), and C(exact) (V(false) where one report is enough). With IGMPv3 and MLDv2 the host's own reports are
        as many as its robustness variable.
      - C(packets.order) with C(steps), a list of which each has C(kinds), C(group), C(record) and C(source) of a
        message, or C(group) and C(port) of datagrams, and optionally C(offload). Each step is found, at or after the
        time of the one before, in datagrams without a wrong UDP checksum.
      - C(packets.delay) with C(from) and C(to), each like a step of C(packets.order) and with C(which) (V(first),
        V(last), or V(next) after C(from)), C(at_least) and C(at_most) (seconds between them), and optionally C(name).
      - C(packets.captured) holds if the capture went on until it was stopped, and the kernel dropped nothing.
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
