# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams: what a user states, and what follows for each host."""
from __future__ import annotations

import itertools

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import programs, stream
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError

# A lab of two segments, a router between them, and a group whose name is a host's too.
HOSTS = {
    "client": {"eth0": {"segment": "lan", "ipv4": "192.168.122.181/24", "ipv6": "fd00:122::1/64"}},
    "server": {"eth0": {"segment": "lan", "ipv4": "192.168.122.225/24", "ipv6": None}},
    "far": {"eth0": {"segment": "wan", "ipv4": "10.0.0.3/8"}, "eth1": {"segment": "spare", "ipv4": None}},
    "r.example.org": {"left": {"segment": "lan", "ipv4": "192.168.122.1/24"},
                      "right": {"segment": "wan", "ipv4": "10.0.0.2/8"}},
    "routers": {"eth0": {"segment": "lan", "ipv4": "192.168.122.9/24"}},
    "real": {"ens3": {}},
    "bare": {},
}
GROUPS = {"all": list(HOSTS), "ungrouped": [], "routers": ["r.example.org"], "receivers": ["server", "client"],
          "nobody": []}
HELLO = {"group": "239.0.0.100", "port": 11111, "from": "client", "to": ["server"]}


def settle(**changes):
    settled, = stream.settle({"hello": dict(HELLO, **changes)}, GROUPS, HOSTS.__getitem__)
    return settled


def test_hello():
    assert settle() == {
        "name": "hello", "group": "239.0.0.100", "port": 11111, "filter_mode": "exclude", "sources": [], "count": 5,
        "interval": 0.1, "soak": 0.0, "foreign": [], "payload": "HELLO", "ttl": 1,
        "senders": {"client": {"interface": "eth0", "address": "192.168.122.181"}},
        "receivers": {"server": {"interface": "eth0"}}}


@pytest.mark.parametrize(("changes", "key", "value"), [
    ({"port": "4001"}, "port", 4001), ({"port": 65535}, "port", 65535), ({"ttl": 0}, "ttl", 0),
    ({"interval": 0}, "interval", 0.0), ({"interval": "0.5"}, "interval", 0.5), ({"count": 1}, "count", 1),
    ({"payload": ""}, "payload", ""), ({"group": "FF15::0:100"}, "group", "ff15::100"),
    ({"sources": "192.168.122.181"}, "sources", ["192.168.122.181"]),
    ({"sources": ["client"]}, "sources", ["192.168.122.181"]),
    ({"sources": ["client", "192.168.122.181", "10.0.0.9"]}, "sources", ["192.168.122.181", "10.0.0.9"]),
    ({"sources": ["client"], "group": "ff35::1"}, "sources", ["fd00:122::1"]),
    ({"sources": ["FD00::0:9"], "group": "ff35::1"}, "sources", ["fd00::9"]),
    ({"sources": ["client"]}, "filter_mode", "include"),
    ({"sources": ["client"], "group": "232.1.1.1"}, "filter_mode", "include"),
    ({"sources": ["client"], "filter_mode": "exclude"}, "filter_mode", "exclude"),
    ({"sources": None}, "filter_mode", "exclude"), ({"sources": []}, "filter_mode", "exclude"),
])
def test_settings(changes, key, value):
    assert settle(**changes)[key] == value


# from, to, senders by interface, receivers by interface: a host's name goes before a group's of the same name
ENDS = [
    ("client", "server", {"client": "eth0"}, {"server": "eth0"}),
    (["client", "client"], ["server"], {"client": "eth0"}, {"server": "eth0"}),
    ("routers", "receivers", {"routers": "eth0"}, {"server": "eth0", "client": "eth0"}),
    ("client", ["receivers", "server"], {"client": "eth0"}, {"server": "eth0", "client": "eth0"}),
    ("client", "r.example.org", {"client": "eth0"}, {"r.example.org": "left"}),
    ("r.example.org", "far", {"r.example.org": "right"}, {"far": "eth0"}),
    ("client", {"r.example.org": "right"}, {"client": "eth0"}, {"r.example.org": "right"}),
    ("real", "client", {"real": "ens3"}, {"client": "eth0"}),
    ({"bare": "eth7"}, "client", {"bare": "eth7"}, {"client": "eth0"}),
    ({"client": None}, {"far": "eth1"}, {"client": "eth0"}, {"far": "eth1"}),
    ("client", "client", {"client": "eth0"}, {"client": "eth0"}),
    ("client", {"receivers": None, "real": "ens3", "nobody": None}, {"client": "eth0"},
     {"server": "eth0", "client": "eth0", "real": "ens3"}),
]


@pytest.mark.parametrize(("from_", "to", "senders", "receivers"), ENDS)
def test_ends(from_, to, senders, receivers):
    settled = settle(**{"from": from_, "to": to})
    assert {host: end["interface"] for host, end in settled["senders"].items()} == senders
    assert {host: end["interface"] for host, end in settled["receivers"].items()} == receivers


@pytest.mark.parametrize("order", [("pair", "far"), ("far", "pair")])
def test_what_is_said_of_a_host_goes_before_what_is_said_of_its_group(order):
    said = {"pair": "eth0", "far": "eth1"}
    groups = {"all": ["client", "far"], "pair": ["client", "far"]}
    settled, = stream.settle({"hello": dict(HELLO, to={name: said[name] for name in order})}, groups,
                             HOSTS.__getitem__)
    assert settled["receivers"] == {"client": {"interface": "eth0"}, "far": {"interface": "eth1"}}


@pytest.mark.parametrize(("host", "group", "address"), [
    ("client", "ff15::1", "fd00:122::1"), ("server", "ff15::1", None), ("real", "239.0.0.1", None),
    ("r.example.org", "239.0.0.1", "192.168.122.1"),
    ("client", "ff02::1", None), ("client", "ff12::5", None),  # from the link-local address
])
def test_address_of_a_sender_where_it_is_known(host, group, address):
    assert settle(group=group, to="client", **{"from": host})["senders"][host]["address"] == address


# name: what is wrong with the stream, the key, what is said
BAD = {
    "no group": ({"group": "192.168.122.225"}, "group", "not a multicast group; expected an address of 224.0.0.0/4"),
    "no address": ({"group": "hello"}, "group", "a group is one of 224.0.0.0/4 or ff00::/8"),
    "group a number": ({"group": 4009754724}, "group", "expected a text"),
    "two of one family": ({"group": ["239.0.0.1", "239.0.0.2"]}, "group", "expected one group, or one of each family"),
    "no groups": ({"group": []}, "group", "expected one group, or one of each family, not 0"),
    "one source-specific": ({"group": ["232.0.0.1", "ff15::1"]}, "group", "one is a source-specific group"),
    "sources of one family": ({"group": ["239.0.0.1", "ff15::1"], "sources": ["10.0.0.1"]}, "sources",
                              "leave none for ff15::1; name senders, or an IPv6 address too"),
    "group a mapping": ({"group": {}}, "group", "expected a text"),
    "group missing": ({"group": None}, "group", "is missing"),
    "port 0": ({"port": 0}, "port", "expected a whole number from 1 to 65535, not 0"),
    "port too high": ({"port": 65536}, "port", "expected a whole number from 1 to 65535"),
    "port negative": ({"port": -1}, "port", "from 1 to 65535"),
    "port a word": ({"port": "http"}, "port", "from 1 to 65535, not 'http'"),
    "port true": ({"port": True}, "port", "from 1 to 65535, not True"),
    "port a fraction": ({"port": 80.5}, "port", "a whole number from 1 to 65535"),
    "port missing": ({"port": None}, "port", "is missing"),
    "ttl": ({"ttl": 256}, "ttl", "from 0 to 255"),
    "count": ({"count": -1}, "count", "from 0 to"),
    "soak": ({"soak": "a while"}, "soak", "expected a duration such as 5s"),
    "soak of nothing": ({"soak": 0}, "soak", "needs a duration and an interval above 0"),
    "soak without interval": ({"soak": "5m", "interval": 0}, "soak", "needs a duration and an interval above 0"),
    "soak and count": ({"soak": "5m", "count": 7}, "soak", "and count both say how long the stream is"),
    "interval": ({"interval": -0.1}, "interval", "expected a number from 0 to 3600"),
    "interval nan": ({"interval": "nan"}, "interval", "expected a number from 0 to 3600"),
    "payload too large": ({"payload": "ä" * 32754}, "payload", "is 65508 bytes long; a datagram takes at most 65507"),
    "no IPv4 address": ({"from": {"far": "eth1"}}, "from", "far has no IPv4 address on eth1, and 239.0.0.100"),
    "payload": ({"payload": 5}, "payload", "expected a text, not 5; put it in quotes"),
    "unknown key": ({"form": "client"}, "form", "is not known; expected one of group, port, from, to"),
    "unknown host": ({"to": ["srever"]}, "to", "'srever' is neither a host nor a group of the inventory"),
    "unknown sender": ({"from": "cleint"}, "from", "'cleint' is neither a host nor a group"),
    "nobody at all": ({"to": []}, "to", "expected at least one host"),
    "empty mapping": ({"from": {}}, "from", "expected at least one host"),
    "to missing": ({"to": None}, "to", "is missing"),
    "empty group": ({"to": "nobody"}, "to", "names only groups without hosts"),
    "to a number": ({"to": 5}, "to", "expected a text or a list of texts"),
    "to a number in a list": ({"to": [5]}, "to", "expected a text or a list of texts"),
    "interface a number": ({"to": {"server": 0}}, "to.server", "expected a text"),
    "unknown interface": ({"to": {"server": "eth1"}}, "to", "server has no interface eth1; it has eth0"),
    "interface not clear": ({"to": "far"}, "to", "the interface of far is not clear; say which of eth0, eth1: "),
    "no interface known": ({"to": "bare"}, "to", "set mcast_interface for this host in the inventory"),
    "ssm, no sources": ({"group": "232.1.1.1"}, "sources", "232.1.1.1 is a source-specific group"),
    "ssm 6, no sources": ({"group": "ff3e::8000:1"}, "sources", "are missing: ff3e::8000:1 is a source-specific"),
    "ssm excluded": ({"group": "232.1.1.1", "sources": ["10.0.0.1"], "filter_mode": "exclude"}, "sources",
                     "routers ignore a join without sources"),
    "include nothing": ({"filter_mode": "include"}, "sources", "an INCLUDE filter without sources is no membership"),
    "filter mode": ({"filter_mode": "Include"}, "filter_mode", "expected one of include, exclude"),
    "source": ({"sources": ["server"]}, "sources", "'server' is neither an address nor a sender"),
    "source a group": ({"sources": ["239.0.0.1"]}, "sources", "is not an ipv4 unicast address"),
    "source of any": ({"sources": ["0.0.0.0"]}, "sources", "is not an ipv4 unicast address"),
    "source's family": ({"sources": ["fd00::1"]}, "sources", "is not an ipv4 unicast address, as the group"),
    "sources a number": ({"sources": 5}, "sources", "expected a text or a list of texts"),
    "source unknown": ({"from": "real", "sources": ["real"]}, "sources", "the ipv4 address of real is not known"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_key_and_what_was_expected(name):
    changes, key, says = BAD[name]
    with pytest.raises(McastError) as error:
        settle(**changes)
    assert error.value.thing == f"streams.hello.{key}"
    assert says in error.value.reason


def settled(**changes):
    return stream.settle({"hello": dict(HELLO, **changes)}, GROUPS, HOSTS.__getitem__)


def test_a_group_of_each_family_makes_two_streams():
    found = settled(group=["239.0.0.100", "FF15::100"], sources=["client", "10.0.0.9", "fd00::9"])
    assert [(each["name"], each["group"], each["sources"]) for each in found] == [
        ("hello/ipv4", "239.0.0.100", ["192.168.122.181", "10.0.0.9"]),
        ("hello/ipv6", "ff15::100", ["fd00:122::1", "fd00::9"])]
    assert {stream.base_name(each["name"]) for each in found} == {"hello"}
    assert settle(group=["ff15::100"])["name"] == "hello"


@pytest.mark.parametrize(("streams", "key", "says"), [
    ({}, "streams", "expected at least one stream, such as hello: {group: 239.0.0.100, port: 11111"),
    (None, "streams", "expected a mapping, not nothing"), ([HELLO], "streams", "expected a mapping"),
    ({"hello": None}, "streams.hello", "expected a mapping"), ({1: HELLO}, "streams.1", "put it in quotes"),
    ({"a/b": HELLO}, "streams.a/b", "expected letters, digits, _ . and -, at most 48"),
    ({"a" * 49: HELLO}, f"streams.{'a' * 49}", "at most 48"), ({"": HELLO}, "streams.", "is not a usable name"),
    ({"hello\n": HELLO}, "streams.hello\n", "is not a usable name"),
])
def test_bad_streams(streams, key, says):
    with pytest.raises(McastError) as error:
        stream.check(streams)
    assert (error.value.thing, says in error.value.reason) == (key, True)


def member(group, mode, sources="", interface="eth0", port=1):
    return {"group": group, "port": port, "filter_mode": mode, "sources": list(sources), "senders": {},
            "receivers": {"server": {"interface": interface}}}


G1, G2 = "239.1.1.1", "239.1.1.2"
# RFC 9776 section 3.2: what sockets ask for, and what the interface does
UNIONS = [
    ([], {}),
    ([member(G1, "exclude")], {("eth0", G1): ("exclude", "")}),
    ([member(G1, "exclude", port=1), member(G1, "exclude", port=2)], {("eth0", G1): ("exclude", "")}),
    ([member(G1, "include", "ba"), member(G1, "include", "bc")], {("eth0", G1): ("include", "abc")}),
    ([member(G1, "exclude", "abcd"), member(G1, "exclude", "bcde"), member(G1, "include", "def")],
     {("eth0", G1): ("exclude", "bc")}),
    ([member(G1, "exclude", "ab"), member(G1, "exclude")], {("eth0", G1): ("exclude", "")}),
    ([member(G1, "exclude", "a"), member(G1, "exclude", "b")], {("eth0", G1): ("exclude", "")}),
    ([member(G1, "exclude", "a"), member(G1, "include", "a")], {("eth0", G1): ("exclude", "")}),
    ([member(G1, "exclude", "ab"), member(G1, "include", "c")], {("eth0", G1): ("exclude", "ab")}),
    ([member(G1, "include", "a"), member(G2, "include", "b")],
     {("eth0", G1): ("include", "a"), ("eth0", G2): ("include", "b")}),
    ([member(G1, "include", "a"), member(G1, "exclude", "b", interface="eth1")],
     {("eth0", G1): ("include", "a"), ("eth1", G1): ("exclude", "b")}),
]


@pytest.mark.parametrize(("streams", "union"), UNIONS)
def test_memberships(streams, union):
    wanted = {key: {"filter_mode": mode, "sources": list(sources)} for key, (mode, sources) in union.items()}
    for order in itertools.permutations(streams):
        assert stream.memberships(order, "server") == wanted
    assert stream.memberships(streams, "client") == {}


@pytest.mark.parametrize("mode", ["include", "exclude"])
def test_a_union_lets_through_what_any_of_its_parts_lets_through(mode):
    filters = [(kind, set(sources)) for kind in ("include", "exclude") for sources in ("", "a", "b", "ab", "abc")]
    for parts in itertools.combinations_with_replacement(filters, 3):
        union = stream.memberships([member(G1, *part) for part in parts], "server")["eth0", G1]
        for source in "abcd":
            any_part = any((source in sources) == (kind == "include") for kind, sources in parts)
            assert ((source in union["sources"]) == (union["filter_mode"] == "include")) == any_part, parts


@pytest.mark.parametrize(("foreign", "count", "expected"), [
    ("server", None, (["server"], 5)), (["client"], None, (["client"], 1)), (["client"], 7, (["client"], 7)),
    (["client", "server"], None, (["client", "server"], 1)), ([], None, ([], 5)),
])
def test_a_program_that_is_not_ours(foreign, count, expected):
    """Of what it sends, no number is known but the one that is stated."""
    body = dict(HELLO, foreign=foreign, **({"count": count} if count else {}))
    body.pop("count", None) if count is None else None
    found, = stream.settle({"hello": body}, GROUPS, HOSTS.__getitem__)
    assert (found["foreign"], found["count"]) == expected
    duties = stream.of_host([found], "server")["receive"] + stream.of_host([found], "client")["send"]
    assert [duty["foreign"] for duty in duties] == ["server" in found["foreign"], "client" in found["foreign"]]


def test_our_sender_next_to_a_foreign_one_sends_the_default_count():
    assert settle(**{"from": ["client", "routers"], "foreign": ["routers"]})["count"] == 5


def test_a_foreign_host_has_an_end_of_the_stream():
    with pytest.raises(McastError) as caught:
        stream.settle({"hello": dict(HELLO, foreign=["bare"])}, GROUPS, HOSTS.__getitem__)
    assert str(caught.value) == "streams.hello.foreign: 'bare' is neither a sender nor a receiver of this stream"


def test_of_host():
    streams = stream.settle({
        "hello": HELLO,
        "back": dict(HELLO, **{"from": {"r.example.org": "right"}, "to": {"client": None, "far": "eth0"}}),
    }, GROUPS, HOSTS.__getitem__)
    client = stream.of_host(streams, "client")
    assert [(each["name"], each["interface"]) for each in client["send"]] == [("hello", "eth0")]
    assert [(each["name"], each["interface"]) for each in client["receive"]] == [("back", "eth0")]
    assert client["interfaces"] == ["eth0"]
    assert set(client["send"][0]) == {"name", "group", "port", "ttl", "count", "interval", "payload", "filter_mode",
                                      "sources", "interface", "foreign"}
    assert stream.of_host(streams, "r.example.org")["interfaces"] == ["right"]
    assert stream.of_host(streams, "bare") == {"send": [], "receive": [], "open": [], "interfaces": []}
    assert client["open"] == [{"group": "239.0.0.100", "port": "11111"}]


def test_programs_of_streams():
    streams = stream.settle({"hello": HELLO, "theirs": dict(HELLO, foreign=["client", "server"])}, GROUPS,
                            HOSTS.__getitem__)
    sender = stream.programs(stream.of_host(streams, "client")["send"], "sender")
    assert list(sender) == ["sender-hello"] and programs.command("sender-hello", sender["sender-hello"])[0] == "sender"
    assert sender["sender-hello"] == {"sender": {"group": "239.0.0.100", "port": 11111, "interface": "eth0", "ttl": 1,
                                                 "count": 5, "interval": 0.1, "payload": "HELLO"}}
    receiver = stream.programs(stream.of_host(streams, "server")["receive"], "receiver")
    assert receiver == {"receiver-hello": {"receiver": {
        "group": "239.0.0.100", "port": 11111, "interface": "eth0", "filter_mode": "exclude", "sources": []}}}
    assert programs.command("receiver-hello", receiver["receiver-hello"])[1:] == [
        "--group=239.0.0.100", "--port=11111", "--interface=eth0", "--timeout=3600", "--filter-mode=exclude"]


def test_a_stream_without_a_name_has_no_program():
    with pytest.raises(McastError) as caught:
        stream.programs([{"group": "239.0.0.100"}], "sender")
    assert str(caught.value) == "streams: each needs a name, and this one has none: {'group': '239.0.0.100'}"
