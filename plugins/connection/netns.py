# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Run tasks in a named network namespace of this machine
version_added: 0.1.0
description:
  - Runs each command on the controller, in a network namespace as C(ip netns) keeps it. Files are those of the
    controller, except C(/sys), which shows the namespace, and what C(/etc/netns/NAME) has in place of C(/etc), as
    C(ip netns exec) does it.
  - Needs root.
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
    description: Timeout for privilege escalation, in seconds.
    type: int
    default: 10
    vars:
      - name: ansible_netns_become_success_timeout
  become_strip_preamble:
    description: Whether to leave out what privilege escalation prints before the command runs.
    type: bool
    default: true
    vars:
      - name: ansible_netns_become_strip_preamble
"""

import contextvars
import os
import threading
from concurrent.futures import Future

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

from ..module_utils.lab import netns


class Connection(LocalConnection):
    """The local connection, in another network namespace."""

    transport = "mcast.lab.netns"
    mounts = True  # whether commands see the /sys and /etc of the namespace; see netns.enter()

    def _connect(self) -> Connection:
        name = self.get_option("namespace")
        if os.geteuid() != 0:
            raise AnsibleConnectionFailure(f"entering network namespace {name} needs root: run Ansible as root")
        if not os.path.exists(netns.path(name)):
            raise AnsibleConnectionFailure(f"there is no network namespace {name} on this machine; mcast.lab.lab_up "
                                           "makes those of a lab")
        return super()._connect()

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """In a thread that is in the namespace, and ends then: one process less than `ip netns exec`."""
        self._connect()
        result: Future[tuple[int, bytes, bytes]] = Future()

        def run() -> None:
            try:
                self.enter()
                result.set_result(super(Connection, self).exec_command(cmd, in_data=in_data, sudoable=sudoable))
            except BaseException as error:
                result.set_exception(error)

        # A daemon: what ends the wait, such as the task's timeout, ends no more than that, as with any connection.
        # Ansible keeps the task that is run in a context, which a thread does not have by itself.
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        return result.result()

    def enter(self) -> None:
        """Take this thread into the namespace, from which it can't return."""
        name = self.get_option("namespace")
        try:
            netns.enter(name, self.mounts)
        except OSError as error:
            raise AnsibleConnectionFailure(f"network namespace {name} can't be entered: {error}") from None
