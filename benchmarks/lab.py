"""A lab of 100 hosts on one switch, up and down: the module `topology`, `ip -batch`, mininet.

Ours is measured twice: the module as Ansible runs it on a host, a Python process that starts, imports Ansible's part
and ours, settles the topology, compares it with what is there and applies the changes; and the work alone, without the
start of that process. `ip -batch` is given the same commands in as few processes as it can take (one for all namespaces
and cables, one within each namespace), without any reading or comparing. mininet makes the same hosts and a LinuxBridge
by its own Python interface, timed without the start of its process. Each figure is the median of 5 runs, in turn.

Needs root and iproute2; mininet (Debian's packages mininet and bridge-utils) is left out where it is missing.
"""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from ansible_collections.mcast.lab.plugins.module_utils.lab import build as lab
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology

HOSTS = 100
RUNS = 5
LAB = f"bench{os.getpid()}"
DOCUMENT = {
    "name": LAB,
    "segments": {"lan": {"ipv4": "10.0.0.0/16", "ipv6": "fd00::/64"}},
    "hosts": {f"h{number}": {"interfaces": {"eth0": {"segment": "lan"}}} for number in range(HOSTS)},
}
MODULE = "ansible_collections.mcast.lab.plugins.modules.topology"


class Module:
    name = "topology, whole process"

    def __init__(self, folder):
        self.up = self._arguments(folder / "up.json", DOCUMENT)
        self.down = self._arguments(folder / "down.json", {"name": LAB, "state": "absent"})

    @staticmethod
    def _arguments(path, arguments):
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        return [[sys.executable, "-m", MODULE, str(path)]]

    def time(self):
        return timed(self.up), timed(self.down)


class Work:
    name = "topology, its work"

    def time(self):
        begin = time.monotonic()
        lab.building(topology.settle(DOCUMENT, LAB)).apply()
        up = time.monotonic()
        lab.removal(LAB).apply()
        return up - begin, time.monotonic() - up


class IpBatch:
    name = "ip -batch"

    def __init__(self, folder):
        switch = LAB + "sw"
        names = [f"{LAB}h{number}" for number in range(HOSTS)]
        first = [f"netns add {name}" for name in [switch] + names]
        first += [f"link add p{number} netns {switch} type veth peer name eth0 netns {name}"
                  for number, name in enumerate(names)]
        inside = ["link add lan type bridge", "link set lan up", "link set lo up"]
        inside += [f"link set p{number} master lan up" for number in range(HOSTS)]
        self.up = [self._batch(folder / "all", first), self._batch(folder / "switch", inside, switch)]
        for number, name in enumerate(names, 1):
            upper, lower = divmod(number, 256)
            self.up.append(self._batch(folder / name, [
                "link set lo up", "link set eth0 up",
                f"address add 10.0.{upper}.{lower}/16 broadcast + dev eth0",
                f"address add fd00::{number:x}/64 dev eth0 nodad"], name))
        self.down = [self._batch(folder / "down", [f"netns delete {name}" for name in [switch] + names])]

    def time(self):
        return timed(self.up), timed(self.down)

    @staticmethod
    def _batch(path, lines, namespace=None):
        path.write_text("\n".join(lines) + "\n")
        return ["ip"] + (["-n", namespace] if namespace else []) + ["-batch", str(path)]


class Mininet:
    """Runs in one process that is timed from inside: its `stop` needs the objects of its `start`."""

    name = "mininet"
    program = f"""
import sys, time
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo
begin = time.monotonic()
net = Mininet(topo=SingleSwitchTopo({HOSTS}), switch=LinuxBridge, controller=None, waitConnected=False)
net.start()
up = time.monotonic()
net.stop()
print(up - begin, time.monotonic() - up)
"""

    def time(self):
        ran = subprocess.run(["/usr/bin/python3", "-c", self.program], capture_output=True, text=True, check=True)
        return tuple(float(word) for word in ran.stdout.split()[-2:])

    @staticmethod
    def missing():
        found = subprocess.run(["/usr/bin/python3", "-c", "import mininet.net"], capture_output=True, check=False)
        return found.returncode != 0 or not shutil.which("brctl")


def timed(commands):
    begin = time.monotonic()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def main():
    with tempfile.TemporaryDirectory() as folder:
        peers = [Work(), Module(pathlib.Path(folder)), IpBatch(pathlib.Path(folder))]
        if Mininet.missing():
            print("mininet is left out: it needs the packages mininet and bridge-utils")
        else:
            peers.append(Mininet())
        figures = {peer.name: [] for peer in peers}
        for _run in range(RUNS):
            for peer in peers:
                figures[peer.name].append(peer.time())
    print(f"{'':24} {'up':>8} {'down':>8}   (s, median of {RUNS}, {HOSTS} hosts)")
    medians = {}
    for name, runs in figures.items():
        up, down = medians[name] = [statistics.median(run[which] for run in runs) for which in (0, 1)]
        print(f"{name:24} {up:8.3f} {down:8.3f}")
    ratios = {}
    for ours, prefix in ((Work, ""), (Module, "process_")):
        for peer, short in ((IpBatch, "ip_batch"), (Mininet, "mininet")):
            for which, word in enumerate(("up", "down")):
                if peer.name in medians:
                    ratio = medians[ours.name][which] / medians[peer.name][which]
                    ratios[f"{prefix}{word}_vs_{short}"] = round(ratio, 2)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
