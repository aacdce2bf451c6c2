# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what a user wrote: each function takes the key's path and its value, and returns the value or raises the
one message that names the key and says what was expected."""
from __future__ import annotations

import difflib
import re
from typing import Any, Collection, Iterable, TypeVar, overload

from .error import McastError

_Value = TypeVar("_Value")

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)


def _nearest(word: Any, known: Iterable[Any]) -> str:
    """In words: which of the known words may be meant; empty where none is near."""
    close = difflib.get_close_matches(word, map(str, known), 1) if isinstance(word, str) else []
    return f"; did you mean {close[0]}?" if close else ""


def mapping(path: str, value: Any, keys: Collection[str] | None = None, required: Iterable[str] = ()) -> dict[str, Any]:
    """A mapping; with `keys`, of these keys only; `required` must be among them."""
    if not isinstance(value, dict):
        raise McastError(path, f"expected a mapping, not {_shown(value)}")
    for key in value:
        if not isinstance(key, str):
            raise McastError(f"{path}.{key}", "expected a text as key; put it in quotes")
        if keys is not None and key not in keys:
            raise McastError(f"{path}.{key}", f"is not known; expected one of {', '.join(keys)}{_nearest(key, keys)}")
    for key in required:
        if value.get(key) is None:
            raise McastError(f"{path}.{key}", "is missing")
    return value


def texts(path: str, value: Any) -> list[str]:
    """A list of texts; a single text stands for a list of one."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise McastError(path, f"expected a text or a list of texts, not {_shown(value)}")
    return list(items)


def text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise McastError(path, f"expected a text, not {_shown(value)}; put it in quotes if it is meant as one")
    return value


def choice(path: str, value: Any, choices: Collection[_Value]) -> _Value:
    if value not in choices:
        shown = ", ".join(str(each) for each in choices) or "(there are none)"
        raise McastError(path, f"expected one of {shown}, not {_shown(value)}{_nearest(value, choices)}")
    return value


@overload
def number(path: str, value: Any, low: float, high: float, kind: type[int] = ...) -> int: ...


@overload
def number(path: str, value: Any, low: float, high: float, kind: type[float]) -> float: ...


def number(path: str, value: Any, low: float, high: float, kind: type[float] = int) -> float:
    """A number from `low` to `high`; kind int or float. Digits in quotes are taken too: templates make them."""
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        result: float | None = kind(value)
    except (TypeError, ValueError, OverflowError):
        result = None
    if result is None or not low <= result <= high:
        what = "a whole number" if kind is int else "a number"
        raise McastError(path, f"expected {what} from {low} to {high}, not {_shown(value)}")
    return result


def duration(path: str, value: Any) -> float:
    """A duration as people write it: `0.5`, ``"5s"``, ``"500ms"``, ``"5m"``, ``"1h"``. Returns seconds."""
    match = re.match(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|)\s*\Z", str(value))
    if not match:
        raise McastError(path, f"expected a duration such as 5s, 500ms or 2m, not {value!r}")
    return float(match.group(1)) * _UNITS[match.group(2)]
