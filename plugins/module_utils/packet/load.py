# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages from wherever they are: a capture file, a result, or a list."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..error import McastError
from .capture import read
from .message import blank
from .message_filter import MessageFilter

_KEYS = blank(0, 0, None, None).keys()


def gaps(result: Mapping[str, Any]) -> list[str]:
    """result: what capture.read() returned. Returns what it lacks, in sentences: what comes behind the place where the
    file breaks, and messages beyond the limit."""
    found = []
    broken = result.get("truncated_at")
    if broken:
        found.append(f"{broken['reason']}: packet {broken['packet']}, at byte {broken['offset']}, and what follows are "
                     "not read")
    left_out = (result.get("left_out") or {}).get("messages")
    if left_out:
        found.append(f"{left_out} messages are left out; raise the limit, or choose fewer by kind, group or time")
    return found


def messages_of(value: Any, warn: Callable[[str], None], **options: Any) -> list[dict[str, Any]]:
    """value: the path of a capture file, the dict that capture.read() returned, or its list of messages. warn: takes
    what is lacking. options: those of MessageFilter. Returns the list of wanted messages; McastError where value
    is none of these."""
    if isinstance(value, str):
        result = read(value, **options)
        for gap in gaps(result):
            warn(f"{value}: {gap}")
        return result["messages"]
    if isinstance(value, Mapping):
        for gap in gaps(value):
            warn(f"messages: {gap}")
        value = value.get("messages")
    if isinstance(value, Sequence) and all(isinstance(item, Mapping) and item.keys() >= _KEYS for item in value):
        return MessageFilter(**options).select(value)
    raise McastError("messages", "expected the path of a capture, the result of mcast.lab.capture_info or a list of "
                                 "its messages")
