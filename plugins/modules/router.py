#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: router
short_description: Run a multicast routing daemon
version_added: 0.1.0
description:
  - Configures and runs FRR, smcroute or pimd, so that this host forwards groups between its interfaces.
  - The daemon runs in the network namespace of the task, with its sockets and state in C(/run/mcast), beside none of
    the distribution's own services. The kernel takes one such daemon for each namespace; a second one is refused.
  - A daemon that runs is reloaded where that is enough. Its configuration is checked by itself before anything is
    changed, but for pimd, which can't.
  - Unicast forwarding and routes are not its business; see M(mcast.lab.forwarding) and M(mcast.lab.route).
author:
  - The mcast.lab authors (!UNKNOWN)
requirements:
  - Linux, Python 3.8 or newer, and root on the host.
  - The package C(frr), C(smcroute) or C(pimd), or O(daemons).
options:
  state:
    description:
      - With V(started), the daemon runs with exactly these settings.
      - With V(stopped), nothing of it is left.
    type: str
    choices: [started, stopped]
    default: started
  backend:
    description:
      - V(frr) is FRR's C(zebra) and C(pimd). They speak PIM-SM (with source-specific groups) and IGMP, for IPv4.
      - V(smcroute) forwards what O(routes) say, for IPv4 and IPv6. It speaks neither PIM nor IGMP.
      - V(pimd) is the small PIM-SM daemon of that name, for IPv4. It takes many seconds for what FRR does at once.
    type: str
    choices: [frr, smcroute, pimd]
    default: frr
  interfaces:
    description: Names of the interfaces to forward between. Default is all but C(lo), with FRR and pimd all that have
      an IPv4 address.
    type: list
    elements: str
  rp:
    description:
      - The rendezvous point, by which receivers of any source find the senders (RFC 7761). An address of a router, for
        all groups, or a mapping of such addresses to a prefix of groups or a list of them.
      - Where there is one router only, it is an address of its own.
    type: raw
  igmp:
    description:
      - Settings of the querier on all interfaces; the backend's defaults where they are not given.
      - pimd takes C(version) and C(query_interval) only.
    type: dict
    suboptions:
      version:
        description: V(2) or V(3).
        type: int
        choices: [2, 3]
      query_interval:
        description: Seconds from a general query to the next, 1 to 65535.
        type: int
      query_response_interval:
        description: Seconds that members have to answer in, 0.1 to 6553.5; not longer than the query interval.
        type: float
      last_member_query_interval:
        description: Seconds that the others have to answer in after a leave, 0.1 to 6553.5.
        type: float
      last_member_query_count:
        description: How often they are asked then, 1 to 255.
        type: int
  hello_interval:
    description: Seconds from a PIM hello to the next, 1 to 180; with pimd 30 to 18724. The backend's default is 30.
    type: int
  dr_priority:
    description: Priority in the election of the designated router, the highest wins; 1 to 4294967294.
    type: int
  routes:
    description: What smcroute forwards.
    type: list
    elements: dict
    suboptions:
      group:
        description: The group, IPv4 or IPv6.
        type: str
        required: true
      source:
        description: Address of the sender. Default is every sender on the incoming interface.
        type: str
      incoming:
        description: Interface that the group comes in on.
        type: str
        required: true
      outgoing:
        description: Interfaces that it goes out on.
        type: list
        elements: str
        required: true
  daemons:
    description: Folder with unpacked packages, C(frr), C(smcroute) and C(pimd) below it, for what is not installed.
    type: path
attributes:
  diff_mode:
    description: Shows the daemon's configuration, before and after.
extends_documentation_fragment:
  - mcast.lab.attributes.full
seealso:
  - module: mcast.lab.forwarding
  - module: mcast.lab.host_facts
"""

EXAMPLES = r"""
- name: A router with PIM, itself the rendezvous point
  mcast.lab.router:
    rp: 10.1.0.1
    igmp: {query_interval: 2, query_response_interval: 1}

- name: One of several, the rendezvous point elsewhere
  mcast.lab.router:
    interfaces: [eth0, eth1]
    rp: {10.2.0.2: 239.0.0.0/8}
    hello_interval: 1

- name: A static route for an IPv6 group
  mcast.lab.router:
    backend: smcroute
    routes:
      - {group: 'ff15::100', source: 'fd00:1::2', incoming: eth0, outgoing: [eth1]}

- name: Nothing is left of it
  mcast.lab.router:
    state: stopped
"""

RETURN = r"""
router:
  description: What runs.
  returned: if O(state=started)
  type: dict
  sample: {backend: frr, interfaces: [eth0, eth1]}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, router, router_config


def main() -> None:
    change.run(AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "backend": {"type": "str", "choices": list(router_config.BACKENDS), "default": "frr"},
            "interfaces": {"type": "list", "elements": "str"},
            "rp": {"type": "raw"},
            "igmp": {"type": "dict", "options": {
                "version": {"type": "int", "choices": [2, 3]},
                "query_interval": {"type": "int"},
                "query_response_interval": {"type": "float"},
                "last_member_query_interval": {"type": "float"},
                "last_member_query_count": {"type": "int"},
            }},
            "hello_interval": {"type": "int"},
            "dr_priority": {"type": "int"},
            "routes": {"type": "list", "elements": "dict", "options": {
                "group": {"type": "str", "required": True},
                "source": {"type": "str"},
                "incoming": {"type": "str", "required": True},
                "outgoing": {"type": "list", "elements": "str", "required": True},
            }},
            "daemons": {"type": "path"},
        },
        supports_check_mode=True,
    ), router.plan)


if __name__ == "__main__":
    main()
