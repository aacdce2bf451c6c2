"""Programs under a name: they outlive whoever started them, are found again, and leave nothing."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import unit
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.traffic.supervise import identity
from traffic_lan import GROUPS, PORT, inode
from waiting import until

RECEIVER = ["receiver", f"--group={GROUPS[4]}", f"--port={PORT}", "--interface=eth0"]
SENDER = ["sender", f"--group={GROUPS[4]}", f"--port={PORT}", "--interface=eth0"]
ENDLESS = SENDER + ["--count=0", "--interval=0.01"]
CALL = """
import json, sys
from ansible_collections.mcast.lab.plugins.module_utils import unit
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
function, (name, *arguments) = sys.argv[1], json.loads(sys.argv[2])
def planned(argv, program):
    have = unit.status(name)
    step = unit.step(name, argv, have, program)
    changes = unit.Steps([step] if step else [])
    if function == "apply":
        changes.apply()
    return dict(changes.result(), report=changes.reports.get(name, have and have["report"]))
FUNCTIONS = {
    "plan": planned, "apply": planned, "status": lambda: unit.status(name),
    "start": lambda argv: unit.start({name: argv})[name],
    "stop": lambda *deadline: unit.stop([name], *deadline)[name],
}
try:
    result = FUNCTIONS[function](*arguments)
except McastError as error:
    result = {"refused": str(error)}
print(json.dumps(result))
"""


def call(lan, function, *arguments, host="server"):
    """One function of unit, in a process of its own on that host."""
    done = lan.run(getattr(lan, host), [sys.executable, "-c", CALL, function, json.dumps(arguments)])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def folder(lan, name, host="server"):
    return f"{unit.ROOT}/{inode(getattr(lan, host))}/{name}"


def processes(lan, name, host="server"):
    with open(f"{folder(lan, name, host)}/unit.json", encoding="utf-8") as handle:
        return json.load(handle)["processes"]


def gone(found):
    return not any(identity(one[0]) == one for one in found)


def test_started_found_again_and_stopped_with_its_report(lan):
    assert call(lan, "status", "hello") is None
    begun = call(lan, "start", "hello", RECEIVER)
    assert begun["state"] == "joined" and lan.memberships(GROUPS[4]) == ["eth0"]
    assert os.listdir(folder(lan, "hello")) and os.stat(folder(lan, "hello")).st_mode & 0o22 == 0
    lan.send()
    until(lambda: call(lan, "status", "hello")["report"]["datagrams"])
    found = call(lan, "status", "hello")
    assert (found["running"], found["exit"], found["argv"]) == (True, None, RECEIVER)
    ran = processes(lan, "hello")
    assert found["report"]["pid"] == ran[1][0] != ran[0][0]
    report = call(lan, "stop", "hello")
    assert (report["datagrams"], report["ended"]["reason"]) == (1, "SIGTERM")
    assert (report["exit"]["code"], report["exit"]["signal"]) == (0, None)
    assert gone(ran) and not os.path.exists(os.path.dirname(folder(lan, "hello")))
    assert lan.memberships(GROUPS[4]) == []
    assert call(lan, "stop", "hello") is None


def test_it_is_in_a_session_of_its_own_and_holds_no_pipe(lan):
    # Whoever started it gets its output's end at once: nothing that runs on holds it open.
    call(lan, "start", "hello", RECEIVER)
    supervisor = processes(lan, "hello")[0][0]
    assert os.getsid(supervisor) == supervisor
    assert {os.readlink(f"/proc/{supervisor}/fd/{i}") for i in range(3)} == {
        "/dev/null", f"{folder(lan, 'hello')}/log"}


def test_the_same_name_in_two_namespaces(lan):
    call(lan, "start", "hello", RECEIVER)
    call(lan, "start", "hello", ENDLESS, host="client")
    until(lambda: call(lan, "status", "hello")["report"]["datagrams"])
    assert call(lan, "stop", "hello", host="client")["program"] == "sender"
    assert call(lan, "status", "hello")["running"]


def test_one_pair_is_stopped_and_the_other_goes_on(lan):
    for name, group in (("one", "239.1.1.1"), ("two", "239.1.1.2")):
        call(lan, "start", name, RECEIVER[:1] + [f"--group={group}"] + RECEIVER[2:])
        call(lan, "start", name, ENDLESS[:1] + [f"--group={group}"] + ENDLESS[2:], host="client")
    call(lan, "stop", "one", host="client")
    call(lan, "stop", "one")
    before = call(lan, "status", "two")["report"]["datagrams"]
    until(lambda: call(lan, "status", "two")["report"]["datagrams"] > before)
    assert call(lan, "stop", "two")["flows"][0]["group"] == "239.1.1.2"


def test_planned_changes(lan):
    checked = call(lan, "plan", "hello", RECEIVER, "receiver")
    assert checked["changed"] and checked["report"] is None and not os.path.exists(folder(lan, "hello"))
    assert checked["diff"]["after"] == {"hello": {"arguments": RECEIVER, "running": True}}
    first = call(lan, "apply", "hello", RECEIVER, "receiver")
    again = call(lan, "apply", "hello", RECEIVER, "receiver")
    assert (first["changed"], again["changed"], first["report"]["pid"]) == (True, False, again["report"]["pid"])
    other = call(lan, "apply", "hello", RECEIVER + ["--count=5"], "receiver")
    assert other["changed"] and other["report"]["pid"] != first["report"]["pid"]
    refused = call(lan, "apply", "hello", SENDER, "sender")["refused"]
    assert refused == "hello: is the name of a receiver on this host; the sender needs another"
    assert "is the name of a receiver" in call(lan, "apply", "hello", None, "sender")["refused"]
    gone_again = [call(lan, "apply", "hello", None, "receiver") for unused in range(2)]
    assert [one["changed"] for one in gone_again] == [True, False]


def test_a_finite_sender_sends_again(lan):
    call(lan, "start", "hello", RECEIVER)
    for number in (1, 2):
        sent = call(lan, "apply", "hello", SENDER, "sender", host="client")
        assert sent["changed"]
        until(lambda number=number: call(lan, "status", "hello")["report"]["datagrams"] == number)
        until(lambda: call(lan, "status", "hello", host="client")["exit"])


def test_a_failed_start_says_why_and_leaves_nothing(lan):
    lan.ip("link set eth0 down", namespace=lan.client)
    refused = call(lan, "start", "hello", SENDER, host="client")["refused"]
    assert refused.startswith("hello: 239.0.0.100: cannot be sent to from interface eth0: ")
    refused = call(lan, "start", "hello", ["sender", "--ttl=999"], host="client")["refused"]
    assert refused.startswith("hello: ended before it began: --ttl: 999 is not a valid TTL")
    assert not os.path.exists(os.path.dirname(folder(lan, "hello", "client")))


def test_the_killed_program_leaves_its_report_and_how_it_ended(lan):
    call(lan, "start", "hello", RECEIVER)
    lan.send()
    until(lambda: call(lan, "status", "hello")["report"]["datagrams"])
    os.kill(processes(lan, "hello")[1][0], signal.SIGKILL)
    found = until(lambda: call(lan, "status", "hello")["exit"] and call(lan, "status", "hello"))
    assert (found["exit"]["signal"], found["report"]["datagrams"]) == ("SIGKILL", 1)
    until(lambda: not call(lan, "status", "hello")["running"])
    assert call(lan, "apply", "hello", RECEIVER, "receiver")["changed"]
    call(lan, "stop", "hello")
    assert not os.path.exists(folder(lan, "hello"))


def test_with_a_killed_supervisor_the_program_ends_too(lan):
    call(lan, "start", "hello", RECEIVER)
    ran = processes(lan, "hello")
    os.kill(ran[0][0], signal.SIGKILL)
    until(lambda: gone(ran))
    report = call(lan, "stop", "hello")
    assert (report["ended"]["reason"], report["exit"]) == ("SIGTERM", None)
    assert lan.memberships(GROUPS[4]) == []


def test_one_that_hangs_is_killed_at_the_deadline(lan):
    call(lan, "start", "hello", RECEIVER)
    ran = processes(lan, "hello")
    os.kill(ran[1][0], signal.SIGSTOP)
    begun = time.monotonic()
    assert call(lan, "stop", "hello", 0.5)["state"] == "joined"
    assert time.monotonic() - begun >= 0.5
    assert gone(ran) and not os.path.exists(folder(lan, "hello"))


def test_a_stranger_with_the_old_pid_is_left_alone(lan):
    call(lan, "start", "hello", RECEIVER)
    path = f"{folder(lan, 'hello')}/unit.json"
    with open(path, encoding="utf-8") as handle:
        record = json.load(handle)
    ran = record["processes"]
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
            record["processes"] = [[stranger.pid, identity(stranger.pid)[1] + 1]]
            with open(path, "w", encoding="utf-8") as handle:
                json.dump(record, handle)
            assert not call(lan, "status", "hello")["running"]
            call(lan, "stop", "hello", 0.2)
            assert stranger.poll() is None
    finally:
        for one in ran:
            os.kill(one[0], signal.SIGKILL)
    until(lambda: gone(ran))


def test_cleaned_from_outside_of_the_namespace(lan):
    for name in ("one", "two"):
        call(lan, "start", name, RECEIVER)
    call(lan, "start", "three", ENDLESS, host="client")
    ran = processes(lan, "one") + processes(lan, "two")
    os.kill(processes(lan, "two")[1][0], signal.SIGSTOP)
    assert unit.names(inode(lan.server)) == ["one", "two"]
    unit.clean(inode(lan.server), deadline=0.5)
    assert gone(ran) and not os.path.exists(f"{unit.ROOT}/{inode(lan.server)}")
    assert call(lan, "status", "three", host="client")["running"]
    assert unit.names(inode(lan.server)) == []
    unit.clean(inode(lan.server))


def test_without_root_the_remedy_is_told():
    os.seteuid(65534)
    try:
        with pytest.raises(McastError, match="become: true"):
            unit.start({"hello": RECEIVER})
    finally:
        os.seteuid(0)
