# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host does in one phase, in one command: the same in a fork, in a Python there, and as a module of Ansible."""
from __future__ import annotations

import os
import stat
from typing import Any, Callable

import pytest

STREAM = {"group": "239.0.7.1", "port": 5000, "interface": "eth0"}
ALL = {
    "interfaces": {"eth0": {"state": "up", "multicast": True, "mtu": 1400}},
    "firewall": {"ports": [{"port": 5000, "group": STREAM["group"]}]},
    "started": {"wire": {"capture": {"interface": "eth0", "streams": [STREAM]}}, "news": {"receiver": STREAM}},
}
# How the code comes to the host: a host of this machine is a fork away; with su, commands have no input.
PYTHON = {"ansible_become": True, "ansible_become_method": "sudo"}
WAYS = {"a fork": {}, "a Python": PYTHON, "a module": {"ansible_become": True, "ansible_become_method": "su"}}
# options, what the message says
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"duties": {**ALL, "stoped": ["x"]}}, "duties: stoped. Supported parameters include: "),
    ({"duties": ALL, "ended": ["x"]}, "parameters are mutually exclusive: duties|ended"),
    ({"interfaces": {"eth0": {"mtuu": 1}}}, "interface eth0: mtuu. Supported parameters include: "),
    ({"interfaces": {"eth0": {"igmp_version": 9}}}, "interface eth0: value of igmp_version must be one of: 0, 1, 2, 3"),
    ({"interfaces": {"eth0": ["up"]}}, "interfaces.eth0: expected a mapping"),
    ({"interfaces": {"eth9": {"state": "up"}}}, "interface eth9: is not there; there are "),
    ({"firewall": {"ports": [{"port": 70000}]}}, "ports[0].port: "),
    ({"firewall": {"ports": [{"prt": 7}]}}, "firewall: missing required arguments: port found in ports"),
    ({"started": {"x": {"receiver": {**STREAM, "ttl": 3}}}}, "x.receiver.ttl: is not known"),
    ({"started": {"x": {"receiver": STREAM}}, "stopped": ["x"]}, "x: shall be started and stopped"),
    ({"started": {"x": {"receiver": {**STREAM, "interface": "eth9"}}}}, "x: eth9: is not an interface here"),
]


@pytest.fixture
def host(lab_name: str, ip: Callable[..., Any]) -> str:
    """A namespace with eth0, down."""
    ip("netns", "add", lab_name)
    ip("-n", lab_name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    ip("-n", lab_name, "link", "set", "eth1", "up")
    return lab_name


@pytest.fixture
def act(host: str, tmp_path: Any, play: Callable[..., Any]) -> Callable[..., Any]:
    """act(OPTIONS, ..., variables): run the action on the host; returns the results."""
    def run(*options: dict[str, Any], tasks: dict[str, Any] | None = None, **variables: Any) -> list[dict[str, Any]]:
        given = {"ansible_connection": "mcast.lab.netns", "mcast_netns": host,
                 "ansible_python_interpreter": "/usr/bin/python3", **variables}
        inventory = tmp_path / "hosts.ini"
        inventory.write_text("host " + " ".join(f"{key}={value}" for key, value in given.items()) + "\n")
        return play(tmp_path, inventory, [dict(tasks or {}, **{"mcast.lab.act": each}) for each in options],
                    ANSIBLE_BECOME_ALLOW_SAME_USER="True", ANSIBLE_PIPELINING="True")["host"]
    return run


def link(ip: Callable[..., Any], host: str) -> dict[str, Any]:
    return ip("-n", host, "link", "show", "dev", "eth0")[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_phase_from_beginning_to_end(host, act, ip, way):
    looked, = act(ALL, tasks={"check_mode": True}, **WAYS[way])
    assert looked["changed"] and link(ip, host)["mtu"] == 1500 and not os.path.exists(f"/run/mcast/{inode(host)}")
    begun, again = act(ALL, {"duties": ALL}, **WAYS[way])
    assert (begun["changed"], again["changed"]) == (True, False), begun
    assert begun["diff"] == looked["diff"]
    assert set(begun["diff"]["after"]) == {"eth0", "inet mcast_lab", "news", "wire"}
    assert (link(ip, host)["mtu"], "UP" in link(ip, host)["flags"]) == (1400, True)
    assert {name: report["state"] for name, report in begun["reports"].items()} == {
        "wire": "capturing", "news": "joined"}
    assert begun["reports"]["news"]["pid"] == again["reports"]["news"]["pid"]
    assert STREAM["group"] in {each.get("address") for each in ip("-n", host, "maddress", "show", "eth0")[0]["maddr"]}
    over = {"stopped": ["news"], "ended": ["wire"], "firewall": {"state": "absent"}}
    kill = {"killed": ["news"]}
    killed, dead, ended, again, gone = act(kill, kill, over, over, {"stopped": ["wire"]}, **WAYS[way])
    assert (killed["changed"], dead["changed"]) == (True, False)
    assert (ended["changed"], again["changed"], gone["changed"]) == (True, False, True)
    assert ended["reports"]["news"]["exit"]["signal"] == "SIGKILL" and again["reports"]["news"] is None
    assert os.path.basename(ended["reports"]["wire"]["file"]) == "capture.pcap"
    assert not os.path.exists(f"/run/mcast/{inode(host)}")


def inode(host: str) -> int:
    return os.stat(f"/run/netns/{host}").st_ino


def test_bad_input_is_refused_and_changes_nothing(host, act, ip):
    """Also where the rest of the task is right."""
    both = [options if "duties" in options else
            {**ALL, **options, "interfaces": {**ALL["interfaces"], **options.get("interfaces", {})}}
            for options, unused in REFUSED]
    for (options, says), result in zip(REFUSED, act(*both)):
        assert result["failed"] and says in result["msg"] and "\n" not in result["msg"], (options, result)
    assert link(ip, host)["mtu"] == 1500 and not os.path.exists(f"/run/mcast/{inode(host)}")


# name of the interpreter, lines of a shell that it has, what the message says
INTERPRETERS = [
    ("nowhere", None, "nowhere"),
    ("silent", "exit 3", "its Python could not run the module act (exit status 3): no output"),
    ("loud", "echo Welcome; echo 'mcast.lab: not JSON'", "its Python could not run the module act"),
    ("old", "echo 'it needs Python 3.8 or newer, not 3.6.9' >&2; exit 1", "it needs Python 3.8 or newer"),
]


@pytest.mark.parametrize(("name", "lines", "says"), INTERPRETERS)
def test_an_interpreter_that_is_none_is_named(act, tmp_path, name, lines, says):
    path = tmp_path / name
    if lines is not None:
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    result, = act({"started": {"news": {"receiver": STREAM}}}, ansible_python_interpreter=path, **PYTHON)
    assert result["failed"] and result["msg"].startswith("host: ") and says in result["msg"], result


def test_what_surrounds_a_result_is_passed_over(act, tmp_path):
    """A login that prints; an environment of the task; no interpreter named."""
    path = tmp_path / "chatty"
    path.write_text('#!/bin/sh\necho Welcome\n[ "$HELLO" = you ] && /usr/bin/python3 "$@"\necho Bye\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    for interpreter in (path, "auto_silent"):
        result, = act({"interfaces": {"eth0": {"state": "up"}}}, tasks={"environment": {"HELLO": "you"}},
                      ansible_python_interpreter=interpreter, **PYTHON)
        assert not result["failed"] and result["reports"] == {}, result


def test_a_namespace_that_is_gone_is_named(host, act, ip):
    ip("netns", "delete", host)
    result, = act({"interfaces": {"eth0": {"state": "up"}}})
    assert result["unreachable"] and f"there is no network namespace {host} on this machine" in result["msg"]


def test_nothing_to_do_needs_no_host(act):
    result, = act({}, ansible_python_interpreter="/nowhere", **PYTHON)
    assert not result.get("failed") and result["changed"] is False
