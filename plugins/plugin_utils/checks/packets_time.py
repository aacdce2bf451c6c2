# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`, as far as it is about time: what came after what, and how long after?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils.error import McastError
from ...module_utils.packet import moment
from .base import flag_option, group_option, port_option
from .packets import Packets, is_dropped, kinds_option, record_option, seconds_option, select

_SELECTOR = {"kinds": kinds_option, "group": group_option, "record": record_option, "source": expect.text,
             "port": port_option}


def _selector(path, value, further=None):
    """``{kinds, group, record, source}`` of a message, or ``{group, port, source}`` of datagrams."""
    readers = dict(_SELECTOR, **(further or {}))
    expect.mapping(path, value, tuple(readers))
    if not value:
        raise McastError(path, "expected what to look for, such as {group: 239.0.0.100, record: to_ex}")
    return {key: readers[key]("%s.%s" % (path, key), value[key]) for key in value}


def _steps(path, value):
    """A list of selectors."""
    if not isinstance(value, list) or not value:
        raise McastError(path, "expected a list of steps, such as {group: 239.0.0.100, record: to_ex}")
    return [_selector("%s[%d]" % (path, number), step) for number, step in enumerate(value)]


def _end(path, value):
    return _selector(path, value, {"which": lambda where, which: expect.choice(where, which, _WHICH)})


class Order(Packets):
    """Passes when the capture holds each of the steps, none of them before the one that is given before it: messages by
    kind, group, type of record and source, or datagrams by group and port whose UDP checksum is not wrong. With
    `offload: false`, one that is left to the interface is wrong, too.

    Fails when one is missing, or came only earlier."""

    NAME = "packets.order"
    NEEDS = ("captures", "datagrams")
    PARAMS = {"capture": expect.text, "stream": expect.text, "interface": expect.text, "group": group_option,
              "steps": _steps, "offload": flag_option}
    REQUIRED = ("capture", "steps")

    def _needs_all(self) -> bool:
        return False  # what is there came in this order, whatever else came

    def describe(self):
        return "%s%s" % ("%s: " % self.stream if self.stream else "", ", then ".join(map(_shown, self.steps)))

    def _look(self, found, facts):
        at, seen = 0, []
        for step in self.steps:
            times = [time for time in self._received(found, step) if time >= at]
            if not times:
                return False, ", then ".join(seen + ["no " + _shown(step)]), {}
            at = min(times)
            seen.append(_shown(step))
        return True, ", then ".join(seen), {}

    def _received(self, found: dict[str, Any], step: dict[str, Any]) -> list[int]:
        """When what the step describes was there, but for datagrams that a receiver's kernel drops."""
        good = [one for one in found["datagrams"] if not is_dropped(one, self.offload is False)]
        if len(good) == len(found["datagrams"]):
            return _times(found["wire"], step, good)
        # A flow's first and last datagram may be among those; only what is listed is certain.
        return _times(dict(found["wire"], flows=[]), step, good)


def _shown(step):
    if "port" in step:
        return "datagrams to %s port %d" % (step.get("group", "any group"), step["port"])
    kinds = step.get("kinds") or ["message"]
    if len(kinds) > 1:  # of several versions, say
        kinds = sorted({kind.rpartition("_")[2] for kind in kinds})
    return " ".join(["/".join(kinds)] + [step[key] for key in ("record", "group") if key in step])


def _times(wire, step, datagrams=()):
    """When that was, in nanoseconds, sorted; of a flow, its first and its last datagram, and those that are given."""
    if "port" in step:
        wanted = step["port"], step.get("group"), step.get("source")
        seen = [flow[key] for flow in wire["flows"] for key in ("first", "last")
                if _fits(wanted, flow["destination_port"], flow["group"], flow["source"])]
        seen += [one["time"] for one in datagrams
                 if _fits(wanted, one["details"].get("destination_port"), one["group"], one["source"])]
    else:
        seen = [message["time"] for message in select(wire["messages"], **step)]
    return sorted(moment.parse(time, "time") for time in seen if time)


def _fits(wanted, *found):
    return all(value in (None, have) for value, have in zip(wanted, found))


_WHICH = ("first", "last", "next")


class Delay(Packets):
    """Passes when the capture holds both ends, and the time from the one to the other is within the bounds: each end is
    the first or the last of what its selector finds, `to` by default the next at or after `from`.

    Fails when one of them is missing, or the time is out of bounds. Times are those of the capturing host's clock."""

    NAME = "packets.delay"
    NEEDS = ("captures", "datagrams")
    READS = ("messages", "flows", "datagrams")
    PARAMS = {"capture": expect.text, "from": _end, "to": _end, "at_least": seconds_option, "at_most": seconds_option,
              "name": expect.text}
    REQUIRED = ("capture", "from", "to")

    def __init__(self, params, since=None):
        super().__init__(params, since)
        if self.at_least is None and self.at_most is None:
            raise McastError(self.NAME, "needs a bound: at_least, at_most or both, in seconds")
        if None not in (self.at_least, self.at_most) and self.at_least > self.at_most:
            raise McastError(self.NAME, "at_least %g s is more than at_most %g s" % (self.at_least, self.at_most))

    @property
    def ABSENCE(self):
        """That the last one has been seen is certain only once no other follows."""
        return "last" in (self.params["from"].get("which"), self.params["to"].get("which"))

    def describe(self):
        return "%s: %s" % (self.name or "%s to %s" % (_shown(self.params["from"]), _shown(self.params["to"])),
                           self._bounds())

    def _expected(self, facts):
        return self._bounds()

    def _bounds(self):
        bounds = [("at least", self.at_least), ("at most", self.at_most)]
        return " and ".join("%s %g s" % (word, value) for word, value in bounds if value is not None)

    def _look(self, found, facts):
        ends = []
        for end, which in (("from", "first"), ("to", "next")):
            selector = dict(self.params[end])
            which = selector.pop("which", which)
            times = _times(found["wire"], selector, found["datagrams"])
            if which == "next" and ends:
                times = [time for time in times if time >= ends[0]]
            if not times:
                return False, "no %s" % _shown(selector), {}
            ends.append(times[-1] if which == "last" else times[0])
        delay = (ends[1] - ends[0]) / 1e9
        passed = delay >= (self.at_least or delay) and delay <= (delay if self.at_most is None else self.at_most)
        return passed, "%.3f s" % delay, {"from": moment.text(ends[0]), "to": moment.text(ends[1]), "seconds": delay}


CHECKS = (Order, Delay)
