# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run passes only where nothing failed on the way, also where no planned check would notice. A run that is refused,
loses a host or is killed reports it, and the next one is not misled by what it left."""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import pytest
import yaml
from verify_lab import BIN, LAB, ROOT, namespaces, playbook, results

PROGRAM = {"group": "239.0.0.7", "port": 7, "interface": "eth0"}
QUICK = ("-e", "mcast_evidence_within=1s", "-e", "mcast_evidence_window=100ms")

# name: (variables of the client, of the server, of all, what is recorded: (host, phase, a part of the message))
ERRORS = {
    "set-up and steps": (
        {"mcast_querier": {"interfaces": ["v9"]}, "mcast_host_settings": {"igmp_version": 9}},
        {"mcast_bridges": {"br9": {"snooping": True}}, "mcast_router": {"backend": "pimd"},
         "mcast_daemons": "/nowhere"},
        {"mcast_steps": [
            {"name": "joined", "start": {"server": {"x": {"receiver": dict(PROGRAM, interface="v8")}}}},
            {"name": "sent", "start": {"client": {"y": {"sender": dict(PROGRAM, interface="v7")}}}}]},
        [("client", "setup", "igmp_version"), ("client", "setup", "v9"), ("server", "setup", "br9"),
         ("server", "setup", "pimd"), ("server", "joined", "v8"), ("client", "sent", "v7")]),
    "sizes": ({}, {"mcast_capture_max_size": 5}, {}, [("server", "during", "max_size")]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_fails_beside_the_plan_fails_the_run(inventory, name):
    client, server, everyone, expected = ERRORS[name]
    folder = inventory(client=client, server=server)
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(everyone))
    ran = playbook(folder, "verify", *QUICK)
    assert ran.returncode != 0
    events = results(folder)["events"]
    for host, phase, text in expected:
        messages = [event["message"] for event in events if (event["host"], event["phase"]) == (host, phase)]
        assert any(text in message for message in messages), (host, phase, text, ran.stdout)
    assert {(event["host"], event["phase"]) for event in events} == {each[:2] for each in expected}, ran.stdout
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: fail, ")
    for line in ran.stdout.splitlines():  # each failure is shown once
        assert not line.startswith("error ") or ran.stdout.count(line) == 1


def running(folder, name="verify"):
    return subprocess.Popen([str(BIN / "ansible-playbook"), "-i", str(folder), f"mcast.lab.{name}"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder.parent,
                            env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"))


def wait_until(run, happened, deadline=60):
    until = time.monotonic() + deadline
    while not happened():
        assert run.poll() is None and time.monotonic() < until, run.stdout.read()
        time.sleep(0.01)


def units(host):
    with contextlib.suppress(OSError):
        return os.listdir(f"/run/mcast/{os.stat(f'/run/netns/{LAB}.{host}').st_ino}")
    return []


def test_a_host_that_is_lost_on_the_way_fails_the_run(inventory):
    folder = inventory()
    run = running(folder)
    wait_until(run, lambda: list(folder.parent.glob("results/*/*/results.jsonl")))
    subprocess.run(["ip", "netns", "delete", f"{LAB}.server"], check=True)
    output = run.communicate(timeout=120)[0]
    assert run.returncode != 0
    assert output.strip().splitlines()[-1].startswith("verdict: fail, "), output
    judged = results(folder)
    lost = [event["message"] for event in judged["events"] if event["host"] == "server"]
    assert any("did not complete" in message and "ended" in message for message in lost), (lost, output)
    assert not {result["id"] for result in judged["results"]
                if result["host"] == "client" and result["verdict"] == "missing"}


REFUSED = {
    "limit": (["--limit", "server"], "say which hosts take part with -e mcast_hosts=PATTERN"),
    "limit of all": (["--limit", "all"], "say which hosts take part with -e mcast_hosts=PATTERN"),
    "tags": (["--tags", "foo"], "--limit and --tags would skip parts"),
    "tag of what always runs": (["--tags", "always"], "--limit and --tags would skip parts"),
    "both": (["--tags", "foo", "--limit", "client"], "--limit and --tags would skip parts"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parts_of_a_run_are_refused(inventory, name):
    words, message = REFUSED[name]
    folder = inventory()
    ran = playbook(folder, "verify", *words)
    assert ran.returncode != 0
    assert ran.stdout.count("error ") == ran.stdout.count(message) == 1, ran.stdout
    assert not (folder.parent / "results").exists()


WRONG = {
    "undefined": ({"mcast_querier": "{{ typo }}"}, "mcast_querier of host server: 'typo' is undefined"),
    "undefined below": ({"mcast_bridges": {"br0": {"querier": "{{ typo }}"}}}, "mcast_bridges of host server: 'typo'"),
    "of a default": ({"mcast_receiver_streams": "{{ typo }}"}, "mcast_receiver_streams of host server: 'typo'"),
    "a filter that fails": ({"mcast_router": "{{ 1 | nope }}"}, "mcast_router of host server: "),
    "empty": ({"mcast_router": None}, "mcast_router of host server: has no value"),
    "no mapping": ({"mcast_querier": "yes"}, "mcast_querier of host server: argument 'mcast_querier' is of type"),
    "no number": ({"mcast_capture_max_size": "much"}, "mcast_capture_max_size of host server: argument 'mcast_"),
    "no duration": ({"mcast_evidence_within": "soon"}, "mcast_evidence_within of host server: expected a duration"),
    "no truth": ({"mcast_firewall": "perhaps"}, "mcast_firewall of host server: argument 'mcast_firewall' is of type"),
    "an unknown key": ({"mcast_querier": {"query_intervall": 5}},
                       "mcast_querier of host server: mcast_querier.query_intervall. Supported parameters include: "),
    "a misspelt name": ({"mcast_firewal": True},
                        "mcast_firewal of host server: is not a variable of mcast.lab; did you mean mcast_firewall?"),
    "several": ({"mcast_router": None, "mcast_nonsense": 1, "mcast_capture": "so"},
                "mcast_nonsense of host server: is not a variable of mcast.lab"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_variable_that_is_wrong_is_refused_before_anything_is_made(inventory, name):
    variables, message = WRONG[name]
    folder = inventory(server=variables)
    ran = playbook(folder, "verify")
    assert ran.returncode != 0 and ran.stdout.count(message) == 1, ran.stdout
    assert not (folder.parent / "results").exists()


def test_no_hosts_are_noticed(inventory):
    empty = inventory().parent / "empty"
    empty.mkdir()
    for play in ("verify", "lab_up", "lab_down"):
        ran = playbook(empty, play)
        assert ran.returncode != 0 and "holds no hosts" in ran.stdout, ran.stdout


def test_after_a_killed_run_the_next_one_passes(inventory):
    """Killed alone, while its receivers run: they go on, and so does the lab that it made."""
    folder = inventory()
    run = running(folder)
    wait_until(run, lambda: "receiver-hello6" in units("server"))
    run.kill()
    run.communicate(timeout=60)
    assert LAB in namespaces() and "receiver-hello" in units("server")
    ran = playbook(folder, "verify")
    assert ran.returncode == 0, ran.stdout
    assert f"lab {LAB}: the run of process {run.pid} ended early and left it standing" in ran.stderr
    assert LAB not in namespaces() and not os.path.exists(f"/run/mcast/{LAB}.run")


def test_a_lab_that_stood_before_a_killed_run_stays(inventory):
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    try:
        own = subprocess.run([str(BIN / "ansible"), "-i", str(folder), "server", "-m", "mcast.lab.receiver", "-a",
                              "name=own group=239.0.0.9 port=9 interface=eth0"], check=False, cwd=folder.parent)
        assert own.returncode == 0
        run = running(folder)
        wait_until(run, lambda: "receiver-hello6" in units("server"))
        run.kill()
        run.communicate(timeout=60)
        ran = playbook(folder, "lab_up")
        assert "left programs running: capture-eth0, receiver-hello, receiver-hello6" in ran.stderr
        assert units("server") == ["own"]
        # What differs in a lab that stands is repaired, and reported.
        subprocess.run(["ip", "-n", f"{LAB}.server", "link", "set", "eth0", "down"], check=True)
        subprocess.run(["ip", "-n", LAB, "link", "set", "client~eth0", "down"], check=True)
        ran = playbook(folder, "verify", *QUICK)
        for text in (f"{LAB}.client eth0 state: down -> up", f"{LAB}.server eth0 state: down -> up"):
            assert ran.stderr.count(text) == 1
        assert [event["event"] for event in results(folder)["events"]] == ["changed"]
    finally:
        assert playbook(folder, "lab_down").returncode == 0


def test_labs_are_listed_and_removed_without_their_file(inventory):
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    listed = f"lab {LAB}: {LAB}, {LAB}.client, {LAB}.server"
    broken = folder.parent / "broken"
    broken.mkdir()
    (broken / "topology.yml").write_text("plugin: mcast.lab.topology\nhosts: {a")
    ran = playbook(broken, "lab_down")
    assert ran.returncode != 0 and "-e lab=NAME removes a lab without its file" in ran.stdout
    assert listed in ran.stdout and LAB in namespaces()
    run = running(folder)
    wait_until(run, lambda: os.path.exists(f"/run/mcast/{LAB}.run"))
    run.send_signal(signal.SIGSTOP)  # or it is over before the last of these playbooks has started
    try:
        assert f"{listed}; in use by the run of process {run.pid}" in playbook(broken, "lab_list").stdout
        for play in (["lab_down"], ["lab_up"], ["lab_down", "-e", f"lab={LAB}"]):
            ran = playbook(folder, *play)
            assert ran.returncode != 0
            assert ran.stdout.count(f"lab {LAB}: is in use by the run of process {run.pid}") == 1, ran.stdout
    finally:
        run.send_signal(signal.SIGCONT)
    output = run.communicate(timeout=120)[0]
    assert run.returncode == 0, output
    ran = playbook(broken, "lab_down", "-e", f"lab={LAB}")
    assert ran.returncode == 0 and LAB not in namespaces(), ran.stdout
    ran = playbook(broken, "lab_down", "-e", f"lab={LAB}")
    assert ran.returncode == 0 and f"there is no lab {LAB}" in ran.stdout


def names_of_children(pid):
    """The names of the programs that a process has started and that still run."""
    names = []
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as children:
        for child in children.read().split():
            with contextlib.suppress(OSError), open(f"/proc/{child}/comm", encoding="utf-8") as name:
                names.append(name.read().strip())
    return names


def test_ctrl_c_at_once_ends_quietly(inventory):
    folder = inventory()
    folder = folder.rename(folder.parent / LAB)
    run = subprocess.Popen([str(ROOT / "scripts" / "scenario.sh"), str(folder)], text=True, start_new_session=True,
                           env=dict(os.environ, VENV=str(BIN.parent), ANSIBLE_NOCOLOR="1"), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    # Once Ansible has been started, which then takes most of a second to load.
    wait_until(run, lambda: "ansible-playboo" in names_of_children(run.pid))
    os.killpg(run.pid, signal.SIGINT)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 130
    assert "Traceback" not in output
    assert output.strip().splitlines()[-1] == "verdict: fail, ended before anything was planned"


def test_a_reader_that_goes_away_leaves_the_run_alone(inventory):
    folder = inventory()
    run = running(folder)
    assert [run.stdout.readline() for unused in range(2)] == ["== setup\n", "== before\n"]
    run.stdout.close()
    assert run.wait(timeout=120) == 0
    assert results(folder)["verdict"] == "pass"
