#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_info
short_description: Ask all hosts of a play at once which groups they are members of
version_added: 0.1.0
description:
  - Gathers what M(mcast.lab.host_facts) gathers, from all hosts of the play together, and compares the hosts.
  - This is an action that runs once for the play, whichever host it is run for; with C(serial), once for each batch.
    Write C(run_once=true), so that a reader sees it.
  - Hosts on SSH are asked over connections of the library paramiko, many at a time, each with one command. What
    Ansible says of a host is obeyed, as are C(~/.ssh/config) and C(/etc/ssh/ssh_config). Where a host has anything that
    only OpenSSH understands (Kerberos, a C(ProxyCommand) that needs a shell, arguments of a kind not known here,
    becoming by other means than sudo), it is asked over its own connection plugin, as are all hosts that are not on
    SSH. RV(how) tells which way was taken.
  - The hosts need C(sh), C(grep), C(ls), C(readlink) and C(/proc), no Python. Nothing is written on them.
author:
  - The mcast.lab authors (!UNKNOWN)
requirements:
  - paramiko >= 3.4 on the controller, for hosts on SSH
options:
  gather_subset:
    description:
      - The parts to gather. The default is what RV(groups) and RV(findings) are made of; the default of
        M(mcast.lab.host_facts) is all.
    type: list
    elements: str
    choices: [interfaces, memberships, sockets, forwarding, routes, limits, traffic, firewall, bridges, mroutes,
      prerequisites, pim]
    default: [interfaces, memberships, sockets, limits]
  forks:
    description:
      - How many hosts are asked at a time. One that has kept silent for two seconds no longer counts, and sooner than
        that where there are many hosts for the time given, so that hosts that are down do not keep others waiting.
    type: int
    default: 16
  timeout:
    description:
      - Seconds after which all of it ends, besides those of O(listen). Hosts that have not answered by then are in
        RV(failures).
      - Without it a host may take 20 seconds, and all of them 20 and 2 for each round of O(forks) hosts, so that each
        has its turn although the others keep silent; 146 seconds for 1,000 hosts.
      - The timeouts of connection plugins play no part.
    type: float
  listen:
    description:
      - Seconds for which each host listens for queries of IGMP and MLD, on every interface that is up and carries
        multicast but C(lo); V(0), not at all. C(queriers) in RV(hosts) says what was heard, and RV(findings) on which
        segments nothing was.
      - V(125) is the query interval of RFC 9776 and RFC 9777. Where queriers have a shorter one, so much is enough.
      - Takes root (C(become=true)), and C(tcpdump), C(timeout) and C(base64) on the host. It captures 20 queries on an
        interface at most, and no other packets. Where the connection ends before, it goes on for the time given.
    type: int
    default: 0
  streams:
    description:
      - What shall flow, as in C(mcast_streams), which is the default where it is set. RV(findings) say what is missing
        and what is there that no stream explains.
    type: dict
  cache:
    description:
      - Merge each host's facts, as C(mcast), into the fact cache of Ansible, so that later plays and runs have them in
        C(hostvars[NAME].mcast) and C(ansible_facts.mcast) without asking again.
      - Needs a cache that lasts, such as C(fact_caching = jsonfile) in C(ansible.cfg); V(memory) is refused.
      - In the same run, a host that was in the cache before the task may be seen as it was then.
    type: bool
    default: false
extends_documentation_fragment:
  - mcast.lab.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
notes:
  - Hosts that an earlier task could not reach are no longer in the play and are not asked.
  - Playbook variables of C(vars_files) and C(include_vars) that set options of the connection are not seen.
  - Keys are looked for in the files that Ansible and the configuration of SSH name, then in the agent, then in
    C(~/.ssh/id_ed25519), C(id_ecdsa) and C(id_rsa). Keys that are encrypted need the agent, or
    C(ansible_ssh_private_key_passphrase).
seealso:
  - module: mcast.lab.host_facts
"""

EXAMPLES = r"""
- name: Ask all hosts
  mcast.lab.fleet_info:
  run_once: true
  register: fleet

- name: Show who is a member of a group
  ansible.builtin.debug:
    msg: "{{ fleet.groups['239.0.0.100'] | default([]) | map(attribute='host') }}"
  run_once: true

- name: Ask a thousand hosts for their memberships alone
  mcast.lab.fleet_info:
    gather_subset: [memberships]
    forks: 32
    timeout: 60
  run_once: true

- name: Ask all hosts, and listen for queriers
  mcast.lab.fleet_info:
    listen: 125
  become: true
  run_once: true
"""

RETURN = r"""
hosts:
  description:
    - By host, what M(mcast.lab.host_facts) returns as C(ansible_facts.mcast).
    - With O(listen) also C(queriers), by interface that could be listened on, a list of those heard; C(family), C(ipv4)
      or C(ipv6); C(address); C(version) of IGMP or MLD; C(interval), the seconds between its last two general queries,
      null where fewer were heard.
  returned: always
  type: dict
  sample: {server: {memberships: [], sources: {}, kernel: {}}}
failures:
  description:
    - By host that gave no answer, why.
    - RV(failures) does not make the task fail.
  returned: always
  type: dict
  contains:
    reason:
      description:
        - V(refused), nobody listens on the port. V(unreachable), packets are dropped, or no route. V(unresolved), the
          name is not known. V(host_key_unknown) and V(host_key_changed), see known_hosts. V(authentication), no key or
          password was accepted. V(become), sudo refused. V(shell), the command could not be run. V(cut_off), the
          output ended early. V(facts), a text of the kernel is of an unknown form. V(timeout), not done in time.
          V(connection), something else about the connection. V(options), the host's variables are wrong. V(error),
          none of these.
      type: str
    detail:
      description: What is known about it. Passwords, keys and paths of keys are left out.
      type: str
  sample: {m17: {reason: refused, detail: nobody listens on port 22}}
how:
  description: By host, which way it was asked; V(paramiko), or the name of its connection plugin.
  returned: always
  type: dict
  sample: {server: paramiko, client: mcast.lab.netns}
groups:
  description: By group, who is a member.
  returned: always
  type: dict
  contains:
    host:
      description: Name of the host.
      type: str
    interface:
      description: Name of the interface.
      type: str
    mode:
      description: Filter mode of the interface, V(include) or V(exclude), null where it is not known.
      type: str
    sources:
      description: The sources that are included or excluded, null where they are not known.
      type: list
      elements: str
    process:
      description:
        - Who holds it, as C(value) and C(basis). The kernel does not say it; it is V(inferred) from the sockets that
          are bound to the group, or else to no address. It is V(unknown) where several processes might, or none is
          seen.
      type: dict
  sample:
    239.0.0.100:
      - host: server
        interface: eth0
        mode: exclude
        sources: []
        process: {value: mcast-receiver, basis: inferred}
findings:
  description: What the hosts together tell.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(member_missing) and V(member_unexpected), against the streams. V(shared_mac), several groups on one segment
          that one Ethernet address carries. V(older_version), a host speaks an older IGMP or MLD than its neighbours.
          V(no_querier), a bridge snoops without one, or with O(listen) none was heard on a segment. V(no_process), a
          membership that no process holds that can be seen. V(near_limit), memberships or sources near a limit.
          V(rp_filter), strict where the source is not on that interface.
      type: str
    basis:
      description: V(exact), V(inferred), or V(unknown) where it is not known whether there is such a thing.
      type: str
    hosts:
      description: The hosts that it is about.
      type: list
      elements: str
    subject:
      description: What it is about on these hosts, null for an unknown one.
      type: str
    evidence:
      description: What was seen.
      type: str
    remedy:
      description: What to do.
      type: str
  sample:
    - kind: member_missing
      basis: exact
      hosts: [server]
      subject: 239.0.0.100 on eth0
      evidence: server receives stream hello, and is no member of 239.0.0.100 on eth0
      remedy: start the receiver on server, or see why its join failed
elapsed:
  description: Seconds that all of it took.
  returned: always
  type: float
  sample: 1.2
"""
