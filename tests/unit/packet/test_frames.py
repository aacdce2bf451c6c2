# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Link types, IP, UDP and flows."""

from __future__ import annotations

import json
import struct

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.packet import capture, checksum, flow
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from ansible_collections.mcast.lab.tests.unit.packet import build

G, G6, S, S6 = "239.0.0.100", "ff15::64", "10.0.0.1", "fd00::1"
REPORT = build.ipv4(build.igmp(0x16, 0, G), 2, destination=G, options=build.ROUTER_ALERT)
REPORT6 = build.ipv6(build.mld(131, 0, G6), 58, extensions=build.HOP_BY_HOP_ALERT, first=0)


@pytest.fixture
def say(tmp_path):
    def write_and_read(*frames, link_type=1, snap=None, **options):
        path = tmp_path / "a.pcap"
        path.write_bytes(build.pcap(frames, link_type=link_type, snap=snap))
        return read(str(path), **options)

    return write_and_read


def cooked(payload, ethertype):
    return struct.pack("!HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1\0\0", ethertype) + payload


def cooked2(payload, ethertype, index=3):
    return struct.pack("!HHIHBB8s", ethertype, 0, index, 1, 0, 6, b"\2\0\0\0\0\1\0\0") + payload


LINKS = (
    (1, "ethernet", build.ethernet, "02:00:00:00:00:01", [], None),
    (
        1,
        "ethernet",
        lambda payload, kind: build.ethernet(payload, kind, [(0x8100, 100)]),
        "02:00:00:00:00:01",
        [100],
        None,
    ),
    (
        1,
        "ethernet",
        lambda payload, kind: build.ethernet(payload, kind, [(0x88A8, 0xE00A), (0x8100, 0xF064)]),
        "02:00:00:00:00:01",
        [10, 100],
        None,
    ),
    (
        1,
        "ethernet",
        lambda payload, kind: build.ethernet(b"\xaa\xaa\3\0\0\0" + struct.pack("!H", kind) + payload, 99),
        "02:00:00:00:00:01",
        [],
        None,
    ),
    (113, "linux_cooked", cooked, "02:00:00:00:00:01", [], None),
    (
        113,
        "linux_cooked",
        lambda payload, kind: cooked(struct.pack("!HH", 7, kind) + payload, 0x8100),
        "02:00:00:00:00:01",
        [7],
        None,
    ),
    (276, "linux_cooked_v2", cooked2, "02:00:00:00:00:01", [], "3"),
    (101, "raw_ip", lambda payload, kind: payload, None, [], None),
    (12, "raw_ip", lambda payload, kind: payload, None, [], None),
    (0, "bsd_loopback", lambda payload, kind: struct.pack("<I", 2 if kind == 0x800 else 30) + payload, None, [], None),
    (0, "bsd_loopback", lambda payload, kind: struct.pack(">I", 2 if kind == 0x800 else 24) + payload, None, [], None),
    (
        108,
        "openbsd_loopback",
        lambda payload, kind: struct.pack(">I", 2 if kind == 0x800 else 28) + payload,
        None,
        [],
        None,
    ),
)


@pytest.mark.parametrize("number, name, wrap, mac, vlans, interface", LINKS)
def test_link_types(say, number, name, wrap, mac, vlans, interface):
    data = build.ipv4(build.udp(b"HELLO", S, G), 17, S, G, 5)
    data6 = build.ipv6(build.udp(b"HELLO", S6, G6), 17, S6, G6, 5)
    frames = [
        wrap(payload, kind)
        for payload, kind in (
            (REPORT, 0x800),
            (REPORT6, 0x86DD),
            (data, 0x800),
            (data, 0x800),
            (data6, 0x86DD),
            (data6, 0x86DD),
        )
    ]
    result = say(*frames, link_type=number)
    assert result["link_types"] == {name: 6}
    assert [message["kind"] for message in result["messages"]] == ["igmpv2_report", "mldv1_report"]
    for message in result["messages"]:
        assert (message["source_mac"], message["vlans"], message["interface"]) == (mac, vlans, interface)
        assert message["vlan"] == (vlans[-1] if vlans else None) and message["checksum"] == "good"
    assert [
        (one["group"], one["packets"], one["bytes"], one["vlans"], one["interface"]) for one in result["flows"]
    ] == [(G, 2, 10, vlans, interface), (G6, 2, 10, vlans, interface)]


def test_other_link_types(say):
    assert say(b"\0" * 60, b"\1", link_type=105)["link_types"] == {"ieee802_11": 2}
    result = say(b"\0" * 60, link_type=9999)
    assert result["link_types"] == {"link_type_9999": 1} and result["packets"]["other"] == 1


def test_cooked_v2_interfaces_are_told_apart(say):
    payload = build.ipv4(build.udp(b"HELLO", S, G), 17, S, G, 5)
    frames = [cooked2(payload, 0x800, index) for index in (2, 3, 3)]
    assert [(one["interface"], one["packets"]) for one in say(*frames, link_type=276)["flows"]] == [("2", 1), ("3", 2)]
    assert say(*frames, link_type=276, interface="3")["packets"]["total"] == 2


OTHERS = (
    build.ethernet(b"\0" * 46, 0x0806),
    build.ethernet(b"\0" * 46, 0x88CC),
    build.ethernet(b"\x42" * 46, 46),
    b"\0",
    b"",
    build.datagram(group="10.0.0.2"),
    build.datagram(group="255.255.255.255"),
    build.ethernet(build.ipv4(b"\0" * 20, 6, destination=S)),
    build.ethernet(build.ipv6(b"\x88" + b"\0" * 23, 58), 0x86DD),
    build.ethernet(build.ipv4(b"\0" * 8, 89, destination="224.0.0.5")),
)


@pytest.mark.parametrize("frame", OTHERS)
def test_others(say, frame):
    result = say((frame, 0, 0, max(60, len(frame))), payload=True)
    assert result["packets"] == {"total": 1, "decoded": 0, "malformed": 0, "other": 1}
    assert result["messages"] == result["flows"] == []


def extension(following, kind=b"\1\4\0\0\0\0"):
    return bytes((following, 0)) + kind


CHAINS = (
    ("none", b"", 58, False),
    ("hop-by-hop with Router Alert", build.HOP_BY_HOP_ALERT, 0, True),
    ("hop-by-hop without", extension(58), 0, False),
    ("padded by single zeros", extension(58, b"\0\0\5\2\0\0"), 0, True),
    ("destination options", extension(58), 60, False),
    ("Router Alert where it doesn't count", extension(58, b"\5\2\0\0\1\0"), 60, False),
    (
        "four headers",
        extension(60, b"\5\2\0\0\1\0") + extension(43) + extension(60, b"\0\0\0\0\0\0") + extension(58),
        0,
        True,
    ),
    ("authentication", extension(51) + b"\x3a\4" + b"\0" * 22, 0, False),
    ("an atomic fragment", b"\x3a\0\0\0\0\0\0\1", 44, False),
)


@pytest.mark.parametrize("extensions, first, alert", [row[1:] for row in CHAINS], ids=[row[0] for row in CHAINS])
def test_ipv6_extension_headers(say, extensions, first, alert):
    packet = build.ipv6(build.mld(131, 0, G6), 58, extensions=extensions, first=first)
    (message,) = say(build.ethernet(packet, 0x86DD))["messages"]
    assert (message["kind"], message["router_alert"], message["checksum"]) == ("mldv1_report", alert, "good")
    assert message["malformed"] is None and message["fragment"] is None


def test_fragments(say):
    """Three of a datagram of 3000 bytes, in both families; each counts once, with the length of the whole."""
    segment = build.udp(b"x" * 3000, S, G)
    segment6 = build.udp(b"x" * 3000, S6, G6)
    frames = []
    for offset, end, more in ((0, 1480, 1), (1480, 2960, 1), (2960, 3008, 0)):
        frames.append(build.ethernet(build.ipv4(segment[offset:end], 17, S, G, fragment=more << 13 | offset // 8)))
        head = struct.pack("!BBHI", 17, 0, offset | more, 99)
        frames.append(build.ethernet(build.ipv6(segment6[offset:end], 17, S6, G6, extensions=head, first=44), 0x86DD))
    result = say(*frames)
    assert result["fragments"] == 6 and result["packets"]["decoded"] == 6 and result["messages"] == []
    assert [(one["group"], one["packets"], one["bytes"], one["fragmented"]) for one in result["flows"]] == [
        (G, 1, 3000, 1),
        (G6, 1, 3000, 1),
    ]
    told = say(*frames, kinds=["fragment", "udp"])["messages"]
    assert [(one["kind"], one["fragment"]["offset"], one["fragment"]["more"], one["checksum"]) for one in told] == [
        ("udp", 0, True, "unchecked")
    ] * 2 + [("fragment", 1480, True, None)] * 2 + [("fragment", 2960, False, None)] * 2
    assert {one["group"] for one in told} == {G, G6} and {one["protocol"] for one in told} == {"udp"}


def test_first_fragment_of_a_report_as_far_as_it_reaches(say):
    whole = build.igmpv3_report([(4, f"239.0.0.{index}", [], b"") for index in range(20)])
    frames = build.igmp_frame(whole[:64], fragment=0x2000), build.igmp_frame(whole[64:], fragment=8)
    first, last = say(*frames, kinds=["igmp"])["messages"]
    assert (first["kind"], len(first["records"]), first["malformed"]) == ("igmpv3_report", 7, None)
    assert first["checksum"] == "unchecked" and first["fragment"] == {"offset": 0, "more": True, "identification": 1}
    assert (last["kind"], last["protocol"]) == ("fragment", "igmp")


def changed(frame, offset, value):
    return frame[:offset] + value + frame[offset + len(value) :]


def test_checksums(say):
    data = build.datagram()
    data6 = build.datagram(source=S6, group=G6)
    partial = build.checksum(build.pseudo(S, G, 13, 17)) ^ 0xFFFF
    partial6 = build.checksum(build.pseudo(S6, G6, 13, 17)) ^ 0xFFFF
    rows = (
        (data, "good", "good"),
        (data6, "good", None),
        (changed(data, 40, b"\0\0"), "unchecked", "good"),
        (changed(data6, 60, b"\0\0"), "bad", None),
        (changed(data, 40, b"\1\2"), "bad", "good"),
        (changed(data6, 60, b"\1\2"), "bad", None),
        (changed(data, 40, struct.pack("!H", partial)), "unfinished", "good"),
        (changed(data6, 60, struct.pack("!H", partial6)), "unfinished", None),
        (changed(data, 24, b"\1\2"), "good", "bad"),
        ((data[:-1], 0, 0, len(data)), "unchecked", "good"),
        (data + b"\0" * 13, "good", "good"),
    )
    told = say(*[row[0] for row in rows], kinds=["udp"])["messages"]
    assert [(one["checksum"], one["ip_checksum"]) for one in told] == [row[1:] for row in rows]
    assert not checksum.is_good(b"\0" * 8) and checksum.is_good(b"\xff\xff")


def test_payload(say):
    frames = [
        build.datagram(b"HELLO"),
        build.datagram("Grüße, 世界".encode()),
        build.datagram(b"\0\xff"),
        build.datagram(b""),
    ]
    told = say(*frames, payload=True)["messages"]
    assert [(one["details"]["payload"], one["details"]["text"]) for one in told] == [
        ("48454c4c4f", "HELLO"),
        ("4772c3bcc39f652c20e4b896e7958c", "Grüße, 世界"),
        ("00ff", None),
        ("", ""),
    ]
    assert say(*frames)["messages"] == [] and "payload" not in say(*frames, kinds=["udp"])["messages"][0]["details"]
    assert [one["group"] for one in told] == [G] * 4 and told[0]["details"]["length"] == 5


def test_flow(say):
    """Gaps, TTLs, and the same numbers whether counted on the fast path or one by one."""
    times = (0, 100, 200, 900, 1000)
    frames = [(build.datagram(ttl=ttl), 1700000000, time, 47) for time, ttl in zip(times, (5, 5, 4, 5, 9))]
    other = (build.datagram(source="10.0.0.2"), 1700000000, 950, 47)
    result = say(*frames, other)
    assert result["flows"][0] == {
        "interface": None,
        "vlan": None,
        "vlans": [],
        "source": S,
        "group": G,
        "source_port": 4000,
        "destination_port": 5000,
        "packets": 5,
        "bytes": 25,
        "fragmented": 0,
        "first": "1700000000.000000000",
        "last": "1700000000.001000000",
        "ttls": [4, 5, 9],
        "gaps": {"mean": 0.00025, "longest": 0.0007, "longest_from": "1700000000.000200000"},
    }
    assert result["flows"][1]["gaps"] == {"mean": None, "longest": None, "longest_from": None}
    assert say(*frames, other, kinds=["udp"])["flows"] == result["flows"]
    assert say(*frames, other, group=G6)["flows"] == []


def test_flows_apart(say):
    """By each part of the key."""
    frames = [
        build.datagram(**change)
        for change in (
            {},
            {"source": "10.0.0.2"},
            {"group": "239.0.0.101"},
            {"ports": (4001, 5000)},
            {"ports": (4000, 5001)},
            {"tags": [(0x8100, 5)]},
            {"tags": [(0x8100, 6)]},
            {"source": S6, "group": G6},
            {"source": S6, "group": G6, "tags": [(0x8100, tag) for tag in range(8)]},
        )
    ]
    flows = say(*frames * 3)["flows"]
    assert [one["packets"] for one in flows] == [3] * 9
    assert [one["vlan"] for one in flows] == [None] * 5 + [5, 6, None, 7]


def test_group_choice(say):
    frames = [
        build.igmp_frame(build.igmpv3_report([(4, G, [], b""), (4, "239.1.1.1", [], b"")])),
        build.igmp_frame(build.igmp(0x11, 100)),
        build.igmp_frame(build.igmp(0x17, 0, "239.1.1.1")),
        build.mld_frame(build.mld(131, 0, G6)),
        build.datagram(),
        build.datagram(group="239.1.1.1"),
    ]
    result = say(*frames, group=G)
    assert [one["number"] for one in result["messages"]] == [1] and [one["group"] for one in result["flows"]] == [G]
    assert [one["number"] for one in say(*frames, group="FF15:0::64")["messages"]] == [4]
    assert [one["number"] for one in say(*frames, kinds=["mld", "igmpv2_query"])["messages"]] == [2, 4]


def test_bounds(say, monkeypatch):
    monkeypatch.setattr(flow, "MAX_FLOWS", 3)
    monkeypatch.setattr(capture, "MAX_TOLD_BYTES", 100)
    frames = [build.datagram(source=f"10.0.0.{index}") for index in range(5)] * 2
    frames += [build.ethernet(REPORT)] * 5
    result = say(*frames)
    assert len(result["flows"]) == 3 and len(result["messages"]) == 2
    assert result["left_out"] == {"messages": 3, "flows": 0, "datagrams": 4}


def test_plain_values(say):
    """What leaves is what JSON knows."""
    frames = [
        build.ethernet(REPORT),
        build.datagram(),
        build.datagram(tags=[(0x8100, 5)]),
        b"",
        build.ethernet(REPORT[:-1]),
        build.pim_frame(build.pim(0, b"\0\1\0\2\0\x69")),
    ]
    result = say(*frames, payload=True)
    assert json.loads(json.dumps(result)) == result
