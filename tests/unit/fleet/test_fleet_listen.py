# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host that listened for queries has printed. That hosts print it is seen in tests/lab."""
from __future__ import annotations

import base64
import struct

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet import listen as fleet_listen

HEAD = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 128, 1)
ETHERNET = bytes.fromhex("01005e0000010200000000010800")
# An IPv4 header with Router Alert, of 24 bytes, from 10.0.0.254 to 224.0.0.1.
IPV4 = "4600%04x00000000010200000a0000fee000000194040000"
GENERAL3, GENERAL2 = "1164ec1e00000000027d0000", "1164ee9b00000000"
SPECIFIC, REPORT = "110affffef000064027d0000", "1600fa9bef000064"


def frame(igmp):
    return ETHERNET + bytes.fromhex(IPV4 % (24 + len(igmp) // 2) + igmp)


def line(*packets, name="eth0"):
    """packets: (seconds, IGMP in hexadecimal)."""
    records = b"".join(struct.pack("<IIII", int(at), int(at % 1 * 1e6), *[len(frame(igmp))] * 2) + frame(igmp)
                       for at, igmp in packets)
    return f"#mcast.lab# heard {name} {base64.b64encode(HEAD + records).decode()}"


def told(version, interval):
    return {"family": "ipv4", "address": "10.0.0.254", "version": version, "interval": interval}


DONE = "#mcast.lab# listened"


@pytest.mark.parametrize("lines, wanted", [
    ([], None),
    ([DONE], {}),
    (["#mcast.lab# heard eth0 ", DONE], {}),
    (["#mcast.lab# heard eth0", DONE], {}),
    ([line(), DONE], {"eth0": []}),
    ([line((1, REPORT)), DONE], {"eth0": []}),
    ([line((1, GENERAL3)), line(name="eth1"), DONE], {"eth0": [told(3, None)], "eth1": []}),
    ([line((1, GENERAL2)), DONE], {"eth0": [told(2, None)]}),
    # The first two come at the start of a querier, sooner than later ones.
    ([line((1, GENERAL3), (2, GENERAL3), (127.5, GENERAL3)), DONE], {"eth0": [told(3, 125.5)]}),
    ([line((1, GENERAL3), (9, SPECIFIC)), DONE], {"eth0": [told(3, None)]}),
    ([f"{line((1, SPECIFIC))}\r", f"{DONE}\r"], {"eth0": [told(3, None)]}),
])
def test_queriers(lines, wanted):
    assert fleet_listen.queriers("\n".join(["#mcast.lab# begin", *lines, "#mcast.lab# end"])) == wanted


@pytest.mark.parametrize("text", ["!", "AAA", base64.b64encode(b"no capture" * 9).decode()])
def test_what_is_no_capture(text):
    with pytest.raises(McastError):
        fleet_listen.queriers(f"#mcast.lab# heard eth0 {text}\n{DONE}")


def test_no_time_no_script():
    assert fleet_listen.script(0) == "" and "timeout 125 tcpdump" in fleet_listen.script(125)
