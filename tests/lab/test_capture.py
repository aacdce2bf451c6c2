"""Captures on hosts: what they take, how they are bounded, and that nothing of them is left, whatever happens."""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import unit
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from ansible_collections.mcast.lab.plugins.module_utils.traffic.supervise import identity
from traffic_lan import GROUPS, PORT, inode
from waiting import until

STREAMS = [{"group": GROUPS[4], "port": PORT}, {"group": GROUPS[6], "port": PORT}]
START = {"name": "wire", "interface": "eth0", "streams": STREAMS}
STOP = {"name": "wire", "state": "stopped"}
GONE = {"name": "wire", "state": "absent"}


@pytest.fixture
def lan(lan):
    yield lan
    lan.clean()
    assert not tcpdumps(lan.server)


@pytest.fixture
def capture(lan, module):
    """capture(OPTIONS, ...): run the module on the server."""
    def run(*parts, **more):
        options = {}
        for part in parts:
            options.update(part)
        return module("capture", dict(options, **more.pop("options", {})), namespace=lan.server, **more)
    return run


def tcpdumps(namespace):
    """The processes of tcpdump on a host, by pid and start time."""
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout.split()
    return [identity(int(pid)) for pid in pids if identity(int(pid))
            and pathlib.Path("/proc", pid, "comm").read_text() == "tcpdump\n"]


def report(lan):
    try:
        with open(f"{unit.ROOT}/{inode(lan.server)}/wire/report.json", encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def kinds(path):
    return [message["kind"] for message in read(path)["messages"]]


def records(path, kind, group):
    return [record for message in read(path)["messages"] for record in message["records"]
            if (record["type"], record["group"]) == (kind, group)]


def test_the_study_two_joins_one_datagram_two_leaves(lan, capture):
    begun = capture(START, options={"filter": f"port {PORT} or igmp"})
    assert begun["changed"] and begun["report"]["state"] == "capturing" and len(tcpdumps(lan.server)) == 1
    receiver = lan.program(lan.server, "receiver", group=GROUPS[4], port=PORT, interface="eth0")
    lan.send()
    until(lambda: len(records(begun["file"], "to_ex", GROUPS[4])) == 2)
    receiver.end()
    until(lambda: len(records(begun["file"], "to_in", GROUPS[4])) == 2)
    ended = capture(STOP)
    assert (ended["captured"], ended["received"], ended["dropped"], ended["changed"]) == (5, 5, 0, True)
    raw = pathlib.Path(ended["file"]).read_bytes()
    assert (ended["size"], ended["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    wire = read(ended["file"], kinds=["udp", "igmp"], payload=True)
    assert sorted(message["kind"] for message in wire["messages"]) == ["igmpv3_report"] * 4 + ["udp"]
    shown = subprocess.run(["tcpdump", "-nr", ended["file"]], capture_output=True, text=True, check=True).stdout
    assert len(shown.splitlines()) == 5
    assert capture(GONE)["changed"] and not os.path.exists(f"{unit.ROOT}/{inode(lan.server)}")


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_sent_right_after_the_start_is_captured_to_the_last(lan, capture, version):
    capture(START)
    lan.send(version, count=200, interval=0)
    until(lambda: report(lan)["bytes"] > 24 + 200 * (16 + 42))
    ended = capture(STOP)
    assert ended["dropped"] == 0
    assert [flow["packets"] for flow in read(ended["file"])["flows"]] == [200]


def test_the_default_filter_takes_control_and_the_streams_and_nothing_else(lan, capture, module):
    took = capture(START)
    module("capture", dict(START, name="icmp6", filter="icmp6"), namespace=lan.server)
    for version in (4, 6):
        receiver = lan.program(lan.server, "receiver", group=GROUPS[version], port=PORT, interface="eth0")
        lan.send(version)
        lan.send(version, port=PORT + 1)
        receiver.end()
    # A big one: the later fragments have no port.
    lan.send(4, payload="x" * 4000)
    frame = "from scapy.all import *; sendp(%s, iface='eth0', verbose=0)"
    for packet in ("Ether(dst='01:00:5e:00:00:0d')/IP(dst='224.0.0.13',proto=103,ttl=1)/bytes.fromhex('2000dfff')",
                   "Ether(dst='33:33:00:00:00:01')/IPv6(dst='ff02::1',hlim=1)/ICMPv6MLQuery()",
                   "Ether(dst='33:33:00:00:00:01')/IPv6(dst='ff02::1',hlim=1)/ICMPv6EchoRequest()"):
        assert lan.run(lan.client, [sys.executable, "-c", frame % packet]).returncode == 0
    until(lambda: {"igmpv3_report", "mldv2_report", "mldv1_query", "pim_hello"} <= set(kinds(took["file"])))
    ended = capture(STOP)
    wire = read(ended["file"])
    assert wire["packets"]["other"] == 0
    assert {(flow["group"], flow["destination_port"]) for flow in wire["flows"]} == {
        (group, PORT) for group in GROUPS.values()}
    assert sum(flow["fragmented"] for flow in wire["flows"]) == 1 and wire["fragments"] == 3
    other = module("capture", {"name": "icmp6", "state": "stopped"}, namespace=lan.server)
    assert "mldv2_report" not in kinds(other["file"])


@pytest.mark.parametrize("promiscuous", [False, True])
def test_only_a_promiscuous_capture_opens_the_interface(lan, capture, ip, promiscuous):
    took = capture(START, options={"promiscuous": promiscuous})
    link, = ip("-n", lan.server, "link", "show", "eth0")
    assert link["promiscuity"] == int(promiscuous) and took["report"]["promiscuous"] == promiscuous


def test_changed_says_what_it_did(lan, capture):
    assert capture(STOP)["changed"] is False and capture(GONE)["changed"] is False
    checked = capture(START, check=True)
    assert checked["changed"] and checked["report"] is None and report(lan) is None
    first = capture(START)
    again = capture(START)
    assert again["changed"] is False and again["report"]["pid"] == first["report"]["pid"]
    assert capture(STOP, check=True)["changed"] and report(lan)["state"] == "capturing"
    stopped = capture(STOP)
    assert stopped["changed"] and stopped["diff"]["after"]["wire"]["running"] is False
    assert capture(STOP) == dict(stopped, changed=False, diff={"before": {}, "after": {}})
    anew = capture(START)
    assert anew["changed"] and anew["sha256"] is None
    other = capture(START, options={"snap_length": 100})
    assert other["changed"] and len(tcpdumps(lan.server)) == 1
    gone = capture(GONE)
    assert gone["changed"] and gone["report"]["exit"]["code"] == 0 and gone["file"] is None
    assert not tcpdumps(lan.server)


def test_a_file_of_ones_own_stays(lan, capture, tmp_path):
    mine = str(tmp_path / "mine.pcap")
    assert capture(START, options={"file": mine})["file"] == mine
    assert capture(GONE)["report"]["state"] == "ended"
    assert read(mine)["truncated"] is False


def test_it_is_bounded_in_size(lan, capture):
    capture(START, options={"max_size": 2000})
    lan.send(count=100, interval=0)
    until(lambda: report(lan)["state"] == "ended")
    until(lambda: not tcpdumps(lan.server))
    ended = capture(STOP)
    assert ended["report"]["ended"]["reason"] == "size" and 1900 < ended["size"] <= 2000
    assert read(ended["file"])["truncated"] is False


def test_it_is_bounded_in_time(lan, capture):
    capture(START, options={"timeout": 0.2})
    until(lambda: report(lan)["state"] == "ended")
    until(lambda: not tcpdumps(lan.server))
    assert capture(STOP)["report"]["ended"]["reason"] == "timeout"


def test_packets_are_cut_at_the_snap_length(lan, capture):
    capture(START, options={"snap_length": 68})
    lan.send(payload="x" * 1000)
    until(lambda: report(lan)["bytes"] > 24)
    wire = read(capture(STOP)["file"], kinds=["udp"], payload=True)
    assert [(message["snapped"], message["details"]["length"]) for message in wire["messages"]] == [(True, 1000)]


def test_an_interface_that_vanishes_ends_it_by_name(lan, capture):
    capture(START)
    lan.send()
    until(lambda: report(lan)["bytes"] > 24)
    lan.ip("link delete eth0", namespace=lan.server)
    until(lambda: report(lan)["state"] == "failed")
    assert report(lan)["error"] == "eth0: has vanished; the capture holds what came before"
    until(lambda: not tcpdumps(lan.server))
    stopped = capture(STOP)
    assert "eth0: has vanished" in str(stopped["warnings"])
    assert [flow["packets"] for flow in read(stopped["file"])["flows"]] == [1]


BAD = [
    ({"interface": "eth9"}, "eth9: is not an interface here, nor the address of one; there are "),
    ({"filter": "udp porrt 7"}, "filter: is refused by tcpdump (can't parse filter expression: syntax error)"),
    ({"filter": "ip6 host 10.0.0.1"}, "filter: is refused by tcpdump ("),
    ({"filter": "portrange 1-x"}, "filter: is refused by tcpdump ("),
    ({"filter": "-w /etc/passwd"}, "filter: is refused by tcpdump ("),
    ({"streams": [{"group": "10.0.0.1", "port": 1}]}, "10.0.0.1: is not a multicast group"),
    ({"streams": [{"group": GROUPS[4]}]}, "streams: expected a list of {group, port}"),
    ({"streams": [{"group": GROUPS[4], "port": 65536}]}, "streams: 65536 is not a valid port"),
    ({"snap_length": 10}, "10 is not a valid snap length; expected 68 to 262144"),
    ({"max_size": 0}, "0 is not a valid size; expected 1024 to "),
    ({"timeout": -1}, "-1.0 is not a valid number of seconds"),
    ({"file": "/nowhere/at.all"}, "/nowhere/at.all: can't be written beyond 0 bytes"),
    ({"name": "a/b"}, "a/b: is not a valid name for a program"),
]


@pytest.mark.parametrize(("options", "says"), BAD)
def test_bad_input_is_one_message_and_nothing_runs(lan, capture, options, says):
    refused = capture(START, options=options)
    assert refused["failed"] and says in refused["msg"] and "\n" not in refused["msg"]
    assert not tcpdumps(lan.server) and not os.path.exists(f"{unit.ROOT}/{inode(lan.server)}")


def test_an_interface_that_is_down_is_named(lan, capture):
    lan.ip("link set eth0 down", namespace=lan.server)
    assert capture(START)["msg"].endswith("eth0: is down; take it up before the capture")


def test_a_host_without_tcpdump_is_told_what_to_install(capture, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert capture(START)["msg"].endswith(
        "tcpdump: is not installed on this host; install the package tcpdump")


def test_a_name_that_a_receiver_bears_is_refused(lan, capture, module):
    module("receiver", {"name": "wire", "group": GROUPS[4], "port": PORT, "interface": "eth0"}, namespace=lan.server)
    for options in (START, STOP, GONE):
        assert "wire: is the name of a receiver" in capture(options)["msg"]


def test_a_full_disk_ends_it_with_whole_packets(lan, capture, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=True)
    try:
        capture(START, options={"file": str(disk / "full.pcap")})
        lan.send(count=400, interval=0)
        until(lambda: report(lan)["state"] == "failed")
        until(lambda: not tcpdumps(lan.server))
        stopped = capture(STOP)
        assert "No space left on device; make room there" in stopped["report"]["error"]
        assert 15000 < stopped["size"] <= 16384 and read(stopped["file"])["truncated"] is False
    finally:
        capture(GONE)
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_takes_the_last_report_too(lan, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=True)
    try:
        program = subprocess.Popen(
            ["ip", "netns", "exec", lan.server, sys.executable, "-m", "plugins.module_utils.traffic.cli",
             "capture", "--interface=eth0", "--filter=udp", f"--file={disk / 'full.pcap'}",
             f"--report={disk / 'report.json'}"],
            cwd=pathlib.Path(__file__).parents[2], stderr=subprocess.DEVNULL)
        until(lambda: (disk / "report.json").exists() and "capturing" in (disk / "report.json").read_text())
        lan.send(count=400, interval=0)
        assert program.wait(timeout=30) == 1
        told = json.loads((disk / "report.json").read_text())
        assert told["state"] == "failed" and "No space left on device; make room there" in told["error"]
        assert {path.name for path in disk.iterdir()} == {"full.pcap", "report.json"}
    finally:
        program.kill()
        program.wait()
        subprocess.run(["umount", str(disk)], check=True)


def test_without_rights_it_says_so(lan):
    place = pathlib.Path(f"/tmp/mct-{os.getpid()}")
    place.mkdir(mode=0o777)
    try:
        shutil.copy(lan.pyz, place / "mcast.pyz")
        place.chmod(0o777)
        ran = lan.run(lan.server, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3",
                                   str(place / "mcast.pyz"), "capture", "--interface=eth0",
                                   f"--file={place / 'x.pcap'}"], cwd="/")
        assert (ran.returncode, ran.stderr) == (
            1, "capture: eth0: can't be captured without root; run this as root, with become: true\n")
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("victim", ["supervisor", "program", "tcpdump"])
def test_whoever_is_killed_nothing_runs_on_and_the_file_is_there(lan, capture, victim):
    # No further packet comes that tcpdump could fail to write.
    begun = capture(START, options={"filter": f"udp port {PORT}"})
    lan.send()
    until(lambda: report(lan)["bytes"] > 24)
    with open(f"{os.path.dirname(begun['file'])}/unit.json", encoding="utf-8") as file:
        processes = json.load(file)["processes"] + tcpdumps(lan.server)
    os.kill(processes[("supervisor", "program", "tcpdump").index(victim)][0], signal.SIGKILL)
    until(lambda: not any(identity(process[0]) == process for process in processes))
    stopped = capture(STOP)
    assert [flow["packets"] for flow in read(stopped["file"])["flows"]] == [1] and stopped["sha256"]
    if victim != "supervisor":  # its end is an orderly one for the program
        assert "was killed" in str(stopped["warnings"])


def test_by_hand_it_ends_by_ctrl_c(lan, tmp_path):
    file = tmp_path / "hand.pcap"
    program = lan.program(lan.server, "capture", interface="eth0", file=str(file))
    until(lambda: program.report()["state"] == "capturing")
    ended = program.end(signal.SIGINT)
    assert (ended["state"], ended["ended"]["reason"], ended["dropped"]) == ("ended", "SIGINT", 0)
    assert read(str(file))["truncated"] is False


def test_a_task_of_ones_own_judges_what_is_and_was_captured(lan, tmp_path, play):
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"server": {
        "ansible_connection": "mcast.lab.netns", "mcast_netns": lan.server,
        "ansible_python_interpreter": "/usr/bin/python3"}}}}))
    join = {"check": "packets.messages", "capture": "wire", "group": GROUPS[4], "record": "to_ex", "router_alert": True}

    def checked(*checks):
        return {"mcast.lab.check": {"checks": list(checks), "within": "3s"}}
    done = play(tmp_path, tmp_path / "hosts.yml", [
        {"mcast.lab.capture": START}, checked(dict(join, count=0)),
        {"mcast.lab.receiver": {"name": "hello", "group": GROUPS[4], "port": PORT, "interface": "eth0"}},
        checked(dict(join, count=2, within=1.5), {"check": "packets.reports", "capture": "wire", "interface": "eth0",
                                                  "group": GROUPS[4], "change": "join"}),
        {"mcast.lab.capture": STOP}, checked(dict(join, at_least=2), {"check": "packets.captured", "capture": "wire"}),
        checked(dict(join, ttl=64)), {"mcast.lab.capture": GONE}, checked(join)])["server"]
    assert [bool(result.get("failed")) for result in done] == [False] * 6 + [True, False, True]
    assert "ttl 1 in place of 64" in done[6]["msg"]
    assert done[8]["checks"][0]["actual"] == "no capture wire"
