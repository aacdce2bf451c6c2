# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSH into the namespaces of a lab: each has an sshd and a host key of its own, and no port that anybody else reaches.

All of it lies in /run/mcast-ssh/LAB: the client's `config` (``ssh -F …/config LAB.HOST``) and key `id`, `known_hosts`,
`sshd_config`, and the host keys, `hosts/LAB.HOST/key`. An sshd is started in its namespace when a client connects,
serves that connection, and ends with it."""
from __future__ import annotations

import concurrent.futures
import os
import shutil
import subprocess
from typing import Iterable

from ..change import Changes
from ..error import McastError

ROOT = "/run/mcast-ssh"
SSHD = "/usr/sbin/sshd"
# Where sshd locks itself up before a client has logged in; Debian's service makes it, and nobody else.
_EMPTY = "/run/sshd"

# Characters of a socket's path, of the hash %C, and of what ssh adds to the path while it makes the socket.
_SOCKET_PATH, _HASH, _TEMPORARY = 107, 40, 17

# A host that is frozen counts as lost after 15 s. %n is the name as it was asked for; %h would be in lower case.
_CLIENT = """\
User root
IdentityFile {folder}/id
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile none
StrictHostKeyChecking yes
ServerAliveInterval 5
ServerAliveCountMax 3
ProxyCommand ip netns exec %n {sshd} -i -f {folder}/sshd_config -h {folder}/hosts/%n/key
"""
# PAM lets in users who have no password, which are locked for sshd itself. A shell of the second level is no login:
# without this, bash reads ~/.bashrc at every command.
_SERVER = """\
AuthorizedKeysFile {folder}/id.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
PidFile none
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
SetEnv SHLVL=1
"""


def folder(lab: str) -> str:
    return os.path.join(ROOT, lab)


def client_arguments(lab: str) -> str:
    """What ssh is to be given for a host of this lab, as one text. The sockets of connections that Ansible shares lie
    in the lab's folder and go with it, where their paths fit into a socket address (unix(7))."""
    sockets = f"{folder(lab)}/%C"
    room = _SOCKET_PATH - len(sockets) + len("%C") - _HASH - _TEMPORARY
    return f"-F {folder(lab)}/config{(f' -o ControlPath={sockets}' if room >= 0 else '')}"


def plan(changes: Changes, lab: str, namespaces: Iterable[str]) -> None:
    """Add to `changes` what lacks so that the namespaces, and no others, can be logged in to; none: nothing is left.

    Keys are made once: a host that shows another key later is refused, until the lab is removed and made anew."""
    have = _known(lab)
    want = sorted(namespaces)
    if have == want:
        return
    if want:
        for program in (SSHD, "ssh-keygen"):
            if not shutil.which(program):
                raise McastError(program, "is not on this machine; install openssh-server and openssh-client, or leave "
                                          "connection: ssh out of the topology")
    changes.add(("ssh",), have or None, want or None, lambda: _make(lab, want))


def _known(lab: str) -> list[str]:
    """The names whose keys are known, sorted; none where the folder was not finished."""
    try:
        with open(f"{folder(lab)}/known_hosts", encoding="utf-8") as file:
            return sorted(line.split(" ")[0] for line in file)
    except FileNotFoundError:
        return [] if not os.path.exists(folder(lab)) else ["unfinished"]


def _make(lab: str, namespaces: list[str]) -> None:
    """The folder anew, known_hosts last: what a run leaves that was cut short is not taken for whole."""
    here = folder(lab)
    shutil.rmtree(here, ignore_errors=True)
    if not namespaces:
        if os.path.isdir(ROOT) and not os.listdir(ROOT):
            os.rmdir(ROOT)
        return
    os.makedirs(_EMPTY, mode=0o755, exist_ok=True)
    for name in namespaces:
        os.makedirs(os.path.join(here, "hosts", name))
    for name, content in (("config", _CLIENT), ("sshd_config", _SERVER)):
        _write(os.path.join(here, name), content.format(folder=here, sshd=SSHD))
    _key(f"{here}/id", lab)
    # sshd looks for id.pub as the user who logs in. The keys themselves are readable for root alone.
    for path, mode in ((ROOT, 0o755), (here, 0o755), (f"{here}/id.pub", 0o644)):
        os.chmod(path, mode)
    # ssh-keygen waits more than it works; hundreds of keys are made side by side.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        keys = pool.map(lambda name: _key(os.path.join(here, "hosts", name, "key"), name), namespaces)
        known = [f"{name} {key}\n" for name, key in zip(namespaces, keys)]
    _write(f"{here}/known_hosts", "".join(known))


def _write(path: str, content: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def _key(path: str, comment: str) -> str:
    """Make a pair of keys, `path` and `path`.pub. Returns the public one as text."""
    # run_command belongs to a module, and this is none.
    made = subprocess.run(  # pylint: disable=ansible-bad-function
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise McastError(path, f"ssh-keygen could not make a key: {made.stderr.strip()}")
    with open(f"{path}.pub", encoding="utf-8") as file:
        return file.read().strip()
