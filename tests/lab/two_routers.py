# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab of three segments, with a router between each two:

    s -- a -- r1 -- b -- r2 -- c -- t
"""
from __future__ import annotations

SEGMENTS = {name: {"ipv4": "10.%d.0.0/24" % number, "ipv6": "fd00:%d::/64" % number}
            for number, name in enumerate("abc", 1)}
HOSTS = {
    "s": {"interfaces": {"eth0": {"segment": "a"}}},
    "r1": {"interfaces": {"eth0": {"segment": "a"}, "eth1": {"segment": "b"}}, "router": {}},
    "r2": {"interfaces": {"eth0": {"segment": "b"}, "eth1": {"segment": "c"}}, "router": {}},
    "t": {"interfaces": {"eth0": {"segment": "c"}}},
}
