"""What breaks on the wire: exactly the checks that the break concerns fail. With MCAST_ALL set all breaks are tried,
over either connection, which takes minutes more."""
from __future__ import annotations

import contextlib
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
    OPEN_TO_QUERIES,
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

ALL = os.environ.get("MCAST_ALL")
CONNECTIONS = ["netns", "ssh"] if ALL else ["netns"]

# name: (variables of the client, variables of the server, what is not passed)
BREAKS = {
    # A join, with no datagram after it.
    "sender not started": (
        {"mcast_sender_streams": []}, {}, SENT | RECEIVED | ORDER | DATAGRAMS["client"] | DATAGRAMS["server"]),
    "wrong TTL": (
        {"mcast_sender_streams": [dict(SEND, ttl=5), SEND6]}, {},
        {"client/after/packets.datagrams/hello/239.0.0.100/eth0"}),
    "firewall closed": ({}, {"mcast_firewall_ports": []}, LISTED | OPEN | OPEN_TO_QUERIES | RECEIVED),
    "capture not started": (
        {}, {"mcast_capture_interfaces": []}, REPORTED | ORDER | DATAGRAMS["server"] | CAPTURED),
}


@pytest.mark.skipif(not ALL, reason="takes minutes: MCAST_ALL")
@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("name", BREAKS)
def test_exactly_the_checks_that_a_break_concerns_fail(inventory, connection, name):
    client, server, expected = BREAKS[name]
    folder = inventory(connection, client=client, server=server)
    ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
    assert not_passed(results(folder)) == expected, ran.stdout + ran.stderr
    assert ran.returncode != 0


# Breaks made on a host itself. name: (host, commands, what nft reads, what is not passed, what is said)
ON_THE_HOST = {
    # Ours accepts, and that doesn't help.
    "a chain of somebody else that drops": (
        "server", (), "table inet others { chain in { type filter hook input priority 10; udp dport 11111 drop; }; }",
        OPEN | RECEIVED, ["inet others in"]),
    # IPv4: the robustness variable that an interface got when it came up is another than the host's. Namespaces have
    # none for MLD: the first MLDv2 report about ff15::100 is dropped; its 76 bytes fit in the quota, and no more.
    "a report that is missing": (
        "server", ("sysctl -qw net.ipv4.igmp_qrv=1", "ip link set eth0 down", "ip link set eth0 up",
                   "sysctl -qw net.ipv4.igmp_qrv=2"),
        "table ip6 lossy { chain out { type filter hook output priority 0; icmpv6 type mld2-listener-report "
        "@th,96,128 0xff150000000000000000000000000100 quota 100 bytes drop; }; }",
        {each for each in REPORTED if "239.0.0.100" in each or "during" in each},
        ["actual:   1 igmpv3_report to_ex 239.0.0.100\n", "actual:   1 mldv2_report to_ex ff15::100\n"]),
    # They are on the wire, and no receiver takes them.
    "wrong UDP checksums": (
        "client", (), "table inet spoiling { chain out { type filter hook postrouting priority 0; udp dport 11111 "
        "udp checksum set 0xdead; }; }",
        DATAGRAMS["client"] | DATAGRAMS["server"] | ORDER | RECEIVED,
        ["1; 1 of them with a wrong UDP checksum, which no receiver takes (frames ",
         "2; 2 of them with a wrong UDP checksum, which no receiver takes (frames ",
         "then no datagrams to ff15::100 port 11111; 2 of them with a wrong UDP checksum"]),
}


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("names", [[name] for name in ON_THE_HOST] if ALL else [list(ON_THE_HOST)], ids=", ".join)
def test_exactly_the_checks_fail_that_a_break_on_a_host_concerns(inventory, connection, names):
    folder = inventory(connection)
    assert playbook(folder, "lab_up").returncode == 0
    try:
        expected, said = set(), []
        for host, commands, rules, fails, says in map(ON_THE_HOST.get, names):
            on_the_host = ["ip", "netns", "exec", f"{LAB}.{host}"]
            for line in commands:
                subprocess.run(on_the_host + line.split(), check=True)
            subprocess.run(on_the_host + ["nft", "-f", "-"], input=rules, text=True, check=True)
            expected |= fails
            said += says
        before = tables()
        ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
        assert not_passed(results(folder)) == expected, ran.stdout
        assert [each for each in said if each not in ran.stdout] == [], ran.stdout
        assert before <= tables()
    finally:
        assert playbook(folder, "lab_down").returncode == 0


def tables():
    listed = subprocess.run(["ip", "netns", "exec", f"{LAB}.server", "nft", "list", "tables"], capture_output=True,
                            text=True, check=True).stdout
    return set(listed.splitlines())


@pytest.mark.parametrize("connection", ["netns", "ssh"] if ALL else ["ssh"])
def test_a_capture_that_is_killed_in_the_middle_fails_by_what_came_after(inventory, connection):
    folder = inventory(connection)
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    bundle = folder.parent / "results" / LAB / "run"
    run = subprocess.Popen([str(BIN / "ansible-playbook"), "-i", str(folder), "mcast.lab.verify", "-e",
                            "mcast_evidence_within=2s", "-e", f"mcast_bundle={bundle}"], cwd=folder.parent,
                           env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60

    def judged():
        lines = (bundle / "results.jsonl").read_text() if (bundle / "results.jsonl").exists() else ""
        return lines.count('"id": "server/during/')
    while not judged() or judged() < sum(
            check["id"].startswith("server/during/") for check in
            json.loads((bundle / "plan.json").read_text())["checks"]):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    pids = subprocess.run(["ip", "netns", "pids", f"{LAB}.server"], capture_output=True, text=True, check=True).stdout
    for pid in pids.split():
        with contextlib.suppress(FileNotFoundError):  # a look at the host has ended meanwhile
            if pathlib.Path("/proc", pid, "comm").read_text() == "tcpdump\n":
                os.kill(int(pid), signal.SIGKILL)
    output = run.communicate(timeout=60)[0]
    # Neither the reports of the leave nor that no datagram came twice are certain without the rest of the capture.
    assert not_passed(results(folder)) == LEFT | CAPTURED | DATAGRAMS["server"], output
    assert "the capture has ended: tcpdump: was killed by SIGKILL" in output
