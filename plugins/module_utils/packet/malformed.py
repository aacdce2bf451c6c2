# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a parser says that a packet contradicts itself or ends too early."""
from __future__ import annotations


class Malformed(Exception):
    """The bytes break the rules of their format; the text is the reason, for people.

    Parsers fill their message as far as they get and then raise this: what was read before stays."""


class Snapped(Exception):
    """The capture holds too little of the packet to tell what it is. No fault of the packet."""
