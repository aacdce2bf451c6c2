# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the parsers share: rows that match a pattern, and the kernel's ways to print an address."""
from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Iterator

from ..error import McastError


def unexpected_line(source: str, line: str) -> McastError:
    """The error for a line that is not of the known form. source: the file or command that it comes from."""
    return McastError(source, f"has a line of an unknown form: {line[:200]!r}")


def rows(source: str, text: str | None, pattern: re.Pattern[str], header: str | None = None) -> Iterator[re.Match[str]]:
    """Yields the match of each line of `text` that isn't empty. `header`: how the line of titles begins, if there is
    one. McastError where a line doesn't match."""
    for number, line in enumerate((text or "").split("\n")):
        if not line.strip() or number == 0 and header and line.lstrip().startswith(header):
            continue
        match = pattern.match(line)
        if not match:
            raise unexpected_line(source, line)
        yield match


def ipv4_little(digits: str) -> str:
    """``"640000EF"`` (a 32-bit word as a little-endian host prints it) is ``"239.0.0.100"``."""
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(digits)))


def ipv4_network(digits: str) -> str:
    """``"ef000064"`` (network order) is ``"239.0.0.100"``."""
    return ".".join(str(byte) for byte in bytes.fromhex(digits))


@lru_cache(maxsize=4096)  # hosts are members of the same groups
def ipv6_network(digits: str) -> str:
    """32 hexadecimal digits in network order, as ``"ff15::100"``."""
    return str(ipaddress.IPv6Address(int(digits, 16)))


def ipv6_words(digits: str) -> str:
    """32 hexadecimal digits as four little-endian words (/proc/net/udp6)."""
    return ipv6_network("".join(bytes.fromhex(digits[i:i + 8])[::-1].hex() for i in range(0, 32, 8)))


def mac(digits: str) -> str:
    """``"01005e000064"`` is ``"01:00:5e:00:00:64"``; link layers of other lengths too."""
    return ":".join(digits[i:i + 2] for i in range(0, len(digits), 2)).lower()
