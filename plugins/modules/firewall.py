#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Let multicast through a host's firewall
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Keeps openings for UDP and TCP ports, IGMP, MLD and PIM in a table of its own of nftables, C(inet mcast_lab). Rules
    of others stay as they are, in order.
  - With a port for a group, IGMP or MLD is opened too. Without it the stream flows only until a querier asks for
    members; the answers are missed then, and the membership expires.
  - A packet must be accepted by every chain that it passes. An opening here B(does not override) a drop in a table of
    somebody else, such as firewalld's. Such chains are named in RV(openings) and in a warning, with what to do; to
    change them is left to whoever keeps them.
  - What the ruleset does not tell for certain only a datagram can prove; see C(delivery.received) of
    M(mcast.lab.check).
  - All changes of a task are one transaction. They last until the next boot, or until somebody loads another ruleset.
requirements:
  - nftables 0.9.3 or newer and root on the host.
attributes:
  diff_mode:
    description: Shows what is open before and after.
options:
  state:
    description:
      - With V(present), what is named here is open; what was opened before stays.
      - With V(absent), what is named here is taken away, with the protocols that only it needed. Where nothing is
        named, everything that this module added is. The table goes with the last rule.
    type: str
    choices: [present, absent]
    default: present
  ports:
    description: The ports.
    type: list
    elements: dict
    suboptions:
      port:
        description: A port such as V(11111), or a range such as V(5000-5010).
        type: str
        required: true
      protocol:
        description: The transport protocol.
        type: str
        choices: [udp, tcp]
        default: udp
      group:
        description: For packets to this group alone, IPv4 or IPv6. Without it the port is open for every destination.
        type: str
      source:
        description: For packets from this address or network alone, such as V(192.168.122.181) or V(10.0.0.0/8).
        type: str
  protocols:
    description:
      - Protocols to open for themselves. MLD is queries, reports and dones, also behind the hop-by-hop header that they
        come with.
    type: list
    elements: str
    choices: [igmp, mld, pim]
  membership_protocols:
    description:
      - Whether a UDP port opens what members of its groups need, too. This is IGMP for an IPv4 group, MLD for an IPv6
        one, and both for a port without group and source.
    type: bool
    default: true
  closed:
    description:
      - Whether everything else of its kind is dropped, that is UDP to groups, IGMP, MLD and PIM. Nothing else is, so
        nobody is locked out. With O(state=absent), V(true) takes that away again.
      - Left as it is by default.
    type: bool
notes:
  - C(nft list table inet mcast_lab) shows what was added; the comments of the rules say why.
extends_documentation_fragment:
  - mcast.lab.attributes.full
seealso:
  - module: mcast.lab.check
  - module: mcast.lab.host_facts
"""

EXAMPLES = r"""
- name: Open a stream's group and port, and IGMP
  mcast.lab.firewall:
    ports:
      - {port: 11111, group: 239.0.0.100}

- name: Open some ports for one sender, and nothing but those
  mcast.lab.firewall:
    ports:
      - {port: 5000-5010, group: "ff15::100", source: "fd00:122::1"}
    closed: true
  register: opened

- name: Stop where somebody else's chain drops it
  ansible.builtin.assert:
    that: opened.openings | rejectattr('open.value', 'eq', false) | length == opened.openings | length

- name: Let a router's neighbours be heard
  mcast.lab.firewall:
    protocols: [pim, igmp, mld]

- name: Take all of it away
  mcast.lab.firewall:
    state: absent
"""

RETURN = r"""
backend:
  description: What keeps the rules.
  returned: success
  type: str
  sample: nftables
manager:
  description: The service that keeps rules of its own on this host, C(firewalld), or null.
  returned: success
  type: str
openings:
  description: What this task named and what its ports need, with what becomes of it. Empty with O(state=absent).
  returned: success
  type: list
  elements: dict
  contains:
    protocol:
      description: One of C(udp), C(tcp), C(igmp), C(mld), C(pim).
      type: str
    port:
      description: The port or range, or null.
      type: str
    group:
      description: The group, or null.
      type: str
    source:
      description: The sender's address or network, or null.
      type: str
    asked:
      description: False for what is open only because a port needs it.
      type: bool
    needs:
      description: The protocols that are open because of this port.
      type: list
      elements: str
    open:
      description:
        - Whether it comes through all chains. C(value) with the basis V(exact), or null with V(unknown) where it
          depends on more than the ruleset, such as the interface.
      type: dict
      sample: {value: false, basis: exact}
    overridden_by:
      description:
        - The chains of others that drop it, or may. Each with C(chain), C(priority), the handle of the C(rule) or null
          for the chain's policy, its C(verdict), and whether that is C(certain).
      type: list
      elements: dict
      sample: [{chain: inet filter input, priority: 0, rule: null, verdict: policy drop, certain: true}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change
from ..module_utils.firewall import nftables


def main() -> None:
    change.run(AnsibleModule(argument_spec=nftables.SPEC, supports_check_mode=True), nftables.plan)


if __name__ == "__main__":
    main()
