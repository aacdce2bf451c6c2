# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How fast captures are decoded, beside tshark, dpkt and scapy, and in how much memory.

    make bench-decode ARGS='--packets 400000 --memory-packets 4000000'

Its peers are tshark, dpkt and scapy (requirements/bench.txt); it tells which one is missing. One file is read by all:
95 % UDP data (four fifths IPv4) in 1,000 flows, 5 % IGMP and MLD reports, queries and leaves. Each reader runs in a
process of its own, with its start-up counted; scapy reads only the front of the file. Each ratio is told of processor
time (user and system), which other work on the machine spoils least, and of wall time; the best of the repeated runs
counts.
"""
from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from ansible_collections.mcast.lab.tests.unit.packet import build

SCAPY_PACKETS = 20000
TSHARK_FIELDS = (
    "frame.number", "frame.time_epoch", "vlan.id", "eth.src", "eth.dst", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
    "ip.ttl", "ipv6.hlim", "ip.opt.ra", "ipv6.opt.router_alert", "udp.srcport", "udp.dstport", "udp.length",
    "igmp.type", "igmp.version", "igmp.maddr", "igmp.saddr", "igmp.max_resp", "igmp.s", "igmp.qrv", "igmp.qqic",
    "igmp.record_type", "igmp.num_src", "igmp.checksum.status", "icmpv6.type", "icmpv6.mld.multicast_address",
    "icmpv6.mld.source_address", "icmpv6.mld.maximum_response_delay", "icmpv6.mldr.mar.record_type",
    "icmpv6.mldr.mar.multicast_address", "icmpv6.mldr.mar.source_address", "icmpv6.checksum.status",
)

OURS = """
import re, sys
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
result = read(sys.argv[1])
print(result["packets"]["total"], len(result["messages"]) + result["left_out"]["messages"],
      len(result["flows"]) + result["left_out"]["flows"],
      re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
"""

DPKT = """
import sys
import dpkt
total = messages = 0
flows = {}
with open(sys.argv[1], "rb") as stream:
    for time, frame in dpkt.pcap.Reader(stream):
        total += 1
        packet = dpkt.ethernet.Ethernet(frame).data
        if isinstance(packet.data, dpkt.udp.UDP):
            ttl = packet.ttl if isinstance(packet, dpkt.ip.IP) else packet.hlim
            key = packet.src, packet.dst, packet.data.sport, packet.data.dport
            flow = flows.get(key)
            if flow is None:
                flow = flows[key] = [0, 0, time, time, 0, set()]
            flow[0] += 1
            flow[1] += packet.data.ulen - 8
            flow[4] = max(flow[4], time - flow[3])
            flow[3] = time
            flow[5].add(ttl)
        else:
            messages += 1
print(total, messages, len(flows), 0)
"""

SCAPY = """
import sys
from scapy.all import IP, IPv6, UDP, PcapReader
from scapy.contrib import igmp, igmpv3
total = messages = 0
flows = {}
for packet in PcapReader(sys.argv[1]):
    total += 1
    if total > int(sys.argv[2]):
        break
    if UDP in packet:
        layer = packet[IP] if IP in packet else packet[IPv6]
        flow = flows.setdefault((layer.src, layer.dst, packet[UDP].sport, packet[UDP].dport), [0, 0])
        flow[0] += 1
        flow[1] += packet[UDP].len - 8
    else:
        messages += 1
print(min(total, int(sys.argv[2])), messages, len(flows), 0)
"""


def control_frames():
    """A hundred different control messages."""
    frames = []
    for index in range(100):
        group, group6 = f"239.1.0.{index}", f"ff15::{index:x}"
        sources = [f"10.0.1.{number}" for number in range(1 + index % 3)]
        frames.append((
            build.igmp_frame(build.igmpv3_report([(4, group, [], b""), (5, f"232.0.0.{index}", sources, b"")])),
            build.mld_frame(build.mldv2_report([(4, group6, [], b"")])),
            build.igmp_frame(build.igmp(0x16, 0, group), group),
            build.igmp_frame(build.igmp(0x11, 100, "0.0.0.0", build.query_tail(2, 125, [])), "224.0.0.1"),
            build.mld_frame(build.mld(130, 10000, "::", build.query_tail(2, 125, []))),
        )[index % 5])
    return frames


def write(path, packets, flows, payload):
    """A capture of that many packets, one in twenty of them control, data in so many flows."""
    control, data, draw = control_frames(), [], random.Random(1)
    for index in range(flows):
        high, low = divmod(index, 256)
        if index % 5 == 4:
            ends = f"fd00::{high:x}:{low:x}", f"ff15::{high:x}:{low:x}"
        else:
            upper, lower = divmod(high, 256)
            ends = f"10.1.{upper}.{lower}", f"239.{upper}.{lower}.{low}"
        data.append(build.datagram(b"x" * payload, *ends))
    header = struct.Struct("<IIII").pack
    with open(path, "wb") as stream:
        stream.write(build.pcap([]))
        for index in range(packets):
            frame = control[draw.randrange(100)] if index % 20 == 19 else data[(index - index // 20) % flows]
            stream.write(header(1700000000 + index // 100000, index % 100000 * 10, len(frame), len(frame)) + frame)


def timed(argv, repeats):
    """Returns (least seconds of processor time, least seconds of wall time, words of the last line printed)."""
    processor, wall, words = [], [], []
    for _unused in range(repeats):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        wall.append(time.monotonic() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        words = done.stdout.rstrip(b"\n").rsplit(b"\n", 1)[-1].split()
    return min(processor), min(wall), words


def runs(code):
    """Whether a Python can import what a peer needs."""
    return subprocess.run(code, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def peers(path, options):
    """Yields (name, argv, packets that it reads, repeats), or (name, None, why, 0)."""
    yield "mcast.lab", [sys.executable, "-c", OURS, path], options.packets, 3
    if shutil.which("tshark"):
        fields = [word for field in TSHARK_FIELDS for word in ("-e", field)]
        yield "tshark -T fields", ["tshark", "-n", "-r", path, "-T", "fields"] + fields, options.packets, 1
    else:
        yield "tshark", None, "not installed", 0
    if runs([sys.executable, "-c", "import dpkt"]):
        yield "dpkt", [sys.executable, "-c", DPKT, path], options.packets, 3
    else:
        yield "dpkt", None, "not in this Python", 0
    if runs([sys.executable, "-c", "import scapy"]):
        front = min(SCAPY_PACKETS, options.packets)
        yield "scapy", [sys.executable, "-c", SCAPY, path, str(front)], front, 1
    else:
        yield "scapy", None, "not in this Python", 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--packets", type=int, default=400000)
    parser.add_argument("--memory-packets", type=int, default=4000000)
    parser.add_argument("--memory-flows", type=int, default=100000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="mcast-decode-")
    try:
        measure(options, folder)
    finally:
        shutil.rmtree(folder)


def measure(options, folder):
    path = os.path.join(folder, "mixed.pcap")
    write(path, options.packets, 1000, 200)
    print(f"{'reader':18} {'packets':>10} {'processor':>9} {'wall':>9} {'packets/s':>12}")
    ratios, rates, walls = {}, {}, {}
    for name, argv, packets, repeats in peers(path, options):
        if argv is None:
            print(f"{name:18} left out: {packets}")
            continue
        spent, wall, _words = timed(argv, repeats)
        rates[name.split()[0]], walls[name.split()[0]] = packets / spent, packets / wall
        print(f"{name:18} {packets:10d} {spent:9.2f} {wall:9.2f} {packets / spent:12.0f}", flush=True)
    ours, wall = rates.pop("mcast.lab"), walls.pop("mcast.lab")
    for name, rate in rates.items():
        ratios[f"vs_{name}"] = round(ours / rate, 2)
        ratios[f"wall_vs_{name}"] = round(wall / walls[name], 2)
    os.unlink(path)
    ratios.update(memory(options, folder))
    print(json.dumps(ratios))


def memory(options, folder):
    """The large capture, and a quarter of it: what a packet costs must not grow with their number."""
    cost = []
    for packets in (options.memory_packets // 4, options.memory_packets):
        path = os.path.join(folder, "large.pcap")
        write(path, packets, options.memory_flows, 18)
        spent, wall, words = timed([sys.executable, "-c", OURS, path], 1)
        cost.append(spent / packets)
        peak = int(words[3]) / 1024
        print(f"{'mcast.lab':18} {packets:10d} {spent:9.2f} {wall:9.2f} {packets / spent:12.0f}   "
              f"{int(words[2])} flows, {int(words[1])} messages, peak {peak:.1f} MiB", flush=True)
    return {"peak_mib": round(peak, 1), "cost_per_packet_large_vs_quarter": round(cost[1] / cost[0], 2)}


if __name__ == "__main__":
    main()
