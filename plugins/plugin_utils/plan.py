# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold, derived from the streams before anything runs.

A planned check is ``{id, host, phase, check, description, severity, params}``. `phase` is before (nothing runs),
during (all receivers and senders run) or after (they have ended). `severity` is failure, or warning where a host isn't
ours and others may act on it."""
from __future__ import annotations

from ..module_utils import group as groups_of
from ..module_utils import stream as streams_of
from . import judge

PHASES = ("before", "during", "after")


def derive(streams, hosts, is_ours):
    """streams: settled. hosts: the names that take part in the run. is_ours: a function of a host's name.

    Returns the list of planned checks, in the order of phase and host."""
    planned = []
    for phase in PHASES:
        for host in hosts:
            others = "failure" if is_ours(host) else "warning"
            for check, severity, params in _RULES[phase](streams, host, others):
                planned.append({"id": _identifier(host, phase, check, params), "host": host, "phase": phase,
                                "check": check, "description": judge.make(check, params).describe(),
                                "severity": severity, "params": params})
    return planned


def _identifier(host, phase, check, params):
    what = [str(params[key]) for key in ("stream", "group", "interface") if params.get(key)]
    return "/".join([host, phase, check] + what)


def _before(streams, host, others):
    for interface in streams_of.of_host(streams, host)["interfaces"]:
        yield "interface.settings", "failure", {"interface": interface, "state": "up", "multicast": True}
    for interface, group in streams_of.memberships(streams, host):
        yield "membership.absent", others, {"interface": interface, "group": group}


def _during(streams, host, others):
    wanted = streams_of.memberships(streams, host)
    for (interface, group), union in wanted.items():
        yield "membership.present", "failure", dict(union, interface=interface, group=group)
        yield "mapping.programmed", "failure", {"interface": interface, "group": group, "mac": groups_of.mac(group)}
    expected = [{"interface": interface, "group": group} for interface, group in wanted]
    yield "membership.difference", others, {"joined": expected}
    yield "membership.explained", others, {"memberships": expected}
    for stream in streams:
        shared = {"stream": stream["name"], "group": stream["group"], "port": stream["port"]}
        if host in stream["senders"]:
            yield "delivery.sent", "failure", dict(shared, datagrams=stream["count"],
                                                   interface=stream["senders"][host]["interface"])
        if host in stream["receivers"]:
            yield "delivery.received", "failure", dict(shared, datagrams=stream["count"], sources=_senders(
                stream), interface=stream["receivers"][host]["interface"])


def _senders(stream):
    """The senders that a receiver must hear: those that its source filter lets through. An address that is not
    known beforehand stands as None: any source will do for it."""
    addresses = [end["address"] for end in stream["senders"].values()]
    include = stream["filter_mode"] == "include"
    return [address for address in addresses if address is None or (address in stream["sources"]) == include]


def _after(streams, host, others):
    for interface, group in streams_of.memberships(streams, host):
        yield "membership.absent", others, {"interface": interface, "group": group}
    yield "membership.difference", others, {"joined": []}


_RULES = {"before": _before, "during": _during, "after": _after}
