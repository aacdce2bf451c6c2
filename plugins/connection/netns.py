# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Run tasks in a named network namespace of this machine
version_added: 0.1.0
description:
  - Runs each command on the controller, in a network namespace as C(ip netns) keeps it. Files are those of the
    controller, except what C(ip netns exec) puts in place of them (C(/sys), and C(/etc/netns/NAME/*) over C(/etc)).
  - Needs root and iproute2.
author:
  - The mcast.lab authors (!UNKNOWN)
extends_documentation_fragment:
  - connection_pipelining
options:
  namespace:
    description:
      - Name of the network namespace.
      - The inventory plugin P(mcast.lab.topology#inventory) sets the variable for the hosts of a lab.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: mcast_netns
  become_success_timeout:
    description: Seconds to wait until another user has been become.
    type: int
    default: 10
    vars:
      - name: ansible_netns_become_success_timeout
  become_strip_preamble:
    description: Leave out what becoming another user prints before the command runs.
    type: bool
    default: true
    vars:
      - name: ansible_netns_become_strip_preamble
"""

import os
import shlex

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

from ..module_utils import netns


class Connection(LocalConnection):
    """The local connection, in another network namespace."""

    transport = "mcast.lab.netns"

    def _connect(self):
        name = self.get_option("namespace")
        if os.geteuid() != 0:
            raise AnsibleConnectionFailure("entering network namespace %s takes root: run Ansible as root" % name)
        if not os.path.exists(netns.path(name)):
            raise AnsibleConnectionFailure("there is no network namespace %s on this machine; "
                                           "mcast.lab.lab_up makes those of a lab" % name)
        return super()._connect()

    def exec_command(self, cmd, in_data=None, sudoable=True):
        self._connect()
        # The connection's contract is one command line for a shell: each word of ours is quoted.
        entered = ["ip", "netns", "exec", self.get_option("namespace"), "/bin/sh", "-c", cmd]
        return super().exec_command("exec " + shlex.join(entered), in_data=in_data, sudoable=sudoable)
