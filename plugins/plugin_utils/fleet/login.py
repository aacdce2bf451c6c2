# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of Ansible's ssh connection, and OpenSSH's files, to a Login; or that it is not understood here.

What OpenSSH would do and we would not, even in part, is not understood: then OpenSSH itself is asked."""
from __future__ import annotations

import contextlib
import getpass
import glob
import io
import os
import re
import shlex
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from .known_hosts import KnownHosts
from .ssh import Login

with contextlib.suppress(ImportError):  # see fleet_ssh.HAS_PARAMIKO
    import paramiko

_USED = {"hostname", "user", "port", "identityfile", "identitiesonly", "proxyjump", "proxycommand", "hostkeyalias",
         "userknownhostsfile", "globalknownhostsfile", "stricthostkeychecking"}
# What makes no difference to one command on a connection of its own.
_IDLE = {"addkeystoagent", "batchmode", "checkhostip", "compression", "connectionattempts", "connecttimeout",
         "controlmaster", "controlpath", "controlpersist", "escapechar", "forwardagent", "forwardx11",
         "forwardx11trusted", "gssapiauthentication", "gssapidelegatecredentials", "hashknownhosts", "ipqos",
         "loglevel", "numberofpasswordprompts", "requesttty", "sendenv", "serveralivecountmax",
         "serveraliveinterval", "tcpkeepalive", "updatehostkeys", "visualhostkey"}
_WITHOUT_PASSWORD = {"passwordauthentication", "kbdinteractiveauthentication"}
_SHELL = re.compile(r"[|&;<>()$`*?\[\]{}#!~\n]")
_USER_KNOWN = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_GLOBAL_KNOWN = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_DEFAULT_KEYS = tuple(f"~/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
_CONFIGS = ("~/.ssh/config", "/etc/ssh/ssh_config")
_JUMP = re.compile(r"(?:(?P<user>[^@/,]+)@)?(?P<host>[^@:/,%\[\]]+)(?::(?P<port>\d+))?\Z")


_Made = TypeVar("_Made")


class NotUnderstood(Exception):
    """Why a host is left to Ansible's own connection."""


class Files:
    """Files that many hosts share, each read once."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def _once(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def known(self, paths: tuple[str, ...]) -> KnownHosts:
        return self._once(("known", paths), lambda: KnownHosts(_read(path) for path in paths))

    def config(self, paths: tuple[str, ...]) -> paramiko.SSHConfig:
        return self._once(("config", paths), lambda: _config(paths))

    def exists(self, path: str) -> bool:
        return self._once(("exists", path), lambda: os.path.exists(path))


def login(options: Mapping[str, Any], files: Files) -> Login:
    """options: of the ssh connection plugin for one host. NotUnderstood if there is anything about it that OpenSSH
    would do in another way."""
    for name, usual in (("ssh_executable", "ssh"), ("pkcs11_provider", ""), ("private_key", "")):
        if (options.get(name) or usual) != usual:
            raise NotUnderstood(f"{name} is set")
    given, config = _command_line(options)
    return _Settling(files, config, options.get("password"), options.get("private_key_passphrase")).login(
        options["host"], given)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# the command line, as Ansible would make it: of several values the first counts

def _command_line(options: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Returns (settings, as a configuration would have them; the path of the configuration or None)."""
    given: dict[str, Any] = {}
    keys: list[str] = []
    config = _words(options.get("ssh_args"), given, keys)
    if options.get("host_key_checking") is False:
        given.setdefault("stricthostkeychecking", "no")
    if options.get("port") is not None:
        given.setdefault("port", str(options["port"]))
    if options.get("private_key_file"):
        keys.append(options["private_key_file"])
    if options.get("remote_user"):
        given.setdefault("user", options["remote_user"])
    for name in ("ssh_common_args", "ssh_extra_args"):
        config = _words(options.get(name), given, keys) or config
    if keys:
        given["identityfile"] = keys
    return given, config


_LETTERS = {"l": "user", "p": "port", "J": "proxyjump"}


def _words(text: str | None, given: dict[str, Any], keys: list[str]) -> str | None:
    """Put what the words say into `given` and `keys`. Returns the path of the configuration, if they name one."""
    try:
        words = shlex.split(text or "")
    except ValueError:
        raise NotUnderstood("the arguments of ssh can't be split") from None
    config = None
    while words:
        word = words.pop(0)
        if word in ("-C", "-q", "-T", "-x", "-a"):
            continue
        letter, value = word[1:2], word[2:]
        if not word.startswith("-") or letter not in "oFilpJ" or not (value or words):
            raise NotUnderstood(f"argument {word[:2]} of ssh")
        value = value or words.pop(0)
        if letter == "F":
            config = value
        elif letter == "i":
            keys.append(value)
        elif letter in _LETTERS:
            given.setdefault(_LETTERS[letter], value)
        else:
            name, unused, value = re.sub(r"\s*[=\s]\s*", "=", value.strip(), count=1).partition("=")
            if name.lower() == "identityfile":
                keys.append(value.strip('"'))
            else:
                given.setdefault(name.lower(), value.strip('"'))
    return config


# configuration files

def _config(paths: Iterable[str]) -> paramiko.SSHConfig:
    files = [os.path.expanduser(path) for path in paths]
    text = "".join(f"Host *\n{_with_included(_read(file), os.path.dirname(file))}\n" for file in files)
    if re.search(r"^\s*match\b.*\bexec\b", text, re.IGNORECASE | re.MULTILINE):
        raise NotUnderstood("the configuration of ssh runs a command (Match exec)")
    config = paramiko.SSHConfig()
    # Tokens stand for what is settled in the end, which the configuration alone does not say.
    config.TOKENS_BY_CONFIG_KEY = {"hostname": config.TOKENS_BY_CONFIG_KEY["hostname"]}
    try:
        config.parse(io.StringIO(text))
    except paramiko.SSHException as error:
        raise NotUnderstood(f"the configuration of ssh: {error}") from None
    return config


def _with_included(text: str, folder: str, depth: int = 0) -> str:
    """The text with what it includes in place. paramiko knows no Include."""
    lines: list[str] = []
    conditional = False
    for line in text.split("\n"):
        word, unused, rest = re.sub(r"^\s*(\w+)\s*=?\s*", r"\1 ", line).partition(" ")
        conditional = conditional or word.lower() in ("host", "match")
        if word.lower() != "include":
            lines.append(line)
            continue
        paths = [path for pattern in shlex.split(rest)
                 for path in sorted(glob.glob(os.path.join(folder, os.path.expanduser(pattern))))]
        if paths and (conditional or depth > 4):
            raise NotUnderstood("the configuration of ssh includes a file for some hosts")
        for path in paths:
            lines += [_with_included(_read(path), folder, depth + 1), "Host *"]
    return "\n".join(lines)


class _Via(NamedTuple):
    """By which way, as a Login has it."""

    command: tuple[str, ...] = ()
    jumps: tuple[Login, ...] = ()


class _Settling:
    def __init__(self, files: Files, config: str | None, password: str | None = None, passphrase: str | None = None
                 ) -> None:
        self.files, self.password, self.passphrase = files, password, passphrase
        self.config = files.config((config,) if config else _CONFIGS)

    def login(self, host: str, given: Mapping[str, Any], jumps: bool = True) -> Login:
        """given: what goes before the configuration; jumps: False for a host that is jumped over itself."""
        found = self.config.lookup(host)
        keys = list(given.get("identityfile", [])) + list(found.get("identityfile", ()))
        settings = {**found, **given}
        self._understood(settings)
        port, user = int(settings.get("port") or 22), settings.get("user") or getpass.getuser()
        name = settings["hostname"]
        tokens = {"%h": name, "%p": str(port), "%r": user, "%n": host}
        via = self._via(settings, given, tokens) if jumps else _Via()
        strict = (settings.get("stricthostkeychecking") or "ask").lower()
        if strict not in ("yes", "ask", "no", "off"):
            raise NotUnderstood(f"StrictHostKeyChecking {strict}")
        alias = settings.get("hostkeyalias") or (name if port == 22 else f"[{name}]:{port}")
        strict = strict in ("yes", "ask")
        return Login(host=name, port=port, user=user, known_as=alias, known=self._known(settings, strict),
                     strict=strict, keys=self._keys(keys), agent=settings.get("identitiesonly", "no").lower() != "yes",
                     password=self.password if jumps else None, passphrase=self.passphrase, command=via.command,
                     jumps=via.jumps)

    def _understood(self, settings: Iterable[str]) -> None:
        odd = set(settings) - _USED - _IDLE
        if self.password is None:
            odd -= _WITHOUT_PASSWORD
        if odd:
            raise NotUnderstood(f"option {', '.join(sorted(odd))} of ssh")

    def _known(self, settings: Mapping[str, Any], strict: bool) -> KnownHosts:
        paths = " ".join((settings.get("userknownhostsfile") or _USER_KNOWN,
                          settings.get("globalknownhostsfile") or _GLOBAL_KNOWN))
        if "%" in paths or '"' in paths:
            raise NotUnderstood("the paths of known_hosts")
        known = self.files.known(tuple(os.path.expanduser(path) for path in paths.split() if path != "none"))
        if known.marked and strict:
            raise NotUnderstood("known_hosts has @revoked or @cert-authority")
        return known

    def _keys(self, paths: list[str]) -> tuple[str, ...]:
        found = [os.path.expanduser(path) for path in paths or _DEFAULT_KEYS]
        for path in found:
            if "%" in path or path == "none" or self.files.exists(f"{path}-cert.pub"):
                raise NotUnderstood("an IdentityFile with a token or a certificate")
        return tuple(dict.fromkeys(found))

    def _via(self, settings: Mapping[str, Any], given: Mapping[str, Any], tokens: Mapping[str, str]) -> _Via:
        jump, command = settings.get("proxyjump"), settings.get("proxycommand")
        jump = None if (jump or "none").lower() == "none" else jump
        command = None if (command or "none").lower() == "none" else command
        if jump and command:
            if "proxyjump" in given or "proxycommand" not in given:
                raise NotUnderstood("ProxyJump beside ProxyCommand")
            jump = None
        if jump:
            return _Via(jumps=tuple(self._jump(part.strip()) for part in jump.split(",")))
        if not command:
            return _Via()
        for token, value in tokens.items():
            command = command.replace(token, value)
        if "%" in command or _SHELL.search(command):
            raise NotUnderstood("ProxyCommand needs a shell, or has a token of an unknown kind")
        words = tuple(shlex.split(command))
        return _Via(command=words[1:] if words[:1] == ("exec",) else words)

    def _jump(self, text: str) -> Login:
        match = _JUMP.match(text)
        if not match:
            raise NotUnderstood(f"ProxyJump {text}")
        given = {key: value for key, value in match.groupdict().items() if value and key != "host"}
        return self.login(match["host"], given, jumps=False)
