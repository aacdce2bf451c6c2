# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams whose sender or receiver is another program than ours: it is neither started nor stopped, and judged by what
the kernel and the wire show."""
from __future__ import annotations

import contextlib
import shutil
import subprocess

import pytest
import yaml
from verify_lab import LAB, TOPOLOGY, not_passed, playbook, results

GROUPS = {"hello": "239.0.0.100", "hello6": "ff15::100"}
RECEIVE = """
import select, socket, struct, sys
index = socket.if_nametoindex("eth0")
dual = "dual" in sys.argv  # one socket for both families, as Java has it
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
four = six if dual else socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
socks = [six] if dual else [four, six]
for sock in socks:
    sock.bind(("", 11111))
four.setsockopt(0, 35, socket.inet_aton("239.0.0.100") + struct.pack("=4xi", index))
six.setsockopt(41, 20, socket.inet_pton(socket.AF_INET6, "ff15::100") + struct.pack("=I", index))
print("ready", flush=True)
if "idle" in sys.argv:  # a buffer that nobody empties
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sys.stdin.read()
while True:
    ready = select.select([sys.stdin, *socks], [], [])[0]
    if sys.stdin in ready:
        break
    for sock in ready:
        sock.recv(2000)
"""
SEND = """
import select, socket, sys
index = socket.if_nametoindex("eth0")
four, six = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
four.setsockopt(0, socket.IP_MULTICAST_IF, socket.inet_aton("192.168.122.181"))
six.setsockopt(41, socket.IPV6_MULTICAST_IF, index)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    four.sendto(b"\\0\\1\\2 not ours", ("239.0.0.100", 11111))
    six.sendto(b"\\0\\1\\2 not ours", ("ff15::100", 11111))
"""


@contextlib.contextmanager
def program(host, code, *words):
    with subprocess.Popen(["ip", "netns", "exec", f"{LAB}.{host}", "/usr/bin/python3", "-c", code, *words], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == "ready\n"
        yield
        running.stdin.close()


# foreign hosts, the programs that run, topics that fail
RUNS = {
    "a receiver": (["server"], [("server", RECEIVE)], set()),
    "a receiver with one socket for both families": (["server"], [("server", RECEIVE, "dual")], set()),
    "a sender": (["client"], [("client", SEND)], set()),
    "both": (["client", "server"], [("server", RECEIVE), ("client", SEND)], set()),
    "a receiver that does not read": (["server"], [("server", RECEIVE, "idle")], {"socket.delivered"}),
    "a host that drops": (["server"], [("server", RECEIVE)], {"socket.delivered"}),
}
# Behind the capture and before the socket.
DROP = "table inet other { chain input { type filter hook input priority 0; udp dport 11111 drop; }; }"


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """A lab that stands for all of them."""
    folder = tmp_path_factory.mktemp("foreign") / "inventory"
    folder.mkdir()
    (folder / "topology.yml").write_text(yaml.safe_dump(TOPOLOGY))
    assert playbook(folder, "lab_up").returncode == 0
    yield folder
    assert playbook(folder, "lab_down").returncode == 0


def nft(verb, what):
    rules = what if verb == "add" else f"{verb} {what}"
    subprocess.run(["ip", "netns", "exec", f"{LAB}.server", "nft", "-f", "-"], input=rules, text=True, check=True)


@pytest.mark.parametrize("name", RUNS)
def test_a_stream_with_a_foreign_program(standing, name):
    foreign, programs, failing = RUNS[name]
    folder = standing
    streams = {key: dict(TOPOLOGY["streams"]["hello"], group=group, foreign=foreign) for key, group in GROUPS.items()}
    for body in streams.values():
        del body["count"]
        if "client" not in foreign:
            body.update(count=40, interval=0.01)
    (folder / "topology.yml").write_text(yaml.safe_dump(dict(TOPOLOGY, streams=streams)))
    with contextlib.ExitStack() as stack:
        if name == "a host that drops":
            nft("add", DROP)
            stack.callback(nft, "delete", "table inet other")
        for words in programs:
            stack.enter_context(program(*words))
        ran = playbook(folder, "verify", "-e", "mcast_evidence_within=2s")
    judged = results(folder)
    shutil.rmtree(folder.parent / "results")
    assert {each.split("/")[2] for each in not_passed(judged)} == failing, ran.stdout
    assert judged["verdict"] == ("fail" if failing else "pass")
    checks = {each["check"] for each in judged["results"]}
    assert ("delivery.received" in checks) == ("server" not in foreign)
    assert ("delivery.sent" in checks) == ("client" not in foreign)
