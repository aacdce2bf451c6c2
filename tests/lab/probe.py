# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether hosts of a lab reach each other, there and back."""
from __future__ import annotations

import subprocess
import sys

_PROBE = """
import socket, sys
probe = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
probe.settimeout(10)
probe.connect((sys.argv[1], 9))
probe.send(b"")
try:
    probe.recv(1)
except ConnectionRefusedError:
    sys.exit(0)  # the host has answered that nobody listens
sys.exit(1)
"""


def answers(namespace, address):
    """Whether what is sent from a namespace comes to the address, and its answer back."""
    return subprocess.run(["ip", "netns", "exec", namespace, sys.executable, "-IS", "-c", _PROBE, address],
                          check=False, stderr=subprocess.DEVNULL).returncode == 0
