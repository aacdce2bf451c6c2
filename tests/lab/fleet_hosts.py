# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that fail in every way, each a real sshd on a port of its own in a namespace; the controller is in another."""
from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SSHD = "/usr/sbin/sshd"
USER, PASSWORD = "mct-operator", "correct horse"
ADDRESS = "10.77.0.2"

# What an sshd does with the command, by host; %s is what the client asked for.
FORCED = {
    "no_shell": "/bin/false",
    "cut_off": "/bin/sh -s | head -c 300",
    "killed": "/bin/sh -s | head -c 300; kill -9 $PPID",
    "killed_at_once": "kill -9 $PPID",
    "strange": "/bin/sh -s | sed '/^.proc.net.igmp:[0-9]/s/:.*/:what is this/'",
    "hang_command": "exec sleep 1000",
    "noisy": "echo Welcome to the machine; echo on standard error >&2; /bin/sh -s",
}
PORTS = {name: 2200 + number for number, name in enumerate((
    "good", "second", "refused", "dropped", "wrong_key", "changed_key", "unknown_key", "hang_connected", *FORCED))}
_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/{name}.host
AuthorizedKeysFile {public}/{keys}.pub
PermitRootLogin prohibit-password
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
SetEnv SHLVL=1
"""
# It takes connections and says nothing.
_SILENT = ("import socket, time; s = socket.create_server((%r, %d)); kept = []\n"
           "while True: kept.append(s.accept())")
# $0: a folder for the layer; the next two: folders that are to be seen inside; the rest: what is run. Devices and
# settings of the kernel are no files of the layer: they can't be written.
_LAYERED = """
mount -t tmpfs none "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay none -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
cd "$0/root"
for path in /proc /sys /dev /dev/shm "$1" "$2"; do
  mkdir -p ".$path"
  mount --bind "$path" ".$path"
  mount -o remount,bind,ro ".$path"
done
shift 2
exec chroot . "$@"
"""


def key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub").read_text().split()[:2]


class Fleet:
    """folder: for keys and configurations; name: of the namespaces."""

    def __init__(self, folder, name):
        self.folder, self.controller, self.host = folder, f"{name}-c", f"{name}-h"
        # sshd looks for the keys that may log in as the user who does, who may not look into the folder of the others.
        self.public = pathlib.Path("/run", f"{name}-keys")
        self.processes = []

    def make(self):
        for namespace in (self.controller, self.host):
            subprocess.run(["ip", "netns", "add", namespace], check=True)
        subprocess.run(["ip", "link", "add", "eth0", "netns", self.controller, "type", "veth", "peer", "name", "eth0",
                        "netns", self.host], check=True)
        for namespace, address in ((self.controller, "10.77.0.1/24"), (self.host, f"{ADDRESS}/24")):
            # Facts that are gathered twice are compared: no address may become a usable one in between.
            self.inside(namespace, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
            subprocess.run(["ip", "-n", namespace, "-batch", "-"], text=True, check=True, input="\n".join([
                "link set lo up", "link set eth0 up", f"addr add {address} dev eth0",
                "addr add 239.77.0.1/32 dev eth0 autojoin"]) + "\n")
        self.inside(self.host, "nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "
                    f"add rule inet t c tcp dport {PORTS['dropped']} drop")
        os.makedirs("/run/sshd", exist_ok=True)
        (self.folder / "etc").mkdir()
        self.public.mkdir(mode=0o755)
        for name in ("id", "other"):
            key(self.folder / name)
            shutil.copy(self.folder / f"{name}.pub", self.public)
        known = []
        for name, port in PORTS.items():
            shown = key(self.folder / f"{name}.host")
            if name == "changed_key":
                shown = key(self.folder / "before")
            if name != "unknown_key":
                known.append(f"[{ADDRESS}]:{port} {' '.join(shown)}\n")
        (self.folder / "known_hosts").write_text("".join(known))
        self._start()

    def inside(self, namespace, *words):
        subprocess.run(["ip", "netns", "exec", namespace, *words], check=True)

    def _start(self):
        wrapped = self._with_user()
        for name, port in PORTS.items():
            if name in ("refused", "hang_connected"):
                continue
            config = self.folder / f"{name}.conf"
            config.write_text(_CONFIG.format(
                port=port, address=ADDRESS, folder=self.folder, public=self.public, name=name,
                keys="other" if name == "wrong_key" else "id"))
            if name in FORCED:
                with config.open("a") as file:
                    file.write(f"ForceCommand {FORCED[name]}\n")
            self._run(*wrapped, SSHD, "-D", "-e", "-f", config)
        self._run(sys.executable, "-c", _SILENT % (ADDRESS, PORTS["hang_connected"]))
        self._listening(len(PORTS) - 1)

    def _listening(self, ports):
        deadline = time.monotonic() + 20
        while True:
            said = subprocess.run(["ip", "netns", "exec", self.host, "ss", "-Htln"], capture_output=True, text=True,
                                  check=True).stdout
            if said.count("\n") >= ports:
                return
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    def _run(self, *words):
        self.processes.append(subprocess.Popen(
            ["ip", "netns", "exec", self.host, *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))

    def _with_user(self):
        """The hosts have one more user, who may use sudo with a password; the machine's own files stay as they are."""
        etc = self.folder / "etc"
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True,
                                check=True).stdout
        for name, line in (("passwd", f"{USER}:x:61234:61234::/:/bin/sh\n"),
                           ("shadow", f"{USER}:{hashed.strip()}:20000:0:99999:7:::\n"),
                           ("group", f"{USER}:x:61234:\n")):
            shutil.copy2(f"/etc/{name}", etc / name)
            with open(etc / name, "a", encoding="utf-8") as file:
                file.write(line)
        (etc / "sudoers.d").mkdir()
        (etc / "sudoers.d" / "lab").write_text(f"{USER} ALL=(ALL) ALL\n")
        (etc / "sudoers.d" / "lab").chmod(0o440)
        mounts = "".join(f'mount --bind "$0/{name}" /etc/{name} && '
                         for name in ("passwd", "shadow", "group", "sudoers.d"))
        return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', etc]

    def watched(self, name, port):
        """One more host, whose files are a layer over the machine's own. Returns files(): all that was written there,
        as lines of path and times."""
        known = " ".join(key(self.folder / f"{name}.host"))
        with (self.folder / "known_hosts").open("a") as file:
            file.write(f"[{ADDRESS}]:{port} {known}\n")
        config, layer = self.folder / f"{name}.conf", self.folder / name
        config.write_text(_CONFIG.format(port=port, address=ADDRESS, folder=self.folder, public=self.public, name=name,
                                         keys="id"))
        layer.mkdir()
        self._run("unshare", "--mount", "sh", "-ec", _LAYERED, layer, self.folder, self.public, SSHD, "-D", "-e", "-f",
                  config)
        process = self.processes[-1]
        self._listening(len(PORTS))

        def files():
            return set(subprocess.run(
                ["nsenter", f"--mount=/proc/{process.pid}/ns/mnt", "find", layer / "upper", "-printf",
                 "%p %T@ %C@\\n"], capture_output=True, text=True, check=True).stdout.splitlines())
        return files

    def remove(self):
        shutil.rmtree(self.public, ignore_errors=True)
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for namespace in (self.controller, self.host):
            for pid in subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True,
                                      check=False).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", namespace], check=False)

    def variables(self, name, **more):
        """The inventory's variables of a host."""
        return dict({"ansible_host": ADDRESS, "ansible_port": PORTS[name], "ansible_user": "root",
                     "ansible_connection": "ansible.builtin.ssh", "ansible_python_interpreter": "/usr/bin/python3",
                     "ansible_ssh_private_key_file": str(self.folder / "id"),
                     "ansible_ssh_common_args": "-F /dev/null -o IdentitiesOnly=yes -o UserKnownHostsFile=%s"
                     % (self.folder / "known_hosts")}, **more)

    def command(self, work, hosts, tasks, *words, **play):
        """The argv of a play with the tasks, over hosts {name: variables}, from the controller; play: its keywords."""
        (work / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        (work / "play.yml").write_text(yaml.safe_dump([
            dict(play, hosts="all", gather_facts=False, tasks=tasks)], sort_keys=False))
        return ["ip", "netns", "exec", self.controller, os.path.join(sys.prefix, "bin", "ansible-playbook"),
                "-i", str(work / "hosts.yml"), str(work / "play.yml"), *words]

    @staticmethod
    def environment(**more):
        return dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1",
                    ANSIBLE_SSH_ARGS="-o ControlMaster=no", ANSIBLE_STDOUT_CALLBACK="default", **more)
