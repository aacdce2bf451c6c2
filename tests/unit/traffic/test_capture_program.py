# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of the capture that need no interface: its filter, and where a file's whole packets end."""
from __future__ import annotations

import ipaddress
import random
import re
import struct
import subprocess

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.traffic.capture import default_filter, whole

CONTROL = ("igmp or pim or (ip6[6] == 0 and ip6[40] == 58) or "
           "(icmp6 and (ip6[40] == 143 or (ip6[40] >= 130 and ip6[40] <= 132)))")
FOUR = " or (dst host 239.0.0.100 and (udp dst port 11111 or ip[6:2] & 0x1fff != 0))"
SIX = " or (dst host ff15::100 and (udp dst port 1 or ip6[6] == 44))"


@pytest.mark.parametrize(("streams", "expected"), [
    ([], CONTROL),
    ([("239.0.0.100", 11111)], CONTROL + FOUR),
    ([("239.0.0.100", "11111")] * 2, CONTROL + FOUR),
    ([("239.0.0.100", 11111), ("FF15::0100", 1)], CONTROL + FOUR + SIX),
])
def test_the_default_filter(streams, expected):
    assert default_filter([{"group": group, "port": port, "name": "x"} for group, port in streams]) == expected


NETWORK = re.compile(r"dst net ([^ ]+) and \(udp dst portrange (\d+)-(\d+)")


@pytest.mark.parametrize("number", [100, 101, 500, 5000])
@pytest.mark.parametrize("families", [(4,), (6,), (4, 6)])
@pytest.mark.parametrize("spread", [8, 24])
def test_a_filter_of_many_streams_is_one_that_the_kernel_takes(number, families, spread):
    """spread: in how many bits the groups differ. tcpdump compiles the filter, and stays below BPF_MAXINSNS."""
    chance = random.Random(number)
    first = {4: int(ipaddress.ip_address("239.0.0.0")), 6: int(ipaddress.ip_address("ff15::"))}
    streams = [{"group": str(ipaddress.ip_address(first[families[each % len(families)]] + chance.getrandbits(spread))),
                "port": chance.randrange(5000, 6000)} for each in range(number)]
    text = default_filter(streams)
    compiled = subprocess.run(["tcpdump", "-y", "EN10MB", "-d", text], capture_output=True, check=True).stdout
    assert len(compiled.splitlines()) < 1200
    ranges = [(ipaddress.ip_network(net), range(int(low), int(high) + 1)) for net, low, high in NETWORK.findall(text)]
    for stream in streams if ranges else []:
        group = ipaddress.ip_address(stream["group"])
        assert any(group in network and stream["port"] in ports for network, ports in ranges)
    assert ranges or all(f"host {stream['group']} and (udp dst port {stream['port']} " in text for stream in streams)


@pytest.mark.parametrize(("stream", "says"), [
    ({"group": "239.0.0.100"}, "expected a list of {group, port}"),
    ({"port": 1}, "expected a list of {group, port}"),
    ("239.0.0.100", "expected a list of {group, port}"),
    ({"group": "239.0.0.100", "port": "http"}, "expected a list of {group, port}"),
    ({"group": "239.0.0.100", "port": 0}, "0 is not a valid port"),
    ({"group": "239.0.0.100 or ip", "port": 1}, "is not an IPv4 or IPv6 address"),
    ({"group": "10.0.0.1", "port": 1}, "is not a multicast group"),
])
def test_what_is_no_stream_is_refused(stream, says):
    with pytest.raises(McastError, match=says):
        default_filter([stream])


def record(size):
    return struct.pack("=IIII", 1, 2, size, size) + b"x" * size


@pytest.mark.parametrize(("records", "cut", "limit", "expected"), [
    ((), 0, 1000, 24),
    ((), 4, 1000, 20),
    ((10,), 0, 1000, 50),
    ((10,), 1, 1000, 24),
    ((10, 20), 0, 1000, 86),
    ((10, 20), 20, 1000, 50),  # the second's header is there, and nothing of the packet
    ((10, 20), 21, 1000, 50),
    ((10, 20), 0, 85, 50),
    ((10, 20), 0, 86, 86),
    ((0, 0), 0, 1000, 56),
    ((10, 1 << 16), 0, 1000, 50),
])
def test_whole_packets(tmp_path, records, cut, limit, expected):
    content = b"\0" * 24 + b"".join(map(record, records))
    path = tmp_path / "x.pcap"
    path.write_bytes(content[:len(content) - cut])
    assert whole(str(path), limit) == expected
