# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Results are plain values: Ansible makes a list of a NamedTuple, and breaks on a dataclass."""
from __future__ import annotations

from typing import Any


def assert_plain(value: Any, place: str = "result") -> None:
    """Nothing but dict, list, str, int, float, bool and None, of exactly these types, and texts as keys."""
    if type(value) is dict:
        for key, each in value.items():
            assert type(key) is str, f"{place} has the key {key!r}"
            assert_plain(each, f"{place}.{key}")
    elif type(value) is list:
        for number, each in enumerate(value):
            assert_plain(each, f"{place}[{number}]")
    else:
        assert value is None or type(value) in (str, int, float, bool), f"{place} is {type(value)}"
