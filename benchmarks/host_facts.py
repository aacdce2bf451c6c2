# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What gathering costs per host: mcast.lab.host_facts beside `command: ip -j maddr` (which reads far less).

Needs root, iproute2 and the Python of an environment with ansible-core and the collection. Makes 20 network
namespaces, each with interfaces, addresses and memberships, and removes them. A round runs each command once on all
hosts, the module with pipelining, its fastest way. What Ansible itself takes (`debug`, which connects to nothing) is
subtracted, and the middle of the rounds counts.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASE = ("ansible.builtin.debug", None)
TASKS = {
    "host_facts": ("mcast.lab.host_facts", None),
    "host_facts, memberships alone": ("mcast.lab.host_facts", "gather_subset=memberships"),
    "command: ip -j maddr": ("ansible.builtin.command", "ip -j maddr"),
}
GOAL = 0.25


def ip_batch(lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def make(names):
    ip_batch(f"netns add {name}" for name in names)
    for number, name in enumerate(names, 1):
        ip_batch([f"link add eth0 netns {name} type veth peer name eth1 netns {name}"])
        subprocess.run(["ip", "-n", name, "-batch", "-"], text=True, check=True, input="\n".join([
            "link set lo up", "link set eth0 up", "link set eth1 up", f"addr add 10.9.0.{number}/24 dev eth0",
            f"addr add fd00::{number:x}/64 dev eth0",
            *(f"addr add 239.0.0.{group}/32 dev eth0 autojoin" for group in range(1, 6))]) + "\n")


def run(inventory, names, task):
    """Returns (seconds, seconds of CPU) of one task on all hosts."""
    module, arguments = task
    command = [str(Path(sys.executable).with_name("ansible")), "-i", str(inventory), "-f", str(len(names)), "all",
               "-m", module, *(["-a", arguments] if arguments else [])]
    environment = dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal", ANSIBLE_PIPELINING="1")
    environment.pop("ANSIBLE_CONFIG", None)
    cpu, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    succeeded = ran.stdout.count(" | SUCCESS => ") + ran.stdout.count(" | CHANGED | rc=0 ")
    if ran.returncode or succeeded != len(names):
        sys.exit(f"{' '.join(command)} failed:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime


def measure(inventory, names, rounds):
    """Returns {title: (seconds, seconds of CPU)}, the medians over all rounds of what one host takes."""
    costs = {title: [] for title in TASKS}
    while rounds:
        rounds -= 1
        base = run(inventory, names, BASE)
        for title, task in TASKS.items():
            spent = run(inventory, names, task)
            costs[title].append([(mine - idle) / len(names) for mine, idle in zip(spent, base)])
    return {title: [statistics.median(column) for column in zip(*rows)] for title, rows in costs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("namespaces take root: run as root")
    names = [f"mct-{os.getpid()}-b{number}" for number in range(options.hosts)]
    try:
        make(names)
        with tempfile.TemporaryDirectory() as folder:
            inventory = Path(folder, "hosts.json")
            inventory.write_text(json.dumps({"all": {
                "hosts": {name: {"mcast_netns": name} for name in names},
                "vars": {"ansible_connection": "mcast.lab.netns", "ansible_python_interpreter": "/usr/bin/python3"}}}))
            costs = measure(inventory, names, options.rounds)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    heading = f"{options.hosts} hosts, per host"
    print(f"{heading:32} {'time':>14} {'CPU':>13}")
    for title, (wall, cpu) in costs.items():
        print(f"{title:32} {wall * 1e3:11.1f} ms {cpu * 1e3:10.1f} ms")
    ratio = costs["host_facts"][0] / costs["command: ip -j maddr"][0]
    print(f"goal: host_facts takes at most {GOAL:.2f} of the command's time")
    print(json.dumps({"host_facts_vs_command": round(ratio, 3)}))


if __name__ == "__main__":
    main()
