# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packets and capture files from the inside out, by the formats' own texts and not by the code that reads them."""
from __future__ import annotations

import ipaddress
import struct

MAC_A, MAC_B = "020000000001", "01005e000064"
ROUTER_ALERT = b"\x94\x04\0\0"
HOP_BY_HOP_ALERT = b"\x3a\0\x05\x02\0\0\x01\0"


def address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def summed(data, offset, extra=b""):
    """data with the checksum of extra + data at offset."""
    return data[:offset] + struct.pack("!H", checksum(extra + data)) + data[offset + 2:]


def ethernet(payload, ethertype=0x0800, tags=(), source=MAC_A, destination=MAC_B):
    head = bytes.fromhex(destination + source)
    for tpid, tag in tags:
        head += struct.pack("!HH", tpid, tag)
    return head + struct.pack("!H", ethertype) + payload


def ipv4(payload, protocol, source="10.0.0.1", destination="224.0.0.22", ttl=1, options=b"", fragment=0, length=None,
         identification=1):
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0xc0,
                         20 + len(options) + len(payload) if length is None else length, identification, fragment, ttl,
                         protocol, 0) + address(source) + address(destination) + options
    return summed(header, 10) + payload


def ipv6(payload, protocol, source="fe80::1", destination="ff02::16", ttl=1, extensions=b"", first=None, length=None):
    """extensions: whole headers in front of the payload; first: the number of the first of them."""
    size = len(extensions) + len(payload) if length is None else length
    return (struct.pack("!IHBB", 6 << 28, size, protocol if first is None else first, ttl)
            + address(source) + address(destination) + extensions + payload)


def pseudo(source, destination, length, protocol):
    return address(source) + address(destination) + struct.pack("!II", length, protocol)


def udp(payload, source, destination, source_port=4000, destination_port=5000):
    segment = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    return summed(segment, 6, pseudo(source, destination, len(segment), 17))


def datagram(payload=b"HELLO", source="10.0.0.1", group="239.0.0.100", ttl=5, tags=(), ports=(4000, 5000)):
    """An Ethernet frame with a UDP datagram to a group of either family."""
    segment = udp(payload, source, group, *ports)
    if ":" in group:
        return ethernet(ipv6(segment, 17, source, group, ttl), 0x86dd, tags)
    return ethernet(ipv4(segment, 17, source, group, ttl), 0x0800, tags)


def igmp(kind, code=0, group="0.0.0.0", tail=b""):
    return summed(struct.pack("!BBH", kind, code, 0) + address(group) + tail, 2)


def query_tail(flags, interval, sources):
    return struct.pack("!BBH", flags, interval, len(sources)) + b"".join(map(address, sources))


def records(entries):
    """entries: (type, group, sources, auxiliary bytes)."""
    return b"".join(struct.pack("!BBH", kind, len(auxiliary) // 4, len(sources)) + address(group)
                    + b"".join(map(address, sources)) + auxiliary for kind, group, sources, auxiliary in entries)


def igmpv3_report(entries, count=None):
    return summed(struct.pack("!BBHHH", 0x22, 0, 0, 0, len(entries) if count is None else count) + records(entries), 2)


def igmp_frame(message, destination="224.0.0.22", options=ROUTER_ALERT, **rest):
    return ethernet(ipv4(message, 2, destination=destination, options=options, **rest))


def icmpv6(message, source="fe80::1", destination="ff02::16"):
    return summed(message, 2, pseudo(source, destination, len(message), 58))


def mld(kind, code=0, group="::", tail=b"", **rest):
    return icmpv6(struct.pack("!BBHHH", kind, 0, 0, code, 0) + address(group) + tail, **rest)


def mldv2_report(entries, count=None, **rest):
    return icmpv6(struct.pack("!BBHHH", 143, 0, 0, 0, len(entries) if count is None else count) + records(entries),
                  **rest)


def mld_frame(message, source="fe80::1", destination="ff02::16"):
    return ethernet(ipv6(message, 58, source, destination, 1, HOP_BY_HOP_ALERT, 0), 0x86dd)


def unicast(text):
    """PIM's encoded-unicast address."""
    raw = address(text)
    return bytes((1 if len(raw) == 4 else 2, 0)) + raw


def encoded_group(text, mask, flags=0):
    raw = address(text)
    return bytes((1 if len(raw) == 4 else 2, 0, flags, mask)) + raw


encoded_source = encoded_group


def pim(kind, body, source="10.0.0.1", destination="224.0.0.13"):
    message = bytes((0x20 | kind, 0, 0, 0)) + body
    extra = pseudo(source, destination, len(message), 103) if ":" in source else b""
    if kind == 1:
        return summed(message[:8], 2, extra) + message[8:]
    return summed(message, 2, extra)


def pim_frame(message, source="10.0.0.1", destination="224.0.0.13"):
    if ":" in source:
        return ethernet(ipv6(message, 103, source, destination), 0x86dd)
    return ethernet(ipv4(message, 103, source, destination))


def pcap(frames, link_type=1, order="<", nano=False, start=1700000000, snap=None):
    """A file in which frame n comes n units of the fraction after the start; frames: bytes, or (bytes, seconds,
    fraction, length on the wire)."""
    parts = [struct.pack(f"{order}IHHiIII", 0xa1b23c4d if nano else 0xa1b2c3d4, 2, 4, 0, 0, snap or 262144, link_type)]
    for index, frame in enumerate(frames):
        frame, seconds, fraction, original = frame if isinstance(frame, tuple) else (frame, start, index, len(frame))
        frame = frame[:snap]
        parts.append(struct.pack(f"{order}IIII", seconds, fraction, len(frame), original) + frame)
    return b"".join(parts)


def block(kind, body, order="<"):
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def option(code, value, order="<"):
    return struct.pack(f"{order}HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(order="<"):
    return block(0x0a0d0d0a, struct.pack(f"{order}IHHq", 0x1a2b3c4d, 1, 0, -1), order)


def interface(link_type=1, name=None, resolution=None, offset=None, order="<", snap=0):
    body = struct.pack(f"{order}HHI", link_type, 0, snap)
    for code, value in ((2, name and name.encode()), (9, resolution and bytes((resolution,))),
                        (14, offset and struct.pack(f"{order}q", offset))):
        body += option(code, value, order) if value else b""
    return block(1, body + option(0, b"", order), order)


def enhanced(frame, ticks=0, index=0, order="<", original=None):
    return block(6, struct.pack(f"{order}IIIII", index, ticks >> 32, ticks & 0xffffffff, len(frame),
                                len(frame) if original is None else original) + frame, order)
