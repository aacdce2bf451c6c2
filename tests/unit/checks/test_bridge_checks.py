# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of the topics `mdb` and `expiry`: when each passes, when it fails, and what it says then."""
from __future__ import annotations

import time

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab.topology import kernel_name
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

G, G6, S = "239.0.0.100", "ff15::100", "10.0.0.7"
LONG = "a-host-with-a-long-name~eth0"
PORTS = ("h1~eth0", "h2~eth0", kernel_name(LONG))


def entry(port="h1~eth0", group=G, source=None, mode="exclude", sources=(), timer=2.0, permanent=False):
    return {"group": group, "family": "ipv6" if ":" in group else "ipv4", "source": source, "port": port,
            "filter_mode": mode, "sources": [{"source": one, "timer": 1.5} for one in sources],
            "timer": None if permanent or sources else timer, "permanent": permanent, "protocol": "kernel", "flags": [],
            "vlan": None}


def facts(*entries, queriers=None, router_ports=(), **settings):
    bridge = dict({
        "up": True, "snooping": True, "query_interval": 1.0, "query_response_interval": 0.5, "querier_interval": 2.25,
        "membership_interval": 2.5,
        "entries": list(entries), "router_ports": list(router_ports), "queriers": queriers,
        "ports": {port: {"state": "forwarding"} for port in PORTS}}, **settings)
    return {"bridges": {"lan": bridge, "spare": dict(bridge, entries=[], ports={}), kernel_name("x" * 20): bridge}}


def run(name, params, found):
    passed, expected, actual, evidence = judge.make(name, dict({"bridge": "lan"}, **params)).judge(found)
    assert expected and actual and isinstance(evidence, dict)
    return passed, actual


HOME = {"group": G, "port": "h1~eth0"}
IGNORED = [entry("h2~eth0"), entry(group="239.0.0.10"), entry(source=S, mode="include", timer=None)]


@pytest.mark.parametrize("params, found, passed, actual", [
    (HOME, facts(entry()), True, "239.0.0.100 on h1~eth0 exclude"),
    (HOME, facts(), False, "none"),
    (HOME, facts(*IGNORED), False, "239.0.0.100 on h2~eth0 exclude; 239.0.0.100 on h1~eth0 from 10.0.0.7 include"),
    ({"group": G}, facts(entry("h2~eth0")), True, "239.0.0.100 on h2~eth0 exclude"),
    (dict(HOME, bridge="x" * 20), facts(entry()), True, "239.0.0.100 on h1~eth0 exclude"),
    ({"group": G, "port": LONG}, facts(entry(kernel_name(LONG))), True, None),
    ({"group": G, "port": kernel_name(LONG)}, facts(entry(kernel_name(LONG))), True, None),
    (dict(HOME, port="h1"), facts(entry()), False, f"lan has no port h1; its ports: h1~eth0, h2~eth0, {PORTS[2]}"),
    (dict(HOME, bridge="la"), facts(entry()), False, f"no bridge la; bridges here: lan, spare, {kernel_name('x' * 20)}"
     ),
    (dict(HOME, source=S), facts(*IGNORED), True, "239.0.0.100 on h1~eth0 from 10.0.0.7 include"),
    (dict(HOME, source=S), facts(entry()), False, None),
    (dict(HOME, filter_mode="include"), facts(entry()), False, "239.0.0.100 on h1~eth0 exclude"),
    (dict(HOME, filter_mode="include", sources=[S]), facts(entry(mode="include", sources=[S])), True,
     "239.0.0.100 on h1~eth0 include 10.0.0.7"),
    (dict(HOME, sources=[S]), facts(entry(mode="include", sources=[S, "10.0.0.8"])), False, None),
    (dict(HOME, sources=[]), facts(entry()), True, None),
    (dict(HOME, permanent=True), facts(entry()), False, None),
    (dict(HOME, permanent=True), facts(entry(permanent=True)), True, "239.0.0.100 on h1~eth0 permanent"),
    (dict(HOME, permanent=False), facts(entry(permanent=True)), False, None),
    (HOME, facts(entry(), entries=None), False, "unknown: the program bridge of iproute2 is not there"),
    ({"group": "FF15:0::100"}, facts(entry(group=G6)), True, None),
])
def test_present(params, found, passed, actual):
    assert run("mdb.present", params, found) == (passed, actual or run("mdb.present", params, found)[1])


@pytest.mark.parametrize("params, found, passed", [
    (HOME, facts(), True), (HOME, facts(*IGNORED), True), (HOME, facts(entry()), False),
    ({"group": G}, facts(entry("h2~eth0")), False), (HOME, facts(entry(permanent=True)), False),
    (dict(HOME, source=S), facts(entry()), True), (dict(HOME, source=S), facts(*IGNORED), False),
    (dict(HOME, port="h3~eth0"), facts(), False),  # a port that isn't there proves nothing
    (dict(HOME, bridge="none"), facts(), False), (HOME, facts(entries=None), False),
])
def test_absent(params, found, passed):
    assert judge.CHECKS["mdb.absent"].ABSENCE
    assert run("mdb.absent", params, found)[0] == passed


@pytest.mark.parametrize("ports, found, passed, actual", [
    (["h1~eth0"], facts(entry()), True, "h1~eth0"),
    (["h1~eth0"], facts(entry(), entry("h2~eth0")), False, "h1~eth0, h2~eth0"),
    (["h1~eth0", "h2~eth0"], facts(entry()), False, "h1~eth0"),
    (["h1~eth0", LONG], facts(entry(), entry(kernel_name(LONG))), True, None),
    (["h1~eth0"], facts(entry(source=S, mode="include"), entry(mode="include", sources=[S])), True, "h1~eth0"),
    ([], facts(), True, "no port"), ([], facts(entry()), False, "h1~eth0"),
    (["h9~eth0"], facts(), False, None),
])
def test_ports(ports, found, passed, actual):
    got = run("mdb.ports", {"group": G, "ports": ports}, found)
    assert got == (passed, actual or got[1])


@pytest.mark.parametrize("rows, passed, actual", [
    ([{"port": "h1~eth0", "type": "temporary", "timer": 2.0}], True, "router ports: h1~eth0 (temporary)"),
    ([{"port": "h2~eth0", "type": "always", "timer": None}], False, "router ports: h2~eth0 (always)"),
    ([], False, "router ports: none"),
])
def test_router_port(rows, passed, actual):
    assert run("mdb.router_port", {"port": "h1~eth0"}, facts(router_ports=rows)) == (passed, actual)


def querier(address, own=False, port=None):
    return {"address": address, "self": own, "port": port, "timer": None if own else 2.0}


OTHER = {"ipv4": querier("10.0.0.1", port="h1~eth0"), "ipv6": None}
OWN = {"ipv4": querier("0.0.0.0", True), "ipv6": querier("::", True)}


@pytest.mark.parametrize("params, found, lives, none, actual", [
    ({}, facts(queriers=OTHER), True, False, "10.0.0.1 at h1~eth0, last heard 0.2 s ago"),
    ({}, facts(queriers=OTHER, query_interval=0.2), False, False, "10.0.0.1 at h1~eth0, last heard 0.2 s ago"),
    ({}, facts(queriers=OTHER, querier_interval=3.1), True, False, "10.0.0.1 at h1~eth0, last heard 1.1 s ago"),
    ({}, facts(queriers=OTHER, querier_interval=3.2), False, False, "10.0.0.1 at h1~eth0, last heard 1.2 s ago"),
    ({}, facts(queriers=OTHER, querier_interval=255, query_interval=125), False, False, None),
    ({}, facts(queriers=OWN, up=False), False, False, None),
    ({"family": "ipv6"}, facts(queriers=OTHER), False, True, "no querier"),
    ({}, facts(queriers=OWN), True, False, "the bridge itself, as 0.0.0.0"),
    ({"family": "ipv6"}, facts(queriers=OWN), False, True,
     "no querier: the bridge has no link-local address to send MLD queries from"),
    ({}, facts(queriers=None), False, False,
     "unknown: this kernel, or the lack of /usr/bin/python3, leaves the querier open"),
    ({}, facts(queriers=None, snooping=False), False, False,
     "unknown: the bridge doesn't snoop, and so knows no querier"),
    ({"bridge": "none"}, facts(queriers=OTHER), False, False, None),
])
def test_querier(params, found, lives, none, actual):
    for name, passed in (("mdb.querier", lives), ("mdb.no_querier", none)):
        got = run(name, params, found)
        assert got == (passed, actual or got[1])


# What the bridge knows, the capture's queries by source and seconds ago, how it has ended; whether that is enough.
@pytest.mark.parametrize("params, found, queries, ended, passed, actual", [
    ({}, OTHER, [], None, True, "last heard 0.2 s ago"),
    ({"interval": 0.1}, OTHER, [], None, False, "last heard 0.2 s ago; capture wire shows none"),
    ({"interval": 0.3}, OTHER, [], None, True, "last heard 0.2 s ago"),
    # Another one has taken over, and the bridge still remembers the first.
    ({"interval": 0.1}, OTHER, [("10.0.0.2", 5, 10)], None, True, "10.0.0.2 last heard 5.0 s ago in capture wire"),
    ({"interval": 0.1}, OTHER, [("10.0.0.2", 12, 10)], None, False, "10.0.0.2 last heard 12.0 s ago"),
    ({"interval": 0.1}, OTHER, [("10.0.0.2", 5, None)], None, False, "10.0.0.2 last heard 5.0 s ago"),
    ({"interval": 5}, {"ipv4": None}, [("10.0.0.2", 5, None)], None, True, "no querier; 10.0.0.2"),
    ({}, {"ipv4": None}, [("10.0.0.2", 5, None)], None, True, "no querier; 10.0.0.2"),
    ({}, {"ipv4": None}, [("10.0.0.2", 5, 10)], "size", False, "no querier; 10.0.0.2"),
    ({}, {"ipv4": None}, [("10.0.0.2", 5, 10)], "SIGTERM", True, "no querier; 10.0.0.2"),
    ({"address": "10.0.0.3"}, {"ipv4": None}, [("10.0.0.2", 5, 10)], None, False, "capture wire shows none"),
    ({"self": True}, {"ipv4": None}, [("10.0.0.2", 5, 10)], None, False, "capture wire shows none"),
    ({"port": "h1~eth0"}, {"ipv4": None}, [("10.0.0.2", 5, 10)], None, False, "capture wire shows none"),
    ({"family": "ipv6"}, {"ipv6": None}, [("10.0.0.2", 5, 10)], None, False, "capture wire shows none"),
    ({"capture": "lost"}, {"ipv4": None}, [], None, False, "no querier; no capture lost"),
])
def test_a_query_in_a_capture_is_as_good(monkeypatch, params, found, queries, ended, passed, actual):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    messages = [{"query": "general", "kind": "igmpv3_query", "source": source, "time": round((now - ago) * 1e9),
                 "interval": interval} for source, ago, interval in queries]
    told = facts(queriers=found)
    told["captures"] = {"wire": {"report": {"ended": ended and {"time": now, "reason": ended}},
                                 "wire": {"messages": messages}}}
    got = run("mdb.querier", {"capture": "wire", **params}, told)
    assert got[0] == passed and actual in got[1], got[1]


@pytest.mark.parametrize("params, queriers, passed", [
    ({"address": "10.0.0.1"}, OTHER, True), ({"address": "10.0.0.10"}, OTHER, False), ({"self": True}, OTHER, False),
    ({"self": False}, OTHER, True), ({"self": True}, OWN, True), ({"port": "h1~eth0"}, OTHER, True),
    ({"port": "h2~eth0"}, OTHER, False), ({"port": "h1~eth0"}, OWN, False),
])
def test_which_querier(params, queriers, passed):
    assert run("mdb.querier", params, facts(queriers=queriers))[0] == passed


@pytest.mark.parametrize("settings, passed, actual", [
    ({}, True, "2.5 s; 2 x 1 s + 0.5 s is 2.5 s"), ({"membership_interval": 2.48}, True, None),
    ({"membership_interval": 260}, False, "260 s; 2 x 1 s + 0.5 s is 2.5 s"),
    ({"query_interval": 125, "query_response_interval": 10, "membership_interval": 260}, True, None),
    ({"membership_interval": 1.5}, False, None),
])
def test_interval(settings, passed, actual):
    got = run("expiry.interval", {}, facts(**settings))
    assert got == (passed, actual or got[1])


@pytest.mark.parametrize("found, passed, actual", [
    (facts(entry()), True, "2 s left of at most 2.5 s"),
    (facts(entry(timer=2.6)), False, "2.6 s left of at most 2.5 s"),
    (facts(entry(mode="include", sources=[S])), True, "1.5 s left of at most 2.5 s"), (facts(), False, "no entry"),
    (facts(entry(permanent=True)), False, "239.0.0.100 on h1~eth0 permanent, which never ends"),
])
def test_timer(found, passed, actual):
    assert run("expiry.timer", HOME, found) == (passed, actual)


@pytest.mark.parametrize("looks, passed, actual", [
    ([(0, True), (1, True), (2.4, False)], True, "gone within 2.4 s, due after 2.5 s"),
    ([(0, False)], True, "gone within 0.0 s, due after 2.5 s"),
    ([(0, True), (3.2, False)], True, "gone within 3.2 s, due after 2.5 s"),  # the kernel's timers may be late
    ([(0, True), (3.5, False), (3.6, False)], False, "gone within 3.5 s, due after 2.5 s"),
    ([(0, True), (4, True)], False, "there still after 4.0 s of 2.5 s, 2 s left"),
])
def test_gone(looks, passed, actual):
    check = judge.make("expiry.gone", dict(HOME, bridge="lan"))
    for moment, there in looks:
        check.clock = lambda moment=moment: moment
        got = check.judge(facts(*([entry()] if there else [])))
    assert (got[0], got[2]) == (passed, actual)


@pytest.mark.parametrize("name, params, message", [
    ("mdb.present", {"bridge": "lan"}, "mdb.present.group: is missing"),
    ("mdb.present", {"bridge": "lan", "group": "10.0.0.1"}, "mdb.present.group: 10.0.0.1 is not a multicast group"),
    ("mdb.querier", {"bridge": "lan", "family": "ip"}, "mdb.querier.family: expected one of ipv4, ipv6"),
    ("mdb.ports", {"bridge": "lan", "group": G}, "mdb.ports.ports: is missing"),
    ("expiry.gone", {"bridge": "lan", "group": G}, "expiry.gone.port: is missing"),
])
def test_refused(name, params, message):
    with pytest.raises(McastError) as caught:
        judge.make(name, params)
    assert str(caught.value).startswith(message)
