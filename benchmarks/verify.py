"""The playbook `mcast.lab.verify` for two hosts: wall time, and how much of it is waiting for the protocol.

Waiting is what the checks take, from the first look to the last decision of each phase: most of it is the window over
which an absence must hold. The peer is Ansible itself: a playbook of one task that does nothing, on the same inventory.
Each figure is the median of 5 runs, in turn. Needs root; every run builds the lab and takes it down.
"""
from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLAYBOOK = [os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i", str(ROOT / "inventories" / "two_hosts")]
RUNS = 5
NOTHING = """
- hosts: localhost
  gather_facts: false
  tasks: [{ansible.builtin.assert: {that: true}}]
"""


def timed(arguments, folder):
    begin = time.monotonic()
    subprocess.run(PLAYBOOK + arguments, check=True, stdout=subprocess.DEVNULL, cwd=folder,
                   env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")))
    return time.monotonic() - begin


def waiting(folder):
    """Seconds that the newest run of `folder` waited: the longest check of each phase and host, phases added up."""
    newest = max(pathlib.Path(folder).glob("results/*/*/results.json"), key=lambda path: path.stat().st_mtime)
    longest = {}
    for result in json.loads(newest.read_text())["results"]:
        longest[result["phase"]] = max(longest.get(result["phase"], 0), result["elapsed"])
    return sum(longest.values())


def main():
    walls, waits, floors = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        nothing = pathlib.Path(folder, "nothing.yml")
        nothing.write_text(NOTHING)
        for _run in range(RUNS):
            walls.append(timed(["mcast.lab.verify"], folder))
            waits.append(waiting(folder))
            floors.append(timed([str(nothing)], folder))
    wall, wait, floor = (statistics.median(figures) for figures in (walls, waits, floors))
    print("%-38s %6.2f s   (median of %d, %.2f to %.2f)" % ("mcast.lab.verify", wall, RUNS, min(walls), max(walls)))
    print("%-38s %6.2f s" % ("of it waiting for the protocol", wait))
    print("%-38s %6.2f s" % ("ansible-playbook with an empty task", floor))
    print(json.dumps({"verify_vs_empty_playbook": round(wall / floor, 1), "waiting_share": round(wait / wall, 2)}))


if __name__ == "__main__":
    main()
