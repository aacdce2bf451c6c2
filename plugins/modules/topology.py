#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: topology
short_description: Make or remove a lab of network namespaces
version_added: 0.1.0
description:
  - Makes the hosts (network namespaces), switches (bridges) and cables (veth pairs) of a topology, or removes them.
  - A lab owns what it made. The loopback interface of each of its namespaces bears the mark C(mcast.lab:NAME) as an
    alias; a namespace without the mark is never touched.
  - The namespace of a host is called C(LAB.HOST), that of all switches C(LAB), so that
    C(ip netns exec two_hosts.client ip address) works by hand.
  - Duplicate address detection is off in the hosts, because the topology keeps addresses unique.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  name:
    description:
      - Name of the lab, 1 to 64 letters, digits, C(_) and C(-). Required without O(settled).
    type: str
  settled:
    description:
      - The topology with every address and kernel name settled, as the inventory plugin
        P(mcast.lab.topology#inventory) publishes it in C(mcast_settled).
      - It stands in place of O(name), O(connection), O(segments) and O(hosts).
    type: dict
  segments:
    description:
      - The segments by name. Each is a switch of its own, with an C(ipv4) and an C(ipv6) network, or one, or none.
      - Required if O(state=present), without O(settled).
    type: dict
  hosts:
    description:
      - The hosts by name, each with C(interfaces) by name, each with its C(segment) and, optionally, an C(ipv4) and an
        C(ipv6) address. An address that is not given is drawn from the segment's network, in the order of the file.
      - A host with C(router) forwards packets, and every host gets routes over such to the segments that it is not on.
      - Required if O(state=present), without O(settled).
    type: dict
  connection:
    description:
      - How the hosts shall be reachable. With V(netns), by entering the namespace.
      - V(ssh) makes keys too, so that each host can be logged in to, with an sshd and a host key of its own. By hand
        this is C(ssh -F /run/mcast-ssh/LAB/config LAB.HOST).
      - V(ssh) needs the programs of openssh-server and openssh-client.
    type: str
    choices: [netns, ssh]
    default: netns
  state:
    description:
      - V(present) makes what is missing, repairs what differs and removes what the lab owns beyond the topology.
      - V(absent) ends the processes in the lab's namespaces and removes all of it.
      - V(cleared) removes what a run left that was killed, and nothing else, that is, the lab where that run made it,
        or else the programs that were started since. V(present) does this first.
      - All three are refused while another run uses the lab.
    type: str
    choices: [present, absent, cleared]
    default: present
attributes:
  diff_mode:
    description: Shows the namespaces, switches and interfaces before and after.
extends_documentation_fragment:
  - mcast.lab.attributes.full
"""

EXAMPLES = r"""
- name: A lab of two hosts on one switch
  mcast.lab.topology:
    name: two_hosts
    segments:
      lan: {ipv4: 192.168.122.0/24, ipv6: 'fd00:122::/64'}
    hosts:
      client: {interfaces: {eth0: {segment: lan, ipv4: 192.168.122.181}}}
      server: {interfaces: {eth0: {segment: lan}}}

- name: Remove it again
  mcast.lab.topology:
    name: two_hosts
    state: absent
"""

RETURN = r"""
cleared:
  description: What a run that was killed had left, in one sentence.
  returned: if there was something, and O(state) is V(present) or V(cleared)
  type: str
made:
  description: Whether the lab is new. One that stood and was repaired is changed, and not made.
  returned: if O(state=present), also where making it failed halfway
  type: bool
topology:
  description: The topology with every address and kernel name settled.
  returned: if O(state=present)
  type: dict
  contains:
    name:
      description: Name of the lab, which is also the namespace of its switches.
      type: str
    connection:
      description: How the hosts are reachable.
      type: str
    segments:
      description: By name, C(ipv4) and C(ipv6) network and the name of its C(bridge).
      type: dict
    hosts:
      description: By name, its C(namespace) and its C(interfaces), each with C(segment), C(ipv4), C(ipv6), C(mac) and
        the C(port) of the switch; and its C(routes), each with C(destination), C(gateway) and C(interface).
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change
from ..module_utils.lab import state as lab_state


def main() -> None:
    change.run(AnsibleModule(**lab_state.SPEC, supports_check_mode=True), lab_state.plan)


if __name__ == "__main__":
    main()
