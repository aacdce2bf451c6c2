#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: receiver
short_description: Receive a multicast stream on a host
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Runs a program that joins a group on an interface, counts what arrives, and reports it flow by flow.
  - It outlives the task, is found again under its name, and is stopped with its last report.
  - It counts the datagrams of its own membership alone, never what other programs of the host joined.
  - Its files are in C(/run/mcast), from the start to the stop.
extends_documentation_fragment:
  - mcast.lab.program
  - mcast.lab.attributes.full
options:
  group:
    description: Group to join, IPv4 or IPv6, or a list of them. Needed where O(state=started).
    type: list
    elements: str
  port:
    description: UDP port, 1 to 65535. Needed where O(state=started).
    type: int
  interface:
    description: Interface to join on, by its name or by one of its addresses. Needed where O(state=started).
    type: str
  filter_mode:
    description:
      - Receive from O(sources) only (V(include)) or from all others (V(exclude)).
      - Without this option it is V(include) where there are sources, and V(exclude) where there are none.
      - A source-specific group (V(232.0.0.0/8) or V(ff3x::/32)) without sources is refused unless V(exclude) is
        given. Linux joins it then, and routers ignore it.
      - A receiver that runs takes another filter in place. It leaves nothing meanwhile, and goes on counting.
    type: str
    choices: [include, exclude]
  sources:
    description: Addresses of the source filter, of the group's family.
    type: list
    elements: str
    default: []
  count:
    description: End after so many datagrams; V(0) is never.
    type: int
    default: 0
seealso:
  - module: mcast.lab.sender
"""

EXAMPLES = r"""
- name: Receive what anybody sends to a group
  mcast.lab.receiver:
    name: hello
    group: 239.0.0.100
    port: 11111
    interface: eth0

- name: Receive from one source only
  mcast.lab.receiver:
    name: news
    group: ff35::8000:1
    port: 5000
    interface: eth0
    sources: ["2001:db8::2"]

- name: Receive from another source, without leaving the group
  mcast.lab.receiver:
    name: news
    group: ff35::8000:1
    port: 5000
    interface: eth0
    sources: ["2001:db8::3"]

- name: Stop it, and see what it got
  mcast.lab.receiver:
    name: hello
    state: stopped
  register: hello
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
      description: The word C(receiver).
      type: str
    state:
      description: One of C(starting), C(joined), C(ended), C(failed).
      type: str
    pid:
      description: Its process ID.
      type: int
    started:
      description: When it was started.
      type: float
    memberships:
      description:
        - What it joined, with C(group), C(port), C(interface), C(index) (of the interface), C(filter_mode), C(sources).
      type: list
      elements: dict
    changed:
      description: When it took another source filter in place, or null.
      type: float
    datagrams:
      description: How many datagrams it got.
      type: int
    bytes:
      description: The sum of their payloads, in bytes.
      type: int
    dropped:
      description: How many datagrams the kernel dropped because the program was too slow to take them.
      type: int
    flows:
      description:
        - At most 1000 entries, with C(source), C(source_port), C(group), C(port), C(interface), C(datagrams), C(bytes),
          C(first) and C(last) (times), and the C(ttl) and C(payload) of the first datagram.
        - The payload is text of at most 64 bytes, or hexadecimal where it is not printable.
      type: list
      elements: dict
    flows_left_out:
      description: How many flows are not listed, at most 100000; C(datagrams) and C(bytes) count them in.
      type: int
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
            "group": {"type": "list", "elements": "str"},
            "port": {"type": "int"},
            "interface": {"type": "str"},
            "filter_mode": {"type": "str", "choices": ["include", "exclude"]},
            "sources": {"type": "list", "elements": "str", "default": []},
            "count": {"type": "int", "default": 0},
            "timeout": {"type": "float", "default": 3600},
        },
        required_if=[("state", "started", ("group", "port", "interface"))],
        supports_check_mode=True,
    ), lambda params: programs.plan_one("receiver", params))


if __name__ == "__main__":
    main()
