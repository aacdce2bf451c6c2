# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge checks against what is gathered, again and again until each is decided. Fetching stays apart from judging:
this file knows no host, the checks know no connection."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...module_utils.error import McastError
from ..checks import (
    delivery,
    expiry,
    firewall,
    interface,
    kernel,
    mapping,
    mdb,
    membership,
    membership_kind,
    mroute,
    packets,
    packets_datagrams,
    packets_reports,
    packets_time,
    pim,
    querier,
    querier_members,
    socket,
)
from ..checks.base import Check, Judgement

_TOPICS = (interface, membership, membership_kind, mapping, delivery, socket, firewall, packets, packets_datagrams,
           packets_reports, packets_time, mdb, expiry, querier, querier_members, mroute, pim, kernel)
CHECKS: dict[str, type[Check]] = {check.NAME: check for topic in _TOPICS for check in topic.CHECKS}
_PAUSE = 0.1  # seconds between two gatherings, at least
_PROGRESS = 10  # seconds between two messages about what is waited for


class Decided(NamedTuple):
    """A check that is decided: its id, and how many seconds that took."""

    key: str
    judgement: Judgement
    elapsed: float


def make(name: str, params: dict[str, Any], since: dict[str, Any] | None = None) -> Check:
    """The check called `name`; McastError where there is none, or its params are wrong."""
    if name not in CHECKS:
        raise McastError(name, f"is not a check; there are {', '.join(sorted(CHECKS))}")
    return CHECKS[name](params, since)


def judge(checks: dict[str, Check], gather: Callable[[list[str]], dict[str, Any]], within: float, window: float,
          longer: dict[str, float] | None = None, waiting: Callable[[float, list[Check]], None] | None = None
          ) -> Iterator[Decided]:
    """Decide all checks.

    checks: ``{id: Check}``. gather: function of a list of subsets that returns facts. within: seconds until which
    a check may come true. window: seconds over which an absence must hold. longer: ``{id: seconds}`` that a check may
    take beyond `within`. waiting: function of the seconds so far and the open checks, called every 10 s.
    Yields each as it is decided."""
    begin = time.monotonic()
    open_checks = dict(checks)
    held_since: dict[str, float] = {}
    said = 0.0
    while open_checks:
        subsets = sorted({subset for check in open_checks.values() for subset in check.NEEDS})
        looked = time.monotonic()
        facts = gather(subsets)
        for key, check in list(open_checks.items()):
            judgement = check.judge(facts)
            if judgement.passed and check.ABSENCE:
                # It holds from the moment before the first look that saw it; a later sight starts anew.
                held = held_since.setdefault(key, looked)
                if looked - held < window:
                    continue
            elif not judgement.passed:
                held_since.pop(key, None)
                if time.monotonic() - begin < within + (longer or {}).get(key, 0):
                    continue
            del open_checks[key]
            yield Decided(key, judgement, time.monotonic() - begin)
        if open_checks:
            now = time.monotonic()
            if (now - begin) // _PROGRESS > said:
                said = (now - begin) // _PROGRESS
                if waiting:
                    waiting(now - begin, list(open_checks.values()))
            # Of many hosts, each leaves time to the others.
            time.sleep(max(_PAUSE, 2 * (now - looked)))
