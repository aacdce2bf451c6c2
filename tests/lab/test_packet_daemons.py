# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What two implementations of PIM really send, FRR's and pimd's: read to what they were configured and made to do, and
like tshark. The daemons are those that scripts/setup.sh unpacks; nothing is installed.

    a (sends) -- 10.1.0.0/24 -- r1 -- 10.2.0.0/24, the core -- r2 (the RP) -- 10.3.0.0/24 -- b (receives)
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
from packet_oracle import judge
from packet_wire import JOIN, TCPDUMP, Recorder, inside, run
from waiting import until

DAEMONS = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "daemons"
FRR, PIMD = DAEMONS / "frr" / "usr" / "lib" / "frr", DAEMONS / "pimd" / "usr" / "sbin" / "pimd"
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces take root"),
    pytest.mark.skipif(not shutil.which("tcpdump") or not shutil.which("tshark"), reason="needs tcpdump and tshark"),
    pytest.mark.skipif(not FRR.exists() or not PIMD.exists(), reason=f"needs FRR and pimd in {DAEMONS}"),
]

A, R1, R2, B = (f"mct-{os.getpid()}-{name}" for name in ("a", "r1", "r2", "b"))
G, H, SSM, SENDER, RP = "239.0.0.100", "239.0.0.101", "232.1.1.1", "10.1.0.10", "10.2.0.2"
CAPTURES = {"a": (A, "eth0"), "core": (R1, "eth1"), "b": (B, "eth0")}

# A daemon sees a /run, a /var/tmp and a list of groups of its own.
PRIVATE = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/tmp
mount --bind "$1" /etc/group
shift
exec "$@"
"""

FRR_CONF = """
ip pim rp 10.2.0.2 239.0.0.0/8
interface eth0
 ip igmp
 ip igmp query-max-response-time 5
 ip igmp query-interval 1
 ip pim
 ip pim hello 1
interface eth1
 ip igmp
 ip igmp version 2
 ip igmp query-max-response-time 5
 ip igmp query-interval 1
 ip pim
 ip pim hello 1
 ip pim drpriority 7
"""

PIMD_CONF = """
phyint eth0 igmpv3
phyint eth1 igmpv2 dr-priority 7
"""
STATIC_RP = f"{PIMD_CONF}\nrp-address 10.2.0.2 239.0.0.0 masklen 8\n"
CANDIDATE_RP = f"{PIMD_CONF}\nrp-candidate eth1 time 10 priority 20\ngroup-prefix 239.1.0.0 masklen 16\n"
CANDIDATE_BSR = f"{PIMD_CONF}\nbsr-candidate eth1 priority 5\n"

# Sends ten datagrams a second to a group, from an address that need not be its own, until its input ends.
SEND = r"""
import select, socket, struct, sys

group, source, interface = sys.argv[1:]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                  struct.pack("@4s4si", bytes(4), socket.inet_aton(source), socket.if_nametoindex(interface)))
sender.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
sender.bind((source, 0))
while not select.select([sys.stdin], [], [], 0.1)[0]:
    sender.sendto(b"a datagram", (group, 11111))
"""

# DVMRP's "ask neighbors 2", which is how mrinfo asks a router for its interfaces and neighbors.
ASK = r"""
import socket, sys

socket.socket(socket.AF_INET, socket.SOCK_RAW, 2).sendto(bytes.fromhex("1305ecfa00000000"), (sys.argv[1], 0))
"""


def flat(message):
    """A message with its details, and with the sources of all joins, of all prunes, and all RPs in a list each."""
    entries = message["details"].get("groups", ())
    told = {name: [one[name[:-1] if name == "rps" else "source"] for entry in entries for one in entry.get(name, ())]
            for name in ("joins", "prunes", "rps")}
    return {**message, **message["details"], **told, "groups": [entry["group"] for entry in entries]}


def link_local(namespace, interface):
    entry, = json.loads(run("ip", "-j", "-n", namespace, "-6", "address", "show", "dev", interface))
    return entry["addr_info"][0]["local"]


class Lab:
    def __init__(self, folder):
        self._folder, self._processes, self._recorders = folder, [], {}
        self._captures = contextlib.ExitStack()
        self._groups = folder / "group"
        # FRR wants its user, here root, in a group of its own.
        self._groups.write_text(pathlib.Path("/etc/group").read_text() + "frrvty:x:64999:root\n")

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self):
        for namespace in (A, R1, R2, B):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            for setting in ("ip_forward=1", "conf.all.rp_filter=0", "conf.default.rp_filter=0"):
                run(*inside(namespace, "sysctl", "-qw", f"net.ipv4.{setting}"))
        for left, left_name, left_address, right, right_name, right_address in (
            (A, "eth0", SENDER, R1, "eth0", "10.1.0.1"),
            (R1, "eth1", "10.2.0.1", R2, "eth1", RP),
            (R2, "eth0", "10.3.0.1", B, "eth0", "10.3.0.10"),
        ):
            run("ip", "link", "add", left_name, "netns", left, "type", "veth",
                "peer", "name", right_name, "netns", right)
            for namespace, name, address in (left, left_name, left_address), (right, right_name, right_address):
                run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", name)
                run("ip", "-n", namespace, "link", "set", name, "up")
        run("ip", "-n", R1, "route", "add", "10.3.0.0/24", "via", RP)
        run("ip", "-n", R2, "route", "add", "10.1.0.0/24", "via", "10.2.0.1")
        for name, (namespace, interface) in CAPTURES.items():
            argv = [interface if word == "eth0" else word for word in TCPDUMP]
            recorder = Recorder(namespace, self._folder / f"{name}.pcap", argv)
            self._recorders[name] = self._captures.enter_context(recorder)

    def __exit__(self, *unused):
        for process in reversed(self._processes):
            self.stop(process)
        self._captures.close()
        for namespace in (A, R1, R2, B):
            subprocess.run(["ip", "netns", "del", namespace], check=False)

    def popen(self, namespace, *argv, **options):
        self._processes.append(subprocess.Popen(inside(namespace, *map(str, argv)), **options))
        return self._processes[-1]

    def stop(self, process):
        """End it as its signal or its input's end asks, and wait for that."""
        with process:
            if process.stdin:
                process.stdin.close()
            else:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        self._processes.remove(process)

    def daemon(self, namespace, *argv):
        log = self._folder / f"{os.path.basename(argv[0])}-{len(self._processes)}.log"
        libraries = ":".join(map(str, (DAEMONS / "frr/usr/lib").glob("*-linux-gnu*")))
        libraries += "".join(f":{folder}/frr" for folder in libraries.split(":"))
        with open(log, "wb") as stream:
            return self.popen(namespace, "unshare", "--mount", "--propagation", "private", "sh", "-euc", PRIVATE, "sh",
                              self._groups, *argv, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, LD_LIBRARY_PATH=libraries))

    def frr(self, namespace):
        """Start zebra, then pimd."""
        folder = self._folder / namespace
        folder.mkdir()
        (folder / "pimd.conf").write_text(FRR_CONF)
        (folder / "zebra.conf").write_text("")
        for name in ("zebra", "pimd"):
            self.daemon(namespace, FRR / name, "-u", "root", "-g", "root", "-f", folder / f"{name}.conf", "-P", "0",
                        "-i", folder / f"{name}.pid", "-z", folder / "zserv", "--vty_socket", folder,
                        "--log", "stdout")
            until((folder / "zserv").exists)

    def pimd(self, namespace, text):
        conf = self._folder / f"{namespace}.conf"
        conf.write_text(text)
        return self.daemon(namespace, PIMD, "-f", "-c", conf, "-s", "info")

    def join(self, namespace, group, *source):
        return self._program(namespace, JOIN, group, *source)

    def send(self, namespace, interface, group):
        return self._program(namespace, SEND, group, SENDER, interface)

    def _program(self, namespace, text, *arguments):
        return self.popen(namespace, sys.executable, "-c", text, *arguments,
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def heard(self, where, kind, seconds=10, **wanted):
        """Wait for a message of a kind that says all that is wanted."""
        def look():
            messages = map(flat, self._recorders[where].messages(kinds=[kind]))
            return [message for message in messages if all(message.get(key) == wanted[key] for key in wanted)]

        return until(look, seconds)[0]

    def finish(self):
        """End the captures and hold all of them against tshark. Returns all messages."""
        self._captures.close()
        messages = []
        for name, recorder in self._recorders.items():
            compared, complaints = judge(recorder.path)
            assert complaints == [] and compared, name
            messages += recorder.messages()
        assert [message for message in messages if message["malformed"]] == []
        return messages


def test_frr(tmp_path):
    with Lab(tmp_path) as lab:
        lab.frr(R1)
        lab.frr(R2)
        for router, namespace in (("10.2.0.1", R1), (RP, R2)):
            secondary = [link_local(namespace, "eth1")]
            hello = lab.heard("core", "pim_hello", source=router, dr_priority=7, address_list=secondary)
            assert hello["holdtime"] == 3
            assert hello["lan_prune_delay"] == {"tracking": False, "delay": 0.5, "override": 2.5}
            assert hello["destination"] == "224.0.0.13" and hello["ttl"] == 1 and hello["checksum"] == "good"
        query = lab.heard("b", "igmpv3_query", query="general")
        assert (query["source"], query["max_response"], query["interval"]) == ("10.3.0.1", 0.5, 1)
        assert lab.heard("core", "igmpv2_query")["max_response"] == 0.5

        near = lab.join(A, H)  # Its router is not the RP, and joins the shared tree there.
        lab.heard("core", "pim_join_prune", source="10.2.0.1", upstream=RP, groups=[H], joins=[RP], prunes=[])
        lab.stop(near)
        lab.heard("core", "pim_join_prune", source="10.2.0.1", upstream=RP, groups=[H], joins=[], prunes=[RP])

        far, sending = lab.join(B, G), lab.send(A, "eth0", G)
        register = lab.heard("core", "pim_register", group=G, sources=[SENDER], null=False)
        assert register["destination"] == RP and register["protocol"] == 17
        lab.heard("core", "pim_join_prune", source=RP, upstream="10.2.0.1", groups=[G], joins=[SENDER])
        lab.heard("core", "pim_register_stop", source=RP, group=G, sources=[SENDER])
        lab.stop(far)
        assert lab.heard("b", "igmpv3_query", query="group", group=G)["destination"] == G
        lab.heard("core", "pim_join_prune", source=RP, upstream="10.2.0.1", groups=[G], prunes=[SENDER])
        lab.stop(sending)

        chosen = lab.join(B, SSM, SENDER)
        lab.heard("core", "pim_join_prune", source=RP, upstream="10.2.0.1", groups=[SSM], joins=[SENDER])
        lab.stop(chosen)
        lab.heard("b", "igmpv3_query", query="group_and_source", group=SSM, sources=[SENDER])
        assert {message["checksum"] for message in lab.finish()} == {"good"}


def of_pimd(messages):
    """pimd 2.3.2 gets the checksums of its first query of version 3 and of its DVMRP wrong, as tshark says too."""
    assert {message["kind"] for message in messages if message["checksum"] != "good"} <= {"igmpv3_query", "dvmrp"}


def test_pimd(tmp_path):
    with Lab(tmp_path) as lab:
        lab.pimd(R1, STATIC_RP)
        lab.pimd(R2, STATIC_RP)
        for router in ("10.2.0.1", RP):
            hello = lab.heard("core", "pim_hello", source=router, dr_priority=7)
            assert hello["holdtime"] == 105 and hello["generation_id"]
        lab.heard("core", "igmpv2_query", query="general")
        # Only then does it send registers.
        assert lab.heard("b", "igmpv3_query", 30, query="general", checksum="good")["interval"] == 12
        far, sending = lab.join(B, G), lab.send(A, "eth0", G)
        register = lab.heard("core", "pim_register", 30, group=G, sources=[SENDER])
        assert register["destination"] == RP
        lab.heard("core", "pim_register_stop", 30, group=G, sources=[SENDER])
        lab.heard("core", "pim_join_prune", 30, source=RP, groups=[G], joins=[SENDER])
        # What r1 sends to the core comes in from it as well: somebody else seems to forward there.
        rival = lab.send(R2, "eth1", G)
        lab.heard("core", "pim_assert", source="10.2.0.1", group=G, sources=[SENDER])
        for process in (rival, far, sending):
            lab.stop(process)
        of_pimd(lab.finish())


def test_bootstrap(tmp_path):
    with Lab(tmp_path) as lab:
        first = lab.pimd(R1, CANDIDATE_RP)
        lab.pimd(R2, CANDIDATE_BSR)
        lab.heard("core", "pim_bootstrap", bsr=RP, priority=5, groups=[])
        candidate = lab.heard("core", "pim_candidate_rp", 20, destination=RP, rp="10.2.0.1", groups=["239.1.0.0"])
        assert candidate["priority"] == 20 and candidate["holdtime"] == 25
        lab.stop(first)
        lab.heard("core", "pim_hello", source="10.2.0.1", holdtime=0)
        lab.pimd(R1, CANDIDATE_RP)  # A neighbor that comes is told at once what the bootstrap router knows.
        lab.heard("core", "pim_bootstrap", destination="10.2.0.1", groups=["239.1.0.0"], rps=["10.2.0.1"])
        run(*inside(A, sys.executable, "-c", ASK, "10.1.0.1"))
        assert lab.heard("a", "dvmrp", source="10.1.0.1", destination=SENDER)["type"] == 0x13
        of_pimd(lab.finish())
