#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: programs
short_description: Start and stop several receivers, senders, captures and queriers on a host
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Does in one task what M(mcast.lab.receiver), M(mcast.lab.sender), M(mcast.lab.capture) and M(mcast.lab.querier) do
    in one each, with programs under the same names.
requirements:
  - Linux, Python 3.8 or newer, and root on the host; C(tcpdump) for captures.
attributes:
  diff_mode:
    description: Shows the programs' arguments and whether they run, before and after.
extends_documentation_fragment:
  - mcast.lab.attributes.full
options:
  started:
    description:
      - The programs that shall run, by name, in the order in which they are started; those of the same kind that follow
        each other are started at the same time. Each is a mapping of the kind of program, V(receiver), V(sender),
        V(capture) or V(querier), to its options.
      - The options are those of the program's command line (C(mcast.pyz receiver --help)), with C(_) in place of C(-),
        without C(help), C(report) and C(lines). A list is an option given several times, where the option takes that,
        and V(true) one without a value.
      - A capture takes C(streams) in place of C(filter), as M(mcast.lab.capture) does, and needs no C(file).
      - C(timeout) is 3600 seconds where it is not given.
      - One that runs with the same options stays as it is, and one that has ended is started anew. Where only
        C(source) and C(filter_mode) of a receiver are others, it takes them in place, and leaves nothing meanwhile.
    type: dict
    default: {}
  stopped:
    description: Names of those of which nothing shall be left. They are stopped after others have been started.
    type: list
    elements: str
    default: []
seealso:
  - module: mcast.lab.receiver
  - module: mcast.lab.sender
  - module: mcast.lab.capture
  - module: mcast.lab.querier
"""

EXAMPLES = r"""
- name: Capture and receive
  mcast.lab.programs:
    started:
      wire: {capture: {interface: eth0}}
      news: {receiver: {group: [239.1.1.1, "ff15::1"], port: 5000, interface: eth0}}

- name: Stop both
  mcast.lab.programs:
    stopped: [news, wire]
"""

RETURN = r"""
reports:
  description:
    - What each of the named programs said last, by name; null where there was none. See
      RV(mcast.lab.receiver#module:report), RV(mcast.lab.sender#module:report) and the like.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mcast.lab.plugins.module_utils import change, programs


def main():
    change.run(AnsibleModule(
        argument_spec={
            "started": {"type": "dict", "default": {}},
            "stopped": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    ), lambda params: programs.plan(params["started"], params["stopped"]))


if __name__ == "__main__":
    main()
