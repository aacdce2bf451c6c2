# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of several programs, as their command lines."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import programs
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError


@pytest.mark.parametrize(("body", "argv"), [
    ({"receiver": {"group": "239.1.1.1", "port": 5000}}, ["receiver", "--timeout=3600", "--group=239.1.1.1",
                                                          "--port=5000"]),
    ({"receiver": {"group": ["239.1.1.1", "ff15::1"], "filter_mode": "exclude", "timeout": 2}},
     ["receiver", "--timeout=2", "--group=239.1.1.1", "--group=ff15::1", "--filter-mode=exclude"]),
    ({"sender": {"sequence": True, "count": 0, "ttl": None, "lines": False}},
     ["sender", "--timeout=3600", "--sequence", "--count=0"]),
    ({"querier": None}, ["querier", "--timeout=3600"]),
    ({"capture": {"interface": "eth0", "file": "/tmp/x.pcap", "filter": "igmp"}},
     ["capture", "--timeout=3600", "--interface=eth0", "--file=/tmp/x.pcap", "--filter=igmp"]),
])
def test_options_become_the_command_line(body, argv):
    assert programs.command("x", body) == argv


def test_a_capture_has_a_filter_and_a_file_of_its_own():
    argv = programs.command("wire", {"capture": {"interface": "eth0", "streams": [{"group": "239.1.1.1", "port": 5}]}})
    assert "239.1.1.1" in argv[-1] and argv[-2].endswith("/wire/capture.pcap")


@pytest.mark.parametrize(("body", "says"), [
    ({}, "x: expected one program, such as"), ([], "x: expected a mapping"),
    ({"receiver": {}, "sender": {}}, "not 2"), ({"reciever": {}}, "x.reciever: is not known"),
    ({"receiver": [1]}, "x.receiver: expected a mapping"),
])
def test_what_is_no_program_is_refused(body, says):
    with pytest.raises(McastError) as caught:
        programs.command("x", body)
    assert says in str(caught.value)


def test_a_name_is_started_or_stopped():
    with pytest.raises(McastError) as caught:
        programs.plan({"x": {"receiver": {}}}, ["x"])
    assert str(caught.value) == "x: shall be started and stopped; leave one out"
