# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages: every kind of IGMP, MLD and PIM, whole, cut short, and lying."""
from __future__ import annotations

import re
import struct

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.packet import membership, sequence
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from ansible_collections.mcast.lab.tests.unit.packet import build

G, H, S, T = "239.0.0.100", "232.1.1.1", "10.0.0.9", "10.0.0.10"
G6, H6, S6 = "ff15::64", "ff3e::8000:1", "2001:db8::9"


@pytest.fixture
def say(tmp_path):
    """The messages of some frames."""
    def write_and_read(*frames, link_type=1, snap=None, **options):
        path = tmp_path / "a.pcap"
        path.write_bytes(build.pcap(frames, link_type=link_type, snap=snap))
        return read(str(path), **options)["messages"]
    return write_and_read


# IP payload -> what the message must hold.
IGMP = (
    (build.igmp(0x11), {"kind": "igmpv1_query", "group": None, "query": "general", "max_response": None}),
    (build.igmp(0x11, 100), {"kind": "igmpv2_query", "group": None, "query": "general", "max_response": 10.0}),
    (build.igmp(0x11, 10, G), {"kind": "igmpv2_query", "group": G, "query": "group", "max_response": 1.0}),
    (build.igmp(0x11, 255, G), {"kind": "igmpv2_query", "max_response": 25.5}),
    (build.igmp(0x11, 100, tail=build.query_tail(2, 125, [])), {
        "kind": "igmpv3_query", "query": "general", "group": None, "max_response": 10.0, "suppress": False,
        "robustness": 2, "interval": 125, "sources": []}),
    (build.igmp(0x11, 0, tail=build.query_tail(0, 0, [])), {
        "kind": "igmpv3_query", "max_response": 0.0, "robustness": 0, "interval": 0}),
    (build.igmp(0x11, 0x8a, G, build.query_tail(0xf, 0x9c, [])), {
        "kind": "igmpv3_query", "query": "group", "group": G, "max_response": 20.8, "suppress": True, "robustness": 7,
        "interval": 448}),
    (build.igmp(0x11, 0xff, G, build.query_tail(2, 0xff, [S, T])), {
        "query": "group_and_source", "sources": [S, T], "max_response": 3174.4, "interval": 31744}),
    (build.igmp(0x12, 0, G), {"kind": "igmpv1_report", "group": G, "type": 0x12, "query": None}),
    (build.igmp(0x16, 0, G), {"kind": "igmpv2_report", "group": G}),
    (build.igmp(0x17, 0, G), {"kind": "igmpv2_leave", "group": G}),
    (build.igmpv3_report([(1, G, [S], b""), (2, G, [], b""), (3, G, [S, T], b""), (4, G, [], b""), (5, H, [S], b""),
                          (6, H, [T], b"")]), {
        "kind": "igmpv3_report", "group": None, "records": [
            {"type": "is_in", "group": G, "sources": [S]}, {"type": "is_ex", "group": G, "sources": []},
            {"type": "to_in", "group": G, "sources": [S, T]}, {"type": "to_ex", "group": G, "sources": []},
            {"type": "allow", "group": H, "sources": [S]}, {"type": "block", "group": H, "sources": [T]}]}),
    (build.igmpv3_report([(4, G, [S], b"\1\2\3\4"), (7, H, [], b"")]), {"records": [
        {"type": "to_ex", "group": G, "sources": [S], "auxiliary": "01020304"},
        {"type": "unknown_7", "group": H, "sources": []}]}),
    (build.igmpv3_report([]), {"kind": "igmpv3_report", "records": []}),
    (build.igmpv3_report([(4, G, [], b"")]) + b"more", {"kind": "igmpv3_report", "checksum": "bad"}),
    (build.igmp(0x13, 1), {"kind": "dvmrp", "type": 0x13}),
    (build.igmp(0x14), {"kind": "pimv1"}),
    (build.igmp(0x1e, tail=b"\0" * 16), {"kind": "mtrace_response"}),
    (build.igmp(0x1f, tail=b"\0" * 16), {"kind": "mtrace_query", "type": 0x1f}),
    (build.summed(b"\x30\x14\0\0\0\x7d\0\2", 2), {"kind": "mrd_advertisement"}),
    (build.igmp(0x01, tail=b"\0" * 12), {"kind": "igmpv0"}),
    (build.igmp(0x77), {"kind": "igmp_unknown", "type": 0x77}),
    (b"\x16\0\0\0\xef\0\0\x64", {"kind": "igmpv2_report", "checksum": "bad", "group": G}),
)
MLD = (
    (build.mld(130, 10000), {"kind": "mldv1_query", "query": "general", "group": None, "max_response": 10.0}),
    (build.mld(130, 0xffff, G6), {"kind": "mldv1_query", "query": "group", "group": G6, "max_response": 65.535}),
    (build.mld(130, 1000, G6, build.query_tail(0xa, 125, [S6])), {
        "kind": "mldv2_query", "query": "group_and_source", "group": G6, "sources": [S6], "max_response": 1.0,
        "suppress": True, "robustness": 2, "interval": 125}),
    (build.mld(130, 0x8000, tail=build.query_tail(2, 0x80, [])), {
        "kind": "mldv2_query", "query": "general", "max_response": 32.768, "interval": 128}),
    (build.mld(130, 0xffff, tail=build.query_tail(2, 1, [])), {"max_response": 8387.584}),
    (build.mld(131, 0, G6), {"kind": "mldv1_report", "group": G6}),
    (build.mld(132, 0, G6), {"kind": "mldv1_done", "group": G6}),
    (build.mldv2_report([(4, G6, [], b""), (5, H6, [S6], b"")]), {"kind": "mldv2_report", "records": [
        {"type": "to_ex", "group": G6, "sources": []}, {"type": "allow", "group": H6, "sources": [S6]}]}),
    (build.icmpv6(b"\x98\0\0\0"), {"kind": "mrd_solicitation", "type": 152}),
)


@pytest.mark.parametrize("payload, wanted", IGMP)
def test_igmp(say, payload, wanted):
    message, = say(build.igmp_frame(payload))
    assert message["malformed"] is None
    assert message["version"] == version_of(message["kind"])
    assert {key: message[key] for key in wanted} == wanted
    frame = {"protocol": "igmp", "ttl": 1, "router_alert": True, "ip_checksum": "good", "number": 1,
             "checksum": wanted.get("checksum", "good"), "source": "10.0.0.1", "destination": "224.0.0.22",
             "source_mac": "02:00:00:00:00:01", "destination_mac": "01:00:5e:00:00:64", "vlan": None, "vlans": [],
             "fragment": None, "snapped": False, "time": "1700000000.000000000"}
    assert {key: message[key] for key in frame} == frame


@pytest.mark.parametrize("payload, wanted", MLD)
def test_mld(say, payload, wanted):
    message, = say(build.mld_frame(payload))
    assert message["malformed"] is None
    assert message["version"] == version_of(message["kind"])
    assert {key: message[key] for key in wanted} == wanted
    assert (message["protocol"], message["checksum"], message["ip_checksum"]) == ("mld", "good", None)
    assert (message["router_alert"], message["ttl"], message["destination"]) == (True, 1, "ff02::16")


def version_of(kind):
    """The protocol's version, which the name of a kind holds where there are several."""
    found = re.match("(?:igmp|mld)v([1-3])_", kind)
    return int(found[1]) if found else None


PIM_GROUP = build.encoded_group(G, 32)
STAR, SPARSE = build.encoded_source("10.0.0.7", 32, 7), build.encoded_source(S, 32, 4)
INNER = build.ipv4(build.udp(b"HELLO", S, G), 17, S, G, 5)
HELLO = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in (
    (1, b"\0\x69"), (2, b"\x81\xf4\x09\xc4"), (19, b"\0\0\0\1"), (20, b"\1\2\3\4"), (21, b"\1\x3c\0\0"), (22, b"")))
ADDRESS_LIST = struct.pack("!HH", 24, 12) + build.unicast("10.0.0.1") + build.unicast("10.1.0.1")
PIM = (
    (build.pim(0, HELLO + ADDRESS_LIST), {"kind": "pim_hello", "details": {
        "holdtime": 105, "lan_prune_delay": {"tracking": True, "delay": 0.5, "override": 2.5}, "dr_priority": 1,
        "generation_id": 0x01020304, "state_refresh": {"version": 1, "interval": 60}, "bidirectional": True,
        "address_list": ["10.0.0.1", "10.1.0.1"]}}),
    (build.pim(0, b"\xfd\xf2\0\1\1"), {"details": {"option_65010": "01"}}),
    (build.pim(0, b""), {"kind": "pim_hello", "details": {}}),
    (build.pim(1, b"\0\0\0\0" + INNER), {"kind": "pim_register", "group": G, "sources": [S], "details": {
        "border": False, "null": False, "ttl": 5, "protocol": 17}}),
    (build.pim(1, b"\x40\0\0\0" + INNER[:20]), {"kind": "pim_register", "group": G, "sources": [S], "details": {
        "border": False, "null": True, "ttl": 5, "protocol": 17}}),
    (build.pim(2, PIM_GROUP + build.unicast(S)), {"kind": "pim_register_stop", "group": G, "sources": [S]}),
    (build.pim(3, build.unicast("10.0.0.2") + struct.pack("!BBH", 0, 1, 210) + PIM_GROUP + b"\0\1\0\1" + STAR
               + SPARSE), {
        "kind": "pim_join_prune", "group": G, "details": {"upstream": "10.0.0.2", "holdtime": 210, "groups": [{
            "group": G, "mask_length": 32, "bidirectional": False, "zone": False,
            "joins": [{"source": "10.0.0.7", "mask_length": 32, "sparse": True, "wildcard": True, "rpt": True}],
            "prunes": [{"source": S, "mask_length": 32, "sparse": True, "wildcard": False, "rpt": False}]}]}}),
    (build.pim(3, build.unicast("10.0.0.2") + struct.pack("!BBH", 0, 1, 210) + PIM_GROUP + b"\0\1\0\0"
               + b"\1\1\4\x20\x0a\0\0\x09" + b"\x01\1\7" + b"\x45\0"), {"kind": "pim_join_prune", "group": G}),
    (build.pim(4, b"\0\7\x1e\x40" + build.unicast("10.0.0.3") + build.encoded_group("224.0.0.0", 4) + b"\1\1\0\0"
               + build.unicast("10.0.0.7") + b"\0\x96\xc0\0"), {
        "kind": "pim_bootstrap", "details": {
            "fragment_tag": 7, "hash_mask_length": 30, "priority": 64, "bsr": "10.0.0.3", "groups": [{
                "group": "224.0.0.0", "mask_length": 4, "bidirectional": False, "zone": False, "rp_count": 1,
                "rps": [{"rp": "10.0.0.7", "holdtime": 150, "priority": 192}]}]}}),
    (build.pim(5, PIM_GROUP + build.unicast(S) + struct.pack("!II", 0x80000064, 20)), {
        "kind": "pim_assert", "group": G, "sources": [S],
        "details": {"mask_length": 32, "rpt": True, "preference": 100, "metric": 20}}),
    (build.pim(8, b"\1\xc0\0\x96" + build.unicast("10.0.0.7") + build.encoded_group("224.0.0.0", 4)), {
        "kind": "pim_candidate_rp", "details": {"priority": 192, "holdtime": 150, "rp": "10.0.0.7", "groups": [
            {"group": "224.0.0.0", "mask_length": 4, "bidirectional": False, "zone": False}]}}),
    (build.pim(6, build.unicast("10.0.0.2") + b"\0\0\0\0"), {"kind": "pim_graft"}),
    (build.pim(9, PIM_GROUP + build.unicast(S) + build.unicast("10.0.0.3") + struct.pack(
        "!II4B", 101, 20, 24, 9, 0xc0, 60)), {
        "kind": "pim_state_refresh", "group": G, "sources": [S], "details": {
            "mask_length": 32, "originator": "10.0.0.3", "rpt": False, "preference": 101, "metric": 20,
            "source_mask_length": 24, "ttl": 9, "interval": 60, "prune_indicator": True, "prune_now": True,
            "assert_override": False}}),
    (build.pim(10, b"\0" * 40), {"kind": "pim_df_election"}),
    (build.pim(15, b""), {"kind": "pim_unknown", "type": 15}),
)


@pytest.mark.parametrize("payload, wanted", PIM)
def test_pim(say, payload, wanted):
    message, = say(build.pim_frame(payload))
    assert message["malformed"] is None
    assert {key: message[key] for key in wanted} == wanted
    assert (message["protocol"], message["checksum"], message["destination"]) == ("pim", "good", "224.0.0.13")


def test_pim_over_ipv6(say):
    ends = {"source": "fe80::1", "destination": "ff02::d"}
    hello, register, bad = say(
        build.pim_frame(build.pim(0, b"\0\1\0\2\0\x69", **ends), **ends),
        build.pim_frame(build.pim(1, b"\0\0\0\0" + build.ipv6(build.udp(b"x", S6, G6), 17, S6, G6), **ends), **ends),
        build.pim_frame(b"\x20\0\0\0\0\1\0\2\0\x69", **ends))
    assert (hello["kind"], hello["checksum"], hello["details"]) == ("pim_hello", "good", {"holdtime": 105})
    assert (register["group"], register["sources"], register["checksum"]) == (G6, [S6], "good")
    assert bad["checksum"] == "bad"


def hand(payload):
    return build.igmp_frame(payload)


def chain(*headers, payload=b"", first):
    return build.ethernet(build.ipv6(payload, 59, extensions=b"".join(headers), first=first), 0x86dd)


# Frames that contradict themselves -> kind, words of the reason.
MALFORMED = (
    (hand(build.igmpv3_report([(4, G, [], b"")], count=2)), "igmpv3_report", "a report of 2 records ends in record 2"),
    (hand(build.igmpv3_report([], count=65535)), "igmpv3_report", "a report of 65535 records ends in record 1"),
    (hand(build.summed(b"\x22\0\0\0\0\0\0\1\4\0\0\x09" + build.address(G) + build.address(S), 2)), "igmpv3_report",
     "record 1 with 9 sources, room for 1"),
    (hand(build.summed(b"\x22\0\0\0\0\0\0\1\4\2\0\0" + build.address(G) + b"\0" * 4, 2)), "igmpv3_report",
     "record 1 with 8 bytes of auxiliary data past the end"),
    (hand(build.igmp(0x11, 100, G, b"\2\x7d\xff\xff" + build.address(S))), "igmpv3_query",
     "a query with 65535 sources, room for 1"),
    (hand(build.igmp(0x11, 100, tail=b"\0")), "igmpv2_query", "an IGMP query of 9 bytes"),
    (hand(build.igmp(0x11, 0, tail=b"\0\0\0")), "igmpv1_query", "an IGMP query of 11 bytes"),
    (hand(b"\x11\x64\0\0"), "igmpv2_query", "an IGMP message of 4 bytes, it takes 8"),
    (hand(b"\x16"), "igmpv2_report", "an IGMP message of 1 bytes"),
    (hand(build.igmp(0x1f)), "mtrace_query", "an IGMP message of 8 bytes, it takes 24"),
    (hand(b"\x77\0"), "igmp_unknown", "an IGMP message of 2 bytes, it takes 4"),
    (hand(b""), "igmp_unknown", "an IGMP message without a byte"),
    (build.mld_frame(build.mldv2_report([(4, G6, [], b"")], count=2)), "mldv2_report", "a report of 2 records"),
    (build.mld_frame(build.mld(130, 1, tail=b"\0\0")), "mldv1_query", "an MLD query of 26 bytes"),
    (build.mld_frame(build.icmpv6(b"\x83\0\0\0\0\0\0\0")), "mldv1_report", "an MLD message of 8 bytes, it takes 24"),
    (build.mld_frame(build.icmpv6(b"\x8f\0\0\0")), "mldv2_report", "an MLD message of 4 bytes, it takes 8"),
    (build.pim_frame(build.pim(0, b"\0\1\0\x09\0")), "pim_hello", "hello option 1 past the end"),
    (build.pim_frame(build.pim(0, b"\0\x14\0\2\0\1")), "pim_hello", "hello option 20 of 2 bytes, it takes 4"),
    (build.pim_frame(build.pim(0, b"\0\1")), "pim_hello", "a hello option past the end"),
    (build.pim_frame(build.pim(3, build.unicast("10.0.0.2") + b"\0\xff\0\1" + PIM_GROUP + b"\xff\xff\xff\xff")),
     "pim_join_prune", "a source past the end"),
    (build.pim_frame(build.pim(2, b"\7\0\0\0" + build.address(G))), "pim_register_stop", "a group of address family 7"),
    (build.pim_frame(build.pim(1, b"\0\0\0\0")), "pim_register", "a register without a packet in it"),
    (build.pim_frame(build.pim(1, b"\0\0\0\0\x45\0")), "pim_register", "an IPv4 header"),
    (build.pim_frame(build.pim(1, b"\0\0\0\0\x99")), "pim_register", "an inner packet of IP version 9"),
    (build.pim_frame(b"\x10\0\0\0"), "pim_unknown", "PIM version 1; expected 2"),
    (build.pim_frame(b"\x20"), "pim_hello", "a PIM message of 1 bytes"),
    (build.pim_frame(b""), "pim_unknown", "a PIM message without a byte"),
    # IP: options of no length, headers that loop, lengths that lie.
    (build.igmp_frame(build.igmp(0x16, 0, G), options=b"\x94\0\0\0"), "igmpv2_report",
     "IPv4 option 148 with length 0"),
    (build.igmp_frame(build.igmp(0x16, 0, G), options=b"\x94\x09\0\0"), "igmpv2_report",
     "IPv4 option 148 with length 9"),
    (build.igmp_frame(build.igmp(0x16, 0, G), options=b"\1\1\1\x94"), "igmpv2_report",
     "IPv4 option 148 without a length"),
    (build.igmp_frame(build.igmp(0x16, 0, G), length=200), "igmpv2_report",
     "IPv4 length 200, the frame has room for 32"),
    (build.igmp_frame(build.igmp(0x16, 0, G), length=10), "igmp_unknown", "IPv4 length 10, its header alone has 24"),
    (build.ethernet(b"\x44" + build.ipv4(b"", 2)[1:]), "malformed", "IPv4 header length 16"),
    (build.ethernet(b"\x4f" + build.ipv4(b"", 2)[1:]), "malformed", "IPv4 header length 60"),
    (build.ethernet(b"\x65" + build.ipv4(b"", 2)[1:]), "malformed", "an IPv4 header with version 6"),
    (build.ethernet(build.ipv4(b"", 2)[:19]), "malformed", "an IPv4 header of 20 bytes, 19 are there"),
    (build.ethernet(build.ipv6(b"", 58)[:39], 0x86dd), "malformed", "an IPv6 header of 40 bytes, 39 are there"),
    (chain(*[b"\0\0\1\4\0\0\0\0"] * 40, first=0), "malformed", "an IPv6 hop-by-hop header that is not the first"),
    (build.ethernet(build.ipv6(b"\0" * 8, 0, length=0), 0x86dd), "malformed", "IPv6 extension header 0 past the end"),
    (build.igmp_frame(build.igmp(0x16, 0, G), options=b"\x94\3\0\0"), "igmpv2_report",
     "IPv4 option 148 with length 3"),
    (chain(*[b"\x3c\0\1\4\0\0\0\0"] * 40, first=60), "malformed", "more than 16 IPv6 extension headers"),
    (chain(b"\x3a\xff\1\4\0\0\0\0", first=0), "malformed", "IPv6 extension header 0 past the end"),
    (chain(b"\x3a\0", first=0), "malformed", "IPv6 extension header 0 past the end"),
    (chain(b"\x3b\0\5\xff\0\0\1\0", first=0), "malformed", "IPv6 option 5 with length 255"),
    (chain(b"\x3b\0\1\3\0\0\0\5", first=0), "malformed", "IPv6 option 5 without a length"),
    (build.ethernet(build.ipv6(b"\0" * 8, 59, length=2000), 0x86dd), "malformed", "IPv6 length 2040"),
    (build.ethernet(build.ipv4(b"\0\1", 17, destination=G)), "udp", "a UDP header of 2 bytes, it takes 8"),
    (build.ethernet(build.ipv4(b"\0\1\0\2\0\7\0\0", 17, destination=G)), "udp", "UDP length 7"),
    (build.ethernet(build.ipv4(b"\0\1\0\2\0\x09\0\0", 17, destination=G)), "udp",
     "UDP length 9, the IP header leaves 8"),
    (build.ethernet(b"", tags=[(0x8100, 1)] * 9), "malformed", "more than 8 VLAN tags"),
)


@pytest.mark.parametrize("frame, kind, reason", MALFORMED)
def test_malformed(say, frame, kind, reason):
    message, = say(frame)
    assert message["kind"] == kind
    assert reason in message["malformed"]
    assert not message["snapped"]
    assert sequence.lines([message])[0].endswith(f"malformed: {message['malformed']}]")


def test_what_was_read_before_the_lie_stays(say):
    message, = say(hand(build.igmpv3_report([(4, G, [], b""), (5, H, [S], b"")], count=5)))
    assert [record["group"] for record in message["records"]] == [G, H]


def test_a_snapped_packet_is_not_malformed(say):
    """Cut at every byte: never malformed, unchecked, and its records as far as they reach."""
    report = build.igmp_frame(build.igmpv3_report([(4, G, [], b""), (5, H, [S, T], b"")]))
    for snap in range(38, len(report)):
        message, = say((report, 0, 0, len(report)), snap=snap)
        assert (message["malformed"], message["checksum"], message["snapped"]) == (None, "unchecked", True)
        assert len(message["records"]) == (snap >= 54) + (snap >= 62)
    assert say((report, 0, 0, len(report)), snap=33) == []


@pytest.mark.parametrize("frame", [hand(row[0]) for row in IGMP] + [build.mld_frame(row[0]) for row in MLD]
                         + [build.pim_frame(row[0]) for row in PIM])
def test_every_kind_cut_at_every_byte(say, frame):
    for message in say(*[(frame[:end], 0, 0, len(frame)) for end in range(len(frame))]):
        assert message["malformed"] is None and message["snapped"]
    for message in say(*[frame[:end] for end in range(38, len(frame))]):
        assert message["malformed"]


def test_codes():
    """RFC 9776 section 4.1.1, RFC 9777 section 5.1.3: the ends of every exponent."""
    for code, value in ((0, 0), (127, 127), (128, 128), (143, 248), (144, 256), (159, 496), (255, 31744)):
        assert membership.decode_code(code) == value
    for code, value in ((0, 0), (32767, 32767), (32768, 32768), (0x8fff, 65528), (0x9000, 65536), (0xffff, 8387584)):
        assert membership.decode_code(code, 16) == value


def test_lines(say):
    frames = [hand(row[0]) for row in IGMP] + [build.mld_frame(row[0]) for row in MLD]
    frames += [build.pim_frame(row[0]) for row in PIM] + [build.datagram(tags=[(0x88a8, 7), (0x8100, 9)])]
    lines = sequence.lines(say(*frames, payload=True))
    assert len(lines) == len(frames)
    assert lines[7] == ("    8     0.000007 10.0.0.1 > 224.0.0.22 igmpv3_query group-and-source 239.0.0.100 "
                        "{10.0.0.9, 10.0.0.10} max-response 3174.4s robustness 2 interval 31744s")
    assert lines[12].endswith("igmpv3_report to_ex 239.0.0.100 {10.0.0.9} unknown_7 232.1.1.1 {}")
    assert lines[-1] == (f"   {len(frames)}     0.0000{len(frames) - 1} vlan 7 vlan 9 10.0.0.1 > 239.0.0.100 udp "
                         "source-port 4000 destination-port 5000 length 5 text 'HELLO'")
