"""The receiver and the sender on real wires, beside plain sockets and the kernel's own tables."""
from __future__ import annotations

import glob
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from traffic_lan import GROUPS, PORT, SERVER, SOURCES
from waiting import until

# What a program in C would do; argv: group, port, address of the interface or its index, what to do.
PLAIN = """
import socket, struct, sys
group, port, interface, action = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
six = ":" in group
sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if action == "send":
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
    print("ready", flush=True)
    sys.stdin.readline()
    for payload in sys.argv[5:]:
        sock.sendto(payload.encode(), (group, port))
else:
    sock.bind(("", port))
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", socket.if_nametoindex(interface)))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton(group) + socket.inet_aton(interface))
    print("ready", flush=True)
    data, peer = sock.recvfrom(2000)
    sys.stdout.write("%s from %s to %s\\n" % (data.decode(), peer[0], group))
"""
# The bare socket under our receiver: what it gets first, before any look at where that was sent to.
BARE = """
import ipaddress, select, socket, sys
from ansible_collections.mcast.lab.plugins.module_utils.traffic import sockets
sock = sockets.open_receiver(ipaddress.ip_address(sys.argv[1]), int(sys.argv[2]), socket.if_nametoindex("eth0"),
                             "exclude", [])
print("ready", flush=True)
select.select([sock], [], [])
print(sock.recv(2000).decode())
"""
INTERFACE = {4: lambda host: "10.9.0.10" if host == "server" else "10.9.0.1", 6: lambda unused: "eth0"}


def receiver(lan, version=4, **options):
    options = dict({"group": GROUPS[version], "port": PORT, "interface": "eth0"}, **options)
    return lan.program(lan.server, "receiver", **options)


def plain(lan, version, action, *payloads, group=None):
    """A program that has joined, or that sends at once as soon as it is told to (`tell`)."""
    host = "client" if action == "send" else "server"
    process = lan.popen(getattr(lan, host), [sys.executable, "-c", PLAIN, group or GROUPS[version], str(PORT),
                                             INTERFACE[version](host), action, *payloads])
    assert process.stdout.readline() == "ready\n"
    return process


def tell(sender):
    sender.communicate("\n", timeout=60)
    assert sender.returncode == 0


def pythons():
    """Every Python that the programs must run on and that is here."""
    for minor in range(8, 14):
        found = shutil.which(f"python3.{minor}", path="/usr/bin:/usr/local/bin") or next(
            iter(glob.glob(os.path.expanduser(f"~/.pyenv/versions/3.{minor}.*/bin/python"))), None)
        yield pytest.param(found, id=f"3.{minor}", marks=[] if found else pytest.mark.skip(reason="not here"))


@pytest.mark.parametrize("python", list(pythons()))
@pytest.mark.parametrize("version", [4, 6])
def test_one_datagram_is_told_in_full(lan, version, python):
    got = lan.program(lan.server, "receiver", python=python, group=GROUPS[version], port=PORT, interface="eth0")
    sent = lan.send(version, source=1, source_port=4000, ttl=7, python=python)
    report = until(lambda: got.report()["datagrams"] and got.report())
    flow = report["flows"][0]
    assert sent["first"] - 0.01 <= flow.pop("first") == flow.pop("last") <= sent["first"] + 1
    assert report["flows"] == [{
        "source": SOURCES[version][1], "source_port": 4000, "group": GROUPS[version], "port": PORT,
        "interface": "eth0", "datagrams": 1, "bytes": 5, "ttl": 7, "payload": "HELLO"}]
    assert (report["state"], report["datagrams"], report["bytes"], report["dropped"]) == ("joined", 1, 5, 0)
    assert (sent["source"], sent["source_port"], sent["state"], sent["ended"]["reason"], sent["bytes"]) == (
        SOURCES[version][1], 4000, "ended", "count", 5)


@pytest.mark.parametrize("version", [4, 6])
def test_plain_sockets_understand_ours_and_ours_them(lan, version):
    other = plain(lan, version, "receive")
    lan.send(version)
    assert other.communicate(timeout=60)[0] == f"HELLO from {SOURCES[version][0]} to {GROUPS[version]}\n"
    got = receiver(lan, version, count=2)
    tell(plain(lan, version, "send", "eins", "zwei"))
    assert got.process.wait(60) == 0
    assert [(flow["payload"], flow["datagrams"], flow["bytes"]) for flow in got.report()["flows"]] == [("eins", 2, 8)]


@pytest.mark.parametrize("version", [4, 6])
def test_member_from_the_join_to_the_end_and_the_sender_never(lan, version):
    group = GROUPS[version]
    assert lan.memberships(group) == []
    got = receiver(lan, version, interface=SERVER[version])
    assert lan.memberships(group) == ["eth0"]
    lan.send(version)
    assert group not in lan.run(lan.client, ["ip", "maddress", "show"]).stdout
    assert got.end()["ended"]["reason"] == "SIGTERM"
    assert lan.memberships(group) == []


FILTERS = [  # mode, sources by number, who is heard, the kernel's counts of (including, excluding) sockets
    (None, [0], [0], (1, 0)),
    (None, [0, 2], [0, 2], (1, 0)),
    ("include", [1], [1], (1, 0)),
    ("exclude", [1], [0, 2], (0, 1)),
    ("exclude", [0, 1], [2], (0, 1)),
    ("exclude", [], [0, 1, 2], None),
]


@pytest.mark.parametrize(("mode", "sources", "heard", "counts"), FILTERS)
@pytest.mark.parametrize("version", [4, 6])
def test_source_filters(lan, version, mode, sources, heard, counts):
    options = {"filter_mode": mode} if mode else {}
    got = receiver(lan, version, source=[SOURCES[version][i] for i in sources], **options)
    assert kernel_filter(lan, version) == {SOURCES[version][i]: counts for i in sources}
    for number in range(3):
        lan.send(version, source=number)
    # The last one to be heard came last, or all after it are known to be unheard: the wire keeps the order.
    until(lambda: len(got.report()["flows"]) >= len(heard))
    report = got.end()
    assert sorted(flow["source"] for flow in report["flows"]) == [SOURCES[version][i] for i in heard]
    assert report["datagrams"] == len(heard)
    assert kernel_filter(lan, version) == {}


def kernel_filter(lan, version):
    """{source: (including sockets, excluding sockets)} of the group, from /proc/net/mcfilter or mcfilter6."""
    text = lan.run(lan.server, ["cat", f"/proc/net/mcfilter{'' if version == 4 else '6'}"]).stdout
    found = {}
    for line in text.splitlines()[1:]:
        group, source, including, excluding = line.split()[2:6]
        number = [int(word, 16) for word in (group, source)]
        kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        if str(kind(number[0])) == GROUPS[version]:
            found[str(kind(number[1]))] = (int(including, 16), int(excluding, 16))
    return found


@pytest.mark.parametrize("version", [4, 6])
def test_what_others_joined_is_not_counted(lan, version):
    foreign = {4: "239.0.0.101", 6: "ff15::65"}[version]
    # Both plain sockets get the foreign group: one joined it, the other merely holds the port.
    holders = [plain(lan, version, "receive", group=foreign), plain(lan, version, "receive")]
    got = receiver(lan, version)
    bare = lan.popen(lan.server, [sys.executable, "-c", BARE, GROUPS[version], str(PORT)])
    assert bare.stdout.readline() == "ready\n"
    lan.send(version, group=foreign)
    for holder in holders:
        assert holder.communicate(timeout=60)[0].startswith("HELLO from")
    lan.send(version, payload="ours")
    until(lambda: got.report()["datagrams"])
    assert [flow["payload"] for flow in got.end()["flows"]] == ["ours"]
    assert bare.communicate(timeout=60)[0] == "ours\n"


def test_unicast_to_the_port_is_not_counted(lan):
    got = receiver(lan)
    lan.run(lan.client, [sys.executable, "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                         f"s.sendto(b'stray', ('10.9.0.10', {PORT}))"])
    lan.send(payload="ours")
    until(lambda: got.report()["datagrams"])
    assert [(flow["payload"], flow["datagrams"]) for flow in got.end()["flows"]] == [("ours", 1)]


@pytest.mark.parametrize("version", [4, 6])
def test_joined_on_the_wrong_interface_hears_nothing(lan, version):
    wrong, right = receiver(lan, version, interface="eth1"), receiver(lan, version)
    lan.send(version)
    until(lambda: right.report()["datagrams"])
    assert (wrong.end()["datagrams"], right.end()["datagrams"]) == (0, 1)


def test_several_groups_and_both_families_side_by_side(lan):
    groups = ["239.1.1.1", "239.1.1.2", "ff15::1"]
    got = receiver(lan, group=groups)
    for version, group in zip((4, 4, 6), groups):
        lan.send(version, group=group, payload=group)
    until(lambda: got.report()["datagrams"] == 3)
    assert [(flow["group"], flow["payload"]) for flow in got.report()["flows"]] == [(one, one) for one in groups]
    assert [one["group"] for one in got.report()["memberships"]] == groups


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")])
def test_signals_end_both_with_a_report(lan, number, reason):
    got = receiver(lan)
    sender = lan.program(lan.client, "sender", group=GROUPS[4], port=PORT, interface="eth0", count=0, interval=0.01)
    until(lambda: got.report()["datagrams"] >= 3)
    sent, heard = sender.end(number), got.end(number)
    assert (sent["state"], sent["ended"]["reason"]) == (heard["state"], heard["ended"]["reason"]) == ("ended", reason)
    assert 3 <= heard["datagrams"] <= sent["datagrams"]


def test_killed_they_leave_what_they_wrote_and_no_membership(lan):
    got = receiver(lan)
    sender = lan.program(lan.client, "sender", group=GROUPS[4], port=PORT, interface="eth0", count=0, interval=0.01)
    until(lambda: got.report()["datagrams"] >= 3)
    sent, heard = sender.end(signal.SIGKILL), got.end(signal.SIGKILL)
    assert (sent["state"], sent["ended"], heard["state"], heard["ended"]) == ("sending", None, "joined", None)
    # Reports lag behind by what fits between two of them, which is up to the machine: neither is without its datagrams.
    assert heard["datagrams"] >= 3 and sent["datagrams"] >= 1
    assert lan.memberships(GROUPS[4]) == []


def test_the_report_comes_to_what_was_received_and_the_pace_is_kept(lan):
    got = receiver(lan)
    sender = lan.program(lan.client, "sender", group=GROUPS[4], port=PORT, interface="eth0", count=200, interval=0.005)
    assert sender.process.wait(60) == 0
    sent = sender.report()
    until(lambda: got.report()["datagrams"] == 200)
    assert sent["last"] - sent["first"] > 0.9  # 199 intervals: never faster, however busy the machine


def test_typed_lines_reach_receivers_and_the_end_of_input_ends_them(lan):
    words = ["--group", GROUPS[4], "--port", str(PORT)]
    heard = [lan.popen(lan.server, [sys.executable, lan.pyz, "receiver", "--interface", "10.9.0.10", "--until", "."]
                       + words) for unused in range(2)]
    until(lambda: "users 2" in lan.run(lan.server, ["ip", "maddress", "show", "dev", "eth0"]).stdout)
    sender = lan.popen(lan.client, [sys.executable, lan.pyz, "sender", "--interface", "10.9.0.1", "--lines"] + words)
    for line in ("HELLO\n", "zweite Zeile\n"):
        sender.stdin.write(line)
        sender.stdin.flush()
        for one in heard:
            assert one.stdout.readline().endswith(f": {line}")
    sender.stdin.write("the last, without an end")
    sender.stdin.close()
    assert [one.wait(60) for one in heard + [sender]] == [0, 0, 0]
    for one in heard:
        rest = [line.rpartition(": ")[2] for line in one.stdout.read().splitlines()]
        assert rest == ["the last, without an end", "."]
    assert lan.memberships(GROUPS[4]) == []


def test_interrupting_the_sender_ends_its_receivers_too(lan):
    got = receiver(lan, until=".")
    sender = lan.popen(lan.client, [sys.executable, lan.pyz, "sender", "--interface", "eth0", "--lines",
                                    "--group", GROUPS[4], "--port", str(PORT)])
    sender.stdin.write("one\n")
    sender.stdin.flush()
    until(lambda: got.report()["datagrams"])
    sender.send_signal(signal.SIGINT)
    assert (sender.wait(60), got.process.wait(60)) == (0, 0)
    assert got.report()["ended"]["reason"] == "until"


@pytest.mark.parametrize(("options", "sent", "reason", "status"), [
    ({"count": 2}, 5, "count", 0),
    ({"until": "."}, 0, None, None),
    ({"count": 3, "timeout": 1}, 2, "timeout", 1),
    ({"timeout": 1}, 2, "timeout", 0),
])
def test_the_end_of_a_receiver(lan, options, sent, reason, status):
    # It stands ready: the receiver's time runs from its own start.
    sender = plain(lan, 4, "send", *["HELLO"] * sent) if sent else None
    got = receiver(lan, **options)
    if sent:
        tell(sender)
        assert got.process.wait(60) == status
        assert got.report()["ended"]["reason"] == reason
        assert got.report()["datagrams"] == min(sent, options.get("count") or sent)
        return
    lan.send(payload="..")
    until(lambda: got.report()["datagrams"] == 1)
    lan.send(payload=".")
    assert got.process.wait(60) == 0
    assert got.report()["datagrams"] == 2


def test_a_sender_that_is_timed_out_and_its_numbers(lan):
    got = receiver(lan)
    words = [sys.executable, lan.pyz, "sender", "--group", GROUPS[4], "--port", str(PORT), "--interface", "eth0"]
    begun = time.monotonic()
    assert lan.run(lan.client, words + ["--count", "0", "--interval", "600", "--timeout", "0.2",
                                        "--sequence"]).returncode == 0
    assert 0.2 <= time.monotonic() - begun < 300  # of two datagrams, not so long as to the second
    assert until(lambda: got.report()["flows"])[0]["payload"] == "HELLO 1"


def test_more_flows_than_are_listed_are_counted_all_the_same(lan):
    got = receiver(lan)
    lan.run(lan.client, [sys.executable, "-c", f"""if True:
        import socket
        for number in range(1005):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.9.0.1"))
            sock.bind(("10.9.0.1", 20000 + number))
            for unused in range(2):
                sock.sendto(b"HELLO", ("{GROUPS[4]}", {PORT}))
    """])
    until(lambda: got.report()["datagrams"] == 2010)
    report = got.end()
    assert (len(report["flows"]), report["flows_left_out"], report["bytes"]) == (1000, 5, 10050)


NFT = "table %s t { chain out { type filter hook %s priority 0; udp dport 5000 drop; }; }".replace("5000", str(PORT))
# Where a host drops what it sends itself; and the error that the sender counts.
EGRESS = {
    "output": (["nft", NFT % ("inet", "output")], "EPERM"),
    "postrouting": (["nft", NFT % ("inet", "postrouting")], "EPERM"),
    "egress": (["nft", NFT % ("netdev", "egress device eth0")], "ENOBUFS"),
    "a full queue": (["tc", "qdisc", "add", "dev", "eth0", "root", "pfifo", "limit", "0"], "ENOBUFS"),
    "a slow queue": (["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "8kbit", "burst", "1600", "limit",
                      "1600"], "ENOBUFS"),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", EGRESS)
def test_what_this_host_drops_is_counted_and_is_no_failure(lan, name, version):
    words, refusal = EGRESS[name]
    done = lan.run(lan.client, words)
    assert done.returncode == 0, done.stderr
    sent = lan.send(version, count=20, interval=0, payload="x" * 800)
    assert sent["refusals"] == {refusal: sent["refused"]} and sent["state"] == "ended"
    assert sent["datagrams"] + sent["refused"] == 20
    assert sent["refused"] == 20 if name != "a slow queue" else 10 < sent["refused"] < 20


def test_an_error_that_an_earlier_datagram_met_stops_nothing(lan):
    """A Packet Too Big for a stream over IPv6 arrives while it is sent (RFC 8201): the kernel reports it at the next
    send, and sends fragments from then on."""
    sender = lan.program(lan.client, "sender", group=GROUPS[6], port=PORT, interface="eth0", payload="x" * 1400,
                         count=0, interval=0.01)
    until(lambda: sender.report()["datagrams"] > 5)
    about = sender.report()
    too_big = """if True:
        from scapy.all import ICMPv6PacketTooBig, IPv6, UDP, Ether, sendp
        inner = IPv6(src=%r, dst=%r, hlim=1, plen=1408) / UDP(sport=%d, dport=%d, len=1408, chksum=1) / ("x" * 1150)
        sendp(Ether(dst=%r) / IPv6(dst=%r) / ICMPv6PacketTooBig(mtu=1280) / inner, iface="eth0", verbose=False)
    """
    mac = json.loads(lan.run(lan.client, ["ip", "-j", "link", "show", "eth0"]).stdout)[0]["address"]
    done = lan.run(lan.server, [sys.executable, "-c", too_big % (
        about["source"], GROUPS[6], about["source_port"], PORT, mac, about["source"])])
    assert done.returncode == 0, done.stderr
    assert "mtu 1280" in lan.run(lan.client, ["ip", "-6", "route", "get", GROUPS[6], "oif", "eth0"]).stdout
    after = sender.report()["datagrams"]
    until(lambda: sender.report()["datagrams"] > after + 20)
    report = sender.end()
    assert (report["error"], report["refused"], report["state"]) == (None, 0, "ended")


@pytest.mark.parametrize(("command", "prepare", "says"), [
    ("sender", ["ip", "link", "set", "eth0", "down"], "cannot be sent to from interface eth0"),
    ("sender --source-port 4000", None, "port 4000: Address already in use"),
    ("receiver", None, "is held by a socket that does not share it"),
])
def test_failures_are_one_line_and_in_the_report(lan, command, prepare, says):
    if prepare:
        lan.run(lan.client, prepare)
    else:
        holder = lan.popen(lan.client, [sys.executable, "-c", f"""if True:
            import socket, sys
            socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for unused in range(2)]
            for sock, port in zip(socks, (4000, {PORT})):
                sock.bind(("", port))
            print("ready", flush=True)
            sys.stdin.read()"""])
        assert holder.stdout.readline() == "ready\n"
    path = lan.path / "report.json"
    done = lan.run(lan.client, [sys.executable, lan.pyz, *command.split(), "--group", GROUPS[4], "--port", str(PORT),
                                "--interface", "eth0", "--report", str(path)])
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert says in done.stderr
    report = json.loads(path.read_text())
    assert report["state"] == "failed" and says in report["error"]


def ticks(pid):
    """What a process has used of the processors, by itself and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))


def test_a_hundred_thousand_datagrams_a_second_are_no_trouble(lan):
    got = receiver(lan)
    before = ticks(got.report()["pid"])
    # Segments are cut by the kernel, so that one core can send more than the receiver has to take here.
    lan.run(lan.client, [sys.executable, "-c", f"""if True:
        import socket, time
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_UDP, 103, 100)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.9.0.1"))
        begun = time.monotonic()
        for number in range(2000):
            while time.monotonic() < begun + number * 0.0005:
                pass
            sock.sendto(b"x" * 5000, ("{GROUPS[4]}", {PORT}))
    """])
    until(lambda: got.report()["datagrams"] + got.report()["dropped"] >= 100000)
    used = ticks(got.report()["pid"]) - before
    report = got.end()
    # Where others use the processors, the kernel drops some, and counts them.
    assert report["datagrams"] + report["dropped"] == 100000
    assert report["bytes"] == 100 * report["datagrams"] > 0
    # Both times are told in whole ticks.
    assert (used - 2) / os.sysconf("SC_CLK_TCK") <= report["datagrams"] * 1e-5


def test_straight_from_a_checkout():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run([sys.executable, "-m", "plugins.module_utils.traffic.cli", "--help"], cwd=root,
                          check=True, capture_output=True, text=True)
    assert "receiver" in done.stdout
