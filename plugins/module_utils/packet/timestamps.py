# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times: nanoseconds since the epoch inside, as int; text with nine decimals outside."""
from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from ..error import McastError


def text(nanoseconds: int | None) -> str | None:
    """Returns ``"1700000000.000000001"``; None where the file holds no time, which is None or negative."""
    if nanoseconds is None or nanoseconds < 0:
        return None
    return f"{nanoseconds // 1000000000}.{nanoseconds % 1000000000:09d}"


def readable(message: dict[str, Any]) -> dict[str, Any]:
    """A message as it is shown, with its time as text."""
    return {**message, "time": text(message["time"])}


def seconds(nanoseconds: float) -> float:
    """Returns a duration as a float of seconds."""
    return round(nanoseconds / 1e9, 9)


def parse(value: object, thing: str) -> int:
    """value: seconds since the epoch, as a number or as text like a message's own ``time``. Returns nanoseconds;
    McastError about `thing` for anything else."""
    try:
        number = Decimal(str(value))
        if number.is_finite() and abs(number) < 10 ** 10:
            return int(number * 10 ** 9)
    except InvalidOperation:
        pass
    raise McastError(thing, f"{value!r} is not a time; expected seconds since the epoch, such as 1700000000.5")
