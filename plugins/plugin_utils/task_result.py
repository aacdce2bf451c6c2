# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a failed task says, as one text: a module's message, what a command printed on stderr, each failed item."""
from __future__ import annotations

from typing import Any, Mapping

_ITEMS = "One or more items failed"
_TAIL = 2000  # characters of stderr


def failure(result: Mapping[str, Any]) -> str:
    """result: that of a task, or of an item of its loop. Returns why it failed; never empty."""
    if is_loop(result):
        failed = [item for item in result["results"] if item.get("failed") or item.get("unreachable")]
        return "; ".join(dict.fromkeys(map(failure, failed))) or _ITEMS
    message = str(result.get("msg") or "").strip()
    if result.get("rc") not in (None, 0) and "rc=" not in message:
        message = f"{message or 'failed'} (exit status {result['rc']})"
    stderr = str(result.get("stderr") or result.get("module_stderr") or "").strip()[-_TAIL:]
    if stderr and stderr not in message:
        message = f"{message}: {stderr}" if message else stderr
    return message or "no reason given"


def is_loop(result: Mapping[str, Any]) -> bool:
    """Whether it is the sum of a loop whose items have failed, each with a result of its own."""
    return bool(result.get("results")) and _ITEMS in str(result.get("msg", ""))
