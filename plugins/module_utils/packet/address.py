# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses in the bytes of a packet, as text."""
from __future__ import annotations

import socket
from functools import lru_cache


@lru_cache(maxsize=4096)
def ip_text(raw: bytes) -> str:
    """raw: 4 or 16 bytes. Returns ``"239.0.0.100"`` or ``"ff15::64"`` (RFC 5952)."""
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


@lru_cache(maxsize=4096)
def mac_text(raw: bytes) -> str:
    """raw: 6 bytes. Returns ``"01:00:5e:00:00:64"``."""
    return raw.hex(":")


def is_group(raw: bytes) -> bool:
    """True where the 4 or 16 bytes are a multicast address: 224.0.0.0/4 or ff00::/8."""
    return raw[0] >> 4 == 0xe if len(raw) == 4 else raw[0] == 0xff


def is_unspecified(raw: bytes) -> bool:
    """True for 0.0.0.0 and ::."""
    return not any(raw)
