# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How tests wait: for what they are after, never for a time."""
from __future__ import annotations

import time


def until(look, seconds=30.0):
    """Poll until `look` gives something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.01)
