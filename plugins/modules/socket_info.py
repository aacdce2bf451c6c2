#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: socket_info
short_description: Tell which process is a member of which group
version_added: 0.1.0
description:
  - Lists the UDP and raw sockets of the host's network namespace with the processes that hold them, and of each its
    memberships with filter mode and sources, as the socket itself tells them.
  - M(mcast.lab.host_facts) reads the kernel's tables. Those have one line per interface and group, so that they say
    neither which process is a member, nor always with which filter. This module borrows each socket and asks it.
  - Needs root, Python 3.8 or newer and Linux 5.6 or newer on the host. In a container it sees the processes of the
    container, and needs the capability C(SYS_PTRACE).
  - A membership that no process holds, such as one of the kernel itself or of C(ip maddress add), is not in the list.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  group:
    description: Return only the sockets that are members of this group, with their membership of it alone.
    type: str
seealso:
  - module: mcast.lab.host_facts
  - module: mcast.lab.check
extends_documentation_fragment:
  - mcast.lab.attributes.reads
"""

EXAMPLES = r"""
- name: Who is a member of the group?
  mcast.lab.socket_info:
    group: 239.0.0.100
  register: members

- name: Their names
  ansible.builtin.debug:
    msg: "{{ members.sockets | map(attribute='process') | unique }}"

- name: All sockets
  mcast.lab.socket_info:
  register: all

- name: Sockets on a port that are members of nothing, and so depend on what other processes join
  ansible.builtin.debug:
    msg: "{{ all.sockets | selectattr('port', 'eq', 11111) | selectattr('memberships', 'eq', []) }}"
"""

RETURN = r"""
sockets:
  description: The sockets by process id and descriptor; one that several processes hold is there for each of them.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Process id.
      type: int
    process:
      description: Name of the process, V(null) where it ended just now.
      type: str
    uid:
      description: User id of the socket's owner.
      type: int
    user:
      description: Name of that user, V(null) where there is none.
      type: str
    descriptor:
      description: File descriptor in that process, the lowest where it has several of the socket.
      type: int
    inode:
      description: The socket's inode number; the same number is the same socket.
      type: int
    protocol:
      description: V(udp), V(udplite), V(icmp) for a ping socket, or V(raw).
      type: str
    ip_protocol:
      description: The IP protocol number; 17 for UDP, 2 for a raw socket that takes IGMP.
      type: int
    family:
      description: V(ipv4) or V(ipv6). A socket of IPv6 can be a member of IPv4 groups.
      type: str
    address:
      description: The local address.
      type: str
    port:
      description: The local port, 0 where it is not bound; V(null) for a raw socket.
      type: int
    memberships:
      description: What the socket itself is a member of.
      type: list
      elements: dict
      contains:
        interface:
          description: Name of the interface.
          type: str
        index:
          description: Index of the interface.
          type: int
        group:
          description: The group's address.
          type: str
        filter_mode:
          description: V(include), only RV(sockets[].memberships[].sources), or V(exclude), all but those.
          type: str
        sources:
          description: The sources of the filter, sorted.
          type: list
          elements: str
      sample: [{interface: eth0, index: 2, group: 239.0.0.100, filter_mode: exclude, sources: []}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, socket_info


def main() -> None:
    change.run(AnsibleModule(argument_spec={"group": {"type": "str"}}, supports_check_mode=True), socket_info.plan)


if __name__ == "__main__":
    main()
