# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What both formats of capture files give: packets, each with the interface that it was captured on."""
from __future__ import annotations

from typing import Tuple


class Interface:
    """Where packets of a file were captured: link_type (number), name (None where the file tells none)."""

    __slots__ = ("link_type", "name")

    def __init__(self, link_type: int, name: str | None = None) -> None:
        self.link_type = link_type
        self.name = name


# Number from 1, nanoseconds since the epoch or -1, interface, length on the wire, captured bytes. No NamedTuple: there
# are millions, and a tuple is made and taken apart much faster.
Packet = Tuple[int, int, Interface, int, bytes]
