# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files: every format, and every way in which one breaks."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import struct

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.packet import capture, capture_file, pcapng
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import Decoder, read
from ansible_collections.mcast.lab.tests.unit.packet import build, fuzz

REPORT = build.igmp_frame(build.igmpv3_report([(4, "239.0.0.100", [], b"")]))
DATA = build.datagram()


@pytest.fixture
def say(tmp_path):
    def write_and_read(content, **options):
        path = tmp_path / "a.pcap"
        path.write_bytes(content)
        return read(str(path), **options)

    return write_and_read


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano, last", ((False, "1700000000.000001000"), (True, "1700000000.000000001")))
@pytest.mark.parametrize("pack", (bytes, gzip.compress))
def test_pcap(say, order, nano, last, pack):
    result = say(pack(build.pcap([REPORT, DATA], order=order, nano=nano)))
    assert (result["first"], result["last"]) == ("1700000000.000000000", last)
    assert result["packets"] == {"total": 2, "decoded": 2, "malformed": 0, "other": 0}
    assert result["link_types"] == {"ethernet": 2}
    assert not result["truncated"] and result["truncated_at"] is None
    assert [message["number"] for message in result["messages"]] == [1]
    assert result["flows"][0]["packets"] == 1


# if_tsresol, if_tsoffset, ticks -> the time
RESOLUTIONS = (
    (None, None, 1700000000123456, "1700000000.123456000"),
    (6, None, 1700000000123456, "1700000000.123456000"),
    (9, None, 1700000000123456789, "1700000000.123456789"),
    (3, None, 1700000000123, "1700000000.123000000"),
    (12, None, 1700000000123456789, "1700000.000123456"),
    (0x80 | 10, None, 1700000000 * 1024 + 512, "1700000000.500000000"),
    (6, 1700000000, 5, "1700000000.000005000"),
    (6, -1, 500000, None),
    (9, None, 0xFFFFFFFFFFFFFFFF, None),
)


@pytest.mark.parametrize("resolution, offset, ticks, time", RESOLUTIONS)
@pytest.mark.parametrize("order", "<>")
def test_pcapng_times(say, resolution, offset, ticks, time, order):
    result = say(
        build.section(order)
        + build.interface(resolution=resolution, offset=offset, order=order)
        + build.enhanced(REPORT, ticks, order=order)
    )
    assert result["messages"][0]["time"] == time == result["first"]


def test_pcapng_sections_and_interfaces(say):
    first = (
        build.section("<")
        + build.interface(name="eth0")
        + build.interface(101, "tun0")
        + build.enhanced(REPORT, 1)
        + build.enhanced(REPORT[14:], 2, 1)
        + build.block(5, b"\0" * 12)
    )
    second = build.section(">") + build.interface(order=">") + build.enhanced(DATA, 3, order=">")
    result = say(first + second)
    assert [(message["number"], message["interface"]) for message in result["messages"]] == [(1, "eth0"), (2, "tun0")]
    assert [(flow["interface"], flow["packets"]) for flow in result["flows"]] == [("0", 1)]
    assert result["link_types"] == {"ethernet": 2, "raw_ip": 1}
    only = say(first + second, interface="tun0")
    assert only["packets"]["total"] == 1 and only["messages"][0]["source_mac"] is None


def test_pcapng_other_packet_blocks(say):
    simple = build.block(3, struct.pack("<I", len(REPORT)) + REPORT)
    cut = build.block(3, struct.pack("<I", len(REPORT)) + REPORT[:40])
    old = build.block(2, struct.pack("<HHIIII", 0, 0, 0, 7, len(REPORT), len(REPORT)) + REPORT)
    result = say(build.section() + build.interface() + simple + old)
    assert [message["time"] for message in result["messages"]] == [None, "0.000007000"]
    result = say(build.section() + build.interface(snap=40) + cut)
    assert result["messages"][0]["snapped"] and result["messages"][0]["malformed"] is None


PCAP = build.pcap([REPORT, DATA, REPORT])
PCAPNG = build.section() + build.interface() + build.enhanced(REPORT, 1) + build.enhanced(DATA, 2)
SECOND = 24 + 16 + len(REPORT)
BROKEN = (
    ("cut in a packet", PCAP[:-1], 2, {"packet": 3, "offset": SECOND + 16 + len(DATA)}),
    ("cut in a packet's header", PCAP[: SECOND + 5], 1, {"packet": 2, "offset": SECOND}),
    ("cut in the file's header", PCAP[:20], 0, {"packet": 1, "offset": 0}),
    (
        "a giant packet",
        PCAP[: SECOND + 8] + b"\xff\xff\xff\x7f" + PCAP[SECOND + 12 :],
        1,
        {"packet": 2, "offset": SECOND},
    ),
    ("cut gzip", gzip.compress(PCAP, mtime=0)[:-9], None, {}),
    ("damaged gzip", gzip.compress(PCAP, mtime=0)[:40] + b"\xff" * 20, None, {}),
    ("pcapng cut in a block", PCAPNG[:-1], 1, {"packet": 2}),
    ("pcapng cut between type and length", PCAPNG + b"\6\0\0\0", 2, {"packet": 3, "offset": len(PCAPNG)}),
    ("pcapng with lengths that disagree", PCAPNG[:-4] + b"\0\0\0\0", 1, {"packet": 2}),
    ("pcapng with a block of no length", PCAPNG + b"\6\0\0\0" + b"\0" * 8, 2, {"packet": 3}),
    ("pcapng with a giant block", PCAPNG + struct.pack("<III", 6, 0xFFFFFFF0, 0), 2, {"packet": 3}),
    ("pcapng with an unknown interface", PCAPNG + build.enhanced(DATA, 3, 9), 2, {"packet": 3}),
    ("pcapng without an interface", build.section() + build.enhanced(DATA), 0, {"packet": 1}),
    (
        "pcapng with a packet larger than its block",
        PCAPNG + build.block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)),
        2,
        {"packet": 3},
    ),
    ("pcapng without byte-order magic", build.block(0x0A0D0D0A, b"\0" * 16), 0, {"packet": 1, "offset": 0}),
    ("pcapng with a short packet block", PCAPNG + build.block(6, b"\0" * 4), 2, {"packet": 3}),
    ("pcapng with a short interface", build.section() + build.block(1, b"\0" * 4), 0, {"packet": 1}),
    ("pcapng with a short simple packet", build.section() + build.interface() + build.block(3, b""), 0, {"packet": 1}),
)


@pytest.mark.parametrize("content, total, where", [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken(say, content, total, where):
    result = say(content)
    assert result["truncated"] is True and result["truncated_at"]["reason"]
    assert total is None or result["packets"]["total"] == total
    assert {key: result["truncated_at"][key] for key in where} == where


def test_cut_gzip_gives_its_whole_packets(say):
    packed = gzip.compress(build.pcap([REPORT] * 50000), 1)
    result = say(packed[: len(packed) // 2])
    assert result["packets"]["total"] > 10000
    assert result["truncated_at"]["reason"] == "the gzip stream ends in the middle"
    assert result["truncated_at"]["packet"] == result["packets"]["total"] + 1


def test_gzip_of_several_members(say):
    whole = build.pcap([REPORT, DATA])
    assert say(gzip.compress(whole[:50], mtime=0) + gzip.compress(whole[50:]) + b"\0" * 7)["packets"]["total"] == 2


@pytest.mark.parametrize(
    "content",
    (
        b"",
        b"\xd4",
        b"Hello, this is a text and no capture",
        b"PK\3\4" + b"\0" * 40,
        gzip.compress(b"text", mtime=0),
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd" + b"\0" * 40,
    ),
)
def test_no_capture(say, content):
    with pytest.raises(McastError, match="is not a capture file; expected pcap or pcapng"):
        say(content)


def test_no_file(tmp_path):
    with pytest.raises(McastError, match="can't be read as a capture: No such file"):
        read(str(tmp_path / "none.pcap"))
    with pytest.raises(McastError, match="can't be read as a capture: Is a directory"):
        read(str(tmp_path))


def test_packets_across_chunks(say, monkeypatch):
    """The same file in small chunks gives the same."""
    frames = [REPORT, DATA, build.datagram(b"x" * 900), build.datagram(group="ff15::64", source="fd00::1")] * 3
    blocks = build.section() + build.interface() + b"".join(build.enhanced(frame) for frame in frames)
    whole = {content: say(content) for content in (build.pcap(frames), blocks)}
    for chunk in (16, 17, 61, 100, 1000, 1024):
        monkeypatch.setattr(capture_file, "CHUNK", chunk)
        monkeypatch.setattr(pcapng, "CHUNK", chunk)
        for content, result in whole.items():
            assert say(content)["packets"]["total"] == len(frames)
            assert say(gzip.compress(content, mtime=0))["flows"] == result["flows"]


def test_time_interface_and_limit(say):
    content = build.pcap([REPORT, REPORT, DATA, REPORT])
    span = say(content, since="1700000000.000001", until="1700000000.000002")
    assert span["packets"]["total"] == 2 and span["first"] == "1700000000.000001000"
    assert [message["number"] for message in span["messages"]] == [2]
    few = say(content + build.pcap([build.datagram(ports=(1, 2))])[24:] * 3, limit=1)
    assert few["left_out"] == {"messages": 2, "flows": 1, "datagrams": 1}
    assert few["flows"][0]["packets"] == 3
    with pytest.raises(McastError, match="^interface: the file does not tell interfaces"):
        say(content, interface="eth0")
    with pytest.raises(McastError, match="^interface: eth9 is not in .* which has eth0"):
        say(build.section() + build.interface(name="eth0"), interface="eth9")


@pytest.mark.parametrize(
    "options, message",
    (
        ({"kinds": ["igmp", "igmpv4"]}, "kinds: igmpv4: no such kind; expected some of igmp"),
        ({"group": "10.0.0.1"}, "10.0.0.1: is not a multicast group"),
        ({"since": "yesterday"}, "since: 'yesterday' is not a time; expected seconds since the epoch"),
        ({"until": "nan"}, "until: 'nan' is not a time"),
        ({"until": "1e99"}, "until: '1e99' is not a time"),
        ({"limit": -1}, "limit: -1 is negative"),
    ),
)
def test_options(say, options, message):
    with pytest.raises(McastError) as caught:
        say(PCAP, **options)
    assert str(caught.value).startswith(message)


def test_empty(say):
    result = say(build.pcap([]))
    assert result["packets"]["total"] == 0 and result["first"] is None and result["last"] is None
    assert result["flows"] == result["messages"] == []


def test_only_a_regular_file_is_read(tmp_path):
    """A FIFO has no writer, and would be waited for."""
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    for path in (fifo, link, "/dev/zero"):
        with pytest.raises(McastError, match="is not a regular file"):
            read(str(path))


def test_a_small_file_that_unpacks_to_very_much(tmp_path):
    """Records without content, so that a packet costs 16 bytes: their number is bounded by the file's size."""
    path = tmp_path / "bomb.pcap.gz"
    head = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    with gzip.open(path, "wb") as file:
        file.write(head + b"\0" * (64 << 20))
    result = read(str(path))
    assert result["truncated"] and "unpacks to more than 100 times its size" in result["truncated_at"]["reason"]
    assert result["packets"]["total"] < (32 << 20) / 16


@pytest.mark.parametrize("listed", [None, 2, 1000])
def test_a_file_that_grows_is_read_once(tmp_path, monkeypatch, listed):
    """However it is cut, its parts say what all of it says, and no packet is decoded twice."""
    data = build.pcap(fuzz.frames() * 3)
    whole = tmp_path / "whole.pcap"
    whole.write_bytes(data)
    with contextlib.closing(Decoder(str(whole), listed)) as decoder:
        expected = decoder.read(), decoder.datagrams
    decoded = []
    reading = capture._Reading._careful
    monkeypatch.setattr(capture._Reading, "_careful", lambda self, number, *rest: (
        decoded.append(number), reading(self, number, *rest)))
    draw = random.Random(7)
    for name in range(20):
        cuts = sorted(draw.randrange(24, len(data)) for unused in range(draw.randrange(6)))
        grown = tmp_path / f"{name}.pcap"
        grown.write_bytes(data[:24])
        decoded.clear()
        with contextlib.closing(Decoder(str(grown), listed)) as decoder:
            for begin, end in zip([24, *cuts], [*cuts, len(data)]):
                with open(grown, "ab") as file:
                    file.write(data[begin:end])
                found = decoder.read()
            assert (found, decoder.datagrams) == expected, cuts
        assert len(decoded) == len(set(decoded)) and (listed is None or len(decoded) == found["packets"]["total"])
