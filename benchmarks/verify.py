# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scenarios again and again: do their verdicts differ, how long does each take, and how much of it is waiting?

    make bench-verify ARGS='two_hosts two_hosts_ssh --runs 20'
    make bench-verify ARGS='streams=100 streams=500 receivers=40 --runs 3'

streams=N is a lab of two hosts with N streams between them, receivers=N one of a sender and N receivers of one stream
of each family, receivers_ssh=N the same over SSH; half of the streams are IPv4 and half IPv6, each of one datagram.

    make bench-verify ARGS='lab=1000'

builds a lab of so many hosts, each in a stream, and takes it down: its peer is a lab of two hosts, in the same run, and
memory is the largest sum of what the processes of Ansible hold for themselves (PSS).

Waiting for the protocol is what the checks take, from the first look to the last decision of each phase: most of it are
the windows over which an absence must hold, and the timers of hosts and queriers. The peer is Ansible itself: a
playbook of one task that does nothing, on the same inventory, once per run. Needs root; every run builds the lab and
takes it down.
"""
from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTHING = """
- hosts: localhost
  gather_facts: false
  tasks: [{ansible.builtin.assert: {that: true}}]
"""


def streams(number: int) -> dict[str, Any]:
    """A topology of two hosts with so many streams."""
    groups = [f"239.20.{each // 200}.{each % 200 + 1}" if each % 2 else f"ff15::20:{each + 1:x}"
              for each in range(number)]
    return {"hosts": dict.fromkeys(("client", "server"), EDGE), "streams": {
        f"s{each}": {"group": group, "port": 20000 + each, "from": "client", "to": "server", "count": 1}
        for each, group in enumerate(groups)}}


def receivers(number: int) -> dict[str, Any]:
    """A topology of a sender and so many receivers of one stream, of each family."""
    hosts = [f"r{each}" for each in range(number)]
    stream = {"port": 20000, "from": "client", "to": hosts, "count": 1}
    return {"hosts": dict.fromkeys(("client", *hosts), EDGE), "streams": {
        "news": {"group": "239.20.0.1", **stream}, "news6": {"group": "ff15::20:1", **stream}}}


def receivers_ssh(number: int) -> dict[str, Any]:
    """The same, each host reached over SSH."""
    return {"connection": "ssh", **receivers(number)}


def lab(number: int) -> dict[str, Any]:
    """A topology of a sender and so many hosts less one, all receivers of one stream."""
    return {"hosts": {"client": EDGE, **{f"m{each}": EDGE for each in range(1, number)}}, "streams": {
        "news": {"group": "239.20.0.1", "port": 20000, "from": "client", "count": 1, "to": [
            f"m{each}" for each in range(1, number)]}}}


EDGE = {"interfaces": {"eth0": {"segment": "lan"}}}
SHAPES = {"streams": streams, "receivers": receivers, "receivers_ssh": receivers_ssh, "lab": lab}


def inventory(case: str, folder: pathlib.Path) -> str:
    """The inventory of a case: that of a scenario by its name, or a new one of such a shape."""
    shape, unused, number = case.partition("=")
    if shape not in SHAPES:
        return str(ROOT / "inventories" / case)
    topology = {"plugin": "mcast.lab.topology", "segments": {"lan": {"ipv4": "10.20.0.0/16", "ipv6": "fd00:20::/64"}},
                **SHAPES[shape](int(number))}
    made = folder / f"{shape}{number}"
    (made / "group_vars").mkdir(parents=True)
    (made / "topology.yml").write_text(json.dumps(topology))
    (made / "group_vars" / "all.yml").write_text(json.dumps({"mcast_firewall": True, "mcast_firewall_closed": True}))
    return str(made)


def timed(argv: list[str]) -> tuple[float, str]:
    """Returns (seconds, standard output)."""
    begin = time.monotonic()
    ran = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
                         env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"))
    return time.monotonic() - begin, ran.stdout


def result(output: str) -> tuple[str, float]:
    """Of a run: ("pass", seconds that it waited: the longest check of each phase, added up), or (why there is no
    verdict, 0)."""
    last = output.strip().splitlines()[-1]
    if not last.startswith("verdict: "):
        return last, 0
    longest = {}
    for each in json.loads((ROOT / last.split(", ")[-1] / "results.json").read_text())["results"]:
        longest[each["phase"]] = max(longest.get(each["phase"], 0), each["elapsed"])
    return last.split(": ")[1].split(", ")[0], sum(longest.values())


def measure(case: str, runs: int, folder: pathlib.Path) -> dict[str, Any]:
    """folder: where an inventory may be made, and an empty playbook is."""
    walls, waits, floors, verdicts = [], [], [], collections.Counter()
    where = inventory(case, folder)
    for _run in range(runs):
        wall, output = timed(["scripts/scenario.sh", where])
        verdict, wait = result(output)
        verdicts[verdict] += 1
        if verdict != "pass":
            print(output, flush=True)
        walls.append(wall)
        waits.append(wait)
        floors.append(timed([os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i",
                             where, str(folder / "nothing.yml")])[0])
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    print(f"{case:14} {counted:10} wall {statistics.median(walls):5.1f} s ({min(walls):.1f} to {max(walls):.1f}), "
          f"waiting {statistics.median(waits):4.1f} s, empty playbook {statistics.median(floors):.2f} s", flush=True)
    return {"verdicts": dict(verdicts), "vs_empty_playbook": round(statistics.median(walls) / statistics.median(
        floors), 1), "waiting_share": round(statistics.median(waits) / statistics.median(walls), 2)}


def memory_of(words: str) -> int:
    """Bytes that all processes with these words in their command line hold: proportional set size (proc(5))."""
    total = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words in (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                text = (folder / "smaps_rollup").read_text()
                total += int(text.partition("\nPss:")[2].split()[0]) << 10
    return total


def measure_lab(number: int, runs: int, folder: pathlib.Path) -> dict[str, Any]:
    """lab_up of so many hosts and of two, by turns."""
    walls: dict[int, list[float]] = {2: [], number: []}
    most = 0
    inventories = {size: inventory(f"lab={size}", folder) for size in walls}
    for size in [2, number] * runs:
        where = inventories[size]
        playbook = [os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i", where]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            up = pool.submit(timed, [*playbook, "mcast.lab.lab_up"])
            while not concurrent.futures.wait([up], 0.5).done:
                most = max(most, memory_of(f"{where} mcast.lab.lab_up"))
        walls[size].append(up.result()[0])
        timed([*playbook, "mcast.lab.lab_down"])
    small, large = (statistics.median(walls[size]) for size in (2, number))
    print(f"lab={number:<10} lab_up {large:.1f} s, of two hosts {small:.2f} s, memory {most >> 20} MiB", flush=True)
    return {"vs_two_hosts": round(large / small, 1), "pss_mib": most >> 20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("cases", nargs="*", default=["two_hosts"])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "nothing.yml").write_text(NOTHING)
        measured = {case: measure_lab(int(case[4:]), options.runs, pathlib.Path(folder)) if case.startswith("lab=") else
                    measure(case, options.runs, pathlib.Path(folder)) for case in options.cases}
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
