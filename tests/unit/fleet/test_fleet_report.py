# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A gathering as CSV, metrics, a table, and what changed since another."""
from __future__ import annotations

import csv
import io
import re

import pytest
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet import report as fleet_report


def gathering(*rows, failures=(), hosts=(), findings=(), left_out=(), kept=None):
    """rows: (host, interface, group)."""
    groups = {}
    for host, interface, group in rows:
        groups.setdefault(group, []).append({
            "host": host, "interface": interface, "mode": "include", "sources": ["10.0.0.1", "10.0.0.2"],
            "process": {"value": "mgen", "basis": "inferred"}})
    return {"hosts": {name: {} for name in (*hosts, *(row[0] for row in rows))}, "groups": groups,
            "failures": {name: {"reason": "refused", "detail": "nobody"} for name in failures}, "how": {},
            "findings": list(findings), "elapsed": 1.25, "kept": kept or {},
            "inventory_hosts": [*hosts, *(row[0] for row in rows), *failures, *left_out]}


A, B, A1 = ("a", "eth0", "239.0.0.1"), ("b", "eth0", "239.0.0.1"), ("a", "eth1", "239.0.0.1")


def place(host, interface, group):
    return {"host": host, "interface": interface, "group": group}


@pytest.mark.parametrize("before, now, wanted", [
    (None, gathering(A), {}),
    (gathering(A), gathering(A), {}),
    (gathering(hosts="a"), gathering(A), {"joined": [place(*A)]}),
    (gathering(A), gathering(hosts="a"), {"left": [place(*A)]}),
    (gathering(A), gathering(A1), {"moved": [{"host": "a", "group": "239.0.0.1", "from": "eth0", "to": "eth1"}]}),
    (gathering(A), gathering(A, A1), {"joined": [place(*A1)]}),
    (gathering(A, ("a", "eth2", "239.0.0.1")), gathering(A1), {
        "moved": [{"host": "a", "group": "239.0.0.1", "from": "eth0", "to": "eth1"}],
        "left": [place("a", "eth2", "239.0.0.1")]}),
    (gathering(A), gathering(A, B), {"appeared": ["b"]}),
    (gathering(A, B), gathering(A, failures="b"), {"unknown": ["b"]}),
    (gathering(A, B), gathering(A, left_out="b"), {}),
    (gathering(A, B), gathering(A), {"vanished": ["b"]}),
    # It did not answer last time, and had been a member before that.
    (gathering(A, failures="b", kept={"b": [["eth0", "239.0.0.1"]]}), gathering(A, B), {}),
    (gathering(A, failures="b", kept={"b": [["eth0", "239.0.0.1"]]}), gathering(A, hosts="b"), {"left": [place(*B)]}),
    (gathering(A, failures="b", kept={"b": []}), gathering(A, failures="b"), {"unknown": ["b"]}),
    (gathering(A, failures="b", kept={"b": []}), gathering(A), {"vanished": ["b"]}),
    (gathering(A, failures="b"), gathering(A, B), {"appeared": ["b"]}),
    (gathering(hosts="a"), gathering(("a", "lo", "239.0.0.1"), ("a", "lo", "ff15::1")), {
        "joined": [place("a", "lo", "239.0.0.1"), place("a", "lo", "ff15::1")]}),
])
def test_changes(before, now, wanted):
    assert fleet_report.changes(before, now) == {**{kind: [] for kind in fleet_report.CHANGES}, **wanted}


def test_what_was_known_of_a_host_is_kept_until_it_answers():
    first = gathering(A, B, hosts=["c"])
    second = dict(gathering(A, failures=["b"], left_out=["c"]))
    second["kept"] = fleet_report.kept(first, second)
    assert second["kept"] == {"b": [["eth0", "239.0.0.1"]], "c": []}
    third = gathering(A, failures=["b"])
    assert fleet_report.kept(second, third) == {"b": [["eth0", "239.0.0.1"]]}  # c is no longer in the inventory
    assert fleet_report.kept(second, gathering(A, B)) == {} == fleet_report.kept(None, third)


HOSTILE = ["=1+1", "+x", "-x", "@x", "\t=x", "\x1b[31mred", "a\nfailed  m1: x", "a\rb", "\u202eabc", "a,b\"c", "\x9b1m",
           "\uff1d1", "\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_hosts_say_forges_nothing(text):
    now = gathering((text, text, "239.0.0.1"), failures=[f"{text}!"])
    now["groups"]["239.0.0.1"][0]["process"]["value"] = text
    now["failures"][f"{text}!"]["detail"] = text
    odd = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
    table = fleet_report.table(now, fleet_report.changes(None, now))
    assert not any(odd.search(line) or "\n" in line for line in table)
    rows = list(csv.reader(io.StringIO(fleet_report.csv_text(now))))
    formula = re.compile("[=+@\uff1d-]")
    assert len(rows) == 2 and not any(odd.search(cell) or formula.match(cell) for cell in rows[1])
    metrics = fleet_report.metrics(now)
    assert not odd.search(metrics) and all(line.startswith("# ") or SAMPLE.match(line) for line in metrics.splitlines())


def test_csv():
    rows = list(csv.DictReader(io.StringIO(fleet_report.csv_text(gathering(B, A, ("a", "eth0", "224.0.0.251"))))))
    assert [(row["host"], row["group"], row["name"]) for row in rows] == [
        ("a", "224.0.0.251", "mdns"), ("a", "239.0.0.1", ""), ("b", "239.0.0.1", "")]
    assert rows[1]["sources"] == "10.0.0.1 10.0.0.2" and rows[1]["process"] == "mgen"


SAMPLE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)*\})? [0-9.]+\Z')


def test_metrics():
    text = fleet_report.metrics(gathering(A, ('quo"te\\', "eth0", "239.0.0.1"), failures=["down"], findings=[
        {"kind": "shared_mac", "basis": "exact"}]))
    lines = text.splitlines()
    assert text.endswith("\n")
    assert all(line.startswith("# ") or SAMPLE.match(line) for line in lines), text
    assert 'mcast_membership{host="a",interface="eth0",group="239.0.0.1",mode="include"} 1' in lines
    assert 'mcast_membership{host="quo\\"te\\\\",interface="eth0",group="239.0.0.1",mode="include"} 1' in lines
    assert 'mcast_host_answered{host="down"} 0' in lines and 'mcast_host_answered{host="a"} 1' in lines
    assert 'mcast_findings{kind="shared_mac",basis="exact"} 1' in lines and "mcast_gather_seconds 1.25" in lines


def test_table():
    finding = {"kind": "shared_mac", "basis": "exact", "hosts": ["a"], "subject": "s", "evidence": "e", "remedy": "r"}
    now = gathering(A, *((f"h{number:02d}", "eth0", "239.0.0.1") for number in range(9)), ("a", "lo", "224.0.0.1"),
                    failures=["down"], findings=[finding, dict(finding, basis="unknown")])
    lines = fleet_report.table(now, fleet_report.changes(gathering(A1, hosts=["old"]), now))
    assert re.split(" {2,}", lines[1]) == ["239.0.0.1", "10", "eth0", "mgen", "a, h00, h01, h02, h03, h04 and 4 more"]
    assert lines[2:] == [
        "and 1 groups that kernels join by themselves", "failed  down: refused: nobody", "shared_mac  a: s: e; r",
        "joined  a: 224.0.0.1 on lo", "moved  a: 239.0.0.1 from eth1 to eth0",
        "appeared  h00, h01, h02, h03, h04, h05 and 3 more", "vanished  old",
        "10 hosts answered, 1 failed, 1 findings, 1.25 s"]
