# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Ansible's options and OpenSSH's files to a login. What `ssh -G` would say is the oracle, where it is here."""
from __future__ import annotations

import os
import shutil
import subprocess

import pytest

pytest.importorskip("paramiko")
from ansible_collections.mcast.lab.plugins.plugin_utils.fleet import login as fleet_login  # noqa: E402

CONFIG = """\
Host alias
  HostName 10.1.1.1
  Port 2022
  User bob
  IdentityFile /keys/alias
Host far
  ProxyJump bob@gate:2200,alias
Host piped
  ProxyCommand ip netns exec %n sshd -i -p %p
Host shelled
  ProxyCommand nc %h %p 2>/dev/null
Host odd
  Ciphers aes128-ctr
Host named
  HostKeyAlias other
Host loose
  StrictHostKeyChecking no
Host asking
  StrictHostKeyChecking accept-new
Host *
  User alice
  SendEnv LANG LC_*
  GSSAPIAuthentication yes
  UserKnownHostsFile /nowhere/known_hosts
  IdentityFile /keys/all
"""


@pytest.fixture
def login(tmp_path):
    (tmp_path / "config").write_text(CONFIG)

    def run(host, config=CONFIG, **options):
        (tmp_path / "config").write_text(config)
        options.setdefault("ssh_common_args", "")
        words = f"-F {tmp_path}/config {options['ssh_common_args']}"
        return fleet_login.login(dict(options, host=host, ssh_common_args=words), fleet_login.Files())
    return run


@pytest.mark.parametrize("host, options, wanted", [
    ("plain", {}, {"host": "plain", "port": 22, "user": "alice", "known_as": "plain", "keys": ("/keys/all",),
                   "strict": True, "agent": True, "password": None, "jumps": (), "command": ()}),
    ("alias", {}, {"host": "10.1.1.1", "port": 2022, "user": "bob", "known_as": "[10.1.1.1]:2022",
                   "keys": ("/keys/alias", "/keys/all")}),
    ("alias", {"port": 22, "remote_user": "carol", "private_key_file": "/keys/mine"},
     {"port": 22, "user": "carol", "known_as": "10.1.1.1", "keys": ("/keys/mine", "/keys/alias", "/keys/all")}),
    ("plain", {"ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s"}, {"user": "alice"}),
    ("plain", {"ssh_args": "-o User=first", "ssh_extra_args": "-o user=last -l other"}, {"user": "first"}),
    ("plain", {"ssh_common_args": "-p2200 -i /keys/a -o 'IdentityFile=/keys/b' -o IdentitiesOnly=yes"},
     {"port": 2200, "keys": ("/keys/a", "/keys/b", "/keys/all"), "agent": False}),
    ("plain", {"ssh_common_args": "-o \"User dave\""}, {"user": "dave"}),
    ("plain", {"password": "x"}, {"password": "x"}),
    ("plain", {"host_key_checking": False}, {"strict": False}),
    ("plain", {"host_key_checking": True}, {"strict": True}),
    ("loose", {}, {"strict": False}),
    ("loose", {"ssh_common_args": "-o StrictHostKeyChecking=yes"}, {"strict": True}),
    ("named", {}, {"known_as": "other"}),
    ("piped", {"port": 7}, {"command": ("ip", "netns", "exec", "piped", "sshd", "-i", "-p", "7")}),
    ("piped", {"ssh_common_args": "-o ProxyCommand=none"}, {"command": ()}),
    ("plain", {"ssh_common_args": "-o ProxyCommand='ssh -W %h:%p gate'"},
     {"command": ("ssh", "-W", "plain:22", "gate")}),
])
def test_understood(login, host, options, wanted):
    found = login(host, **options)._asdict()
    assert {key: found[key] for key in wanted} == wanted


def test_jumps(login):
    far = login("far", password="secret")
    assert [(jump.user, jump.host, jump.port) for jump in far.jumps] == [
        ("bob", "gate", 2200), ("bob", "10.1.1.1", 2022)]
    # The password is the host's own.
    assert far.password == "secret" and not any(jump.password for jump in far.jumps)


@pytest.mark.parametrize("host, options", [
    ("shelled", {}), ("odd", {}), ("asking", {}),
    ("plain", {"ssh_common_args": "-4"}),
    ("plain", {"ssh_common_args": "-o"}),
    ("plain", {"ssh_common_args": "-o 'unfinished"}),
    ("plain", {"ssh_common_args": "-o SetEnv=A=b"}),
    ("plain", {"ssh_common_args": "-J ssh://gate"}),
    ("plain", {"ssh_common_args": "-i /keys/%h"}),
    ("plain", {"ssh_common_args": "-o UserKnownHostsFile=/known/%h"}),
    ("plain", {"ssh_common_args": "-o ProxyCommand='nc %T'"}),
    ("far", {"ssh_common_args": "-o ProxyCommand=none -o ProxyJump=none -o Ciphers=x"}),
    ("plain", {"ssh_executable": "/opt/ssh"}),
    ("plain", {"private_key": "text"}),
    ("plain", {"pkcs11_provider": "/lib/x.so"}),
    ("plain", {"config": "Match exec \"true\"\n User x\n"}),
    ("plain", {"config": "Host x\n Include /etc/pass*\n"}),
    ("plain", {"password": "x", "config": "PasswordAuthentication no\n"}),
])
def test_left_to_openssh(login, host, options):
    with pytest.raises(fleet_login.NotUnderstood):
        login(host, **options)


def test_includes(login, tmp_path):
    (tmp_path / "more").write_text("Host plain\n User included\n")
    found = login("plain", config=f"Include {tmp_path}/mor?\nInclude /nowhere/*\nUser outside\nPort 23\n")
    assert (found.user, found.port) == ("included", 23)
    assert login("else", config=f"Include {tmp_path}/more\nUser outside\n").user == "outside"


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh")
@pytest.mark.parametrize("host", ["plain", "alias", "named", "loose", "far"])
def test_as_ssh_settles_it(login, host, tmp_path):
    found = login(host)
    said = subprocess.run(["ssh", "-G", "-F", str(tmp_path / "config"), host], capture_output=True, text=True,
                          check=True).stdout
    lines = [line.partition(" ") for line in said.splitlines()]
    told = {key: value for key, _space, value in reversed(lines)}
    assert (found.host, str(found.port), found.user) == (told["hostname"], told["port"], told["user"])
    assert list(found.keys) == [value for key, _space, value in lines if key == "identityfile"]
    assert found.strict == (told["stricthostkeychecking"] in ("ask", "true"))


def test_default_keys_are_those_of_the_user(login):
    found = login("plain", config="")
    assert os.path.expanduser("~/.ssh/id_ed25519") in found.keys
