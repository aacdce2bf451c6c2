# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: The hosts and streams of a lab, from one file
version_added: 0.1.0
description:
  - Reads a file called C(topology.yml) or C(topology.yaml), or ending in C(.topology.yml), that describes a lab of
    network namespaces. Its hosts are reached over P(mcast.lab.netns#connection), or over SSH.
  - Sets for all hosts C(mcast_settled) (the topology with every address and kernel name settled, which the
    playbook C(mcast.lab.lab_up) builds), C(mcast_streams) (which streams shall flow) and C(mcast_steps) (what happens
    meanwhile), and for each host C(mcast_interfaces) and C(mcast_netns).
  - Where the file is wrong, Ansible would go on with an empty inventory. So the message is handed on in
    C(mcast_topology_error), and the playbooks of this collection end with it before anything is changed.
author:
  - The mcast.lab authors (!UNKNOWN)
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    required: true
    choices: [mcast.lab.topology]
  name:
    description: Name of the lab, at most 64 letters, digits, C(_) and C(-). Default is the name of the file's folder.
    type: str
  connection:
    description:
      - How the hosts are reached. With V(ssh) it is P(ansible.builtin.ssh#connection), to an sshd of each namespace
        with a host key of its own, as root. C(ansible_user) may be any other user of this machine who may use sudo.
    type: str
    choices: [netns, ssh]
    default: netns
  segments:
    description:
      - Segments by name, each with its C(ipv4) and C(ipv6) network, or one of them, or none.
      - With C(switch), options of M(mcast.lab.bridge), the bridge of the segment is set up by the role
        P(mcast.lab.switch#role). The inventory has a host C(switch) then, in the group C(switches).
    type: dict
    required: true
  hosts:
    description:
      - Hosts by name, each with C(interfaces) by name, each with its C(segment) and, optionally, C(ipv4) and C(ipv6)
        address. Addresses that are not given are drawn from the segment, in the order of the file.
      - With C(mac), an interface has this MAC, and so a known link-local address.
      - With C(count), a number or a template over the extra variables, it is that many hosts, as C(m01) to C(m20).
      - C(router) and C(querier) become the host's variables C(mcast_router) and C(mcast_querier), and put it in the
        groups C(routers) and C(queriers).
    type: dict
    required: true
  streams:
    description:
      - Streams by name. See the playbook's documentation for C(mcast_streams), which this becomes.
      - Each has C(group) (one, or a list of one of each family), C(port), C(from) and C(to) (a host, a group of hosts,
        a list of them, or a mapping of a host to its interface), and optionally C(sources) and C(filter_mode)
        (V(include) or V(exclude)), C(count) and C(interval) (seconds) of the datagrams, C(payload), C(ttl). With
        C(soak), such as V(5m), in place of C(count) the stream lasts so long.
    type: dict
  steps:
    description:
      - What happens, one step after another, and what must hold after each. See the playbook's documentation for
        C(mcast_steps), which this becomes; steps with templates stand in C(group_vars).
    type: list
    elements: dict
"""

EXAMPLES = r"""
# inventories/two_hosts/topology.yml
plugin: mcast.lab.topology
segments:
  lan: {ipv4: 192.168.122.0/24}
hosts:
  client: {interfaces: {eth0: {segment: lan, ipv4: 192.168.122.181}}}
  server: {interfaces: {eth0: {segment: lan, ipv4: 192.168.122.225}}}
streams:
  hello: {group: 239.0.0.100, port: 11111, from: client, to: [server]}
"""

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import connection_loader, shell_loader
from ansible.template import trust_as_template
from ansible.utils.vars import load_extra_vars

from ..module_utils import stream
from ..module_utils.error import McastError
from ..module_utils.lab import ssh, topology
from ..plugin_utils.origin import place_of

# Tasks run on this very machine, with the Python that every Debian and Red Hat has there; discovery may find a shim.
INTERPRETER = "/usr/bin/python3"


class InventoryModule(BaseInventoryPlugin):
    NAME = "mcast.lab.topology"

    def verify_file(self, path: str) -> bool:
        name = os.path.basename(path)
        return super().verify_file(path) and (
            name in ("topology.yml", "topology.yaml") or name.endswith((".topology.yml", ".topology.yaml")))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        document = None
        try:
            before = inventory.groups["all"].vars.get("mcast_settled")
            if before:
                raise McastError("name", f"an inventory holds one lab, and this one holds {before['name']} already; "
                                         "leave one of the two out")
            document = self._read(path)
            self._number(document)
            settled = topology.settle(document, os.path.basename(os.path.dirname(os.path.abspath(path))))
            if document.get("streams") is not None:
                stream.check(document["streams"])
        except (McastError, AnsibleError) as error:
            place = place_of(document, str(error.thing)) if isinstance(error, McastError) else place_of(error.obj)
            message = f"{place or path}: {getattr(error, 'message', error)}"
            self.display.error(message)
            inventory.set_variable("all", "mcast_topology_error", message)
            return
        self._fill(document, settled)
        # Here Ansible reads their documentation once; else each task of each host would.
        connection_loader.get("mcast.lab.netns", class_only=True)
        shell_loader.get("ansible.builtin.sh", class_only=True)

    def _read(self, path: str) -> Any:
        """The file as Ansible reads YAML: each value knows its place."""
        document = self.loader.load_from_file(path, cache="none")
        if isinstance(document, dict) and document.get("plugin") != InventoryModule.NAME:
            raise McastError("plugin", f"expected {InventoryModule.NAME}, not {document.get('plugin')!r}")
        return document

    def _number(self, document: Any) -> None:
        """Replace hosts with a count by as many hosts. How many, a variable of the command line may say."""
        if not isinstance(document, dict) or not isinstance(document.get("hosts"), dict):
            return
        self.templar.available_variables = load_extra_vars(self.loader)
        for name, body in document["hosts"].items():
            if isinstance(body, dict) and isinstance(body.get("count"), str):
                try:
                    body["count"] = int(self.templar.template(trust_as_template(body["count"])))
                except (AnsibleError, ValueError, TypeError) as error:
                    raise McastError(f"hosts.{name}.count", f"expected a number: {error}") from None
        document["hosts"] = topology.numbered(document["hosts"])

    def _fill(self, document: dict[str, Any], settled: dict[str, Any]) -> None:
        inventory = self.inventory
        inventory.set_variable("all", "mcast_settled", settled)
        for key in ("streams", "steps"):
            if document.get(key) is not None:
                inventory.set_variable("all", f"mcast_{key}", document[key])
        for name, host in settled["hosts"].items():
            inventory.add_host(name)
            variables = {"ansible_connection": "mcast.lab.netns", "ansible_python_interpreter": INTERPRETER,
                         "mcast_netns": host["namespace"], "mcast_interfaces": host["interfaces"]}
            if settled["connection"] == "ssh":
                variables.update(ansible_connection="ansible.builtin.ssh", ansible_host=host["namespace"],
                                 ansible_ssh_common_args=ssh.client_arguments(settled["name"]))
            for role in topology.ROLES:
                if host[role] is not None:
                    variables[f"mcast_{role}"] = host[role]
                    inventory.add_child(inventory.add_group(f"{role}s"), name)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)
        self._add_switch(settled)

    def _add_switch(self, settled: dict[str, Any]) -> None:
        """One more host where bridges have settings: the namespace that holds them all."""
        bridges = {body["bridge"]: body["switch"] for body in settled["segments"].values()
                   if body["switch"] is not None}
        if not bridges:
            return
        self.inventory.add_host(topology.SWITCH, group=self.inventory.add_group("switches"))
        variables = {"ansible_connection": "mcast.lab.netns", "ansible_python_interpreter": INTERPRETER,
                     "mcast_netns": settled["name"], "mcast_bridges": bridges}
        for key, value in variables.items():
            self.inventory.set_variable(topology.SWITCH, key, value)
