# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many at a time, and an end: with questions that answer, fail or hang as they are told."""
from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet import ask as fleet


class Question:
    how = "test"
    stage = "timeout", "hanging"

    def __init__(self, host, act, running=None):
        self.host, self.act, self.running = host, act, running
        self.stopped = threading.Event()

    def run(self):
        return self.act(self)

    def stop(self):
        self.stopped.set()


def hang(question):
    question.stopped.wait(60)
    raise fleet.Failure("connection", "was stopped")


def fail(question):
    raise fleet.Failure("refused", "no")


def burst(question):
    raise KeyError("unexpected")


def fine(question):
    return question.host


def told(questions, forks, timeout):
    return {question.host: getattr(result, "reason", result)
            for question, result in fleet.ask(questions, forks, timeout)}


def test_whose_own_time_is_up_too_is_late() -> None:
    """A connection's timeout ends with all the others': whichever is noticed first, the host was silent."""
    first, over = threading.Event(), threading.Event()

    def time_out(question: Question) -> None:
        first.wait(60)
        question.stopped.wait(1)  # the time of all began before the first result, so it has passed now
        over.set()
        raise fleet.Failure("connection", "timed out")

    found = {}
    for question, result in fleet.ask([Question("a", fine), Question("b", time_out)], 2, 1):
        found[question.host] = getattr(result, "reason", result)
        first.set()
        over.wait(60)
    assert found == {"a": "a", "b": "timeout"}


@pytest.mark.parametrize("forks", [1, 2, 50])
def test_each_is_told_once(forks):
    acts = [fine, fail, burst]
    questions = [Question(number, acts[number % 3]) for number in range(60)]
    found = list(fleet.ask(questions, forks, 30))
    assert sorted(question.host for question, unused in found) == list(range(60))
    wanted = {0: None, 1: "refused", 2: "error"}
    for question, result in found:
        assert getattr(result, "reason", None) == wanted[question.host % 3]


def test_no_more_than_forks_at_a_time():
    lock, now, most = threading.Lock(), [0], [0]

    def act(question):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
        return True

    assert set(told([Question(number, act) for number in range(40)], 4, 60).values()) == {True}
    assert most[0] == 4


@pytest.mark.parametrize("forks", [1, 4])
def test_silent_hosts_neither_hold_up_nor_hold_on(forks):
    questions = [Question(f"h{number}", hang) for number in range(20)] + [Question("good", fine)]
    begun = time.monotonic()
    found = told(questions, forks, 3)
    assert 2.9 < time.monotonic() - begun < 40  # of 20 hosts that take 3 s each, one after another
    assert found == {**{f"h{number}": "timeout" for number in range(20)}, "good": "good"}
    assert all(question.stopped.is_set() for question in questions[:-1])


def test_leaving_early_stops_what_runs():
    questions = [Question("good", fine), Question("bad", hang)]
    for question, _result in fleet.ask(questions, 2, 60):
        assert question.host == "good"
        break
    assert questions[1].stopped.wait(10)


def test_nobody_to_ask():
    assert told([], 4, 1) == {}


BEGIN = "#mcast.lab# begin memberships\n"


@pytest.mark.parametrize("output, reason", [
    ("", "shell"), ("sh: not found\n", "shell"), (BEGIN, "cut_off"), (f"{BEGIN}#mcast.lab# files\n", "cut_off"),
    (f"{BEGIN}#mcast.lab# files\n#mcast.lab# end\n", "facts"),
    (f"{BEGIN}#mcast.lab# files\n/proc/sys/kernel/osrelease:6.1\n/proc/net/igmp:strange\n#mcast.lab# end\n", "facts"),
])
def test_answers_that_are_none(output, reason):
    with pytest.raises(fleet.Failure) as failure:
        fleet.answer(output)
    assert failure.value.reason == reason
