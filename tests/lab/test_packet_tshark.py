# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""tshark's reading of the same bytes, field by field: of messages made at random, and of the captures in the folders
that the environment variable MCAST_CAPTURES names (separated by colons), for example those of tcpdump's and scapy's
own tests."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read
from ansible_collections.mcast.lab.tests.unit.packet import build
from packet_oracle import differences, judge, tshark

pytest.importorskip("hypothesis")
from ansible_collections.mcast.lab.tests.unit.packet import strategies  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")


def compare(frames, folder):
    path = os.path.join(str(folder), "random.pcap")
    with open(path, "wb") as stream:
        stream.write(build.pcap(frames))
    rows, result = tshark(path), read(path, payload=True)
    assert len(rows) == len(frames) == len(result["messages"])
    for message in result["messages"]:
        assert message["malformed"] is None
        assert differences(message, rows[message["number"]]) == [], (message, frames[message["number"] - 1].hex())


# Without shrinking: each example starts a tshark, and the failure names the one frame that it is about.
AT_RANDOM = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@AT_RANDOM
@given(frames=st.lists(strategies.IGMP, min_size=30, max_size=60))
def test_igmp(frames, tmp_path):
    compare(frames, tmp_path)


@AT_RANDOM
@given(frames=st.lists(strategies.MLD, min_size=30, max_size=60))
def test_mld(frames, tmp_path):
    compare(frames, tmp_path)


@AT_RANDOM
@given(frames=st.lists(strategies.PIM, min_size=20, max_size=40))
def test_pim(frames, tmp_path):
    compare(frames, tmp_path)


@AT_RANDOM
@given(frames=st.lists(strategies.UDP, min_size=20, max_size=40))
def test_udp(frames, tmp_path):
    compare(frames, tmp_path)


def captures():
    for folder in filter(None, os.environ.get("MCAST_CAPTURES", "").split(":")):
        for name in sorted(os.listdir(folder)):
            if re.search(r"\.p?cap(ng)?(\.gz)?$", name):
                yield os.path.join(folder, name)


@pytest.mark.parametrize("path", list(captures()), ids=os.path.basename)
def test_public_captures(path):
    from ansible_collections.mcast.lab.plugins.module_utils.error import McastError

    try:
        compared, complaints = judge(path)
    except McastError as error:
        assert "is not a capture file" in str(error) and not tshark(path)
        return
    assert complaints == []
