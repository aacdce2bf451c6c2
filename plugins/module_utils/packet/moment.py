# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times: nanoseconds since the epoch inside, text with nine decimals outside."""
from __future__ import annotations

from decimal import Decimal, InvalidOperation

from ..error import McastError


def text(nanoseconds):
    """Returns ``"1700000000.000000001"``; None for a negative number: the file tells no time."""
    return None if nanoseconds < 0 else "%d.%09d" % divmod(nanoseconds, 1000000000)


def seconds(nanoseconds):
    """Returns a duration as a float of seconds."""
    return round(nanoseconds / 1e9, 9)


def parse(value, thing):
    """value: seconds since the epoch, as a number or as text like a message's own ``time``. Returns nanoseconds;
    McastError about `thing` for anything else."""
    try:
        number = Decimal(str(value))
        if number.is_finite() and abs(number) < 10 ** 10:
            return int(number * 10 ** 9)
    except InvalidOperation:
        pass
    raise McastError(thing, "%r is no time; expected seconds since the epoch, such as 1700000000.5" % (value,))
