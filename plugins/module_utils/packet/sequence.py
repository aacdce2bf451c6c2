# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages as lines for people: what happened, in which order, on one screen."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import timestamps


def lines(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """messages: a list as capture.read() returns it. Returns a list of lines: the frame's number, seconds since the
    first of the messages, from where to where, the kind, what it says, and what is odd about it."""
    times = [None if message["time"] is None else timestamps.parse(message["time"], "time") for message in messages]
    start = next((time for time in times if time is not None), 0)
    return [_line(message, None if time is None else (time - start) / 1e9) for message, time in zip(messages, times)]


def _line(message: Mapping[str, Any], seconds: float | None) -> str:
    time = "-" if seconds is None else f"{seconds:.6f}"
    words = [f"{message['number']:5d}", f"{time:>12}"]
    if message["interface"]:
        words.append(message["interface"])
    words += [f"vlan {tag}" for tag in message["vlans"]]
    words += [f"{message['source'] or '?'} > {message['destination'] or '?'}", message["kind"]]
    return " ".join(words + _content(message) + _oddities(message))


def _content(message: Mapping[str, Any]) -> list[str]:
    words = []
    if message["query"]:
        words.append(message["query"].replace("_", "-"))
    if message["group"] and message["protocol"] != "udp":
        words.append(message["group"])
    if message["sources"]:
        words.append(_braces(message["sources"]))
    words += [f"{record['type']} {record['group']} {_braces(record['sources'])}"
              for record in message["records"]]
    for name, unit in (("max_response", "s"), ("robustness", ""), ("interval", "s")):
        if message[name] is not None:
            words.append(f"{name.replace('_', '-')} {message[name]:g}{unit}")
    if message["suppress"]:
        words.append("suppress")
    return words + [_detail(name, value) for name, value in message["details"].items()
                    if name not in ("payload", "groups")] + list(map(_entry, message["details"].get("groups", ())))


def _detail(name: str, value: object) -> str:
    if isinstance(value, dict):
        value = ",".join(f"{key}:{each}" for key, each in value.items())
    elif isinstance(value, list):
        value = _braces(map(str, value))
    return f"{name.replace('_', '-')} {repr(value) if name == 'text' else value}"


def _entry(entry: Mapping[str, Any]) -> str:
    """A group of a PIM message, with what is joined, pruned or announced for it."""
    words = [f"{entry['group']}/{entry['mask_length']}"]
    for name in ("joins", "prunes"):
        if entry.get(name):
            words.append(f"{name} {_braces(source['source'] for source in entry[name])}")
    if entry.get("rps"):
        words.append(f"rps {_braces(rp['rp'] for rp in entry['rps'])}")
    return " ".join(words)


def _oddities(message: Mapping[str, Any]) -> list[str]:
    words = []
    if message["fragment"]:
        words.append(f"fragment at {message['fragment']['offset']}")
    for name in ("checksum", "ip_checksum"):
        if message[name] == "bad":
            words.append(f"bad {name.replace('_', ' ')}")
    if message["snapped"]:
        words.append("snapped")
    if message["malformed"]:
        words.append(f"malformed: {message['malformed']}")
    return [f"[{', '.join(words)}]"] if words else []


def _braces(items: Iterable[str]) -> str:
    return f"{{{', '.join(items)}}}"
