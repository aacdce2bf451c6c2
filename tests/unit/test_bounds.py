# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that is asked takes neither time nor memory without end, and nothing of the question is left."""
from __future__ import annotations

import concurrent.futures
import subprocess
import threading

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils import bounds


class Asked:
    """A command, as a connection plugin runs it."""

    def __init__(self, *argv):
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE)

    def __call__(self):
        return self.process.communicate()[0]

    def ended(self):
        return self.process.wait(timeout=30) != 0


def test_an_answer_and_an_error_go_through():
    assert bounds.bounded("h", Asked("echo", "facts")) == b"facts\n"
    for error in (McastError("a", "b"), TimeoutError("of the connection"), KeyError("x")):
        def fail(error=error):
            raise error
        with pytest.raises(type(error)) as caught:
            bounds.bounded("h", fail)
        assert caught.value is error


def test_a_host_that_keeps_silent(monkeypatch):
    monkeypatch.setattr(bounds, "PATIENCE", 0.3)
    asked = Asked("sleep", "1000")
    with pytest.raises(AnsibleConnectionFailure, match="mon1 did not answer within 0 s; it is frozen"):
        bounds.bounded("mon1", asked)
    assert asked.ended()


def test_a_host_that_prints_without_end(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_OUTPUT", 4 << 20)
    asked = Asked("yes", "y" * 1000)
    with pytest.raises(McastError, match="mon1: prints more than 4 MB"):
        bounds.bounded("mon1", asked)
    assert asked.ended()


def test_what_is_known_to_come_is_no_reason(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_OUTPUT", 1 << 20)
    assert len(bounds.bounded("h", Asked("head", "-c", "40000000", "/dev/zero"), 40000000)) == 40000000
    assert threading.active_count() < 20


def test_an_answer_that_comes_at_the_end_of_a_look(monkeypatch):
    """After the look has timed out, and before it is asked whether there is one."""
    result = concurrent.futures.Future.result

    def late(future, timeout=None):
        if timeout is None:
            return result(future)
        concurrent.futures.wait([future])
        raise concurrent.futures.TimeoutError
    monkeypatch.setattr(concurrent.futures.Future, "result", late)
    assert bounds.bounded("h", Asked("echo", "facts")) == b"facts\n"
