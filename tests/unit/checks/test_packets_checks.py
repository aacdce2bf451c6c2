# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of what was on the wire, against messages and flows as capture_info tells them."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.packet.datagram import Datagram
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

G, G6, MAC, OWN = "239.0.0.100", "ff15::100", "01:00:5e:00:00:64", "02:00:00:00:00:02"
REPORT = {"program": "capture", "interface": "eth0", "ended": None, "error": None, "bytes": 1, "captured": None,
          "received": None, "dropped": None, "dropped_by_interface": None}
STOPPED = dict(REPORT, captured=5, received=5, dropped=0, ended={"time": 1.0, "reason": "SIGTERM"})


def message(number, kind="igmpv3_report", record="to_ex", group=G, **more):
    protocol = "mld" if kind.startswith("mld") else "igmp"
    records = [{"type": record, "group": group, "sources": more.pop("sources", [])}] if record else []
    return dict({
        "number": number, "time": (1700000000 + number) * 10 ** 9, "kind": kind, "protocol": protocol,
        "source": "10.0.0.2", "destination": "224.0.0.22" if protocol == "igmp" else "ff02::16", "ttl": 1,
        "router_alert": True, "source_mac": OWN, "destination_mac": "01:00:5e:00:00:16", "query": None,
        "group": None if record else group, "records": records, "details": {}}, **more)


def query(number, kind, **more):
    return message(number, kind, None, None, query="general", **more)


def datagram(number, payload=b"HELLO", whole=True, checksum="good", **more):
    one = Datagram(number, (1700000000 + number) * 10 ** 9, "10.0.0.1", G, 11111, 1, MAC, payload, whole, checksum)
    return one._replace(**more)


def flow(packets=1, first=2, last=2, **more):
    """The datagrams of a flow: the first one at its time, the others at that of the last."""
    return [datagram(first if not number else last, **more) for number in range(packets)]


def flows_of(datagrams):
    """As capture.read() counts them."""
    found = {}
    for one in datagrams:
        key = one.source, one.group, one.port
        found[key] = found.get(key, 0) + 1
    return [{"source": source, "group": group, "destination_port": port, "packets": number}
            for (source, group, port), number in found.items()]


def facts(*messages, flows=(), datagrams=None, report=None, version=3, limits=(2, 2), total=5, truncated=False,
          force_mld=0, **left_out):
    """flows: lists of datagrams; datagrams: those that are listed, else all of the flows."""
    there = [one for each in flows for one in each] or datagrams or []
    wire = {"messages": list(messages), "flows": flows_of(there), "packets": {"total": total}, "truncated": truncated,
            "left_out": {"messages": 0, "flows": 0, "datagrams": 0, **left_out}}
    return {"captures": {"c": {"report": report or REPORT, "wire": wire,
                               "datagrams": there if datagrams is None else datagrams}},
            "interfaces": {"eth0": {"mac": OWN, "igmp_version": {"value": version}, "force_mld_version": force_mld}},
            "limits": dict(zip(("igmp_qrv", "mld_qrv"), limits))}


AFTER_ADDRESS = message(9, "mldv2_report", records=[
    {"type": "to_ex", "group": group, "sources": []} for group in (G6, "ff02::1:ff00:1")])
JOIN, JOINS = {"kinds": "igmpv3_report", "group": G, "record": "to_ex"}, (message(1), message(2))
V3 = {"interface": "eth0", "group": G, "change": "join"}
V6 = dict(V3, group=G6)
PORT = {"group": G, "port": 11111}
STEPS = [dict(JOIN), dict(PORT), dict(JOIN, record="to_in")]
TTL5 = message(2, ttl=5)
SPOILED, OPEN = [datagram(2), datagram(3, checksum="bad")], [datagram(2), datagram(3, checksum="unfinished")]

# check, its options beside the capture, facts, whether it passes, and a part of what it found
ROWS = [
    ("messages", JOIN, facts(*JOINS), True, "2"),
    ("messages", JOIN, facts(), False, "0"),
    ("messages", dict(JOIN, count=2), facts(*JOINS), True, "2"),
    ("messages", dict(JOIN, count=2), facts(*JOINS, message(3)), False, "3"),
    ("messages", dict(JOIN, count=2), facts(message(1)), False, "1"),
    ("messages", dict(JOIN, count=0), facts(), True, "0"),
    ("messages", dict(JOIN, count=0), facts(*JOINS), False, "2"),
    ("messages", dict(JOIN, at_least=2), facts(*JOINS, message(3)), True, "3"),
    ("messages", dict(JOIN, at_least=3), facts(*JOINS), False, "2"),
    ("messages", dict(JOIN, at_most=1), facts(), True, "0"),
    ("messages", dict(JOIN, at_most=1), facts(*JOINS), False, "2"),
    ("messages", dict(JOIN, at_least=1, at_most=2), facts(*JOINS), True, "2"),
    ("messages", dict(JOIN, count=1), facts(message(1), message(2, record="to_in")), True, "1"),
    ("messages", dict(JOIN, count=1), facts(message(1), message(2, group="239.0.0.10")), True, "1"),
    ("messages", {"kinds": ["igmp"], "count": 2}, facts(*JOINS), True, "2"),
    ("messages", {"kinds": ["mld"], "count": 0}, facts(*JOINS), True, "0"),
    ("messages", {"kinds": ["igmpv2_query", "igmpv3_query"], "count": 0}, facts(query(1, "igmpv3_query")), False, "1"),
    ("messages", {"group": G, "count": 1}, facts(message(1, "igmpv2_report", None)), True, "1"),
    ("messages", {"record": "to_ex", "groups": 2}, facts(*JOINS, message(3, group="239.0.0.10")), True, "3"),
    ("messages", {"record": "to_ex", "groups": 2}, facts(*JOINS, message(3, record="to_in", group=G6)), False,
     "1 groups in place of 2"),
    ("messages", {"kinds": "igmpv2_report", "groups": 1}, facts(message(1, "igmpv2_report", None)), True, "1"),
    ("datagrams", dict(PORT, consecutive=True), facts(flows=[flow(2)], datagrams=[
        datagram(1, b"HELLO 9"), datagram(2, b"HELLO 10")]), True, "2"),
    ("datagrams", dict(PORT, consecutive=True), facts(flows=[flow(2)], datagrams=[
        datagram(1, b"HELLO 9"), datagram(2, b"HELLO 11")]), False, "11 after 9 (frame 2)"),
    ("datagrams", dict(PORT, consecutive=True), facts(flows=[flow(2)], datagrams=[
        datagram(1, b"HELLO 9"), datagram(2, b"HELLO 9")]), False, "9 after 9 (frame 2)"),
    ("datagrams", dict(PORT, consecutive=True), facts(flows=[flow(2)], datagrams=[datagram(1), datagram(2)]), False,
     "None after None (frame 2)"),
    ("messages", dict(JOIN, source="10.0.0.3", count=0), facts(*JOINS), True, "0"),
    ("messages", dict(JOIN, ttl=1, router_alert=True, destination="224.0.0.22"), facts(*JOINS), True, "2"),
    ("messages", dict(JOIN, ttl=1), facts(message(1), TTL5), False, "2; ttl 5 in place of 1 (frame 2)"),
    ("messages", dict(JOIN, router_alert=True), facts(message(1, router_alert=False)), False, "router alert False"),
    ("messages", dict(JOIN, destination_mac=MAC), facts(message(1)), False, "destination mac 01:00:5e:00:00:16"),
    ("messages", dict(JOIN, source_mac=OWN), facts(message(1)), True, "1"),
    ("messages", dict(JOIN, sources=["10.0.0.9"]), facts(message(1)), False, "sources [] in place of ['10.0.0.9']"),
    ("messages", dict(JOIN, sources=["b", "a"]), facts(message(1, sources=["a", "b"])), True, "1"),
    ("messages", dict(JOIN, within=1), facts(*JOINS), True, "2"),
    ("messages", dict(JOIN, within=1), facts(message(1), message(3)), False, "2.000 s from the first to the last"),
    ("messages", dict(JOIN, apart=2), facts(message(1), message(3)), True, "2"),
    ("messages", dict(JOIN, apart=2), facts(message(1), message(4), message(5)), False, "two of them 1.000 s apart"),
    ("messages", dict(JOIN, apart=2), facts(message(1)), True, "1"),

    ("reports", V3, facts(*JOINS), True, "2 igmpv3_report to_ex 239.0.0.100"),
    ("reports", V3, facts(message(1)), False, "1 igmpv3_report"),
    ("reports", V3, facts(*JOINS, message(3)), False, "3 igmpv3_report"),
    ("reports", V3, facts(), False, "0 igmpv3_report"),
    ("reports", V3, facts(*JOINS, message(3, group=G[:-1])), True, "2 igmpv3_report"),
    ("reports", V3, facts(*JOINS, message(3, source_mac=MAC)), True, "2 igmpv3_report"),
    ("reports", V3, facts(message(1), message(2, source_mac=MAC)), False, "1 igmpv3_report"),
    ("reports", V3, facts(message(1), TTL5), False, "ttl 5 in place of 1"),
    ("reports", V3, facts(message(1), message(2, router_alert=False)), False, "router alert False in place of True"),
    ("reports", V3, facts(message(1), message(2, destination=G)), False, "destination 239.0.0.100 in place of 224.0"),
    ("reports", V3, facts(message(1), message(2, sources=["10.0.0.1"])), False, "sources ['10.0.0.1'] in place of []"),
    ("reports", V3, facts(message(1), limits=(1, 2)), True, "1 igmpv3_report"),
    ("reports", V3, facts(*JOINS, limits=(3, 2)), False, "2 igmpv3_report"),
    ("reports", V3, facts(*JOINS, limits=(None, None)), True, "2 igmpv3_report"),
    ("reports", V3, facts(message(1), query(2, "igmpv3_query")), True, "1 igmpv3_report"),
    ("reports", V3, facts(message(1), query(2, "mldv2_query")), False, "1 igmpv3_report"),
    ("reports", V3, facts(query(2, "igmpv3_query")), False, "0 igmpv3_report"),
    ("reports", dict(V3, change="leave"), facts(*JOINS), False, "0 igmpv3_report to_in"),
    ("reports", dict(V3, change="leave"),
     facts(message(1, record="to_in"), message(2, record="to_in")), True, "2 igmp"),
    ("reports", dict(V3, filter_mode="include", sources=["10.0.0.1"]),
     facts(*(message(n, record="allow", sources=["10.0.0.1"]) for n in (1, 2))), True, "2 igmpv3_report allow"),
    ("reports", dict(V3, filter_mode="include", sources=["10.0.0.1"], change="leave"),
     facts(*(message(n, record="block", sources=["10.0.0.1"]) for n in (1, 2))), True, "2 igmpv3_report block"),
    ("reports", dict(V3, exact=False, filter_mode="include", sources=["10.0.0.1"]),
     facts(message(1, record="to_in", sources=["10.0.0.9"])), True, "1 igmpv3_report 239"),
    ("reports", dict(V3, exact=False), facts(message(1, group=G6)), False, "0 igmpv3_report 239"),
    ("reports", V3, facts(message(1, "igmpv2_report", None, destination=G), version=2), True, "1 igmpv2_report"),
    ("reports", V3, facts(*JOINS, version=2), False, "0 igmpv2_report"),
    ("reports", V3,
     facts(message(1, "igmpv2_report", None), version=2), False, "destination 224.0.0.22 in place of 239"),
    ("reports", dict(V3, change="leave"), facts(version=2), True, "0 igmpv2_leave"),
    ("reports", dict(V3, change="leave"), facts(message(1, "igmpv2_leave", None, destination="224.0.0.2"), version=2),
     True, "1 igmpv2_leave"),
    ("reports", V3, facts(message(1, "igmpv1_report", None, destination=G), version=1), True, "1 igmpv1_report"),
    ("reports", V6, facts(*(message(n, "mldv2_report", group=G6) for n in (1, 2))), True, "2 mldv2_report to_ex"),
    ("reports", V6, facts(*(message(n, "mldv2_report", group=G6) for n in (1, 2, 3))), False, "3 mldv2_report to_ex"),
    # One of them repeats all that the host has joined, once its address has come up.
    ("reports", V6, facts(*(message(n, "mldv2_report", group=G6) for n in (1, 2)), AFTER_ADDRESS), True,
     "3 mldv2_report to_ex"),
    ("reports", V6, facts(*(message(n, "mldv2_report", group=G6) for n in (1, 2, 3)), AFTER_ADDRESS), False,
     "4 mldv2_report to_ex"),
    ("reports", V6, facts(AFTER_ADDRESS), False, "1 mldv2_report to_ex"),
    ("reports", V6, facts(message(1, "mldv2_report", group=G6)), False, "1 mldv2_report"),
    # The query that made it fall back came before the capture.
    ("reports", V6, facts(message(1, "mldv1_report", None, G6, destination=G6)), True, "1 mldv1_report"),
    ("reports", V6, facts(message(1, "mldv1_report", None, G6, destination=G6, source_mac=MAC)), False,
     "0 mldv2_report to_ex"),
    ("reports", V6, facts(message(1, "mldv1_report", None, G6, destination=G6), force_mld=1), True, "1 mldv1_report"),
    ("reports", V6,
     facts(message(1, "mldv1_report", None, G6, destination=G6), query(2, "mldv1_query")), True, "1 mld"),

    ("datagrams", PORT, facts(flows=[flow()]), True, "1"),
    ("datagrams", PORT, facts(), False, "0"),
    ("datagrams", dict(PORT, count=0), facts(), True, "0"),
    ("datagrams", dict(PORT, count=3), facts(flows=[flow(), flow(2, source="10.0.0.3")]), True, "3"),
    ("datagrams", dict(PORT, count=1, sources=["10.0.0.1"]),
     facts(flows=[flow(), flow(2, source="10.0.0.3")]), True, "1"),
    ("datagrams", dict(PORT, count=1), facts(flows=[flow(port=1111)]), False, "0"),
    ("datagrams", dict(PORT, count=1), facts(flows=[flow(group="239.0.0.10")]), False, "0"),
    ("datagrams", dict(PORT, count=1, ttl=1), facts(flows=[flow()]), True, "1"),
    ("datagrams", dict(PORT, count=1, ttl=1), facts(flows=[flow(ttl=5)]), False, "1; ttl 5 in place of 1"),
    ("datagrams", dict(PORT, ttl=1), facts(flows=[flow(), flow(ttl=2)]), False, "2; ttl 1, 2 in place of 1"),
    ("datagrams", dict(PORT, mac=MAC, payload="HELLO"), facts(flows=[flow()], datagrams=[datagram(1)]), True, "1"),
    ("datagrams", dict(PORT, mac=OWN), facts(flows=[flow()], datagrams=[datagram(1)]), False, "destination mac 01:00"),
    ("datagrams", dict(PORT, payload="HELLO"), facts(flows=[flow()], datagrams=[datagram(1, b"HELL")]), False,
     "payload 'HELL' in place of 'HELLO' (frame 1)"),
    ("datagrams", dict(PORT, payload="HELLO"),
     facts(flows=[flow()], datagrams=[datagram(1, b"HELL", False)]), True, "1"),
    ("datagrams", dict(PORT, payload="HELLO"),
     facts(flows=[flow()], datagrams=[datagram(1, b"JELL", False)]), False, "1;"),
    ("datagrams", dict(PORT, payload="HELLO"),
     facts(flows=[flow()], datagrams=[datagram(1, b"HEL", False, "unchecked")]), True, "1"),
    ("datagrams", dict(PORT, payload="grüß"),
     facts(flows=[flow()], datagrams=[datagram(1, "grüß".encode())]), True, "1"),

    # No receiver takes what has a wrong checksum, but it is there.
    ("datagrams", dict(PORT, count=2), facts(datagrams=SPOILED), False,
     "2; 1 of them with a wrong UDP checksum, which no receiver takes (frames 3)"),
    ("datagrams", dict(PORT, at_least=1), facts(datagrams=SPOILED), True, "2; 1 of them with a wrong"),
    ("datagrams", dict(PORT, at_least=2), facts(datagrams=SPOILED), False, "2; 1 of them with a wrong"),
    ("datagrams", dict(PORT, at_least=1, at_most=1), facts(datagrams=SPOILED), False, "2; 1 of them with a wrong"),
    ("datagrams", dict(PORT, count=0), facts(datagrams=SPOILED[1:]), False, "1; 1 of them with a wrong"),
    ("datagrams", PORT, facts(datagrams=[datagram(n, checksum="bad") for n in range(5)]), False, "(frames 0, 1, 2 …)"),
    ("datagrams", dict(PORT, count=2), facts(datagrams=OPEN), True, "2"),
    ("datagrams", dict(PORT, count=2, offload=True), facts(datagrams=OPEN), True, "2"),
    ("datagrams", dict(PORT, count=2, offload=False), facts(datagrams=OPEN), False,
     "2; 1 of them with a UDP checksum that is not filled in, which no receiver takes (frames 3)"),
    ("datagrams", dict(PORT, count=1, offload=False), facts(datagrams=[datagram(2, checksum="unchecked")]), True, "1"),
    ("checksums", PORT, facts(datagrams=[datagram(2), datagram(3, checksum="unchecked")]), True, "none of them wrong"),
    ("checksums", PORT, facts(datagrams=SPOILED), False, "2 datagrams; 1 of them with a wrong UDP checksum"),
    ("checksums", PORT, facts(datagrams=OPEN), False, "2 datagrams; 1 of them with a UDP checksum that is not filled"),
    ("checksums", PORT, facts(), False, "no datagrams"),
    ("checksums", dict(PORT, sources=["10.0.0.3"]), facts(datagrams=SPOILED), False, "no datagrams"),
    ("order", {"steps": [dict(JOIN), PORT]}, facts(message(1), datagrams=SPOILED), True, "then datagrams"),
    ("order", {"steps": [dict(JOIN), PORT]}, facts(message(1), datagrams=SPOILED[1:]), False,
     "then no datagrams to 239.0.0.100 port 11111; 1 of them with a wrong UDP checksum"),
    ("order", {"steps": [dict(JOIN), PORT]}, facts(message(1), datagrams=OPEN[1:]), True, "then datagrams"),
    ("order", {"steps": [dict(JOIN), PORT], "offload": False}, facts(message(1), datagrams=OPEN[1:]), False,
     "not filled"),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 5}, facts(message(1), datagrams=OPEN[1:]), True, "2.000 s"),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 5, "offload": False}, facts(message(1), datagrams=OPEN[1:]), False,
     "no datagrams"),
    ("order", {"steps": [dict(JOIN), PORT]}, facts(message(1, checksum="bad"), flows=[flow()]), False, "no igmpv3"),
    ("delay", {"from": JOIN, "to": PORT, "at_least": 1.5},
     facts(message(1), datagrams=[datagram(2, checksum="bad"), datagram(3)]), True, "2.000 s"),
    ("delay", {"from": JOIN, "to": dict(PORT, which="last"), "at_most": 1.5},
     facts(message(1), datagrams=[datagram(2), datagram(3, checksum="bad")]), False, "2.000 s"),
    ("messages", JOIN, facts(message(1), message(2, checksum="bad")), False, "2; bad checksum (frame 2)"),
    ("messages", dict(JOIN, count=0), facts(message(1, checksum="bad")), False, "1; bad checksum (frame 1)"),
    ("reports", V3, facts(message(1), message(2, checksum="bad")), False, "bad checksum (frame 2)"),
    ("reports", V3, facts(message(1), message(2, checksum="unchecked")), True, "2 igmpv3_report"),

    ("order", {"steps": STEPS},
     facts(message(1), message(3, record="to_in"), flows=[flow()]), True, "igmpv3_report to_ex"),
    ("order", {"steps": STEPS}, facts(message(1), message(3, record="to_in")), False,
     "igmpv3_report to_ex 239.0.0.100, then no datagrams to 239.0.0.100 port 11111"),
    ("order", {"steps": STEPS},
     facts(message(2), message(3, record="to_in"), flows=[flow(1, 1, 1)]), False, "then no data"),
    ("order", {"steps": STEPS},
     facts(message(2), message(3, record="to_in"), flows=[flow(2, 1, 2)]), True, "then datag"),
    ("order", {"steps": STEPS},
     facts(message(4), message(3, record="to_in"), flows=[flow(2, 1, 5)]), False, "then no igmp"),
    ("order", {"steps": STEPS}, facts(flows=[flow()]), False, "no igmpv3_report to_ex 239.0.0.100"),
    ("order", {"steps": [PORT]}, facts(flows=[flow(source="10.0.0.3")]), True, "datagrams to 239.0.0.100 port 11111"),
    ("order", {"steps": [dict(PORT, source="10.0.0.9")]}, facts(flows=[flow()]), False, "no datagrams"),

    ("delay", {"from": JOIN, "to": PORT, "at_most": 1}, facts(message(1), flows=[flow(1, 2, 2)]), True, "1.000 s"),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 0.9}, facts(message(1), flows=[flow(1, 2, 2)]), False, "1.000 s"),
    ("delay", {"from": JOIN, "to": PORT, "at_least": 1.1}, facts(message(1), flows=[flow(1, 2, 2)]), False, "1.000 s"),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 9}, facts(message(3), flows=[flow(1, 1, 2)]), False, "no datagr"),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 1},
     facts(message(3), flows=[flow(3, 1, 9)], datagrams=[datagram(1), datagram(4), datagram(9)]), True, "1.000 s"),
    ("delay", {"from": dict(JOIN, which="last"), "to": dict(PORT, which="last"), "at_most": 5},
     facts(message(1), message(3), flows=[flow(3, 1, 9)]), False, "6.000 s"),
    ("delay", {"from": dict(JOIN, which="last"), "to": dict(PORT, which="last"), "at_most": 0},
     facts(message(3), flows=[flow(3, 1, 2)]), True, "-1.000 s"),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 1}, facts(flows=[flow()]), False, "no igmpv3_report to_ex"),

    ("captured", {}, facts(report=STOPPED), True, "stopped, 5 captured, 5 received, 0 dropped, 5 in the file"),
    ("captured", {}, facts(report=dict(STOPPED, dropped=1)), False, "1 dropped"),
    ("captured", {}, facts(report=dict(STOPPED, dropped_by_interface=2)), False, "2 dropped"),
    ("captured", {}, facts(report=STOPPED, total=4), False, "4 in the file"),
    ("captured", {}, facts(report=STOPPED, truncated=True), False, "5 in the file"),
    ("captured", {}, facts(report=REPORT), False, "not ended, or killed"),
    ("captured", {}, facts(report=dict(STOPPED, ended={"reason": "size"})), False, "size, 5 captured"),
    ("captured", {}, facts(report=dict(STOPPED, ended={"reason": "error"}, error="eth0: has vanished")), False,
     "the capture has ended: eth0: has vanished"),
]


@pytest.mark.parametrize(("name", "params", "found", "passed", "actual"), ROWS)
def test_what_passes_and_what_fails(name, params, found, passed, actual):
    check = judge.make(f"packets.{name}", dict(params, capture="c"))
    assert check.describe()
    result, expected, shown, evidence = check.judge(found)
    assert result is passed and actual in shown and expected and isinstance(evidence, dict), shown
    assert isinstance(check.ABSENCE, bool)


@pytest.mark.parametrize(("name", "params"), [
    ("messages", JOIN), ("reports", V3), ("datagrams", PORT), ("order", {"steps": STEPS}), ("captured", {}),
    ("checksums", PORT),
    ("delay", {"from": JOIN, "to": PORT, "at_most": 1})])
def test_without_its_capture_each_fails(name, params):
    check = judge.make(f"packets.{name}", dict(params, capture="other"))
    assert check.judge(facts(*JOINS, flows=[flow()], report=STOPPED))[::2] == (False, "no capture other")


@pytest.mark.parametrize(("name", "params"), [
    ("reports", V3), ("reports", dict(V3, change="leave")),
    ("order", {"interface": "eth0", "steps": [{"kinds": "igmpv3_report", "group": G}, PORT]})])
@pytest.mark.parametrize(("before", "explained"), [
    ([{"interface": "eth0", "group": G}], True), ([{"interface": "eth1", "group": G}], False),
    ([{"interface": "eth0", "group": "239.0.0.10"}], False), ([], False), (None, False)])
def test_a_report_that_is_not_due_is_explained(name, params, before, explained):
    since = None if before is None else {"memberships": before}
    check = judge.make(f"packets.{name}", dict(params, capture="c"), since)
    passed, _expected, actual, _evidence = check.judge(facts(flows=[flow()]))
    said = "eth0 was a member of 239.0.0.100 before, so that a further join or leave is not reported"
    assert not passed and (said in actual) is explained


def test_what_has_ended_early_is_said():
    ended = dict(REPORT, ended={"reason": "error"}, error="tcpdump: was killed by SIGKILL")
    check = judge.make("packets.messages", dict(JOIN, capture="c"))
    assert check.judge(facts(report=ended))[2] == "0; the capture has ended: tcpdump: was killed by SIGKILL"
    assert check.judge(facts(*JOINS, report=ended))[:3:2] == (True, "2")


# Checks that pass on what is listed, and whether they still do when something lacks: (check, options, what is there,
# with further messages cut, with further flows cut, where the capture has ended early or lost packets).
CUT = [
    ("messages", JOIN, facts(*JOINS), True, True, True),
    ("messages", dict(JOIN, at_least=2), facts(*JOINS), True, True, True),
    ("messages", dict(JOIN, count=2), facts(*JOINS), False, True, False),
    ("messages", dict(JOIN, count=0), facts(), False, True, False),
    ("messages", dict(JOIN, at_most=3), facts(*JOINS), False, True, False),
    ("messages", dict(JOIN, ttl=1), facts(*JOINS), False, True, False),
    ("messages", dict(JOIN, sources=[]), facts(*JOINS), False, True, False),
    ("messages", dict(JOIN, apart=0.1), facts(*JOINS), False, True, False),
    ("reports", V3, facts(*JOINS), False, True, False),
    ("order", {"steps": [dict(JOIN), dict(PORT)]}, facts(*JOINS, flows=[flow()]), True, True, True),
    ("delay", {"from": dict(JOIN), "to": dict(PORT), "at_most": 5}, facts(*JOINS, flows=[flow()]), False, False, False),
    ("datagrams", PORT, facts(flows=[flow()], datagrams=[datagram(3)]), True, True, True),
    ("datagrams", dict(PORT, count=1), facts(flows=[flow()], datagrams=[datagram(3)]), True, False, False),
    ("datagrams", dict(PORT, count=0), facts(), True, False, False),
    ("datagrams", dict(PORT, ttl=1), facts(flows=[flow()], datagrams=[datagram(3)]), True, False, False),
    ("datagrams", dict(PORT, payload="HELLO"), facts(flows=[flow()], datagrams=[datagram(3)]), True, False, False),
    ("checksums", PORT, facts(flows=[flow()]), True, False, False),
]
LACKING = [{"dropped": 1}, {"dropped_by_interface": 2}, {"ended": {"reason": "size"}}, {"ended": {"reason": "timeout"}},
           {"exit": {"signal": "SIGKILL"}}, {"captured": 6, "ended": {"reason": "SIGTERM"}}]


@pytest.mark.parametrize(("name", "params", "found", "messages", "flows", "ended"), CUT)
def test_what_was_cut_can_not_pass(name, params, found, messages, flows, ended):
    def passes(**changes):
        capture = found["captures"]["c"]
        wire = dict(capture["wire"], truncated=changes.pop("truncated", False), left_out=dict(
            capture["wire"]["left_out"], **changes.pop("left_out", {})))
        cut = dict(found, captures={"c": dict(capture, wire=wire, report=dict(REPORT, **changes))})
        return judge.make(f"packets.{name}", dict(params, capture="c")).judge(cut)[0]

    assert passes()
    assert passes(left_out={"messages": 7}) is messages
    assert passes(left_out={"flows": 1, "datagrams": 9}) is passes(left_out={"datagrams": 9}) is flows
    assert passes(truncated=True) is ended
    assert [passes(**report) for report in LACKING] == [ended] * len(LACKING)


@pytest.mark.parametrize("params", [{"payload": "HELLO"}, {"mac": MAC}, {"consecutive": True}])
def test_datagrams_that_are_counted_and_not_listed_can_not_pass(params):
    numbered = [datagram(number, b"HELLO" if "payload" in params else b"HELLO %d" % number) for number in (3, 4)]
    check = judge.make("packets.datagrams", dict(PORT, capture="c", at_least=1, **params))
    assert check.judge(facts(flows=[flow(2)], datagrams=numbered))[0]
    for listed in (numbered[:1], []):
        passed, _expected, actual, _evidence = check.judge(facts(flows=[flow(2)], datagrams=listed))
        assert not passed and f"only {len(listed)} of them are listed" in actual


@pytest.mark.parametrize(("params", "window"), [
    ({}, False), ({"at_least": 2}, False), ({"count": 2}, True), ({"count": 0}, True), ({"at_most": 2}, True)])
def test_a_number_that_more_would_spoil_must_hold_over_a_window(params, window):
    for name, more in (("messages", JOIN), ("datagrams", PORT)):
        assert judge.make(f"packets.{name}", dict(more, capture="c", **params)).ABSENCE is window


@pytest.mark.parametrize(("name", "params", "says"), [
    ("messages", {}, "packets.messages.capture: is missing"),
    ("messages", {"capture": "c", "kinds": ["igmpv4_report"]}, "packets.messages.kinds: expected one of igmp"),
    ("messages", {"capture": "c", "kinds": "udp"}, "packets.messages.kinds: expected one of"),
    ("messages", {"capture": "c", "record": "join"}, "packets.messages.record: expected one of is_in"),
    ("messages", {"capture": "c", "group": "10.0.0.1"}, "packets.messages.group: 10.0.0.1 is not a multicast group"),
    ("messages", {"capture": "c", "count": -1}, "packets.messages.count: expected a whole number"),
    ("messages", {"capture": "c", "ttl": 256}, "packets.messages.ttl: expected a whole number from 0 to 255"),
    ("messages", {"capture": "c", "within": "soon"}, "packets.messages.within: expected a number"),
    ("messages", {"capture": "c", "router_alert": "on"}, "packets.messages.router_alert: expected one of True, False"),
    ("reports", dict(V3, capture="c", change="leaves"), "packets.reports.change: expected one of join, leave"),
    ("datagrams", {"capture": "c", "group": G}, "packets.datagrams.port: is missing"),
    ("order", {"capture": "c", "steps": []}, "packets.order.steps: expected a list of steps"),
    ("order", {"capture": "c", "steps": [{"kind": "igmp"}]}, "packets.order.steps[0].kind: is not known"),
    ("order", {"capture": "c", "steps": [PORT, "x"]}, "packets.order.steps[1]: expected a mapping"),
    ("delay", {"capture": "c", "from": PORT, "to": PORT}, "packets.delay: needs a bound"),
    ("delay", {"capture": "c", "from": PORT, "to": PORT, "at_least": 2, "at_most": 1}, "packets.delay: at_least 2 s"),
    ("delay", {"capture": "c", "from": {}, "to": PORT, "at_most": 1}, "packets.delay.from: expected what to look for"),
    ("delay", {"capture": "c", "from": PORT, "to": dict(PORT, which="any"), "at_most": 1},
     "packets.delay.to.which: expected one of first, last, next"),
])
def test_wrong_options_are_named(name, params, says):
    with pytest.raises(McastError) as caught:
        judge.make(f"packets.{name}", params)
    assert str(caught.value).startswith(says)
