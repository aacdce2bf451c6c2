# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""host_facts against the kernel and other programs' view of it, in namespaces with real sockets."""
from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import memberships, sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces take root")

NAME = f"mct-{os.getpid()}"
HERE, PEER = f"{NAME}-f1", f"{NAME}-f2"

# Joins what its arguments say, one socket each: interface, group, mode, sources ("eth0 239.0.0.1 include 10.9.0.5").
JOIN = r"""
import socket, struct, sys

def address(text):
    if ":" in text:
        packed = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, text), 0)
        return packed.ljust(128, b"\0")
    return struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(text)).ljust(128, b"\0")

JOIN_GROUP, BLOCK_SOURCE, JOIN_SOURCE = 42, 43, 46
held = []
for row in sys.argv[1:]:
    interface, group, mode, *sources = row.split()
    family, level = (socket.AF_INET6, 41) if ":" in group else (socket.AF_INET, 0)
    held.append(socket.socket(family, socket.SOCK_DGRAM))
    held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held[-1].bind(("", 11111))
    head = struct.pack("@I4x", socket.if_nametoindex(interface)) + address(group)
    if mode == "exclude":
        held[-1].setsockopt(level, JOIN_GROUP, head)
    for source in sources:
        held[-1].setsockopt(level, JOIN_SOURCE if mode == "include" else BLOCK_SOURCE, head + address(source))
print("ready", flush=True)
sys.stdin.read()
"""


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def sysctl(name, value):
    subprocess.run(["ip", "netns", "exec", HERE, "sysctl", "-qw", f"{name}={value}"], check=True)


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    try:
        for name in (HERE, PEER):
            ip("netns", "add", name)
        ip("link", "add", "eth0", "netns", HERE, "type", "veth", "peer", "name", "eth0", "netns", PEER)
        ip("link", "add", "long-interface0", "netns", HERE, "type", "veth", "peer", "name", "eth1", "netns", PEER)
        for words in (("addr", "add", "10.9.0.1/24", "dev", "eth0"), ("addr", "add", "10.9.1.1/24", "dev", "eth0"),
                      ("addr", "add", "fd00::1/64", "dev", "eth0", "nodad"), ("link", "set", "lo", "up"),
                      ("link", "set", "eth0", "up"), ("link", "set", "long-interface0", "up", "mtu", "1400"),
                      ("route", "add", "224.0.0.0/4", "dev", "eth0"),
                      ("route", "add", "unreachable", "10.99.0.0/16", "metric", "7"),
                      ("route", "add", "default", "via", "10.9.0.254", "metric", "50"),
                      ("-6", "route", "add", "default", "via", "fd00::fe")):
            ip("-n", HERE, *words)
        for interface in ("eth0", "eth1"):
            ip("-n", PEER, "link", "set", interface, "up")
        yield
    finally:
        for name in (HERE, PEER):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextmanager
def joined(*rows, namespace=HERE):
    """A process that holds these memberships; yields its pid."""
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", JOIN, *rows]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.stdin.close()


def gather(subsets=sources.SUBSETS, shell=("/bin/sh", "-s"), namespace=HERE):
    ran = subprocess.run(["ip", "netns", "exec", namespace, *shell], input=sources.script(subsets),
                         capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return facts(sources.split(ran.stdout))


MEMBERS = ["eth0 239.0.0.100 exclude", "eth0 239.0.0.100 exclude", "eth0 239.0.0.101 include 10.9.0.5 10.9.0.6",
           "eth0 239.0.0.102 exclude 10.9.0.7", "long-interface0 239.0.0.100 exclude 10.9.0.8", "lo 224.0.1.1 exclude",
           "eth0 ff15::100 exclude", "eth0 ff15::101 include fd00::5", "long-interface0 ff15::102 exclude fd00::7"]


def test_memberships_as_ip_maddress_has_them():
    with joined(*MEMBERS):
        found = gather()
        devices = memberships.maddr_json(ip("-n", HERE, "-j", "maddress", "show"))
        assert devices == memberships.maddr_text(ip("-n", HERE, "maddress", "show"))
    keys = ("interface", "index", "family", "group", "users")
    assert sorted(tuple(row[key] for key in keys) for row in found["memberships"]) == sorted(
        tuple(row[key] for key in keys) for device in devices for row in device["groups"])
    assert "long-interface0" in {row["interface"] for row in found["memberships"]}
    for device in devices:
        assert found["interfaces"][device["interface"]]["link_groups"] == [
            {"mac": row["mac"], "users": row["users"]} for row in device["link"]]
    for row in found["memberships"]:
        assert row["programmed"] == any(
            row["mac"] == link["mac"] for device in devices if device["index"] == row["index"]
            for link in device["link"])


def test_leaving_shows():
    with joined("eth0 239.0.0.77 exclude"):
        assert "239.0.0.77" in {row["group"] for row in gather(["memberships"])["memberships"]}
    assert "239.0.0.77" not in {row["group"] for row in gather(["memberships"])["memberships"]}


def until(settled):
    """Gather interfaces until `settled` holds of them: the kernel notices a carrier, and ends duplicate address
    detection, in its own time."""
    deadline = time.monotonic() + 10
    while not settled(gather(["interfaces"])["interfaces"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_addresses():
    until(lambda found: all("running" in link["flags"] and not row["tentative"]
                            for link in found.values() for row in link["addresses"]))
    # An address that comes up again joins its solicited-node group anew, up to a second later (net/ipv6/addrconf.c).
    last, since = None, time.monotonic()
    while time.monotonic() - since < 1.2:
        now = gather(["memberships"])
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)


def test_interfaces_as_ip_addr_has_them():
    wait_for_addresses()
    found = gather(["interfaces"])["interfaces"]
    shown = json.loads(ip("-n", HERE, "-j", "addr", "show"))
    assert set(found) == {row["ifname"] for row in shown}
    for row in shown:
        link = found[row["ifname"]]
        assert (link["index"], link["mtu"], link["mac"]) == (row["ifindex"], row["mtu"], row["address"])
        assert set(link["flags"]) - {"running"} == {flag.lower() for flag in row["flags"]}
        assert ("running" in link["flags"]) == ("UP" in row["flags"] and "NO-CARRIER" not in row["flags"])
        key = {"inet": "ipv4", "inet6": "ipv6"}
        assert sorted((each["family"], each["address"], each["prefix"]) for each in link["addresses"]) == sorted(
            (key[each["family"]], each["local"], each["prefixlen"]) for each in row["addr_info"])


@pytest.mark.parametrize("flag", ["allmulticast", "promisc", "multicast", "arp"])
def test_flags_follow_ip_link(flag):
    words = {"allmulticast": "allmulti", "arp": "noarp"}
    before = words.get(flag, flag) in gather(["interfaces"])["interfaces"]["eth0"]["flags"]
    off_first = flag in ("multicast", "arp")
    try:
        ip("-n", HERE, "link", "set", "eth0", flag, "off" if off_first else "on")
        assert (words.get(flag, flag) in gather(["interfaces"])["interfaces"]["eth0"]["flags"]) is not before
    finally:
        ip("-n", HERE, "link", "set", "eth0", flag, "on" if off_first else "off")


def test_no_carrier_is_not_running():
    try:
        ip("-n", PEER, "link", "set", "eth1", "down")
        until(lambda found: {"up", "running"}.intersection(found["long-interface0"]["flags"]) == {"up"})
    finally:
        ip("-n", PEER, "link", "set", "eth1", "up")
        until(lambda found: "running" in found["long-interface0"]["flags"])
        wait_for_addresses()


def test_sockets_as_ss_has_them():
    with joined(*MEMBERS) as pid, joined("eth0 239.9.9.9 exclude", namespace=PEER) as stranger:
        found = gather(["sockets"])
        shown = subprocess.run(["ip", "netns", "exec", HERE, "ss", "-H", "-u", "-a", "-n", "-p", "-e"], check=True,
                               capture_output=True, text=True).stdout
    rows = {}
    for line in shown.splitlines():
        process, holder, descriptor = re.search(r'\(\("([^"]*)",pid=(\d+),fd=(\d+)\)', line).groups()
        inode = int(re.search(r"ino:(\d+)", line).group(1))
        rows[inode] = (process, int(holder), int(descriptor), int(line.split()[3].rpartition(":")[2]))
    assert len(rows) == len(MEMBERS)
    assert {row["inode"]: (row["process"], row["pid"], row["descriptor"], row["port"])
            for row in found["sockets"]} == rows
    assert {row["pid"] for row in found["sockets"]} == {pid}
    assert stranger not in {row["pid"] for row in found["sockets"]}
    assert {row["user"] for row in found["sockets"]} == {"root"}
    assert found["sources"]["sockets"]["note"] is None


def test_not_root():
    wait_for_addresses()
    with joined(*MEMBERS):
        usual = gather()
        found = gather(shell=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/bin/sh", "-s"))
    assert {row["pid"] for row in found["sockets"]} == {None}
    assert "could not be seen: that needs root" in found["sources"]["sockets"]["note"]
    for part in ("interfaces", "memberships", "forwarding", "routes"):
        assert found[part] == usual[part]


@pytest.mark.parametrize("shell", [("dash", "-s"), ("bash", "-s"), ("busybox", "sh", "-s")], ids=" ".join)
def test_shells_tell_the_same(shell):
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    wait_for_addresses()
    with joined(*MEMBERS):
        usual, found = gather(), gather(shell=shell)
    for each in (usual, found):  # what is counted goes on meanwhile
        each["counters"] = {protocol: list(counted) for protocol, counted in each["counters"].items()}
    assert found == usual


# In a root file system with busybox and nothing else: no Python, no iproute2, no GNU tools.
BUSYBOX_HOST = r"""
set -e
root=$1; shift
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/etc"
cp "$(command -v busybox)" "$root/bin/busybox"
for library in $(ldd "$root/bin/busybox" 2>/dev/null | grep -o '/[^ ]*'); do
  mkdir -p "$root${library%/*}"; cp "$library" "$root$library"
done
for applet in "$@"; do ln -s busybox "$root/bin/$applet"; done
: > "$root/dev/null"
mount --bind /dev/null "$root/dev/null"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
exec chroot "$root" /bin/sh -s
"""


@pytest.mark.parametrize("with_ip", [True, False], ids=["with ip", "without ip"])
def test_a_host_of_busybox_alone(tmp_path, with_ip):
    if not shutil.which("busybox"):
        pytest.skip("busybox is not installed")
    wait_for_addresses()
    applets = ["sh", "grep", "ls", "readlink"] + ["ip"] * with_ip
    with joined(*MEMBERS):
        usual = gather()
        found = gather(shell=("unshare", "--mount", "sh", "-c", BUSYBOX_HOST, "sh", str(tmp_path / "root"), *applets))
    assert found["memberships"] == usual["memberships"]
    assert [row["pid"] for row in found["sockets"]] == [row["pid"] for row in usual["sockets"]]
    assert found["sources"]["sockets"]["missing"] == ["/etc/passwd"]
    assert found["sources"]["interfaces"]["missing"] == ([] if with_ip else ["ip addr show"])
    for name, link in usual["interfaces"].items():
        if not with_ip:
            link["flags"].remove("lower_up")
            link["addresses"] = [row for row in link["addresses"] if row["family"] == "ipv6"]
        assert found["interfaces"][name] == link


def test_filter_modes_of_real_sockets():
    """Every way in which up to three sockets can hold a group: exact is right, and inferred is where it must be."""
    for sender, group in (("10.9.0.%d", "239.1.%d.%d"), ("fd00::%d", "ff15::%x:%x")):
        one, two = sender % 5, sender % 6
        kinds = [("exclude", ()), ("exclude", (one,)), ("include", (one,)), ("include", (two,)),
                 ("include", (one, two))]
        cases = {group % (1, number): holders for number, holders in enumerate(
            (holders for count in (1, 2, 3) for holders in itertools.combinations_with_replacement(kinds, count)), 1)}
        with joined(*(" ".join(["eth0", name, mode, *found])
                      for name, holders in cases.items() for mode, found in holders)):
            rows = {row["group"]: row for row in gather(["memberships"])["memberships"]}
        for name, holders in cases.items():
            mode, truth = rows[name]["filter_mode"], {mode for mode, unused in holders}
            assert rows[name]["users"] == len(holders)
            if mode["basis"] == "exact":
                assert mode["value"] == ("exclude" if "exclude" in truth else "include"), holders
            else:
                assert mode["basis"] == "inferred" and mode["value"] == "include"
        assert {rows[name]["filter_mode"]["basis"] for name in cases} == {"exact", "inferred"}


@pytest.mark.parametrize("group, other, source", [("239.0.0.91", "239.0.0.92", "10.9.0.5"),
                                                  ("ff15::91", "ff15::92", "fd00::5")])
def test_sources_that_the_kernel_leaves_out_are_unknown(group, other, source):
    """A membership without sources, joined last, hides those of all others on its interface."""
    def filters():
        rows = {row["group"]: row for row in gather(["memberships"])["memberships"] if row["interface"] == "eth0"}
        return rows[group]["filter_mode"], rows[group]["include"]

    filtered = f"eth0 {group} include {source}"
    with joined(filtered):
        assert filters() == ({"value": "include", "basis": "exact"}, [{"source": source, "count": 1}])
        with joined(f"eth0 {other} exclude"):
            assert filters() == ({"value": None, "basis": "unknown"}, None)
        with joined(f"eth0 {other} exclude {source}"):
            assert filters()[0] == {"value": "include", "basis": "exact"}


def test_a_socket_that_changes_its_mode():
    """INCLUDE{a} beside an EXCLUDE that has gone: the rows must tell INCLUDE again."""
    with joined("eth0 239.0.0.90 include 10.9.0.5"):
        with joined("eth0 239.0.0.90 exclude"):
            row, = (row for row in gather(["memberships"])["memberships"] if row["group"] == "239.0.0.90")
            assert row["filter_mode"] == {"value": "exclude", "basis": "exact"}
        row, = (row for row in gather(["memberships"])["memberships"] if row["group"] == "239.0.0.90")
        assert row["filter_mode"] == {"value": "include", "basis": "exact"}


@pytest.mark.parametrize("every, own", [(every, own) for every in (0, 1, 2, 3) for own in (0, 1, 2, 3)])
def test_igmp_versions(every, own):
    """The kernel's column is what is reported; what is forced says the same where an interface has no row."""
    sysctl("net.ipv4.conf.all.force_igmp_version", every)
    sysctl("net.ipv4.conf.eth0.force_igmp_version", own)
    try:
        told = gather(["interfaces"])["interfaces"]["eth0"]["igmp_version"]
        ran = subprocess.run(["ip", "netns", "exec", HERE, "/bin/sh", "-s"], input=sources.script(["interfaces"]),
                             capture_output=True, text=True, check=True)
        texts = sources.split(ran.stdout)
        texts["igmp"] = None
        forced = facts(texts)["interfaces"]["eth0"]["igmp_version"]
    finally:
        sysctl("net.ipv4.conf.all.force_igmp_version", 0)
        sysctl("net.ipv4.conf.eth0.force_igmp_version", 0)
    assert told["basis"] == "exact"
    assert forced["basis"] == "unknown" or forced == told


def test_routes_as_ip_route_has_them():
    found = gather(["routes"])["routes"]
    for family, option in (("ipv4", "-4"), ("ipv6", "-6")):
        wanted = set()
        for row in json.loads(ip("-n", HERE, option, "-j", "route", "show")):
            destination = {"default": "0.0.0.0/0" if family == "ipv4" else "::/0"}.get(row["dst"], row["dst"])
            wanted.add((destination, row.get("gateway"), row.get("metric", 0)))
        shown = {(row["destination"], row["gateway"], row["metric"]) for row in found if row["family"] == family}
        # `ip -6 route` leaves the multicast route ff00::/8 out: it is in the table "local".
        assert shown - {("ff00::/8", None, 256)} == wanted
    kinds = {row["destination"]: (row["type"], row["interface"]) for row in found}
    assert kinds["10.99.0.0/16"] == ("reject", None)
    assert kinds["224.0.0.0/4"] == ("unicast", "eth0")


def test_forwarding_and_settings_follow():
    try:
        sysctl("net.ipv4.ip_forward", 1)
        sysctl("net.ipv6.conf.all.forwarding", 1)
        sysctl("net.ipv4.conf.all.rp_filter", 1)
        sysctl("net.ipv4.conf.eth0.rp_filter", 2)
        sysctl("net.ipv4.igmp_max_memberships", 33)
        found = gather()
        assert found["forwarding"] == {"ipv4": True, "ipv6": True}
        eth0, other = found["interfaces"]["eth0"], found["interfaces"]["long-interface0"]
        assert eth0["forwarding"] == {"ipv4": True, "ipv6": True}
        assert (eth0["rp_filter"], eth0["rp_filter_effective"]) == (2, 2)
        assert (other["rp_filter"], other["rp_filter_effective"]) == (0, 1)
        assert found["limits"]["igmp_max_memberships"] == 33
    finally:
        for name, value in (("net.ipv4.ip_forward", 0), ("net.ipv6.conf.all.forwarding", 0),
                            ("net.ipv4.conf.all.rp_filter", 0), ("net.ipv4.conf.eth0.rp_filter", 0),
                            ("net.ipv4.igmp_max_memberships", 20)):
            sysctl(name, value)


def test_traffic_reports_of_the_own_namespace_alone():
    here, peer = (Path("/run/mcast", str(os.stat(f"/run/netns/{name}").st_ino)) for name in (HERE, PEER))
    try:
        for folder, text in ((here / "hello", '{\n  "received": 1\n}\n'), (here / "half", '{"rec'),
                             (peer / "stranger", "{}")):
            folder.mkdir(parents=True)
            (folder / "report.json").write_text(text)
        found = gather(["traffic"])
    finally:
        for folder in (here, peer):
            shutil.rmtree(folder, ignore_errors=True)
        if not any(here.parent.iterdir()):
            here.parent.rmdir()
    assert found["traffic"] == {"hello": {"received": 1}, "half": None}
    assert found["sources"]["traffic"]["note"] == "no JSON in the report of: half"


def test_a_shell_that_ends_early_is_noticed():
    ran = subprocess.run(["/bin/sh", "-s"], input=sources.script()[:-20], capture_output=True, text=True, check=False)
    with pytest.raises(McastError, match="is cut off"):
        sources.split(ran.stdout)


ANSIBLE = [str(Path(sys.executable).with_name("ansible")), "-i", "localhost,", "-c", "local", "localhost",
           "-m", "mcast.lab.host_facts"]


def ansible(*words, prefix=()):
    environment = dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
                       ANSIBLE_LOAD_CALLBACK_PLUGINS="1", ANSIBLE_NOCOLOR="1")
    environment.pop("ANSIBLE_CONFIG", None)
    ran = subprocess.run([*prefix, *ANSIBLE, *words], capture_output=True, text=True, check=False, env=environment,
                         cwd="/")
    state, arrow, result = ran.stdout.partition(" => ")
    assert arrow, ran.stdout + ran.stderr
    return ran.returncode, state, json.loads(result)


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["run", "check mode"])
def test_action(check):
    with joined("eth0 239.0.0.100 exclude"):
        status, state, result = ansible(*check, prefix=["ip", "netns", "exec", HERE])
    assert (status, state, result["changed"]) == (0, "localhost | SUCCESS", False)
    found = result["ansible_facts"]["mcast"]
    assert set(found) == {*sources.SUBSETS, "kernel", "sources"}
    assert ("eth0", "239.0.0.100") in {(row["interface"], row["group"]) for row in found["memberships"]}


def test_action_takes_subsets_and_refuses_others():
    status, unused, result = ansible("-a", '{"gather_subset": ["limits"]}')
    assert status == 0
    assert set(result["ansible_facts"]["mcast"]) == {"limits", "kernel", "sources"}
    status, unused, result = ansible("-a", '{"gather_subset": ["groups"]}')
    assert status != 0 and "gather_subset" in result["msg"]


def test_action_as_another_user_by_su():
    """su takes no script on standard input; it travels as an argument then."""
    words = "ansible_become_method=su ansible_become_user=nobody ansible_become_flags='-s /bin/sh'"
    with joined("eth0 239.0.0.100 exclude"):
        status, unused, result = ansible("-b", "-e", words, "-a", '{"gather_subset": ["sockets"]}',
                                         prefix=["ip", "netns", "exec", HERE])
    assert status == 0, result
    assert "of 1 sockets could not be seen" in result["ansible_facts"]["mcast"]["sources"]["sockets"]["note"]


def test_action_names_the_host_without_a_shell():
    shell = str(Path("/bin/sh").resolve())
    command = 'mount --bind /bin/false "$0"; exec "$@"'
    status, unused, result = ansible(prefix=["unshare", "--mount", "/bin/bash", "-c", command, shell])
    assert status != 0
    assert re.match(r"localhost: /bin/sh: could not be run \(exit status 1\): no output", result["msg"])
