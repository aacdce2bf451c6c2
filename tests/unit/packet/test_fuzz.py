# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing that is read may raise, hang, or give anything but plain values. The long run is in tests/lab."""
from __future__ import annotations

from ansible_collections.mcast.lab.tests.unit.packet.fuzz import Fuzz


def test_fuzz(tmp_path):
    fuzz = Fuzz(1, tmp_path)
    found = len(fuzz.frames) + len(fuzz.files)
    fuzz.run(6000)
    assert fuzz.slowest < 1
    assert len(fuzz.frames) + len(fuzz.files) > found + 50
