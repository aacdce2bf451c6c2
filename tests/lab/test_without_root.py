# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module says to a user who may not do what it is asked for: what that is, and the remedy."""
from __future__ import annotations

import os
import shutil

import pytest
from verify_lab import ROOT

REMEDY = "run this as root, with become: true"
LAB = {"name": "mct-none", "segments": {"lan": {"ipv4": "10.3.0.0/24"}},
       "hosts": {"a": {"interfaces": {"eth0": {"segment": "lan"}}}}}
STREAM = {"group": "239.0.0.1", "port": 5000, "interface": "eth0"}
# (module, options, what the message names)
REFUSED = [
    ("interface", {"name": "eth0", "state": "down"}, "eth0"),
    ("interface", {"name": "eth0", "mtu": 1400}, "eth0"),
    ("interface", {"name": "eth0", "allmulti": True}, "eth0"),
    ("interface", {"name": "eth0", "addresses": ["10.9.9.9/24"]}, "eth0"),
    ("interface", {"name": "eth0", "rp_filter": "strict"}, "eth0/rp_filter"),
    ("interface", {"name": "eth0", "igmp_version": 2}, "eth0/force_igmp_version"),
    ("route", {"destination": "224.0.0.0/4", "interface": "eth0"}, "224.0.0.0/4"),
    ("route", {"destination": "ff00::/8", "interface": "eth0", "metric": 5}, "ff00::/8"),
    ("bridge", {"name": "br0", "snooping": False}, "br0"),
    ("bridge", {"name": "br0", "querier": True, "query_interval": 10}, "br0"),
    ("topology", LAB, "namespaces mct-none"),
    ("forwarding", {"ipv4": True, "ipv6": True}, "forwarding"),
    ("firewall", {"ports": [{"port": 5000, "group": "239.0.0.1"}]}, "nft"),
    ("receiver", dict(STREAM, name="r"), "/run/mcast"),
    ("sender", dict(STREAM, name="s"), "/run/mcast"),
    ("capture", {"name": "c", "interface": "eth0"}, "/run/mcast"),
    ("querier", {"name": "q", "interface": "eth0"}, "/run/mcast"),
    ("act", {"started": {"r": {"receiver": STREAM}}}, "/run/mcast"),
    ("router", {"backend": "frr", "interfaces": ["eth0"], "daemons": str(ROOT / ".cache" / "daemons")}, "/run/mcast"),
    ("socket_info", {}, "sockets"),
    ("lab_info", {}, "network namespace"),
]


@pytest.fixture(scope="module")
def results(ip, new_lab_name, tmp_path_factory, play):
    """What each of them returned to the user nobody in a namespace, in the order of REFUSED; and in check mode."""
    name, folder = new_lab_name(), tmp_path_factory.mktemp("nobody")
    ip("netns", "add", name)
    ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    ip("-n", name, "link", "add", "br0", "type", "bridge")
    ip("-n", name, "link", "set", "eth1", "master", "br0")
    ip("-n", name, "address", "add", "10.9.9.1/24", "dev", "eth0")
    for link in ("eth0", "eth1", "br0"):
        ip("-n", name, "link", "set", link, "up")
    inventory = folder / "hosts.ini"
    inventory.write_text(f"host ansible_connection=mcast.lab.netns mcast_netns={name} "
                         "ansible_python_interpreter=/usr/bin/python3\n")
    become = {"become": True, "become_user": "nobody", "become_method": "su",
              "vars": {"ansible_become_flags": "-s /bin/sh", "ansible_remote_tmp": f"/tmp/.{name}"}}
    tasks = [dict(become, **{f"mcast.lab.{module}": options}) for module, options, _thing in REFUSED]
    yield play(folder, inventory, tasks, ANSIBLE_PIPELINING="True")["host"]
    assert not [each for each in os.listdir("/run/netns") if each.startswith(LAB["name"])]
    ip("netns", "delete", name)
    shutil.rmtree(f"/tmp/.{name}", ignore_errors=True)


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=lambda number: f"{number} {REFUSED[number][0]}")
def test_a_user_without_rights_learns_what_and_how(results, number):
    thing, result = REFUSED[number][2], results[number]
    assert result.get("failed"), result
    assert thing in result["msg"] and REMEDY in result["msg"], result["msg"]
    assert "Traceback" not in str(result) and not result.get("made") and not result.get("changed")
