# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's counters by protocol, read from real texts and from this machine's own."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import counters

PAIRS = """Ip: Forwarding DefaultTTL InReceives
Ip: 2 64 1234
Udp: InDatagrams NoPorts InErrors
Udp: 7 0 3
UdpLite: InDatagrams
UdpLite: 0
"""
LINES = """Ip6InReceives                   \t91
Ip6InNoECTPkts                  \t90
Icmp6InType135                  \t2
Udp6InDatagrams                 \t7
UdpLite6InDatagrams             \t0
"""


def test_a_counter_is_found_by_its_protocol_and_name() -> None:
    assert counters.of_pairs("x", PAIRS) == {
        "Ip": {"Forwarding": 2, "DefaultTTL": 64, "InReceives": 1234},
        "Udp": {"InDatagrams": 7, "NoPorts": 0, "InErrors": 3}, "UdpLite": {"InDatagrams": 0}}
    assert counters.of_lines("x", LINES) == {
        "Ip6": {"InReceives": 91, "InNoECTPkts": 90}, "Icmp6": {"InType135": 2}, "Udp6": {"InDatagrams": 7},
        "UdpLite6": {"InDatagrams": 0}}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize(("found", "expected"), [
    ({"Udp": {"InDatagrams": 7}, "Udp6": {"InDatagrams": 7}}, 7), ({"Udp": {}, "Udp6": {}}, None), ({}, None)])
def test_what_is_not_counted_is_absent(found: dict[str, Any], expected: int | None, family: str) -> None:
    assert counters.datagrams_read(found, family) == expected
    assert counters.of_pairs("x", None) == counters.of_lines("x", None) == {}


@pytest.mark.parametrize(("read", "text"), [
    (counters.of_pairs, "Ip: A B\n"), (counters.of_pairs, "Ip: A B\nUdp: 1 2\n"),
    (counters.of_pairs, "Ip: A B\nIp: 1\n"), (counters.of_pairs, "Ip: A\nIp: x\n"),
    (counters.of_pairs, "Ip: A\nIp: 1\nUdp: B\n"),
    (counters.of_lines, "Udp6InDatagrams\n"), (counters.of_lines, "Udp6InDatagrams 1 2\n"),
    (counters.of_lines, "Udp6InDatagrams ten\n"), (counters.of_lines, "nonsense 1\n")])
def test_what_is_no_table_is_refused(read: Any, text: str) -> None:
    with pytest.raises(McastError, match="/proc/net/x"):
        read("/proc/net/x", text)


def test_those_of_this_kernel_are_read() -> None:
    for name, read in (("snmp", counters.of_pairs), ("netstat", counters.of_pairs), ("snmp6", counters.of_lines)):
        with open(f"/proc/net/{name}", encoding="ascii") as file:
            text = file.read()
        found = read(name, text)
        assert found and sum(map(len, found.values())) == sum(
            len(line.split()) - 1 for line in text.splitlines()) // (2 if read is counters.of_pairs else 1)
