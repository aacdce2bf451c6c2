# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a scenario, as an inventory states them in `mcast_steps` (see docs/scenarios.md): what each host does in
each, and what must hold then.

The acts of a step come in this order, all hosts together in each: captures that its expectations need, what starts or
stops, commands, and what asks and sends. Then the step is judged."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, NamedTuple

from ...module_utils import expect, group, programs
from ...module_utils import stream as streams_of
from ...module_utils.error import McastError
from . import expectations
from .scene import Filter, Inventory, State

# Those of every run and of streams that run by themselves, in their order; nothing is judged in the first and the last.
SETUP, TEARDOWN = "setup", "teardown"
PHASES = ("before", "during", "after", "ended")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\Z")


@dataclass
class Acts:
    """What one host does in one step. Programs are ``{name: {program: options}}``, as the module `act` takes them, and
    so are `firewall`, empty where it stays as it is, `stopped`, `ended` and `killed`."""
    captures: dict[str, Any] = field(default_factory=dict)
    firewall: dict[str, Any] = field(default_factory=dict)
    started: dict[str, Any] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[str, Any] = field(default_factory=dict)


class Plan(NamedTuple):
    """names: of the steps, in their order, without the phases of the streams. acts: by step and host. checks: what is
    expected, see `expectations`. streams: the names of the streams that the steps start and stop."""
    names: list[str]
    acts: dict[str, dict[str, Acts]]
    checks: list[expectations.Expected]
    streams: set[str]


def read(value: Any, inventory: Inventory) -> Plan:
    """value: mcast_steps. McastError names what is wrong in it."""
    if not isinstance(value, list):
        raise McastError("mcast_steps", "expected a list of steps, such as {name: joined, receive: [news]}")
    if not value:  # of a thousand hosts, none is asked what it queries
        return Plan([], {}, [], set())
    reader = _Reader(inventory)
    for number, step in enumerate(value):
        reader.read(f"mcast_steps[{number}]", step)
    return reader.plan()


class _End(NamedTuple):
    """An end of a stream that an act names, and the options that it gives."""
    path: str
    host: str
    stream: dict[str, Any]
    options: dict[str, Any]


class _Place(NamedTuple):
    """An interface that an act names, and the options that it gives."""
    path: str
    host: str
    interface: str
    options: dict[str, Any]


class _Reader:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._state = State(inventory)
        self._names: list[str] = []
        self._acts: dict[str, dict[str, Acts]] = {}
        self._checks: list[expectations.Expected] = []
        self._streams: set[str] = set()

    def plan(self) -> Plan:
        return Plan(self._names, self._acts, self._checks, self._streams)

    def read(self, path: str, step: Any) -> None:
        expect.mapping(path, step, ("name", *ACTS, "expect"), required=("name",))
        name = self._name(f"{path}.name", step["name"])
        if name in PHASES:
            expect.mapping(f"{path} ({name} is a phase of the streams themselves)", step, ("name", "expect"))
            self._begin_streams(name)
        else:
            self._names.append(name)
        self._acts.setdefault(name, {})
        self._state.before = dict(self._state.filters)
        for act, read in ACTS.items():
            if step.get(act) is not None:
                read(self, f"{path}.{act}", name, step[act])
        since = expectations.Since(name, [*self._names] if name not in PHASES else [])
        for expected in expectations.read(f"{path}.expect", step.get("expect") or {}, self._inventory, self._state,
                                          since):
            self._checks.append(expected)
            if expected.capture and name not in PHASES:
                self._capture(expected.capture)

    def _name(self, path: str, value: Any) -> str:
        name = expect.text(path, value)
        if name in (SETUP, TEARDOWN):
            raise McastError(path, f"{name} is a phase of every run; give the step another name")
        if not NAME.match(name):
            raise McastError(path, "expected 1 to 32 letters, digits, _ . or -, as captures bear the name too")
        if name in self._names or name in PHASES and name in self._acts:
            raise McastError(path, f"{name} is there twice")
        return name

    def _begin_streams(self, phase: str) -> None:
        """Streams that run by themselves: their receivers have the stream's own filter."""
        receives = phase == "during"
        for stream in self._inventory.streams:
            for host in stream["receivers"]:
                self._state.filters.pop((host, stream["name"]), None)
                if receives:
                    self._state.filters[host, stream["name"]] = Filter(stream["filter_mode"], tuple(stream["sources"]))

    def _capture(self, capture: expectations.Captured) -> None:
        """A capture that lasts from the beginning of a step on, which may be one that has been read before."""
        streams = [{"group": each["group"], "port": each["port"]} for each in self._inventory.streams]
        self._of(capture.step, capture.host).captures[expectations.capture_name(capture.step, capture.interface)] = {
            "capture": {"interface": capture.interface, "streams": streams}}

    def _of(self, step: str, host: str) -> Acts:
        return self._acts[step].setdefault(host, Acts())

    # Each act of a step.

    def receive(self, path: str, step: str, value: Any) -> None:
        for here, host, stream, given in self._ends(path, value, "receivers"):
            wanted = _filter(here, stream, given)
            self._state.filters[host, stream["name"]] = wanted
            duty = {**stream, **stream["receivers"][host], "foreign": False, "filter_mode": wanted.mode,
                    "sources": list(wanted.sources)}
            self._of(step, host).started.update(streams_of.programs([duty], "receiver"))

    def leave(self, path: str, step: str, value: Any) -> None:
        for name, host in self._received(path, value):
            self._of(step, host).stopped.append(name)

    def kill(self, path: str, step: str, value: Any) -> None:
        for name, host in self._received(path, value):
            self._of(step, host).killed.append(name)

    def _received(self, path: str, value: Any) -> Iterator[tuple[str, str]]:
        """(name of the program, host) of receivers that run."""
        for here, host, stream, given in self._ends(path, value, "receivers"):
            expect.mapping(here, given, ())
            if self._state.filters.pop((host, stream["name"]), None):
                yield streams_of.program_name("receiver", stream["name"]), host
            elif isinstance(value, dict):
                raise McastError(here, f"{host} does not receive {stream['name']} at this step")

    def send(self, path: str, step: str, value: Any) -> None:
        for here, host, stream, given in self._ends(path, value, "senders"):
            duty = {**stream, **stream["senders"][host], "foreign": False}
            (name, body), = streams_of.programs([duty], "sender").items()
            body["sender"].update(given)
            _check_program(here, name, body)
            self._state.sent[host, stream["name"]] = body["sender"]
            self._of(step, host).sent[name] = body

    def stop_sending(self, path: str, step: str, value: Any) -> None:
        for here, host, stream, given in self._ends(path, value, "senders"):
            expect.mapping(here, given, ())
            self._of(step, host).stopped.append(streams_of.program_name("sender", stream["name"]))

    def _ends(self, path: str, value: Any, ends: str) -> Iterator[_End]:
        """Each end that an act names: ``[STREAM]`` for all hosts of that end, or ``{HOST: [STREAM]}`` or ``{HOST:
        {STREAM: options}}``."""
        for key, names in value.items() if isinstance(value, dict) else [("", value)]:
            here = f"{path}.{key}" if key else path
            given = names if isinstance(names, dict) else dict.fromkeys(expect.texts(here, names))
            hosts = self._inventory.hosts(here, key) if key else None
            for name, options in given.items():
                where = f"{here}.{name}"
                for stream in self._named(where, name):
                    for host in hosts or stream[ends]:
                        if host in stream["foreign"]:  # its program is neither started nor stopped
                            continue
                        if host not in stream[ends]:
                            raise McastError(where, f"{host} is not among the {ends} of this stream")
                        yield _End(where, host, stream, expect.mapping(where, options or {}))

    def _named(self, path: str, name: str) -> list[dict[str, Any]]:
        halves = self._inventory.named(name)
        if not halves:
            expect.choice(path, name, list(dict.fromkeys(
                streams_of.base_name(each["name"]) for each in self._inventory.streams)))
        self._streams.update(each["name"] for each in halves)
        return halves

    def query(self, path: str, step: str, value: Any) -> None:
        for here, host, interface, given in self._interfaces(path, value):
            settings = {**self._state.queriers.get((host, interface), {}), **given}
            settings.pop("backend", None)
            name = streams_of.program_name("querier", interface)
            body = {"querier": {"interface": interface, **settings}}
            _check_program(here, name, body)
            self._state.queriers[host, interface] = settings
            self._state.querying.add((host, interface))
            self._of(step, host).sent[name] = body

    def stop_querying(self, path: str, step: str, value: Any) -> None:
        for here, host, interface, given in self._interfaces(path, value):
            expect.mapping(here, given, ())
            self._state.querying.discard((host, interface))
            self._of(step, host).stopped.append(streams_of.program_name("querier", interface))

    def _interfaces(self, path: str, value: Any) -> Iterator[_Place]:
        """Those of ``{HOST: [INTERFACE]}`` or ``{HOST: {INTERFACE: options}}``."""
        for key, names in expect.mapping(path, value).items():
            here = f"{path}.{key}"
            given = names if isinstance(names, dict) else dict.fromkeys(expect.texts(here, names))
            for host in self._inventory.hosts(here, key):
                known = self._inventory.interfaces(host)
                for name, options in given.items():
                    if known:
                        expect.choice(f"{here}.{name}", name, list(known))
                    yield _Place(f"{here}.{name}", host, name, expect.mapping(f"{here}.{name}", options or {}))

    def start(self, path: str, step: str, value: Any) -> None:
        for key, bodies in expect.mapping(path, value).items():
            here = f"{path}.{key}"
            for host in self._inventory.hosts(here, key):
                for name, body in expect.mapping(here, bodies).items():
                    _check_program(here, name, body)
                    self._of(step, host).started[name] = body

    def stop(self, path: str, step: str, value: Any) -> None:
        for key, names in expect.mapping(path, value).items():
            for host in self._inventory.hosts(f"{path}.{key}", key):
                self._of(step, host).stopped.extend(expect.texts(f"{path}.{key}", names))

    def command(self, path: str, step: str, value: Any) -> None:
        for key, given in expect.mapping(path, value).items():
            here = f"{path}.{key}"
            for host in self._inventory.hosts(here, key):
                for body in given if isinstance(given, list) else [given]:
                    expect.mapping(here, body, ("argv", "stdin", "undo"), required=("argv",))
                    self._of(step, host).commands.append({
                        "argv": _argv(f"{here}.argv", body["argv"]),
                        "stdin": expect.text(f"{here}.stdin", body.get("stdin") or ""),
                        "undo": _argv(f"{here}.undo", body.get("undo") or [])})


# The acts of a step, in the order in which they are read.
ACTS: dict[str, Callable[[_Reader, str, str, Any], None]] = {
    "receive": _Reader.receive, "start": _Reader.start, "leave": _Reader.leave, "stop": _Reader.stop,
    "stop_sending": _Reader.stop_sending, "stop_querying": _Reader.stop_querying, "kill": _Reader.kill,
    "command": _Reader.command, "query": _Reader.query, "send": _Reader.send}


def _filter(path: str, stream: dict[str, Any], given: dict[str, Any]) -> Filter:
    """The source filter that a receiver is to have: the stream's own, or ``{include: [...]}`` or ``{exclude: [...]}``
    with names of senders and addresses."""
    if not given:
        return Filter(stream["filter_mode"], tuple(stream["sources"]))
    expect.mapping(path, given, streams_of.FILTER_MODES)
    if len(given) > 1:
        raise McastError(path, "expected include or exclude, not both")
    (mode, stated), = given.items()
    own = streams_of.of_family(expect.texts(f"{path}.{mode}", stated), stream["group"])
    if mode == "include" and not own or stated and not own:
        family = group.family(stream["group"])
        raise McastError(f"{path}.{mode}", f"has no source for {stream['group']}; name senders, or an {family} address")
    return Filter(mode, tuple(streams_of.source_address(f"{path}.{mode}", stream, each) for each in own))


def _argv(path: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise McastError(path, "expected a command and its arguments as a list of texts")
    return expect.texts(path, value)


def _check_program(path: str, name: str, body: Any) -> None:
    """Refuse wrong options of a program before anything is changed."""
    try:
        programs.command(name, body)
    except McastError as error:
        raise McastError(f"{path}.{error.thing}", error.reason) from None
