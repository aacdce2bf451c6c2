# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""known_hosts, as sshd(8) describes it. The hashed names were made by `ssh-keygen -H`."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet.known_hosts import KnownHosts

TEXT = """
# a comment
plain,10.0.0.1 ssh-ed25519 PLAIN a remark
plain ssh-rsa RSA
[ported]:2222 ssh-ed25519 PORTED
*.wild.org,!not.wild.org ssh-ed25519 WILD
[10.9.?.*]:2200 ssh-ed25519 RANGE
UPPER ssh-ed25519 UPPER
|1|Q4l4KiDZNyGZ9MxvVdVB2bIKPvE=|AoMaaPZ5UVTJVrOJl2yOlxC3MxU= ssh-ed25519 HASHED
short line
"""


@pytest.mark.parametrize("name, wanted", [
    ("plain", {"ssh-ed25519": {"PLAIN"}, "ssh-rsa": {"RSA"}}),
    ("PLAIN", {"ssh-ed25519": {"PLAIN"}, "ssh-rsa": {"RSA"}}),
    ("10.0.0.1", {"ssh-ed25519": {"PLAIN"}}),
    ("10.0.0.11", {}),
    ("[ported]:2222", {"ssh-ed25519": {"PORTED"}}),
    ("ported", {}),
    ("a.wild.org", {"ssh-ed25519": {"WILD"}}),
    ("not.wild.org", {}),
    ("wild.org", {}),
    ("[10.9.1.44]:2200", {"ssh-ed25519": {"RANGE"}}),
    ("[10.9.11.44]:2200", {}),
    ("upper", {"ssh-ed25519": {"UPPER"}}),
    ("192.168.1.61", {"ssh-ed25519": {"HASHED"}}),
    ("short", {}),
    ("", {}),
])
def test_names(name, wanted):
    assert KnownHosts([TEXT]).keys(name) == wanted


def test_files_add_up():
    assert KnownHosts(["a ssh-rsa ONE\n", "", "a ssh-rsa TWO"]).keys("a") == {"ssh-rsa": {"ONE", "TWO"}}


@pytest.mark.parametrize("text, marked", [
    (TEXT, False), ("@revoked * ssh-rsa KEY", True), ("# @revoked\n", False),
    ("@cert-authority *.org ssh-rsa KEY", True)])
def test_marks_are_noticed(text, marked):
    assert KnownHosts([text]).marked == marked
