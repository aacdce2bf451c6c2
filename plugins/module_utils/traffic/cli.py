# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the programs: what is typed by hand on a host, and what `unit` runs."""
from __future__ import annotations

import argparse
import sys

from ..error import McastError
from . import program, supervise, zipapp
from .capture import Capture
from .receiver import Receiver
from .sender import Sender


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as every other part does, and leaves the process to its caller."""

    def error(self, message):
        raise McastError(self.prog.split()[-1], message + "; see --help")


def _number(kind, least, most, what):
    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError("%s is no %s; expected %s to %s" % (text, what, least, most))
        return value
    return convert


_PORT = _number(int, 1, 65535, "port")
_COUNT = _number(int, 0, 1 << 62, "count")
_SECONDS = _number(float, 0, 1 << 31, "number of seconds")


def _line(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _common(parser, make):
    parser.set_defaults(make=make)
    parser.add_argument("--interface", required=True, metavar="NAME|ADDRESS",
                        help="the interface, by its name or by one of its addresses")
    parser.add_argument("--timeout", type=_SECONDS, default=0, metavar="SECONDS", help="end after this long (0: never)")
    parser.add_argument("--report", metavar="FILE", help="keep a JSON report in FILE instead of printing")


def _port(parser):
    parser.add_argument("--port", type=_PORT, required=True, help="UDP port of the stream, 1 to 65535")


def _parser():
    parser = _Parser(prog="mcast", description="Sends, receives and captures multicast streams: plain UDP datagrams.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    receiver = commands.add_parser("receiver", help="join groups and print what arrives")
    receiver.add_argument("--group", action="append", required=True, help="group to join; may be repeated")
    _port(receiver)
    _common(receiver, Receiver)
    receiver.add_argument("--source", action="append", default=[], metavar="ADDRESS",
                          help="source of the filter; may be repeated")
    receiver.add_argument("--filter-mode", choices=("include", "exclude"),
                          help="receive only from the sources, or from all others (default: include if there are "
                               "sources)")
    receiver.add_argument("--count", type=_COUNT, default=0, help="end after so many datagrams (0: never)")
    receiver.add_argument("--until", metavar="TEXT", help="end at a datagram with exactly this payload")

    sender = commands.add_parser("sender", help="send datagrams to a group")
    sender.add_argument("--group", required=True, help="group to send to")
    _port(sender)
    _common(sender, Sender)
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
    _common(capture, Capture)
    capture.add_argument("--file", required=True, help="the capture file, in pcap format")
    capture.add_argument("--filter", help="pcap filter (default: IGMP, MLD and PIM)")
    capture.add_argument("--promiscuous", action="store_true",
                         help="take frames for other hosts too; the interface then receives groups nobody joined")
    capture.add_argument("--snap-length", type=_number(int, 68, 262144, "snap length"), default=2048, metavar="BYTES",
                         help="how much of each packet is kept (default: 2048)")
    capture.add_argument("--max-size", type=_number(int, 1024, 1 << 40, "size"), default=32 << 20, metavar="BYTES",
                         help="end once the file has so many bytes (default: 33554432)")

    pack = commands.add_parser("zipapp", help="write these programs into one file that any python3 runs")
    pack.add_argument("file")
    return parser


def build(argv):
    """argv: ``["receiver", "--group", ...]``. Returns the Receiver, Sender or Capture, checked but not begun, and the
    parsed options. McastError says what is wrong, before anything is opened."""
    options = _parser().parse_args(argv)
    options.line = None if options.report else _line
    return options.make(options), options


def _run(argv):
    made, options = build(argv)
    error = program.run(made, options.report)
    if error:
        raise McastError(argv[0], error)
    missed = options.count if options.command == "receiver" else 0
    missed = missed or getattr(options, "until", None) is not None
    return 1 if missed and made.facts["ended"]["reason"] == "timeout" else 0


def main(argv):
    """Run one command. Returns the exit status: 0, or 1 where it failed, could not begin, or was timed out before its
    count or its `--until`."""
    try:
        if argv[:1] == ["supervise"]:
            return supervise.supervise(argv[1], argv[2:], main)
        if argv[:1] == ["zipapp"] and argv[1:] and not argv[1].startswith("-"):
            zipapp.build(argv[1])
            return 0
        return _run(argv)
    except McastError as error:
        sys.stderr.write("%s\n" % error)
        return 1
    except SystemExit as end:
        return end.code or 0
