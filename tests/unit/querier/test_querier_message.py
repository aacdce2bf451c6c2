"""Queries written and read back by the decoder, and what a querier must not believe."""
from __future__ import annotations

import ipaddress
import random
import struct

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.packet.checksum import remainder
from ansible_collections.mcast.lab.plugins.module_utils.packet.membership import decode_code
from ansible_collections.mcast.lab.plugins.module_utils.querier import message as querier_message
from ansible_collections.mcast.lab.plugins.module_utils.querier.message import Query, encode_code, read, write

SOURCE = {4: "10.0.0.1", 6: "fe80::1"}
ROUTER_ALERT = {4: b"\x94\4\0\0", 6: b"\0\0\5\2\0\0\1\0"}


def packet(family, payload, source=None, destination=None, ttl=1, alert=True):
    """The bytes of an IP packet around a payload."""
    source = ipaddress.ip_address(source or SOURCE[family]).packed
    destination = ipaddress.ip_address(destination or querier_message.ALL_SYSTEMS[family]).packed
    options = ROUTER_ALERT[family] if alert else b""
    if family == 6:
        chain = b"\x3a" + options[1:] if alert else b""
        return struct.pack("!IHBB", 6 << 28, len(chain + payload), 0 if alert else 58, ttl) + (
            source + destination + chain + payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0xc0, 20 + len(options) + len(payload), 0, 0, ttl, 2,
                       0, source, destination) + options
    checksum = 0xffff - remainder(head) % 0xffff
    return head[:10] + struct.pack("!H", checksum) + head[12:] + payload


def whole(query):
    return packet(query.family, write(query, SOURCE[query.family]), destination=query.destination)


QUERIES = [
    Query(4, 1, 10.0), Query(4, 2, 10.0), Query(4, 2, 0.1), Query(4, 2, 25.5), Query(4, 2, 1.0, "239.1.1.1"),
    Query(4, 3, 10.0), Query(4, 3, 0.1, None, (), False, 7, 1), Query(4, 3, 12.8, None, (), False, 1, 128),
    Query(4, 3, 1.0, "239.1.1.1", (), True, 2, 125),
    Query(4, 3, 1.0, "232.1.1.1", ("10.0.0.9", "10.0.0.8"), False, 3, 60),
    Query(6, 1, 10.0), Query(6, 1, 0.3, "ff15::1"), Query(6, 2, 10.0), Query(6, 2, 32.768),
    Query(6, 2, 1.0, "ff15::1", (), True, 2, 125), Query(6, 2, 1.0, "ff35::1", ("fd00::9", "fd00::8"), False, 2, 20),
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_what_is_written_is_read(query):
    message = read(whole(query), query.family)
    newest = query.version == querier_message.newest(query.family)
    assert message["kind"] == f"{querier_message.PROTOCOLS[query.family].lower()}v{query.version}_query"
    assert (message["query"], message["group"]) == (query.kind, query.group)
    assert message["max_response"] == (None if (query.family, query.version) == (4, 1) else query.max_response)
    assert message["sources"] == list(query.sources)
    told = (query.robustness, query.interval) if newest else (None, None)
    assert (message["robustness"], message["interval"]) == told
    assert message["suppress"] == query.suppress


@pytest.mark.parametrize("bits", [8, 16])
def test_a_code_stands_for_the_number_or_the_next_smaller_one_that_has_a_code(bits):
    numbers = {decode_code(code, bits) for code in range(1 << bits)}
    for value in sorted(numbers) if bits == 8 else random.Random(1).sample(sorted(numbers), 500):
        assert decode_code(encode_code(value, bits), bits) == value
        if value and value + 1 not in numbers:
            assert decode_code(encode_code(value + 1, bits), bits) == value
    assert decode_code(encode_code(10 ** 9, bits), bits) == max(numbers)


@pytest.mark.parametrize(("family", "version", "seconds", "said"), [
    (4, 1, 1.0, 10.0), (4, 2, 0.3, 0.3), (4, 2, 0.39, 0.3), (4, 3, 12.7, 12.7), (4, 3, 13.0, 12.8), (4, 3, 0.7, 0.7),
    (6, 1, 0.1234, 0.123), (6, 2, 32.77, 32.768), (6, 2, 0.5, 0.5),
])
def test_response_times_are_those_that_the_wire_can_say(family, version, seconds, said):
    assert querier_message.said_response(family, version, seconds) == pytest.approx(said)


@pytest.mark.parametrize(("family", "version", "seconds"), [
    (4, 2, 0.09), (4, 3, 0.0), (6, 1, 0.05), (6, 2, 0.099), (4, 2, 25.6), (4, 3, 3175), (6, 1, 65.6), (6, 2, 8388)])
def test_response_times_that_cannot_be_said_are_refused(family, version, seconds):
    with pytest.raises(McastError, match="max_response: .* can't be said in"):
        querier_message.check_response("max_response", family, version, seconds)


@pytest.mark.parametrize(("seconds", "said"), [
    (0.3, 1), (1, 1), (1.01, 2), (125, 125), (128, 128), (129, 136), (10 ** 6, 31744)])
def test_an_interval_is_said_in_whole_seconds_and_never_too_short(seconds, said):
    assert querier_message.said_interval(seconds) == said


MLD = write(Query(6, 2, 1.0), SOURCE[6])
IGMP = write(Query(4, 3, 1.0))


@pytest.mark.parametrize(("family", "raw"), [
    (4, b""), (6, b""), (4, packet(4, b"")), (4, packet(4, IGMP)[:-1]),
    (4, packet(4, IGMP[:2] + b"\0\1" + IGMP[4:])),
    (4, packet(4, IGMP).replace(b"\x0a\0\0\1", b"\x0a\0\0\2")),
    (4, packet(4, write(Query(4, 2, 1.0, "10.0.0.1")))),
    (4, packet(4, b"\x16\0" + struct.pack("!H", 0xffff - remainder(b"\x16\0\0\0\x0a\0\0\1") % 0xffff) + b"\x0a\0\0\1")),
    (6, packet(6, MLD, ttl=2)), (6, packet(6, MLD, alert=False)), (6, packet(6, MLD[:2] + b"\0\1" + MLD[4:])),
    (6, packet(6, write(Query(6, 2, 1.0), "fd00::1"), source="fd00::1")),
    (6, packet(6, write(Query(6, 2, 1.0), "::"), source="::")),
    (6, packet(6, b"\x88" + MLD[1:])),
])
def test_what_a_router_must_ignore(family, raw):
    assert read(raw, family) is None


def test_bytes_of_any_kind_are_read_or_ignored():
    chance = random.Random(20261122)
    packets = [whole(query) for query in QUERIES]
    seen = 0
    for number in range(20000):
        raw = bytearray(packets[number % len(packets)])
        for _unused in range(chance.randrange(4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        raw = bytes(raw[:chance.randrange(len(raw) + 1)] if chance.random() < 0.3 else raw)
        message = read(raw, chance.choice((4, 6)))
        seen += message is not None
    assert seen > 1000
