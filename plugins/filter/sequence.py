# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: sequence
short_description: Messages of a capture as one readable line each
version_added: 0.1.0
description:
  - Makes of each message one line with the number of its frame, the seconds since the first message, from where to
    where it went, its kind, what it says, and in brackets what is odd about it.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  _input:
    description:
      - The messages, that is, RV(mcast.lab.capture_info#module:messages), or the whole result of
        M(mcast.lab.capture_info), or the path of a capture file on the controller.
    type: raw
    required: true
seealso:
  - module: mcast.lab.capture_info
  - plugin: mcast.lab.messages
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what happened
  ansible.builtin.debug:
    msg: "{{ wire.messages | mcast.lab.sequence }}"

- name: Keep it beside the capture
  ansible.builtin.copy:
    content: "{{ 'results/capture.pcap' | mcast.lab.sequence | join('\n') }}\n"
    dest: results/sequence.txt
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - "    1     0.000000 10.0.0.3 > 224.0.0.22 igmpv3_report to_ex 239.0.0.100 {}"
    - "    2     0.612003 10.0.0.3 > 224.0.0.22 igmpv3_report to_ex 239.0.0.100 {}"
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ..module_utils.error import McastError
from ..module_utils.packet import sequence as packet_sequence
from ..module_utils.packet.load import messages_of


def sequence(value: Any) -> list[str]:
    try:
        return packet_sequence.lines(messages_of(value, Display().warning))
    except McastError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sequence": sequence}
