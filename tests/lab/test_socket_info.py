# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""socket_info against sockets whose memberships are known, against the kernel's own tables, and against `ss`."""
from __future__ import annotations

import ipaddress
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import group as groups
from ansible_collections.mcast.lab.plugins.module_utils import socket_info
from ansible_collections.mcast.lab.plugins.module_utils.kernel import memberships
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from waiting import until

G, G2, G6, G7 = "239.0.0.100", "239.0.0.101", "ff15::100", "ff3e::8000:1"
SSM = "232.1.1.1"
S, S6 = [f"10.0.0.{number}" for number in range(1, 41)], [f"fd00::{number:x}" for number in range(1, 65)]

# A program that opens what it is told, prints its descriptors, and holds them until its input ends. It joins by itself,
# with plain system calls.
HOLDER = """
import json, os, socket, struct, sys
JOIN, BLOCK, JOIN_SOURCE = 42, 43, 46
def address(text):
    if ":" in text:
        return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, text), 0)
    return struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(text))
held = []
for spec in json.loads(sys.argv[1]):
    sock = socket.socket(getattr(socket, spec["family"]), getattr(socket, spec["type"]), spec["protocol"])
    if spec["bind"] is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(tuple(spec["bind"]))
    for interface, group, mode, sources in spec["joins"]:
        level = 41 if ":" in group else 0
        where = struct.pack("@I0L", socket.if_nametoindex(interface))
        if mode == "exclude":
            sock.setsockopt(level, JOIN, where + address(group).ljust(128, b"\\0"))
        for source in sources:
            sock.setsockopt(level, BLOCK if mode == "exclude" else JOIN_SOURCE,
                            where + address(group).ljust(128, b"\\0") + address(source).ljust(128, b"\\0"))
    held.append(sock)
if sys.argv[2] != "-":
    os.setuid(int(sys.argv[2]))
for extra in range(int(sys.argv[3])):
    if os.fork() == 0:
        break
else:
    print(json.dumps([sock.fileno() for sock in held]), flush=True)
sys.stdin.read()
"""


def opened(*joins, family="AF_INET", kind="SOCK_DGRAM", protocol=0, bind=None):
    """joins: (interface, group, filter mode, sources)."""
    return {"family": family, "type": kind, "protocol": protocol, "bind": bind, "joins": joins}


@pytest.fixture
def host(lab_name, module, ip):
    """A namespace with the interfaces eth0 and eth1, on which the kernel has joined what it joins for its addresses:
    what it joins last decides what mcfilter6 lists (see kernel/memberships.py)."""
    interfaces = {"eth0": {"segment": "lan"}, "eth1": {"segment": "lan"}}
    module("topology", {"name": lab_name, "segments": {"lan": {"ipv4": "192.0.2.0/24", "ipv6": "fd00:1::/64"}},
                        "hosts": {"host": {"interfaces": interfaces}}})
    name = f"{lab_name}.host"

    def has_its_addresses() -> bool:
        """Each interface a link-local one, and of each address the solicited-node group (RFC 4291 section 2.7.1)."""
        places = {(link["ifname"], address["local"]) for link in ip("-n", name, "-6", "address") for address in
                  link["addr_info"] if link["ifname"] in interfaces}
        joined = {(line.split()[1], line.split()[2]) for line in subprocess.run(
            ["ip", "netns", "exec", name, "cat", "/proc/net/igmp6"], check=True, capture_output=True,
            text=True).stdout.splitlines()}
        wanted = {(link, f"ff0200000000000000000001ff{ipaddress.ip_address(address).packed[-3:].hex()}")
                  for link, address in places}
        return len(places) == 2 * len(interfaces) and wanted <= joined
    until(has_its_addresses)
    return name


@pytest.fixture
def hold():
    """hold(NAMESPACE, SPEC, ...): a process with these sockets; returns its pid and the descriptors."""
    started = []

    def run(namespace, *specs, uid="-", forks=0):
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-c", HOLDER, json.dumps(specs), str(uid), str(forks)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process.pid, json.loads(process.stdout.readline())
    yield run
    for process in started:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()


@pytest.fixture
def told(module, host):
    def run(namespace=None, **options):
        result = module("socket_info", options, namespace=namespace or host)
        assert result.get("changed") is False, result
        return result["sockets"]
    return run


def of(pid, rows):
    return {row["descriptor"]: row for row in rows if row["pid"] == pid}


def held(row):
    return sorted((each["interface"], each["group"], each["filter_mode"], each["sources"]) for each in
                  row["memberships"])


ALL_MODES = [
    opened(bind=["", 11111]),
    opened(("eth0", G, "exclude", []), bind=["", 11111]),
    opened(("eth1", G, "exclude", [S[1], S[0]]), bind=[G, 11111]),
    opened(("eth0", G, "include", [S[0]])),
    opened(("eth0", G, "include", S[:10]), ("eth1", G2, "exclude", []), ("lo", G2, "exclude", [])),
    opened(("eth0", SSM, "include", [S[3]]), bind=["127.0.0.1", 5000]),
    opened(("eth0", G6, "exclude", []), family="AF_INET6", bind=["::", 11111, 0, 0]),
    opened(("eth0", G6, "include", S6[:3]), ("eth1", G6, "exclude", S6[:1]), family="AF_INET6"),
    opened(("eth0", G7, "include", S6), family="AF_INET6"),
    opened(("eth0", G2, "exclude", []), ("eth0", G6, "exclude", []), family="AF_INET6", bind=["::", 11112, 0, 0]),
    opened(("eth0", G, "exclude", []), kind="SOCK_RAW", protocol=2),
    opened(("eth0", G6, "exclude", []), family="AF_INET6", kind="SOCK_RAW", protocol=58),
    opened(("eth1", G, "exclude", []), protocol=136, bind=["", 11113]),
]


def test_every_mode_of_both_families(host, hold, told):
    pid, descriptors = hold(host, *ALL_MODES)
    rows = of(pid, told())
    assert sorted(rows) == sorted(descriptors)
    for descriptor, spec in zip(descriptors, ALL_MODES):
        row = rows[descriptor]
        assert held(row) == sorted((interface, group, mode, sorted(sources, key=number_of))
                                   for interface, group, mode, sources in spec["joins"]), spec
        assert row["family"] == {"AF_INET": "ipv4", "AF_INET6": "ipv6"}[spec["family"]]
        assert row["user"] == "root" and row["process"].startswith("python")
        if spec["type"] == "SOCK_RAW":
            assert (row["protocol"], row["ip_protocol"], row["port"]) == ("raw", spec["protocol"], None)
        else:
            bound = spec["bind"] or ["", 0]
            assert row["port"] == bound[1]
            assert row["address"] == (bound[0] or {"ipv4": "0.0.0.0", "ipv6": "::"}[row["family"]])
            assert row["protocol"] == {0: "udp", 136: "udplite"}[spec["protocol"]]


def number_of(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def summed(rows):
    """What the sockets say, in the form of the kernel's tables: holders of each membership, and of each source how many
    include and exclude it. A socket counts once, however many processes hold it."""
    users, sources = {}, {}
    for row in {row["inode"]: row for row in rows}.values():
        for each in row["memberships"]:
            place = (each["index"], each["group"])
            users[place] = users.get(place, 0) + 1
            for source in each["sources"]:
                counts = sources.setdefault(place, {}).setdefault(source, [0, 0])
                counts[each["filter_mode"] == "exclude"] += 1
    return users, sources


def tables(namespace):
    texts = [subprocess.run(["ip", "netns", "exec", namespace, "cat", f"/proc/net/{name}"], check=True, text=True,
                            capture_output=True).stdout for name in ("igmp", "igmp6", "mcfilter", "mcfilter6")]
    users = {(row["index"], row["group"]): row["users"] for row in
             memberships.igmp(texts[0])[1] + memberships.igmp6(texts[1]) if not groups.is_kernel_own(row["group"])}
    sources = {place: {source: [include, exclude] for source, include, exclude in found} for place, found in
               {**memberships.mcfilter(texts[2]), **memberships.mcfilter6(texts[3])}.items()}
    return users, sources


@pytest.mark.parametrize("seed", range(8))
def test_what_the_sockets_say_adds_up_to_the_kernels_tables(host, hold, told, seed):
    """Random sockets of several processes; the tables are the witness that none is missed or told wrongly."""
    chance = random.Random(seed)
    for _process in range(3):
        specs = []
        for _socket in range(chance.randrange(1, 12)):
            six = chance.random() < 0.5
            pool, from_groups = (S6, [G6, G7, "ff02::123"]) if six else (S, [G, G2, SSM, "224.0.0.251"])
            specs.append(opened(*[
                (interface, group, mode, chance.sample(pool, chance.randrange(mode == "include", 5)))
                for interface in ("eth0", "eth1") for group in from_groups if chance.random() < 0.4
                for mode in [chance.choice(["include", "exclude"])]], family="AF_INET6" if six else "AF_INET"))
        hold(host, *specs, forks=chance.randrange(3))
    assert summed(told()) == tables(host)


def test_what_the_tables_leave_open_is_told(host, hold, told):
    """EXCLUDE{} beside INCLUDE{a,b}, and INCLUDE{a} beside INCLUDE{b}: the same rows, told apart."""
    def modes(*filters):
        pid, descriptors = hold(host, *[opened(("eth0", G, *each)) for each in filters])
        found, rows = tables(host), of(pid, told(group=G))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return found, sorted((row["memberships"][0]["filter_mode"], row["memberships"][0]["sources"])
                             for row in rows.values())
    one, first = modes(("exclude", []), ("include", S[:2]))
    two, second = modes(("include", S[:1]), ("include", S[1:2]))
    assert one == two
    assert first == [("exclude", []), ("include", S[:2])]
    assert second == [("include", S[:1]), ("include", S[1:2])]


def test_ss_lists_the_same_sockets(host, hold, told):
    hold(host, *ALL_MODES, forks=1)
    said = set()
    for protocol in ("udp", "raw"):
        lines = subprocess.run(["ss", f"--net={host}", "-HOanp", f"--{protocol}"], check=True, capture_output=True,
                               text=True).stdout.splitlines()
        for line in lines:
            address, port = line.split()[3].rsplit(":", 1)
            address = "::" if address == "*" else address.strip("[]")  # a star is both families' wildcard
            for pid, descriptor in re.findall(r"pid=(\d+),fd=(\d+)", line):
                said.add((int(pid), int(descriptor), protocol, address, int(port)))
    # ss knows no UDP-Lite, and no socket that was never bound; of a raw socket it prints the protocol as port.
    ours = {(row["pid"], row["descriptor"], row["protocol"], row["address"],
             row["ip_protocol"] if row["protocol"] == "raw" else row["port"]) for row in told()
            if row["protocol"] == "raw" or row["protocol"] == "udp" and row["port"]}
    assert len(ours) == 2 * 8
    assert ours == said


def test_only_this_namespace_and_all_who_hold_a_socket_of_it(host, hold, told):
    pid, descriptors = hold(host, opened(("eth0", G, "exclude", [])), uid=65534, forks=2)
    hold(host.replace(".host", ""), opened(bind=["", 11111]))
    rows = told()
    assert len({row["pid"] for row in rows}) == 3 and pid in {row["pid"] for row in rows}
    assert len({row["inode"] for row in rows}) == 1
    assert [row["port"] for row in told(namespace=host.replace(".host", ""))] == [11111]
    # A socket stays where it was made, though its process goes elsewhere.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM):
        assert of(os.getpid(), told()) == {}
    descriptor = os.open(netns.path(host), os.O_RDONLY)
    try:
        with netns.inside(descriptor):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock, sock.dup() as copy:
            assert list(of(os.getpid(), told())) == [min(sock.fileno(), copy.fileno())]
    finally:
        os.close(descriptor)


def test_group_chooses_members_and_their_membership_of_it(host, hold, told):
    pid, descriptors = hold(host, *ALL_MODES)
    rows = of(pid, told(group="FF15:0::100"))
    assert sorted(rows) == sorted(descriptors[number] for number in (6, 7, 9, 11))
    assert {each["group"] for row in rows.values() for each in row["memberships"]} == {G6}
    assert told(group="239.9.9.9") == []


def test_asking_leaves_the_socket_as_it_was(host, hold, told):
    pid, (descriptor,) = hold(host, opened(("eth0", G, "exclude", []), bind=["", 11111]))

    def state():
        with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii") as file:
            return file.read(), tables(host)
    before = state()
    told()
    assert state() == before
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert told() == [] and tables(host) == ({}, {})


def test_processes_that_come_and_go_are_no_error(host, hold, told):
    """Sockets are opened and closed, become other files under the same number, and processes end, all the while."""
    churn = subprocess.Popen(["ip", "netns", "exec", host, sys.executable, "-c", """
import os, socket
null = os.open("/dev/null", os.O_RDONLY)
while True:
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for unused in range(20)]
    kept = [each.dup() for each in held]
    for _turn in range(20):
        [os.dup2(null, each.fileno()) for each in held]
        [os.dup2(each.fileno(), number.fileno()) for each, number in zip(kept, held)]
    if os.fork() == 0:
        os._exit(0)
    [each.close() for each in held[::2]]
    os.wait()
"""])
    try:
        pid, unused = hold(host, *ALL_MODES)
        for _time in range(20):
            assert len(of(pid, told())) == len(ALL_MODES)
    finally:
        churn.kill()
        churn.wait()


def test_not_root_is_named(host, forked):
    def work():
        os.setuid(65534)
        try:
            return socket_info.sockets()
        except Exception as error:
            return str(error)
    assert forked(work) == "sockets of other processes: only root may see them; run this as root, with become: true"


@pytest.mark.parametrize(("number", "message"), [(38, "takes Linux 5.6 or newer"), (1, "needs CAP_SYS_PTRACE")])
def test_a_kernel_that_refuses_is_named(host, hold, module, monkeypatch, number, message):
    hold(host, opened())

    class Refusing:
        def syscall(self, *args):
            socket_info.ctypes.set_errno(number)
            return -1
    monkeypatch.setattr(socket_info, "_libc", Refusing())
    assert message in module("socket_info", {}, namespace=host)["msg"]


def test_no_group_is_named(host, module):
    assert "10.0.0.1: is not a multicast group" in module("socket_info", {"group": "10.0.0.1"}, namespace=host)["msg"]
