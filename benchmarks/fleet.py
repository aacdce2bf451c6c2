# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What asking a fleet costs: mcast.lab.fleet_info beside what one would write by hand.

Needs root, openssh, and the Python of an environment with ansible-core, paramiko and the collection. Makes labs of
hosts, each with an sshd and a key of its own, and removes them. Each round runs all contenders in turn, from cold; the
middle of the rounds counts. The hosts run on this machine too, and most of the time is theirs: their sshd does without
PAM, for all contenders.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LAB = f"mcb{os.getpid()}"
SSH = Path("/run/mcast-ssh", LAB)
FORKS = 16
GOALS = {"ansible": 8, "xargs": 2, "loop": 1.5, "netns": 3, "memory": 300}


def environment(**more):
    return dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", **more)


def run(command, output=subprocess.PIPE, **more):
    """Returns (seconds, MB of the largest process, what it printed). Ends if it fails."""
    with tempfile.TemporaryFile("w+") as file:
        begin = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], stdout=file, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, env=environment(**more), cwd="/")
        unused, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        file.seek(0)
        text = file.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{shlex.join(map(str, command))} failed:\n{text[-3000:]}")
    return wall, usage.ru_maxrss / 1024, text


@contextlib.contextmanager
def lab(folder, connection, size):
    """Yields the inventory, while the lab stands."""
    inventory = Path(folder, f"{connection}{size}.topology.yml")
    inventory.write_text(json.dumps({
        "plugin": "mcast.lab.topology", "name": LAB, "connection": connection,
        "segments": {"lan": {"ipv4": "10.20.0.0/16"}},
        "hosts": {"m": {"count": size, "interfaces": {"eth0": {"segment": "lan"}}}}}))
    begin = time.monotonic()
    try:
        run([BIN / "ansible-playbook", "-i", inventory, "mcast.lab.lab_up"])
        print(f"  (lab of {size} up in {time.monotonic() - begin:.1f} s)", flush=True)
        if connection == "ssh":
            config = SSH / "sshd_config"
            config.write_text(config.read_text().replace("UsePAM yes", "UsePAM no"))
        yield inventory
    finally:
        run([BIN / "ansible-playbook", "-i", inventory, "mcast.lab.lab_down"])


def fleet(inventory, folder, size, subset=("memberships",), forks=FORKS):
    """Returns (seconds, seconds that it tells, MB)."""
    playbook, result = Path(folder, "fleet.yml"), Path(folder, "fleet.json")
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [
        {"mcast.lab.fleet_info": {"gather_subset": list(subset), "forks": forks, "timeout": 120}, "run_once": True,
         "register": "fleet"},
        {"mcast.lab.fleet_report": {"fleet": "{{ fleet }}", "results_dir": str(folder)}, "run_once": True}]}]))
    wall, memory, text = run([BIN / "ansible-playbook", "-i", inventory, playbook])
    result = max(Path(folder, "fleet").glob("*/fleet.json"), key=os.path.getmtime)
    told = json.loads(result.read_text())
    if len(told["hosts"]) != size:
        sys.exit(f"only {len(told['hosts'])} of {size} hosts answered: {list(told['failures'].items())[:3]}")
    return wall, told["elapsed"], memory


def ad_hoc(inventory, size):
    """Returns (seconds, MB) of the one command."""
    wall, memory, text = run([BIN / "ansible", "-i", inventory, "all", "-m", "mcast.lab.fleet_info", "-a",
                              f"gather_subset=memberships forks={FORKS} timeout=120"])
    if text.count('": "paramiko"') != size:
        sys.exit(f"not all were asked:\n{text[-2000:]}")
    return wall, memory


def ansible(inventory, folder, size):
    # Connections are kept as Ansible keeps them, but end soon, so that each round begins without any.
    wall, unused, text = run(
        [BIN / "ansible", "-i", inventory, "-f", "20", "all", "-m", "ansible.builtin.command", "-a", "ip -j maddr"],
        ANSIBLE_SSH_CONTROL_PATH_DIR=tempfile.mkdtemp(dir=folder),
        ANSIBLE_SSH_ARGS="-C -o ControlMaster=auto -o ControlPersist=3s")
    if text.count(" | CHANGED | rc=0 ") != size:
        sys.exit(f"not all were asked:\n{text[-2000:]}")
    return wall


def names(size):
    digits = len(str(size))
    return [f"{LAB}.m{number:0{digits}d}" for number in range(1, size + 1)]


def xargs(size):
    command = (f"printf '%s\\n' {' '.join(names(size))} | "
               f"xargs -P{FORKS} -I{{}} ssh -F {SSH}/config {{}} cat /proc/net/igmp /proc/net/igmp6")
    wall, unused, text = run(["/bin/sh", "-c", command])
    if text.count("Idx") != size:
        sys.exit(f"not all were asked:\n{text[-2000:]}")
    return wall


def loop(size):
    """A bare loop of paramiko over the same ProxyCommand. Returns the seconds that it tells, without Python's start."""
    wall, unused, text = run([sys.executable, __file__, "--loop", LAB, str(size)])
    return float(text.split()[-1])  # paramiko may have complained of a pipe before


def bare_loop(lab_name, size):
    import paramiko
    key = paramiko.Ed25519Key.from_private_key_file(f"/run/mcast-ssh/{lab_name}/id")
    config = paramiko.SSHConfig.from_path(f"/run/mcast-ssh/{lab_name}/config")

    def ask(name):
        command = config.lookup(name)["proxycommand"].replace("%n", name)
        client = paramiko.SSHClient()
        client.load_host_keys(f"/run/mcast-ssh/{lab_name}/known_hosts")
        client.connect(name, username="root", pkey=key, sock=paramiko.ProxyCommand(command), allow_agent=False,
                       look_for_keys=False)
        text = client.exec_command("cat /proc/net/igmp /proc/net/igmp6")[1].read()
        client.close()
        return text

    global LAB
    LAB = lab_name
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(FORKS) as pool:
        answers = list(pool.map(ask, names(size)))
    print(time.monotonic() - begin)
    assert all(b"Idx" in answer for answer in answers)
    os._exit(0)  # threads of the library linger


def over_ssh(folder, size, rounds):
    """Returns {contender: seconds}, the medians."""
    found = {}
    with lab(folder, "ssh", size) as inventory:
        for _round in range(rounds):
            wall, elapsed, memory = fleet(inventory, folder, size)
            for name, value in (("fleet_info", wall), ("elapsed", elapsed), ("memory", memory),
                                ("ad hoc", ad_hoc(inventory, size)[0]), ("loop", loop(size)), ("xargs", xargs(size)),
                                ("ansible", ansible(inventory, folder, size))):
                found.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def show(size, load, found):
    print(f"{size} hosts over SSH (load {load:.1f}, {os.cpu_count()} processors)")
    for name, text in (("fleet_info", "playbook with fleet_info, whole"), ("ad hoc", "ansible -m fleet_info, whole"),
                       ("elapsed", "its `elapsed`"), ("loop", f"bare paramiko loop, {FORKS} wide"),
                       ("xargs", f"xargs -P{FORKS} ssh ... cat, whole"),
                       ("ansible", "ansible -f 20 -m command, whole")):
        print(f"  {text:36} {found[name]:7.2f} s")
    print(f"  {'memory':36} {found['memory']:7.0f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100,300")
    parser.add_argument("--netns", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        bare_loop(options.loop[0], int(options.loop[1]))
    if os.geteuid() != 0:
        sys.exit("namespaces take root: run as root")
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, filter(None, options.sizes.split(","))):
            load = os.getloadavg()[0]
            found = over_ssh(folder, size, options.rounds)
            show(size, load, found)
            figures[size] = {
                "ansible_vs_fleet": round(found["ansible"] / found["ad hoc"], 2),
                "xargs_vs_fleet": round(found["xargs"] / found["ad hoc"], 2),
                "elapsed_vs_loop": round(found["elapsed"] / found["loop"], 2),
                "seconds_per_host": round(found["elapsed"] / size, 4)}
        if options.netns:
            with lab(folder, "netns", options.netns) as inventory:
                load = os.getloadavg()[0]
                rows = [fleet(inventory, folder, options.netns) for unused in range(options.rounds)]
            wall, elapsed, memory = (statistics.median(column) for column in zip(*rows))
            print(f"{options.netns} hosts in namespaces (load {load:.1f}): whole {wall:.2f} s, "
                  f"`elapsed` {elapsed:.2f} s, {memory:.0f} MB")
            figures["netns"] = {"elapsed": round(elapsed, 2), "memory_mb": round(memory)}
    print(f"goals: ansible >= {GOALS['ansible']}, xargs >= {GOALS['xargs']}, loop <= {GOALS['loop']}, "
          f"netns <= {GOALS['netns']} s, memory <= {GOALS['memory']} MB")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
