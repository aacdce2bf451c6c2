# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests of labs share: names that no other run has, modules run at once in any namespace, playbooks, and `ip`
as the witness of what the kernel has."""
from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
from unittest import mock

import pytest
import topology_lab
import verify_lab
import yaml
from ansible.module_utils import _internal
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from traffic_lan import Lan

ROOT = pathlib.Path(__file__).resolve().parents[2]
_NUMBERS = itertools.count()
# A shell that starts tests in the background has them ignore Ctrl-C, and all that they start after them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
_LONGEST = ("test_scenarios", "test_verify", "test_verify_wire", "test_router", "test_fleet", "test_querier",
            "test_bridge")


def pytest_collection_modifyitems(items):
    # The longest files first: beside all the others they take no time of their own.
    items.sort(key=lambda item: _LONGEST.index(item.path.stem) if item.path.stem in _LONGEST else len(_LONGEST))
    if os.geteuid() != 0:
        for item in items:
            if pathlib.Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="network namespaces take root"))


def _forked(work):
    """What `work` returns, run in a child process: it may enter namespaces, use up descriptors, and leave a mess."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as pipe:
                json.dump(work(), pipe)
        except BaseException as error:  # the child must end here, whatever happens
            os.write(2, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)


@pytest.fixture(scope="session")
def forked():
    return _forked


@pytest.fixture(scope="session")
def module():
    """module(NAME, OPTIONS, check=, namespace=): run one of our modules as Ansible does; returns what it printed.
    No connection is involved: that is some 10 ms in place of 200."""
    def run(name, options, check=False, namespace=None):
        code = importlib.import_module(f"ansible_collections.mcast.lab.plugins.modules.{name}")

        def work():
            with contextlib.ExitStack() as stack:
                if namespace:
                    stack.enter_context(netns.inside(os.open(netns.path(namespace), os.O_RDONLY)))
                # What the tests import makes Ansible take this process for a controller, and print a module's warnings.
                stack.enter_context(mock.patch.object(_internal, "is_controller", False))
                stack.enter_context(patch_module_args(dict(options, _ansible_check_mode=check, _ansible_diff=True)))
                output = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
                stack.enter_context(contextlib.suppress(SystemExit))
                code.main()
            result = json.loads(output.getvalue())
            result.pop("invocation", None)  # which only some versions of Ansible print
            return result
        return _forked(work)
    return run


@pytest.fixture(scope="session")
def ip():
    """ip(WORD, ...): run ip; returns what it said as JSON, if it said anything."""
    def run(*words):
        output = subprocess.run(["ip", "-d", "-j", *words], check=True, capture_output=True, text=True).stdout
        return json.loads(output) if output.strip() else []
    return run


@pytest.fixture(scope="session")
def new_lab_name():
    """new_lab_name(): a name for a lab; of all of them nothing is left at the end of the tests."""
    given = []

    def new():
        given.append(f"mct-{os.getpid()}-{next(_NUMBERS)}")
        return given[-1]

    yield new
    left = [name for name in netns.names() if name.split(".")[0] in given]
    for name in left:
        subprocess.run(["ip", "netns", "delete", name], check=False)
    assert not left, "left behind"


@pytest.fixture
def lab_name(new_lab_name, module):
    """A name for a lab, which is removed after the test."""
    name = new_lab_name()
    yield name
    module("topology", {"name": name, "state": "absent"})
    for left in netns.names():
        if left.split(".")[0] == name:  # what the test itself put in the way
            subprocess.run(["ip", "netns", "delete", left], check=False)


@pytest.fixture(scope="session")
def ansible():
    """ansible(PROGRAM, WORD, ...): run ansible-playbook and the like, with our ansible.cfg, in a folder."""
    def run(program, *words, cwd, **environment):
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", **environment)
        return subprocess.run([os.path.join(sys.prefix, "bin", program), *map(str, words)], capture_output=True,
                              text=True, cwd=str(cwd), env=environment, timeout=300, check=False)
    return run


@pytest.fixture(scope="session")
def play(ansible):
    """play(FOLDER, INVENTORY, TASKS, hosts=, ...): run tasks, each registered as t0, t1, ...; returns, by host, the
    list of their results. Tasks may fail: that is a result too. The environment holds what else is named."""
    def run(folder, inventory, tasks, hosts="all", **environment):
        out = folder / "results"
        out.mkdir(exist_ok=True)
        for old in out.iterdir():
            old.unlink()
        names = [f"t{number}" for number in range(len(tasks))]
        kept = {"ansible.builtin.copy": {"dest": str(out) + "/{{ inventory_hostname }}.json",
                                         "content": "{{ [" + ", ".join(names) + "] | to_json }}"}}
        quiet = {"ignore_errors": True, "ignore_unreachable": True}
        plays = [{"hosts": hosts, "gather_facts": False,
                  "tasks": [dict(quiet, **task, register=name) for name, task in zip(names, tasks)] +
                           [dict(kept, delegate_to="localhost", diff=False, check_mode=False)]}]
        (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
        ran = ansible("ansible-playbook", "-i", inventory, "play.yml", cwd=folder, **environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return {path.stem: json.loads(path.read_text()) for path in out.iterdir()}
    return run


@pytest.fixture
def stands(module, ip):
    """stands(LAB): the lab is as it is written, and a further run says so."""
    return lambda lab: topology_lab.stands(lab, module, ip)


@pytest.fixture
def inventory(tmp_path):
    """A function that makes a folder with the topology of verify_lab, and variables of hosts; nothing of that lab may
    be left after the test."""
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "topology.yml").write_text(yaml.safe_dump(verify_lab.TOPOLOGY))
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "all.yml").write_text("{mcast_firewall: true, mcast_firewall_closed: true}\n")

    def with_variables(connection=None, **hosts):
        if connection:
            (folder / "topology.yml").write_text(yaml.safe_dump(dict(verify_lab.TOPOLOGY, connection=connection)))
        for host, variables in hosts.items():
            (folder / "host_vars").mkdir(exist_ok=True)
            (folder / "host_vars" / f"{host}.yml").write_text(yaml.safe_dump(variables))
        return folder

    yield with_variables
    left = [name for name in verify_lab.namespaces() if name.split(".")[0] == verify_lab.LAB]
    assert not left, "the lab was left behind"


@pytest.fixture
def lan(tmp_path):
    with Lan(tmp_path) as made:
        yield made
