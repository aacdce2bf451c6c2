# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's struct group_filter, byte by byte, as a 64-bit host has it (include/uapi/linux/in.h)."""
from __future__ import annotations

import ipaddress
import struct
import sys

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import socket_info

pytestmark = pytest.mark.skipif(struct.calcsize("P") != 8 or sys.byteorder != "little", reason="another layout")


def padded(digits, size=128):
    return bytes.fromhex(digits).ljust(size, b"\0")


@pytest.mark.parametrize(("index", "group", "room", "digits"), [
    (2, "239.0.0.100", 0, "0200 0000 ef000064"),
    (300, "239.0.0.100", 3, "0200 0000 ef000064"),
    (1, "ff15::100", 16, "0a00 0000 00000000 ff150000000000000000000000000100 00000000"),
])
def test_question(index, group, room, digits):
    asked = socket_info.question(index, ipaddress.ip_address(group), room)
    assert len(asked) == 144 + 128 * room
    assert asked[:8] == struct.pack("<Q", index)
    assert asked[8:136] == padded(digits)
    assert asked[136:144] == struct.pack("<II", 0, room)
    assert set(asked[144:]) <= {0}


def answered(mode, count, *sources):
    return bytearray(bytes(136) + struct.pack("<II", mode, count) + b"".join(map(padded, sources)))


@pytest.mark.parametrize(("version", "data", "expected"), [
    (4, answered(0, 0), ("exclude", [], 0)),
    (4, answered(1, 1, "0200 0000 0a000001"), ("include", ["10.0.0.1"], 1)),
    # What had room but isn't told of, is nothing.
    (4, answered(1, 1, "0200 0000 0a000001", "0200 0000 0a000002"), ("include", ["10.0.0.1"], 1)),
    (4, answered(0, 2, "0200 0000 0a00000a", "0200 0000 0a000009"), ("exclude", ["10.0.0.9", "10.0.0.10"], 2)),
    # More than had room: the count says how much to ask for.
    (4, answered(1, 20, "0200 0000 0a000001"), ("include", ["10.0.0.1"], 20)),
    (6, answered(1, 2, "0a00 0000 00000000 fd00000000000000000000000000000a 00000000",
                 "0a00 0000 00000000 fd000000000000000000000000000009 00000000"),
     ("include", ["fd00::9", "fd00::a"], 2)),
])
def test_answer(version, data, expected):
    assert socket_info.answer(data, version) == expected
