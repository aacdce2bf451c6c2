# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab over SSH: the same playbooks, over Ansible's own connection, to an sshd of each host, its key checked."""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns, ssh

ROOT = pathlib.Path(__file__).resolve().parents[2]
USER = "mct-operator"

pytestmark = pytest.mark.skipif(not os.path.exists(ssh.SSHD), reason="openssh-server is not here")


def processes_of(name):
    """The command lines of all that has to do with the lab: sshds, and clients that keep a connection open."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        # The client that keeps the connection is called after its socket, so it is found by what it was started with.
        if "ssh" in line and f"{name}." in line:
            found.append(line)
    return found


@pytest.fixture
def inventory(tmp_path, lab_name):
    """The shipped scenario under a name of its own, and a function that adds variables of hosts."""
    document = yaml.safe_load((ROOT / "inventories/two_hosts_ssh/topology.yml").read_text())
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "topology.yml").write_text(yaml.safe_dump(dict(document, name=lab_name), sort_keys=False))

    def with_variables(**hosts):
        for host, variables in hosts.items():
            (folder / "host_vars").mkdir(exist_ok=True)
            (folder / "host_vars" / f"{host}.yml").write_text(yaml.safe_dump(variables))
        return folder
    return with_variables


@pytest.fixture
def verify(ansible):
    """verify(FOLDER, WORD, ...): returns the run, and the results as its bundle has them."""
    def run(folder, *words, **environment):
        bundle = folder.parent / "bundle"
        ran = ansible("ansible-playbook", "-i", folder, "mcast.lab.verify", "-e", f"mcast_bundle={bundle}", *words,
                      cwd=folder.parent, **environment)
        return ran, json.loads((bundle / "results.json").read_text())
    return run


def not_passed(judged):
    """Returns ``{id: (verdict, what was found)}``."""
    return {each["id"]: (each["verdict"], each.get("actual")) for each in judged["results"]
            if each["verdict"] != "pass"}


def nothing_is_left(name):
    deadline = time.monotonic() + 10
    while processes_of(name):
        assert time.monotonic() < deadline, processes_of(name)
        time.sleep(0.05)
    assert not os.path.exists(ssh.folder(name))
    assert not [each for each in netns.names() if each.split(".")[0] == name]


def test_the_two_inventories_are_one_lab():
    def read(name):
        return yaml.safe_load((ROOT / "inventories" / name / "topology.yml").read_text())
    assert read("two_hosts_ssh") == dict(read("two_hosts"), connection="ssh")


def test_each_host_is_its_own(inventory, lab_name, ansible):
    """Ansible reaches it by ssh, in its namespace, and both hosts show keys of their own."""
    folder = inventory()
    assert ansible("ansible-playbook", "-i", folder, "mcast.lab.lab_up", cwd=folder).returncode == 0
    config = f"{ssh.folder(lab_name)}/config"
    for host, address in (("client", "192.168.122.181"), ("server", "192.168.122.225")):
        said = subprocess.run(["ssh", "-F", config, f"{lab_name}.{host}",
                               "readlink /proc/self/ns/net; ip -br address; echo $SSH_CONNECTION."],
                              capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.splitlines()
        assert said[0] == f"net:[{os.stat(netns.path(f'{lab_name}.{host}')).st_ino}]"
        assert any(address in line for line in said)
        assert said[-1] != "."
    keys = {line.split()[2] for line in pathlib.Path(ssh.folder(lab_name), "known_hosts").read_text().splitlines()}
    assert len(keys) == 2
    for path in pathlib.Path(ssh.folder(lab_name)).rglob("*"):
        private = path.name in ("id", "key")
        assert path.stat().st_mode & 0o077 == 0 or not private, path
    listed = ansible("ansible-inventory", "-i", folder, "--host", "server", "--yaml", cwd=folder).stdout
    assert "ansible_connection: ansible.builtin.ssh\n" in listed
    sent = ansible("ansible", "-i", folder, "all", "-m", "ansible.builtin.ping", cwd=folder, ANSIBLE_PIPELINING="False")
    assert sent.returncode == 0 and "transfer mechanism failed" not in sent.stdout + sent.stderr
    assert ansible("ansible-playbook", "-i", folder, "mcast.lab.lab_down", cwd=folder).returncode == 0
    nothing_is_left(lab_name)


def test_many_hosts_are_made_by_count_and_gathered(lab_name, ansible, tmp_path):
    """inventories/fleet, as docs/fleet.md runs it, with members on some."""
    folder = tmp_path / "many"
    folder.mkdir()
    topology = yaml.safe_load((ROOT / "inventories" / "fleet" / "topology.yml").read_text())
    (folder / "topology.yml").write_text(yaml.safe_dump(dict(topology, name=lab_name)))
    many = ("-i", folder, "-e", "size=12")
    assert ansible("ansible-playbook", *many, "mcast.lab.lab_up", cwd=tmp_path).returncode == 0
    joined = ansible("ansible", *many, "m01:m02:m03", "-m", "ansible.builtin.raw", "-a",
                     "ip address add 239.20.0.1/32 dev eth0 autojoin", cwd=tmp_path)
    assert joined.returncode == 0, joined.stdout
    gathered = ansible("ansible-playbook", *many, "mcast.lab.gather", "-e", "mcast_gather_strict=true", cwd=tmp_path)
    found = json.loads(next(tmp_path.glob("results/fleet/*/*/fleet.json")).read_text())
    assert found["failures"] == {} and len(found["hosts"]) == 12, gathered.stdout
    assert sorted(each["host"] for each in found["groups"]["239.20.0.1"]) == ["m01", "m02", "m03"]
    assert ansible("ansible-playbook", *many, "mcast.lab.lab_down", cwd=tmp_path).returncode == 0
    nothing_is_left(lab_name)


def test_a_changed_host_key_is_refused(inventory, lab_name, ansible, verify):
    folder = inventory()
    assert ansible("ansible-playbook", "-i", folder, "mcast.lab.lab_up", cwd=folder).returncode == 0
    key = pathlib.Path(ssh.folder(lab_name), "hosts", f"{lab_name}.server", "key")
    for path in (key, key.with_suffix(".pub")):
        path.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    # A connection that was open before would go on: it has seen the right key.
    ran, judged = verify(folder, ANSIBLE_SSH_ARGS="-o ControlMaster=no -o ControlPath=none")
    assert ran.returncode != 0 and judged["verdict"] == "fail"
    assert "Host key verification failed" in ran.stdout
    failed = not_passed(judged)
    assert {key: verdict for key, (verdict, unused) in failed.items() if key.startswith("server/")} == {
        each["id"]: "missing" for each in judged["results"] if each["host"] == "server"}


@pytest.fixture
def with_user(tmp_path):
    """with_user(WORD, ...): the command, run where this machine seems to have one more user, who may use sudo. That is
    so in a mount namespace of its own: the machine's files stay as they are."""
    etc = tmp_path / "etc"
    (etc / "sudoers.d").mkdir(parents=True)
    for name, line in (("passwd", "%s:x:61234:61234::/:/bin/sh\n"), ("shadow", "%s:!:20000:0:99999:7:::\n"),
                       ("group", "%s:x:61234:\n")):
        shutil.copy2(f"/etc/{name}", etc / name)
        with open(etc / name, "a", encoding="utf-8") as file:
            file.write(line % USER)
    (etc / "sudoers.d" / "lab").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    (etc / "sudoers.d" / "lab").chmod(0o440)
    (etc / "sudoers.d").chmod(0o755)
    mounts = "".join(f'mount --bind "$0/{name}" /etc/{name} && '
                     for name in ("passwd", "shadow", "group", "sudoers.d"))

    def wrap(*words):
        return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', str(etc), *map(str, words)]
    return wrap


@pytest.mark.skipif(not shutil.which("sudo"), reason="sudo is not here")
@pytest.mark.parametrize("become", [True, False])
def test_a_user_who_is_not_root(inventory, lab_name, with_user, tmp_path, become):
    folder = inventory()
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump({"ansible_user": USER, "ansible_become": become}))
    (tmp_path / "play.yml").write_text(yaml.safe_dump([
        {"ansible.builtin.import_playbook": "mcast.lab.lab_up"},
        {"hosts": "all", "gather_facts": False, "tasks": [
            {"ansible.builtin.raw": "id -un", "vars": {"ansible_become": False}, "register": "who"},
            {"ansible.builtin.debug": {"msg": "logged in as {{ who.stdout | trim }} on {{ inventory_hostname }}"}}]},
    ] * become + [{"ansible.builtin.import_playbook": "mcast.lab.verify"},
                  {"ansible.builtin.import_playbook": "mcast.lab.lab_down"}]))
    ran = subprocess.run(
        with_user(os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i", folder, tmp_path / "play.yml",
                  "-e", f"mcast_bundle={tmp_path / 'bundle'}", "-e", "mcast_evidence_within=1s"),
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1",
                 ANSIBLE_STDOUT_CALLBACK="default"))
    judged = json.loads((tmp_path / "bundle" / "results.json").read_text())
    if become:
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert judged["verdict"] == "pass"
        for host in ("client", "server"):
            assert f"logged in as {USER} on {host}" in ran.stdout
    else:
        assert ran.returncode != 0 and judged["verdict"] == "fail"
        assert "become: true" in ran.stdout, ran.stdout
    nothing_is_left(lab_name)


def topology(name, *hosts, connection="ssh"):
    return {"name": name, "connection": connection, "segments": {"lan": {"ipv4": "10.0.0.0/24"}},
            "hosts": {host: {"interfaces": {"eth0": {"segment": "lan"}}} for host in hosts}}


def keys(name):
    return {str(path): path.read_bytes() for path in pathlib.Path(ssh.folder(name)).rglob("*") if path.is_file()}


def test_the_module_keeps_keys_that_fit_and_makes_those_that_lack(module, lab_name):
    two = topology(lab_name, "a", "a.pub")
    assert module("topology", two, check=True)["diff"]["after"]["ssh"] == [f"{lab_name}.a", f"{lab_name}.a.pub"]
    assert keys(lab_name) == {}
    assert module("topology", two)["changed"]
    made = keys(lab_name)
    assert len(made) == 9
    assert not module("topology", two)["changed"] and keys(lab_name) == made

    os.unlink(f"{ssh.folder(lab_name)}/known_hosts")  # as if the making had been cut short
    assert module("topology", two)["diff"]["before"] == {"ssh": ["unfinished"]}
    assert set(keys(lab_name)) == set(made)
    assert module("topology", topology(lab_name, "a"))["diff"]["after"] == {"ssh": [f"{lab_name}.a"]}
    assert module("topology", topology(lab_name, "a", connection="netns"))["changed"]
    assert not os.path.exists(ssh.folder(lab_name))
    module("topology", two)
    assert module("topology", {"name": lab_name, "state": "absent"})["changed"]
    assert not os.path.exists(ssh.folder(lab_name))


def test_what_lacks_is_named(module, lab_name, monkeypatch):
    monkeypatch.setattr(ssh, "SSHD", "/nowhere/sshd")
    said = module("topology", topology(lab_name, "a"))
    assert said["failed"] and "/nowhere/sshd: is not on this machine; install openssh-server" in said["msg"]
    assert lab_name not in netns.names()


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "a.b"])
def test_a_name_that_leads_elsewhere_removes_nothing(module, name):
    assert "expected 1 to 64 letters" in module("topology", {"name": name, "state": "absent"})["msg"]


def freeze(name, run):
    """Stop the SSH servers of a namespace for as long as the run lasts."""
    while run.poll() is None:
        listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
        for pid in listed.split():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(int(pid), signal.SIGSTOP)
        time.sleep(0.02)


def test_a_host_that_freezes_in_the_middle_is_lost_and_named(inventory, lab_name, ansible):
    """Each SSH server that it has is stopped, new ones too: the run neither hangs nor passes, and the next one does not
    find its connection. (Where one session alone freezes, Ansible makes another, and the run goes on.)"""
    folder = inventory()
    words = [os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i", str(folder), "mcast.lab.verify"]
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    with subprocess.Popen(words, cwd=folder.parent, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as run:
        until = time.monotonic() + 60
        while not list(folder.parent.glob("results/*/*/results.jsonl")):
            assert run.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        threading.Thread(target=freeze, args=(f"{lab_name}.server", run), daemon=True).start()
        output = run.communicate(timeout=240)[0]
    assert run.returncode != 0
    assert output.strip().splitlines()[-1].startswith("verdict: fail, "), output
    assert "server: did not complete" in output and "client: did not complete" not in output
    nothing_is_left(lab_name)
    assert ansible("ansible-playbook", "-i", folder, "mcast.lab.lab_up", cwd=folder.parent).returncode == 0
    assert ansible("ansible-playbook", "-i", folder, "mcast.lab.lab_down", cwd=folder.parent).returncode == 0


@pytest.mark.parametrize(("lab", "shared"), [("x", True), ("x" * 34, True), ("x" * 35, False), ("x" * 64, False)])
def test_the_sockets_of_connections_lie_in_the_labs_folder_where_they_fit(lab, shared):
    path = f"{ssh.folder(lab)}/{'0' * 40}.{'x' * 16}"
    assert ("ControlPath" in ssh.client_arguments(lab)) is shared is (len(path) < 108)
