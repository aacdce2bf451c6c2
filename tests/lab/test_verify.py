"""The scenario whole, and broken on purpose: the verdict must fail by exactly the checks that the break concerns."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml
from verify_lab import (
    BIN,
    CAPTURED,
    DATAGRAMS,
    JOIN,
    JOIN6,
    LAB,
    LISTENING,
    MEMBER,
    ORDER,
    RECEIVED,
    REPORTED,
    ROOT,
    SEND,
    SEND6,
    SENT,
    TOPOLOGY,
    namespaces,
    not_passed,
    playbook,
    results,
)

# name: (variables of the client, variables of the server, what is not passed)
BREAKS = {
    "receiver not started": ({}, {"mcast_receiver_streams": []}, MEMBER | LISTENING | RECEIVED | REPORTED | ORDER),
    "joined on the wrong interface": (
        {}, {"mcast_receiver_streams": [dict(JOIN, interface="eth1"), dict(JOIN6, interface="eth1")]},
        MEMBER | RECEIVED | REPORTED | ORDER | {"server/during/membership.explained"}),
    "sender on another group": (
        {"mcast_sender_streams": [dict(SEND, group="239.0.0.101"), SEND6]}, {},
        {each for each in SENT | RECEIVED | ORDER | DATAGRAMS["client"] | DATAGRAMS["server"] if "/hello/" in each}),
    "interface down": (
        {}, {"mcast_host_settings": {"state": "down"}},
        {"server/before/interface.settings/eth0"} | RECEIVED | REPORTED | ORDER | DATAGRAMS["server"] | CAPTURED),
    "multicast off": (
        {}, {"mcast_host_settings": {"state": "up", "multicast": False}}, {"server/before/interface.settings/eth0"}),
    # Their reports have no fixed number, and a leave may be silent.
    "IGMPv1 and MLDv1": ({}, {"mcast_host_settings": {"state": "up", "igmp_version": 1, "mld_version": 1}}, set()),
    "a second member, and a wrong TTL": (
        {"mcast_receiver_streams": [JOIN], "mcast_sender_streams": [dict(SEND, ttl=5), SEND6]}, {},
        {"client/during/membership.difference", "client/during/membership.explained",
         "client/after/packets.datagrams/hello/239.0.0.100/eth0"}),
}


# All of them take minutes more.
TRIED = BREAKS if os.environ.get("MCAST_ALL") else ["interface down", "a second member, and a wrong TTL"]


@pytest.mark.parametrize("name", TRIED)
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
    assert last.startswith(f"verdict: {verdict}, 40 checks")
    assert last.endswith("/") and (folder.parent / last.split(", ")[-1]).is_dir()


def test_an_unreachable_host_fails_by_its_own_checks_and_no_others(inventory):
    folder = inventory(server={"mcast_netns": f"{LAB}.nowhere"})
    ran = playbook(folder, "verify", "-e", "mcast_evidence_within=1s")
    judged = results(folder)
    assert ran.returncode != 0
    assert {each["host"] for each in judged["results"] if each["verdict"] == "missing"} == {"server"}
    assert {each["verdict"] for each in judged["results"] if each["host"] == "client"} == {"pass"}
    assert {each["verdict"] for each in judged["results"] if each["host"] == "server"} == {"missing"}
    assert f"no network namespace {LAB}.nowhere" in ran.stdout


def test_no_host_reachable_is_a_verdict_too(inventory):
    folder = inventory(server={"mcast_netns": f"{LAB}.nowhere"}, client={"mcast_netns": f"{LAB}.nowhere"})
    ran = playbook(folder, "verify")
    assert ran.returncode != 0
    assert {each["verdict"] for each in results(folder)["results"]} == {"missing"}
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: fail, 40 checks, 40 missing")


def test_a_run_that_matches_no_hosts_fails(inventory):
    ran = playbook(inventory(), "verify", "-e", "mcast_hosts=nobody")
    assert ran.returncode != 0
    assert "hosts: match none of the inventory's" in ran.stdout


def test_two_runs_of_one_lab_that_stands(inventory):
    """One is refused, the other passes, with what was on the wire in its bundle; the lab stands after them."""
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    try:
        runs = [subprocess.Popen([str(BIN / "ansible-playbook"), "-i", str(folder), "mcast.lab.verify"],
                                 cwd=folder.parent, stdout=subprocess.PIPE, text=True,
                                 env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"))
                for _time in range(2)]
        outputs = sorted((run.communicate(timeout=300)[0] for run in runs), key=len)
        assert sorted(run.returncode for run in runs)[0] == 0 < sorted(run.returncode for run in runs)[1]
        assert f"lab {LAB}: is in use by the run of process " in outputs[0]
        assert "verdict: pass" in outputs[1]
        assert not os.path.exists(f"/run/mcast/{LAB}.run")
        assert f"{LAB}.server" in namespaces()
    finally:
        assert playbook(folder, "lab_down").returncode == 0
    bundle, = (path for path in (folder.parent / "results" / LAB).iterdir() if (path / "manifest.json").exists())
    assert {path.name for path in (bundle / "captures").iterdir()} == {"client.eth0.pcap", "server.eth0.pcap"}
    told = json.loads((bundle / "messages.json").read_text())["server.eth0.pcap"]
    assert [message["details"]["text"] for message in told["messages"] if message["kind"] == "udp"] == ["HELLO"] * 3
    # No checksum is left to an interface, on either end of the cables.
    assert {message["checksum"] for each in json.loads((bundle / "messages.json").read_text()).values()
            for message in each["messages"]} == {"good"}
    assert told["packets"]["total"] == json.loads((bundle / "facts" / "server.json").read_text())[
        "ended"]["traffic"]["capture-eth0"]["captured"]
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    assert {"captures/client.eth0.pcap", "captures/server.eth0.pcap", "messages.json"} <= set(files)


def test_a_lab_that_stands_stays_though_it_can_not_be_mended(inventory):
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    try:
        for words in (["delete", f"{LAB}.client"], ["delete", f"{LAB}.server"], ["add", f"{LAB}.server"]):
            subprocess.run(["ip", "netns", *words], check=True)
        ran = playbook(folder, "verify", "-e", "mcast_hosts=client")  # who can't be reached: the run is over at once
        assert ran.returncode != 0 and "is there already and was not made by lab" in ran.stdout
        assert LAB in namespaces()
    finally:
        subprocess.run(["ip", "netns", "delete", f"{LAB}.server"], check=True)
        assert playbook(folder, "lab_down").returncode == 0


@pytest.fixture
def hosts_that_stay(inventory):
    """An ordinary inventory, of hosts that are no lab of ours: nothing but names, groups and group_vars."""
    folder = inventory()
    assert playbook(folder, "lab_up").returncode == 0
    ordinary = folder.parent / "ordinary"
    (ordinary / "group_vars").mkdir(parents=True)
    (ordinary / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": {
        "studios": {"hosts": {"alpha": {"mcast_netns": f"{LAB}.client"}}},
        "galleries": {"hosts": {"beta": {"mcast_netns": f"{LAB}.server"}}},
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
    assert "\n== during\n" in ran.stdout and "checks passed\nverdict: " in ran.stdout
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: pass, 23 checks, sha256:")
    assert ran.stdout.count("verdict: pass") == 1
    assert f"{LAB}.server" in namespaces()
    # What others join there is a warning. And captures can be left out. The verdict is seen in whatever callback.
    (hosts_that_stay / "host_vars").mkdir()
    (hosts_that_stay / "host_vars" / "alpha.yml").write_text(yaml.safe_dump({"mcast_receiver_streams": [JOIN]}))
    shutil.rmtree(hosts_that_stay.parent / "results")
    ran = playbook(hosts_that_stay, "verify", "-e", "mcast_evidence_within=1s", "-e", "{mcast_capture: false}",
                   ANSIBLE_STDOUT_CALLBACK="default")
    assert ran.returncode == 0, ran.stdout
    assert "verdict: pass, 15 checks, 2 with warnings" in ran.stdout
    assert "239.0.0.100 on eth0" in ran.stdout
    assert "[WARNING]" not in ran.stdout + ran.stderr
    assert not list((hosts_that_stay.parent / "results").glob("*/*/captures"))
    # What runs on them ends with lab_down.
    started = subprocess.run(
        [str(BIN / "ansible"), "-i", str(hosts_that_stay), "beta", "-m", "mcast.lab.receiver", "-a",
         "name=receiver-news group=239.1.1.1 port=4001 interface=eth0"],
        capture_output=True, text=True, check=False, env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")))
    assert started.returncode == 0, started.stdout
    inode = os.stat(f"/run/netns/{LAB}.server").st_ino
    assert os.listdir(f"/run/mcast/{inode}") == ["receiver-news"]
    ran = playbook(hosts_that_stay, "lab_down")
    assert ran.returncode == 0, ran.stdout
    assert not os.path.exists(f"/run/mcast/{inode}")


STEPS = [
    {"name": "during", "expect": {"beta": [{"socket.listening": ["news"]}]}},  # beside what the streams expect
    {"name": "joined", "receive": ["film"], "send": ["film"], "query": {"alpha": {"eth0": {"query_interval": 2}}},
     "start": {"beta": {"own": {"receiver": {"group": "239.1.1.9", "port": 9, "interface": "eth0"}}}},
     "command": {"beta": [{"argv": ["nft", "-f", "-"], "stdin": "table inet mine {}",
                           "undo": ["nft", "delete", "table", "inet", "mine"]}]},
     "expect": {"beta": [{"member": "film"}, {"reports": {"film": "join"}}, {"datagrams": {"film": {"at_least": 3}}},
                         {"general_queries": {"eth0/ipv4": "alpha"}}]}},
    {"name": "killed", "kill": ["film"], "expect": {"beta": [
        {"not_member": "film"}, {"delay": {"film": {"from": "leave", "to": "last datagram", "at_most": 5,
                                                    "since": "joined"}}}]}},
]


def test_steps_on_hosts_that_stay_leave_nothing(hosts_that_stay):
    film = {"group": ["239.1.1.2", "ff15::2"], "port": 4002, "from": "alpha", "to": "beta", "count": 0}
    news = {"group": "239.1.1.1", "port": 4001, "from": "studios", "to": "galleries"}
    ran = playbook(hosts_that_stay, "verify", "-e", json.dumps({"mcast_steps": STEPS, "mcast_streams": {
        "film": film, "news": news}}))
    assert ran.returncode == 0, ran.stdout
    bundle, = (hosts_that_stay.parent / "results").glob("*/*")
    found = {each["id"] for each in json.loads((bundle / "results.json").read_text())["results"]}
    assert {"beta/during/socket.listening/news", "beta/joined/packets.datagrams/film/ipv6",
            "beta/killed/packets.delay/film/ipv4", "beta/during/delivery.received/news/239.1.1.1/eth0"} <= found
    assert not [each for each in found if "/film" in each and "/during/" in each]
    assert {"beta.eth0.pcap", "beta.joined-eth0.pcap"} <= {path.name for path in (bundle / "captures").iterdir()}
    for host in ("client", "server"):
        assert not os.path.exists(f"/run/mcast/{os.stat(f'/run/netns/{LAB}.{host}').st_ino}")
        tables = subprocess.run(["ip", "netns", "exec", f"{LAB}.{host}", "nft", "list", "tables"], capture_output=True,
                                text=True, check=True).stdout
        assert tables == ""


# Joins groups as any program does, says so, and stays until its input ends.
OTHER = """
import socket, struct, sys
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for group in sys.argv[1:]:
    held.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    struct.pack("@4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex("eth0")))
print(flush=True)
sys.stdin.read()
"""


def test_what_another_member_of_a_real_host_explains_is_a_warning(hosts_that_stay):
    """It was there before, so that no join of ours is reported; and the interface's filter is the one of both."""
    news = {"group": "239.1.1.1", "port": 4001, "from": "studios", "to": "galleries", "count": 2}
    chosen = dict(news, group="239.1.1.2", sources=["192.168.122.181"])
    argv = ["ip", "netns", "exec", f"{LAB}.server", sys.executable, "-c", OTHER, news["group"], chosen["group"]]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.read(1)
        ran = playbook(hosts_that_stay, "verify", "-e", "mcast_evidence_within=1s", "-e", json.dumps(
            {"mcast_streams": {"news": news, "chosen": chosen}}))
        other.stdin.close()
    assert ran.returncode == 0, ran.stdout
    bundle, = (hosts_that_stay.parent / "results").glob("*/*")
    judged = {each["id"]: each for each in json.loads((bundle / "results.json").read_text())["results"]}
    for stream, group in (("news", "239.1.1.1"), ("chosen", "239.1.1.2")):
        order = judged[f"beta/after/packets.order/{stream}/{group}/eth0"]
        assert order["verdict"] == "warning" and f"eth0 was a member of {group} before" in order["actual"]
    assert "others were members before" in judged["beta/during/membership.present/239.1.1.2/eth0"]["actual"]


@pytest.mark.parametrize("moment", [1, 8])
def test_an_interrupted_run_fails_and_leaves_nothing(inventory, moment):
    """moment: after how many decided checks the interrupt comes."""
    folder = inventory()
    folder = folder.rename(folder.parent / LAB)  # which names the results, too
    run = subprocess.Popen([str(ROOT / "scripts" / "scenario.sh"), str(folder)], cwd=folder.parent, text=True,
                           env=dict(os.environ, VENV=sys.prefix, ANSIBLE_NOCOLOR="1"), start_new_session=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    bundles = ROOT / "results" / LAB
    known = set(bundles.glob("*"))
    deadline = time.monotonic() + 60
    while True:
        lines = [path for path in bundles.glob("*/results.jsonl") if path.parent not in known]
        if lines and lines[0].read_text().count("\n") >= moment:
            break
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    units = [f"/run/mcast/{os.stat(f'/run/netns/{name}').st_ino}" for name in namespaces() if name.startswith(LAB)]
    os.killpg(run.pid, signal.SIGINT)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 130
    assert output.strip().splitlines()[-1].startswith("verdict: fail, 40 checks, ")
    assert json.loads((lines[0].parent / "results.json").read_text())["missing"] > 0
    assert units and not any(map(os.path.exists, units))
    shutil.rmtree(bundles)


BAD = {
    "yaml": ("plugin: mcast.lab.topology\nhosts: {client: [", "YAML parsing failed"),
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


def test_check_mode_foretells_a_lab_and_judges_nothing(inventory):
    folder = inventory()
    ran = playbook(folder, "lab_up", "--check", "--diff")
    assert ran.returncode == 0 and f'+        "{LAB}.server": "present"' in ran.stdout, ran.stdout
    ran = playbook(folder, "verify", "--check")
    assert ran.returncode != 0 and ran.stdout.count("error ") == 1
    assert "nothing runs that could be judged" in ran.stdout
    assert LAB not in namespaces() and not (folder.parent / "results").exists()
