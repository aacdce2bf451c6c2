"""Prints which checks the steps of each scenario stand for: ``{scenario: [id]}``. It is a program of its own because
Ansible's loader of collections and pytest's do not get on with each other."""
from __future__ import annotations

import json

import scenarios
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager


def planned(scenario: str) -> list[str]:
    """The names of the checks that a scenario's steps stand for."""
    from ansible_collections.mcast.lab.plugins.plugin_utils.run import (
        inventory as settled,
    )
    from ansible_collections.mcast.lab.plugins.plugin_utils.run import (
        plan,
        steps,
    )  # once there is a loader
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(scenarios.INVENTORIES / scenario)])
    manager = VariableManager(loader=loader, inventory=inventory)
    hostvars, groups = HostVars(inventory, manager, loader), inventory.get_groups_dict()
    host = groups["all"][0]
    stated = Templar(loader, manager.get_vars(host=inventory.get_host(host))).template(hostvars[host]["mcast_steps"])
    streams = settled.streams_of(hostvars[host].get("mcast_streams"), groups, hostvars)
    read = steps.read(stated, settled.inventory_of(streams, hostvars[host].get("mcast_settled"), groups, hostvars))
    return [check["id"] for check in plan.expected(read.checks, groups["all"])]


if __name__ == "__main__":
    init_plugin_loader()
    print(json.dumps({name: planned(name) for name in scenarios.NAMES if "mcast_steps" in scenarios.variables(name)}))
