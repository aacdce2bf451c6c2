# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a check is decided: a presence at first sight, an absence over a whole window. Time is counted in looks."""
from __future__ import annotations

import itertools

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

GROUP = "239.0.0.100"
ABSENT = judge.make("membership.absent", {"interface": "eth0", "group": GROUP})
PRESENT = judge.make("membership.present", {"interface": "eth0", "group": GROUP})
MEMBER = {"interface": "eth0", "group": GROUP, "users": 1, "include": [], "exclude": [],
          "filter_mode": {"value": "exclude", "basis": "exact"}}


class Clock:
    """Stands in for the module `time`: it goes on only where somebody sleeps."""

    def __init__(self):
        self.now = 1000

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(judge, "time", found)
    monkeypatch.setattr(judge, "_PAUSE", 1)
    return found


class Host:
    """What is seen in one look after another: m is a member, anything else is none; the last stays."""

    def __init__(self, sights):
        self.sights, self.looks = sights, []

    def __call__(self, subsets):
        sight = self.sights[min(len(self.looks), len(self.sights) - 1)]
        self.looks.append(subsets)
        return {"memberships": [MEMBER] if sight == "m" else [], "interfaces": {}, "traffic": {}}


def decided(check, sights, within, window):
    """Returns (passed, how many looks it took, elapsed)."""
    host = Host(sights)
    (key, judgement, elapsed), = judge.judge({"id": check}, host, within, window)
    assert key == "id"
    return judgement.passed, len(host.looks), elapsed


# what is seen, within, window, passed, looks
ABSENCES = [
    ("....", 5, 3, True, 4),
    (".", 5, 0, True, 1),
    (".", 0, 3, True, 4),
    ("m....", 5, 3, True, 5),
    (".m....", 5, 3, True, 6),  # seen once in the middle: the window begins anew
    ("..m....", 5, 3, True, 7),
    ("....m", 5, 3, True, 4),  # nobody looks any more
    ("...m", 5, 3, False, 6),  # seen at the very end of the window, and ever after
    ("mmmm....", 5, 3, True, 8),
    ("mmmmm....", 5, 3, True, 9),  # the last look that may fail still comes before the deadline
    ("mmmmmm....", 5, 3, False, 6),
    ("..mm.m", 5, 3, False, 6),  # seen at the end
    ("m", 0, 3, False, 1),
    (".m...", 0, 3, False, 2),
    ("..m...", 0, 3, False, 3),
    ("....m", 3, 10, False, 5),  # the window goes beyond the deadline: all of it counts
    ("..........m", 3, 10, False, 11),
    (".", 3, 10, True, 11),
]


@pytest.mark.parametrize(("sights", "within", "window", "passed", "looks"), ABSENCES)
def test_an_absence_holds_the_whole_window(sights, within, window, passed, looks):
    assert decided(ABSENT, sights, within, window) == (passed, looks, looks - 1)


@pytest.mark.parametrize(("within", "window"), [(0, 2), (2, 2), (3, 1), (2, 4)])
def test_every_history_of_an_absence(within, window):
    for history in itertools.product("m.", repeat=8):
        sights = "".join(history)
        expected = None
        for look, sight in enumerate(sights + "." * 10):
            seen = (sights + "." * 10)[:look + 1]
            if sight == "m" and look >= within:
                expected = False, look + 1, look
            elif look >= window and "m" not in seen[-window - 1:]:
                expected = True, look + 1, look
            if expected:
                break
        assert decided(ABSENT, f"{sights}.", within, window) == expected, sights


@pytest.mark.parametrize(("sights", "within", "passed", "looks"), [
    ("m", 5, True, 1), ("m", 0, True, 1), ("m.", 5, True, 1), ("..m", 5, True, 3), ("....m", 5, True, 5),
    (".....m", 5, True, 6),  # the look of the deadline counts too
    ("......m", 5, False, 6), (".", 0, False, 1), (".m", 0, False, 1),
])
def test_a_presence_passes_at_first_sight_until_the_deadline(sights, within, passed, looks):
    assert decided(PRESENT, sights, within, window=100) == (passed, looks, looks - 1)


def test_a_slow_look_is_no_window(clock):
    host = Host(".")

    def slow(subsets):
        clock.now += 10
        return host(subsets)

    (_key, judgement, _elapsed), = judge.judge({"id": ABSENT}, slow, 5, 3)
    assert (judgement.passed, len(host.looks)) == (True, 2)


def test_only_what_is_open_is_looked_at_and_each_is_told_at_once():
    mapped = judge.make("mapping.programmed", {"interface": "eth0", "group": GROUP, "mac": "01:00:5e:00:00:64"})
    host = Host("..m")
    found = judge.judge({"present": PRESENT, "absent": ABSENT, "mapped": mapped}, host, 4, 1)
    key, judgement, elapsed = next(found)
    assert (key, elapsed, len(host.looks)) == ("absent", 1, 2)
    assert judgement == (True, "no member of 239.0.0.100 on eth0", "no member", {})
    assert [(one.key, one.judgement.passed) for one in found] == [("present", True), ("mapped", False)]
    assert host.looks == [["interfaces", "memberships"]] * 3 + [["interfaces"]] * 2


def test_nothing_to_judge_is_nothing_to_gather():
    assert list(judge.judge({}, pytest.fail, 5, 1)) == []


def test_checks_are_left_as_they_are():
    checks = {"id": PRESENT}
    assert len(list(judge.judge(checks, Host("m"), 5, 1))) == 1
    assert checks == {"id": PRESENT}


def test_what_can_not_be_gathered_is_no_verdict():
    def broken(unused):
        raise McastError("server", "/bin/sh: could not be run")

    with pytest.raises(McastError, match="server: /bin/sh"):
        list(judge.judge({"id": ABSENT}, broken, 5, 1))


def test_exactly_so_many_is_an_absence_too():
    params = {"stream": "hello", "group": GROUP, "port": 1, "interface": "eth0", "datagrams": 1}
    assert judge.make("delivery.received", dict(params, sources=["10.0.0.1"])).ABSENCE


@pytest.mark.parametrize(("name", "params", "says"), [
    ("membership", {}, "membership: is not a check; there are delivery.received, delivery.sent, "),
    ("membership.absent", {"interface": "eth0"}, "membership.absent.group: is missing"),
    ("membership.absent", None, "membership.absent: expected a mapping"),
    ("membership.absent", {"interface": "eth0", "group": GROUP, "port": 1}, "membership.absent.port: is not known"),
])
def test_make(name, params, says):
    with pytest.raises(McastError) as error:
        judge.make(name, params)
    assert str(error.value).startswith(says)


def test_what_is_waited_for_is_named_every_ten_seconds():
    said = []
    list(judge.judge({"x": ABSENT}, Host("m"), 25, 1, waiting=lambda *what: said.append(what)))
    assert said == [(10, [ABSENT]), (20, [ABSENT])]
