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
         "mcast_lab_up", "mcast_labs", "mcast_move", "mcast_command", "mcast_fleet"}
# Those of no role, as argument specs.
_OTHERS: dict[str, dict[str, Any]] = {
    "mcast_streams": {"type": "raw", "description": "The streams that shall flow, by name."},
    "mcast_steps": {"type": "raw", "description": "What happens, one step after another, and what must hold then."},
    "mcast_break": {"type": "dict", "description": "Proves that a scenario can fail."},
    "mcast_hosts": {"type": "str", "description": "Pattern of the hosts that take part. Default is all."},
    "mcast_interface": {"type": "str", "description": "Interface of a host that no topology file describes."},
    "mcast_results_dir": {"type": "path", "description": "Where the evidence goes. Default is results."},
    "mcast_bundle": {"type": "path", "description": "The folder of this run itself, in place of a new one."},
    "mcast_results_mode": {"type": "raw", "description": "Mode of the files of evidence, as octal digits in quotes."},
    "mcast_gather_subset": {"type": "list", "elements": "str", "description": "Which parts of the facts are gathered."},
    "mcast_gather_strict": {"type": "bool", "description": "Fail where a host did not answer, or something was found."},
    "mcast_gather_forks": {"type": "int", "description": "How many hosts are asked at once."},
    "mcast_gather_timeout": {"type": "float", "description": "Seconds that a host may take to answer."},
    "mcast_gather_cache": {"type": "bool", "description": "Keep the facts in Ansible's cache."},
    "mcast_gather_listen": {"type": "int", "description": "Seconds to listen for queriers."},
}
# Those that are read as a whole elsewhere: they may name each host, and here each host would have them templated.
_LARGE = ("mcast_streams", "mcast_steps")
DURATIONS = ("mcast_evidence_within", "mcast_evidence_window")
_SHOWN = 3


@functools.lru_cache(maxsize=None)
def specs() -> dict[str, dict[str, Any]]:
    """All variables that an inventory may set, as Ansible's argument specs; none of them is required."""
    found = dict(_OTHERS)
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
    spec = specs()
    for name in known:
        if not name.startswith(_PREFIX) or name in _MADE:
            continue
        if name not in spec:
            yield name, f"is not a variable of mcast.lab{_meant(name)}"
            continue
        if name in _LARGE:
            continue
        try:
            value = known[name]
        except AnsibleError as error:
            yield name, error.message
            continue
        if value is not None:
            for message in ArgumentSpecValidator({name: spec[name]}).validate({name: value}).error_messages:
                yield name, message.partition(": <class")[0]
            if name in DURATIONS:
                yield from _duration(name, value)
        elif value is None and spec[name].get("type") == "dict":  # a condition would take it as not stated
            yield name, "has no value; state one, or leave it out"


def _duration(name: str, value: Any) -> Iterator[tuple[str, str]]:
    try:
        expect.duration(name, value)
    except McastError as error:
        yield name, error.reason


def _meant(name: str) -> str:
    words = [each[len(_PREFIX):] for each in specs()]
    close = difflib.get_close_matches(name[len(_PREFIX):], words, 1)
    return f"; did you mean {_PREFIX}{close[0]}?" if close else ""
