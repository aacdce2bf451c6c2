# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables that an inventory sets, checked for all hosts at once before anything runs. What the roles say of
theirs (roles/*/meta/argument_specs.yml) is checked here once per run, in place of once per role and host."""
from __future__ import annotations

import difflib
import functools
import pathlib
from typing import Any, Iterable, Iterator

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils import expect
from ..module_utils.error import McastError
from .origin import place_of

_ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
_PREFIX = "mcast_"
# Those that the inventory plugin and our playbooks set, which hold no templates of a user.
_MADE = {"mcast_settled", "mcast_topology_error", "mcast_interfaces", "mcast_netns", "mcast_plan", "mcast_duties",
         "mcast_lab_up", "mcast_labs", "mcast_move", "mcast_part", "mcast_command", "mcast_fleet"}
# Those of no role.
_OTHERS = {"mcast_streams", "mcast_steps", "mcast_break", "mcast_hosts", "mcast_interface", "mcast_results_dir",
           "mcast_bundle", "mcast_results_mode", "mcast_gather_subset", "mcast_gather_strict", "mcast_gather_forks",
           "mcast_gather_timeout", "mcast_gather_cache", "mcast_gather_listen"}
_DURATIONS = ("mcast_evidence_within", "mcast_evidence_window")
_SHOWN = 3


@functools.lru_cache(maxsize=None)
def of_roles() -> dict[str, dict[str, Any]]:
    """The variables of all roles, as Ansible's argument specs; none of them is required."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(_ROLES.glob("*/meta/argument_specs.yml")):
        options = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
        found.update((name, dict(spec, required=False)) for name, spec in options.items())
    return found


def check(hostvars: Any, hosts: Iterable[str]) -> None:
    """hostvars: Ansible's; hosts: those that take part. McastError with all that is wrong: a variable without a value,
    of a wrong type, with unknown keys, or of a name that is none of ours."""
    wrong: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        known = hostvars[host]
        for name, reason in _of_host(known):
            place = place_of(next(key for key in known if key == name))  # the key itself knows where it stands
            wrong.setdefault((f"{place}: {name}" if place else name, reason), []).append(host)
    errors = [McastError(f"{name} of {_named(hosts)}", reason) for (name, reason), hosts in wrong.items()]
    if errors:
        raise McastError(errors[0].thing, "; ".join([errors[0].reason, *map(str, errors[1:])]))


def _named(hosts: list[str]) -> str:
    more = f" and {len(hosts) - _SHOWN} more" if len(hosts) > _SHOWN else ""
    return f"host{'s' if len(hosts) > 1 else ''} {', '.join(hosts[:_SHOWN])}{more}"


def _of_host(known: Any) -> Iterator[tuple[str, str]]:
    """(name, reason) of each variable that is wrong."""
    spec = of_roles()
    for name in known:
        if not name.startswith(_PREFIX) or name in _MADE:
            continue
        if name not in spec and name not in _OTHERS:
            yield name, f"is not a variable of mcast.lab{_meant(name)}"
            continue
        try:
            value = known[name]
        except AnsibleError as error:
            yield name, error.message
            continue
        if value is not None and name in spec:
            for message in ArgumentSpecValidator({name: spec[name]}).validate({name: value}).error_messages:
                yield name, message.partition(": <class")[0]
            if name in _DURATIONS:
                yield from _duration(name, value)
        elif value is None and spec.get(name, {}).get("type") == "dict":  # a condition would take it as not stated
            yield name, "has no value; state one, or leave it out"


def _duration(name: str, value: Any) -> Iterator[tuple[str, str]]:
    try:
        expect.duration(name, value)
    except McastError as error:
        yield name, error.reason


def _meant(name: str) -> str:
    words = [each[len(_PREFIX):] for each in (*of_roles(), *_OTHERS)]
    close = difflib.get_close_matches(name[len(_PREFIX):], words, 1)
    return f"; did you mean {_PREFIX}{close[0]}?" if close else ""
