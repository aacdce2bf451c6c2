# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What queriers go by that were told nothing. It stands by itself: the command line says it too, and reads no querier
before one is asked for."""
from __future__ import annotations

# RFC 9776 section 8.2, RFC 9777 section 9.2: seconds from one general query to the next.
QUERY_INTERVAL = 125
