# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused of streams that run by themselves."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import stream
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import routing, topology
from ansible_collections.mcast.lab.plugins.plugin_utils.run import running, scene

TOPOLOGY = topology.settle({
    "segments": {"lan": {"ipv4": "10.0.0.0/24", "ipv6": "fd00::/64"}, "far": {"ipv4": "10.1.0.0/24"},
                 "island": {"ipv4": "10.2.0.0/24"}},
    "hosts": {**{name: {"interfaces": {"eth0": {"segment": "lan"}}} for name in ("a", "b", "c", "d")},
              "r": {"interfaces": {"up": {"segment": "lan"}, "down": {"segment": "far"}}, "router": {}},
              "tv": {"interfaces": {"eth0": {"segment": "far"}}},
              **{name: {"interfaces": {"eth0": {"segment": "island"}}} for name in ("x", "y")}}}, "lab")
REAL = {name: {"eth0": {}} for name in ("p", "q", "s")}
HOSTS = [*TOPOLOGY["hosts"], *REAL]
NEWS = {"group": "239.1.1.1", "port": 1, "from": "a", "to": "b"}


def interfaces(host):
    return REAL.get(host) or TOPOLOGY["hosts"][host]["interfaces"]


def check(streams, hosts=HOSTS):
    settled = stream.settle(streams, {"all": HOSTS}, interfaces)
    running.check(settled, hosts, scene.Inventory(
        {"all": HOSTS}, settled, interfaces, lambda host: {}, lambda host: {}, TOPOLOGY["segments"],
        lambda *places: routing.distance(TOPOLOGY, *places)))


@pytest.mark.parametrize("other", [
    {"port": 2}, {"group": "239.1.1.2"}, {"from": "a", "to": "c"},  # its one sender is the same
    {"from": "x", "to": "y"},  # a segment from which no router leads here
    {"from": "c", "to": "d", "sources": "c"},  # but see below: news would hear c
], ids=str)
def test_streams_that_go_together(other):
    news = dict(NEWS, sources="a") if other.get("sources") else NEWS
    check({"news": news, "other": dict(NEWS, **other)})


@pytest.mark.parametrize(("other", "says"), [
    ({"from": "c", "to": "d"}, "streams.other: has the group and port of news, and other senders"),
    ({"from": "c", "to": "d", "sources": "c"}, "streams.other: has the group and port of news"),
    ({"from": "tv", "to": "d", "ttl": 2}, "streams.other: has the group and port of news"),
    ({"from": "p", "to": "q"}, "streams.other: has the group and port of news"),  # nobody knows the segments
    ({"from": ["a", "c"], "to": "d"}, "streams.other: has the group and port of news"),
    ({"group": ["239.1.1.1", "ff15::1"], "from": "c", "to": "d"}, "streams.other: has the group and port of news"),
    ({"port": 2, "from": None}, "streams.other.from: is missing; only a stream of mcast_steps may do without senders"),
    ({"port": 2, "count": 0}, "streams.other.count: is 0, so that only a step of mcast_steps can end the stream"),
], ids=str)
def test_streams_that_can_not_work(other, says):
    with pytest.raises(McastError) as caught:
        check({"news": NEWS, "other": dict(NEWS, **other)})
    assert str(caught.value).startswith(says)


def test_a_stream_whose_sender_takes_no_part():
    with pytest.raises(McastError, match=r"streams\.news\.from: a takes no part in this run"):
        check({"news": NEWS}, ["b"])
    check({"news": NEWS}, ["a"])
    check({"news": NEWS}, ["c"])
    check({"news": dict(NEWS, foreign="a")}, ["b"])
