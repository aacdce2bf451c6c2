"""The modules receiver and sender."""
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import unit
from traffic_lan import GROUPS, PORT, SERVER, SOURCES, inode
from waiting import until


@pytest.fixture
def play(lan, module):
    """play(HOST, (MODULE, its options), ..., check=): run modules on a host; returns their results."""
    def run(host, *tasks, check=False):
        return [module(name, options, check=check, namespace=getattr(lan, host)) for name, options in tasks]
    return run


def stream(version=4, **options):
    return dict({"name": "hello", "group": GROUPS[version], "port": PORT, "interface": "eth0"}, **options)


STOP = {"name": "hello", "state": "stopped"}


@pytest.mark.parametrize("version", [4, 6])
def test_a_stream_from_start_to_stop(lan, play, version):
    first, again = play("server", *[("receiver", stream(version, interface=SERVER[version]))] * 2)
    assert (first["changed"], again["changed"]) == (True, False)
    assert (first["name"], first["state"], first["report"]["state"]) == ("hello", "started", "joined")
    assert again["report"]["pid"] == first["report"]["pid"]
    assert lan.memberships(GROUPS[version]) == ["eth0"]
    once = ("sender", stream(version, interface=SOURCES[version][0], payload="--grüß dich =", ttl=3, source_port=4000))
    sent, = play("client", once)
    ended = f"{unit.ROOT}/{os.stat(f'/run/netns/{lan.client}').st_ino}/hello/exit.json"
    until(lambda: os.path.exists(ended))
    again, = play("client", once)
    until(lambda: os.path.exists(ended))
    stopped, = play("client", ("sender", STOP))
    assert (sent["changed"], again["changed"], stopped["changed"]) == (True, True, True)
    assert (stopped["report"]["datagrams"], stopped["report"]["exit"]["code"]) == (1, 0)
    stopped, again = play("server", ("receiver", STOP), ("receiver", STOP))
    assert (stopped["changed"], again["changed"], again["report"]) == (True, False, None)
    flow = stopped["report"]["flows"][0]
    assert (flow["source"], flow["source_port"], flow["ttl"], flow["payload"], flow["datagrams"]) == (
        SOURCES[version][0], 4000, 3, "--grüß dich =", 2)
    assert not os.path.exists(f"{unit.ROOT}/{inode(lan.server)}")


def test_check_mode_and_diff_change_nothing(lan, play):
    result, stopped = play("server", ("receiver", stream(sources=[SOURCES[4][0]])), ("receiver", STOP), check=True)
    assert result["changed"] and result["report"] is None and not stopped["changed"]
    assert result["diff"]["before"] == {}
    assert f"--source={SOURCES[4][0]}" in result["diff"]["after"]["hello"]["arguments"]
    assert lan.memberships(GROUPS[4]) == []
    play("server", ("receiver", stream()))
    same, other, stopped = play("server", ("receiver", stream()), ("receiver", stream(timeout=0)),
                                ("receiver", STOP), check=True)
    assert (same["changed"], other["changed"], stopped["changed"]) == (False, True, True)
    assert stopped["report"]["state"] == "joined" and lan.memberships(GROUPS[4]) == ["eth0"]


def test_a_source_filter(lan, play):
    result, unused = play("server", ("receiver", stream(sources=SOURCES[4][:2], filter_mode="exclude")),
                          ("receiver", stream(name="ssm", group="232.1.1.1", sources=SOURCES[4][:2])))
    assert (result["report"]["memberships"][0]["filter_mode"], unused["report"]["memberships"][0]["filter_mode"]) == (
        "exclude", "include")
    for source in range(3):
        lan.send(source=source)
        lan.send(source=source, group="232.1.1.1")
    units = f"{unit.ROOT}/{inode(lan.server)}"

    def heard(name):
        with open(f"{units}/{name}/report.json", encoding="utf-8") as handle:
            return [flow["source"] for flow in json.load(handle)["flows"]]
    until(lambda: (heard("hello"), heard("ssm")) == (SOURCES[4][2:], SOURCES[4][:2]))


@pytest.mark.parametrize("version", [4, 6])
def test_a_source_filter_is_changed_in_place(lan, play, version):
    first, second, third = SOURCES[version]
    shared = {"group": GROUPS[version], "interface": "eth0"}
    filters = [{"sources": [first]}, {"sources": [first, second]}, {"sources": [first], "filter_mode": "exclude"}]
    begun, more, other, same, checked = play("server", *[
        ("receiver", stream(**dict(shared, **given))) for given in filters + filters[-1:]] + [("socket_info", {})])
    assert [one["changed"] for one in (begun, more, other, same)] == [True, True, True, False]
    assert begun["report"]["changed"] is None and begun["report"]["changed"] != more["report"]["changed"]
    assert len({one["report"]["pid"] for one in (begun, more, other, same)}) == 1
    member, = [one for sock in checked["sockets"] for one in sock["memberships"] if one["group"] == GROUPS[version]]
    assert (member["filter_mode"], member["sources"]) == ("exclude", [first])
    for source in range(3):
        lan.send(version, source=source)
    path = f"{unit.ROOT}/{inode(lan.server)}/hello/report.json"

    def heard():
        with open(path, encoding="utf-8") as handle:
            return {flow["source"] for flow in json.load(handle)["flows"]}
    until(lambda: heard() == {second, third})
    anew, = play("server", ("receiver", stream(**dict(shared, port=PORT + 1))))
    assert anew["report"]["pid"] != begun["report"]["pid"]


BAD = [
    ("receiver", {"group": "192.0.2.1"}, "192.0.2.1: is not a multicast group"),
    ("receiver", {"port": 0}, "0 is not a valid port; expected 1 to 65535"),
    ("receiver", {"port": 65536}, "65536 is not a valid port; expected 1 to 65535"),
    ("receiver", {"interface": "eth9"}, "eth9: is not an interface here, nor the address of one; there are "),
    ("receiver", {"group": "232.1.1.1"}, "232.1.1.1: is a source-specific group"),
    ("receiver", {"group": "ff35::8000:1"}, "ff35::8000:1: is a source-specific group"),
    ("receiver", {"filter_mode": "include"}, "filter mode include needs at least one source"),
    ("receiver", {"sources": ["fd00:9::1"]}, "fd00:9::1: is not a source for 239.0.0.100; expected an IPv4 host"),
    ("receiver", {"name": "a/b"}, "a/b: is not a valid name for a program"),
    ("receiver", {"group": None}, "group"),
    ("receiver", {"timeout": -1}, "-1.0 is not a valid number of seconds"),
    ("sender", {}, "hello: is the name of a receiver on this host"),
    ("sender", {"name": "s", "group": "10.0.0.1"}, "10.0.0.1: is not a multicast group"),
    ("sender", {"name": "s", "ttl": 256}, "256 is not a valid TTL; expected 0 to 255"),
    ("sender", {"name": "s", "interface": "fd00:9::10"}, "is of another family than 239.0.0.100"),
]


def test_bad_input_is_refused_and_changes_nothing(play):
    begun = play("server", ("receiver", stream()))[0]
    results = play("server", *[
        (module, {key: value for key, value in stream(**given).items() if value is not None})
        for module, given, unused in BAD], ("receiver", stream()))
    for (_module, given, says), result in zip(BAD, results):
        assert result["failed"] and says in result["msg"] and "\n" not in result["msg"], (given, result)
    assert results[-1]["changed"] is False and results[-1]["report"]["pid"] == begun["report"]["pid"]


def test_several_programs_and_some_that_fail(lan, play):
    where = {"port": PORT, "interface": "eth0"}
    good = {f"good-{number}": {"receiver": {"group": f"239.1.2.{number}", **where}} for number in range(1, 41)}
    wrong = {name: {"receiver": {"group": GROUPS[4], **where, "interface": "nope"}} for name in ("wrong", "worse")}
    refused, = play("server", ("act", {"started": {**good, **wrong}}))
    assert [f"{name}: nope: is not an interface here" in refused["msg"] for name in wrong] == [True, True], refused
    assert unit.names(inode(lan.server)) == []
    wires = {name: {"capture": {"interface": "eth0", "filter": text}}
             for name, text in {"many": "no filter", "fine": "igmp", "more": "no filter"}.items()}
    failed, = play("server", ("act", {"started": {**wires, **good}}))
    first, unused, second = failed["msg"].partition("; more: ")
    assert first.startswith("many: ") and second, failed
    assert unit.names(inode(lan.server)) == sorted(["fine", *good])  # nothing of what failed
    again, ended = play("server", ("act", {"started": good}), ("act", {"stopped": [*good, *wires, "fine"]}))
    assert (again["changed"], ended["changed"]) == (False, True)
    assert {name: report and report["exit"]["code"] for name, report in ended["reports"].items()} == {
        **dict.fromkeys(good, 0), "many": None, "fine": 0, "more": None}
    assert not os.path.exists(f"{unit.ROOT}/{inode(lan.server)}")
