# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces with any name that the kernel takes (net/core/dev.c dev_valid_name: up to 15 bytes without space, / and :)
are gathered under it, set up, joined on and captured on. The oracle is `ip -j`."""
from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts
from verify_lab import LAB, TOPOLOGY, namespaces, playbook, results
from waiting import until

NAMES = ["veth-b@1", "a@b@c", "@x", "x@", "ünï", "e$(id)", "e;id", "e`id`", "e'x", 'e"x', "e\\x", "e*?", "e.100", "-e",
         "~e", "fifteen-bytes-1"]


@pytest.fixture(scope="module")
def host(ip, new_lab_name):
    """A namespace with a pair of cables for each name, an interface without a peer, and a member on each."""
    name = new_lab_name()
    ip("netns", "add", name)
    for number, interface in enumerate(NAMES):
        ip("-n", name, "link", "add", "name", interface, "type", "veth", "peer", "name", f"peer{number}")
        for end in (interface, f"peer{number}"):
            ip("-n", name, "link", "set", "dev", end, "up")
        ip("-n", name, "address", "add", f"10.77.{number}.1/24", "dev", interface)
    ip("-n", name, "link", "add", "name", "br@0", "type", "bridge")
    ip("-n", name, "link", "set", "dev", "br@0", "up")
    # With a carrier, each gets a link-local address and joins its solicited-node group, a moment later.
    until(lambda: sum(each.get("address", "").startswith("ff02::1:ff") for link in ip("-n", name, "maddress", "show")
                      for each in link["maddr"]) >= len(NAMES) * 2)
    yield name
    ip("netns", "delete", name)


def gathered(namespace):
    run = subprocess.run(["ip", "netns", "exec", namespace, "/bin/sh", "-s"], input=sources.script(),
                         capture_output=True, text=True, check=True)
    return facts(sources.split(run.stdout))


def test_facts_have_them_as_ip_does(host, ip):
    found = gathered(host)
    links = {link["ifname"]: link for link in ip("-n", host, "address", "show")}
    assert {name: link["index"] for name, link in found["interfaces"].items()} == {
        name: link["ifindex"] for name, link in links.items()}
    for name in [*NAMES, "br@0"]:
        have = {(each["address"], each["prefix"]) for each in found["interfaces"][name]["addresses"]}
        assert have == {(each["local"], each["prefixlen"]) for each in links[name]["addr_info"]}
    assert {"br@0"} == set(found["bridges"])
    groups = {link["ifname"]: {each["address"] for each in link["maddr"] if "address" in each}
              for link in ip("-n", host, "maddress", "show")}
    for name in NAMES:
        assert {row["group"] for row in found["memberships"] if row["interface"] == name} == groups[name]


@pytest.mark.parametrize("name", NAMES)
def test_modules_take_them(host, module, name):
    assert not module("interface", {"name": name, "mtu": 1400, "rp_filter": "loose"}, namespace=host).get("failed")
    for state in ("present", "absent"):
        route = {"destination": "239.7.0.0/16", "interface": name, "state": state}
        assert module("route", route, namespace=host)["changed"]
    started = module("receiver", {"name": "r", "group": "239.7.0.1", "port": 7, "interface": name}, namespace=host)
    captured = module("capture", {"name": "c", "interface": name}, namespace=host)
    try:
        assert started["report"]["state"] == "joined", started
        assert captured["report"]["state"] == "capturing", captured
        sockets = module("socket_info", {"group": "239.7.0.1"}, namespace=host)["sockets"]
        assert [each["interface"] for row in sockets for each in row["memberships"]] == [name]
    finally:
        module("receiver", {"name": "r", "state": "stopped"}, namespace=host)
        module("capture", {"name": "c", "state": "absent"}, namespace=host)


def test_a_run_in_a_lab_with_such_names(inventory):
    """All that follows from the name of an interface: units, captures, files of the bundle, the firewall."""
    folder = inventory()
    hosts = {"client": {"interfaces": {"e$(id)": {"segment": "lan"}}},
             "server": {"interfaces": {"x@'\"": {"segment": "lan"}}}}
    (folder / "topology.yml").write_text(yaml.safe_dump(dict(TOPOLOGY, hosts=hosts)))
    ran = playbook(folder, "verify")
    assert ran.returncode == 0, ran.stdout
    bundle, = (folder.parent / "results" / LAB).iterdir()
    files = sorted(json.loads((bundle / "messages.json").read_text()))
    assert files == ["client.e%24%28id%29.pcap", "server.x%40%27%22.pcap"]
    assert results(folder)["verdict"] == "pass" and LAB not in namespaces()
