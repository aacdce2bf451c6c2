# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The capture: tcpdump writes packets into a pipe, and this program keeps them in a file of bounded size."""
from __future__ import annotations

import argparse
import contextlib
import io
import ipaddress
import os
import re
import select
import signal
import struct
import subprocess
import time
from typing import IO, Any, Iterable, NamedTuple, NoReturn, TypeVar, Union, cast

from .. import group as groups
from ..error import BECOME, McastError
from . import sockets
from .program import Report, Signals
from .supervise import end_with_parent

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_OfOneFamily = TypeVar("_OfOneFamily", ipaddress.IPv4Network, ipaddress.IPv6Network)

# What tcpdump's `icmp6` misses: Linux sends MLD behind a hop-by-hop header, whose first byte says what follows it.
_CONTROL = ("igmp", "pim", "(ip6[6] == 0 and ip6[40] == 58)",
            "(icmp6 and (ip6[40] == 143 or (ip6[40] >= 130 and ip6[40] <= 132)))")
# Later fragments of a datagram have no ports.
_LATER = {4: "ip[6:2] & 0x1fff != 0", 6: "ip6[6] == 44"}
# The kernel takes 4,096 instructions (linux/bpf_common.h, BPF_MAXINSNS): 100 groups of IPv4 are 1,100, 500 are 5,900.
_MOST_NAMED = 100
_MOST_NETWORKS = 64  # of a family; 128 of both are some 600 instructions

_CHUNK = 1 << 18
# Of the kernel's ring, in KiB: some four thousand packets that wait for tcpdump.
_RING = 8192
_PATIENCE = 2.0
_SAID = 8192
_COUNT = re.compile(r"^(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)$", re.M)
_COUNTS = {"captured": "captured", "received by filter": "received", "dropped by kernel": "dropped",
           "dropped by interface": "dropped_by_interface"}

# What tcpdump and libpcap say of the interface, and what that means.
_TROUBLES = (
    (r"disappeared|No such device|doesn't exist", "has vanished; the capture holds what came before"),
    (r"not up|went down|Network is down", "is down; take it up before the capture"),
    (r"permission|not permitted", f"can't be captured without root; {BECOME}"),
)


def default_filter(streams: Iterable[dict[str, Any]]) -> str:
    """The pcap filter that takes IGMP, MLD, PIM, and the datagrams of streams; of many streams also those of groups and
    ports between them, as the kernel takes no filter that names all.

    streams: dicts with ``group`` and ``port``; others of their keys play no part. McastError for what is not a group or
    port."""
    found = dict.fromkeys(map(_place, streams))
    if len(found) <= _MOST_NAMED:
        places = [(f"host {group}", f"port {port}", group.version) for group, port in found]
    else:
        ports = sorted(port for unused, port in found)
        span = f"portrange {ports[0]}-{ports[-1]}"
        networks: list[Network] = [
            *_networks(ipaddress.IPv4Network(group) for group, unused in found if group.version == 4),
            *_networks(ipaddress.IPv6Network(group) for group, unused in found if group.version == 6)]
        places = [(f"net {network}", span, network.version) for network in networks]
    return " or ".join((*_CONTROL, *(f"(dst {where} and (udp dst {ports} or {_LATER[version]}))"
                                     for where, ports, version in places)))


def _place(stream: dict[str, Any]) -> tuple[groups.Address, int]:
    try:
        group, port = groups.parse(str(stream["group"])), int(stream["port"])
    except (KeyError, TypeError, ValueError):
        raise McastError("streams", f"expected a list of {{group, port}}, not {stream}") from None
    if not 1 <= port <= 65535:
        raise McastError("streams", f"{port} is not a valid port; expected 1 to 65535")
    return group, port


def _networks(single: Iterable[_OfOneFamily]) -> list[_OfOneFamily]:
    """The smallest networks that hold all the given ones, which are addresses of one family, at most _MOST_NETWORKS."""
    found = list(ipaddress.collapse_addresses(single))
    while len(found) > _MOST_NETWORKS:
        longest = max(network.prefixlen for network in found)
        found = list(ipaddress.collapse_addresses(
            network.supernet() if network.prefixlen == longest else network for network in found))
    return found


def whole(path: str, limit: int) -> int:
    """How many of the first `limit` bytes of a pcap file, as this machine's tcpdump writes it, are whole records."""
    at = 24
    with open(path, "rb") as file:
        end = min(limit, os.fstat(file.fileno()).st_size)
        while at + 16 <= end:
            file.seek(at + 8)
            after = at + 16 + struct.unpack("=I", file.read(4))[0]
            if after > end:
                break
            at = after
    return min(at, end)


class _Tcpdump(NamedTuple):
    """The process, and its two pipes: its standard output and its standard error."""

    process: subprocess.Popen[bytes]
    packets: IO[bytes]
    words: IO[bytes]


class Capture:
    """One capture; says in `facts` and `report()` what it has."""

    def __init__(self, options: argparse.Namespace) -> None:
        """options: the attributes interface, file, filter (None: the default), snap_length and max_size (bytes),
        timeout (seconds, 0: none), promiscuous. McastError for what can't be."""
        self._options = options
        name, index, unused = sockets.find_interface(options.interface)
        self._filter: str = default_filter(()) if options.filter is None else options.filter
        self.facts: dict[str, Any] = {
            "program": "capture", "state": "starting", "pid": None, "started": None, "interface": name, "index": index,
            "file": os.path.abspath(options.file), "filter": self._filter, "promiscuous": options.promiscuous,
            "bytes": 0, "captured": None, "received": None, "dropped": None, "dropped_by_interface": None,
            "ended": None, "error": None}
        self._said = ""

    def report(self) -> dict[str, Any]:
        """The whole report, as docs/capture.md describes it."""
        return self.facts

    def _argv(self) -> list[str]:
        """Packets go out as they come (immediate mode, -U), to a pipe: this program bounds and writes the file. So
        tcpdump needs no other user for writing, and as root it ends with its parent, however that ends."""
        options = self._options
        argv = ["tcpdump", "-i", self.facts["interface"], "-n", "-U", "--immediate-mode", "-B", str(_RING), "-s",
                str(options.snap_length), "-Z", "root", "-w", "-"]
        return argv + ([] if options.promiscuous else ["-p"]) + ["--", self._filter]

    def work(self, signals: Signals, report: Report) -> str:
        """Capture until the end. Returns why it ended: "size", "timeout" or a signal's name."""
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._open())
            process = stack.enter_context(self._start())
            stack.callback(process.kill)
            # Both are pipes.
            tcpdump = _Tcpdump(process, cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr))
            try:
                reason = self._follow(tcpdump, file, signals, report)
                self._finish(tcpdump, file, reason)
            except OSError as error:
                self._trim(file)
                raise self._unwritable(error) from None
            return reason

    def _open(self) -> io.FileIO:
        try:
            return open(self.facts["file"], "wb", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> McastError:
        return McastError(self.facts["file"], f"can't be written beyond {self.facts['bytes']} bytes, and the capture "
                          f"has ended: {error.strerror}; make room there, or keep the file elsewhere")

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            # The locale decides what strerror(3) says.
            return subprocess.Popen(  # pylint: disable=ansible-bad-function,subprocess-popen-preexec-fn
                self._argv(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=dict(os.environ, LC_ALL="C"), cwd="/", preexec_fn=end_with_parent)
        except FileNotFoundError:
            raise McastError("tcpdump", "is not installed on this host; install the package tcpdump") from None

    def _follow(self, tcpdump: _Tcpdump, file: io.FileIO, signals: Signals, report: Report) -> str:
        """Keep what tcpdump writes until there is a reason to end, and return that."""
        deadline = time.monotonic() + self._options.timeout if self._options.timeout else None
        packets, words = tcpdump.packets.fileno(), tcpdump.words.fileno()
        poll = select.poll()
        for descriptor in (packets, words, signals.reader.fileno()):
            poll.register(descriptor, select.POLLIN)
        while signals.name is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return "timeout"
            waits = [wait * 1000 for wait in (report.wait(), left) if wait is not None]
            ready = [descriptor for descriptor, unused in poll.poll(min(waits) if waits else None)]
            if words in ready and not self._listen(words, report):
                poll.unregister(words)
            if packets in ready:
                data = os.read(packets, _CHUNK)
                if not data:
                    self._explain(tcpdump)
                if not self._keep(file, data):
                    return "size"
                report.touch()
        return signals.name

    def _listen(self, words: int, report: Report) -> bool:
        """Take what tcpdump says. It listens once it says so; its filter is in force then. Returns whether there may
        be more."""
        said = os.read(words, _SAID)
        self._said = (self._said + said.decode(errors="replace"))[-_SAID:]
        if self.facts["state"] == "starting" and "listening on" in self._said:
            self.facts["state"] = "capturing"
            report.write()
        return bool(said)

    def _keep(self, file: io.FileIO, data: bytes) -> bool:
        """Write as much as there is room for. Returns whether that was all."""
        room = self._options.max_size - self.facts["bytes"]
        rest = memoryview(data)[:room]
        while rest:
            written = file.write(rest)
            self.facts["bytes"] += written
            rest = rest[written:]
        return len(data) <= room

    def _finish(self, tcpdump: _Tcpdump, file: io.FileIO, reason: str) -> None:
        """End tcpdump as Ctrl-C does, keep what it still has, and read its counts."""
        tcpdump.process.send_signal(signal.SIGINT)
        end = time.monotonic() + _PATIENCE
        full = reason == "size"
        while select.select([tcpdump.packets], [], [], max(0, end - time.monotonic()))[0]:
            data = os.read(tcpdump.packets.fileno(), _CHUNK)
            if not data:
                break
            full = full or not self._keep(file, data)
        else:
            tcpdump.process.kill()
        if full:
            self._trim(file)
        self._said += tcpdump.words.read().decode(errors="replace")
        self.facts.update({_COUNTS[what]: int(count) for count, what in _COUNT.findall(self._said)})

    def _trim(self, file: io.FileIO) -> None:
        """Leave whole packets alone in the file."""
        self.facts["bytes"] = whole(self.facts["file"], self.facts["bytes"])
        with contextlib.suppress(OSError):
            file.truncate(self.facts["bytes"])

    def _explain(self, tcpdump: _Tcpdump) -> NoReturn:
        """tcpdump has ended by itself: raise what that means."""
        self._said += tcpdump.words.read().decode(errors="replace")
        status = tcpdump.process.wait()
        self.facts.update({_COUNTS[what]: int(count) for count, what in _COUNT.findall(self._said)})
        if status < 0:
            raise McastError("tcpdump", f"was killed by {signal.Signals(-status).name}; the capture holds what came "
                                        "before")
        lines = [line for line in self._said.splitlines()
                 if line.startswith("tcpdump: ") and "listening on" not in line]
        said = " ".join(line[len("tcpdump: "):] for line in lines) or "it said nothing"
        for pattern, reason in _TROUBLES:
            if re.search(pattern, said, re.I):
                raise McastError(self.facts["interface"], reason)
        if self.facts["state"] == "starting":
            # Of what is left, the filter alone is the user's; its errors are of many words.
            raise McastError("filter", f"is refused by tcpdump ({said}); see pcap-filter(7)")
        raise McastError("tcpdump", f"ended with exit status {status}: {said}")
