# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fuzzing at length. MCAST_FUZZ_CASES=1000000 is the full run (some minutes); by default there are 20,000 cases.

Where tshark calls a mutated packet malformed in IP, IGMP, MLD, PIM or UDP, it must be malformed here too."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import subprocess

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from ansible_collections.mcast.lab.tests.unit.packet import build
from ansible_collections.mcast.lab.tests.unit.packet.fuzz import Fuzz, frames, mutate

CASES = int(os.environ.get("MCAST_FUZZ_CASES", "20000"))
# As tshark names the layer in which it gave up.
LAYERS = re.compile(r"\[Malformed Packet: (IPv4|IPv6|IPv6 Hop-by-Hop|IPv6 Destination|IPv6 Fragment|IGMP|PIM)\]")


def test_fuzz(tmp_path):
    fuzz = Fuzz(CASES, tmp_path)
    fuzz.run(CASES // 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fuzz.run(CASES - fuzz.cases)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{fuzz.cases} cases, slowest file {fuzz.slowest:.3f} s, grown by {grown:.1f} MiB, "
          f"{len(fuzz.frames)} frames and {len(fuzz.files)} files kept")
    assert fuzz.slowest < 2 and grown < 64


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
def test_malformed_as_tshark(tmp_path):
    """What tshark can't read to its end, and this could, would be a misreading."""
    draw, seeds = random.Random(7), frames()
    mutants = [mutate(draw, draw.choice(seeds), seeds) for _unused in range(min(CASES, 20000))]
    path = str(tmp_path / "mutants.pcap")
    with open(path, "wb") as stream:
        stream.write(build.pcap(mutants))
    lines = (
        subprocess.run(
            [
                "tshark",
                "-n",
                "-r",
                path,
                "-o",
                "ip.defragment:FALSE",
                "-o",
                "ipv6.defragment:FALSE",
                "-T",
                "fields",
                "-E",
                "separator=|",
                "-e",
                "frame.number",
                "-e",
                "frame.protocols",
                "-e",
                "_ws.malformed",
                "-e",
                "ip.dst",
                "-e",
                "ipv6.dst",
            ],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        .stdout.decode()
        .splitlines()
    )
    told = {
        message["number"]: message
        for message in read(path, kinds=["igmp", "mld", "pim", "udp", "malformed"], limit=10**6)["messages"]
    }
    missed, agreed = [], 0
    for line in lines:
        number, protocols, malformed, *destinations = line.split("|")
        # A header that goes to no group is none of ours; neither is either family's in the other's.
        ours = any(re.match(r"(22[4-9]|23\d)\.|ff", destination) for destination in destinations)
        if not ours or not LAYERS.search(malformed) or re.search(":ip:ipv6|:ipv6:(ip|igmp)(:|$)", protocols):
            continue
        message = told.get(int(number))
        if message and message["malformed"]:
            agreed += 1
        else:
            missed.append((protocols, malformed, mutants[int(number) - 1].hex()))
    print(f"{agreed} malformed for both, {len(missed)} for tshark alone")
    # tshark also looks into options of IPv6 that have nothing to do with multicast (CALIPSO, ...): a few mutants in a
    # thousand. Everything else must agree.
    options = [row for row in missed if row[0].endswith("ipv6.hopopts")]
    assert len(options) <= agreed / 100
    assert [row for row in missed if row not in options] == []
