"""The scenario of two hosts as tests run it: its topology, its planned checks by what they concern, its playbooks."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.prefix) / "bin"
LAB = f"mct{os.getpid()}"

TOPOLOGY = {
    "plugin": "mcast.lab.topology",
    "name": LAB,
    "segments": {"lan": {"ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64"}, "spare": {}},
    "hosts": {
        "client": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "192.168.122.181"}}},
        "server": {"interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "spare"}}},
    },
    "streams": {
        "hello": {"group": "239.0.0.100", "port": 11111, "from": "client", "to": ["server"], "count": 1},
        "hello6": {"group": "ff15::100", "port": 11111, "from": "client", "to": ["server"], "count": 2,
                   "interval": 0.05},
    },
}
JOIN = {"name": "hello", "group": "239.0.0.100", "port": 11111, "interface": "eth0", "filter_mode": "exclude",
        "sources": []}
JOIN6 = dict(JOIN, name="hello6", group="ff15::100")
SEND = dict(JOIN, ttl=1, count=1, interval=0.1, payload="HELLO")
SEND6 = dict(SEND, name="hello6", group="ff15::100", count=2)

MEMBER = {
    "server/during/membership.present/239.0.0.100/eth0", "server/during/membership.present/ff15::100/eth0",
    "server/during/mapping.programmed/239.0.0.100/eth0", "server/during/mapping.programmed/ff15::100/eth0",
    "server/during/membership.difference",
}
GROUPS = ["239.0.0.100/eth0", "ff15::100/eth0"]
STREAMS = ["hello/239.0.0.100/eth0", "hello6/ff15::100/eth0"]
RECEIVED = {f"server/during/delivery.received/{stream}" for stream in STREAMS}
SENT = {f"client/during/delivery.sent/{stream}" for stream in STREAMS}
LISTENING = {f"server/during/socket.listening/{group}/11111" for group in ("239.0.0.100", "ff15::100")}
OPEN = {f"server/before/firewall.open/{group}/11111" for group in ("239.0.0.100", "ff15::100")}
OPEN_TO_QUERIES = {f"server/before/firewall.open/{protocol}" for protocol in ("igmp", "mld")}
LISTED = {f"server/before/firewall.listed/{group}/11111" for group in ("239.0.0.100", "ff15::100")}
# What is on the wire.
LEFT = {f"server/after/packets.reports/{group}" for group in GROUPS}
REPORTED = LEFT | {f"server/during/packets.reports/{group}" for group in GROUPS}
ORDER = {f"server/after/packets.order/{stream}" for stream in STREAMS}
DATAGRAMS = {host: {f"{host}/after/packets.datagrams/{stream}" for stream in STREAMS} for host in ("client", "server")}
CAPTURED = {"server/ended/packets.captured/eth0"}


def namespaces():
    return os.listdir("/run/netns") if os.path.isdir("/run/netns") else []


def playbook(folder, name, *arguments, **more):
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", **more)
    return subprocess.run([str(BIN / "ansible-playbook"), "-i", str(folder), f"mcast.lab.{name}", *arguments],
                          capture_output=True, text=True, cwd=folder.parent, env=environment, timeout=300, check=False)


def results(folder):
    found = list((folder.parent / "results" / LAB).glob("*/results.json"))
    assert len(found) == 1
    return json.loads(found[0].read_text())


def not_passed(judged):
    return {each["id"] for each in judged["results"] if each["verdict"] != "pass"}
