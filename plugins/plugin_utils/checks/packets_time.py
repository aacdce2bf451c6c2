# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`, as far as it is about time: what came after what, and how long after?"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...module_utils import expect
from ...module_utils.error import McastError
from ...module_utils.packet import timestamps
from ...module_utils.packet.datagram import Datagram
from .base import CAPTURE, GROUP, INTERFACE_SHOWN, PORT, STREAM_SHOWN, Look, Option, member_before
from .packets import Packets, by_group, is_bad, kinds_option, record_option, seconds_option, select
from .packets_datagrams import OFFLOAD, datagrams_to, describe_discarded, is_discarded

_SELECTOR: dict[str, Callable[[str, Any], Any]] = {
    "kinds": kinds_option, "group": GROUP.read, "record": record_option, "source": expect.text, "port": PORT.read}


def _selector(path: str, value: Any, further: dict[str, Callable[[str, Any], Any]] | None = None) -> dict[str, Any]:
    """``{kinds, group, record, source}`` of a message, or ``{group, port, source}`` of datagrams."""
    readers = dict(_SELECTOR, **(further or {}))
    expect.mapping(path, value, tuple(readers))
    if not value:
        raise McastError(path, "expected what to look for, such as {group: 239.0.0.100, record: to_ex}")
    return {key: readers[key](f"{path}.{key}", value[key]) for key in value}


def _steps(path: str, value: Any) -> list[dict[str, Any]]:
    """A list of selectors."""
    if not isinstance(value, list) or not value:
        raise McastError(path, "expected a list of steps, such as {group: 239.0.0.100, record: to_ex}")
    return [_selector(f"{path}[{number}]", step) for number, step in enumerate(value)]


def _end(path: str, value: Any) -> dict[str, Any]:
    return _selector(path, value, {"which": lambda where, which: expect.choice(where, which, _WHICH)})


class Order(Packets):
    """Passes when the capture holds each of the steps, none of them before the one that is given before it: messages by
    kind, group, type of record and source, or datagrams by group and port. What has a wrong checksum doesn't count, as
    nobody takes it; with `offload: false`, nor does a datagram whose checksum is not filled in.

    Fails when one is missing, or came only earlier."""

    NAME = "packets.order"
    PARAMS = {
        "capture": CAPTURE, "stream": STREAM_SHOWN, "interface": INTERFACE_SHOWN,
        "group": Option(GROUP.read, "multicast address, for the results alone"),
        "steps": Option(_steps, "list of what to look for, each with any of `kinds`, `group`, `record` and `source` of "
                                "a message, or with `port`, and any of `group` and `source`, of datagrams"),
        "offload": OFFLOAD}
    REQUIRED = ("capture", "steps")
    EXAMPLE = ("{capture: wire, steps: [{group: 239.0.0.100, record: to_ex}, "
               "{group: 239.0.0.100, port: 11111}]}")
    NEEDS = ("captures", "datagrams")
    READS = ("messages", "datagrams")
    stream: str | None
    interface: str | None
    steps: list[dict[str, Any]]
    offload: bool | None

    def _needs_all(self) -> bool:
        return False  # what is there came in this order, whatever else came

    def describe(self) -> str:
        return f"{f'{self.stream}: ' if self.stream else ''}{', then '.join(map(_shown, self.steps))}"

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        at = 0
        seen: list[str] = []
        for step in self.steps:
            times = [time for time in _times(found, step, self.offload) if time >= at]
            if not times:
                actual = ", then ".join(seen + [f"no {_shown(step)}"])
                return Look(False, "; ".join([actual, *self._why(found, step)]), {})
            at = min(times)
            seen.append(_shown(step))
        return Look(True, ", then ".join(seen), {})

    def _why(self, found: dict[str, Any], step: dict[str, Any]) -> list[str]:
        """In words: what explains that there is no such step."""
        if "port" in step:
            return describe_discarded([one for one in _datagrams(found, step) if is_discarded(one, self.offload)])
        return member_before(self.since, self.interface, step.get("group"))


def _shown(step: dict[str, Any]) -> str:
    if "port" in step:
        return f"datagrams to {step.get('group', 'any group')} port {step['port']}"
    kinds = step.get("kinds") or ["message"]
    if len(kinds) > 1:  # of several versions, say
        kinds = sorted({kind.rpartition("_")[2] for kind in kinds})
    return " ".join(["/".join(kinds)] + [step[key] for key in ("record", "group") if key in step])


def _datagrams(found: dict[str, Any], step: dict[str, Any]) -> list[Datagram]:
    return datagrams_to(found, step.get("group"), step["port"], [step["source"]] if "source" in step else None)


def _times(found: dict[str, Any], step: dict[str, Any], offload: bool | None, lost: bool = False) -> list[int]:
    """When that was, in nanoseconds, sorted; with `lost`, also what nobody takes because of its checksum."""
    if "port" in step:
        return sorted(one.time for one in _datagrams(found, step)
                      if one.time >= 0 and (lost or not is_discarded(one, offload)))
    messages = select(by_group(found, step.get("group")), **step)
    return sorted(message["time"] for message in messages
                  if message["time"] is not None and (lost or not is_bad(message)))


_WHICH = ("first", "last", "next")


class Delay(Packets):
    """Passes when the capture holds both ends, and the time from the one to the other is within the bounds: each end is
    the first or the last of what its selector finds, `to` by default the next at or after `from`. What has a wrong
    checksum can be the last, and nothing else, as nobody takes it.

    Fails when one of them is missing, or the time is out of bounds. Times are those of the capturing host's clock."""

    NAME = "packets.delay"
    NEEDS = ("captures", "datagrams")
    PARAMS = {
        "capture": CAPTURE,
        "from": Option(_end, "what to look for, as a step of `packets.order`, and `which` of them, `first`, which is "
                             "the default, or `last`"),
        "to": Option(_end, "the same; `which` may also be `next`, which is the default, at or after `from`"),
        "at_least": Option(seconds_option, "seconds between the two, at least; this or `at_most` is needed"),
        "at_most": Option(seconds_option, "seconds between the two, at most"),
        "name": Option(expect.text, "what the results call it"),
        "offload": OFFLOAD}
    REQUIRED = ("capture", "from", "to")
    EXAMPLE = ("{capture: wire, from: {kinds: [igmpv2_leave], group: 239.0.0.100}, "
               "to: {kinds: [igmpv2_query], group: 239.0.0.100}, at_most: 1}")
    at_least: float | None
    at_most: float | None
    name: str | None
    offload: bool | None

    def __init__(self, params: dict[str, Any], since: dict[str, Any] | None = None) -> None:
        super().__init__(params, since)
        if self.at_least is None and self.at_most is None:
            raise McastError(self.NAME, "needs a bound: at_least, at_most or both, in seconds")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise McastError(self.NAME, f"at_least {self.at_least:g} s is more than at_most {self.at_most:g} s")
        ends = [self.params["from"], self.params["to"]]
        self.READS = tuple({"datagrams" if "port" in end else "messages" for end in ends})
        # That the last one has been seen is certain only once no other follows.
        self.ABSENCE = any(end.get("which") == "last" for end in ends)

    def describe(self) -> str:
        name = self.name or f"{_shown(self.params['from'])} to {_shown(self.params['to'])}"
        return f"{name}: {self._bounds()}"

    def _expected(self, facts: dict[str, Any]) -> str:
        return self._bounds()

    def _bounds(self) -> str:
        bounds = [("at least", self.at_least), ("at most", self.at_most)]
        return " and ".join(f"{word} {value:g} s" for word, value in bounds if value is not None)

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        ends: list[int] = []
        for end, which in (("from", "first"), ("to", "next")):
            selector = dict(self.params[end])
            which = selector.pop("which", which)
            times = _times(found, selector, self.offload, lost=which == "last")
            if which == "next" and ends:
                times = [time for time in times if time >= ends[0]]
            if not times:
                return Look(False, f"no {_shown(selector)}", {})
            ends.append(times[-1] if which == "last" else times[0])
        delay = (ends[1] - ends[0]) / 1e9
        passed = delay >= (self.at_least or delay) and delay <= (delay if self.at_most is None else self.at_most)
        return Look(passed, f"{delay:.3f} s",
                    {"from": timestamps.text(ends[0]), "to": timestamps.text(ends[1]), "seconds": delay})


CHECKS = (Order, Delay)
