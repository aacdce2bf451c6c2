#!/usr/bin/python
# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: act
short_description: Do all that a host does in one phase of a run
version_added: 0.1.0
author: The mcast.lab authors (!UNKNOWN)
description:
  - Does in one command what M(mcast.lab.interface), M(mcast.lab.firewall), M(mcast.lab.receiver), M(mcast.lab.sender),
    M(mcast.lab.capture) and M(mcast.lab.querier) do in one each, however many there are of them.
  - All is looked at before anything is changed. Interfaces come first, then the firewall, then programs.
requirements:
  - Linux, Python 3.8 or newer, and root on the host; C(nft) for the firewall, C(tcpdump) for captures.
attributes:
  diff_mode:
    description: Shows the settings of interfaces, what is open, and the programs' arguments, before and after.
extends_documentation_fragment:
  - mcast.lab.attributes.full
options:
  duties:
    description: All other options in one mapping, instead of them, such as a part of what M(mcast.lab.plan) returns as
      C(duties).
    type: dict
  interfaces:
    description: Interfaces by name, each a mapping of options of M(mcast.lab.interface).
    type: dict
    default: {}
  firewall:
    description: Options of M(mcast.lab.firewall). Without it the firewall stays as it is.
    type: dict
  started:
    description:
      - The programs that shall run, by name, in the order in which they are started; those of the same kind that follow
        each other are started at the same time. Each is a mapping of the kind of program, V(receiver), V(sender),
        V(capture) or V(querier), to its options.
      - The options are those of the modules, and all others of the program's command line (C(mcast.pyz receiver
        --help)), with C(_) in place of C(-), without C(help), C(report) and C(lines). A list is an option given several
        times, where the option takes that, and V(true) one without a value.
      - A capture takes C(streams) in place of C(filter), as M(mcast.lab.capture) does, and needs no C(file).
      - C(timeout) is 3600 seconds where it is not given.
      - One that runs with the same options stays as it is, and one that has ended is started anew. Where only
        C(sources) and C(filter_mode) of a receiver are others, it takes them in place, and leaves nothing meanwhile.
    type: dict
    default: {}
  stopped:
    description: Names of those of which nothing shall be left. They are stopped after others have been started.
    type: list
    elements: str
    default: []
  ended:
    description: Names of those that shall have ended, with their files left. They are ended after others have been
      started.
    type: list
    elements: str
    default: []
  killed:
    description: Names of those that shall have ended by SIGKILL, so that they can't leave groups themselves. They are
      killed last, with their files left.
    type: list
    elements: str
    default: []
seealso:
  - module: mcast.lab.interface
  - module: mcast.lab.firewall
  - module: mcast.lab.receiver
  - module: mcast.lab.sender
  - module: mcast.lab.capture
  - module: mcast.lab.querier
"""

EXAMPLES = r"""
- name: Take up an interface, capture and receive
  mcast.lab.act:
    interfaces:
      eth0: {state: up, multicast: true}
    started:
      wire: {capture: {interface: eth0, streams: [{group: 239.0.0.100, port: 11111}]}}
      news: {receiver: {group: [239.0.0.100, "ff15::100"], port: 11111, interface: eth0}}

- name: Stop receiving, and keep the capture
  mcast.lab.act:
    stopped: [news]
    ended: [wire]
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

from ..module_utils import act, change


def main() -> None:
    change.run(AnsibleModule(argument_spec=act.SPEC, supports_check_mode=True), act.plan)


if __name__ == "__main__":
    main()
