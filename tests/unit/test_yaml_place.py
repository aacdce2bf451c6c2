# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a key stands in a YAML file."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.plugin_utils.yaml_place import place_of

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
    ("segments", (2, 1)), ("segments.lan", (3, 3)), ("segments.lan.ipv4", (3, 9)), ("hosts.a.interfaces.eth0", (5, 20)),
    ("hosts.a.b.interfaces", (7, 5)), ("hosts.a.b", (6, 3)), ("hosts.c.interfaces.eth0.segment", (7, 31)),
    ("streams.hello.to[1]", (11, 13)),
    # What lacks is missed where it belongs.
    ("streams.hello.port", (10, 3)), ("streams.hello.to[7]", (11, 5)), ("hosts.d", (4, 1)), ("name", None), ("", None),
])
def test_the_place_of_a_key(path, place):
    assert place_of(TEXT, path) == place


@pytest.mark.parametrize("text", ["", "{", "- a", "5", "{1: 2, [a]: b}"])
def test_what_is_no_mapping_has_no_places(text):
    assert place_of(text, "hosts") is None
