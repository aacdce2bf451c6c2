# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive what must hold from the streams; documented in plugins/modules/plan.py."""
from __future__ import annotations

import os
import platform
from typing import Any

import yaml
from ansible import __version__ as ansible_version
from ansible.plugins.action import ActionBase

from ..module_utils.error import McastError
from ..module_utils.lab import lock as lab_lock
from ..module_utils.lab import netns, routing
from ..plugin_utils import origin, variables
from ..plugin_utils.run import duties, plan, running, steps
from ..plugin_utils.run import inventory as settled
from ..plugin_utils.run.bundle import Bundle, stamp
from ..plugin_utils.run.evidence_file import Unwritten, mode_option

_GALAXY = os.path.join(os.path.dirname(__file__), "..", "..", "galaxy.yml")
_MANIFEST = os.path.join(os.path.dirname(__file__), "..", "..", "MANIFEST.json")


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec={
            "hosts": {"type": "list", "elements": "str"},
            "results_dir": {"type": "path"},
            "bundle": {"type": "path"},
            "mode": {"type": "raw", "default": "0600"},
        })
        try:
            result.update(self._plan(args, task_vars))
        except Unwritten as error:
            # A run that can't even begin its evidence has a verdict too, for who looks for the line.
            result.update(failed=True, verdict="fail", thing=str(error.thing),
                          msg=f"verdict: fail, nothing was judged, evidence is incomplete: {error}")
        except McastError as error:
            place = _place(str(error.thing), task_vars)
            result.update(failed=True, msg=f"{place}: {error}" if place else str(error), thing=str(error.thing))
        return result

    def _plan(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if task_vars.get("mcast_topology_error"):
            path, unused, reason = task_vars["mcast_topology_error"].partition(": ")
            raise McastError(path, reason)
        groups = task_vars["groups"]
        # Each lookup in Ansible's own puts all variables of a host together anew.
        hostvars = {host: task_vars["hostvars"][host] for host in groups["all"]}
        if not groups["all"]:
            raise McastError("inventory", "holds no hosts; name one with -i, such as -i inventories/two_hosts")
        hosts = groups["all"] if args["hosts"] is None else args["hosts"]
        variables.check(hostvars, hosts)
        streams = settled.streams_of(self._templar.template(task_vars.get("mcast_streams")), groups, hostvars)
        topology = task_vars.get("mcast_settled")
        inventory = settled.inventory_of(streams, topology, groups, hostvars)
        scenario = steps.read(self._templar.template(task_vars.get("mcast_steps") or []), inventory)
        if not hosts:
            raise McastError("hosts", "match none of the inventory's; correct mcast_hosts, or leave it out")
        # Those that the steps start and stop are judged by what the steps expect.
        running_streams = [each for each in streams if each["name"] not in scenario.streams]
        running.check(running_streams, hosts, inventory)
        if topology:
            routing.check_streams(topology, running_streams)
        known = {host: settled.host_of(host, hostvars[host], topology) for host in hosts}
        planned = plan.derive(running_streams, known)
        planned += [check for check in plan.queriers(
            running_streams, lambda *place: settled.snooping_bridge_of(hostvars, *place),
            lambda segment: settled.query_interval_of(hostvars, segment)) if check["host"] in known]
        planned = plan.ordered(planned + plan.expected(scenario.checks, hosts))
        plan.finish_checksums(planned, lambda host: settled.is_on_our_cables(topology, host))
        names = [*(steps.PHASES if running_streams else ()), *scenario.names]
        own = {host: duties.of_host(host, hostvars[host], running_streams, streams, scenario, known[host].is_ours)
               for host in hosts}
        devices = [host for host in hosts if known[host].is_device]
        set_up = [host for host in hosts if own[host]["interfaces"] or known[host].is_device or not (
            topology and known[host].is_ours and topology["connection"] == "netns")]
        result: dict[str, Any] = {
            "changed": False, "bundle": None, "moves": duties.moves(names, own), "duties": own,
            "groups": {"mcast_devices": devices, "mcast_setup": set_up}}
        if not (args["results_dir"] or args["bundle"]):
            result["checks"] = planned
        else:
            if not planned:
                raise McastError("mcast_streams", "is not set; state the streams in the topology file or in "
                                 "group_vars, such as hello: {group: 239.0.0.100, port: 11111, from: client, "
                                 "to: [server]}")
            marks = plan.marks(planned, hosts, names)
            result["bundle"] = self._open(args, topology, hostvars[hosts[0]].get(
                "inventory_dir"), streams, planned, marks)
        return result

    def _open(self, args: dict[str, Any], topology: dict[str, Any] | None, inventory_dir: str | None,
              streams: list[dict[str, Any]], planned: list[dict[str, Any]], marks: list[dict[str, str]]) -> str:
        lab = topology["name"] if topology else os.path.basename(inventory_dir or "") or "hosts"
        parent, mode = os.path.abspath(os.path.join(args["results_dir"] or "", lab)), mode_option(args["mode"])
        manifest = {
            "lab": lab, "topology": topology, "streams": streams, "kernel": platform.release(),
            "versions": {"mcast.lab": _version(), "ansible-core": ansible_version, "python": platform.python_version()},
        }
        if self._task.check_mode:
            return os.path.abspath(args["bundle"] or os.path.join(parent, stamp()))
        if topology:
            # The process of the playbook: a task runs in one of its own.
            lab_lock.acquire(lab, os.getppid(), stands=lab in netns.names())
        try:
            if args["bundle"]:
                return Bundle.open(os.path.abspath(args["bundle"]), planned, marks, manifest, mode).path
            return Bundle.new(parent, planned, marks, manifest, mode).path
        except McastError:
            if topology:
                lab_lock.release(lab, os.getppid())
            raise


def _place(thing: str, task_vars: dict[str, Any]) -> str:
    """Where what is wrong stands in a file, if it is one of the streams or steps."""
    for name, variable in (("streams", "mcast_streams"), ("mcast_steps", "mcast_steps")):
        if thing.startswith(name):
            return origin.place_of(task_vars.get(variable), thing[len(name):])
    return ""


def _version() -> str | None:
    """The collection's own version: an installed one has a manifest, a checkout the file it is built from."""
    for path in (_MANIFEST, _GALAXY):
        try:
            with open(path, encoding="utf-8") as file:
                content = yaml.safe_load(file)
        except OSError:
            continue
        return content.get("collection_info", content)["version"]
    return None
