# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Results are plain values: Ansible makes a list of a NamedTuple, and breaks on a dataclass."""
from __future__ import annotations

from typing import Any

_PLAIN = {dict, list, str, int, float, bool, type(None)}


def assert_plain(value: Any, place: str = "result") -> None:
    """Nothing but dict, list, str, int, float, bool and None, of exactly these types, and texts as keys."""
    kind = type(value)
    assert kind in _PLAIN, f"{place} is {kind}"
    if kind is dict:
        assert {type(key) for key in value} <= {str}, f"{place} has the keys {list(value)}"
        for key, each in value.items():
            assert_plain(each, f"{place}.{key}")
    elif kind is list:
        for number, each in enumerate(value):
            assert_plain(each, f"{place}[{number}]")
