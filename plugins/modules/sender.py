#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: sender
short_description: Send a multicast stream from a host
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Runs a program that sends plain UDP datagrams to a group, out of one interface, at a steady pace.
  - It outlives the task, is found again under its name, and is stopped with its last report.
  - It joins nothing.
  - Its files are in C(/run/mcast), from the start to the stop.
extends_documentation_fragment:
  - mcast.lab.program
  - mcast.lab.attributes.full
options:
  group:
    description: Group to send to, IPv4 or IPv6. Needed where O(state=started).
    type: str
  port:
    description: UDP port to send to, 1 to 65535. Needed where O(state=started).
    type: int
  interface:
    description:
      - Interface to send from, by its name or by one of its addresses. Needed where O(state=started).
      - Where it is an address, that is the datagrams' source as well.
    type: str
  source_port:
    description: UDP port to send from; V(0) leaves it to the kernel.
    type: int
    default: 0
  ttl:
    description: TTL or hop limit, 0 to 255. Routers forward from 2 on.
    type: int
    default: 1
  payload:
    description: Text of each datagram, sent as UTF-8 and nothing added, at most 65507 bytes.
    type: str
    default: HELLO
  count:
    description: How many datagrams to send; V(0) is without end.
    type: int
    default: 1
  interval:
    description: Time from one datagram to the next, in seconds.
    type: float
    default: 0.1
seealso:
  - module: mcast.lab.receiver
"""

EXAMPLES = r"""
- name: Send one datagram
  mcast.lab.sender:
    name: hello
    group: 239.0.0.100
    port: 11111
    interface: eth0

- name: Send ten datagrams a second across two routers, until it is stopped
  mcast.lab.sender:
    name: news
    group: ff35::8000:1
    port: 5000
    interface: 2001:db8::2
    ttl: 3
    count: 0
    interval: 0.1

- name: Stop it, and see what it sent
  mcast.lab.sender:
    name: news
    state: stopped
  register: news
"""

RETURN = r"""
name:
  description: Name of the program.
  returned: success
  type: str
  sample: hello
state:
  description: The state that was asked for.
  returned: success
  type: str
  sample: started
report:
  description:
    - What the program said last. Null where there was none, and in check mode where it would be the first.
    - All times are in seconds of Unix time.
  returned: success
  type: dict
  contains:
    program:
      description: The word C(sender).
      type: str
    state:
      description: One of C(starting), C(sending), C(ended), C(failed).
      type: str
    pid:
      description: Its process ID.
      type: int
    started:
      description: When it was started.
      type: float
    group:
      description: The group that it sends to.
      type: str
    port:
      description: The UDP port that it sends to.
      type: int
    interface:
      description: Name of the interface that it sends from.
      type: str
    index:
      description: Index of that interface.
      type: int
    source:
      description: The datagrams' source address.
      type: str
    source_port:
      description: The UDP port that it sends from.
      type: int
    ttl:
      description: The datagrams' TTL or hop limit.
      type: int
    datagrams:
      description: How many datagrams it sent.
      type: int
    bytes:
      description: The sum of their payloads, in bytes.
      type: int
    refused:
      description: How many datagrams the host's own firewall or a full queue took away, on their way out of the
        interface too. They count for O(count).
      type: int
    refusals:
      description: The same by the name of the error, C(EPERM) for a rule of the hooks output and postrouting,
        C(ENOBUFS) for a rule of the hook egress and for a full queue.
      type: dict
    first:
      description: When the first datagram was sent, or null.
      type: float
    last:
      description: When the last datagram was sent, or null.
      type: float
    ended:
      description:
        - Null, or C(time) and C(reason), which is C(count), C(timeout), C(error), C(SIGTERM) or C(SIGINT).
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

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, programs


def main() -> None:
    change.run(AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "group": {"type": "str"},
            "port": {"type": "int"},
            "interface": {"type": "str"},
            "source_port": {"type": "int", "default": 0},
            "ttl": {"type": "int", "default": 1},
            "payload": {"type": "str", "default": "HELLO"},
            "count": {"type": "int", "default": 1},
            "interval": {"type": "float", "default": 0.1},
            "timeout": {"type": "float", "default": 3600},
        },
        required_if=[("state", "started", ("group", "port", "interface"))],
        supports_check_mode=True,
    ), lambda params: programs.plan_one("sender", params))


if __name__ == "__main__":
    main()
