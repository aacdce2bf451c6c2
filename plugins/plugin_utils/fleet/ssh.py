# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One command on a host over SSH by paramiko: connect, know the host, log in, run, read. Nothing of Ansible."""
from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import functools
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from ...module_utils.kernel.sources import MARK
from ..bounds import MOST_OUTPUT
from .ask import Failure, answer
from .known_hosts import KnownHosts

try:
    import paramiko
except ImportError:
    HAS_PARAMIKO = False
else:
    HAS_PARAMIKO = hasattr(paramiko.PKey, "from_path")  # older ones can't tell what kind of key a file has
    # A failed connection is reported in our own words; the log of the library would show paths and addresses.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


_Made = TypeVar("_Made")


class Login(NamedTuple):
    """How a host is logged in to. known_as: its name in `known`; strict: whether an unknown host is refused; command:
    the argv of a ProxyCommand; jumps: those of the hosts in between, the first first; keys: paths, of which those that
    are not there are passed over; agent: whether its keys are tried."""

    host: str
    port: int
    user: str
    known_as: str
    known: KnownHosts
    strict: bool = True
    keys: tuple[str, ...] = ()
    agent: bool = True
    password: str | None = None
    passphrase: str | None = None
    command: tuple[str, ...] = ()
    jumps: tuple[Login, ...] = ()


class Become(NamedTuple):
    """command: what runs a shell as another user; success: what it prints then; prompt: how it asks for the password
    on standard error, or None where there is none to give."""

    command: str
    success: str
    prompt: str | None = None
    password: str | None = None


class Shared:
    """What all connections of a fleet have in common: keys that were read, and hosts that are jumped over."""

    def __init__(self, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self._lock = threading.Lock()
        self._futures: dict[Hashable, concurrent.futures.Future[Any]] = {}
        self.closed: list[_Connection] = []

    def once(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What make() returned, or the exception that it raised, of the first call with this key."""
        with self._lock:
            mine = key not in self._futures
            if mine:
                self._futures[key] = concurrent.futures.Future()
            future: concurrent.futures.Future[_Made] = self._futures[key]
        if mine:
            try:
                future.set_result(make())
            except Exception as error:  # the others that wait for it are to fail alike
                future.set_exception(error)
        return future.result()

    def key(self, path: str, passphrase: str | None) -> paramiko.PKey | None:
        return self.once((path, passphrase), lambda: _load_key(path, passphrase))

    def left(self) -> float:
        return max(0.1, self.deadline - time.monotonic())

    def close(self) -> None:
        for connection in self.closed:
            connection.stop()


def _load_key(path: str, passphrase: str | None) -> paramiko.PKey | None:
    """The key, or None where it is of no use: not there, or encrypted and the passphrase is missing."""
    try:
        secret = passphrase.encode() if passphrase else None
        # Against its stubs, paramiko hands it on to cryptography as it is, which takes bytes alone.
        return paramiko.PKey.from_path(path, secret)  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return None


class Question:
    """The script, asked over SSH. See `fleet`."""

    how = "paramiko"

    def __init__(self, host: str, login: Login, script: str, shared: Shared, become: Become | None = None) -> None:
        self.host, self.script, self.become = host, script, become
        self.connection = _Connection(login, shared)

    @property
    def stage(self) -> tuple[str, str]:
        return self.connection.stage

    def run(self) -> dict[str, Any]:
        try:
            return answer(self.connection.run(self.script, self.become))
        finally:
            self.stop()

    def stop(self) -> None:
        self.connection.stop()


class _Connection:
    def __init__(self, login: Login, shared: Shared) -> None:
        self.login, self.shared = login, shared
        self.stage = "timeout", "not begun"
        self.transport: paramiko.Transport | None = None
        self.socket: socket.socket | paramiko.Channel | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        if self.socket is not None:
            # A thread that waits for the socket notices this at once; of close() alone it would not be told.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        if self.transport is not None:
            self.transport.active = False  # type: ignore[attr-defined]  # paramiko has it, its stubs do not
            self.transport.packetizer.close()
        if self.socket is not None:
            self.socket.close()
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.kill()
            self.process.wait()

    def open(self) -> paramiko.Transport:
        login = self.login
        self.stage = "unreachable", _silent(login.port)
        self.socket = self._reach()
        self.stage = "timeout", "connected; no answer of an SSH server"
        self.transport = transport = paramiko.Transport(self.socket)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self.shared.left()
        known = login.known.keys(login.known_as)
        if known:
            # The server shows the first of these types that it has: one that can be compared.
            mine = [kind for kind in transport.preferred_keys
                    if kind in known or kind.startswith("rsa-sha2-") and "ssh-rsa" in known]
            transport.get_security_options().key_types = mine or transport.preferred_keys
        try:
            transport.start_client(timeout=self.shared.left())
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Failure("connection", f"the SSH server ended it, or none is there: {error}") from None
        self._check(transport.get_remote_server_key(), known)
        self.stage = "timeout", "the host is known; logging in is not done"
        _Authentication(transport, login, self.shared).run()
        return transport

    def _reach(self) -> socket.socket | paramiko.Channel:
        login = self.login
        if login.command:
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    self.process = subprocess.Popen(login.command, stdin=theirs.fileno(), stdout=theirs.fileno(),
                                                    stderr=subprocess.DEVNULL)
                except OSError as error:
                    ours.close()
                    raise Failure("connection", f"ProxyCommand can't be run: {error.strerror}") from None
            return ours
        if login.jumps:
            return self._jump()
        try:
            return socket.create_connection((login.host, login.port), self.shared.left())
        except ConnectionRefusedError:
            raise Failure("refused", f"nobody listens on port {login.port}") from None
        except socket.gaierror as error:
            raise Failure("unresolved", f"the name {login.host} is not known: {error.strerror}") from None
        except socket.timeout:
            raise Failure("unreachable", _silent(login.port)) from None
        except OSError as error:
            raise Failure("unreachable", error.strerror or str(error)) from None

    def _jump(self) -> paramiko.Channel:
        """A channel through the last of the jump hosts, whose connection all that go through it share."""
        login = self.login
        last = login.jumps[-1]._replace(jumps=login.jumps[:-1])

        def make() -> paramiko.Transport:
            connection = _Connection(last, self.shared)
            self.shared.closed.append(connection)
            return connection.open()

        try:
            transport = self.shared.once(("jump", last[:3]), make)
        except Failure as failure:
            raise Failure(failure.reason, f"at the jump host {last.host}: {failure.detail}") from None
        try:
            return transport.open_channel("direct-tcpip", (login.host, login.port), ("127.0.0.1", 0),
                                          timeout=self.shared.left())
        except paramiko.ChannelException as error:
            raise Failure("unreachable", f"the jump host {last.host} can't reach it: {error.text}") from None
        except (paramiko.SSHException, EOFError) as error:
            raise Failure("connection", f"at the jump host {last.host}: {error}") from None

    def _check(self, key: paramiko.PKey, known: Mapping[str, Collection[str]]) -> None:
        """Is it the host that we know?"""
        shown = base64.b64encode(key.asbytes()).decode()
        if shown in known.get(key.get_name(), ()) or not self.login.strict:
            return
        if known:
            raise Failure("host_key_changed",
                          f"the host shows another {key.get_name()} key than the one that is known; "
                          "if that is right, correct known_hosts")
        raise Failure("host_key_unknown", "the host's key is not in known_hosts; add it, or set host_key_checking to "
                      "false")

    def run(self, script: str, become: Become | None) -> str:
        """Returns what the script prints."""
        transport = self.open()
        self.stage = "timeout", "logged in; the host does not answer the command"
        try:
            channel = transport.open_session(timeout=self.shared.left())
            channel.settimeout(self.shared.left())
            channel.exec_command(become.command if become else "/bin/sh -s")
            before = _becoming(channel, become) if become else b""
            with contextlib.suppress(OSError):  # closed already: how the command ended says why
                channel.sendall(script.encode())
                channel.shutdown_write()
            output = before + _read(channel)
            return self._output(channel, output.decode("utf-8", "replace"), become)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Failure("cut_off", f"the connection ended: {error or 'no reason was given'}") from None

    @staticmethod
    def _output(channel: paramiko.Channel, output: str, become: Become | None) -> str:
        if MARK in output:
            return output
        data = b""
        while channel.recv_stderr_ready():
            data += channel.recv_stderr(4096)
        told = data.decode("utf-8", "replace").strip()[-300:]
        status = channel.recv_exit_status() if channel.exit_status_ready() or channel.eof_received else None
        if status in (None, -1):  # no shell that says so: what has been printed may have been lost with the connection
            raise Failure("cut_off", f"the connection ended before the command had ended: {told or 'no output'}")
        raise Failure("become" if become and become.success not in output else "shell",
                      f"exit status {status}: {told or output.strip()[-300:] or 'no output'}")


def _silent(port: int) -> str:
    return f"port {port} does not answer: packets are dropped, or the host is down"


def _read(channel: paramiko.Channel) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        part = channel.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > MOST_OUTPUT:
            raise Failure("facts", f"the host printed more than {MOST_OUTPUT >> 20} MB")


def _becoming(channel: paramiko.Channel, become: Become) -> bytes:
    """Give the password where it is asked for, and only then: it must never reach the shell. Returns what standard
    output has had meanwhile."""
    if become.prompt is None:
        return b""
    output, told, given = b"", b"", False
    success, prompt = become.success.encode(), become.prompt.encode()
    while success not in output:
        if channel.recv_stderr_ready():
            told += channel.recv_stderr(4096)
            if prompt in told:
                if given or become.password is None:
                    raise Failure("become", "the password was not accepted" if given else "a password is needed")
                channel.sendall(become.password.encode() + b"\n")
                told, given = b"", True
        elif channel.recv_ready():
            output += channel.recv(4096)
        elif channel.closed or channel.eof_received:
            text = told.decode("utf-8", "replace").strip()[-300:]
            raise Failure("become", text or "privilege escalation ended early")
        else:
            time.sleep(0.002)  # two streams, and paramiko has nothing to wait for both
    return output


class _Authentication:
    def __init__(self, transport: paramiko.Transport, login: Login, shared: Shared) -> None:
        self.transport, self.login, self.shared = transport, login, shared
        self.tried = 0

    def run(self) -> None:
        login, password = self.login, self.login.password
        try:
            for key in self._keys():
                if self._try(functools.partial(self.transport.auth_publickey, login.user, key)):
                    return
            if password is not None and self._try(lambda: self.transport.auth_password(login.user, password)):
                return
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Failure("connection", f"ended while logging in: {error}") from None
        also = "" if password is None else " and the password"
        raise Failure("authentication", f"user {login.user}: {self.tried} keys{also} were not accepted")

    def _try(self, attempt: Callable[[], list[str]]) -> bool:
        try:
            # A list of what is wanted besides, such as a password after the key, is no success yet.
            return not attempt() and self.transport.is_authenticated()
        except paramiko.AuthenticationException:
            return False

    def _keys(self) -> Iterator[paramiko.PKey]:
        for path in self.login.keys:
            key = self.shared.key(path, self.login.passphrase)
            if key is not None:
                self.tried += 1
                yield key
        if self.login.agent and os.environ.get("SSH_AUTH_SOCK"):
            with contextlib.suppress(paramiko.SSHException, OSError):
                agent = paramiko.Agent()
                try:
                    for key in agent.get_keys():
                        self.tried += 1
                        yield key
                finally:
                    agent.close()
