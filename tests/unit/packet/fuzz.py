# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packets and files mutated at random, from a seed, guided by what the reading says: a mutant that leads to something
new (a kind, a reason, a place where a file breaks) is mutated further."""

from __future__ import annotations

import contextlib
import gzip
import random
import re
import struct
import time

from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import Decoder, read
from ansible_collections.mcast.lab.tests.unit.packet import build

PLAIN = (dict, list, str, int, float, bool, type(None))
BATCH = 200
CORPUS = 2000
EDGES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 0x7F, 0x80, 0xFF)


def frames():
    """A frame of every kind."""
    group, source, group6, source6 = "239.0.0.100", "10.0.0.9", "ff15::64", "2001:db8::9"
    entries = [(4, group, [], b""), (1, group, [source] * 3, b"\0" * 4)]
    entries6 = [(4, group6, [], b""), (1, group6, [source6] * 3, b"\0" * 4)]
    segment6 = build.udp(b"x" * 40, source6, group6)
    hello = b"\0\1\0\2\0\x69\0\2\0\4\0\1\0\2\0\x13\0\4\0\0\0\1\0\x18\0\6" + build.unicast(source)
    head = build.encoded_group(group, 32)
    join = (
        build.unicast(source)
        + b"\0\1\0\xd2"
        + head
        + b"\0\1\0\1"
        + build.encoded_source(source, 32, 7)
        + b"\1\1\4\x20\x0a\0\0\x09\x41\1\7"
    )
    rp_set = build.unicast(source) + b"\0\x96\xc0\0"
    return [
        build.igmp_frame(build.igmp(0x11, 100)),
        build.igmp_frame(build.igmp(0x16, 0, group)),
        build.igmp_frame(build.igmp(0x11, 100, group, build.query_tail(2, 125, [source] * 2))),
        build.igmp_frame(build.igmpv3_report(entries)),
        build.igmp_frame(build.igmp(0x1F, 0, group, b"\0" * 16)),
        build.mld_frame(build.mld(130, 1000)),
        build.mld_frame(build.mld(131, 0, group6)),
        build.mld_frame(build.mld(130, 1000, group6, build.query_tail(2, 125, [source6] * 2))),
        build.mld_frame(build.mldv2_report(entries6)),
        build.pim_frame(build.pim(0, hello)),
        build.pim_frame(build.pim(3, join)),
        build.pim_frame(build.pim(1, b"\0\0\0\0" + build.ipv4(build.udp(b"x", source, group), 17, source, group))),
        build.pim_frame(build.pim(2, head + build.unicast(source))),
        build.pim_frame(build.pim(4, b"\0\7\x1e\x40" + build.unicast(source) + head + b"\1\1\0\0" + rp_set)),
        build.pim_frame(build.pim(5, head + build.unicast(source) + b"\0" * 8)),
        build.pim_frame(build.pim(8, b"\1\xc0\0\x96" + build.unicast(source) + head)),
        build.pim_frame(build.pim(0, hello, "fe80::1", "ff02::d"), "fe80::1", "ff02::d"),
        build.datagram(),
        build.datagram(source=source6, group=group6),
        build.datagram(tags=[(0x88A8, 1), (0x8100, 2)]),
        build.ethernet(
            build.ipv6(segment6[:24], 17, source6, group6, 1, struct.pack("!BBHI", 17, 0, 1, 9), 44), 0x86DD
        ),
        build.ethernet(build.ipv4(build.udp(b"x" * 40, source, group)[:24], 17, source, group, fragment=0x2000)),
        build.ethernet(
            build.ipv6(
                build.mld(131, 0, group6),
                58,
                extensions=(b"\x3c\0\5\2\0\0\1\0" + b"\x33\0\1\4\0\0\0\0" + b"\x3a\4" + b"\0" * 22),
                first=0,
            ),
            0x86DD,
        ),
    ]


def files():
    """A file of every format."""
    some = frames()[3:19:3]
    blocks = (
        build.section()
        + build.interface(name="eth0", resolution=9)
        + b"".join(map(build.enhanced, some))
        + build.section(">")
        + build.interface(113, order=">", offset=5)
        + build.enhanced(b"\0" * 60, 7, order=">")
        + build.block(3, struct.pack(">I", 20) + b"\0" * 20, ">")
    )
    plain = build.pcap(some)
    return [
        plain,
        build.pcap(some, 276, ">", nano=True),
        build.pcap([frame[14:] for frame in some], 101),
        build.pcap(some, 0),
        blocks,
        gzip.compress(plain, mtime=0),
        gzip.compress(blocks, mtime=0),
    ]


def mutate(draw, data, others):
    """One to four changes: a bit, a byte, a word, a cut, a repetition, or the tail of another one."""
    data = bytearray(data)
    for _unused in range(draw.choice((1, 1, 2, 4))):
        size = len(data)
        at = draw.randrange(size) if size else 0
        how = draw.randrange(7)
        if how == 0 and size:
            data[at] ^= 1 << draw.randrange(8)
        elif how == 1 and size:
            data[at] = draw.choice(EDGES)
        elif how == 2 and size > 2:
            data[at : at + 2] = struct.pack("!H", draw.choice(EDGES + (0xFFFF, 0x8000, size, 2**16 - size)))
        elif how == 3:
            del data[at : at + draw.choice((1, 2, 4, 8, size))]
        elif how == 4:
            data[at:at] = data[at : at + draw.choice((1, 4, 8, 20))] * draw.choice((1, 2, 50))
        elif how == 5:
            other = draw.choice(others)
            data[at:] = other[min(at, len(other)) :]
        elif size:
            data[at] = draw.randrange(256)
    return bytes(data[:4000])


def check_plain(value):
    """Raises AssertionError for anything that is not plain, at any depth."""
    assert value.__class__ in PLAIN, value.__class__
    if isinstance(value, dict):
        assert {key.__class__ for key in value} <= {str}
        value = value.values()
    if not isinstance(value, (str, int, float, type(None))):
        for item in value:
            check_plain(item)


def check(result):
    """What holds for the reading of any file at all."""
    check_plain(result)
    packets = result["packets"]
    assert (
        packets["total"] == packets["decoded"] + packets["malformed"] + packets["other"] and min(packets.values()) >= 0
    )
    told = [message for message in result["messages"] if message["malformed"]]
    assert len(told) == packets["malformed"]
    assert sum(result["link_types"].values()) == packets["total"]
    assert all(message["malformed"] or message["kind"] != "malformed" for message in result["messages"])


def check_datagrams(path, result):
    """The short reading of datagrams has what the long one has."""
    told = [
        (
            one["number"],
            one["source"],
            one["group"],
            one["details"]["destination_port"],
            one["ttl"],
            one["destination_mac"],
            one["details"]["payload"],
            not (one["snapped"] or one["fragment"]),
            "bad" if one["ip_checksum"] == "bad" else one["checksum"],
        )
        for one in result["messages"]
        if one["kind"] == "udp" and not one["malformed"]
    ]
    listed, more = listed_of(path, 100000)
    found = [(one.number, *one[2:7], one.payload.hex(), one.whole, one.checksum) for one in listed]
    assert (found, more) == (told, 0)
    flows = {}
    for one in listed:
        flows[one.source, one.group, one.port] = flows.get((one.source, one.group, one.port), 0) + 1
    assert sum(flows.values()) == sum(flow["packets"] for flow in result["flows"])
    assert listed_of(path, 1) == (listed[:1], max(0, len(listed) - 1))


def listed_of(path, limit):
    """The first datagrams one by one, and how many more there are."""
    with contextlib.closing(Decoder(path, limit)) as decoder:
        wire = decoder.read()
        return decoder.datagrams, wire["left_out"]["datagrams"]


class Fuzz:
    """seed: a number; folder: where the files go. After run(): `cases` and `slowest` (seconds of one file)."""

    def __init__(self, seed, folder):
        self._draw = random.Random(seed)
        self._path = str(folder / "fuzz.pcap")
        self._seen = set()
        self.frames, self.files = frames(), files()
        self.cases, self.slowest = 0, 0.0

    def run(self, cases):
        """One file in eight is mutated as a file, the others hold a batch of mutated frames."""
        end = self.cases + cases
        while self.cases < end:
            for _unused in range(BATCH // 7):
                self.file()
            self.batch()

    def batch(self):
        """Frames, in captures of any link type now and then. Returns them."""
        mutants = [mutate(self._draw, self._draw.choice(self.frames), self.frames) for _unused in range(BATCH)]
        originals = [len(frame) if self._draw.random() < 0.8 else len(frame) + 30 for frame in mutants]
        link_type = 1 if self._draw.random() < 0.8 else self._draw.choice((0, 101, 113, 276))
        result = self._read(
            build.pcap([(frame, 1, 1, original) for frame, original in zip(mutants, originals)], link_type)
        )
        assert result["packets"]["total"] == BATCH and not result["truncated"]
        for message in result["messages"]:
            self._learn(
                (
                    message["kind"],
                    re.sub(r"\d+", "", message["malformed"] or ""),
                    message["snapped"],
                    bool(message["fragment"]),
                ),
                mutants[message["number"] - 1],
                self.frames,
            )
        self.cases += BATCH
        return mutants

    def file(self):
        mutant = mutate(self._draw, self._draw.choice(self.files), self.files)
        try:
            result = self._read(mutant)
        except McastError as error:
            sign = str(error).rsplit(":", maxsplit=1)[-1]
        else:
            where = result["truncated_at"] or {"reason": ""}
            sign = (tuple(sorted(result["link_types"]))[:2], re.sub(r"\d+", "", where["reason"]))
        self._learn(sign, mutant, self.files)
        self.cases += 1

    def _read(self, content):
        with open(self._path, "wb") as stream:
            stream.write(content)
        started = time.perf_counter()
        result = read(self._path, payload=True, kinds=["igmp", "mld", "pim", "udp", "malformed", "fragment"])
        self.slowest = max(self.slowest, time.perf_counter() - started)
        check(result)
        check_datagrams(self._path, result)
        return result

    def _learn(self, sign, mutant, corpus):
        if sign not in self._seen and len(corpus) < CORPUS:
            self._seen.add(sign)
            corpus.append(mutant)
