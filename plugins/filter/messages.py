# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: messages
short_description: Multicast messages of a capture, or the wanted ones among them
version_added: 0.1.0
description:
  - Reads the messages of a capture file on the controller, or picks some of those that M(mcast.lab.capture_info)
    returned.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  _input:
    description:
      - The path of a capture file on the controller, the result of M(mcast.lab.capture_info), or a list of messages.
    type: raw
    required: true
  kinds:
    description: Kinds of messages, or protocols, as for M(mcast.lab.capture_info). By default all.
    type: list
    elements: str
  group:
    description: Only messages that speak of this group.
    type: str
  interface:
    description: Only messages captured on this interface.
    type: str
  since:
    description: Only messages from this time on, in seconds since the epoch.
    type: str
  until:
    description: Only messages up to and with this time, in seconds since the epoch.
    type: str
  limit:
    description: The most messages that are returned.
    type: int
    default: 5000
  payload:
    description: Read datagrams from a file one by one too, with their payload.
    type: bool
    default: false
seealso:
  - module: mcast.lab.capture_info
  - plugin: mcast.lab.sequence
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who joined the group?
  ansible.builtin.debug:
    msg: >-
      {{ wire | mcast.lab.messages(kinds=['igmpv3_report'], group='239.0.0.100') | map(attribute='source') | unique }}

- name: The datagrams in a file on the controller
  ansible.builtin.debug:
    msg: "{{ 'results/capture.pcap' | mcast.lab.messages(kinds=['udp'], payload=true) }}"
"""

RETURN = r"""
_value:
  description: The messages, as in RV(mcast.lab.capture_info#module:messages).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ..module_utils.error import McastError
from ..module_utils.packet.load import messages_of


def messages(value: Any, kinds: list[str] | None = None, group: str | None = None, interface: str | None = None,
             since: str | float | None = None, until: str | float | None = None, limit: int = 5000,
             payload: bool = False) -> list[dict[str, Any]]:
    try:
        return messages_of(value, Display().warning, kinds=kinds, group=group, interface=interface, since=since,
                           until=until, limit=limit, payload=payload)
    except McastError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"messages": messages}
