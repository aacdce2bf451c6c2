# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a querier does where nothing else is set: RFC 9776 section 8 for IGMP, RFC 9777 section 9 for MLD. The file
stands by itself: the command line shows these numbers too, and imports no querier for it."""
from __future__ import annotations

IGMP_VERSION = 3
MLD_VERSION = 2
ROBUSTNESS = 2  # also of hosts (net/ipv4/igmp.c, net/ipv6/mcast.c) and of bridges (net/bridge/br_multicast.c)
QUERY_INTERVAL = 125  # seconds from one general query to the next
QUERY_RESPONSE_INTERVAL = 10.0  # seconds within which hosts answer it
LAST_MEMBER_QUERY_INTERVAL = 1.0  # seconds within which hosts answer a query about one group
