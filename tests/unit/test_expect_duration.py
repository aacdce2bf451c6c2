# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Durations as people write them."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.expect import duration as seconds


@pytest.mark.parametrize(("value", "result"), [
    (0, 0), (5, 5), (0.5, 0.5), ("0", 0), ("5", 5), ("5s", 5), ("0.25s", 0.25), ("500ms", 0.5), ("1.5ms", 0.0015),
    ("2m", 120), ("1.5m", 90), ("1h", 3600), (" 5 s ", 5), ("260s", 260),
])
def test_seconds(value, result):
    found = seconds("within", value)
    assert found == pytest.approx(result)
    assert isinstance(found, float)


@pytest.mark.parametrize("value", [None, "", "s", "-1", "-5s", "5x", "5 seconds", "1h30m", "5S", "5,5s", "1e3", ".5s",
                                   "5.s", True, [], {}, "nan", "inf", "5s\n6s"])
def test_no_duration(value):
    with pytest.raises(McastError) as error:
        seconds("within", value)
    assert error.value.thing == "within"
    assert f"expected a duration such as 5s, 500ms or 2m, not {value!r}" in str(error.value)
