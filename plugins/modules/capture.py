#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: capture
short_description: Capture multicast packets of an interface on a host
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Runs C(tcpdump) under a name. It outlives the task, is found again, and is stopped with its counts.
  - It has started only once C(tcpdump) listens with its filter, so what is sent after the task is captured.
  - The file is bounded in size and time, and is in C(/run/mcast) unless O(file) says otherwise. Only O(state=absent)
    takes it away, so that it can be fetched after the stop.
requirements:
  - The program C(tcpdump) on the host.
extends_documentation_fragment:
  - mcast.lab.program
  - mcast.lab.attributes.full
options:
  state:
    description:
      - With V(started), the capture runs with exactly these options. One that has ended, or runs with others, is
        started anew, with an empty file.
      - With V(stopped), it has ended, and its file is there.
      - With V(absent), nothing of it is left but a file that O(file) named.
    type: str
    choices: [started, stopped, absent]
    default: started
  interface:
    description: Interface to capture on, by its name or by one of its addresses. Needed where O(state=started).
    type: str
  filter:
    description:
      - Which packets to take, in the language of pcap-filter(7).
      - Without it, IGMP, MLD (with and without the hop-by-hop header that C(icmp6) misses), PIM, and the datagrams of
        O(streams).
    type: str
  streams:
    description:
      - Streams whose datagrams the default filter takes too, each with C(group) and C(port). Other keys play no part,
        so that what P(mcast.lab.host_streams#filter) returns can be given.
    type: list
    elements: dict
    default: []
  promiscuous:
    description:
      - Take frames for others too.
      - The interface then receives groups that nobody joined, so that a receiver with a broken membership works for as
        long as the capture runs.
    type: bool
    default: false
  snap_length:
    description: How many bytes of each packet are kept, 68 to 262144.
    type: int
    default: 2048
  max_size:
    description: End once the file has so many bytes, 1024 or more. The last packet in it is whole.
    type: int
    default: 33554432
  file:
    description:
      - Path of the capture file. What was there before is replaced.
      - Without it, the file is in C(/run/mcast), in memory.
    type: path
seealso:
  - module: mcast.lab.capture_info
  - module: mcast.lab.check
"""

EXAMPLES = r"""
- name: Capture what the streams of this host do
  mcast.lab.capture:
    name: wire
    interface: eth0
    streams: [{group: 239.0.0.100, port: 11111}]

- name: Stop it
  mcast.lab.capture:
    name: wire
    state: stopped
  register: wire

- name: Fetch the file
  ansible.builtin.fetch:
    src: "{{ wire.file }}"
    dest: captures/

- name: Leave nothing
  mcast.lab.capture:
    name: wire
    state: absent
"""

RETURN = r"""
name:
  description: Name of the capture.
  returned: success
  type: str
  sample: wire
state:
  description: The state that was asked for.
  returned: success
  type: str
  sample: started
file:
  description: Path of the capture file on the host. Null where there is none.
  returned: success
  type: str
  sample: /run/mcast/4026532281/wire/capture.pcap
size:
  description: Size of the file in bytes; of one that is still written, at this moment.
  returned: success
  type: int
sha256:
  description: SHA-256 of the file in hexadecimal. Null while it is written, and where there is none.
  returned: success
  type: str
captured:
  description: How many packets C(tcpdump) took. Null until it has ended, and where it was killed.
  returned: success
  type: int
received:
  description: How many packets passed the filter, by the kernel's count.
  returned: success
  type: int
dropped:
  description: How many packets the kernel dropped because C(tcpdump) was too slow to take them.
  returned: success
  type: int
report:
  description:
    - What the program said last. Null where there was none, and in check mode where it would be the first.
    - All times are in seconds of Unix time.
  returned: success
  type: dict
  contains:
    program:
      description: The word C(capture).
      type: str
    state:
      description: One of C(starting), C(capturing), C(ended), C(failed).
      type: str
    pid:
      description: Its process ID; C(tcpdump) is a child of it.
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
    file:
      description: The capture file.
      type: str
    filter:
      description: The filter.
      type: str
    promiscuous:
      description: Whether it takes frames for others too.
      type: bool
    bytes:
      description: How many bytes were written.
      type: int
    captured:
      description: As RV(captured).
      type: int
    received:
      description: As RV(received).
      type: int
    dropped:
      description: As RV(dropped).
      type: int
    dropped_by_interface:
      description: How many packets the interface or its driver dropped; null where the kernel does not say.
      type: int
    ended:
      description: Null, or C(time) and C(reason), which is C(size), C(timeout), C(error), C(SIGTERM) or C(SIGINT).
      type: dict
    error:
      description: Null, or why it failed. A warning says it as well, when it is stopped.
      type: str
    exit:
      description:
        - Only with O(state=absent). How the process ended, C(code), C(signal) and C(time); null where that is not
          known.
      type: dict
"""

import hashlib
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import change, programs, unit


def outcome(name: str, report: dict[str, Any] | None) -> dict[str, Any]:
    """What is known of a capture's file, and whether it is complete."""
    found: dict[str, Any] = {key: report and report[key] for key in ("captured", "received", "dropped")}
    found.update(file=None, size=0, sha256=None)
    if not report:
        return found
    status = unit.status(name)
    ended = not (status and status["running"])
    if os.path.exists(report["file"]):
        found.update(file=report["file"], size=os.path.getsize(report["file"]))
        if ended:
            with open(report["file"], "rb") as file:
                found["sha256"] = hashlib.sha256(file.read()).hexdigest()
    silent = "it was killed, or found no room for its last report; its file holds what came before"
    return dict(found, error=report["error"] or (silent if ended and not report["ended"] else None))


def plan(params: dict[str, Any]) -> change.Planned:
    changes, result = programs.plan_one("capture", params)

    def report() -> dict[str, Any]:
        ran = result()
        found = outcome(params["name"], ran["report"])
        error = found.pop("error", None)
        warnings = [f"{params['name']}: {error}"] if error and params["state"] != "started" else []
        return {**ran, **found, "warnings": warnings}
    return changes, report


def main() -> None:
    change.run(AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "interface": {"type": "str"},
            "filter": {"type": "str"},
            "streams": {"type": "list", "elements": "dict", "default": []},
            "promiscuous": {"type": "bool", "default": False},
            "snap_length": {"type": "int", "default": 2048},
            "max_size": {"type": "int", "default": 33554432},
            "timeout": {"type": "float", "default": 3600},
            "file": {"type": "path"},
        },
        required_if=[("state", "started", ("interface",))],
        supports_check_mode=True,
    ), plan)


if __name__ == "__main__":
    main()
