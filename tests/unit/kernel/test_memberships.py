# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import memberships

FIXTURES = Path(__file__).parents[2] / "fixtures" / "kernel"

IGMP = """Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
2\teth0      :     3      V3
\t\t\t\t680000EF     2 0:00000000\t\t0
\t\t\t\t640000EF     1 1:00000021\t\t1
\t\t\t\t010000E0     1 0:00000000\t\t0
13\tlong-interface0:     1      V2
\t\t\t\t010000E0     1 0:00000000\t\t0
"""


def test_igmp():
    versions, found = memberships.igmp(IGMP)
    assert versions == {1: 3, 2: 3, 13: 2}
    assert [(row["interface"], row["index"], row["family"], row["group"], row["users"]) for row in found] == [
        ("lo", 1, "ipv4", "224.0.0.1", 1),
        ("eth0", 2, "ipv4", "239.0.0.104", 2),
        ("eth0", 2, "ipv4", "239.0.0.100", 1),
        ("eth0", 2, "ipv4", "224.0.0.1", 1),
        ("long-interface0", 13, "ipv4", "224.0.0.1", 1),
    ]


@pytest.mark.parametrize("column, version", [("V1", 1), ("V2", 2), ("V3", 3), ("NONE", None)])
def test_igmp_version(column, version):
    assert memberships.igmp(f"2\teth0      :     3      {column}\n") == ({2: version}, [])


@pytest.mark.parametrize("line", [
    "1    lo              ff020000000000000000000000000001     1 0000000C 0",
    "4    eth0            ff0200000000000000000001ff000002     1 00000004 0",
    "12   averylongname15 ff150000000000000000000000000100    12 00000004 250",
])
def test_igmp6(line):
    fields = line.split()
    row, = memberships.igmp6(f"{line}\n")
    assert (row["index"], row["interface"], row["users"]) == (int(fields[0]), fields[1], int(fields[3]))
    assert row["group"] in ("ff02::1", "ff02::1:ff00:2", "ff15::100")


def test_filters_join_by_index_as_names_are_cut():
    text = ("Idx Device        MCA        SRC    INC    EXC\n"
            "  2 long-i 0xef000069 0x0a090005      1      0\n"
            "  3 long-i 0xef000069 0x0a090006      0      2\n")
    assert memberships.mcfilter(text) == {(2, "239.0.0.105"): [("10.9.0.5", 1, 0)],
                                          (3, "239.0.0.105"): [("10.9.0.6", 0, 2)]}


def test_filters_ipv6():
    text = ("Idx Device                Multicast Address                   Source Address    INC    EXC\n"
            "  2   eth0 ff150000000000000000000000000104 fd000000000000000000000000000005      1      0\n"
            "  2   eth0 ff150000000000000000000000000104 fd000000000000000000000000000006      3      0\n")
    assert memberships.mcfilter6(text) == {(2, "ff15::104"): [("fd00::5", 1, 0), ("fd00::6", 3, 0)]}


# What a socket can be: mode and sources.
HOLDERS = [("exclude", ""), ("exclude", "a"), ("exclude", "ab"), ("include", "a"), ("include", "b"), ("include", "ab")]


def trace(holders):
    """What the kernel shows of these sockets: how many, and per source how many include and exclude it."""
    rows = [memberships.Filtered(source, sum(mode == "include" and source in found for mode, found in holders),
                                 sum(mode == "exclude" and source in found for mode, found in holders))
            for source in "ab"]
    return len(holders), tuple(row for row in rows if row.include or row.exclude)


def test_filter_mode_is_exact_where_and_only_where_one_mode_explains_the_rows():
    modes = {}
    for count in range(1, 6):
        for holders in itertools.combinations_with_replacement(HOLDERS, count):
            truth = "exclude" if any(mode == "exclude" for mode, unused in holders) else "include"
            modes.setdefault(trace(holders), set()).add(truth)
    for (users, rows), possible in modes.items():
        found = memberships.filter_mode(users, rows)
        assert found["basis"] == ("exact" if len(possible) == 1 else "inferred"), (users, rows)
        assert found["value"] in possible
    assert any(len(possible) > 1 for possible in modes.values())


@pytest.mark.parametrize("users, sources, value, basis", [
    (1, [], "exclude", "exact"),
    (7, [], "exclude", "exact"),
    (1, [("10.9.0.5", 1, 0), ("10.9.0.6", 1, 0)], "include", "exact"),
    (1, [("10.9.0.7", 0, 1)], "exclude", "exact"),
    (2, [("10.9.0.5", 1, 0)], "exclude", "exact"),
    (2, [("10.9.0.5", 2, 0)], "include", "exact"),
    (2, [("10.9.0.5", 1, 0), ("10.9.0.6", 1, 0)], "include", "inferred"),
    (2, [("10.9.0.5", 1, 1)], "exclude", "exact"),
])
def test_filter_mode(users, sources, value, basis):
    rows = [memberships.Filtered(*source) for source in sources]
    assert memberships.filter_mode(users, rows) == {"value": value, "basis": basis}


def test_memberships_say_what_is_unknown():
    unused, found = memberships.igmp(IGMP)
    row = memberships.memberships(found, {"ipv4": None, "ipv6": {}}, None)[2]
    assert row["filter_mode"] == {"value": None, "basis": "unknown"}
    assert row["programmed"] is None
    assert (row["include"], row["exclude"]) == (None, None)


# Rows as (index, group), the newest membership of each interface first; those with sources; those that are told.
@pytest.mark.parametrize("members, filtered, told", [
    ("1a 2b 2a 3a", "", "1a 2b 3a"),
    ("1a 2b 2a 3b 3a", "2b", "1a 2b 2a 3b 3a"),
    ("1a 2b 2a 3b 3a", "3b", "1a 2b 3b 3a"),  # what 2a filters is left out, whether it does or not
    ("1b 1a 2b 2a 3a", "1b 2a", "1b 1a 2b 2a 3a"),
    ("2c 2b 2a", "", "2c"),
])
def test_the_kernel_lists_sources_from_the_first_interface_on_whose_newest_membership_has_some(
        members, filtered, told):
    group = dict(zip("abc", ("224.0.0.1", "239.0.0.2", "239.0.0.3")))
    places = [(int(index), group[letter]) for index, letter in members.split()]
    rows = [memberships.member(f"if{index}", index, address, 1) for index, address in places]
    sources = [memberships.Filtered("10.9.0.5", 1, 0)]
    filters = {(int(index), group[letter]): sources for index, letter in filtered.split()}
    found = memberships.memberships(rows, {"ipv4": filters, "ipv6": {}}, None)
    assert [(row["index"], row["group"]) for row in found if row["include"] is not None] == [
        (int(index), group[letter]) for index, letter in told.split()]
    assert all((row["filter_mode"]["basis"] == "unknown") == (row["include"] is None) for row in found)


def test_programmed_is_per_interface():
    unused, found = memberships.igmp(IGMP)
    rows = memberships.memberships(found, {"ipv4": {}, "ipv6": {}}, {2: {"01:00:5e:00:00:64", "01:00:5e:00:00:01"}})
    assert [(row["interface"], row["mac"], row["programmed"]) for row in rows] == [
        ("lo", "01:00:5e:00:00:01", False), ("eth0", "01:00:5e:00:00:68", False), ("eth0", "01:00:5e:00:00:64", True),
        ("eth0", "01:00:5e:00:00:01", True), ("long-interface0", "01:00:5e:00:00:01", False)]


def test_names_and_scopes():
    unused, found = memberships.igmp("2\teth0      :     2      V3\n\t\t\t\t010100E0     1 0:00000000\t\t0\n"
                                     "\t\t\t\t00FFFFEF     1 0:00000000\t\t0\n")
    rows = memberships.memberships(found, {"ipv4": {}, "ipv6": {}}, {})
    assert [(row["group"], row["name"], row["scope"]) for row in rows] == [
        ("224.0.1.1", "ntp", "internetwork-control"), ("239.255.255.0", None, "local")]


def test_maddress_of_the_study():
    lo, eth0 = memberships.maddr_text((FIXTURES / "maddress_study.txt").read_text())
    assert (lo["interface"], lo["index"], lo["link"]) == ("lo", 1, [])
    assert [row["group"] for row in lo["groups"]] == ["224.0.0.1"]
    assert [row["mac"] for row in eth0["link"]] == ["01:00:5e:00:00:01", "33:33:00:00:00:01", "33:33:ff:84:02:b1"]
    assert [row["group"] for row in eth0["groups"]] == ["224.0.0.1", "ff02::1:ff84:2b1", "ff02::1", "ff01::1"]
    assert {row["users"] for row in eth0["groups"] + eth0["link"]} == {1}


def test_maddress_text_and_json_tell_the_same():
    text = memberships.maddr_text((FIXTURES / "maddress.txt").read_text())
    assert text == memberships.maddr_json((FIXTURES / "maddress.json").read_text())
    assert {row["group"]: row["users"] for row in text[1]["groups"]} == {
        "239.0.0.100": 2, "224.0.0.1": 1, "ff15::100": 2, "ff02::1:ff00:1": 1, "ff02::1": 1, "ff01::1": 1}
    assert {"mac": "33:33:00:00:00:55", "users": 1, "static": True} in text[1]["link"]


def test_maddress_link_users():
    row, = memberships.maddr_text("2:\teth0\n\tlink  01:00:5e:00:00:01 users 3 static\n")
    assert row["link"] == [{"mac": "01:00:5e:00:00:01", "users": 3, "static": True}]


@pytest.mark.parametrize("parse, text", [
    (memberships.igmp, "1\tlo\n"),
    (memberships.igmp, "\t\t\t\t010000E0     1 0:00000000\t\t0\n"),
    (memberships.igmp, "1\tlo        :     1      V3\n\t\t\t\tE0000001     1 0:00000000\t\t0\n"),
    (memberships.igmp6, "1 lo ff02 1 0000000C 0\n"),
    (memberships.igmp6, "1    lo              fe800000000000000000000000000001     1 0000000C 0\n"),
    (memberships.mcfilter, "  2   eth0 0xef000069 0x0a090005      1\n"),
    (memberships.mcfilter6, "  2   eth0 0xef000069 0x0a090005      1      0\n"),
    (memberships.maddr_text, "\tinet  224.0.0.1\n"),
    (memberships.maddr_text, "1:\tlo\n\tinet  10.0.0.1\n"),
    (memberships.maddr_json, "[{}]"),
    (memberships.maddr_json, "{"),
    (memberships.maddr_json, '[{"ifindex": 1, "ifname": "lo", "maddr": [{"family": "inet"}]}]'),
    (memberships.maddr_json, '[{"ifindex": 1, "ifname": "lo", "maddr": [{"family": "inet", "address": []}]}]'),
])
def test_odd_text_is_refused(parse, text):
    with pytest.raises(McastError):
        parse(text)
