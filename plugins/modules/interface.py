#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: interface
short_description: Set up an interface for multicast
version_added: 0.1.0
description:
  - Sets the flags, addresses, protocol versions and reverse path filter of one interface of a Linux host.
  - Only what is given is looked at. Settings last until the next boot.
  - Flags, MTU and addresses are set over rtnetlink, the others under C(/proc/sys/net); iproute2 is not needed.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  name:
    description: Name of the interface.
    type: str
    required: true
  state:
    description: Administrative state.
    type: str
    choices: [up, down]
  multicast:
    description:
      - The flag MULTICAST. Linux joins, sends and receives IPv4 multicast without it all the same; it tells other
        software, routing daemons above all, that the interface is meant for multicast.
    type: bool
  allmulti:
    description: Receive the frames of all groups, whether a member or not.
    type: bool
  promisc:
    description: Receive all frames.
    type: bool
  arp:
    description: Use ARP and neighbour discovery.
    type: bool
  mtu:
    description: Largest packet in bytes, 68 to 65535.
    type: int
  addresses:
    description:
      - The addresses that the interface shall have, with prefix, such as V(192.168.122.181/24) or V(fd00::1/64).
      - Missing ones are added, an IPv4 address with its broadcast address.
    type: list
    elements: str
  purge_addresses:
    description: Remove the addresses that O(addresses) doesn't name, link-local IPv6 addresses excepted.
    type: bool
    default: false
  igmp_version:
    description:
      - Force a version of IGMP; V(0) and V(3) leave it to the queries that are heard.
      - A V(1) or V(2) in the setting of C(all) forces it too, and V(1) goes before V(2).
    type: int
    choices: [0, 1, 2, 3]
  mld_version:
    description: Force a version of MLD; V(0) leaves it to the queries that are heard.
    type: int
    choices: [0, 1, 2]
  rp_filter:
    description:
      - IPv4 reverse path filter. V(strict) drops multicast whose source is not routed back over this interface.
      - The kernel uses the larger of this and the setting of C(all); RV(effective) tells which is in force.
    type: str
    choices: ['off', strict, loose]
extends_documentation_fragment:
  - mcast.lab.attributes.full
"""

EXAMPLES = r"""
- name: Up, with multicast, one address and none beside it
  mcast.lab.interface:
    name: eth0
    state: up
    multicast: true
    allmulti: true
    promisc: false
    addresses: [10.0.0.2/8]
    purge_addresses: true

- name: Speak IGMPv2 only
  mcast.lab.interface:
    name: eth0
    igmp_version: 2

- name: Accept multicast from sources that are routed elsewhere
  mcast.lab.interface:
    name: eth1
    rp_filter: loose
"""

RETURN = r"""
effective:
  description: What the kernel uses where a setting of the interface and one of C(all) are combined.
  returned: success
  type: dict
  contains:
    rp_filter:
      description: The larger of both settings, as in O(rp_filter).
      type: str
      sample: loose
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, interface


def main() -> None:
    change.run(AnsibleModule(argument_spec=interface.SPEC, supports_check_mode=True), interface.plan)


if __name__ == "__main__":
    main()
