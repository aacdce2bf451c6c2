# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every check is made of."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...module_utils import expect, group
from ...module_utils.error import McastError

# Names that a result lists: each check of a host with many streams would repeat them all.
_SHOWN = 20


class Judgement(NamedTuple):
    """What a check says: two short texts, and the facts that it rests on."""

    passed: bool
    expected: str
    actual: str
    evidence: dict[str, Any]


class Look(NamedTuple):
    """A judgement that doesn't say yet what was expected."""

    passed: bool
    actual: str
    evidence: dict[str, Any]

    def judged(self, expected: str) -> Judgement:
        return Judgement(self.passed, expected, self.actual, self.evidence)


class Option(NamedTuple):
    """read: function of the option's path and what a user wrote, which returns the value. meaning: a short phrase for
    users, with units and choices; names and values in single backticks."""

    read: Callable[[str, Any], Any]
    meaning: str


class Check:
    """One question about one host. scripts/docs.py makes docs/checks.md of what a class says here, and of its
    docstring, which tells users when it passes and when it fails.

    NAME:    ``"topic.question"``; the topic is also the file.
    PARAMS:  ``{option: Option}``; those in REQUIRED must be given. Each is an attribute too, None where it is not
             given.
    EXAMPLE: options that it takes, as a flow mapping of YAML.
    NEEDS:   the subsets of host_facts that it reads; "captures" is added where a capture is named.
    SOAKS:   True where it comes true at the end of the streams alone, however long they last.
    ABSENCE: True where passing means that something is *not* there: then one look is not enough, and it must hold
             over a whole window.
    """

    NAME = ""
    SOAKS: bool = False
    PARAMS: dict[str, Option] = {}
    REQUIRED: tuple[str, ...] = ()
    EXAMPLE = ""
    NEEDS: tuple[str, ...] = ()
    ABSENCE: bool = False

    def __init__(self, params: dict[str, Any], since: dict[str, Any] | None = None) -> None:
        """params: as a user wrote them; since: the facts of an earlier gathering, for checks that compare."""
        expect.mapping(self.NAME, params, tuple(self.PARAMS), self.REQUIRED)
        self.params = {key: option.read(f"{self.NAME}.{key}", params[key])
                       for key, option in self.PARAMS.items() if params.get(key) is not None}
        self.since = since
        for key in self.PARAMS:
            setattr(self, key, self.params.get(key))
        if self.params.get("capture") and "captures" not in self.NEEDS:
            self.NEEDS = (*self.NEEDS, "captures")

    def describe(self) -> str:
        """What must hold, in a few words."""
        raise NotImplementedError

    def judge(self, facts: dict[str, Any]) -> Judgement:
        """facts: what host_facts gathers."""
        raise NotImplementedError


def first_of(names: list[str], nothing: str) -> str:
    """The first of many names, in words, and how many more there are; `nothing` where there are none."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else nothing


def port_option(path: str, value: Any) -> int:
    return expect.number(path, value, 1, 65535)


def count_option(path: str, value: Any) -> int:
    return expect.number(path, value, 0, 10 ** 9)


def flag_option(path: str, value: Any) -> bool:
    return expect.choice(path, value, (True, False))


def family_option(path: str, value: Any) -> str:
    return expect.choice(path, value, ("ipv4", "ipv6"))


def mode_option(path: str, value: Any) -> str:
    return expect.choice(path, value, ("include", "exclude"))


def group_option(path: str, value: Any) -> str:
    value = expect.text(path, value)
    try:
        return str(group.parse(value))
    except McastError as error:
        raise McastError(path, f"{error.thing} {error.reason}") from None


# Options that many checks have.
INTERFACE = Option(expect.text, "name of the interface")
GROUP = Option(group_option, "multicast address, IPv4 or IPv6")
PORT = Option(port_option, "UDP port, 1 to 65535")
SOURCE = Option(expect.text, "address of the sender")
SENDERS = Option(expect.texts, "addresses of the senders that count; all without it")
FILTER_MODE = Option(mode_option, "`include` or `exclude`")
FAMILY = Option(family_option, "`ipv4` or `ipv6`")
PROCESS = Option(expect.text, "name of the process")
CAPTURE = Option(expect.text, "name of a capture that `mcast.lab.capture` has started on this host")
STREAM_SHOWN = Option(expect.text, "name of the stream, for the results alone")
INTERFACE_SHOWN = Option(expect.text, "name of the interface, for the results alone")


def member_before(since: dict[str, Any] | None, interface: str | None, address: str | None) -> list[str]:
    """In words: that another process was a member before, as the facts of an earlier gathering have it. Then a host
    reports neither a further join nor its leave: the state of its interface stays the same (RFC 9776 section 5.1). An
    empty list where that is not known."""
    if since and since.get("memberships") and find_membership(since, interface, address):
        return [f"{interface} was a member of {address} before, so that a further join or leave is not reported"]
    return []


def find_membership(facts: dict[str, Any], interface: str | None, address: str | None) -> dict[str, Any] | None:
    """The entry of facts["memberships"] for a group on an interface, or None."""
    for entry in facts["memberships"]:
        if entry["interface"] == interface and entry["group"] == address:
            return entry
    return None
