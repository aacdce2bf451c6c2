# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts from what the script printed on a real host, a file a case."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts
from ansible_collections.mcast.lab.tests.unit.plain import assert_plain

FIXTURES = Path(__file__).parents[2] / "fixtures" / "kernel"
OUTPUTS = ["two_hosts", "busybox", "not_root", "igmpv1_mldv1", "igmpv2_mldv2", "ipv6_disabled", "no_ip_command"]


def read(name):
    return (FIXTURES / f"{name}.txt").read_text()


def of(name):
    return facts(sources.split(read(name)))


@pytest.mark.parametrize("name", OUTPUTS)
def test_shape(name):
    found = of(name)
    # Those that have cases of their own are left out.
    parts = set(sources.SUBSETS) - {"firewall", "bridges", "mroutes", "prerequisites", "pim", "counters"}
    assert set(found) == {*parts, "kernel", "sources"}
    assert set(found["sources"]) == parts
    assert set(found["interfaces"]) == {"lo", "eth0"}
    assert found["interfaces"]["eth0"]["index"] == 2
    assert found["interfaces"]["eth0"]["mac"] == "02:00:00:00:00:01"
    assert found["kernel"]["release"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", [*OUTPUTS, "bridges", "router"])
def test_facts_are_plain_values(name):
    assert_plain(of(name), name)


def row(found, group, interface="eth0"):
    match, = (row for row in found["memberships"] if (row["group"], row["interface"]) == (group, interface))
    return match


@pytest.mark.parametrize("group, users, mode, basis, include, exclude", [
    ("239.0.0.100", 1, "exclude", "exact", [], []),
    ("239.0.0.101", 1, "include", "exact", ["10.9.0.5", "10.9.0.6"], []),
    ("239.0.0.102", 1, "exclude", "exact", [], ["10.9.0.7"]),
    ("239.0.0.103", 2, "exclude", "exact", ["10.9.0.5"], []),
    ("239.0.0.104", 2, "include", "inferred", ["10.9.0.5", "10.9.0.6"], []),
    ("ff15::100", 1, "exclude", "exact", [], []),
    ("ff15::101", 1, "include", "exact", ["fd00::5", "fd00::6"], []),
    ("ff15::102", 1, "exclude", "exact", [], ["fd00::7"]),
])
def test_memberships(group, users, mode, basis, include, exclude):
    found = row(of("two_hosts"), group)
    assert (found["users"], found["filter_mode"]) == (users, {"value": mode, "basis": basis})
    assert sorted(each["source"] for each in found["include"]) == include
    assert sorted(each["source"] for each in found["exclude"]) == exclude
    assert found["programmed"] is True
    assert set(found) == {"interface", "index", "family", "group", "mac", "programmed", "users", "filter_mode",
                          "include", "exclude", "scope", "name"}


def test_programmed():
    found = of("two_hosts")
    assert row(found, "239.0.0.100", "lo")["programmed"] is False  # no link-layer addresses there
    assert row(found, "ff02::1")["programmed"] is True
    assert row(of("ipv6_disabled"), "ff02::1")["programmed"] is False  # still a membership, and deaf


@pytest.mark.parametrize("name, igmp, mld", [
    ("two_hosts", (3, "exact"), (None, "unknown")),
    ("igmpv1_mldv1", (1, "exact"), (1, "exact")),
    ("igmpv2_mldv2", (2, "exact"), (2, "exact")),
])
def test_versions(name, igmp, mld):
    eth0 = of(name)["interfaces"]["eth0"]
    assert eth0["igmp_version"] == {"value": igmp[0], "basis": igmp[1]}
    assert eth0["mld_version"] == {"value": mld[0], "basis": mld[1]}
    assert eth0["querier"] == {"value": None, "basis": "unknown"}


@pytest.mark.parametrize("every, own, version", [(0, 0, None), (0, 1, 1), (2, 1, 1), (1, 2, 1), (0, 2, 2), (2, 3, 2),
                                                 (0, 3, None)])
def test_igmp_version_of_an_interface_without_memberships(every, own, version):
    texts = sources.split(read("two_hosts"))
    texts["igmp"] = ""
    conf = "/proc/sys/net/ipv4/conf/%s/force_igmp_version:%d\n"
    texts["conf_force_igmp_version"] = conf % ("all", every) + conf % ("eth0", own)
    assert facts(texts)["interfaces"]["eth0"]["igmp_version"] == {
        "value": version, "basis": "exact" if version else "unknown"}


@pytest.mark.parametrize("every, own, effective", [(0, 0, 0), (1, 0, 1), (1, 2, 2), (2, 1, 2)])
def test_rp_filter_is_the_greater(every, own, effective):
    texts = sources.split(read("two_hosts"))
    conf = "/proc/sys/net/ipv4/conf/%s/rp_filter:%d\n"
    texts["conf_rp_filter"] = conf % ("all", every) + conf % ("eth0", own)
    eth0 = facts(texts)["interfaces"]["eth0"]
    assert (eth0["rp_filter"], eth0["rp_filter_effective"]) == (own, effective)


def test_busybox_tells_the_same():
    found, usual = of("busybox"), of("two_hosts")
    for part in ("interfaces", "memberships", "forwarding", "routes", "limits", "traffic"):
        assert found[part] == usual[part], part
    assert [each["inode"] for each in found["sockets"]] == [each["inode"] for each in usual["sockets"]]


def test_sockets():
    found = of("two_hosts")
    assert {each["process"] for each in found["sockets"]} == {"python3"}
    assert {each["user"] for each in found["sockets"]} == {"root"}
    assert {each["port"] for each in found["sockets"]} == {11111}
    assert found["sources"]["sockets"]["note"] is None


def test_not_root_says_so():
    found = of("not_root")
    assert {each["process"] for each in found["sockets"]} == {None}
    assert "needs root" in found["sources"]["sockets"]["note"]


def test_no_ip_command_says_so():
    found, usual = of("no_ip_command"), of("two_hosts")
    assert found["sources"]["interfaces"]["missing"] == ["ip addr show"]
    assert "IPv4 addresses are unknown" in found["sources"]["interfaces"]["note"]
    for name, link in found["interfaces"].items():
        assert (link["index"], link["mtu"], link["mac"]) == tuple(
            usual["interfaces"][name][key] for key in ("index", "mtu", "mac"))
        assert set(usual["interfaces"][name]["flags"]) - set(link["flags"]) == {"lower_up"}


def test_no_ipv6():
    texts = sources.split(read("two_hosts"))
    for source in sources.SOURCES:
        if "6" in source.path or "mld" in source.path:
            texts[source.name] = None
    found = facts(texts)
    assert {each["family"] for each in found["memberships"]} == {"ipv4"}
    assert found["interfaces"]["eth0"]["forwarding"] == {"ipv4": False, "ipv6": None}
    assert found["interfaces"]["eth0"]["mld_version"] == {"value": None, "basis": "unknown"}
    assert found["forwarding"] == {"ipv4": False, "ipv6": None}
    assert found["limits"]["mldv1_unsolicited_report_interval"] is None
    assert "/proc/net/igmp6" in found["sources"]["memberships"]["missing"]


def test_ipv6_disabled():
    found = of("ipv6_disabled")
    assert {each["family"] for each in found["interfaces"]["eth0"]["addresses"]} == {"ipv4"}
    assert "/proc/net/if_inet6" in found["sources"]["interfaces"]["read"]


@pytest.mark.parametrize("subsets", [["memberships"], ["interfaces"], ["limits", "routes"], []], ids="+".join)
def test_subsets(subsets):
    asked = {source.name for source in sources.SOURCES if {*subsets, "kernel"}.intersection(source.parts)}
    texts = {name: text for name, text in sources.split(read("two_hosts")).items() if name in asked}
    assert set(facts(texts)) == {*subsets, "kernel", "sources"}


REPORT = "/run/mcast/4026532177/%s/report.json:%s\n"


def test_traffic():
    texts = sources.split(read("two_hosts"))
    texts["reports"] = (REPORT % ("hello", "{") + REPORT % ("hello", '"received": 1}') + REPORT % ("half", '{"rec')
                        + REPORT % ("nan", "[NaN]"))
    found = facts(texts)
    assert found["traffic"] == {"hello": {"received": 1}, "half": None, "nan": None}
    assert found["sources"]["traffic"] == {"read": ["/run/mcast"], "missing": [],
                                           "note": "no JSON in the report of: half, nan"}


def test_no_proc_is_an_error():
    with pytest.raises(McastError, match="/proc: could not be read"):
        facts(sources.split("#mcast.lab# begin limits\n#mcast.lab# files\n#mcast.lab# end\n"))
