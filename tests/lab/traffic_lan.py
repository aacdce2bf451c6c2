"""Two hosts on one wire, for the tests of the programs: `client` has three addresses of each family."""
from __future__ import annotations

import json
import os
import subprocess
import sys

from ansible_collections.mcast.lab.plugins.module_utils import unit
from ansible_collections.mcast.lab.plugins.module_utils.traffic import zipapp
from waiting import until

SOURCES = {4: ["10.9.0.1", "10.9.0.2", "10.9.0.3"], 6: ["fd00:9::1", "fd00:9::2", "fd00:9::3"]}
SERVER = {4: "10.9.0.10", 6: "fd00:9::10"}
GROUPS = {4: "239.0.0.100", 6: "ff15::64"}
PORT = 11111


def inode(namespace):
    return os.stat(f"/run/netns/{namespace}").st_ino


class Lan:
    """Namespaces `client` and `server`, joined by eth0 and by eth1."""

    def __init__(self, tmp_path):
        self.path = tmp_path
        self.pyz = str(tmp_path / "mcast.pyz")
        self.client, self.server = (f"mct-{os.getpid()}-{name}" for name in ("client", "server"))
        self._processes = []

    def __enter__(self):
        zipapp.build(self.pyz)
        lines = [f"netns add {self.client}", f"netns add {self.server}"]
        for eth in ("eth0", "eth1"):
            lines.append(f"link add {eth} netns {self.client} type veth peer name {eth} netns {self.server}")
        self.ip(*lines)
        for name, last in ((self.client, (1, 2, 3)), (self.server, (10,))):
            # Address detection would join the link-local address's group at a moment of its own, and the kernel lists
            # no sources before an interface whose newest membership has none.
            self.run(name, ["sysctl", "-qw"] + [f"net.ipv6.conf.eth{i}.accept_dad=0" for i in (0, 1)])
            self.ip("link set lo up", "link set eth0 up", "link set eth1 up",
                    *(f"address add 10.9.{i}.{n}/24 dev eth{i}" for i in (0, 1) for n in last),
                    # In hexadecimal ::10 is another number, but the same text.
                    *(f"address add fd00:9{'' if i == 0 else ':1'}::{n}/64 dev eth{i} nodad"
                      for i in (0, 1) for n in last), namespace=name)
        for name in (self.client, self.server):
            until(lambda name=name: self.run(
                name, ["ip", "-6", "address", "show", "scope", "link", "-tentative"]).stdout.count("inet6 fe80:") == 2)
        return self

    def __exit__(self, *unused):
        try:
            self.clean()
        finally:
            for process in self._processes:
                with process:  # closes its pipes, and waits
                    process.kill()
            for name in (self.client, self.server):
                subprocess.run(["ip", "netns", "del", name], check=False)

    def clean(self):
        """End the programs that were started under a name."""
        for name in (self.client, self.server):
            unit.clean(inode(name))

    @staticmethod
    def ip(*lines, namespace=None):
        """Run lines of `ip -batch`."""
        subprocess.run(["ip"] + (["-n", namespace] if namespace else []) + ["-batch", "-"], check=True, text=True,
                       input="".join(f"{line}\n" for line in lines))

    def popen(self, namespace, argv, **options):
        """Start any command on a host; it is gone at the end of the test."""
        options = dict({"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}, **options)
        self._processes.append(subprocess.Popen(["ip", "netns", "exec", namespace] + argv, **options))
        return self._processes[-1]

    def run(self, namespace, argv, **options):
        """Run a command on a host to its end; returns the CompletedProcess."""
        return subprocess.run(["ip", "netns", "exec", namespace] + argv, text=True, capture_output=True, timeout=300,
                              check=False, **options)

    def program(self, namespace, command, python=sys.executable, **options):
        """Start one of the programs with a report, and wait until it has joined or sends. Returns a Program."""
        return Program(self, namespace, command, python, options)

    def send(self, version=4, source=0, **options):
        """Send from one of the client's addresses, to the end. Returns the report."""
        options = dict({"group": GROUPS[version], "port": PORT, "interface": SOURCES[version][source]}, **options)
        sender = self.program(self.client, "sender", **options)
        assert sender.process.wait(10) == 0
        return sender.report()

    def memberships(self, group):
        """The interfaces of the server on which the kernel is a member, as `ip` sees it."""
        text = self.run(self.server, ["ip", "-j", "maddress", "show"]).stdout
        return [entry["ifname"] for entry in json.loads(text) for one in entry["maddr"] if one.get("address") == group]


class Program:
    def __init__(self, lan, namespace, command, python, options):
        self.path = lan.path / f"{command}-{len(lan._processes)}.json"
        words = [f"--{key.replace('_', '-')}={value}" for key, values in options.items()
                 for value in (values if isinstance(values, list) else [values])]
        self.process = lan.popen(namespace, [python, "-I", lan.pyz, command, "--report", str(self.path)] + words)
        until(lambda: self.path.exists() and self.report()["state"] != "starting")

    def report(self):
        return json.loads(self.path.read_text())

    def end(self, signal=15):
        """Stop it; returns its last report."""
        self.process.send_signal(signal)
        self.process.wait(60)
        return self.report()
