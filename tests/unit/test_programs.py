# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of several programs, as their command lines."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import programs
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError

WHERE = {"port": 5000, "interface": "eth0"}
LINE = ["--port=5000", "--interface=eth0", "--timeout=3600"]


@pytest.mark.parametrize(("body", "argv"), [
    ({"receiver": {"group": "239.1.1.1", **WHERE}}, ["receiver", "--group=239.1.1.1", *LINE]),
    ({"receiver": {"timeout": 2, "filter_mode": "exclude", "sources": ["10.0.0.1", "10.0.0.2"],
                   "group": ["239.1.1.1", "239.1.1.2"], **WHERE}},
     ["receiver", "--group=239.1.1.1", "--group=239.1.1.2", *LINE[:2], "--timeout=2", "--source=10.0.0.1",
      "--source=10.0.0.2", "--filter-mode=exclude"]),
    ({"sender": {"group": "239.1.1.1", **WHERE, "sequence": True, "count": 0, "ttl": None}},
     ["sender", "--group=239.1.1.1", *LINE, "--sequence", "--count=0"]),
    ({"sender": {"group": "239.1.1.1", **WHERE, "sequence": False, "payload": "--help"}},
     ["sender", "--group=239.1.1.1", *LINE, "--payload=--help"]),
    ({"querier": {"interface": "eth0"}}, ["querier", "--interface=eth0", "--timeout=3600"]),
    ({"capture": {"interface": "eth0", "file": "/tmp/x.pcap", "filter": "igmp"}},
     ["capture", "--interface=eth0", "--timeout=3600", "--file=/tmp/x.pcap", "--filter=igmp"]),
])
def test_options_become_the_command_line_in_one_order(body, argv):
    assert programs.command("x", body) == argv


def test_a_capture_has_a_filter_and_a_file_of_its_own():
    argv = programs.command("wire", {"capture": {"interface": "eth0", "streams": [{"group": "239.1.1.1", "port": 5}]}})
    assert "239.1.1.1" in argv[-1] and argv[-2].endswith("/wire/capture.pcap")


@pytest.mark.parametrize(("body", "says"), [
    ({}, "x: expected one program, such as"), ([], "x: expected a mapping"),
    ({"receiver": {}, "sender": {}}, "not 2"), ({"reciever": {}}, "x.reciever: is not known"),
    ({"receiver": [1]}, "x.receiver: expected a mapping"),
    ({"receiver": None}, "x.receiver.group, port, interface: are missing for a receiver"),
    ({"receiver": {"grup": "239.1.1.1", **WHERE}}, "x.receiver.grup: is not known; expected one of "),
    ({"sender": {"group": ["239.1.1.1", "239.1.1.2"], **WHERE}}, "x.sender.group: takes one value, not a list of 2"),
    ({"receiver": {"group": [["239.1.1.1"]], **WHERE}}, "x.receiver.group: expected text or a number, not ["),
    ({"sender": {"group": {"a": 1}, **WHERE}}, 'x.sender.group: expected text or a number, not {"a": 1}'),
    ({"sender": {"group": "239.1.1.1", **WHERE, "count": True}}, "x.sender.count: expected text or a number, not true"),
    ({"sender": {"group": "239.1.1.1", **WHERE, "sequence": "yes"}}, "x.sender.sequence: expected one of True, False"),
    ({"sender": {"group": "239.1.1.1", **WHERE, "ttl": 999}}, "x.sender.ttl: 999 is not a valid TTL"),
    ({"sender": {"group": "239.1.1.1", **WHERE, "lines": True}}, "x.sender.lines: is not known"),
    ({"receiver": {"group": "239.1.1.1", **WHERE, "report": "/tmp/x"}}, "x.receiver.report: is not known"),
    ({"querier": {"help": True}}, "x.querier.help: is not known"),
    ({"querier": {"interface": "eth0", "streams": []}}, "x.querier.streams: is not known"),
])
def test_what_is_no_program_is_refused(body, says):
    with pytest.raises(McastError) as caught:
        programs.command("x", body)
    assert says in str(caught.value)


def test_a_name_is_started_or_stopped():
    with pytest.raises(McastError) as caught:
        programs.plan({"x": {"receiver": {}}}, ["x"])
    assert str(caught.value) == "x: shall be started and stopped; leave one out"
