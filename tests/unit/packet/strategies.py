# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages of all kinds and both families, made at random: Ethernet frames."""

from __future__ import annotations

import ipaddress
import struct

from ansible_collections.mcast.lab.tests.unit.packet import build
from hypothesis import strategies as st

BYTE, WORD, LONG = st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1)
HOSTS4 = st.integers(0x0A000001, 0x0AFFFFFF).map(lambda number: str(ipaddress.IPv4Address(number)))
GROUPS4 = st.integers(0xE0000001, 0xEFFFFFFF).map(lambda number: str(ipaddress.IPv4Address(number)))
HOSTS6 = st.integers(0x2001 << 112, (0x2002 << 112) - 1).map(lambda number: str(ipaddress.IPv6Address(number)))
GROUPS6 = st.integers(0xFF00 << 112 | 1, (1 << 128) - 1).map(lambda number: str(ipaddress.IPv6Address(number)))
NONE4, NONE6 = st.just("0.0.0.0"), st.just("::")
# A damaged checksum now and then.
DAMAGE = st.sampled_from((0, 0, 0, 1))


def _records(groups, hosts):
    return st.lists(
        st.tuples(
            st.integers(1, 6), groups, st.lists(hosts, max_size=5), st.sampled_from((b"", b"", b"\1\2\3\4", b"\0" * 8))
        ),
        max_size=6,
    )


def _tail(hosts):
    return st.builds(build.query_tail, BYTE, BYTE, st.lists(hosts, max_size=6))


def _damaged(message, damage):
    return message[:2] + bytes((message[2] ^ damage,)) + message[3:]


IGMP_MESSAGES = st.one_of(
    st.builds(build.igmp, st.just(0x11), BYTE, NONE4 | GROUPS4),
    st.builds(build.igmp, st.just(0x11), BYTE, NONE4 | GROUPS4, _tail(HOSTS4)),
    st.builds(build.igmp, st.sampled_from((0x12, 0x16, 0x17)), st.just(0), GROUPS4),
    st.builds(build.igmpv3_report, _records(GROUPS4, HOSTS4)),
)
IGMP = st.builds(
    lambda message, damage, options, **rest: build.igmp_frame(_damaged(message, damage), options=options, **rest),
    IGMP_MESSAGES,
    DAMAGE,
    st.sampled_from((b"", build.ROUTER_ALERT, b"\1\1\1\1" + build.ROUTER_ALERT)),
    destination=GROUPS4,
    source=HOSTS4,
    ttl=BYTE,
)

MLD_MESSAGES = st.one_of(
    st.builds(build.mld, st.just(130), WORD, NONE6 | GROUPS6),
    st.builds(build.mld, st.just(130), WORD, NONE6 | GROUPS6, _tail(HOSTS6)),
    st.builds(build.mld, st.sampled_from((131, 132)), st.just(0), GROUPS6),
    st.builds(build.mldv2_report, _records(GROUPS6, HOSTS6)),
)
MLD = st.builds(lambda message, damage: build.mld_frame(_damaged(message, damage)), MLD_MESSAGES, DAMAGE)


def _pim(hosts, groups, source, destination):
    ends = {"source": source, "destination": destination}
    unicast = hosts.map(build.unicast)
    group = st.builds(build.encoded_group, groups, st.integers(0, 32), st.sampled_from((0, 1, 0x80)))
    sources = st.lists(st.builds(build.encoded_source, hosts, st.integers(0, 32), st.integers(0, 7)), max_size=4)
    option = st.one_of(
        st.tuples(st.just(1), WORD.map(struct.Struct("!H").pack)),
        st.tuples(st.sampled_from((2, 19, 20)), LONG.map(struct.Struct("!I").pack)),
        st.tuples(st.just(24), st.lists(unicast, min_size=1, max_size=3).map(b"".join)),
    )
    hello = st.lists(option, max_size=5, unique_by=lambda pair: pair[0]).map(
        lambda options: b"".join(struct.pack("!HH", kind, len(value)) + value for kind, value in options)
    )

    def entry(head, joins, prunes):
        return head + struct.pack("!HH", len(joins), len(prunes)) + b"".join(joins + prunes)

    def join_prune(upstream, holdtime, entries):
        return upstream + struct.pack("!BBH", 0, len(entries), holdtime) + b"".join(entries)

    def rp_set(head, rps):
        return head + struct.pack("!BBxx", len(rps), len(rps)) + b"".join(rps)

    rp = st.builds(
        lambda address, holdtime, priority: address + struct.pack("!HBx", holdtime, priority), unicast, WORD, BYTE
    )
    bodies = (
        (0, hello),
        (2, st.builds(bytes.__add__, group, unicast)),
        (3, st.builds(join_prune, unicast, WORD, st.lists(st.builds(entry, group, sources, sources), max_size=3))),
        (
            4,
            st.builds(
                lambda tag, mask, priority, bsr, sets: struct.pack("!HBB", tag, mask, priority) + bsr + b"".join(sets),
                WORD,
                BYTE,
                BYTE,
                unicast,
                st.lists(st.builds(rp_set, group, st.lists(rp, max_size=3)), max_size=3),
            ),
        ),
        (
            5,
            st.builds(
                lambda head, address, preference, metric: head + address + struct.pack("!II", preference, metric),
                group,
                unicast,
                LONG,
                LONG,
            ),
        ),
        (
            8,
            st.builds(
                lambda priority, holdtime, address, entries: (
                    struct.pack("!BBH", len(entries), priority, holdtime) + address + b"".join(entries)
                ),
                BYTE,
                WORD,
                unicast,
                st.lists(group, max_size=3),
            ),
        ),
    )
    return st.one_of(
        *[
            body.map(lambda body, kind=kind: build.pim_frame(build.pim(kind, body, **ends), **ends))
            for kind, body in bodies
        ]
    )


PIM = _pim(HOSTS4, GROUPS4, "10.0.0.1", "224.0.0.13") | _pim(HOSTS6, GROUPS6, "fe80::1", "ff02::d")
UDP = st.builds(
    build.datagram, st.binary(max_size=60), HOSTS4, GROUPS4, BYTE, st.just(()), st.tuples(WORD, WORD)
) | st.builds(build.datagram, st.binary(max_size=60), HOSTS6, GROUPS6, BYTE, st.just(()), st.tuples(WORD, WORD))
CONTROL = IGMP | MLD | PIM
