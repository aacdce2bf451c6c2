# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: host_streams
short_description: What one host is to send and receive
version_added: 0.1.0
description:
  - Tells from the streams of the whole inventory what one host has to do.
author:
  - The mcast.lab authors (!UNKNOWN)
positional: host, groups, hostvars
extends_documentation_fragment:
  - mcast.lab.streams
"""

EXAMPLES = r"""
- name: Which interfaces do the streams of this host use?
  ansible.builtin.debug:
    msg: "{{ (mcast_streams | mcast.lab.host_streams(inventory_hostname, groups, hostvars)).interfaces }}"
"""

RETURN = r"""
_value:
  description:
    - C(send) and C(receive), lists of the streams that the host takes part in, each with C(name), C(group), C(port),
      C(interface), C(filter_mode), C(sources), C(ttl), C(count), C(interval) (seconds), C(payload)
      and C(foreign) (whether the program is another than ours, and so neither started nor stopped).
    - C(open), a list of each C(group) and C(port) that the host receives, as M(mcast.lab.firewall) takes it.
    - C(interfaces), the names of the interfaces that they use.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils import stream
from ..module_utils.error import McastError
from ..plugin_utils.run import inventory as settled


def host_streams(streams: Any, host: str, groups: Mapping[str, list[str]], hostvars: Mapping[str, Any]
                 ) -> dict[str, Any]:
    try:
        return stream.of_host(settled.streams_of(streams, groups, hostvars), host)
    except McastError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"host_streams": host_streams}
