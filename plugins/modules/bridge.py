#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: bridge
short_description: Set up a bridge as a snooping switch and querier
version_added: 0.1.0
description:
  - Sets what a Linux bridge does with multicast - snooping, its querier with all its intervals, what its ports do, and
    static entries of its database. Only what is given is looked at, and what follows from O(query_interval).
  - All is set over rtnetlink; iproute2 is not needed. Settings last as long as the bridge.
  - The querier is switched on after all else, because it begins with the intervals that are in force then. Where one
    runs already and something that it depends on changes, it begins anew.
  - A bridge without ports, intervals that contradict each other, intervals that the bridge's queries would say as
    others, and ports that are not the bridge's are refused before anything is changed. IGMPv3 and MLDv2 write numbers
    from 128 on as a code, which the kernel's bridge does not do.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  name:
    description: Name of the bridge.
    type: str
    required: true
  snooping:
    description: Send a group only to ports with members, and to routers. Without a living querier it is flooded still.
    type: bool
  querier:
    description:
      - Send queries, IGMP and MLD, where no other querier is heard. MLD queries need a link-local address on the
        bridge, that is, IPv6 must not be disabled there.
    type: bool
  use_ifaddr:
    description:
      - Send IGMP queries from the bridge's own address. Without one they come from 0.0.0.0, which hosts answer but
        which never wins an election.
    type: bool
  igmp_version:
    description: Version of the IGMP queries.
    type: int
    choices: [2, 3]
  mld_version:
    description: Version of the MLD queries.
    type: int
    choices: [1, 2]
  query_interval:
    description:
      - Seconds from a general query to the next, at least 1, which is the kernel's least.
      - With it, other intervals get the value that follows from it (RFC 9776 section 8, with the robustness 2 that
        bridges use) unless they are given.
    type: float
  query_response_interval:
    description:
      - Seconds within which members answer a general query, less than O(query_interval). At least 0.1, because a
        shorter one makes Linux hosts fall back to IGMPv1.
      - With O(query_interval) the default is 10, or half of the query interval if that is less.
    type: float
  startup_query_interval:
    description: Seconds between the first queries, at least 1. With O(query_interval) the default is a quarter of it.
    type: float
  startup_query_count:
    description: How many queries are sent in that interval.
    type: int
  membership_interval:
    description:
      - Seconds after which a member that has not answered is dropped. With O(query_interval) the default is twice that
        and the response interval.
    type: float
  querier_interval:
    description:
      - Seconds after which another querier that is not heard counts as gone. With O(query_interval) the default is
        twice that and half of the response interval.
    type: float
  last_member_interval:
    description: Seconds between the queries that follow a leave, and within which members answer these.
    type: float
  last_member_count:
    description: How many queries follow a leave.
    type: int
  router:
    description: Whether the bridge itself counts as a multicast router that gets all groups.
    type: str
    choices: [never, learn, always]
  ports:
    description:
      - Settings of ports, by name, each with any of C(router) (V(never), V(learn), that is while queries or PIM hellos
        come from there, or V(always)), C(fast_leave) (a leave ends the membership at once, for ports with a single
        host), C(flood) (of groups without a member), C(to_unicast).
    type: dict
    default: {}
  entries:
    description:
      - Static entries of the database, each with C(group), C(port), and optionally C(sources), from which alone the
        group goes there.
    type: list
    elements: dict
    default: []
  purge_entries:
    description: Remove the static entries that O(entries) does not name.
    type: bool
    default: false
extends_documentation_fragment:
  - mcast.lab.attributes.full
seealso:
  - module: mcast.lab.host_facts
"""

EXAMPLES = r"""
- name: A snooping switch with a querier, where a silent member is gone within 2.5 seconds
  mcast.lab.bridge:
    name: lan
    snooping: true
    querier: true
    igmp_version: 3
    mld_version: 2
    query_interval: 1
    last_member_interval: 0.1

- name: A port to a router, a static member, and none beside it
  mcast.lab.bridge:
    name: lan
    ports:
      uplink: {router: always}
    entries:
      - {group: 239.0.0.100, port: veth1}
      - {group: 232.0.0.100, port: veth1, sources: [10.0.0.7]}
    purge_entries: true
"""

RETURN = r"""
bridge:
  description:
    - What is in force now, or was before a run in check mode. The settings as the options have them (null what this
      kernel does not know), the settings of all C(ports), and C(queriers).
  returned: success
  type: dict
  contains:
    queriers:
      description:
        - The querier by family, null where there is none, and null as a whole where the kernel doesn't tell. C(self)
          says that it is this bridge; for another, C(port) is where it was heard, C(timer) the seconds until it
          counts as gone.
      type: dict
      sample:
        ipv4: {address: 10.3.0.9, self: false, port: veth1, timer: 2.49}
        ipv6: null
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import bridge, change
from ..module_utils import bridge_settings as settings

SPEC = {"name": {"type": "str", "required": True}}
SPEC.update((option, {"type": "bool"}) for option in settings.FLAGS)
SPEC.update((option, {"type": "float"}) for option in settings.INTERVALS)
SPEC.update((option, {"type": "int"}) for option in settings.COUNTS)
SPEC.update((option, {"type": "int", "choices": list(choices)}) for option, choices in settings.VERSIONS.items())
SPEC.update(
    router={"type": "str", "choices": list(settings.ROUTERS)},
    ports={"type": "dict", "default": {}},
    entries={"type": "list", "elements": "dict", "default": []},
    purge_entries={"type": "bool", "default": False},
)


def main() -> None:
    change.run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), bridge.plan)


if __name__ == "__main__":
    main()
