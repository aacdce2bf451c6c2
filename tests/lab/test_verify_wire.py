"""What breaks on the wire, over either connection: exactly the checks that the break concerns fail. Over SSH all breaks
are tried where MCAST_EVERY_BREAK is set, which takes minutes more; else a capture that is killed stands for them."""
from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from verify_lab import (
    BIN,
    CAPTURED,
    DATAGRAMS,
    LAB,
    LEFT,
    LISTED,
    OPEN,
    ORDER,
    RECEIVED,
    REPORTED,
    ROOT,
    SEND,
    SEND6,
    SENT,
    not_passed,
    playbook,
    results,
)

EVERY = ["netns", "ssh"] if os.environ.get("MCAST_EVERY_BREAK") else ["netns"]

# name: (variables of the client, variables of the server, what is not passed)
BREAKS = {
    # A join, with no datagram after it.
    "sender not started": (
        {"mcast_sender_streams": []}, {}, SENT | RECEIVED | ORDER | DATAGRAMS["client"] | DATAGRAMS["server"]),
    "wrong TTL": (
        {"mcast_sender_streams": [dict(SEND, ttl=5), SEND6]}, {},
        {"client/after/packets.datagrams/hello/239.0.0.100/eth0"}),
    "firewall closed": ({}, {"mcast_firewall_ports": []}, LISTED | OPEN | RECEIVED),
    "capture not started": (
        {}, {"mcast_capture_interfaces": []}, REPORTED | ORDER | DATAGRAMS["server"] | CAPTURED),
}


@pytest.mark.parametrize("connection", EVERY)
@pytest.mark.parametrize("name", BREAKS if len(EVERY) > 1 else ["wrong TTL", "firewall closed"])
def test_exactly_the_checks_that_a_break_concerns_fail(inventory, connection, name):
    client, server, expected = BREAKS[name]
    folder = inventory(connection, client=client, server=server)
    ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
    assert not_passed(results(folder)) == expected, ran.stdout + ran.stderr
    assert ran.returncode != 0


@pytest.mark.parametrize("connection", EVERY)
def test_a_chain_of_somebody_else_that_drops_is_told_and_proved(inventory, connection):
    folder = inventory(connection)
    assert playbook(folder, "lab_up").returncode == 0
    try:
        chain = "table inet others { chain in { type filter hook input priority 10; udp dport 11111 drop; }; }"
        subprocess.run(["ip", "netns", "exec", LAB + ".server", "nft", "-f", "-"], input=chain, text=True, check=True)
        ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
        assert not_passed(results(folder)) == OPEN | RECEIVED, ran.stdout
        assert "inet others in" in ran.stdout
        assert "table inet others" in subprocess.run(
            ["ip", "netns", "exec", LAB + ".server", "nft", "list", "ruleset"], capture_output=True, text=True,
            check=True).stdout
    finally:
        assert playbook(folder, "lab_down").returncode == 0


# The first MLDv2 report about ff15::100 is dropped before it leaves: 76 bytes fit in the quota, and no more.
FIRST_REPORT = ("table ip6 lossy { chain out { type filter hook output priority 0; icmpv6 type mld2-listener-report "
                "@th,96,128 0xff150000000000000000000000000100 quota 100 bytes drop; }; }")


@pytest.mark.parametrize("connection", EVERY)
def test_a_report_that_is_missing_fails_by_its_own_checks(inventory, connection):
    # IPv4: the robustness variable that an interface got when it came up is another than the host's. Network namespaces
    # have no such variable for MLD.
    folder = inventory(connection)
    assert playbook(folder, "lab_up").returncode == 0
    try:
        subprocess.run(["ip", "netns", "exec", LAB + ".server", "nft", "-f", "-"], input=FIRST_REPORT, text=True,
                       check=True)
        for line in ("sysctl -qw net.ipv4.igmp_qrv=1", "ip link set eth0 down", "ip link set eth0 up",
                     "sysctl -qw net.ipv4.igmp_qrv=2"):
            subprocess.run(["ip", "netns", "exec", LAB + ".server", *line.split()], check=True)
        ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
        missing = {each for each in REPORTED if "239.0.0.100" in each or "during" in each}
        assert not_passed(results(folder)) == missing, ran.stdout
        assert "actual:   1 igmpv3_report to_ex 239.0.0.100\n" in ran.stdout
        assert "actual:   1 mldv2_report to_ex ff15::100\n" in ran.stdout
    finally:
        assert playbook(folder, "lab_down").returncode == 0


@pytest.mark.parametrize("connection", ["netns", "ssh"])
def test_a_capture_that_is_killed_in_the_middle_fails_by_what_came_after(inventory, connection):
    folder = inventory(connection)
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
