# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The streams that run by themselves, and what is refused of them before anything is changed."""
from __future__ import annotations

from typing import Any, Collection, Iterable

from ...module_utils import group
from ...module_utils import stream as streams_of
from ...module_utils.error import McastError
from .scene import Inventory


def check(streams: list[dict[str, Any]], hosts: Collection[str], inventory: Inventory) -> None:
    """streams: settled, those that no step starts and stops; hosts: those that take part. McastError names the stream
    that can't work."""
    for stream in streams:
        _check_one(f"streams.{streams_of.base_name(stream['name'])}", stream, hosts)
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for stream in streams:
        for other in places.setdefault((stream["group"], stream["port"]), []):
            if _meet(stream, other, inventory):
                raise McastError(f"streams.{streams_of.base_name(stream['name'])}", (
                    f"has the group and port of {other['name']}, and other senders: their receivers would get the "
                    "datagrams of both. Name sources, take another group or port, or make them one stream"))
        places[stream["group"], stream["port"]].append(stream)


def _check_one(path: str, stream: dict[str, Any], hosts: Collection[str]) -> None:
    if not stream["senders"]:
        raise McastError(f"{path}.from", "is missing; only a stream of mcast_steps may do without senders")
    if not stream["count"]:
        raise McastError(f"{path}.count", "is 0, so that only a step of mcast_steps can end the stream; give a number, "
                                          "or soak")
    absent = [host for host in stream["senders"] if host not in hosts and host not in stream["foreign"]]
    if absent and any(host in hosts for host in stream["receivers"]):
        raise McastError(f"{path}.from", f"{', '.join(absent)} takes no part in this run, so that nothing can arrive; "
                                         "add it to mcast_hosts")


def _meet(one: dict[str, Any], other: dict[str, Any], inventory: Inventory) -> bool:
    """Whether a receiver of either gets what the other's senders send as well."""
    if set(one["senders"]) == set(other["senders"]):
        return False
    return any(_hears(a, b, inventory) for a, b in ((one, other), (other, one)))


def _hears(stream: dict[str, Any], other: dict[str, Any], inventory: Inventory) -> bool:
    family = group.family(stream["group"])
    strangers = [(host, end) for host, end in other["senders"].items() if host not in stream["senders"]]
    return any(_lets_in(stream, end["address"]) and _is_near(
        family, [inventory.segment(host, end["interface"])],
        (inventory.segment(receiver, there["interface"]) for receiver, there in stream["receivers"].items()), inventory)
        for host, end in strangers)


def _lets_in(stream: dict[str, Any], address: str | None) -> bool:
    """Whether the source filter of a stream may let an address in; an unknown one only where there is no list."""
    if address is None:
        return not stream["sources"]
    return streams_of.lets_through(stream["filter_mode"], stream["sources"], address)


def _is_near(family: str, senders: Iterable[str | None], receivers: Iterable[str | None], inventory: Inventory) -> bool:
    """Whether datagrams come from the one to the other: on the same segment, over routers, or as far as is known."""
    return any(here is None or there is None or here == there or inventory.distance(family, here, there) is not None
               for here in senders for there in list(receivers))
