"""The parts of the programs that need no socket: arguments, filters, what a slot says, the report, the zipapp."""
from __future__ import annotations

import ipaddress
import json
import socket
import struct
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import unit
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.traffic import cli, inbox, program, receiver, supervise, zipapp

RECEIVER = ["receiver", "--group=239.0.0.100", "--port=11111", "--interface=lo"]
SENDER = ["sender", "--group=239.0.0.100", "--port=11111", "--interface=lo"]


def changed(argv, **options):
    """argv with some of its options replaced, or added."""
    values = dict(word[2:].split("=", 1) for word in argv[1:])
    values.update(options)
    return argv[:1] + [f"--{key.replace('_', '-')}={value}" for key, value in values.items()]


@pytest.mark.parametrize(("argv", "says"), [
    ([], "COMMAND"),
    (["router"], "invalid choice: 'router'"),
    ([*RECEIVER, "--colour=red"], "colour: is not an option of a receiver; expected one of count, filter_mode, "),
    ([*RECEIVER, "--gro=239.0.0.1"], "gro: is not an option of a receiver"),  # no abbreviations
    ([*SENDER, "--filter-mode=x"], "filter_mode: is not an option of a sender; expected one of count, group"),
    (changed(RECEIVER, filter_mode="x"), "filter_mode: invalid choice: 'x'"),
    (["receiver"], "group, port, interface: are missing for a receiver"),
    (changed(RECEIVER, group="192.0.2.1"), "192.0.2.1: is not a multicast group"),
    (changed(RECEIVER, group="239.0.0"), "239.0.0: is not an IPv4 or IPv6 address"),
    (changed(RECEIVER, group="fe80::1"), "is not a multicast group"),
    (changed(RECEIVER, group="ff02::1%lo"), "ff02::1%lo: is not a"),
    (changed(RECEIVER, port=0), "0 is not a valid port; expected 1 to 65535"),
    (changed(RECEIVER, port=65536), "65536 is not a valid port"),
    (changed(RECEIVER, port="http"), "http is not a valid port"),
    (changed(RECEIVER, interface="nosuch0"), "nosuch0: is not an interface here"),
    (changed(RECEIVER, interface="192.0.2.77"), "192.0.2.77: is the address of no interface here"),
    (changed(RECEIVER, interface=""), "is not an interface here"),
    (changed(RECEIVER, source="2001:db8::1"), "is not a source for 239.0.0.100; expected an IPv4"),
    (changed(RECEIVER, source="239.1.1.1"), "is not a source for"),
    (changed(RECEIVER, source="0.0.0.0"), "is not a source for"),
    (changed(RECEIVER, source="client"), "client: is not a source"),
    (changed(RECEIVER, group="ff15::1", source="192.0.2.1"), "expected an IPv6"),
    (changed(RECEIVER, filter_mode="include"), "filter mode include needs at least one source"),
    (changed(RECEIVER, filter_mode="allow"), "invalid choice"),
    (changed(RECEIVER, group="232.1.1.1"), "232.1.1.1: is a source-specific group"),
    (changed(RECEIVER, group="ff35::8000:1"), "is a source-specific group"),
    (changed(RECEIVER, count=-1), "-1 is not a valid count"),
    (changed(RECEIVER, timeout="nan"), "nan is not a valid number of seconds"),
    (changed(RECEIVER, timeout="inf"), "inf is not a valid number of seconds"),
    (changed(SENDER, group="10.0.0.1"), "is not a multicast group"),
    (changed(SENDER, ttl=256), "256 is not a valid TTL; expected 0 to 255"),
    (changed(SENDER, interval=-1), "is not a valid number of seconds"),
    (changed(SENDER, source_port=70000), "70000 is not a valid port"),
    (changed(SENDER, payload="x" * 65508), "has 65508 bytes; expected at most 65507"),
    (changed(SENDER, group="ff15::1", interface="127.0.0.1"), "is of another family than ff15::1"),
])
def test_wrong_arguments_are_refused_before_anything_is_opened(argv, says):
    with pytest.raises(McastError) as caught:
        cli.build(argv)
    assert says in str(caught.value)
    # Modules and steps have no dashes: that is for the command line alone.
    assert "--" not in str(caught.value) and "usage" not in str(caught.value)


def test_the_command_line_names_options_as_it_has_them(capsys):
    assert cli.main([*RECEIVER, "--filter-mode=x"]) == 1
    assert capsys.readouterr().err.startswith("--filter-mode: invalid choice: 'x'")
    assert cli.main(["sender", "--group=239.0.0.1"]) == 1
    assert capsys.readouterr().err == "--port, --interface: are missing for a sender; see --help\n"


@pytest.mark.parametrize(("mode", "sources", "result"), [
    (None, [], ("exclude", [])),
    (None, ["10.0.0.1"], ("include", ["10.0.0.1"])),
    (None, ["10.0.0.1", "10.0.0.2", "10.0.0.1"], ("include", ["10.0.0.1", "10.0.0.2"])),
    ("exclude", ["10.0.0.1"], ("exclude", ["10.0.0.1"])),
    ("exclude", [], ("exclude", [])),
    ("include", ["10.0.0.1"], ("include", ["10.0.0.1"])),
])
def test_filter_mode_follows_the_sources(mode, sources, result):
    found = receiver.source_filter(ipaddress.ip_address("239.0.0.1"), mode, sources)
    assert (found[0], [str(source) for source in found[1]]) == result


def test_an_ssm_group_is_joined_from_any_source_only_where_that_is_asked_for():
    assert receiver.source_filter(ipaddress.ip_address("232.1.1.1"), "exclude", []) == ("exclude", [])


def test_the_interface_may_be_given_by_its_address():
    made = cli.build(changed(RECEIVER, interface="127.0.0.1"))[0]
    assert made.facts["memberships"] == [{
        "group": "239.0.0.100", "port": 11111, "interface": "lo", "index": socket.if_nametoindex("lo"),
        "filter_mode": "exclude", "sources": []}]


@pytest.mark.parametrize(("payload", "text"), [
    (b"HELLO", "HELLO"), (b"", ""), ("grüß dich".encode(), "grüß dich"), (b"line\r\n", "line\r\n"),
    (b"\xff\x00", "ff00"), (b"a\x00b", "610062"), (b"\x1b[2J", "1b5b324a"), ("ü".encode()[:1], "c3"),
])
def test_payload_is_text_where_it_can_be_read(payload, text):
    assert receiver.text_of(payload) == text


def control(level, kind, data):
    """One control message as the kernel lays it out."""
    return (struct.pack("@Nii", struct.calcsize("@Nii") + len(data), level, kind) + data).ljust(
        struct.calcsize("@Nii") + (len(data) + 7) // 8 * 8, b"\0")


def slot(name, *controls):
    return (name.ljust(32, b"\0") + b"".join(controls)).ljust(128, b"\0")


IPV4 = struct.pack("@H", socket.AF_INET) + struct.pack("!H4s", 4000, bytes([10, 0, 0, 2]))
IPV6 = struct.pack("@H", socket.AF_INET6) + struct.pack("!H4x16s", 4000, socket.inet_pton(socket.AF_INET6, "fe80::2"))
TO_IPV4 = control(socket.IPPROTO_IP, 8, struct.pack("@i4s4s", 7, bytes(4), bytes([239, 1, 1, 1])))
TO_IPV6 = control(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO,
                  struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, "ff15::1"), 9))


@pytest.mark.parametrize(("raw", "said"), [
    (slot(IPV4, TO_IPV4, control(0, 2, struct.pack("@i", 1))), ("10.0.0.2", 4000, "239.1.1.1", 7, 1)),
    (slot(IPV4, control(0, 2, struct.pack("@i", 255)), TO_IPV4), ("10.0.0.2", 4000, "239.1.1.1", 7, 255)),
    (slot(IPV6, TO_IPV6, control(41, socket.IPV6_HOPLIMIT, struct.pack("@i", 64))),
     ("fe80::2", 4000, "ff15::1", 9, 64)),
    (slot(IPV4), ("10.0.0.2", 4000, None, None, None)),
    (slot(IPV4, control(socket.SOL_SOCKET, 29, bytes(16)), TO_IPV4), ("10.0.0.2", 4000, "239.1.1.1", 7, None)),
])
def test_a_slot_tells_source_destination_interface_and_ttl(raw, said):
    source, port, destination, index, ttl = inbox.decode(raw)
    assert (str(source), port, destination and str(destination), index, ttl) == said


def test_a_report_is_written_at_once_then_held_back_and_never_lost(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(program.time, "monotonic", lambda: clock[0])
    state = {"datagrams": 0}
    path = tmp_path / "report.json"
    report = program.Report(str(path), lambda: state)

    def happen(number, seconds):
        clock[0] += seconds
        state["datagrams"] = number
        report.touch()
        return json.loads(path.read_text())["datagrams"]

    assert happen(1, 0) == 1
    assert happen(2, 0.004) == 1
    assert 0 < report.wait() <= 0.01
    clock[0] += 0.007
    assert report.wait() is None
    assert json.loads(path.read_text()) == {"datagrams": 2}
    assert report.wait() is None
    assert happen(3, 5) == 3
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("name", ["hello", "a", "0", "h-1_x.y", "x" * 64, "-x"])
def test_unit_names(name):
    assert unit.status(name) is None


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "x" * 65, "a b", "ä", "a\n", "../x"])
def test_unit_names_that_are_refused(name):
    with pytest.raises(McastError, match="is not a valid name for a program"):
        unit.status(name)


def test_a_process_is_told_from_another_of_the_same_pid():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = supervise.identity(child.pid)
        assert found[0] == child.pid and found[1] > 0
        assert supervise.identity(child.pid) == found
    finally:
        child.communicate(b"\n")
    assert supervise.identity(child.pid) is None


def test_the_zipapp_holds_the_programs_and_writes_itself_again(tmp_path):
    first, second = tmp_path / "mcast.pyz", tmp_path / "again.pyz"
    zipapp.build(str(first))
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
    assert "__main__.py" in names and "mcast/traffic/cli.py" in names
    subprocess.run([sys.executable, "-I", str(first), "zipapp", str(second)], check=True)
    assert second.read_bytes() == first.read_bytes()
    assert second.stat().st_mode & 0o777 == 0o755
    help_text = subprocess.run([str(second), "receiver", "--help"], check=True, capture_output=True, text=True).stdout
    assert "--filter-mode" in help_text


def test_by_hand_wrong_arguments_are_one_line_and_a_failure(capsys):
    assert cli.main(changed(RECEIVER, group="10.0.0.1")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "10.0.0.1: is not a multicast group; expected an address of 224.0.0.0/4 or ff00::/8"]
