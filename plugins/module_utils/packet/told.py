# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages from wherever they are: a capture file, a result, or a list."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..error import McastError
from .capture import read
from .choice import Choice
from .message import blank

_KEYS = blank(0, 0, None, None).keys()


def messages_of(value, **options):
    """value: the path of a capture file, the dict that capture.read() returned, or its list of messages. options:
    those of Choice (choice.py). Returns the list of wanted messages; McastError where value is none of these."""
    if isinstance(value, str):
        return read(value, **options)["messages"]
    if isinstance(value, Mapping):
        value = value.get("messages")
    if isinstance(value, Sequence) and all(isinstance(item, Mapping) and item.keys() >= _KEYS for item in value):
        return Choice(**options).select(value)
    raise McastError("messages", "expected the path of a capture, the result of mcast.lab.capture_info or a list of "
                                 "its messages")
