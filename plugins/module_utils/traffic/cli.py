# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the programs: what is typed by hand on a host, and what `unit` runs."""
from __future__ import annotations

import argparse
import functools
import json
import os
import re
import sys
from typing import Any, Callable, NamedTuple, NoReturn, TypeVar

from ..error import McastError
from ..querier.defaults import QUERY_INTERVAL, QUERY_RESPONSE_INTERVAL, ROBUSTNESS
from . import program, supervise, zipapp


# Each program is read when it is asked for: on the way to a host nothing is compiled beforehand, and the querier alone
# takes longer than all the others.
def _make_receiver(options: argparse.Namespace) -> program.Program:
    from .receiver import Receiver
    return Receiver(options)


def _make_sender(options: argparse.Namespace) -> program.Program:
    from .sender import Sender
    return Sender(options)


def _make_capture(options: argparse.Namespace) -> program.Program:
    from .capture import Capture
    return Capture(options)


def _make_querier(options: argparse.Namespace) -> program.Program:
    from ..querier.program import Querier
    return Querier(options)


def _make_query(options: argparse.Namespace) -> program.Program:
    from ..querier.program import OneQuery
    return OneQuery(options)


# Options whose flag is not spelled like them: each of its values is one of the sources.
_FLAGS = {"sources": "source"}


class UsageError(McastError):
    """Wrong options. Modules and steps name them as users write them there, the command line with dashes."""

    def on_command_line(self) -> str:
        options = ", ".join(f"--{_FLAGS.get(option, option).replace('_', '-')}" for option in self.thing.split(", "))
        return f"{options}: {self.reason}; see --help"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as every other part does, and leaves the process to its caller."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        program = self.prog.split()[-1]
        match = re.match(r"argument --([\w-]+): (.*)", message, re.S)
        if match:
            raise UsageError(self._option(f"--{match[1]}"), match[2])
        match = re.match(r"the following arguments are required: (--.*)", message)
        if match:
            missing = [self._option(flag) for flag in match[1].split(", ")]
            raise UsageError(", ".join(missing), f"{'is' if len(missing) == 1 else 'are'} missing for a {program}")
        raise McastError(program, message)

    def _option(self, flag: str) -> str:
        """How modules and steps spell it."""
        return self._option_string_actions[flag].dest

    def refuse_unknown(self, words: list[str]) -> None:
        """words: what stands on the command line and is not an option of the program."""
        if words:
            known = sorted(self._option(flag) for flag in self._option_string_actions
                           if flag.startswith("--") and flag not in ("--help", "--report"))
            option = words[0].partition("=")[0].lstrip("-").replace("-", "_")
            raise UsageError(option, f"is not an option of a {self.prog.split()[-1]}; expected one of "
                                     f"{', '.join(known)}")


_Kind = TypeVar("_Kind", int, float)


def _number(kind: Callable[[str], _Kind], least: int, most: int, what: str) -> Callable[[str], _Kind]:
    def convert(text: str) -> _Kind:
        try:
            value: _Kind | None = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a valid {what}; expected {least} to {most}")
        return value
    return convert


_PORT = _number(int, 1, 65535, "port")
_COUNT = _number(int, 0, 1 << 62, "count")
_SECONDS = _number(float, 0, 1 << 31, "number of seconds")


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _common(parser: argparse.ArgumentParser, make: Callable[[argparse.Namespace], program.Program]) -> None:
    parser.set_defaults(make=make)
    parser.add_argument("--interface", required=True, metavar="NAME|ADDRESS",
                        help="the interface, by its name or by one of its addresses")
    parser.add_argument("--timeout", type=_SECONDS, default=0, metavar="SECONDS", help="end after this long (0: never)")
    parser.add_argument("--report", metavar="FILE", help="keep a JSON report in FILE instead of printing")


def _port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_PORT, required=True, help="UDP port of the stream, 1 to 65535")


def _number_of(least: int, most: int) -> Callable[[str], int]:
    return _number(int, least, most, "whole number")


def _querier(commands: argparse._SubParsersAction[_Parser]) -> None:
    querier = commands.add_parser("querier", help="ask the hosts of a segment for their groups, by IGMP and MLD")
    _common(querier, _make_querier)
    for protocol, newest in (("igmp", 3), ("mld", 2)):
        querier.add_argument(f"--{protocol}-version", type=_number_of(0, newest), default=newest, metavar="VERSION",
                             help=f"version of {protocol.upper()}, 1 to {newest}; 0: none (default: {newest})")
    for name, default, said in (
        ("query-interval", QUERY_INTERVAL, "time between two general queries (default: %(default)s)"),
        ("query-response-interval", None,
         f"time that hosts have to answer them (default: {QUERY_RESPONSE_INTERVAL:g}, or half of the query interval if "
         "that is less)"),
        ("startup-query-interval", None, "time between the first ones (default: a quarter of the query interval)"),
        ("last-member-query-interval", 1, "time that hosts have to answer after a leave (default: 1)"),
    ):
        querier.add_argument(f"--{name}", type=_SECONDS, default=default, metavar="SECONDS", help=said)
    for name, default, said in (
        ("robustness", ROBUSTNESS, "robustness variable, 1 to 7 (default: %(default)s)"),
        ("startup-query-count", None, "how many first ones (default: the robustness)"),
        ("last-member-query-count", None, "how many queries after a leave (default: the robustness)"),
    ):
        querier.add_argument(f"--{name}", type=_number_of(1, 7), default=default, metavar="NUMBER", help=said)

    query = commands.add_parser("query", help="send one query")
    query.set_defaults(make=_make_query, report=None)
    query.add_argument("--interface", required=True, metavar="NAME|ADDRESS",
                       help="the interface, by its name or by one of its addresses")
    query.add_argument("--family", type=int, choices=(4, 6), default=4, help="4: IGMP, 6: MLD (default: 4)")
    query.add_argument("--version", type=_number_of(1, 3), required=True, help="version of IGMP or MLD")
    query.add_argument("--group", help="ask for one group (default: for all)")
    query.add_argument("--source", action="append", dest="sources", default=[], metavar="ADDRESS",
                       help="ask for one source of the group; may be repeated")
    query.add_argument("--max-response", type=_SECONDS, default=1, metavar="SECONDS",
                       help="time that hosts have to answer (default: 1)")
    query.add_argument("--robustness", type=_number_of(0, 7), default=ROBUSTNESS,
                       help="the QRV, 0 to 7 (default: %(default)s)")
    query.add_argument("--query-interval", type=_SECONDS, default=QUERY_INTERVAL, metavar="SECONDS",
                       help="the QQIC: what to say of the time between two general queries (default: %(default)s)")
    query.add_argument("--suppress", action="store_true", help="set the S flag: routers leave their timers as they are")


@functools.lru_cache(maxsize=None)
def _parser() -> _Parser:
    parser = _Parser(prog="mcast", description="Sends, receives and captures multicast streams; queries for members.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    receiver = commands.add_parser("receiver", help="join groups and print what arrives")
    receiver.add_argument("--group", action="append", required=True, help="group to join; may be repeated")
    _port(receiver)
    _common(receiver, _make_receiver)
    receiver.add_argument("--source", action="append", dest="sources", default=[], metavar="ADDRESS",
                          help="source of the filter; may be repeated")
    receiver.add_argument("--filter-mode", choices=("include", "exclude"),
                          help="receive only from the sources, or from all others (default: include if there are "
                               "sources)")
    receiver.add_argument("--count", type=_COUNT, default=0, help="end after so many datagrams (0: never)")
    receiver.add_argument("--until", metavar="TEXT", help="end at a datagram with exactly this payload")

    sender = commands.add_parser("sender", help="send datagrams to a group")
    sender.add_argument("--group", required=True, help="group to send to")
    _port(sender)
    _common(sender, _make_sender)
    sender.add_argument("--payload", default="HELLO", help="text of each datagram (default: HELLO)")
    sender.add_argument("--sequence", action="store_true", help="add a space and the datagram's number, from 1")
    sender.add_argument("--ttl", type=_number(int, 0, 255, "TTL"), default=1,
                        help="TTL, or hop limit; routers forward from 2 on (default: 1)")
    sender.add_argument("--count", type=_COUNT, default=1, help="how many datagrams (default: 1; 0: endless)")
    sender.add_argument("--interval", type=_SECONDS, default=0.1, metavar="SECONDS",
                        help="time between two datagrams (default: 0.1)")
    sender.add_argument("--source-port", type=_number(int, 0, 65535, "port"), default=0, metavar="PORT",
                        help="UDP port to send from (default: any)")
    sender.add_argument("--lines", action="store_true",
                        help='send each line of standard input, and "." at its end, which ends receivers with '
                             '"--until ."')

    capture = commands.add_parser("capture", help="keep the packets of an interface in a file, with tcpdump")
    _common(capture, _make_capture)
    capture.add_argument("--file", required=True, help="the capture file, in pcap format")
    capture.add_argument("--filter", help="pcap filter (default: IGMP, MLD and PIM)")
    capture.add_argument("--promiscuous", action="store_true",
                         help="take frames for other hosts too; the interface then receives groups nobody joined")
    capture.add_argument("--snap-length", type=_number(int, 68, 262144, "snap length"), default=2048, metavar="BYTES",
                         help="how much of each packet is kept (default: 2048)")
    capture.add_argument("--max-size", type=_number(int, 1024, 1 << 40, "size"), default=32 << 20, metavar="BYTES",
                         help="end once the file has so many bytes (default: 33554432)")

    _querier(commands)

    pack = commands.add_parser("zipapp", help="write these programs into one file that any python3 runs")
    pack.add_argument("file")
    return parser


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _parser()
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        _commands(parser)[options.command].refuse_unknown(unknown)
    return options


def _commands(parser: _Parser) -> dict[str, _Parser]:
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction)).choices


class Option(NamedTuple):
    """flag: as it is typed, such as ``"--filter-mode"``; kind: "flag" takes no value, "value" one, "values" one or
    more."""
    flag: str
    kind: str


_KINDS = {argparse._StoreTrueAction: "flag", argparse._StoreAction: "value", argparse._AppendAction: "values"}


def options(command: str) -> dict[str, Option]:
    """The options of a program that is started under a name, as modules spell them: all but --help, --lines (there is
    no standard input) and --report (the unit sets it)."""
    return {action.dest: Option(action.option_strings[-1], _KINDS[type(action)])
            for action in _commands(_parser())[command]._actions
            if type(action) in _KINDS and action.dest not in ("report", "lines")}


def check(argv: list[str]) -> None:
    """Check a command line as far as that needs no host. UsageError names the option that is wrong or missing."""
    _parse(argv)


# The first is a program.Program; OneQuery alone can also do its work without anything that watches it.
def build(argv: list[str]) -> tuple[Any, argparse.Namespace]:
    """argv: ``["receiver", "--group", ...]``. Returns the Receiver, Sender, Capture, Querier or OneQuery, checked but
    not begun, and the parsed options. McastError says what is wrong, before anything is opened."""
    options = _parse(argv)
    options.line = None if options.report else _line
    options.again = _again(options.report)
    return options.make(options), options


def _again(report: str | None) -> Callable[[], argparse.Namespace] | None:
    """Where a program that runs under a name finds what its arguments have become (see `unit`): in a file beside its
    report. Returns a function that returns the options, or None for a program that has no name."""
    path = os.path.join(os.path.dirname(report or ""), "unit.json")

    def read() -> argparse.Namespace:
        with open(path, encoding="utf-8") as handle:
            return _parse(json.load(handle)["argv"])
    return read if report and os.path.exists(path) else None


def _run(argv: list[str]) -> int:
    made, options = build(argv)
    error = program.run(made, options.report)
    if error:
        raise McastError(argv[0], error)
    missed = options.count if options.command == "receiver" else 0
    missed = missed or getattr(options, "until", None) is not None
    return 1 if missed and made.facts["ended"]["reason"] == "timeout" else 0


def main(argv: list[str]) -> int:
    """Run one command. Returns the exit status: 0, or 1 where it failed, could not begin, or was timed out before its
    count or its `--until`."""
    try:
        if argv[:1] == ["supervise"]:
            return supervise.supervise({argv[1]: argv[2:]}, main)
        if argv[:1] == ["zipapp"] and argv[1:] and not argv[1].startswith("-"):
            zipapp.build(argv[1])
            return 0
        return _run(argv)
    except UsageError as error:
        sys.stderr.write(f"{error.on_command_line()}\n")
        return 1
    except McastError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SystemExit as end:
        return int(end.code or 0)  # argparse ends with a number


if __name__ == "__main__":  # straight from a checkout: python3 -m plugins.module_utils.traffic.cli receiver --help
    raise SystemExit(main(sys.argv[1:]))
