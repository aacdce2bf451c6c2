# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that systemd runs: what is started there over SSH is its services, lives on after the login, and is gone after
the stop. docs/router.md says how to make the root directory, of which a copy in memory is booted in a namespace."""
from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest
import yaml
from waiting import until

ROOT = os.environ.get("MCAST_SYSTEMD_ROOT")
DAEMONS = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "daemons"
pytestmark = [
    pytest.mark.skipif(not ROOT, reason="MCAST_SYSTEMD_ROOT names no root directory with systemd (docs/router.md)"),
    pytest.mark.skipif(not shutil.which("systemd-nspawn"), reason="needs systemd-nspawn"),
    pytest.mark.skipif(not DAEMONS.exists(), reason=f"needs the daemons in {DAEMONS}"),
]
HIERARCHIES = [path for path in map(pathlib.Path, ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"))
               if path.exists()] or [pathlib.Path("/sys/fs/cgroup")]
# With cgroups of its own, and where nspawn keeps its sockets apart from those of a systemd of this machine.
BOOT = """
for folder in $CGROUPS; do echo $$ > $folder/cgroup.procs; done
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
exec systemd-nspawn "$@"
"""
# Nothing of a login is to outlive it, not even what is root's, who is exempt unless somebody else is.
LOGIND = "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=nobody\n"
ROUTERS = {
    "frr": {"backend": "frr", "rp": "10.1.0.1", "dr_priority": 7},
    "smcroute": {"backend": "smcroute", "routes": [
        {"group": "239.1.1.1", "source": "10.1.0.9", "incoming": "eth0", "outgoing": ["eth1"]}]},
}
CHANGED = {"frr": {"dr_priority": 8}, "smcroute": {"routes": []}}
SERVICES = {"frr": ["mcast-router-pimd.service", "mcast-router-zebra.service"],
            "smcroute": ["mcast-router-smcrouted.service"]}
RECEIVER = {"name": "hello", "group": "239.1.1.1", "port": 4001, "interface": "eth1"}
LIST = {"ansible.builtin.command": {"argv": [
    "systemctl", "list-units", "--all", "--plain", "--no-legend", "mcast-*"]}}
STRAY = ["sleep", "4321"]


@pytest.fixture(scope="module")
def host(tmp_path_factory, new_lab_name):
    """A folder with an inventory of the one host, which is booted in a namespace of its own."""
    name, folder = new_lab_name(), tmp_path_factory.mktemp("systemd")
    with contextlib.ExitStack() as stack:
        subprocess.run(["ip", "netns", "add", name], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        for words in ("link set lo up", "link add eth0 type veth peer name eth1", "address add 10.1.0.1/24 dev eth0",
                      "address add 10.2.0.1/24 dev eth1", "link set eth0 up", "link set eth1 up"):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True)
        (folder / "logind.conf").write_text(LOGIND)
        _inventory(folder, name)
        _boot(stack, folder, name)
        login = [folder / "ssh", *_options(folder), "root@127.0.0.1"]
        until(lambda: subprocess.run([*login, "systemctl", "is-system-running", "--wait"], capture_output=True,
                                     check=False).stdout != b"", 60)
        yield folder
    assert not [path for path in HIERARCHIES if (path / name).exists()]


def _options(folder):
    """No connection is kept open: each task has a login of its own, which ends with it."""
    return ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=5", "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-i", str(folder / "id")]


def _inventory(folder, name):
    key = pathlib.Path(ROOT, "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (folder / "known_hosts").write_text(f"127.0.0.1 {key}")
    (folder / "ssh").write_text(f"#!/bin/sh\nexec ip netns exec {name} ssh \"$@\"\n")
    (folder / "ssh").chmod(0o755)
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"router": {
        "ansible_host": "127.0.0.1", "ansible_user": "root", "ansible_ssh_executable": str(folder / "ssh"),
        "ansible_ssh_args": " ".join(_options(folder)), "ansible_python_interpreter": "/usr/bin/python3"}}}}))


def _boot(stack, folder, name):
    groups = [path / name for path in HIERARCHIES]
    for group in groups:
        group.mkdir()
        stack.callback(_remove_groups, group)
    options = ["--quiet", "--register=no", "--keep-unit", f"--network-namespace-path=/run/netns/{name}", "--boot",
               "--console=pipe", "--link-journal=no", "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN",
               f"--machine={name}", "--volatile=overlay", f"--directory={ROOT}", f"--bind-ro={DAEMONS}:/opt/daemons",
               f"--bind-ro={folder / 'id.pub'}:/root/.ssh/authorized_keys",
               f"--bind-ro={folder / 'logind.conf'}:/etc/systemd/logind.conf.d/mcast.conf"]
    environment = dict(os.environ, SYSTEMD_NSPAWN_API_VFS_WRITABLE="network", CGROUPS=" ".join(map(str, groups)))
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", BOOT, "sh", *options]
    with open(folder / "console", "wb") as console:
        booted = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment)
    stack.callback(_halt, booted)


def _halt(booted):
    booted.terminate()  # nspawn has the host shut down
    try:
        booted.wait(60)
    except subprocess.TimeoutExpired:
        booted.kill()
        booted.wait()


def _remove_groups(group):
    for path, *_unused in os.walk(group, topdown=False):
        os.rmdir(path)


@pytest.fixture
def tasks(host, play):
    """tasks(TASK, ...): run them one after another, each over a login of its own; returns their results."""
    return lambda *given: play(host, "hosts.yml", given)["router"]


def router(**options):
    return {"mcast.lab.router": dict(options, daemons="/opt/daemons")}


def units(listed):
    """Returns ``{name: (is active, what it does)}``."""
    rows = [line.split() for line in listed["stdout_lines"]]
    return {row[0]: (row[2], row[3]) for row in rows}


@pytest.mark.parametrize("backend", ROUTERS)
def test_what_is_started_is_services_until_the_stop(tasks, backend):
    options = ROUTERS[backend]
    started, received, unused, listed, stray, again, changed, kept, stopped, ended, left, folders = tasks(
        router(**options),
        {"mcast.lab.receiver": RECEIVER},
        {"ansible.builtin.command": {"argv": ["setsid", "--fork", *STRAY]}},
        LIST,
        {"ansible.builtin.command": {"argv": ["pgrep", "--full", "^" + " ".join(STRAY)]}},
        router(**options),
        router(**dict(options, **CHANGED[backend])),
        LIST,
        router(state="stopped"),
        {"mcast.lab.receiver": {"name": "hello", "state": "stopped"}},
        LIST,
        {"ansible.builtin.command": {"argv": ["find", "/run/mcast"]}})
    assert started["changed"], started
    assert received["changed"], received
    assert stray["rc"] == 1, "a login leaves processes behind: nothing is shown"
    assert units(listed) == dict.fromkeys([*SERVICES[backend], "mcast-hello.service"], ("active", "running"))
    assert again["changed"] is False
    assert changed["changed"], changed
    assert units(kept) == units(listed)
    assert stopped["changed"] and ended["changed"]
    assert ended["report"]["exit"] == dict(ended["report"]["exit"], code=0, signal=None)
    assert units(left) == {}
    assert "No such file" in folders["stderr"]


def test_a_start_anew_and_a_killed_daemon(tasks):
    """The names are free again at once."""
    show = {"ansible.builtin.command": {"argv": ["systemctl", "show", "--property=MainPID", "--value",
                                                 *SERVICES["frr"]]}}
    kill = {"ansible.builtin.command": {"argv": ["systemctl", "kill", "--signal=KILL", SERVICES["frr"][0]]}}
    first, before, anew, after, unused, again, listed, unused_too, left = tasks(
        router(**ROUTERS["frr"]), show, router(**dict(ROUTERS["frr"], hello_interval=1)), show, kill,
        router(**dict(ROUTERS["frr"], hello_interval=1)), LIST, router(state="stopped"), LIST)
    assert first["changed"] and anew["changed"], anew
    assert not set(before["stdout"].split()) & set(after["stdout"].split())
    assert again["changed"], again
    assert units(listed) == dict.fromkeys(SERVICES["frr"], ("active", "running"))
    assert units(left) == {}


def test_what_a_service_said_is_in_the_error(tasks):
    fake = "#!/bin/sh\necho gone; case \"$*\" in *-F*) exit 0; esac; exit 3\n"
    written = [{"ansible.builtin.copy": {"content": fake, "dest": f"/run/fake/smcroute/usr/sbin/{name}", "mode": "755"}}
               for name in ("smcrouted", "smcroutectl")]
    folder = {"ansible.builtin.file": {"path": "/run/fake/smcroute/usr/sbin", "state": "directory", "mode": "755"}}
    unused, unused_too, unused_again, refused, nowhere, listed = tasks(
        folder, *written, {"mcast.lab.router": dict(ROUTERS["smcroute"], daemons="/run/fake")},
        {"mcast.lab.receiver": dict(RECEIVER, interface="eth9")}, LIST)
    assert refused["msg"] == "router: ended before smcrouted listens: gone"
    assert "eth9" in nowhere["msg"]
    assert units(listed) == {}
