# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a key stands in a file that Ansible has read."""
from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.mcast.lab.plugins.plugin_utils.origin import place_of

TEXT = """---
segments:
  lan: {ipv4: 10.0.0.0/24}
hosts:
  a: {interfaces: {eth0: {segment: lan}}}
  a.b:
    interfaces: &same {eth0: {segment: lan}}
  c: {interfaces: *same}
streams:
  hello:
    to: [x, y]
"""


@pytest.mark.parametrize(("path", "place"), [
    ("segments", "2:1"), ("segments.lan", "3:3"), ("segments.lan.ipv4", "3:9"), ("hosts.a.interfaces.eth0", "5:20"),
    ("hosts.a.b.interfaces", "7:5"), ("hosts.a.b", "6:3"), ("hosts.c.interfaces.eth0.segment", "7:31"),
    ("streams.hello.to[1]", "11:13"), ("streams.hello/ipv4.to[0]", "11:10"), ("streams.hello/ipv6.to", "11:5"),
    # What lacks is missed where it belongs.
    ("streams.hello.port", "10:3"), ("streams.hello.to[7]", "11:5"), ("hosts.d", "4:1"), ("name", "2:1"), ("", "2:1"),
])
def test_the_place_of_a_key(tmp_path, path, place):
    file = tmp_path / "topology.yml"
    file.write_text(TEXT)
    assert place_of(DataLoader().load_from_file(str(file)), path) == f"{file}:{place}"


def test_the_place_of_a_list_begins_with_a_bracket(tmp_path):
    file = tmp_path / "all.yml"
    file.write_text("mcast_steps:\n  - name: one\n  - name: two\n    send: 5\n")
    steps = DataLoader().load_from_file(str(file))["mcast_steps"]
    assert place_of(steps, "[1].send") == f"{file}:4:5"


def test_the_place_of_what_is_not_yaml(tmp_path):
    file = tmp_path / "topology.yml"
    file.write_text("hosts:\n\tclient: {}\n")
    with pytest.raises(AnsibleError) as caught:
        DataLoader().load_from_file(str(file))
    assert place_of(caught.value.obj) == f"{file}:2:1"


@pytest.mark.parametrize("value", [None, 5, "text", {"hosts": {}}, ["hosts"], {5: {}}])
def test_what_no_file_holds_has_no_place(value):
    assert place_of(value, "hosts.a") == place_of(value) == ""
