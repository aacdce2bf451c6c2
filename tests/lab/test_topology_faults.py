# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module topology where it can't do what it is told: what is somebody else's, what is wrong, and runs cut short."""
from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from ansible_collections.mcast.lab.plugins.module_utils.netlink.links import Netlink
from topology_lab import lab_of, many, owned


@pytest.mark.parametrize("suffix", ["", ".client"])
def test_a_foreign_namespace_of_the_same_name_is_refused_and_never_touched(lab_name, module, ip, suffix):
    foreign = lab_name + suffix
    ip("netns", "add", foreign)
    ip("-n", foreign, "link", "add", "keep", "type", "bridge")
    inode = os.stat(netns.path(foreign)).st_ino
    for options in ({}, {"state": "absent"}):
        for check in (True, False):
            result = module("topology", dict(lab_of(lab_name), **options), check=check)
            assert bool(result.get("failed")) == (not options)
            if not options:
                assert f"network namespace {foreign}: is there already" in result["msg"]
                assert f"ip netns delete {foreign}" in result["msg"]
            assert owned(lab_name) == [foreign]
            assert os.stat(netns.path(foreign)).st_ino == inode
            assert [link["ifname"] for link in ip("-n", foreign, "link")] == ["lo", "keep"]


@pytest.mark.parametrize("stood", [False, True])
def test_a_lab_that_could_not_be_finished_tells_who_began_it(lab_name, module, stood):
    lab = lab_of(lab_name)
    if stood:
        module("topology", lab)
    in_the_way = Path("/run/mcast-ssh", lab_name)
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.symlink_to("/nowhere")
    try:
        result = module("topology", dict(lab, connection="ssh"))
    finally:
        in_the_way.unlink()
    assert result["failed"] and result["made"] != stood, result
    assert owned(lab_name)


def test_a_foreign_namespace_beside_the_lab_stays(lab_name, module, ip):
    """Its name looks as if it were a host of the lab, or is the mark of another lab's."""
    lab = lab_of(lab_name)
    module("topology", lab)
    others = [f"{lab_name}.other", f"{lab_name}.marked"]
    for other in others:
        ip("netns", "add", other)
    ip("-n", others[1], "link", "set", "lo", "alias", "mcast.lab:another")
    assert not module("topology", lab)["changed"]
    module("topology", {"name": lab_name, "state": "absent"})
    assert owned(lab_name) == sorted(others)


def test_a_stale_file_in_the_place_of_a_namespace_is_refused(lab_name, module):
    path = netns.path(f"{lab_name}.client")
    with open(path, "w"):
        pass
    try:
        assert "is there already" in module("topology", lab_of(lab_name))["msg"]
        assert owned(lab_name) == [f"{lab_name}.client"]
    finally:
        os.unlink(path)


@pytest.mark.parametrize("more", [5, 6, 7, 8, 15, 30, 40])
def test_a_failure_in_the_middle_is_one_message_and_mended_by_the_next_run(lab_name, module, forked, stands, more):
    """The kernel refuses further descriptors, at different steps of the work."""
    lab = lab_of(lab_name, *many(20, 1))

    def starved():
        limit = len(os.listdir("/proc/self/fd")) + more
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        return module("topology", lab)

    result = forked(starved)
    assert result["failed"] and "Too many open files" in result["msg"], result
    assert "changed" in module("topology", lab)
    stands(lab)


@pytest.mark.parametrize("request_number", [1, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 26])
def test_a_run_that_is_killed_is_mended_by_the_next(lab_name, module, stands, monkeypatch, request_number):
    """Whatever stands by then, the next run completes. (Killed between the file of a namespace and its mount, the next
    run tells to remove that file.)"""
    sent = []
    request = Netlink._request

    def counted(self, *args):
        sent.append(args)
        if len(sent) == request_number:
            os.kill(os.getpid(), signal.SIGKILL)
        return request(self, *args)

    with monkeypatch.context() as patched, pytest.raises(ValueError):  # no result
        patched.setattr(Netlink, "_request", counted)
        module("topology", lab_of(lab_name))
    assert "changed" in module("topology", lab_of(lab_name))
    stands(lab_of(lab_name))


# What is wrong: options beside the good ones, and what the message must name.
BAD = {
    "no such segment": ({"hosts": {"a": {"interfaces": {"eth0": {"segment": "lna"}}}}},
                        "hosts.a.interfaces.eth0.segment: expected one of lan, spare, bare, not 'lna'"),
    "address elsewhere": ({"hosts": {"a": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "10.0.0.1"}}}}},
                          "hosts.a.interfaces.eth0.ipv4: 10.0.0.1 is not a host address of segment lan"),
    "no address": ({"hosts": {"a": {"interfaces": {"eth0": {"segment": "lan", "ipv6": "wrong"}}}}},
                   "hosts.a.interfaces.eth0.ipv6: expected an"),
    "no network": ({"segments": {"lan": {"ipv4": "192.168.122.1/24"}}},
                   "segments.lan.ipv4: expected an IPv4 network: 192.168.122.1/24 has host bits set"),
    "no family": ({"segments": {"lan": {"ipx": "1"}}}, "segments.lan.ipx: is not known"),
    "interface too long": ({"hosts": {"a": {"interfaces": {"e" * 16: {"segment": "lan"}}}}},
                           f"hosts.a.interfaces.{'e' * 16}: is not a usable name"),
    "host with a slash": ({"hosts": {"../a": {"interfaces": {}}}}, "hosts.../a: is not a usable name of a host"),
    "host of the controller's name": ({"hosts": {"localhost": {"interfaces": {}}}}, "hosts.localhost: is not a usable"),
    "no hosts": ({"hosts": {}}, "hosts: expected at least one host"),
    "hosts of nothing": ({"hosts": None}, "hosts: is missing"),
    "segment full": ({"segments": {"lan": {"ipv4": "10.0.0.0/30"}}, "hosts": {
        name: {"interfaces": {"eth0": {"segment": "lan"}}} for name in "abc"}},
        "hosts.c.interfaces.eth0.ipv4: 10.0.0.0/30 has no free address left"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_nothing_is_made(lab_name, module, name):
    options, message = BAD[name]
    for check in (True, False):
        result = module("topology", dict(lab_of(lab_name), **options), check=check)
        assert result["failed"] and message in result["msg"]
    assert owned(lab_name) == []


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a/b", "x" * 65, "ü"])
def test_no_name_for_a_lab(module, name):
    before = set(netns.names())
    assert "name: expected" in module("topology", lab_of(name))["msg"]
    assert not module("topology", {"name": name, "state": "absent"}).get("changed")
    assert all(each.startswith("mct") for each in set(netns.names()) - before)  # other tests run meanwhile
