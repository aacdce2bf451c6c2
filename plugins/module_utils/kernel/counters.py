# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel counts of each protocol, since the host or its namespace has begun. A counter that this kernel does
not have is absent, never 0."""
from __future__ import annotations

import re
from itertools import zip_longest

from ..error import McastError

_NAME = re.compile(r"(?P<protocol>[A-Z][A-Za-z]*6)(?P<name>\w+)\Z", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}\Z", re.ASCII)


def of_pairs(path: str, text: str | None) -> dict[str, dict[str, int]]:
    """text: of /proc/net/snmp or netstat (net/ipv4/proc.c), pairs of lines of names and of numbers, each behind the
    protocol's name. Returns ``{"Udp": {"InDatagrams": 7, ...}, ...}``; McastError names the path of what is no pair."""
    found: dict[str, dict[str, int]] = {}
    lines = [line.split() for line in (text or "").splitlines() if line.strip()]
    for names, numbers in zip_longest(lines[::2], lines[1::2], fillvalue=[""]):
        if names[0] != numbers[0]:
            raise McastError(path, f"has a line without its numbers: {' '.join(names)[:200]}")
        found[names[0].rstrip(":")] = dict(zip(names[1:], _numbers(path, numbers[1:], len(names) - 1)))
    return found


def of_lines(path: str, text: str | None) -> dict[str, dict[str, int]]:
    """text: of /proc/net/snmp6 (net/ipv6/proc.c), a name and a number in each line. Returns the same, by the protocol
    that is in each name: ``{"Udp6": {"InDatagrams": 7, ...}, ...}``."""
    found: dict[str, dict[str, int]] = {}
    for line in (text or "").splitlines():
        words = line.split()
        match = _NAME.match(words[0]) if words else None
        if match:
            found.setdefault(match["protocol"], {})[match["name"]], = _numbers(path, words[1:], 1)
        elif words:
            raise McastError(path, f"has a name of no protocol: {words[0][:200]}")
    return found


def _numbers(path: str, words: list[str], count: int) -> list[int]:
    if len(words) != count or not all(map(_NUMBER.match, words)):
        raise McastError(path, f"has other numbers than it has names: {' '.join(words)[:200]}")
    return list(map(int, words))


def datagrams_read(counters: dict[str, dict[str, int]], family: str) -> int | None:
    """How many UDP datagrams of a family programs have read (net/ipv4/udp.c udp_recvmsg, net/ipv6/udp.c); None where
    the kernel does not count them."""
    return counters.get("Udp" if family == "ipv4" else "Udp6", {}).get("InDatagrams")
