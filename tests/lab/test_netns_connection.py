# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ordinary Ansible tasks through the connection, and the inventory that leads to it."""
from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from ansible_collections.mcast.lab.plugins.module_utils.lab.topology import settle

STREAMS = {"hello": {"group": "239.0.0.100", "port": 11111, "from": {"client": "eth0"}, "to": "receivers"}}


def topology_of(name, **further):
    return dict({
        "plugin": "mcast.lab.topology", "name": name,
        "segments": {"lan": {"ipv4": "10.7.0.0/24", "ipv6": "fd00:7::/64"}},
        "hosts": {"client": {"interfaces": {"eth0": {"segment": "lan"}, "only-client": {"segment": "lan"}}},
                  "server": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "10.7.0.50"}}},
                  "routers": {"interfaces": {"eth0": {"segment": "lan"}}}},
    }, **further)


@pytest.fixture
def inventory(tmp_path, lab_name):
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "topology.yml").write_text(yaml.safe_dump(topology_of(lab_name)))
    return folder


@pytest.fixture
def lab(inventory, lab_name, module):
    wanted = topology_of(lab_name)
    assert module("topology", {key: wanted[key] for key in ("name", "segments", "hosts")})["changed"]
    return inventory


def inode(lab_name, host):
    return f"net:[{os.stat(netns.path(f'{lab_name}.{host}')).st_ino}]"


WHERE = "readlink /proc/self/ns/net"
ODD = "a 'quoted' \"doubly\" $HOME `id` \\ ünïcode 群 ; # & | *"


@pytest.mark.parametrize(("pipelining", "hosts"), [("True", ["client", "server"]), ("False", ["server"])])
def test_every_ordinary_task(lab, lab_name, tmp_path, play, pipelining, hosts):
    local = tmp_path / "sent ünï.txt"
    local.write_text(f"{ODD}\n")
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\nreadlink /proc/$$/ns/net; echo \"$1\"\n")
    target = str(tmp_path) + "/{{ inventory_hostname }} got.txt"
    tasks = {
        "setup": {"ansible.builtin.setup": {"gather_subset": ["!all", "network"]}},
        "command": {"ansible.builtin.command": {"argv": ["readlink", "/proc/self/ns/net"]}},
        "argument": {"ansible.builtin.command": {"argv": ["printf", "%s", ODD], "expand_argument_vars": False}},
        "stdin": {"ansible.builtin.command": {"argv": ["cat"], "stdin": ODD, "stdin_add_newline": False}},
        "shell": {"ansible.builtin.shell": WHERE + " && printf '%s' \"it's\" | sed s/it/that/"
                  "; echo \"$MARK\" >&2; exit 3",
                  "environment": {"MARK": ODD}},
        "raw": {"ansible.builtin.raw": f"{WHERE}; echo 'ünï \"x\"'; cat /dev/null"},
        "script": {"ansible.builtin.script": {"cmd": f"{script} 'two words'"}},
        "copy": {"ansible.builtin.copy": {"src": str(local), "dest": target}},
        "content": {"ansible.builtin.copy": {"content": "{{ inventory_hostname }}", "dest": f"{target}.name"}},
        "slurp": {"ansible.builtin.slurp": {"src": target}},
        "fetch": {"ansible.builtin.fetch": {"src": target, "dest": f"{tmp_path}/back/"}},
        "async": {"ansible.builtin.command": WHERE, "async": 30, "poll": 0},
        "status": {"ansible.builtin.async_status": {"jid": "{{ t11.ansible_job_id }}"}, "until": "t12.finished",
                   "retries": 100, "delay": 0.1},
        "polled": {"ansible.builtin.command": WHERE, "async": 30, "poll": 1},
        "delegated": {"ansible.builtin.command": WHERE, "delegate_to": "server"},
        "local": {"ansible.builtin.command": WHERE, "delegate_to": "localhost"},
        "large": {"ansible.builtin.command": {"argv": ["wc", "-c"], "stdin": "x" * 300000, "stdin_add_newline": False}},
        "reset": {"ansible.builtin.shell": "head -c 300000 /dev/zero | tr '\\0' y"},
    }
    seen = play(tmp_path, lab, list(tasks.values()), hosts, ANSIBLE_PIPELINING=pipelining)
    assert sorted(seen) == hosts
    for host, results in seen.items():
        got = dict(zip(tasks, results))
        for name, result in got.items():
            assert bool(result.get("failed")) == (name == "shell"), (name, result)
        here = inode(lab_name, host)
        facts = got["setup"]["ansible_facts"]
        assert sorted(facts["ansible_interfaces"]) == sorted(["lo", "eth0"] + ["only-client"] * (host == "client"))
        assert facts["ansible_eth0"]["ipv4"]["address"] == {"client": "10.7.0.1", "server": "10.7.0.50"}[host]
        for name in ("command", "status", "polled"):
            assert got[name]["stdout"] == here, name
        for name in ("argument", "stdin"):
            assert got[name]["stdout"] == ODD, name
        assert (got["shell"]["rc"], got["shell"]["stdout_lines"], got["shell"]["stderr"]) == (
            3, [here, "that's"], ODD)
        assert got["raw"]["stdout_lines"] == [here, "ünï \"x\""]
        assert got["script"]["stdout_lines"] == [here, "two words"]
        assert base64.b64decode(got["slurp"]["content"]).decode() == f"{ODD}\n"
        with open(got["fetch"]["dest"]) as file:
            assert file.read() == f"{ODD}\n" and got["fetch"]["dest"].startswith(f"{tmp_path}/back/{host}/")
        assert (tmp_path / f"{host} got.txt.name").read_text() == host
        assert got["delegated"]["stdout"] == inode(lab_name, "server")
        assert got["local"]["stdout"] == os.readlink("/proc/self/ns/net")
        assert got["large"]["stdout"] == "300000"
        assert got["reset"]["stdout"] == "y" * 300000


@pytest.mark.parametrize("pipelining", ["True", "False"])
@pytest.mark.parametrize("method", [
    pytest.param(method, marks=pytest.mark.skipif(not shutil.which(method), reason=f"{method} is not installed"))
    for method in ("su", "sudo")])
def test_become_another_user_in_the_namespace(lab, lab_name, tmp_path, play, method, pipelining):
    become = {"become": True, "become_user": "nobody", "become_method": method,
              # The user has no shell of its own; and without ACLs only a world-readable file gets to it.
              "vars": {"ansible_become_flags": "-s /bin/sh" if method == "su" else "-H -S -n",
                       "ansible_shell_allow_world_readable_temp": True,
                       "ansible_remote_tmp": f"/tmp/.mct-{os.getpid()}"}}
    tasks = [dict(become, **task) for task in (
        {"ansible.builtin.command": "id -un"}, {"ansible.builtin.command": WHERE},
        {"ansible.builtin.raw": f"id -un; {WHERE}"},
        {"ansible.builtin.command": {"argv": ["cat"], "stdin": ODD, "stdin_add_newline": False}})]
    tasks.append({"ansible.builtin.command": "id -un"})
    try:
        seen = play(tmp_path, lab, tasks, hosts="server", ANSIBLE_PIPELINING=pipelining)
    finally:
        shutil.rmtree(f"/tmp/.mct-{os.getpid()}", ignore_errors=True)
    here = inode(lab_name, "server")
    got = [result.get("stdout") for result in seen["server"]]
    assert got[:2] + got[3:] == ["nobody", here, ODD, "root"], seen
    assert got[2].split() == ["nobody", here]


def test_a_missing_namespace_is_unreachable_with_the_remedy(lab, lab_name, tmp_path, play, ip):
    ip("netns", "delete", f"{lab_name}.server")
    seen = play(tmp_path, lab, [{"ansible.builtin.command": WHERE}, {"ansible.builtin.raw": WHERE},
                                {"ansible.builtin.command": "true", "delegate_to": "localhost"}])
    for result in seen["server"][:2]:
        assert result["unreachable"]
        assert f"there is no network namespace {lab_name}.server on this machine" in result["msg"]
        assert "mcast.lab.lab_up" in result["msg"]
    assert seen["server"][2]["rc"] == 0
    assert [result["stdout"].strip() for result in seen["client"][:2]] == [inode(lab_name, "client")] * 2


def test_any_namespace_by_its_name(new_lab_name, tmp_path, play, ip):
    """Without our inventory: the name of the host, or a variable, is the namespace."""
    name = new_lab_name()
    ip("netns", "add", name)
    try:
        hosts = {name: {}, "called-otherwise": {"mcast_netns": "{{ 'mct' }}" + name[3:]}}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {
            "hosts": hosts, "vars": {"ansible_connection": "mcast.lab.netns"}}}))
        seen = play(tmp_path, tmp_path / "hosts.yml", [{"ansible.builtin.raw": WHERE}])
        expected = f"net:[{os.stat(netns.path(name)).st_ino}]"
        assert {host: results[0]["stdout"].strip() for host, results in seen.items()} == dict.fromkeys(hosts, expected)
    finally:
        ip("netns", "delete", name)


# Without the numbers of each, and the namespaces that come and go.
MOUNTS = "cut -d' ' -f4- /proc/self/mountinfo | grep -v /run/netns/"


def test_the_mounts_are_those_of_ip_netns_exec(lab, lab_name, tmp_path, play):
    """The namespace's own /sys, and what is in /etc/netns over /etc; the machine's own mounts stay as they are."""
    folder = Path("/etc/netns", f"{lab_name}.client")
    folder.mkdir(parents=True)
    command = f"{MOUNTS}; cat /etc/hosts; ls /sys/class/net"

    def mounts():
        return subprocess.run(MOUNTS, shell=True, check=True, capture_output=True, text=True).stdout

    before = mounts()
    try:
        (folder / "hosts").write_text("203.0.113.1 only.here\n")
        (folder / "not-in-etc").write_text("")
        seen = play(tmp_path, lab, [{"ansible.builtin.raw": command}])
        expected = {host: subprocess.run(["ip", "netns", "exec", f"{lab_name}.{host}", "/bin/sh", "-c", command],
                                         check=True, capture_output=True, text=True).stdout
                    for host in ("client", "server")}
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    assert {host: seen[host][0]["stdout"] for host in expected} == expected
    assert "203.0.113.1 only.here" in expected["client"] and "only.here" not in expected["server"]
    assert "only-client" in expected["client"] and "only-client" not in expected["server"]
    assert mounts() == before


def test_a_task_that_takes_too_long_is_ended(lab, tmp_path, play):
    begin = time.monotonic()
    seen = play(tmp_path, lab, [{"ansible.builtin.raw": "sleep 300", "timeout": 1},
                                {"ansible.builtin.raw": "echo on"}], hosts="server")
    assert [result.get("stdout", "").strip() for result in seen["server"]] == ["", "on"]
    assert "Timed out after 1 second" in seen["server"][0]["msg"] and time.monotonic() - begin < 200


# the inventory


def listed(ansible, path, cwd):
    ran = ansible("ansible-inventory", "-i", path, "--list", cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    # What no template may be made of comes wrapped.
    return json.loads(ran.stdout, object_hook=lambda body: body.get("__ansible_unsafe", body)), ran.stderr


def test_inventory_of_a_file_with_variables_and_groups_beside_it(inventory, lab_name, ansible, tmp_path):
    topology = topology_of(lab_name, streams=STREAMS)
    (inventory / "topology.yml").write_text(yaml.safe_dump(topology))
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"receivers": {"hosts": {"server": {}, "routers": {}}}}))
    for kind, name, variables in (("group_vars", "all", {"colour": "of all"}),
                                  ("group_vars", "receivers", {"kind": "r"}),
                                  ("host_vars", "client", {"colour": "its own"})):
        (inventory / kind).mkdir(exist_ok=True)
        (inventory / kind / f"{name}.yml").write_text(yaml.safe_dump(variables))
    content, errors = listed(ansible, inventory, tmp_path)
    assert "WARNING" not in errors and "ERROR" not in errors
    hostvars = content["_meta"]["hostvars"]
    assert sorted(hostvars) == ["client", "routers", "server"]
    assert sorted(content["receivers"]["hosts"]) == ["routers", "server"]
    client = hostvars["client"]
    assert (client["mcast_netns"], client["ansible_connection"]) == (f"{lab_name}.client", "mcast.lab.netns")
    assert client["mcast_interfaces"]["eth0"]["ipv4"] == "10.7.0.1/24"
    assert client["mcast_settled"] == settle(yaml.safe_load((inventory / "topology.yml").read_text()), "another")
    assert client["mcast_streams"] == STREAMS
    assert {host: (body["colour"], body.get("kind")) for host, body in hostvars.items()} == {
        "client": ("its own", None), "server": ("of all", "r"), "routers": ("of all", "r")}
    assert "mcast_topology_error" not in client
    # A stream's `to` that names the group reaches its members.
    plan = ansible("ansible", "-i", inventory, "localhost", "-m", "mcast.lab.plan", cwd=tmp_path,
                   ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    duties = json.loads(plan.stdout[plan.stdout.index("{"):])["duties"]
    assert sorted(host for host in duties if any(
        name.startswith("receiver-") for name in duties[host]["started"])) == ["routers", "server"]


def test_two_topologies_in_one_inventory_are_refused(inventory, lab_name, ansible, tmp_path):
    (inventory / "other.topology.yml").write_text(yaml.safe_dump(topology_of("another")))
    plan = ansible("ansible", "-i", inventory, "localhost", "-m", "mcast.lab.plan", cwd=tmp_path)
    assert plan.returncode != 0
    assert ": name: an inventory holds one lab, and this one holds " in plan.stdout, plan.stdout


@pytest.mark.parametrize("name", ["topology.yaml", "my-lab.topology.yml"])
def test_the_names_that_are_a_topology(inventory, ansible, tmp_path, name):
    (inventory / "topology.yml").rename(inventory / name)
    hosts = listed(ansible, inventory / name, tmp_path)[0]["_meta"]["hostvars"]
    assert sorted(hosts) == ["client", "routers", "server"]


def test_a_lab_is_called_as_its_folder(inventory, ansible, lab_name, tmp_path):
    topology = topology_of(lab_name)
    del topology["name"]
    (inventory / "topology.yml").write_text(yaml.safe_dump(topology))
    hosts = listed(ansible, inventory, tmp_path)[0]["_meta"]["hostvars"]
    assert hosts["client"]["mcast_netns"] == "inventory.client"


# what stands in the file, and the message, which names the key
BAD = {
    "YAML": ("plugin: mcast.lab.topology\nhosts: {client: [", "topology.yml:3:1: YAML"),
    "a tab": ("plugin: mcast.lab.topology\nhosts:\n\tclient: {}\n", "topology.yml:3:1: YAML parsing failed"),
    "no mapping": ("just a text\n", "topology: expected a mapping"),
    "nothing": ("", "topology: expected a mapping"),
    "other plugin": ({"plugin": "mcast.lab.topologie"}, "plugin: expected mcast.lab.topology, not"),
    "no segments": ({"segments": None}, "topology.segments: is missing"),
    "wrong address": ({"hosts": {"client": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "10.7.0.300"}}}}},
                      "hosts.client.interfaces.eth0.ipv4: expected an"),
    "unknown segment": ({"hosts": {"client": {"interfaces": {"eth0": {"segment": "lna"}}}}},
                        "hosts.client.interfaces.eth0.segment: expected one of lan, not 'lna'"),
    "misspelt key": ({"stream": {}}, "topology.stream: is not known"),
    "a port too large": ({"streams": {"hello": dict(STREAMS["hello"], port=70000)}}, "streams.hello.port: expected a"),
    "a group of nobody": ({"streams": STREAMS}, "streams.hello.to: 'receivers' is neither a host nor a group"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_message_and_nothing_is_made(inventory, lab_name, ansible, tmp_path, name):
    content, message = BAD[name]
    if isinstance(content, dict):
        content = yaml.safe_dump(topology_of(lab_name, **content))
    (inventory / "topology.yml").write_bytes(content.encode())
    before = netns.names()
    # The first begins with the second: one row shows that this is so.
    for playbook in ("verify", "lab_up")[:2 if name == "wrong address" else 1]:
        ran = ansible("ansible-playbook", "-i", inventory, f"mcast.lab.{playbook}", cwd=tmp_path)
        assert ran.returncode != 0
        troubles = {line for line in ran.stdout.splitlines() if line.startswith(("error", "unreachable"))}
        assert len(troubles) == 1 and message in troubles.pop(), ran.stdout
        assert "Traceback" not in ran.stdout + ran.stderr
    assert [each for each in netns.names() if each not in before and each.startswith(lab_name)] == []
    assert not (tmp_path / "results").exists()


# what stands in a file beside the topology, and the message, which begins with its place
PLACES = {
    "a stream": ("group_vars/all.yml", "mcast_streams:\n  a: {group: 239.1.1.1, port: 70000, from: client, to: b}",
                 ":2:25: streams.a.port: expected a whole number"),
    "its host": ("group_vars/all.yml", "mcast_streams:\n  a: {group: 239.1.1.1, port: 7, from: client,\n    to: s}",
                 ":3:5: streams.a.to: 's' is neither a host nor a group"),
    "a step": ("group_vars/all.yml", "mcast_steps:\n  - name: one\n    expect:\n      server:\n        - membr: []",
               ":5:11: mcast_steps[0].expect.server[0]: expected one of"),
    "a variable": ("host_vars/server.yml", "---\nmcast_captur: true", ":2:1: mcast_captur of host server: is not a "
                   "variable of mcast.lab; did you mean mcast_capture?"),
    "its type": ("group_vars/all.yml", "mcast_host_settings:\n  - eth0", ":1:1: mcast_host_settings of hosts client, "),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_wrong_variable_is_shown_with_its_place(inventory, ansible, tmp_path, name):
    file, text, message = PLACES[name]
    (inventory / file).parent.mkdir(exist_ok=True)
    (inventory / file).write_text(f"{text}\n")
    ran = ansible("ansible-playbook", "-i", inventory, "mcast.lab.lab_up", cwd=tmp_path)
    assert ran.returncode != 0
    assert ran.stdout.count(f"{inventory / file}{message}") == 1, ran.stdout


def test_streams_in_variables_may_hold_templates(inventory, ansible, tmp_path):
    folder = inventory / "group_vars"
    folder.mkdir()
    stream = '{group: "{{ channel }}", port: "{{ 5000 + 4 }}", from: routers, to: [server]}'
    for channel, outcome in (("channel: 239.1.1.1\n", "duties"), ("", "'channel' is undefined")):
        (folder / "all.yml").write_text(f"{channel}mcast_streams:\n  hello: {stream}\n")
        plan = ansible("ansible", "-i", inventory, "localhost", "-m", "mcast.lab.plan", cwd=tmp_path,
                       ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
        assert (plan.returncode == 0) is bool(channel), plan.stdout
        assert outcome in plan.stdout and ("239.1.1.1" in plan.stdout) is bool(channel), plan.stdout


def test_up_twice_and_down_twice_by_the_playbooks(inventory, lab_name, ansible, tmp_path):
    (inventory / "topology.yml").write_text(yaml.safe_dump(topology_of(lab_name, streams={
        "hello": dict(STREAMS["hello"], **{"from": "routers", "to": ["server"]})})))
    for playbook, left in (("lab_up", 4), ("lab_up", 4), ("lab_down", 0), ("lab_down", 0)):
        ran = ansible("ansible-playbook", "-i", inventory, f"mcast.lab.{playbook}", cwd=tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert len([each for each in netns.names() if each.split(".")[0] == lab_name]) == left
