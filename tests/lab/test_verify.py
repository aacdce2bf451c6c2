"""The scenario whole, and broken on purpose: the verdict must fail by exactly the checks that the break concerns."""
from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.prefix) / "bin"
LAB = "mct%d" % os.getpid()

TOPOLOGY = {
    "plugin": "mcast.lab.topology",
    "name": LAB,
    "segments": {"lan": {"ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64"}, "spare": {}},
    "hosts": {
        "client": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "192.168.122.181"}}},
        "server": {"interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "spare"}}},
    },
    "streams": {
        "hello": {"group": "239.0.0.100", "port": 11111, "from": "client", "to": ["server"], "count": 1},
        "hello6": {"group": "ff15::100", "port": 11111, "from": "client", "to": ["server"], "count": 2,
                   "interval": 0.05},
    },
}
JOIN = {"name": "hello", "group": "239.0.0.100", "port": 11111, "interface": "eth0", "filter_mode": "exclude",
        "sources": []}
JOIN6 = dict(JOIN, name="hello6", group="ff15::100")
SEND = dict(JOIN, ttl=1, count=1, interval=0.1, payload="HELLO")
SEND6 = dict(SEND, name="hello6", group="ff15::100", count=2)

MEMBER = {
    "server/during/membership.present/239.0.0.100/eth0", "server/during/membership.present/ff15::100/eth0",
    "server/during/mapping.programmed/239.0.0.100/eth0", "server/during/mapping.programmed/ff15::100/eth0",
    "server/during/membership.difference",
}
GROUPS = ["239.0.0.100/eth0", "ff15::100/eth0"]
STREAMS = ["hello/239.0.0.100/eth0", "hello6/ff15::100/eth0"]
RECEIVED = {"server/during/delivery.received/" + stream for stream in STREAMS}
SENT = {"client/during/delivery.sent/" + stream for stream in STREAMS}
LISTENING = {"server/during/socket.listening/%s/11111" % group for group in ("239.0.0.100", "ff15::100")}
OPEN = {"server/before/firewall.open/%s/11111" % group for group in ("239.0.0.100", "ff15::100")}
LISTED = {"server/before/firewall.listed/%s/11111" % group for group in ("239.0.0.100", "ff15::100")}
# What is on the wire.
LEFT = {"server/after/packets.reports/" + group for group in GROUPS}
REPORTED = LEFT | {"server/during/packets.reports/" + group for group in GROUPS}
ORDER = {"server/after/packets.order/" + stream for stream in STREAMS}
DATAGRAMS = {host: {host + "/after/packets.datagrams/" + stream for stream in STREAMS} for host in ("client", "server")}
CAPTURED = {"server/ended/packets.captured/eth0"}

# name: (variables of the client, variables of the server, what is not passed)
BREAKS = {
    "nothing": ({}, {}, set()),
    "receiver not started": ({}, {"mcast_receiver_streams": []}, MEMBER | LISTENING | RECEIVED | REPORTED | ORDER),
    "joined on the wrong interface": (
        {}, {"mcast_receiver_streams": [dict(JOIN, interface="eth1"), dict(JOIN6, interface="eth1")]},
        MEMBER | RECEIVED | REPORTED | ORDER | {"server/during/membership.explained"}),
    "sender on another group": (
        {"mcast_sender_streams": [dict(SEND, group="239.0.0.101"), SEND6]}, {},
        {each for each in SENT | RECEIVED | ORDER | DATAGRAMS["client"] | DATAGRAMS["server"] if "/hello/" in each}),
    # A join, with no datagram after it.
    "sender not started": (
        {"mcast_sender_streams": []}, {}, SENT | RECEIVED | ORDER | DATAGRAMS["client"] | DATAGRAMS["server"]),
    "wrong TTL": (
        {"mcast_sender_streams": [dict(SEND, ttl=5), SEND6]}, {},
        {"client/after/packets.datagrams/hello/239.0.0.100/eth0"}),
    "interface down": (
        {}, {"mcast_host_settings": {"state": "down"}},
        {"server/before/interface.settings/eth0"} | RECEIVED | REPORTED | ORDER | DATAGRAMS["server"] | CAPTURED),
    "multicast off": (
        {}, {"mcast_host_settings": {"state": "up", "multicast": False}}, {"server/before/interface.settings/eth0"}),
    "firewall closed": ({}, {"mcast_firewall_ports": []}, LISTED | OPEN | RECEIVED),
    "capture not started": (
        {}, {"mcast_capture_interfaces": []}, REPORTED | ORDER | DATAGRAMS["server"] | CAPTURED),
    # Their reports have no fixed number, and a leave may be silent.
    "IGMPv2 and MLDv1": ({}, {"mcast_host_settings": {"state": "up", "igmp_version": 2, "mld_version": 1}}, set()),
    "IGMPv1": ({}, {"mcast_host_settings": {"state": "up", "igmp_version": 1}}, set()),
    "a second member": (
        {"mcast_receiver_streams": [JOIN]}, {},
        {"client/during/membership.difference", "client/during/membership.explained"}),
}


@pytest.fixture
def inventory(tmp_path):
    """A folder with the topology, and a function that adds variables of a host."""
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "topology.yml").write_text(yaml.safe_dump(TOPOLOGY))
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "all.yml").write_text("{mcast_firewall: true, mcast_firewall_closed: true}\n")

    def with_variables(**hosts):
        for host, variables in hosts.items():
            (folder / "host_vars").mkdir(exist_ok=True)
            (folder / "host_vars" / (host + ".yml")).write_text(yaml.safe_dump(variables))
        return folder

    yield with_variables
    assert not [name for name in namespaces() if name.split(".")[0] == LAB], "the lab was left behind"


def namespaces():
    return os.listdir("/run/netns") if os.path.isdir("/run/netns") else []


def playbook(folder, name, *arguments):
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    return subprocess.run([str(BIN / "ansible-playbook"), "-i", str(folder), "mcast.lab." + name, *arguments],
                          capture_output=True, text=True, cwd=folder.parent, env=environment, timeout=120, check=False)


def results(folder):
    found = list((folder.parent / "results" / LAB).glob("*/results.json"))
    assert len(found) == 1
    return json.loads(found[0].read_text())


def not_passed(judged):
    return {each["id"] for each in judged["results"] if each["verdict"] != "pass"}


@pytest.mark.parametrize("name", BREAKS)
def test_exactly_the_checks_that_a_break_concerns_fail(inventory, name):
    client, server, expected = BREAKS[name]
    folder = inventory(client=client, server=server)
    ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
    judged = results(folder)
    assert not_passed(judged) == expected, ran.stdout + ran.stderr
    verdict = "fail" if expected else "pass"
    assert judged["verdict"] == verdict
    assert (ran.returncode == 0) == (verdict == "pass")
    last = ran.stdout.strip().splitlines()[-1]
    assert last.startswith("verdict: %s, 38 checks" % verdict)
    assert last.endswith("/") and (folder.parent / last.split(", ")[-1]).is_dir()


def test_a_report_that_is_missing_fails_by_its_own_checks(inventory):
    # The robustness variable that an interface got when it came up is another than the host's.
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    try:
        for line in ("sysctl -qw net.ipv4.igmp_qrv=1", "ip link set eth0 down", "ip link set eth0 up",
                     "sysctl -qw net.ipv4.igmp_qrv=2"):
            subprocess.run(["ip", "netns", "exec", LAB + ".server", *line.split()], check=True)
        ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
        assert not_passed(results(folder)) == {each for each in REPORTED if "239.0.0.100" in each}, ran.stdout
        assert "actual:   1 igmpv3_report to_ex 239.0.0.100\n" in ran.stdout
    finally:
        assert playbook(folder, "lab_down").returncode == 0


def test_a_capture_that_is_killed_in_the_middle_fails_by_what_came_after(inventory):
    folder = inventory()
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    bundle = folder.parent / "results" / LAB / "run"
    run = subprocess.Popen([str(BIN / "ansible-playbook"), "-i", str(folder), "mcast.lab.verify", "-e",
                            "mcast_evidence_within=2s", "-e", "mcast_bundle=%s" % bundle], cwd=folder.parent,
                           env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60

    def judged():
        lines = (bundle / "results.jsonl").read_text() if (bundle / "results.jsonl").exists() else ""
        return lines.count('"id": "server/during/')
    while not judged() or judged() < sum(
            check["id"].startswith("server/during/") for check in json.loads((bundle / "plan.json").read_text())):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    pids = subprocess.run(["ip", "netns", "pids", LAB + ".server"], capture_output=True, text=True, check=True).stdout
    for pid in pids.split():
        if pathlib.Path("/proc", pid, "comm").read_text() == "tcpdump\n":
            os.kill(int(pid), signal.SIGKILL)
    output = run.communicate(timeout=60)[0]
    assert not_passed(results(folder)) == LEFT | CAPTURED, output
    assert "the capture has ended: tcpdump: was killed by SIGKILL" in output


def test_what_was_on_the_wire_is_in_the_bundle(inventory):
    folder = inventory()
    assert playbook(folder, "verify").returncode == 0
    bundle, = (folder.parent / "results" / LAB).iterdir()
    assert {path.name for path in (bundle / "captures").iterdir()} == {"client.eth0.pcap", "server.eth0.pcap"}
    told = json.loads((bundle / "messages.json").read_text())["server.eth0.pcap"]
    assert [message["details"]["text"] for message in told["messages"] if message["kind"] == "udp"] == ["HELLO"] * 3
    assert told["packets"]["total"] == json.loads((bundle / "facts" / "server.json").read_text())[
        "ended"]["traffic"]["capture-eth0"]["captured"]
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    assert {"captures/client.eth0.pcap", "captures/server.eth0.pcap", "messages.json"} <= set(files)


def test_captures_can_be_left_out(inventory):
    folder = inventory(server={"mcast_capture": False}, client={"mcast_capture": False})
    ran = playbook(folder, "verify")
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: pass, 26 checks")
    assert not list((folder.parent / "results" / LAB).glob("*/captures"))


def test_an_unreachable_host_fails_by_its_own_checks_and_no_others(inventory):
    folder = inventory(server={"mcast_netns": LAB + ".nowhere"})
    ran = playbook(folder, "verify", "-e", "mcast_evidence_within=1s")
    judged = results(folder)
    assert ran.returncode != 0
    assert {each["host"] for each in judged["results"] if each["verdict"] == "missing"} == {"server"}
    assert {each["verdict"] for each in judged["results"] if each["host"] == "client"} == {"pass"}
    assert {each["verdict"] for each in judged["results"] if each["host"] == "server"} == {"missing"}
    assert "no network namespace %s.nowhere" % LAB in ran.stdout


def test_no_host_reachable_is_a_verdict_too(inventory):
    folder = inventory(server={"mcast_netns": LAB + ".nowhere"}, client={"mcast_netns": LAB + ".nowhere"})
    ran = playbook(folder, "verify")
    assert ran.returncode != 0
    assert {each["verdict"] for each in results(folder)["results"]} == {"missing"}
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: fail, 38 checks, 38 missing")


def test_a_run_that_matches_no_hosts_fails(inventory):
    ran = playbook(inventory(), "verify", "-e", "mcast_hosts=nobody")
    assert ran.returncode != 0
    assert "hosts: none of the inventory's hosts is meant" in ran.stdout


def test_a_lab_that_stood_before_stands_after(inventory):
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    try:
        assert playbook(folder, "verify").returncode == 0
        assert LAB + ".server" in namespaces()
    finally:
        assert playbook(folder, "lab_down").returncode == 0


@pytest.mark.parametrize("rule", ["udp dport 11111", "meta l4proto udp"])
def test_a_chain_of_somebody_else_that_drops_is_told_and_proved(inventory, rule):
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    try:
        chain = "table inet others { chain in { type filter hook input priority 10; %s drop; }; }" % rule
        subprocess.run(["ip", "netns", "exec", LAB + ".server", "nft", "-f", "-"], input=chain, text=True, check=True)
        ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
        assert not_passed(results(folder)) == OPEN | RECEIVED, ran.stdout
        assert "inet others in" in ran.stdout
        assert "table inet others" in subprocess.run(
            ["ip", "netns", "exec", LAB + ".server", "nft", "list", "ruleset"], capture_output=True, text=True,
            check=True).stdout
    finally:
        assert playbook(folder, "lab_down").returncode == 0


@pytest.fixture
def hosts_that_stay(inventory):
    """An ordinary inventory, of hosts that are no lab of ours: nothing but names, groups and group_vars."""
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    ordinary = folder.parent / "ordinary"
    (ordinary / "group_vars").mkdir(parents=True)
    (ordinary / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": {
        "studios": {"hosts": {"alpha": {"mcast_netns": LAB + ".client"}}},
        "galleries": {"hosts": {"beta": {"mcast_netns": LAB + ".server"}}},
    }}}))
    (ordinary / "group_vars" / "all.yml").write_text(yaml.safe_dump({
        "ansible_connection": "mcast.lab.netns", "ansible_python_interpreter": "/usr/bin/python3",
        "mcast_interface": "eth0",
        "mcast_streams": {"news": {"group": "239.1.1.1", "port": 4001, "from": "studios", "to": "galleries"}}}))
    yield ordinary
    assert playbook(folder, "lab_down").returncode == 0


def test_ordinary_hosts_are_verified_with_the_same_playbook(hosts_that_stay):
    ran = playbook(hosts_that_stay, "verify")
    assert ran.returncode == 0, ran.stdout
    assert "news: receives 5 from any source at 239.1.1.1 port 4001" in ran.stdout
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: pass, 22 checks, results/ordinary/")
    assert LAB + ".server" in namespaces()


def test_what_others_join_on_hosts_that_stay_is_a_warning(hosts_that_stay):
    (hosts_that_stay / "host_vars").mkdir()
    (hosts_that_stay / "host_vars" / "alpha.yml").write_text(yaml.safe_dump({"mcast_receiver_streams": [JOIN]}))
    ran = playbook(hosts_that_stay, "verify", "-e", "mcast_evidence_within=1s")
    assert ran.returncode == 0, ran.stdout
    assert "verdict: pass, 22 checks, 2 with warnings" in ran.stdout
    assert "239.0.0.100 on eth0" in ran.stdout


def test_lab_down_ends_what_runs_on_hosts_that_stay(hosts_that_stay):
    started = subprocess.run(
        [str(BIN / "ansible"), "-i", str(hosts_that_stay), "beta", "-m", "mcast.lab.receiver", "-a",
         "name=receiver-news group=239.1.1.1 port=4001 interface=eth0"],
        capture_output=True, text=True, check=False, env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")))
    assert started.returncode == 0, started.stdout
    inode = os.stat("/run/netns/%s.server" % LAB).st_ino
    assert os.listdir("/run/mcast/%d" % inode) == ["receiver-news"]
    ran = playbook(hosts_that_stay, "lab_down")
    assert ran.returncode == 0, ran.stdout
    assert not os.path.exists("/run/mcast/%d" % inode)


@pytest.mark.parametrize("moment", [1, 8])
def test_an_interrupted_run_fails_and_leaves_nothing(inventory, moment):
    """moment: after how many decided checks the interrupt comes."""
    folder = inventory()
    run = subprocess.Popen([str(ROOT / "scripts" / "scenario.sh"), str(folder)], cwd=folder.parent, text=True,
                           env=dict(os.environ, VENV=sys.prefix, ANSIBLE_NOCOLOR="1"), start_new_session=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    bundles = ROOT / "results" / "inventory"
    known = set(bundles.glob("*"))
    deadline = time.monotonic() + 60
    while True:
        lines = [path for path in bundles.glob("*/results.jsonl") if path.parent not in known]
        if lines and lines[0].read_text().count("\n") >= moment:
            break
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    units = ["/run/mcast/%d" % os.stat("/run/netns/" + name).st_ino for name in namespaces() if name.startswith(LAB)]
    os.killpg(run.pid, signal.SIGINT)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 130
    assert output.strip().splitlines()[-1].startswith("verdict: fail, 38 checks, ")
    assert json.loads((lines[0].parent / "results.json").read_text())["missing"] > 0
    assert units and not any(map(os.path.exists, units))


BAD = {
    "yaml": ("plugin: mcast.lab.topology\nhosts: {client: [", "YAML: line"),
    "no mapping": ("- plugin\n", "topology: expected a mapping"),
    "unknown host": (yaml.safe_dump(dict(TOPOLOGY, streams={"hello": dict(
        TOPOLOGY["streams"]["hello"], to=["srever"])})), "streams.hello.to: 'srever' is neither a host nor a group"),
    "no group": (yaml.safe_dump(dict(TOPOLOGY, streams={"hello": dict(
        TOPOLOGY["streams"]["hello"], group="10.0.0.1")})), "streams.hello.group: 10.0.0.1 is not a multicast group"),
    "no streams": (yaml.safe_dump(dict(TOPOLOGY, streams={})), "streams: expected at least one stream"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("play", ["verify", "lab_up"])
def test_bad_input_is_one_message_before_anything_is_made(inventory, name, play):
    text, message = BAD[name]
    folder = inventory()
    (folder / "topology.yml").write_text(text)
    ran = playbook(folder, play)
    assert ran.returncode != 0
    assert ran.stdout.count(message) == 1, ran.stdout
    assert not (folder.parent / "results").exists()
