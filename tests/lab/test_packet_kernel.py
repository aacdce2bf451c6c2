# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine's kernel really sends, as host and as querier, captured by tcpdump and dumpcap: read to the message
that the protocol's text asks for, and like tshark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import groupby

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from packet_oracle import judge
from packet_wire import JOIN, TCPDUMP, Recorder, inside, run
from waiting import until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces take root"),
    pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump"),
]

HOST, SWITCH = f"mct-{os.getpid()}-h", f"mct-{os.getpid()}-s"
G, H, G6, S, S6 = "239.0.0.100", "232.1.1.1", "ff15::64", "10.0.0.9", "2001:db8::9"


@pytest.fixture
def wire():
    """A host whose eth0 is a port of a bridge; the host's reports are sent at once."""
    run("ip", "netns", "add", HOST)
    try:
        run("ip", "netns", "add", SWITCH)
        run("ip", "-n", SWITCH, "link", "add", "br0", "type", "bridge", "mcast_snooping", "1")
        run("ip", "link", "add", "eth0", "netns", HOST, "type", "veth", "peer", "name", "p1", "netns", SWITCH)
        run("ip", "-n", SWITCH, "link", "set", "p1", "master", "br0")
        for setting in (
            "ipv6.conf.eth0.accept_dad=0",
            "ipv4.conf.eth0.igmpv2_unsolicited_report_interval=100",
            "ipv4.conf.eth0.igmpv3_unsolicited_report_interval=100",
            "ipv6.conf.eth0.mldv1_unsolicited_report_interval=100",
            "ipv6.conf.eth0.mldv2_unsolicited_report_interval=100",
        ):
            run(*inside(HOST, "sysctl", "-qw", f"net.{setting}"))
        run(*inside(SWITCH, "sysctl", "-qw", "net.ipv6.conf.br0.accept_dad=0"))
        run("ip", "-n", HOST, "address", "add", "10.0.0.3/24", "dev", "eth0")
        for namespace, name in ((SWITCH, "br0"), (SWITCH, "p1"), (HOST, "eth0")):
            run("ip", "-n", namespace, "link", "set", name, "up")
        until(lambda: "fe80" in run("ip", "-n", HOST, "-6", "address", "show", "dev", "eth0", "-tentative"))
        yield
    finally:
        for namespace in (HOST, SWITCH):
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def events(messages, group):
    """What was said of a group: kinds, or records with their sources."""
    told = []
    for message in messages:
        if message["group"] == group and not message["query"]:
            told.append(message["kind"])
        told += [(record["type"], record["sources"]) for record in message["records"] if record["group"] == group]
    return told


# Version forced, group, source -> what join and leave look like on the wire.
HOSTS = (
    (1, G, None, ["igmpv1_report"] * 2),
    (2, G, None, ["igmpv2_report"] * 2 + ["igmpv2_leave"]),
    (3, G, None, [("to_ex", [])] * 2 + [("to_in", [])] * 2),
    (3, H, S, [("allow", [S])] * 2 + [("block", [S])] * 2),
    (1, G6, None, ["mldv1_report"] * 2 + ["mldv1_done"]),
    (2, G6, None, [("to_ex", [])] * 2 + [("to_in", [])] * 2),
    (2, G6, S6, [("allow", [S6])] * 2 + [("block", [S6])] * 2),
)


@pytest.mark.parametrize("version, group, source, wanted", HOSTS)
def test_join_and_leave(wire, tmp_path, version, group, source, wanted):
    name = "ipv6.conf.eth0.force_mld_version" if ":" in group else "ipv4.conf.eth0.force_igmp_version"
    run(*inside(HOST, "sysctl", "-qw", f"net.{name}={version}"))
    with Recorder(HOST, tmp_path / "a.pcap", TCPDUMP) as recorder:
        argv = inside(HOST, sys.executable, "-c", JOIN, group) + ([source] if source else [])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as member:
            assert member.stdout.readline() == b"joined\n"
            until(lambda: len(events(recorder.messages(), group)) >= 2)
            member.stdin.close()
        until(lambda: all(events(recorder.messages(), group).count(event) >= wanted.count(event) for event in wanted))
        messages = recorder.messages(group=group)
    told = events(messages, group)
    # The kernel says each change at least as often as the robustness variable; a join once more where it has just
    # finished duplicate address detection (net/ipv6/mcast.c, mld_send_initial_cr).
    assert [event for event, unused in groupby(told)] == [event for event, unused in groupby(wanted)], told
    for message in messages:
        assert message["checksum"] == "good" and message["router_alert"] and message["ttl"] == 1
        assert message["source"].startswith("fe80::" if ":" in group else "10.0.0.3") and not message["malformed"]
    like_tshark(recorder.path)


def like_tshark(path):
    if shutil.which("tshark"):
        compared, complaints = judge(path)
        assert complaints == [] and compared


FORMATS = (
    ("pcap", TCPDUMP, "ethernet", None),
    ("nanoseconds", ("tcpdump", "--time-stamp-precision=nano") + TCPDUMP[1:], "ethernet", None),
    ("any", ("tcpdump", "-U", "--immediate-mode", "-i", "any", "-w"), "linux_cooked_v2", "2"),
    ("pcapng", ("dumpcap", "-q", "-i", "eth0", "-w"), "ethernet", "eth0"),
)


@pytest.mark.parametrize("argv, link_type, interface", [row[1:] for row in FORMATS], ids=[row[0] for row in FORMATS])
@pytest.mark.parametrize("igmp, mld", ((2, 1), (3, 2)))
def test_querier(wire, tmp_path, argv, link_type, interface, igmp, mld):
    """The bridge asks; the host answers, in the same version."""
    if not shutil.which(argv[0]):
        pytest.skip(f"needs {argv[0]}")
    kinds = [f"igmpv{igmp}_query", f"mldv{mld}_query", f"igmpv{igmp}_report", f"mldv{mld}_report"]
    joined = subprocess.Popen(
        inside(HOST, sys.executable, "-c", JOIN, G), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with joined, Recorder(HOST, tmp_path / "a.pcap", argv) as recorder:
        joined.stdout.readline()
        run(
            "ip",
            "-n",
            SWITCH,
            "link",
            "set",
            "br0",
            "type",
            "bridge",
            "mcast_igmp_version",
            str(igmp),
            "mcast_mld_version",
            str(mld),
            "mcast_query_response_interval",
            "50",
            "mcast_query_interval",
            "200",
            "mcast_startup_query_interval",
            "100",
        )
        run("ip", "-n", SWITCH, "link", "set", "br0", "type", "bridge", "mcast_querier", "1")
        until(lambda: set(kinds) <= {message["kind"] for message in recorder.messages()}, 15)
        result = read(recorder.path)
        joined.stdin.close()
    queries = [message for message in result["messages"] if message["query"]]
    assert {message["query"] for message in queries} == {"general"} and list(result["link_types"]) == [link_type]
    assert {message["max_response"] for message in queries} == {0.5}
    assert {message["interval"] for message in queries} == ({None} if igmp == 2 else {2})
    assert all(message["checksum"] == "good" and message["interface"] == interface for message in result["messages"])
    like_tshark(recorder.path)
