#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Gather the multicast state of a host
version_added: 0.1.0
description:
  - Reads interfaces, group memberships, sockets, forwarding, routes, limits, traffic reports, the firewall, bridges,
    multicast routes, what the kernel was built with, and what FRR tells,
    in one round trip.
  - This is an action. It sends one script to the host's C(/bin/sh) and reads the result on the controller. The host
    needs C(sh), C(grep), C(ls), C(readlink) and C(/proc), no Python; busybox will do. IPv4 addresses need C(ip), the
    firewall needs C(nft) and root, bridges need C(ip) and C(bridge) of an iproute2 that speaks JSON. Which querier a
    bridge has seen is asked of the kernel with C(/usr/bin/python3), where that is there.
  - What C(/proc) can not tell for certain is returned as a dictionary of C(value) and C(basis). The basis is
    V(exact) where the kernel says so, V(inferred) where several states of the host look the same and this is the
    likely one, and V(unknown), with the value V(null), where nothing tells.
  - What a host does not have (IPv6, a file that an older kernel lacks) is listed in RV(ansible_facts.mcast.sources)
    and is no failure.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  gather_subset:
    description: The parts to gather. The kernel's release and the host's name are always among the result.
    type: list
    elements: str
    choices: [interfaces, memberships, sockets, forwarding, routes, limits, traffic, firewall, bridges, mroutes,
      prerequisites, pim, counters]
    default: [interfaces, memberships, sockets, forwarding, routes, limits, traffic, firewall, bridges, mroutes,
      prerequisites, pim, counters]
extends_documentation_fragment:
  - mcast.lab.attributes.reads
notes:
  - Without root the processes of other users' sockets are not seen; C(sources.sockets.note) says how many.
  - Reads hosts of little-endian byte order, as C(/proc) prints some addresses in the order of the host.
seealso:
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Gather everything
  mcast.lab.host_facts:

- name: Gather the memberships alone
  mcast.lab.host_facts:
    gather_subset: [memberships]

- name: Show the groups that this host is a member of
  ansible.builtin.debug:
    msg: "{{ ansible_facts.mcast.memberships | map(attribute='group') | unique }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts under the one name C(mcast).
  returned: success
  type: dict
  contains:
    mcast:
      description: The parts that were asked for, and C(kernel) and C(sources).
      returned: success
      type: dict
      contains:
        interfaces:
          description: The network interfaces, by name.
          returned: with the subset interfaces
          type: dict
          sample:
            eth0:
              index: 2
              flags: [broadcast, lower_up, multicast, running, up]
              mtu: 1500
              mac: "82:49:b4:11:19:a5"
              addresses:
                - {family: ipv4, address: 192.168.122.225, prefix: 24, tentative: false}
              igmp_version: {value: 3, basis: exact}
              mld_version: {value: null, basis: unknown}
              querier: {value: null, basis: unknown}
              forwarding: {ipv4: false, ipv6: false}
              mc_forwarding: {ipv4: false, ipv6: false}
              rp_filter: 0
              rp_filter_effective: 2
              force_igmp_version: 0
              force_mld_version: 0
              link_groups:
                - {mac: "01:00:5e:00:00:64", users: 1}
        memberships:
          description: The groups that the host is a member of, one entry per interface and group.
          returned: with the subset memberships
          type: list
          elements: dict
          contains:
            interface:
              description: Name of the interface.
              returned: always
              type: str
            index:
              description: Index of the interface.
              returned: always
              type: int
            family:
              description: V(ipv4) or V(ipv6).
              returned: always
              type: str
            group:
              description: The group's address.
              returned: always
              type: str
            mac:
              description: The Ethernet address that carries the group.
              returned: always
              type: str
            programmed:
              description: Whether that address is in the interface's list; V(null) where the list is missing.
              returned: always
              type: bool
            users:
              description: How many hold the membership; sockets, and the kernel itself.
              returned: always
              type: int
            filter_mode:
              description: The interface's filter mode for the group, V(include) or V(exclude), with its basis.
              returned: always
              type: dict
              sample: {value: exclude, basis: exact}
            include:
              description:
                - The sources that sockets include, each with the number of those. Null where the kernel leaves them out
                  of its table (docs/facts.md says when).
              returned: always
              type: list
              elements: dict
              sample: [{source: 192.168.122.181, count: 1}]
            exclude:
              description: The sources that sockets exclude, in the same way.
              returned: always
              type: list
              elements: dict
              sample: []
            scope:
              description: The range that the group lies in.
              returned: always
              type: str
              sample: administratively-scoped
            name:
              description: The name that IANA registers for the group, V(null) where it is not well known.
              returned: always
              type: str
              sample: ntp
        sockets:
          description: The UDP and raw sockets of the host's network namespace.
          returned: with the subset sockets
          type: list
          elements: dict
          contains:
            family:
              description: V(ipv4) or V(ipv6).
              returned: always
              type: str
            protocol:
              description: V(udp) or V(raw).
              returned: always
              type: str
            ip_protocol:
              description: The IP protocol number; 17 for UDP, 2 for a raw socket that takes IGMP.
              returned: always
              type: int
            address:
              description: The local address.
              returned: always
              type: str
            port:
              description: The local port; V(null) for a raw socket.
              returned: always
              type: int
            uid:
              description: User id of the owner.
              returned: always
              type: int
            user:
              description: The name of that user in C(/etc/passwd), else V(null).
              returned: always
              type: str
            inode:
              description: The socket's inode number.
              returned: always
              type: int
            process:
              description: Name of the process that holds the socket, V(null) where it can not be seen.
              returned: always
              type: str
            pid:
              description: Process id; the lowest where several processes hold the socket.
              returned: always
              type: int
            descriptor:
              description: File descriptor in that process.
              returned: always
              type: int
            drops:
              description: Datagrams dropped because the receive buffer was full, V(null) on kernels that do not tell.
              returned: always
              type: int
        forwarding:
          description: Whether the host forwards unicast packets.
          returned: with the subset forwarding
          type: dict
          sample: {ipv4: true, ipv6: false}
        routes:
          description: The routes of the main table for IPv4, of all tables for IPv6.
          returned: with the subset routes
          type: list
          elements: dict
          sample:
            - {family: ipv4, destination: 224.0.0.0/4, gateway: null, interface: eth0, metric: 0, type: unicast}
        limits:
          description:
            - Limits and settings of the whole host, V(null) where the kernel has none of the name.
            - Intervals (those of new interfaces) are in milliseconds, C(optmem_max), C(rmem_max) and C(rmem_default)
              in bytes, C(igmp_max_memberships), C(igmp_max_msf) and C(mld_max_msf) are numbers per socket, C(igmp_qrv)
              and C(mld_qrv) are robustness variables.
          returned: with the subset limits
          type: dict
          sample: {igmp_max_memberships: 20, igmp_max_msf: 10, igmp_qrv: 2, mld_max_msf: 64, rmem_max: 212992}
        traffic:
          description: The reports of senders and receivers in the host's network namespace, by name.
          returned: with the subset traffic
          type: dict
          sample: {}
        firewall:
          description: The rules that decide what comes in. All are null where there is no nft, or no root.
          returned: with the subset firewall
          type: dict
          contains:
            backend:
              description: Where the rules were read from, V(nftables).
              returned: always
              type: str
            manager:
              description: The service that keeps rules of its own, V(firewalld), or null.
              returned: always
              type: str
            chains:
              description:
                - The chains that packets for this host pass, at the hooks ingress, prerouting and input by priority,
                  and those that they jump to. The expressions are nft's own.
              returned: always
              type: list
              elements: dict
              sample:
                - family: inet
                  table: filter
                  name: input
                  type: filter
                  hook: input
                  priority: 0
                  policy: drop
                  devices: null
                  active: true
                  rules: [{handle: 4, comment: null, expr: [{accept: null}]}]
            sets:
              description: Elements of named sets and maps, by family, table and name; null where they come and go.
              returned: always
              type: dict
              sample: {inet filter ports: [80, 443]}
            untracked:
              description: Whether a rule takes packets out of connection tracking.
              returned: always
              type: bool
            accepts:
              description: What the table of M(mcast.lab.firewall) opens.
              returned: always
              type: list
              elements: dict
              sample:
                - {protocol: udp, port: "11111", group: 239.0.0.100, source: null, asked: true, needs: [igmp]}
                - {protocol: igmp, port: null, group: null, source: null, asked: false, needs: []}
        bridges:
          description: Bridges (switches) by name. A setting that the kernel does not tell is V(null).
          returned: with the subset bridges
          type: dict
          contains:
            index:
              description: Index of the bridge.
              returned: always
              type: int
            snooping:
              description: Whether reports decide to which ports a group goes.
              returned: always
              type: bool
            querier:
              description: Whether the bridge sends queries where it hears no other querier.
              returned: always
              type: bool
            use_ifaddr:
              description: Whether its IGMP queries come from the bridge's own address, not from 0.0.0.0.
              returned: always
              type: bool
            igmp_version:
              description: Version of its IGMP queries, 2 or 3.
              returned: always
              type: int
            mld_version:
              description: Version of its MLD queries, 1 or 2.
              returned: always
              type: int
            router:
              description:
                - Whether the bridge itself counts as a router - V(never), V(always), V(learn) (while it hears queries)
                  or V(temporary) (for a while).
              returned: always
              type: str
            query_interval:
              description:
                - Seconds between two general queries. C(startup_query_interval) (the first queries),
                  C(query_response_interval) (within which members answer), C(membership_interval) (after which a member
                  that does not answer is dropped), C(last_member_interval) (between the queries after a leave) and
                  C(querier_interval) (after which another querier counts as gone) are seconds too.
              returned: always
              type: float
            startup_query_count:
              description: How many queries begin. C(last_member_count) is how many follow a leave.
              returned: always
              type: int
            max_groups:
              description: How many groups the database holds.
              returned: always
              type: int
            up:
              description: Whether the bridge is up; one that is down sends no queries.
              type: bool
            vlan_filtering:
              description: Whether the bridge filters by VLAN.
              returned: always
              type: bool
            ports:
              description:
                - Ports by name, with C(index), C(state) (V(forwarding) and others of spanning tree), C(router) as
                  above, C(fast_leave) (a leave is not followed by queries), C(flood) (of groups without a member) and
                  C(to_unicast).
              returned: always
              type: dict
              sample:
                veth0: {index: 4, state: forwarding, router: learn, fast_leave: false, flood: true, to_unicast: false}
            entries:
              description:
                - The multicast database. One entry a group (and C(source), else null) and C(port), with C(family),
                  C(filter_mode), C(sources) with the timer of each, C(timer) in seconds (null for what is permanent or
                  lives by its sources), C(permanent), C(protocol) (V(kernel) where it was learned, V(static)),
                  C(flags) such as V(blocked), and C(vlan). A bridge that is a member itself is its own port.
              returned: always
              type: list
              elements: dict
              sample:
                - group: 239.0.0.100
                  family: ipv4
                  source: null
                  port: veth0
                  filter_mode: exclude
                  sources: []
                  timer: 2.31
                  permanent: false
                  protocol: kernel
                  flags: []
                  vlan: null
            router_ports:
              description: Ports that get all groups, with C(port), C(type) as in C(router), and C(timer) in seconds.
              returned: always
              type: list
              elements: dict
              sample: [{port: veth1, type: temporary, timer: 2.49}]
            queriers:
              description:
                - The querier of each family as the bridge knows it, null where there is none; null as a whole where the
                  kernel or the lack of Python leaves it open. C(self) says that it is the bridge; for another, C(port)
                  is where it was heard and C(timer) the seconds until it counts as gone. An MLD querier with the
                  address V(::) has no link-local address and is silent.
              returned: always
              type: dict
              sample:
                ipv4: {address: 10.3.0.9, self: false, port: veth1, timer: 2.49}
                ipv6: null
        mroutes:
          description:
            - What the kernel forwards of groups, and between which interfaces. A source is null where the route is for
              any, an incoming interface where no daemon has set it yet.
          returned: with the subset mroutes
          type: dict
          sample:
            routes:
              - family: ipv4
                group: 239.1.1.1
                source: 10.1.0.1
                incoming: eth0
                outgoing: [eth1]
                packets: 1167
                bytes: 38511
                wrong_interface: 1
            vifs:
              - {family: ipv4, interface: eth0, packets_in: 1166, bytes_in: 38478, packets_out: 0, bytes_out: 0}
        prerequisites:
          description: Which options of its configuration the kernel has, V(present), V(missing) or V(null), with the
            basis.
          returned: with the subset prerequisites
          type: dict
          sample: {IP_MROUTE: {value: present, basis: exact}, IP_PIMSM_V2: {value: null, basis: unknown}}
        pim:
          description: What FRR tells of PIM and IGMP, as root. All are null where none answers.
          returned: with the subset pim
          type: dict
          sample:
            neighbors: [{interface: eth1, address: 10.2.0.2, dr_priority: 1, holdtime: 3}]
            interfaces:
              - interface: eth1
                address: 10.2.0.1
                state: up
                dr: 10.2.0.2
                dr_itself: false
                igmp_version: 3
                querier: 10.2.0.1
                querier_itself: true
            rps: [{address: 10.2.0.2, groups: 224.0.0.0/4, itself: false, interface: eth1}]
            rpf: [{source: 10.1.0.1, group: 239.1.1.1, interface: eth0, neighbor: null}]
            groups: [{interface: eth0, group: 239.1.1.1, version: 3, filter_mode: exclude}]
        counters:
          description: What the kernel counts of each protocol, by the kernel's own names, since the host or its network
            namespace has begun. A counter that it does not have is absent.
          returned: with the subset counters
          type: dict
          sample: {Udp: {InDatagrams: 7, RcvbufErrors: 0}, IpExt: {InMcastPkts: 9}, Udp6: {InDatagrams: 7}}
        kernel:
          description: The kernel's release and the host's name.
          returned: always
          type: dict
          sample: {release: 6.1.0-18-amd64, hostname: server}
        sources:
          description: What each part was read from, what of that the host does not have, and a remark or V(null).
          returned: always
          type: dict
          sample:
            limits: {read: [/proc/sys/net/ipv4/igmp_qrv], missing: [/proc/sys/net/ipv6/mld_qrv], note: null}
"""
