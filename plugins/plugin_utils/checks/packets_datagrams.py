# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `packets`, as far as it is about datagrams: which of them were on the wire, and would receivers take them?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils.packet import timestamps
from ...module_utils.packet.checksum import BAD, UNFINISHED
from ...module_utils.packet.datagram import Datagram
from .base import CAPTURE, GROUP, INTERFACE_SHOWN, PORT, SENDERS, STREAM_SHOWN, Look, Option, flag_option
from .packets import EVIDENCE, NUMBER, TTL, Counted, Packets, indexed

OFFLOAD = Option(flag_option, "`false` where no interface fills in a checksum after the capture, as in a lab")


def is_discarded(datagram: Datagram, offload: bool | None) -> bool:
    """Whether every receiver discards it: its checksum is wrong, or not filled in and `offload` is False, so that no
    interface is to do that after the capture (RFC 768, RFC 8200 section 8.1)."""
    return datagram.checksum == BAD or datagram.checksum == UNFINISHED and offload is False


def describe_discarded(datagrams: list[Datagram]) -> list[str]:
    """In words: how many of them every receiver discards, and why. datagrams: those that are is_discarded()."""
    words = {BAD: "a wrong UDP checksum", UNFINISHED: "a UDP checksum that is not filled in"}
    found = {kind: [str(one.number) for one in datagrams if one.checksum == kind] for kind in words}
    return [f"{len(frames)} of them with {words[kind]}, which no receiver takes (frames {', '.join(frames[:3])}"
            f"{' …' if len(frames) > 3 else ''})" for kind, frames in found.items() if frames]


def _datagram_evidence(datagrams: list[Datagram]) -> dict[str, Any]:
    return {"datagrams": [dict(one._asdict(), time=timestamps.text(one.time), payload=one.payload.hex())
                          for one in datagrams[:EVIDENCE]]}


class Datagrams(Counted):
    """Passes when the capture holds the number of datagrams to this group and port (from these sources), and all of
    them have the TTL, the MAC and the payload that are given. With `consecutive`, they end in numbers of which each is
    one more than the one before (as mcast.lab's sender numbers them). One whose UDP checksum is wrong counts for
    `at_most` alone, as no receiver takes it; so does, with `offload: false`, one whose checksum is not filled in. What
    a fragment or a packet that is cut off doesn't tell is not judged.

    Fails on more or fewer, when one of them is otherwise, and when there are more than are judged one by one."""

    NAME = "packets.datagrams"
    NEEDS = ("captures", "datagrams")
    REQUIRED = ("capture", "group", "port")
    READS = ("flows", "datagrams")
    PARAMS = dict(NUMBER, **{
        "capture": CAPTURE, "stream": STREAM_SHOWN, "interface": INTERFACE_SHOWN, "group": GROUP, "port": PORT,
        "sources": SENDERS, "ttl": TTL,
        "mac": Option(expect.text, "MAC that they go to, in lower case"),
        "payload": Option(expect.text, "text of each"),
        "consecutive": Option(flag_option, "whether the numbers at their end have no gap"),
        "offload": OFFLOAD})
    EXAMPLE = "{capture: wire, group: 239.0.0.100, port: 11111, count: 5, payload: HELLO}"
    _ONE_BY_ONE = ("mac", "payload", "consecutive")
    stream: str | None
    group: str
    port: int
    sources: list[str] | None
    ttl: int | None
    mac: str | None
    payload: str | None
    consecutive: bool | None
    offload: bool | None

    def describe(self) -> str:
        origin = f" from {', '.join(self.sources)}" if self.sources else ""
        stream = f"{self.stream}: " if self.stream else ""
        return f"{stream}{self._many()} on the wire{origin} to {self.group} port {self.port}"

    def _needs_all(self) -> bool:
        return self.ABSENCE or any(self.params.get(key) is not None for key in ("ttl", *self._ONE_BY_ONE))

    def _expected(self, facts: dict[str, Any]) -> str:
        return "; ".join([self._many()] + [
            f"{key} {str(self.params[key]):.40}" for key in ("ttl", "mac", "payload") if key in self.params] + [
                "numbers without a gap"] * bool(self.consecutive))

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        flows = [flow for flow in indexed(found, "flows", found["wire"]["flows"], lambda flow: [
            (flow["group"], flow["destination_port"])]).get((self.group, self.port), [])
            if not self.sources or flow["source"] in self.sources]
        listed = datagrams_to(found, self.group, self.port, self.sources)
        lost = [one for one in listed if is_discarded(one, self.offload)]
        number = max(len(listed), sum(flow["packets"] for flow in flows))
        wrong = []
        if len(listed) < number and self._needs_all():
            wrong.append(f"only {len(listed)} of them are listed, so what the others hold is unknown")
        if self.ttl is not None:
            ttls = sorted({one.ttl for one in listed})
            wrong += [f"ttl {', '.join(map(str, ttls))} in place of {self.ttl}"] if ttls not in ([], [self.ttl]) else []
        if self.mac is not None:
            wrong += [f"destination mac {one.mac} in place of {self.mac} (frame {one.number})"
                      for one in listed if one.mac != self.mac]
        wrong += self._payloads(listed) + self._gaps(listed)
        evidence = dict(_datagram_evidence(listed), flows=flows)
        actual = "; ".join([str(number), *describe_discarded(lost), *wrong[:EVIDENCE]])
        return Look(self._fits(len(listed) - len(lost), number) and not wrong, actual, evidence)

    def _gaps(self, datagrams: list[Datagram]) -> list[str]:
        if not self.consecutive:
            return []
        texts = [one.payload.rpartition(b" ")[2] for one in datagrams]
        numbers = [int(text) if text.isdigit() else None for text in texts]
        return [f"{after} after {before} (frame {one.number})"
                for one, before, after in zip(datagrams[1:], numbers, numbers[1:])
                if before is None or after is None or after != before + 1]

    def _payloads(self, datagrams: list[Datagram]) -> list[str]:
        """A fragment, or what the capture cut off, must be the payload's beginning."""
        if self.payload is None:
            return []
        wanted = self.payload.encode()
        return [f"payload {one.payload[:40].decode(errors='replace')!r} in place of {self.payload[:40]!r} "
                f"(frame {one.number})" for one in datagrams
                if not (one.payload == wanted if one.whole else wanted.startswith(one.payload))]


def datagrams_to(found: dict[str, Any], group: str | None, port: int, sources: list[str] | None) -> list[Datagram]:
    """The datagrams that are listed of a capture: those to a port, and a group, from some sources."""
    there = indexed(found, "datagrams", found["datagrams"], lambda one: [(one.group, one.port), (None, one.port)])
    return [one for one in there.get((group, port), []) if not sources or one.source in sources]


class Checksums(Packets):
    """Passes when the capture holds datagrams to this group and port (from these sources), and the UDP checksum of each
    is right, or with IPv4 none. What a fragment or a packet that is cut off doesn't tell is not judged.

    Fails when there are none, or when the checksum of one is wrong or not filled in. A network interface may fill it in
    after the capture, so that only a capture where the datagrams arrive over a real cable tells."""

    NAME = "packets.checksums"
    NEEDS = ("captures", "datagrams")
    REQUIRED = ("capture", "group", "port")
    READS = ("datagrams",)
    PARAMS = {"capture": CAPTURE, "stream": STREAM_SHOWN, "interface": INTERFACE_SHOWN, "group": GROUP, "port": PORT,
              "sources": SENDERS}
    EXAMPLE = "{capture: wire, group: 239.0.0.100, port: 11111}"
    stream: str | None
    group: str
    port: int
    sources: list[str] | None

    def describe(self) -> str:
        return (f"{f'{self.stream}: ' if self.stream else ''}right UDP checksums of the datagrams to {self.group} "
                f"port {self.port}")

    def _expected(self, facts: dict[str, Any]) -> str:
        return "right UDP checksums"

    def _look(self, found: dict[str, Any], facts: dict[str, Any]) -> Look:
        listed = datagrams_to(found, self.group, self.port, self.sources)
        lost = [one for one in listed if one.checksum in (BAD, UNFINISHED)]
        if not listed:
            return Look(False, "no datagrams", {})
        words = [f"{len(listed)} datagrams", *(describe_discarded(lost) or ["none of them wrong"])]
        return Look(not lost, "; ".join(words), _datagram_evidence(lost or listed))


CHECKS = (Datagrams, Checksums)
