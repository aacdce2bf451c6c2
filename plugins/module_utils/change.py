# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""have → want → changes → apply → result: `changed` and `diff` come from the one list of changes."""
from __future__ import annotations

from .error import McastError, reason


class Changes:
    """The list of what has to change, in the order in which it is applied.

    Each change is a path (a tuple of keys), the value before, the value after, and a function without arguments
    that makes it so. Check mode applies none of them. `known` is what a module returns besides, though a change should
    fail."""

    def __init__(self):
        self._changes = []
        self.known = {}

    def add(self, path, before, after, apply):
        """Note one change. path: ``("eth0", "mtu")``; before or after None: did not or will not exist."""
        self._changes.append((tuple(path), before, after, apply))

    def compare(self, path, have, want, apply):
        """Note a change where `want` is given (not None) and differs from `have`; `apply` takes `want`."""
        if want is not None and want != have:
            self.add(path, have, want, lambda: apply(want))

    def extend(self, other):
        """Add what another list has, after what this one has."""
        self._changes += other._changes

    def apply(self):
        """Make every change; the first that raises ends it. McastError names the change that the system refused."""
        for path, _before, _after, apply in self._changes:
            try:
                apply()
            except OSError as error:
                where = f" ({error.filename})" if error.filename and str(error.filename) not in path else ""
                raise McastError(" ".join(map(str, path)), reason(error) + where) from None

    def result(self):
        """Returns ``{"changed": bool, "diff": {"before": {...}, "after": {...}}}``, nested by the paths."""
        before, after = {}, {}
        for path, have, want, _unused in self._changes:
            _put(before, path, have)
            _put(after, path, want)
        return {"changed": bool(self._changes), "diff": {"before": before, "after": after}}


def _put(tree, path, value):
    if value is None:
        return
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def run(module, plan):
    """The edge of a module that changes state.

    plan: takes module.params, returns (Changes, function that returns the further result). A McastError or
    OSError anywhere below becomes the one fail_json. Never returns."""
    known = {}
    try:
        changes, report = plan(module.params)
        known = changes.known
        if not module.check_mode:
            changes.apply()
        result = dict(changes.result(), **known)
        result.update(report())
    except McastError as error:
        module.fail_json(msg=str(error), thing=str(error.thing), **known)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module._name}: {reason(error)}", **known)
    module.exit_json(**result)
