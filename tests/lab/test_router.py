# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module router with the real daemons, which scripts/setup.sh unpacks."""
from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge
from two_routers import HOSTS, SEGMENTS
from verify_lab import playbook

DAEMONS = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "daemons"
pytestmark = pytest.mark.skipif(not all((DAEMONS / name).exists() for name in ("frr", "smcroute", "pimd")),
                                reason=f"needs the daemons in {DAEMONS}")
IGMP = {"query_interval": 1, "query_response_interval": 0.5}
FRR = {"backend": "frr", "rp": "10.1.0.2", "igmp": IGMP, "hello_interval": 1, "daemons": str(DAEMONS)}
PIMD = {"backend": "pimd", "rp": "10.1.0.2", "daemons": str(DAEMONS)}
ROUTES = [{"group": "239.1.1.1", "source": "10.1.0.1", "incoming": "eth0", "outgoing": ["eth1"]},
          {"group": "ff15::1", "source": "fd00:1::1", "incoming": "eth0", "outgoing": ["eth1"]}]
SMCROUTE = {"backend": "smcroute", "routes": ROUTES, "daemons": str(DAEMONS)}

# Joins a group, and ends once a datagram has come.
RECEIVE = """
import socket, struct, sys
group = sys.argv[1]
if ":" in group:
    inbox = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    inbox.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                     socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", socket.if_nametoindex("eth0")))
else:
    inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbox.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     struct.pack("@4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex("eth0")))
inbox.settimeout(40)
inbox.bind(("", 4001))
print(inbox.recvfrom(100)[1][0])
"""
# Sends to a group, with another TTL than 8 where one is given, until its input ends.
SEND = """
import select, socket, struct, sys
group, ttl = sys.argv[1], int((sys.argv + [8])[2])
if ":" in group:
    out = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
else:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                   struct.pack("@4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0")))
while not select.select([sys.stdin], [], [], 0.1)[0]:
    out.sendto(b"x", (group, 4001))
"""


@pytest.fixture
def lab(lab_name, module):
    assert module("topology", {"name": lab_name, "segments": SEGMENTS, "hosts": HOSTS})["changed"]
    yield lab_name
    units = [f"/run/mcast/{os.stat(f'/run/netns/{lab_name}.{host}').st_ino}" for host in HOSTS]
    module("topology", {"name": lab_name, "state": "absent"})
    assert not any(map(os.path.exists, units))


@pytest.fixture
def router(lab, module):
    """router(HOST, OPTIONS): the module, after check mode has foretold the same."""
    def run(host, **options):
        namespace = f"{lab}.{host}"
        foretold = module("router", options, check=True, namespace=namespace)
        done = module("router", options, namespace=namespace)
        assert foretold == done
        return done
    return run


def inside(lab, host, text, *arguments):
    argv = ["ip", "netns", "exec", f"{lab}.{host}", sys.executable, "-IS", "-c", text, *arguments]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def crosses(lab, group, receiver="t"):
    """Whether what s sends is received, by which source."""
    with inside(lab, receiver, RECEIVE, group) as inbox, inside(lab, "s", SEND, group) as out:
        source = inbox.communicate(timeout=60)[0].strip()
        out.stdin.close()
    return source


def folder(lab, host):
    return pathlib.Path(f"/run/mcast/{os.stat(f'/run/netns/{lab}.{host}').st_ino}/router")


def processes(lab, host):
    return subprocess.run(["ip", "netns", "pids", f"{lab}.{host}"], check=True, capture_output=True,
                          text=True).stdout.split()


def test_frr_two_routers(lab, router):
    for host in ("r1", "r2"):
        done = router(host, **FRR)
        assert done.get("changed"), done
        assert done["router"] == {"backend": "frr", "interfaces": ["eth0", "eth1"]}
        assert "ip pim rp 10.1.0.2 224.0.0.0/4" in done["diff"]["after"]["router"]["config"]
        assert not router(host, **FRR)["changed"]
    assert crosses(lab, "239.1.1.1") == "10.1.0.1"
    assert router("r1", state="stopped")["changed"]
    assert not processes(lab, "r1") and not folder(lab, "r1").exists()
    assert not router("r1", state="stopped")["changed"]


def running_config(lab, host):
    return subprocess.run([str(folder(lab, host) / "vtysh"), "-c", "show running-config"], check=True,
                          capture_output=True, text=True).stdout


CHANGED = [dict(FRR, rp={"10.1.0.2": ["239.0.0.0/8"], "10.2.0.2": "225.0.0.0/8"}),
           dict(FRR, igmp={"version": 2, "query_interval": 20, "query_response_interval": 10}),
           dict(FRR, igmp={"query_interval": 3, "last_member_query_interval": 0.5, "query_response_interval": 0.2}),
           dict(FRR, igmp={}), dict(FRR, dr_priority=9), FRR]
ANEW = [dict(FRR, hello_interval=None), dict(FRR, interfaces=["eth1"])]


def gathered(lab, host, *parts):
    run = subprocess.run(["ip", "netns", "exec", f"{lab}.{host}", "/bin/sh", "-s"], capture_output=True, text=True,
                         check=True, input=sources.script(parts))
    return facts(sources.split(run.stdout))


# How a route takes packets and forwards none of them: incoming and outgoing interface, and the sender's TTL.
FORWARDS_NOTHING = {"they come in elsewhere": ("eth1", ["eth0"], "8"), "the TTL ends here": ("eth0", ["eth1"], "1"),
                    "as it should be": ("eth0", ["eth1"], "8")}


@pytest.mark.parametrize("case", FORWARDS_NOTHING)
@pytest.mark.parametrize("group", ["239.1.1.1", "ff15::1"])
def test_packets_that_are_not_forwarded_do_not_count(lab, router, group, case):
    incoming, outgoing, ttl = FORWARDS_NOTHING[case]
    good = case == "as it should be"
    source = "10.1.0.1" if "." in group else "fd00:1::1"
    assert router("r1", **dict(SMCROUTE, routes=[
        {"group": group, "source": source, "incoming": incoming, "outgoing": outgoing}]))["changed"]
    growing, carried = (judge.make(name, dict(group=group, source=source, **more)) for name, more in (
        ("mroute.growing", {}), ("mroute.present", {"packets": 1})))
    with inside(lab, "s", SEND, group, ttl) as out:
        deadline, packets = time.monotonic() + 20, 0
        while packets < 5:
            assert time.monotonic() < deadline
            found = gathered(lab, "r1", "mroutes")
            verdicts = growing.judge(found)[0], carried.judge(found)[0]
            assert good or verdicts == (False, False), found["mroutes"]
            packets = sum(route["packets"] for route in found["mroutes"]["routes"])
        assert verdicts == (good, good), found["mroutes"]
        out.stdin.close()


def test_a_daemon_that_is_frozen_does_not_hold_up_the_facts(lab, router):
    """vtysh would wait for it without limit; the rest is gathered, and the note says what lacks and why."""
    router("r1", **dict(FRR, interfaces=["eth0", "eth1"]))
    frozen = [pid for pid in processes(lab, "r1") if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "pimd"]
    for pid in frozen:
        os.kill(int(pid), signal.SIGSTOP)
    try:
        for script in (sources.script(), sources.script().replace("command -v timeout", "false")):
            run = subprocess.run(["ip", "netns", "exec", f"{lab}.r1", "/bin/sh", "-s"], capture_output=True, text=True,
                                 check=True, input=script)
            found = facts(sources.split(run.stdout))
            assert frozen and found["pim"]["neighbors"] is None
            assert "vtysh did not answer within 3 s" in found["sources"]["pim"]["note"]
            assert found["mroutes"]["vifs"] and found["interfaces"]["eth0"]
            assert not [pid for pid in processes(lab, "r1")
                        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "vtysh"]
    finally:
        for pid in frozen:
            os.kill(int(pid), signal.SIGCONT)


def test_frr_is_reloaded_not_restarted(lab, router):
    router("r1", **FRR)
    before = processes(lab, "r1")
    for options in CHANGED:
        done = router("r1", **options)
        assert done.get("changed"), done
        now = running_config(lab, "r1")
        assert processes(lab, "r1") == before
        router("r1", state="stopped")
        router("r1", **options)
        assert running_config(lab, "r1") == now
        before = processes(lab, "r1")
    for options in ANEW:
        assert router("r1", **options).get("changed")
        assert processes(lab, "r1") != before
        before = processes(lab, "r1")


def test_smcroute_takes_both_families(lab, router):
    assert router("r1", **SMCROUTE)["changed"]
    assert not router("r1", **SMCROUTE)["changed"]
    router("r2", **SMCROUTE)
    assert crosses(lab, "239.1.1.1") == "10.1.0.1"
    assert crosses(lab, "ff15::1") == "fd00:1::1"
    before = processes(lab, "r2")
    more = ROUTES + [{"group": "239.1.1.2", "source": None, "incoming": "eth0", "outgoing": ["eth1"]}]
    for host in ("r1", "r2"):
        assert router(host, **dict(SMCROUTE, routes=more))["changed"]
    assert processes(lab, "r2") == before
    assert crosses(lab, "239.1.1.2") == "10.1.0.1"


def test_pimd_forwards_too(lab, router):
    assert router("r1", **PIMD)["changed"]
    assert not router("r1", **PIMD)["changed"]
    # Near the sender, and the rendezvous point itself: one router is slow enough.
    with inside(lab, "r2", RECEIVE, "239.1.1.1") as inbox, inside(lab, "s", SEND, "239.1.1.1") as out:
        assert inbox.communicate(timeout=60)[0].strip() == "10.1.0.1"
        out.stdin.close()


def test_one_backend_takes_the_place_of_another(lab, router):
    router("r1", **FRR)
    done = router("r1", **SMCROUTE)
    assert done["diff"]["before"]["router"]["backend"] == "frr"
    names = {pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes(lab, "r1")}
    assert names == {"smcrouted"}


@pytest.mark.parametrize("victim", ["zebra", "pimd"])
def test_a_daemon_that_died_is_started_again(lab, router, victim):
    router("r1", **FRR)
    pid, = [pid for pid in processes(lab, "r1")
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == victim]
    os.kill(int(pid), signal.SIGKILL)
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.01)
    done = router("r1", **FRR)
    assert done["diff"]["before"]["router"]["running"] is False
    assert len(processes(lab, "r1")) == 2
    assert not router("r1", **FRR)["changed"]


def test_a_second_daemon_is_refused(lab, router, module):
    router("r1", **SMCROUTE)
    os.rename(folder(lab, "r1"), f"{folder(lab, 'r1')}-of-somebody-else")
    done = router("r1", **FRR)
    assert "another multicast routing daemon runs on this host, smcrouted (pid" in done["msg"]
    os.rename(f"{folder(lab, 'r1')}-of-somebody-else", folder(lab, "r1"))


# options, and what the one message says
BAD = {
    "rp that no route leads to": (dict(FRR, rp="192.0.2.1"), "rp.192.0.2.1: no route of this host leads there"),
    "rp no address": (dict(FRR, rp="r1"), "rp.r1: expected the IPv4 address of a router"),
    "rp of IPv6": (dict(FRR, rp="fd00:1::2"), "a rendezvous point for IPv6 takes pim6d"),
    "rp for no groups": (dict(FRR, rp={"10.1.0.2": "10.0.0.0/8"}), "10.0.0.0/8 holds addresses that are no groups"),
    "response longer than interval": (dict(FRR, igmp={"query_interval": 5, "query_response_interval": 10}),
                                      "igmp.query_response_interval: is 10 s, longer than the query interval of 5 s"),
    "default response longer": (dict(FRR, igmp={"query_interval": 5}), "is 10 s by default, longer"),
    "no such interface": (dict(FRR, interfaces=["eth7"]), "interfaces: there is no interface eth7 here"),
    "routes for FRR": (dict(FRR, routes=ROUTES), "routes: is for the backend smcroute"),
    "rp for smcroute": (dict(SMCROUTE, rp="10.1.0.2"), "rp: is for the backends frr and pimd"),
    "hello too short for pimd": (dict(PIMD, hello_interval=1), "hello_interval: expected a whole number from 30"),
    "in and out the same": (dict(SMCROUTE, routes=[dict(ROUTES[0], outgoing=["eth0"])]),
                            "routes[0].outgoing: expected interfaces other than the incoming one"),
    "another family's source": (dict(SMCROUTE, routes=[dict(ROUTES[0], source="fd00:1::1")]),
                                "routes[0].source: fd00:1::1 is of another family than the group 239.1.1.1"),
    "not installed": (dict(SMCROUTE, daemons="/nowhere"), "smcrouted is not installed; install the package smcroute"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_nothing_runs(lab, router, name):
    options, message = BAD[name]
    done = router("r1", **options)
    assert done["failed"] and message in done["msg"]
    assert not processes(lab, "r1") and not folder(lab, "r1").exists()


def broken(tmp_path, package, program, text):
    """The unpacked packages, one program of which is another."""
    for name in ("frr", "smcroute", "pimd"):
        shutil.copytree(DAEMONS / name, tmp_path / name, symlinks=True, copy_function=os.link)
    path = tmp_path / package / program
    path.unlink()
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize(("options", "program", "text", "message"), [
    (FRR, "usr/lib/frr/pimd", "echo what a day; echo no memory; exit 1",
     "router: ended before pimd listens: what a day / no memory"),
    (FRR, "usr/bin/vtysh", "case $1 in -C) echo line 1: bad; exit 2;; esac",
     "FRR: refuses its configuration: line 1: bad"),
    (FRR, "usr/bin/vtysh", "echo '% Unknown'", "FRR: refuses its configuration: % Unknown"),
    (SMCROUTE, "usr/sbin/smcrouted", "echo gone; case \"$*\" in *-F*) exit 0; esac; exit 3",
     "router: ended before smcrouted listens: gone"),
    (PIMD, "usr/sbin/pimd", "echo no kernel; exit 1", "router: ended before it forwards on eth0, eth1: no kernel"),
], ids=["dies", "checked", "refused", "smcrouted dies", "pimd dies"])
def test_what_a_daemon_said_is_in_the_error(lab, module, tmp_path, options, program, text, message):
    daemons = broken(tmp_path, options["backend"], program, text)
    done = module("router", dict(options, daemons=daemons), namespace=f"{lab}.r1")
    assert done.get("msg", done) == message
    assert not processes(lab, "r1") and not folder(lab, "r1").exists()


def test_streams_over_routers_are_verified_with_routes_of_their_own(tmp_path, new_lab_name):
    folder = tmp_path / "inventory"
    folder.mkdir()
    hosts = {name: dict(body, **({"router": {"backend": "smcroute"}} if "router" in body else {}))
             for name, body in HOSTS.items()}
    streams = {"x": {"group": "239.1.1.1", "port": 4001, "from": "s", "to": ["t"], "ttl": 3},
               "y": {"group": "ff15::1", "port": 4001, "from": "s", "to": ["t"], "ttl": 3}}
    document = {"plugin": "mcast.lab.topology", "name": new_lab_name(), "segments": SEGMENTS, "hosts": hosts,
                "streams": streams}
    (folder / "topology.yml").write_text(yaml.safe_dump(document))
    ran = playbook(folder, "verify")
    assert ran.stdout.strip().splitlines()[-1].startswith("verdict: pass, 38 checks"), ran.stdout
    streams["y"]["ttl"] = 2
    (folder / "topology.yml").write_text(yaml.safe_dump(document))
    ran = playbook(folder, "verify")
    assert ran.returncode != 0
    assert "streams.y.ttl: is 2, and each of the 2 routers between s and t takes one" in ran.stdout
