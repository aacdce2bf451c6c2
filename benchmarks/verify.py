# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scenarios again and again: do their verdicts differ, how long does each take, and how much of it is waiting?

    make bench-verify ARGS='two_hosts two_hosts_ssh --runs 20'

Waiting for the protocol is what the checks take, from the first look to the last decision of each phase: most of it are
the windows over which an absence must hold, and the timers of hosts and queriers. The peer is Ansible itself: a
playbook of one task that does nothing, on the same inventory, once per run. Needs root; every run builds the lab and
takes it down.
"""
from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTHING = """
- hosts: localhost
  gather_facts: false
  tasks: [{ansible.builtin.assert: {that: true}}]
"""


def timed(argv):
    """Returns (seconds, standard output)."""
    begin = time.monotonic()
    ran = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
                         env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"))
    return time.monotonic() - begin, ran.stdout


def result(output):
    """Of a run: ("pass", seconds that it waited: the longest check of each phase, added up), or (why there is no
    verdict, 0)."""
    last = output.strip().splitlines()[-1]
    if not last.startswith("verdict: "):
        return last, 0
    longest = {}
    for each in json.loads((ROOT / last.split(", ")[-1] / "results.json").read_text())["results"]:
        longest[each["phase"]] = max(longest.get(each["phase"], 0), each["elapsed"])
    return last.split(": ")[1].split(", ")[0], sum(longest.values())


def measure(scenario, runs, nothing):
    walls, waits, floors, verdicts = [], [], [], collections.Counter()
    for _run in range(runs):
        wall, output = timed(["scripts/scenario.sh", scenario])
        verdict, wait = result(output)
        verdicts[verdict] += 1
        if verdict != "pass":
            print(output, flush=True)
        walls.append(wall)
        waits.append(wait)
        floors.append(timed([os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i",
                             str(ROOT / "inventories" / scenario), nothing])[0])
    told = ", ".join("%d %s" % (count, verdict) for verdict, count in verdicts.items())
    print("%-14s %-10s wall %5.1f s (%.1f to %.1f), waiting %4.1f s, empty playbook %.1f s" % (
        scenario, told, statistics.median(walls), min(walls), max(walls), statistics.median(waits),
        statistics.median(floors)), flush=True)
    return {"verdicts": dict(verdicts), "vs_empty_playbook": round(statistics.median(walls) / statistics.median(
        floors), 1), "waiting_share": round(statistics.median(waits) / statistics.median(walls), 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("scenarios", nargs="*", default=["two_hosts"])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        nothing = pathlib.Path(folder, "nothing.yml")
        nothing.write_text(NOTHING)
        told = {scenario: measure(scenario, options.runs, str(nothing)) for scenario in options.scenarios}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
