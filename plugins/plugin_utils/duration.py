# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Durations as people write them."""
from __future__ import annotations

import re

from ..module_utils.error import McastError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}


def seconds(name, value):
    """`0.5`, ``"5s"``, ``"500ms"``, ``"5m"``, ``"1h"`` → seconds. name: the option, for the message."""
    match = re.match(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|)\s*\Z", str(value))
    if not match:
        raise McastError(name, "expected a duration such as 5s, 500ms or 2m, not %r" % value)
    return float(match.group(1)) * _UNITS[match.group(2)]
