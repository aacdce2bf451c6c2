# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What queriers go by that were told nothing. It stands by itself: the command line says it too, and reads no querier
before one is asked for."""
from __future__ import annotations

# RFC 9776 sections 8.1 to 8.3, RFC 9777 sections 9.1 to 9.3.
ROBUSTNESS = 2
QUERY_INTERVAL = 125  # seconds from one general query to the next
QUERY_RESPONSE_INTERVAL = 10.0  # seconds within which hosts answer it
