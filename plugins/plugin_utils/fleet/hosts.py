# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Ansible's variables to the questions of `fleet`: over SSH by paramiko where a host's options are understood,
else by the connection plugin that the host has."""
from __future__ import annotations

import copy
import os
import re
import shutil
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.executor.task_executor import TaskExecutor
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader, get_shell_plugin
from ansible.template import Templar
from ansible.utils.vars import load_extra_vars

from ...module_utils.error import McastError
from ..bounds import end_children
from ..run import gather
from . import ssh as fleet_ssh
from .ask import Failure, Question, answer
from .login import Files, NotUnderstood, login

_SSH = ("ssh", "ansible.builtin.ssh", "ansible.legacy.ssh", "smart")
_SUDO = ("sudo", "ansible.builtin.sudo", "ansible.legacy.sudo")
_NETNS = "mcast.lab.netns"
_COMMON = ("ansible_connection", "ansible_become", "ansible_become_method")
# Which word for what OpenSSH and others say; the first that fits.
_SAID = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in (
    (r"HOST IDENTIFICATION HAS CHANGED", "host_key_changed"),
    (r"host key verification failed|no .* host key is known", "host_key_unknown"),
    (r"connection refused", "refused"),
    (r"could not resolve|name or service not known", "unresolved"),
    (r"timed out|no route to host|network is unreachable", "unreachable"),
    (r"permission denied \(|too many authentication|invalid/incorrect password", "authentication"),
    (r"sudo:|become|incorrect .*password", "become"),
))


_SECRET = re.compile(r"_pass(word|phrase)?$|key_file$|_args$")


def _secrets(values: Mapping[str, Any]) -> set[str]:
    """values: {name: value} of variables that _SECRET finds. Returns the texts that no output may have."""
    found: set[str] = set()
    for name, value in values.items():
        texts = re.findall(r"[~/][^\s\"']+", str(value)) if name.endswith("_args") else [str(value)]
        found.update(form for text in texts if text for form in (text, os.path.expanduser(text)))
    return found


class Plugin:
    """A question over the connection plugin of a host. See `fleet`."""

    def __init__(self, host: str, how: str, action: ActionBase, script: str) -> None:
        self.host, self.how, self.script = host, how, script
        self.action = action
        self.stage = "timeout", f"the connection plugin {how} has not returned"

    def run(self) -> dict[str, Any]:
        try:
            return answer(gather.run(self.action, self.script))
        except McastError as error:
            reason = self._reason(error.reason)
            raise Failure("shell" if reason == "connection" else reason, str(error)) from None
        except AnsibleError as error:
            raise Failure(self._reason(str(error)), str(error)) from None

    @staticmethod
    def _reason(text: str) -> str:
        return next((reason for pattern, reason in _SAID if pattern.search(text)), "connection")

    def stop(self) -> None:
        """What still runs is ended with all other children: a plugin does not say what it has started."""


class _Executor(TaskExecutor):
    """Of Ansible's own executor, the part that makes a connection; what it needs differs between versions."""

    _task = None

    def __init__(self, task: Task, context: PlayContext, action: ActionBase) -> None:
        self._task, self._play_context, self._connection = task, context, None
        self._loader, self._shared_loader_obj = action._loader, action._shared_loader_obj


class Hosts:
    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any], script: str, timeout: float) -> None:
        self.action, self.script = action, script
        self.task = action._task
        self.hostvars = task_vars["hostvars"]
        self.shared = fleet_ssh.Shared(timeout)
        self.files = Files()
        self.keys = {key: value for key, value in self.task.dump_attrs().items() if key not in ("retries", "timeout")}
        # What the play and the task say goes before what the inventory says, and the command line before both.
        play = getattr(getattr(self.task, "_parent", None), "_play", None)
        self.over = {**(play.get_vars() if play else {}), **self.task.get_vars()}
        for name in load_extra_vars(action._loader):
            self.over.pop(name, None)
        self._names: dict[tuple[str, str], list[str]] = {}  # of the variables of a plugin, by its kind and name
        self._options: dict[Hashable, Any] = {}  # what many hosts share
        self._secrets: dict[str, set[str]] = {}  # by host
        # The script reads /sys where there is no `ip` alone.
        self.reads_sys = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None
        self.segments: dict[str, dict[str, str | None]] = {}  # by host and interface, as far as the inventory says it

    def close(self) -> None:
        self.shared.close()
        end_children()

    def without_secrets(self, host: str, text: str) -> str:
        """The text without passwords and paths of the host's options."""
        for secret in sorted(self._secrets.get(host, ()), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def question(self, host: str) -> Question:
        """Failure where the host's variables can't be read."""
        try:
            raw = dict(self.hostvars.raw_get(host), **self.over, inventory_hostname=host)
            self.segments[host] = {name: body.get("segment")
                                   for name, body in (raw.get("mcast_interfaces") or {}).items()}
            templar = Templar(self.action._loader, variables=raw)
            common = self._values(raw, templar, _COMMON)
            kind = common.get("ansible_connection") or self.task.connection
            if kind in _SSH:
                try:
                    return self._by_paramiko(host, raw, templar, common)
                except NotUnderstood:
                    pass
            return self._by_plugin(host, kind, raw, templar)
        except AnsibleError as error:
            raise Failure("options", str(error)) from None

    @staticmethod
    def _values(raw: Mapping[str, Any], templar: Templar, names: Iterable[str]) -> dict[str, Any]:
        found = {}
        for name in names:
            if name in raw:
                value = raw[name]
                plain = not isinstance(value, (str, list, dict)) or isinstance(value, str) and "{" not in value
                found[name] = value if plain else templar.template(value)
        return found

    def _plugin_options(self, kind: str, name: str, raw: Mapping[str, Any], templar: Templar,
                        besides: tuple[str, ...] = ()) -> dict[str, Any]:
        """The options of a plugin for a host. Hosts mostly have the same, but for `besides`, which are left out."""
        if (kind, name) not in self._names:
            # Ansible reads the documentation of a plugin when it is first looked for.
            {"connection": connection_loader, "become": become_loader}[kind].get_with_context(
                name, *([self.action._play_context] if kind == "connection" else []))
            self._names[kind, name] = [each for each in C.config.get_plugin_vars(kind, name) if each not in besides]
        values = self._values(raw, templar, self._names[kind, name])
        key = (kind, name, tuple(sorted((each, repr(value)) for each, value in values.items())))
        if key not in self._options:
            keys = dict(self.keys)
            for word, secret in (("password", "password"), ("become_pass", "become_pass")):
                if getattr(self.action._play_context, secret, None):
                    keys[word] = getattr(self.action._play_context, secret)
            self._options[key] = C.config.get_plugin_options(kind, name, keys=keys, variables=values)
        return self._options[key]

    def _by_paramiko(self, host: str, raw: Mapping[str, Any], templar: Templar, common: Mapping[str, Any]) -> Question:
        if not fleet_ssh.HAS_PARAMIKO:
            raise McastError("paramiko", "is not installed for the Python that runs Ansible, or is older than 3.4; "
                                         "install it: python3 -m pip install --upgrade paramiko")
        address = self._values(raw, templar, ("ansible_ssh_host", "ansible_host"))
        names = ("inventory_hostname", "ansible_host", "ansible_ssh_host", "delegated_vars['ansible_host']",
                 "delegated_vars['ansible_ssh_host']")
        options = dict(self._plugin_options("connection", "ssh", raw, templar, besides=names))
        options["host"] = address.get("ansible_ssh_host") or address.get("ansible_host") or host
        settled = login(options, self.files)
        self._secrets[host] = {str(options[name]) for name in ("password", "private_key_passphrase")
                               if options.get(name)}
        become = self._become(raw, templar, common, options)
        if become and become.password:
            self._secrets[host].add(become.password)
        return fleet_ssh.Question(host, settled, self.script, self.shared, become)

    def _become(self, raw: Mapping[str, Any], templar: Templar, common: Mapping[str, Any], options: Mapping[str, Any]
                ) -> fleet_ssh.Become | None:
        wanted = common.get("ansible_become")
        if not boolean(self.task.become if wanted is None else wanted):
            return None
        method = common.get("ansible_become_method") or self.task.become_method
        if method not in _SUDO:
            raise NotUnderstood(f"become method {method}")
        values = self._plugin_options("become", "sudo", raw, templar)
        if values["become_user"] == options.get("remote_user") and not C.BECOME_ALLOW_SAME_USER:
            return None
        key = ("become", id(values))
        if key not in self._options:
            plugin = become_loader.get("sudo")
            plugin._options = values
            command = plugin.build_become_command("/bin/sh -s", get_shell_plugin("sh", executable="/bin/sh"))
            secret = values.get("become_pass")
            self._options[key] = fleet_ssh.Become(command, plugin.success, plugin.prompt or None,
                                                  str(secret) if secret else None)
        return self._options[key]

    def _by_plugin(self, host: str, kind: str, raw: Mapping[str, Any], templar: Templar) -> Plugin:
        """Namespaces come by the thousand, and their connections differ in one option: one is made, the rest copied."""
        become = raw.get("ansible_become")
        if kind != _NETNS or self.task.become if become is None else become:
            return self._made(host, kind, raw, templar)
        names = [name for plugin in (("connection", _NETNS), ("shell", "sh"))
                 for name in C.config.get_plugin_vars(*plugin) if name not in ("inventory_hostname", "mcast_netns")]
        key = (_NETNS, repr(sorted(self._values(raw, templar, (*names, "ansible_shell_type")).items())))
        if not names or key not in self._options:
            self._options[key] = self._made(host, kind, raw, templar).action
        mine = copy.copy(self._options[key])
        mine._connection = copy.copy(mine._connection)
        namespace = self._values(raw, templar, ("mcast_netns",)).get("mcast_netns", host)
        mine._connection._options = dict(mine._connection._options, namespace=namespace)
        mine._connection.mounts = self.reads_sys
        return Plugin(host, kind, mine, self.script)

    def _made(self, host: str, kind: str, raw: Mapping[str, Any], templar: Templar) -> Plugin:
        """As Ansible's own executor makes the connection of a host and its options."""
        action = self.action
        context = action._play_context.copy()
        context = context.set_task_and_variable_override(task=self.task, variables=raw, templar=templar)
        executor = _Executor(self.task, context, action)
        executor._connection = executor._get_connection(raw, templar, kind)
        executor._set_connection_options(raw, templar)
        mine = copy.copy(action)
        mine._connection, mine._play_context = executor._connection, context
        self._secrets[host] = _secrets(self._values(raw, templar, [name for name in raw if _SECRET.search(name)]))
        return Plugin(host, kind, mine, self.script)
