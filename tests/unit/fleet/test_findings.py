# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts tell together: one row a situation, each a few hosts whose facts are as host_facts has them."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import group as groups_of
from ansible_collections.mcast.lab.plugins.module_utils import stream
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet import findings
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet import groups as fleet_groups

GROUP = "239.0.0.100"


def member(group=GROUP, interface="eth0", users=1, include=(), mode="exclude"):
    return {"interface": interface, "index": 2, "family": groups_of.family(group), "group": group, "users": users,
            "mac": groups_of.mac(group), "programmed": True,
            "filter_mode": {"value": mode, "basis": "exact" if mode else "unknown"},
            "include": [{"source": source, "count": 1} for source in include], "exclude": [],
            "scope": groups_of.scope(group), "name": groups_of.iana_name(group)}


def socket(process="mgen", address="0.0.0.0", family="ipv4"):
    return {"family": family, "protocol": "udp", "address": address, "port": 5000, "process": process,
            "pid": None if process is None else 1, "inode": 1}


def interface(address="10.0.0.1", igmp=3, mld=None, rp_filter=0, link_groups=(), flags=(), prefix=24, more=()):
    return {"flags": list(flags), "igmp_version": {"value": igmp, "basis": "exact"},
            "mld_version": {"value": mld, "basis": "exact"}, "rp_filter_effective": rp_filter,
            "force_igmp_version": 0, "force_mld_version": 0,
            "link_groups": [{"mac": mac, "users": 1} for mac in link_groups],
            "addresses": [{"family": "ipv4", "address": one, "prefix": bits} for one, bits in (
                (address, prefix), *more)]}


MGEN = socket()


def host(*memberships, sockets=(MGEN,), interfaces=None, **parts):
    limits = {"igmp_max_memberships": 20, "igmp_max_msf": 10, "mld_max_msf": 64}
    facts = {"memberships": list(memberships), "sockets": list(sockets), "limits": limits, "bridges": {},
             "interfaces": interfaces or {"eth0": interface()}, **parts}
    return {part: value for part, value in facts.items() if value is not None}


def streams(receivers, sources=(), address="10.0.0.9"):
    body = {"group": GROUP, "port": 5000, "from": "sender", "to": receivers}
    if sources:
        body["sources"] = list(sources)
    return stream.settle({"hello": body}, {"all": ["sender", "a", "b", "c"]},
                         lambda name: {"eth0": {"segment": "lan", "ipv4": address if name == "sender" else None}})


BRIDGE = {"snooping": True, "queriers": {"ipv4": None, "ipv6": {"address": "fe80::1"}}}
VXLAN_GROUP = "239.1.1.1"

# name: (hosts, further arguments, [(kind, basis, hosts, words of the evidence)])
CASES = {
    "nothing to find": ({"a": host(member()), "b": host(member("224.0.0.1"))}, {}, []),
    # streams
    "all as stated": ({"a": host(member())}, {"streams": streams(["a"])}, []),
    "missing": ({"a": host(), "b": host(member())}, {"streams": streams(["a", "b"])},
                [("member_missing", "exact", ["a"], "is no member of 239.0.0.100 on eth0")]),
    "missing or not is unknown": ({"b": host(member())}, {"streams": streams(["a", "b"]), "failures": ["a"]},
                                  [("member_missing", "unknown", ["a"], "gave no memberships")]),
    "unexpected": ({"a": host(member()), "c": host(member())}, {"streams": streams(["a"])},
                   [("member_unexpected", "exact", ["c"], "no stream names it")]),
    "on another interface": ({"a": host(member(interface="eth1"))}, {"streams": streams(["a"])},
                             [("member_missing", "exact", ["a"], "on eth0"),
                              ("member_unexpected", "exact", ["a"], "receives it on eth0")]),
    "groups of no stream are nobody's concern": ({"a": host(member(), member("239.9.9.9"))},
                                                 {"streams": streams(["a"])}, []),
    # one MAC
    "two groups, one MAC": ({"a": host(member("239.0.0.100")), "b": host(member("239.128.0.100"))}, {},
                            [("shared_mac", "exact", ["a", "b"], "239.0.0.100 and 239.128.0.100")]),
    "two groups, one MAC, IPv6": ({"a": host(member("ff15::1:2"), member("ff1e::1:2"),
                                             sockets=[socket(family="ipv6")])}, {}, [
        ("shared_mac", "exact", ["a"], "33:33:00:01:00:02")]),
    "one MAC on two segments": ({"a": host(member("239.0.0.100")), "b": host(
        member("239.128.0.100"), interfaces={"eth0": interface("10.0.1.1")})}, {}, []),
    "segments that the inventory states": ({"a": host(member("239.0.0.100")), "b": host(
        member("239.128.0.100"), interfaces={"eth0": interface("10.0.1.1")})},
        {"segments": {"a": {"eth0": "lan"}, "b": {"eth0": "lan"}}}, [("shared_mac", "exact", ["a", "b"], "")]),
    # versions
    "an older neighbour": ({"a": host(), "b": host(), "c": host(interfaces={"eth0": interface(igmp=2)})}, {}, [
        ("older_version", "exact", ["c"], "c (eth0) speak IGMPv2, 2 neighbours on the segment v3")]),
    "an older MLD": ({"a": host(interfaces={"eth0": interface(mld=2)}),
                      "b": host(interfaces={"eth0": interface(mld=1)})}, {}, [
        ("older_version", "exact", ["b"], "MLDv1")]),
    "a forced version": ({"a": host(), "c": host(
        interfaces={"eth0": dict(interface(igmp=1), force_igmp_version=1)})}, {}, [
        ("older_version", "exact", ["c"], "forced")]),
    "older on another segment": ({"a": host(), "c": host(interfaces={"eth0": interface("10.9.9.1", igmp=2)})}, {}, []),
    # queriers
    "snooping without a querier": ({"a": host(bridges={"br0": BRIDGE})}, {},
                                   [("no_querier", "exact", ["a"], "knows of no IGMP querier")]),
    "snooping off": ({"a": host(bridges={"br0": dict(BRIDGE, snooping=False)})}, {}, []),
    "a kernel that does not tell": ({"a": host(bridges={"br0": dict(BRIDGE, queriers=None)})}, {},
                                    [("no_querier", "unknown", ["a"], "does not tell")]),
    "bridges not asked": ({"a": host(bridges=None)}, {}, [("no_querier", "unknown", ["a"], "not asked")]),
    "no query heard": ({"a": host(queriers={"eth0": []}), "b": host(queriers={"eth0": [{"family": "ipv4"}]}),
                        "c": host(queriers={"eth0": []}, interfaces={"eth0": interface("10.9.9.1")})},
                       {"listened": 125}, [("no_querier", "inferred", ["a", "b"], "no MLD query was heard within 125"),
                                           ("no_querier", "inferred", ["c"], "no IGMP query was heard within 125 s"),
                                           ("no_querier", "inferred", ["c"], "no MLD query")]),
    "not heard for a while": ({"a": host(queriers={"eth0": [{"family": "ipv6"}]})}, {"listened": 124}, [
        ("no_querier", "unknown", ["a"], "no IGMP query was heard within 124 s")]),
    "a bridge tells more than listening": ({"a": host(queriers={"br0": []}, bridges={"br0": BRIDGE})},
                                           {"listened": 125}, [("no_querier", "exact", ["a"], "knows of no IGMP")]),
    "a bridge that tells nothing": (
        {"a": host(queriers={"br0": [{"family": "ipv4"}, {"family": "ipv6"}]}, bridges={"br0": dict(
            BRIDGE, queriers=None)})}, {"listened": 125}, []),
    "could not listen": ({"a": host(queriers={}, bridges=None)}, {"listened": 125},
                         [("no_querier", "unknown", ["a"], "could not listen")]),
    # without a process
    "autojoin": ({"a": host(member(), interfaces={"eth0": interface(more=[(GROUP, 32)])})}, {},
                 [("no_process", "exact", ["a"], "autojoin")]),
    "the kernel": ({"a": host(member(VXLAN_GROUP), sockets=[])}, {}, [("no_process", "inferred", ["a"], "kernel")]),
    "a process of another namespace": ({"a": host(member("ff15::9"), sockets=[socket(), socket(None, family="ipv6")])},
                                       {}, [("no_process", "inferred", ["a"], "other_namespace")]),
    "not seen without root": ({"a": host(member(), sockets=[socket(None)])}, {},
                              [("no_process", "unknown", ["a"], "can't be seen")]),
    "a packet socket": ({"a": host(interfaces={"eth0": interface(link_groups=["01:00:5e:00:00:64"])})}, {},
                        [("no_process", "inferred", ["a"], "packet_socket")]),
    "an explained link group": ({"a": host(member(), interfaces={"eth0": interface(
        link_groups=["01:00:5e:00:00:64", "01:80:c2:00:00:00"])})}, {}, []),
    "sockets not asked": ({"a": host(member(), sockets=())}, {}, [("no_process", "inferred", ["a"], "kernel")]),
    # limits
    "many groups on one socket": ({"a": host(*(member(f"239.0.1.{number}") for number in range(16)))}, {},
                                  [("near_limit", "inferred", ["a"], "mgen holds 16 groups with 1 sockets")]),
    "as many on two sockets": ({"a": host(*(member(f"239.0.1.{number}") for number in range(16)),
                                          sockets=[socket(), socket()])}, {}, []),
    "many sources": ({"a": host(member(mode="include", include=[f"10.0.0.{number}" for number in range(10, 18)]))},
                     {}, [("near_limit", "exact", ["a"], "8 sources in 1 filters, and one takes 10")]),
    "fewer sources": ({"a": host(member(mode="include", include=[f"10.0.0.{number}" for number in range(10, 17)]))},
                      {}, []),
    "limits not asked": ({"a": host(limits=None)}, {}, [("near_limit", "unknown", ["a"], "not asked")]),
    # reverse path
    "strict, another way": ({"a": host(member(), interfaces={"eth0": interface(rp_filter=1)})},
                            {"streams": streams(["a"], address="10.5.0.9")},
                            [("rp_filter", "inferred", ["a"], "the way back to 10.5.0.9 is not over it")]),
    "strict, on the link": ({"a": host(member(), interfaces={"eth0": interface(rp_filter=1)})},
                            {"streams": streams(["a"])}, []),
    "loose": ({"a": host(member(), interfaces={"eth0": interface(rp_filter=2)})},
              {"streams": streams(["a"], address="10.5.0.9")}, []),
    "strict, a source that is included": (
        {"a": host(member(mode="include", include=["10.5.0.9"]), interfaces={"eth0": interface(rp_filter=1)})}, {},
        [("rp_filter", "inferred", ["a"], "10.5.0.9")]),
    "strict, by its routes": (
        {"a": host(member(), interfaces={"eth0": interface(rp_filter=1)}, routes=[
            {"family": "ipv4", "destination": "0.0.0.0/0", "interface": "eth1", "metric": 0},
            {"family": "ipv4", "destination": "10.0.0.0/24", "interface": "eth0", "metric": 0}])},
        {"streams": streams(["a"], address="10.5.0.9")}, [("rp_filter", "exact", ["a"], "is over eth1")]),
    "strict, the default route": (
        {"a": host(member(), interfaces={"eth0": interface(rp_filter=1)}, routes=[
            {"family": "ipv4", "destination": "0.0.0.0/0", "interface": "eth0", "metric": 0}])},
        {"streams": streams(["a"], address="10.5.0.9")}, []),
    "interfaces not asked": ({"a": dict(host(member(), interfaces={}), interfaces={})},
                             {"streams": streams(["a"])}, [("rp_filter", "unknown", ["a"], "not asked")]),
    "memberships alone": ({"a": {"memberships": [member()]}}, {}, [
        ("no_querier", "unknown", ["a"], ""), ("no_process", "unknown", ["a"], ""),
        ("near_limit", "unknown", ["a"], "")]),
}


@pytest.mark.parametrize("case", CASES)
def test_findings(case):
    hosts, more, wanted = CASES[case]
    found = findings.findings(hosts, **more)
    assert [(each["kind"], each["basis"], each["hosts"]) for each in found] == [row[:3] for row in wanted], found
    for each, row in zip(found, wanted):
        assert row[3] in each["evidence"]
        assert each["remedy"] and set(each) == {"kind", "basis", "hosts", "subject", "evidence", "remedy"}


@pytest.mark.parametrize("row, sockets, wanted", [
    (member("224.0.0.1"), [], ("kernel", "exact")),
    (member("224.0.0.1", users=2), [socket()], ("kernel", "inferred")),
    (member("ff02::1:ff00:1"), [], ("kernel", "exact")),
    (member(), [socket("vlc", GROUP)], ("vlc", "inferred")),
    (member(), [socket("vlc", GROUP), socket("mgen")], ("vlc", "inferred")),
    (member(), [socket("vlc", GROUP), socket("mgen", GROUP)], (None, "unknown")),
    (member(), [socket("mgen")], ("mgen", "inferred")),
    (member(), [socket("mgen", "::", "ipv6")], ("mgen", "inferred")),
    (member("ff15::1"), [socket("mgen")], (None, "unknown")),
    (member(), [socket("a"), socket("b")], (None, "unknown")),
    (member(), [socket("a"), socket("a")], ("a", "inferred")),
    (member(), [socket(None)], (None, "unknown")),
    (member(), [socket("a", "10.0.0.1")], (None, "unknown")),
])
def test_who_holds_it(row, sockets, wanted):
    assert tuple(fleet_groups.holder(host(row, sockets=sockets), row).values()) == wanted


def test_groups_over_hosts():
    found = fleet_groups.groups({
        "b": host(member("239.0.0.10"), member("ff15::1")),
        "a": host(member("239.0.0.9"), member("239.0.0.10", "eth1", mode="include", include=["10.0.0.7"]),
                  member("239.0.0.11", mode=None))})
    assert list(found) == ["239.0.0.9", "239.0.0.10", "239.0.0.11", "ff15::1"]
    process = {"value": "mgen", "basis": "inferred"}
    assert found["239.0.0.10"] == [
        {"host": "b", "interface": "eth0", "mode": "exclude", "sources": [], "process": process},
        {"host": "a", "interface": "eth1", "mode": "include", "sources": ["10.0.0.7"], "process": process}]
    assert (found["239.0.0.11"][0]["mode"], found["239.0.0.11"][0]["sources"]) == (None, None)
