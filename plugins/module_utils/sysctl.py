# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whole numbers under /proc/sys/net, by their paths: names of interfaces may hold dots, so dotted names can't do."""
from __future__ import annotations

from .error import McastError, reason

ROOT = "/proc/sys/net/"


def read(name: str) -> int:
    """name: ``"ipv4/conf/eth0/rp_filter"``. McastError where this kernel has no such setting."""
    try:
        with open(ROOT + name, encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        raise McastError(ROOT + name, "this kernel has no such setting (is IPv6 switched off?)") from None


def write(name: str, value: int) -> None:
    """value: a whole number. McastError names the setting and the remedy."""
    try:
        with open(ROOT + name, "w", encoding="ascii") as file:
            file.write(f"{value:d}\n")
    except OSError as error:
        raise McastError(ROOT + name, reason(error)) from None
