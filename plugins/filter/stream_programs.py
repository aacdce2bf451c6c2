# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: stream_programs
short_description: The programs that send, receive or capture streams on a host
version_added: 0.1.0
description:
  - Returns what M(mcast.lab.act) needs to start the senders, receivers or captures of streams.
author:
  - The mcast.lab authors (!UNKNOWN)
positional: program, interfaces, max_size
options:
  _input:
    description: C(send) or C(receive) of what P(mcast.lab.host_streams#filter) returns; for captures both together.
    type: list
    elements: dict
    required: true
  program:
    description: Which program.
    type: str
    choices: [sender, receiver, capture]
    required: true
  interfaces:
    description: The interfaces of the captures.
    type: list
    elements: str
    default: []
  max_size:
    description: Bytes after which a capture ends. By default that of M(mcast.lab.capture).
    type: int
"""

EXAMPLES = r"""
- name: Receive all streams of this host
  mcast.lab.act:
    started: "{{ (mcast_streams | mcast.lab.host_streams(inventory_hostname, groups, hostvars)).receive |
      mcast.lab.stream_programs('receiver') }}"
"""

RETURN = r"""
_value:
  description:
    - The programs by name, which is C(sender-STREAM), C(receiver-STREAM) or C(capture-INTERFACE), each a mapping of the
      kind of program to its options.
    - Streams whose program is another than ours (C(foreign)) are left out.
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils import expect, stream
from ..module_utils.error import McastError


def stream_programs(streams: list[dict[str, Any]], program: str, interfaces: list[str] | None = None,
                    max_size: int | None = None) -> dict[str, dict[str, Any]]:
    try:
        expect.choice("program", program, ("sender", "receiver", "capture"))
        if program == "capture":
            return stream.captures(streams, interfaces or [], max_size)
        return stream.programs(streams, program)
    except McastError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stream_programs": stream_programs}
