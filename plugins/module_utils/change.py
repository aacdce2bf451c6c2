# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""have → want → changes → apply → result: `changed` and `diff` come from the one list of changes."""
from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, NoReturn, Protocol, Sequence, Tuple, TypeVar

from .error import McastError, reason

_Value = TypeVar("_Value")


class Change(NamedTuple):
    """One change: the path is nested keys such as ``("eth0", "mtu")``, before or after None: did not or will not
    exist."""
    path: tuple[str, ...]
    before: Any
    after: Any
    apply: Callable[[], Any]


class Changes:
    """The list of what has to change, in the order in which it is applied. Check mode applies none of them.

    `known` is what a module returns besides, though a change should fail."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self.known: dict[str, Any] = {}

    def add(self, path: Sequence[str], before: Any, after: Any, apply: Callable[[], Any]) -> None:
        """Note one change, which `apply` makes."""
        self._changes.append(Change(tuple(path), before, after, apply))

    def compare(self, path: Sequence[str], have: _Value | None, want: _Value | None,
                apply: Callable[[_Value], Any]) -> None:
        """Note a change where `want` is given (not None) and differs from `have`; `apply` takes `want`."""
        if want is not None and want != have:
            self.add(path, have, want, lambda: apply(want))

    def apply(self) -> None:
        """Make every change; the first that raises ends it. McastError names the change that the system refused."""
        for change in self._changes:
            try:
                change.apply()
            except OSError as error:
                where = f" ({error.filename})" if error.filename and str(error.filename) not in change.path else ""
                raise McastError(" ".join(map(str, change.path)), reason(error) + where) from None

    def result(self) -> dict[str, Any]:
        """Returns ``{"changed": bool, "diff": {"before": {...}, "after": {...}}}``, nested by the paths."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for change in self._changes:
            _put(before, change.path, change.before)
            _put(after, change.path, change.after)
        return {"changed": bool(self._changes), "diff": {"before": before, "after": after}}


class InTurn(Changes):
    """The changes of several lists, each applied its own way, one list after another."""

    def __init__(self, parts: Sequence[Changes]) -> None:
        super().__init__()
        self._parts = parts
        for part in parts:
            self._changes += part._changes
            self.known.update(part.known)

    def apply(self) -> None:
        for part in self._parts:
            part.apply()


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    if value is None:
        return
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


# The changes, and a function that returns the further result.
Planned = Tuple[Changes, Callable[[], Dict[str, Any]]]
# What a module plans, by its options.
Plan = Callable[[Dict[str, Any]], Planned]


class Module(Protocol):
    """What is needed of an AnsibleModule."""
    _name: str
    params: dict[str, Any]
    check_mode: bool

    def warn(self, warning: str) -> None:
        ...

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        ...

    def exit_json(self, **kwargs: Any) -> NoReturn:
        ...


def outcome(name: str, plan: Plan, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Plan and, but for check mode, apply. Returns the result of a task. A McastError or OSError anywhere below becomes
    ``{"failed": True, "msg", ...}``."""
    known: dict[str, Any] = {}
    try:
        changes, report = plan(params)
        known = changes.known
        if not check_mode:
            changes.apply()
        return {**changes.result(), **known, **report()}
    except McastError as error:
        return {"failed": True, "msg": str(error), "thing": str(error.thing), **known}
    except OSError as error:
        return {"failed": True, "msg": f"{error.filename or name}: {reason(error)}", **known}


def run(module: Module, plan: Plan) -> NoReturn:
    """The edge of a module that changes state. module: an AnsibleModule; what the plan reports as `warnings`, it warns
    of. Never returns."""
    result = outcome(module._name, plan, module.params, module.check_mode)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
