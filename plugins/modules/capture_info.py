#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: capture_info
short_description: Read a capture file as multicast messages and flows
version_added: 0.1.0
description:
  - Reads what C(tcpdump), C(tshark) or a switch's mirror port wrote, and returns the messages of IGMP (versions 1 to
    3), MLD (versions 1 and 2) and PIM version 2 in it, and the UDP datagrams to multicast groups as flows.
  - Reads pcap (micro- and nanoseconds, both byte orders), pcapng, and gzip of either; Ethernet with and without VLAN
    tags, Linux cooked (versions 1 and 2), raw IP and BSD loopback.
  - A file that is cut off gives all of its whole packets, and says where it breaks.
  - Needs neither root nor any program. Runs where the file is, on the host or, delegated, on the controller.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  path:
    description: The capture file.
    type: path
    required: true
  kinds:
    description:
      - The kinds of messages to return; or C(igmp), C(mld), C(pim) or C(udp) for all of that protocol.
      - By default all but V(udp) and V(fragment), which tell of datagrams and of later fragments one by one.
      - The kinds are those listed under RV(messages[].kind).
    type: list
    elements: str
  group:
    description:
      - Return only flows to this group, and messages that speak of it - in their destination where they are datagrams,
        and in their records where they are reports. General queries speak of none.
    type: str
  interface:
    description:
      - Count and return only packets of this interface - its name in pcapng (its number, from 0, where it has none
        there), its index in Linux cooked version 2. Other captures don't tell interfaces, and then this fails.
    type: str
  since:
    description:
      - Count and return only packets from this time on, in seconds since the epoch, with up to nine decimals, like
        RV(messages[].time).
    type: str
  until:
    description: Count and return only packets up to and with this time, in seconds since the epoch.
    type: str
  limit:
    description:
      - The most messages, and the most flows, that are returned. RV(left_out) tells how many are not.
      - Messages are listed from the first on; of the flows, the largest.
    type: int
    default: 5000
  payload:
    description:
      - Return datagrams to multicast groups one by one too, with their payload, unless O(kinds) has no V(udp).
      - This is several times slower than counting them.
    type: bool
    default: false
seealso:
  - plugin: mcast.lab.messages
    plugin_type: filter
  - plugin: mcast.lab.sequence
    plugin_type: filter
extends_documentation_fragment:
  - mcast.lab.attributes.reads
"""

EXAMPLES = r"""
- name: What has been on the wire
  mcast.lab.capture_info:
    path: /tmp/join.pcap
  register: wire

- name: Two joins of one group
  ansible.builtin.assert:
    that: >-
      wire.messages | selectattr('kind', 'eq', 'igmpv3_report') | map(attribute='records') | flatten
      | selectattr('type', 'eq', 'to_ex') | selectattr('group', 'eq', '239.0.0.100') | length == 2

- name: One line for each message
  ansible.builtin.debug:
    msg: "{{ wire | mcast.lab.sequence }}"

- name: The datagrams of one group, with their payload, from a file on the controller
  mcast.lab.capture_info:
    path: results/capture.pcapng
    kinds: [udp]
    group: 239.0.0.100
    payload: true
  delegate_to: localhost
"""

RETURN = r"""
packets:
  description: How many packets there are; RV(packets.total) is the sum of the three others.
  returned: success
  type: dict
  contains:
    total:
      description: All packets, of the interface and the time that were asked for.
      type: int
    decoded:
      description: Messages, UDP datagrams to groups, and their fragments.
      type: int
    malformed:
      description: Packets that contradict themselves; RV(messages[].malformed) says how.
      type: int
    other:
      description: All others, for example ARP, unicast, and link types that are not read.
      type: int
fragments:
  description: How many of the packets are fragments of datagrams to groups.
  returned: success
  type: int
first:
  description: Time of the first packet in the file, in seconds since the epoch with nine decimals.
  returned: success
  type: str
  sample: "1700000000.000000000"
last:
  description: Time of the last packet in the file.
  returned: success
  type: str
link_types:
  description: How many packets there are of each link type.
  returned: success
  type: dict
  sample: {ethernet: 12}
truncated:
  description: Whether the file breaks before its end.
  returned: success
  type: bool
truncated_at:
  description: Where and why it breaks, or null.
  returned: success
  type: dict
  contains:
    packet:
      description: Number of the packet that could not be read.
      type: int
    offset:
      description: The byte in the file (unpacked, if it is gzipped) where that packet starts.
      type: int
    reason:
      description: What is wrong there.
      type: str
left_out:
  description: What was counted, but is not returned because of O(limit) or to bound the memory.
  returned: success
  type: dict
  contains:
    messages:
      description: Messages that were wanted. Beyond 4 MiB of control packets, they are left out also under the limit.
      type: int
    flows:
      description: The flows, 131072 at most; datagrams of further ones are counted together.
      type: int
    datagrams:
      description: Datagrams of flows that are not returned.
      type: int
flows:
  description:
    - The UDP datagrams from one source to one group, between two ports, on one VLAN and interface.
    - Their checksums are not judged; ask for the datagrams one by one for that.
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: Where they come from.
      type: str
    group:
      description: The group that they go to.
      type: str
    source_port:
      description: The sender's port.
      type: int
    destination_port:
      description: The receivers' port.
      type: int
    vlan:
      description: The innermost VLAN identifier, or null.
      type: int
    vlans:
      description: All VLAN identifiers, from the outermost to the innermost.
      type: list
      elements: int
    interface:
      description: Where they were captured, or null where the file does not tell.
      type: str
    packets:
      description: How many datagrams.
      type: int
    bytes:
      description: Bytes of payload, by the UDP header.
      type: int
    fragmented:
      description: How many of the datagrams were fragmented; each is counted once, by its first fragment.
      type: int
    first:
      description: Time of the first datagram, in seconds since the epoch with nine decimals.
      type: str
    last:
      description: Time of the last datagram.
      type: str
    ttls:
      description: The TTLs or hop limits seen, in ascending order.
      type: list
      elements: int
    gaps:
      description: The time between datagrams, in seconds - mean, longest, and longest_from, the time at which the
        longest gap began. Null where there is but one datagram.
      type: dict
      sample: {longest: 0.25, longest_from: "1700000000.000000000", mean: 0.01}
messages:
  description: The messages, in the order of the file. What a message does not have is null or empty.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: Number of the frame in the file, from 1.
      type: int
    time:
      description: Seconds since the epoch, with nine decimals.
      type: str
    interface:
      description: Where it was captured, or null where the file does not tell.
      type: str
    vlan:
      description: The innermost VLAN identifier, or null.
      type: int
    vlans:
      description: All VLAN identifiers, from the outermost to the innermost.
      type: list
      elements: int
    source_mac:
      description: The sender's link-layer address.
      type: str
    destination_mac:
      description: The destination's link-layer address.
      type: str
    source:
      description: The sender's IP address.
      type: str
    destination:
      description: The destination's IP address.
      type: str
    ttl:
      description: TTL or hop limit.
      type: int
    router_alert:
      description: Whether the Router Alert option is there, in the IPv4 options or the hop-by-hop header.
      type: bool
    checksum:
      description: V(good), V(bad), V(unchecked) or V(unfinished), for the message's own checksum. Unchecked is a packet
        that is not in the capture as a whole, and one without checksum. Unfinished is one that the sender's network
        interface was yet to compute.
      type: str
    ip_checksum:
      description: The same for the IPv4 header; null with IPv6.
      type: str
    fragment:
      description: Null, or C(offset) in bytes, C(more), and C(identification).
      type: dict
    snapped:
      description: Whether the capture lacks the packet's end, or it is a first fragment. What is there is decoded.
      type: bool
    protocol:
      description: V(igmp), V(mld), V(pim), V(udp); null where the packet does not get so far.
      type: str
    version:
      description: The version of the protocol - V(1) to V(3) of IGMP, V(1) or V(2) of MLD, what a PIM message says;
        null where the kind of message has none.
      type: int
    kind:
      description:
        - IGMP - V(igmpv1_query), V(igmpv2_query), V(igmpv3_query), V(igmpv1_report), V(igmpv2_report),
          V(igmpv3_report), V(igmpv2_leave); named with their type alone, V(igmpv0), V(dvmrp), V(pimv1), V(cisco_trace),
          V(mtrace_query), V(mtrace_response), V(igmp_all_hosts_pim), V(mrd_advertisement), V(mrd_solicitation),
          V(mrd_termination), V(igap_report), V(igap_query), V(igap_leave), V(rgmp_hello), V(rgmp_bye), V(rgmp_join),
          V(rgmp_leave), V(igmp_unknown).
        - MLD - V(mldv1_query), V(mldv2_query), V(mldv1_report), V(mldv2_report), V(mldv1_done), and the three of
          multicast router discovery, V(mrd_advertisement), V(mrd_solicitation), V(mrd_termination).
        - PIM - V(pim_hello), V(pim_register), V(pim_register_stop), V(pim_join_prune), V(pim_bootstrap), V(pim_assert),
          V(pim_graft), V(pim_graft_ack), V(pim_candidate_rp), V(pim_state_refresh), V(pim_df_election),
          V(pim_ecmp_redirect), V(pim_unknown).
        - Datagrams - V(udp), and V(fragment) for fragments but the first.
        - V(malformed) where not even the kind is known.
      type: str
    type:
      description: The type as it stands in the message.
      type: int
    query:
      description: Which query it is - V(general), V(group) or V(group_and_source).
      type: str
    group:
      description: The group that the message is about; null for a general query and for reports with records.
      type: str
    sources:
      description: The sources of a query, and the source of PIM's register, register-stop and assert.
      type: list
      elements: str
    max_response:
      description: Maximum response time in seconds; null in version 1 of IGMP, whose queries have none.
      type: float
    suppress:
      description: The S flag, suppress router-side processing.
      type: bool
    robustness:
      description: The querier's robustness variable.
      type: int
    interval:
      description: The querier's query interval, in seconds.
      type: int
    records:
      description: The group records of a report.
      type: list
      elements: dict
      contains:
        type:
          description: V(is_in), V(is_ex), V(to_in), V(to_ex), V(allow), V(block), or C(unknown_) and the number.
          type: str
        group:
          description: The group.
          type: str
        sources:
          description: The sources.
          type: list
          elements: str
        auxiliary:
          description: Auxiliary data in hex, only where there is some.
          type: str
    details:
      description:
        - PIM - what only the kind at hand has, such as C(holdtime), C(dr_priority), C(generation_id), C(upstream),
          C(groups) with C(joins) and C(prunes), C(rp), C(bsr), C(metric).
        - V(udp) - C(source_port), C(destination_port), C(length) of the payload; with O(payload) also C(payload) in hex
          and C(text), null where it is not printable.
      type: dict
    malformed:
      description: What is wrong with the packet, or null. What could be read before that is reported.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.error import McastError
from ..module_utils.packet.capture import read
from ..module_utils.packet.load import gaps
from ..module_utils.packet.message_filter import LIMIT


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "kinds": {"type": "list", "elements": "str"},
            "group": {"type": "str"},
            "interface": {"type": "str"},
            "since": {"type": "str"},
            "until": {"type": "str"},
            "limit": {"type": "int", "default": LIMIT},
            "payload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = read(**module.params)
    except McastError as error:
        module.fail_json(msg=str(error), thing=str(error.thing))
    for gap in gaps(result):
        module.warn(f"{module.params['path']}: {gap}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
