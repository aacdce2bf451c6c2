# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of real packets share: namespaces, members, and captures that run while something happens."""

from __future__ import annotations

import subprocess

from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read

TCPDUMP = ("tcpdump", "-U", "--immediate-mode", "-i", "eth0", "-w")
# Joins one group on eth0 until its input ends; with a source, that source alone (MCAST_JOIN_SOURCE_GROUP).
JOIN = r"""
import socket, struct, sys

def address(text):
    if ":" in text:
        packed = socket.inet_pton(socket.AF_INET6, text)
        return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, packed, 0).ljust(128, b"\0")
    return struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(text)).ljust(128, b"\0")

group, *source = sys.argv[1:]
family, level = (socket.AF_INET6, 41) if ":" in group else (socket.AF_INET, 0)
held = socket.socket(family, socket.SOCK_DGRAM)
held.setsockopt(level, 46 if source else 42, struct.pack("@I4x", socket.if_nametoindex("eth0")) + b"".join(
    address(text) for text in [group] + source))
print("joined", flush=True)
sys.stdin.read()
"""


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()


def inside(namespace, *argv):
    return ["ip", "netns", "exec", namespace] + list(argv)


class Recorder:
    """A capture that runs in a namespace until the end of the `with` block. argv: of the program, without its file."""

    def __init__(self, namespace, path, argv):
        self.path = str(path)
        self._argv = inside(namespace, *argv) + [self.path]

    def __enter__(self):
        self._process = subprocess.Popen(self._argv, stderr=subprocess.PIPE)
        for line in self._process.stderr:
            if b"istening on" in line or b"File:" in line:
                return self
        raise AssertionError(f"{self._argv} ended")

    def __exit__(self, *unused):
        with self._process:
            self._process.terminate()

    def messages(self, **options):
        return read(self.path, **options)["messages"]
