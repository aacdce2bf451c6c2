# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""scapy's reading of the same bytes, field by field, of messages made at random."""

from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from ansible_collections.mcast.lab.tests.unit.packet import build

pytest.importorskip("hypothesis")
pytest.importorskip("scapy")
from ansible_collections.mcast.lab.tests.unit.packet import strategies  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from scapy.contrib.pim import PIMv2Hdr, PIMv2Hello, PIMv2JoinPrune  # noqa: E402
from scapy.layers.igmp import IGMP, IGMPv3_MQ, IGMPv3_MR  # noqa: E402
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6MLDone,
    ICMPv6MLQuery,
    ICMPv6MLQuery2,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    IPv6,
)
from scapy.layers.l2 import Ether  # noqa: E402

RECORDS = {1: "is_in", 2: "is_ex", 3: "to_in", 4: "to_ex", 5: "allow", 6: "block"}
NONE = ("0.0.0.0", "::")
SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def group(text):
    return None if text in NONE else text


def up_to(records, field):
    """Up to the first with auxiliary data: scapy 2.8 goes wrong behind it (RFC 9776 section 4.2.6: the length counts
    32-bit words)."""
    for record in records:
        yield record
        if getattr(record, field):
            return


def igmp_by_scapy(payload):
    """The same keys as ours, as scapy reads them."""
    if payload[0] == 0x22:
        return {
            "records": [
                (RECORDS[one.rtype], one.maddr, one.srcaddrs) for one in up_to(IGMPv3_MR(payload).records, "auxdlen")
            ]
        }
    if payload[0] == 0x11 and len(payload) >= 12:
        query = IGMPv3_MQ(payload)
        return {
            "kind": "igmpv3_query",
            "group": group(query.gaddr),
            "suppress": bool(query.s),
            "robustness": query.qrv,
            "sources": query.srcaddrs,
            "max_response": query.mrcode / 10 if query.mrcode < 128 else None,
        }
    simple = IGMP(payload)
    return {"type": simple.type, "group": group(simple.gaddr)}


def mld_by_scapy(layer):
    if isinstance(layer, ICMPv6MLReport2):
        return {"records": [(RECORDS[one.rtype], one.dst, one.sources) for one in up_to(layer.records, "auxdata_len")]}
    if isinstance(layer, ICMPv6MLQuery2):
        return {
            "kind": "mldv2_query",
            "group": group(layer.mladdr),
            "suppress": bool(layer.S),
            "robustness": layer.QRV,
            "sources": layer.sources,
            "max_response": layer.mrd / 1000 if layer.mrd < 32768 else None,
        }
    kind = {ICMPv6MLQuery: "mldv1_query", ICMPv6MLReport: "mldv1_report", ICMPv6MLDone: "mldv1_done"}[type(layer)]
    return {"kind": kind, "group": group(layer.mladdr), "max_response": layer.mrd / 1000 if "query" in kind else None}


def pim_by_scapy(payload):
    head = PIMv2Hdr(payload[:4])
    told = {"type": head.type}
    if head.type == 0:
        options = {one.type: one for one in PIMv2Hello(payload[4:]).option}
        for kind, name, field in (
            (1, "holdtime", "holdtime"),
            (19, "dr_priority", "dr_priority"),
            (20, "generation_id", "generation_id"),
        ):
            if kind in options:
                told[name] = getattr(options[kind], field)
    if head.type == 3 and payload[4] == 1:
        message = PIMv2JoinPrune(payload[4:])
        told["upstream"], told["holdtime"] = message.up_neighbor_ip, message.holdtime
        told["entries"] = [
            (entry.gaddr, [one.src_ip for one in entry.join_ips], [one.src_ip for one in entry.prune_ips])
            for entry in message.jp_ips
        ]
    return told


def ours(message):
    """A message with records as tuples and PIM's details on the surface."""
    told = dict(message, **message["details"])
    told["records"] = [(one["type"], one["group"], one["sources"]) for one in message["records"]]
    told["entries"] = [
        (
            one["group"],
            [source["source"] for source in one.get("joins", ())],
            [source["source"] for source in one.get("prunes", ())],
        )
        for one in message["details"].get("groups", ())
    ]
    return told


def by_scapy(frame):
    packet = Ether(frame)
    version = packet[IP] if IP in packet else packet[IPv6]
    told = {
        "source": version.src,
        "destination": version.dst,
        "source_mac": packet.src,
        "ttl": version.ttl if IP in packet else version.hlim,
    }
    if UDP in packet:
        return dict(told, source_port=packet[UDP].sport, destination_port=packet[UDP].dport)
    if IP in packet and version.proto == 2:
        return dict(told, **igmp_by_scapy(frame[14 + version.ihl * 4 :]))
    if IP in packet or version.nh == 103:
        return dict(told, **pim_by_scapy(frame[34 if IP in packet else 54 :]))
    return dict(told, **mld_by_scapy(packet[IPv6].payload.payload))


@SETTINGS
@given(frames=st.lists(strategies.CONTROL | strategies.UDP, min_size=1, max_size=20))
def test_as_scapy(frames, tmp_path):
    path = tmp_path / "random.pcap"
    path.write_bytes(build.pcap(frames))
    messages = read(str(path), payload=True)["messages"]
    assert len(messages) == len(frames)
    for frame, message in zip(frames, messages):
        theirs = {key: value for key, value in by_scapy(frame).items() if value is not None or key == "group"}
        mine = ours(message)
        if "records" in theirs:
            mine["records"] = mine["records"][: len(theirs["records"])]
            assert mine["records"] or not message["records"]
        assert {key: mine.get(key) for key in theirs} == theirs, frame.hex()
