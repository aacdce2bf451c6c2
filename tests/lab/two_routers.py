# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab of three segments, with a router between each two:

    s -- a -- r1 -- b -- r2 -- c -- t
"""
from __future__ import annotations

SEGMENTS = {name: {"ipv4": f"10.{number}.0.0/24", "ipv6": f"fd00:{number}::/64"}
            for number, name in enumerate("abc", 1)}
HOSTS = {
    "s": {"interfaces": {"eth0": {"segment": "a"}}},
    "r1": {"interfaces": {"eth0": {"segment": "a"}, "eth1": {"segment": "b"}}, "router": {}},
    "r2": {"interfaces": {"eth0": {"segment": "b"}, "eth1": {"segment": "c"}}, "router": {}},
    "t": {"interfaces": {"eth0": {"segment": "c"}}},
}
