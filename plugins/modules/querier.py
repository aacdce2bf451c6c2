#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: querier
short_description: Query the hosts of a segment for their groups
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Runs a querier of IGMP (versions 1 to 3) and MLD (versions 1 and 2) on an interface. It sends general queries, takes
    part in the election, asks for groups and sources after a leave, and keeps the members with their timers.
  - It outlives the task, is found again under its name, and is stopped with its last report.
  - It forwards nothing. A switch that snoops needs a querier, and no router.
  - Its files are in C(/run/mcast), from the start to the stop.
extends_documentation_fragment:
  - mcast.lab.program
  - mcast.lab.attributes.full
options:
  name:
    description:
      - Name of the program on this host, 1 to 64 letters, digits, C(_), C(-) and C(.), not beginning with C(.).
      - Needed where O(state=started) or O(state=stopped). Receivers, senders, captures and queriers share these names.
    type: str
    required: false
  state:
    description:
      - With V(started), the program runs with exactly these options. One that has ended, or runs with others, is
        started anew.
      - With V(stopped), nothing of it is left.
      - With V(queried), one query is sent now, by this task itself. O(interface), O(version), O(robustness) and
        O(query_interval) are those of the querier O(name), if it runs, unless they are given. It goes on as before, and
        its timers are left as they are.
    type: str
    choices: [started, stopped, queried]
    default: started
  interface:
    description:
      - Interface of the segment, by its name or by one of its addresses. An IPv4 address is also the one to query from,
        else it is the interface's first. MLD is sent from the link-local address, once its address detection has ended.
      - Needed where O(state=started).
    type: str
  igmp_version:
    description:
      - Version of IGMP, 1 to 3; V(0) is none.
      - IGMPv1 has no election, no leave, and a response interval of 10 s.
    type: int
    default: 3
  mld_version:
    description: Version of MLD, 1 or 2; V(0) is none.
    type: int
    default: 2
  query_interval:
    description:
      - Seconds from a general query to the next, 0.1 to 31744. Default is 125.
      - What the queries of IGMPv3 and MLDv2 say of it is rounded up to a whole second.
    type: float
  query_response_interval:
    description:
      - Seconds within which members answer a general query, less than O(query_interval), and at least 0.1, because a
        shorter one makes Linux hosts fall back to IGMPv1.
      - Default is 10, or half of the query interval if that is less.
    type: float
  startup_query_interval:
    description: Seconds between the first queries. Default is a quarter of O(query_interval).
    type: float
  startup_query_count:
    description: How many queries are sent in that interval, 1 to 7. Default is O(robustness).
    type: int
  last_member_query_interval:
    description: Seconds between the queries that follow a leave, and within which members answer these; at least 0.1.
    type: float
    default: 1
  last_member_query_count:
    description: How many queries follow a leave, 1 to 7. Default is O(robustness).
    type: int
  robustness:
    description: The robustness variable, 1 to 7; in a single query also V(0), which says nothing. Default is 2.
    type: int
  family:
    description:
      - Of the query to send now, V(ipv4) for IGMP, V(ipv6) for MLD. Default is that of O(group), or V(ipv4).
      - This and the following options are for O(state=queried).
    type: str
    choices: [ipv4, ipv6]
  version:
    description: Version of IGMP or MLD. Default is that of the querier O(name), or the newest.
    type: int
  group:
    description: Ask for this group. Without it, the query is a general one.
    type: str
  sources:
    description: Ask for these sources of the group, in IGMPv3 and MLDv2.
    type: list
    elements: str
    default: []
  max_response:
    description: Seconds within which hosts are to answer, at least 0.1.
    type: float
    default: 1
  suppress:
    description: Set the S flag. Routers then leave their timers as they are.
    type: bool
    default: false
seealso:
  - module: mcast.lab.check
  - module: mcast.lab.bridge
"""

EXAMPLES = r"""
- name: Query for IGMPv3 and MLDv2, a silent member is gone within 4.5 seconds
  mcast.lab.querier:
    name: lan
    interface: eth0
    query_interval: 2
    query_response_interval: 0.5
    last_member_query_interval: 0.2

- name: Make the hosts fall back to IGMPv2
  mcast.lab.querier:
    state: queried
    interface: eth0
    version: 2

- name: Ask who receives a group from one source
  mcast.lab.querier:
    name: lan
    state: queried
    group: 232.1.1.1
    sources: [192.168.122.181]

- name: Stop it, and see who was a member
  mcast.lab.querier:
    name: lan
    state: stopped
  register: lan
"""

RETURN = r"""
name:
  description: Name of the program. Null where a query was sent without one.
  returned: success
  type: str
  sample: lan
state:
  description: The state that was asked for.
  returned: success
  type: str
  sample: started
query:
  description:
    - The query that was sent, with C(time), C(interface), C(address) (the source), C(protocol) (such as C(igmpv2)),
      C(query) (C(general), C(group) or C(group_and_source)), C(group) and C(sources).
  returned: when a query was asked for
  type: dict
report:
  description:
    - What the program said last. Null where there was none, and in check mode where it would be the first.
    - All times are in seconds of Unix time.
  returned: success
  type: dict
  contains:
    program:
      description: The word C(querier).
      type: str
    state:
      description: One of C(starting), C(querying), C(ended), C(failed).
      type: str
    pid:
      description: Its process ID.
      type: int
    started:
      description: When it was started.
      type: float
    interface:
      description: The interface.
      type: str
    index:
      description: Index of the interface.
      type: int
    send_error:
      description: Null, or why the last query could not be sent.
      type: str
    ipv4:
      description: The querier of IGMP, null where there is none.
      type: dict
      contains:
        address:
          description: The address from which it queries.
          type: str
        role:
          description: C(querier) or C(non_querier).
          type: str
        version:
          description: Version of its queries.
          type: int
        other:
          description:
            - The elected querier where that is another one, else null, with C(address), C(version), C(robustness) and
              C(interval) (what its last query said, or null), C(heard) and C(expires) (times).
          type: dict
        next_query:
          description: Time of the next general query; null where another one queries.
          type: float
        settings:
          description: The options, with those that were derived.
          type: dict
        in_force:
          description:
            - C(robustness) and C(query_interval), which an elected querier sets, and what follows from them, in
              seconds, C(group_membership_interval), C(other_querier_present_interval), C(last_member_query_time).
          type: dict
        queries_sent:
          description: How many queries it has sent.
          type: int
        queries_heard:
          description: How many queries of others it has heard.
          type: int
        reports:
          description: How many reports and leaves it has heard.
          type: int
        ignored:
          description: How many of these say nothing in its version, or while an older host is there.
          type: int
        groups:
          description:
            - The groups with members, at most 1000, each with C(group), C(filter_mode), C(expires) (end of the group
              timer, null with C(include)), C(sources) (each with C(source) and C(expires)), C(excluded) (a list),
              C(version) (in which the group is kept) and C(older) (time until which a host of an older version counts
              as there, by version).
          type: list
          elements: dict
        groups_left_out:
          description: How many more there are.
          type: int
        events:
          description:
            - The last 1000 events, each with C(time) and C(event), which is C(querier), C(non_querier),
              C(other_querier_gone), C(query_sent), C(query_heard), C(version_differs), C(group_joined),
              C(group_changed) or C(group_left), and what belongs to it.
          type: list
          elements: dict
        events_left_out:
          description: How many there were before.
          type: int
    ipv6:
      description: The querier of MLD, the same.
      type: dict
    ended:
      description: Null, or C(time) and C(reason), which is C(timeout), C(error), C(SIGTERM) or C(SIGINT).
      type: dict
    error:
      description: Null, or why it failed.
      type: str
    exit:
      description:
        - Only where it was stopped now. How the process ended, C(code), C(signal) and C(time); null where that is not
          known.
      type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, group, programs, unit
from ..module_utils.error import McastError
from ..module_utils.traffic import cli

# All options but those of one query.
_QUERIER = ("name", "state", "interface", "igmp_version", "mld_version", "query_interval", "query_response_interval",
            "startup_query_interval", "startup_query_count", "last_member_query_interval", "last_member_query_count",
            "robustness", "timeout")
_VERSIONS = {"ipv4": 3, "ipv6": 2}


def query_arguments(params: dict[str, Any], running: dict[str, Any] | None) -> list[str]:
    """The command line that sends a query. running: report of the querier of the name, or None."""
    given = dict(params)
    given["family"] = params["family"] or (group.family(params["group"]) if params["group"] else "ipv4")
    own = (running or {}).get(given["family"])
    defaults = {"version": _VERSIONS[given["family"]]}
    if running and own:
        defaults = dict(own["in_force"], version=own["version"], interface=running["interface"])
    for name in ("interface", "version", "robustness", "query_interval"):
        if given[name] is None:
            given[name] = defaults.get(name)
    if given["interface"] is None:
        raise McastError("interface", f"is missing, and no querier {params['name']} runs here that would tell")
    given["family"] = given["family"][-1]
    options = ("interface", "family", "version", "group", "max_response", "robustness", "query_interval", "sources",
               "suppress")
    return programs.arguments("query", {option: given[option] for option in options})


def _queried(params: dict[str, Any]) -> change.Planned:
    found = unit.status(params["name"]) if params["name"] else None
    running = found["report"] if found and found["running"] and found["argv"][:1] == ["querier"] else None
    query = cli.build(query_arguments(params, running))[0]
    changes = change.Changes()
    changes.add(("query",), None, {key: query.facts[key] for key in ("protocol", "query", "group")}, query.work)
    keys = ("time", "interface", "address", "protocol", "query", "group", "sources")
    return changes, lambda: {"report": running, "query": {key: query.facts[key] for key in keys}}


def plan(params: dict[str, Any]) -> change.Planned:
    if params["state"] == "queried":
        changes, result = _queried(params)
        return changes, lambda: dict(result(), name=params["name"], state=params["state"])
    return programs.plan_one("querier", {option: params[option] for option in _QUERIER})


def main() -> None:
    change.run(AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["started", "stopped", "queried"], "default": "started"},
            "interface": {"type": "str"},
            "igmp_version": {"type": "int", "default": 3},
            "mld_version": {"type": "int", "default": 2},
            "query_interval": {"type": "float"},
            "query_response_interval": {"type": "float"},
            "startup_query_interval": {"type": "float"},
            "startup_query_count": {"type": "int"},
            "last_member_query_interval": {"type": "float", "default": 1},
            "last_member_query_count": {"type": "int"},
            "robustness": {"type": "int"},
            "timeout": {"type": "float", "default": 3600},
            "family": {"type": "str", "choices": ["ipv4", "ipv6"]},
            "version": {"type": "int"},
            "group": {"type": "str"},
            "sources": {"type": "list", "elements": "str", "default": []},
            "max_response": {"type": "float", "default": 1},
            "suppress": {"type": "bool", "default": False},
        },
        required_if=[("state", "started", ("name", "interface")), ("state", "stopped", ("name",))],
        supports_check_mode=True,
    ), plan)


if __name__ == "__main__":
    main()
