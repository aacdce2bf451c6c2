# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""have → want → changes → apply → result, and the edge of a module."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.change import Changes, run
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError


def test_no_change():
    changes = Changes()
    changes.compare(("mtu",), 1500, 1500, pytest.fail)
    changes.compare(("mtu",), 1500, None, pytest.fail)
    changes.compare(("addresses",), [], [], pytest.fail)
    changes.apply()
    assert changes.result() == {"changed": False, "diff": {"before": {}, "after": {}}}


@pytest.mark.parametrize(("have", "want"), [(True, False), (0, 1), (None, "up"), (["a"], []), (1, "1"), ("a", "")])
def test_compare_notes_what_differs(have, want):
    done, changes = [], Changes()
    changes.compare(("eth0", "value"), have, want, done.append)
    before = {} if have is None else {"eth0": {"value": have}}
    assert changes.result() == {"changed": True, "diff": {"before": before, "after": {"eth0": {"value": want}}}}
    assert done == []
    changes.apply()
    assert done == [want]


def test_changes_are_applied_in_order_and_nested_by_path():
    done, changes = [], Changes()
    for name in ("b", "a"):
        changes.add(("namespaces", name), None, "present", lambda name=name: done.append(name))
    changes.add(["interfaces", "a", "mtu"], 1500, 9000, lambda: done.append("mtu"))
    changes.add(("interfaces", "a", "state"), "up", None, lambda: done.append("state"))
    changes.apply()
    assert done == ["b", "a", "mtu", "state"]
    assert changes.result() == {"changed": True, "diff": {
        "before": {"interfaces": {"a": {"mtu": 1500, "state": "up"}}},
        "after": {"namespaces": {"b": "present", "a": "present"}, "interfaces": {"a": {"mtu": 9000}}}}}


def test_the_first_that_raises_ends_it():
    def broken():
        raise McastError("eth0", "is gone")

    done, changes = [], Changes()
    changes.add(("a",), 0, 1, lambda: done.append("a"))
    changes.add(("b",), 0, 1, broken)
    changes.add(("c",), 0, 1, lambda: done.append("c"))
    with pytest.raises(McastError, match="eth0: is gone"):
        changes.apply()
    assert done == ["a"]


class Ended(Exception):
    pass


class Module:
    """What run() needs of an AnsibleModule; both its ends raise, as the real ones exit."""

    _name = "interface"

    def __init__(self, check_mode):
        self.check_mode, self.params, self.told = check_mode, {"mtu": 9000}, None

    def exit_json(self, **result):
        self.told = result
        raise Ended

    def fail_json(self, **result):
        self.told = dict(result, failed=True)
        raise Ended


def ran(plan, check_mode=False):
    module = Module(check_mode)
    with pytest.raises(Ended):
        run(module, plan)
    return module.told


@pytest.mark.parametrize("check_mode", [False, True])
def test_check_mode_skips_only_the_applying(check_mode):
    state = {"mtu": 1500}

    def plan(params):
        changes = Changes()
        changes.compare(("mtu",), state["mtu"], params["mtu"], lambda mtu: state.update(mtu=mtu))
        return changes, lambda: {"seen": dict(state)}

    assert ran(plan, check_mode) == {
        "changed": True, "diff": {"before": {"mtu": 1500}, "after": {"mtu": 9000}},
        "seen": {"mtu": 1500 if check_mode else 9000}}
    if not check_mode:
        assert ran(plan) == {"changed": False, "diff": {"before": {}, "after": {}}, "seen": {"mtu": 9000}}


# error, the message where a change raises it, and elsewhere
ERRORS = [
    (McastError("streams.hello.port", "is missing"), *["streams.hello.port: is missing"] * 2),
    (PermissionError(1, "Operation not permitted", "/proc/sys/net"),
     "eth0 mtu: Operation not permitted; run this as root, with become: true (/proc/sys/net)",
     "/proc/sys/net: Operation not permitted; run this as root, with become: true"),
    (PermissionError(13, "Permission denied", "eth0"),
     "eth0 mtu: Permission denied; run this as root, with become: true",
     "eth0: Permission denied; run this as root, with become: true"),
    (OSError(30, "Read-only file system"), *[
        f"{thing}: Read-only file system; this container or service may only read it; change it on the machine itself"
        for thing in ("eth0 mtu", "interface")]),
    (OSError(19, "No such device"), "eth0 mtu: No such device", "interface: No such device"),
    (OSError("odd"), "eth0 mtu: odd", "interface: odd"),
]


@pytest.mark.parametrize(("error", "of_a_change", "elsewhere"), ERRORS)
@pytest.mark.parametrize("moment", ["plan", "apply", "report"])
def test_an_error_becomes_the_one_failure(moment, error, of_a_change, elsewhere):
    def fail(*unused):
        raise error

    def plan(unused):
        if moment == "plan":
            fail()
        changes = Changes()
        changes.add(("eth0", "mtu"), 1, 2, fail if moment == "apply" else lambda: None)
        return changes, fail if moment == "report" else dict

    result = ran(plan)
    assert result.pop("msg") == (of_a_change if moment == "apply" else elsewhere)
    result.pop("thing", None)
    assert result == {"failed": True}


def test_what_is_no_fault_of_the_user_goes_through():
    def plan(unused):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Module(False), plan)
