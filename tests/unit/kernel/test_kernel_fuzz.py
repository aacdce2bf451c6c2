# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Strange text: the parsers raise McastError, and nothing else."""
from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import interfaces, memberships, routes, sockets, sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[2] / "fixtures" / "kernel"
OUTPUTS = [text for text in (path.read_text() for path in sorted(FIXTURES.glob("*.txt"))) if sources.MARK in text]
LINES = sorted({line for text in OUTPUTS for line in text.split("\n")})
PARSERS = [
    memberships.igmp, memberships.igmp6, memberships.mcfilter, memberships.mcfilter6, memberships.maddr_text,
    memberships.maddr_json, interfaces.ip_addr, interfaces.sysfs, interfaces.if_inet6, interfaces.dev_mcast,
    interfaces.conf, sockets.holders, sockets.users, routes.ipv4, routes.ipv6,
    lambda text: sockets.table("udp6", text),
]
BODIES = [line.partition(":")[2] if line.startswith("/proc/net") else line for line in LINES]
STRANGE = st.lists(st.sampled_from(BODIES) | st.text(max_size=60), max_size=8).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(text=STRANGE | st.text(), cut=st.integers(0, 80), parser=st.sampled_from(PARSERS))
def test_parsers_raise_nothing_else(text, cut, parser):
    with suppress(McastError):
        parser(text[cut:])


@settings(max_examples=200, deadline=None)
@given(output=st.sampled_from(OUTPUTS), data=st.data())
def test_damaged_output_raises_nothing_else(output, data):
    lines = output.split("\n")
    for place in data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=4)):
        cut = st.integers(0, len(lines[place])).map(lambda end, line=lines[place]: line[:end])
        lines[place] = data.draw(st.sampled_from(LINES) | st.text(max_size=80) | cut)
    with suppress(McastError):
        assert json.dumps(facts(sources.split("\n".join(lines))))
