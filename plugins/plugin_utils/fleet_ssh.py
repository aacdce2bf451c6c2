# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One command on a host over SSH by paramiko: connect, know the host, log in, run, read. Nothing of Ansible."""
from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import logging
import os
import socket
import subprocess
import threading
import time
from typing import NamedTuple

from .bounds import MOST_OUTPUT
from .fleet import Failure, answer

try:
    import paramiko
except ImportError:
    paramiko = None
else:
    if not hasattr(paramiko.PKey, "from_path"):  # older ones can't tell what kind of key a file has
        paramiko = None
    # A connection that fails is told in our own words; the log of the library would show paths and addresses.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


_SILENT = "port %d does not answer: packets are dropped, or the host is down"


class Login(NamedTuple):
    """How a host is logged in to. known: ssh_known.KnownHosts; known_as: its name there; strict: whether an unknown
    host is refused; command: the argv of a ProxyCommand; jumps: Logins of the hosts in between, the first first;
    keys: paths, of which those that are not there are passed over; agent: whether its keys are tried."""

    host: str
    port: int
    user: str
    known_as: str
    known: object
    strict: bool = True
    keys: tuple = ()
    agent: bool = True
    password: str | None = None
    passphrase: str | None = None
    command: tuple = ()
    jumps: tuple = ()


class Become(NamedTuple):
    """command: what runs a shell as another user; success: what it prints then; prompt: how it asks for the password
    on standard error, or None where there is none to give."""

    command: str
    success: str
    prompt: str | None = None
    password: str | None = None


class Shared:
    """What all connections of a fleet have in common: keys that were read, and hosts that are jumped over."""

    def __init__(self, timeout):
        self.deadline = time.monotonic() + timeout
        self._lock = threading.Lock()
        self._futures = {}
        self.closed = []

    def once(self, key, make):
        """What make() returned, or the exception that it raised, of the first call with this key."""
        with self._lock:
            future = self._futures.get(key)
            mine = future is None
            if mine:
                future = self._futures[key] = concurrent.futures.Future()
        if mine:
            try:
                future.set_result(make())
            except Exception as error:  # the others that wait for it are to fail alike
                future.set_exception(error)
        return future.result()

    def key(self, path, passphrase):
        return self.once((path, passphrase), lambda: _load_key(path, passphrase))

    def left(self):
        return max(0.1, self.deadline - time.monotonic())

    def close(self):
        for connection in self.closed:
            connection.stop()


def _load_key(path, passphrase):
    """The key, or None where it is of no use: not there, or encrypted and the passphrase is missing."""
    try:
        return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return None


class Question:
    """The script, asked over SSH. See `fleet`."""

    how = "paramiko"

    def __init__(self, host, login, script, shared, become=None):
        self.host, self.script, self.become = host, script, become
        self.connection = _Connection(login, shared)

    @property
    def stage(self):
        return self.connection.stage

    def run(self):
        try:
            return answer(self.connection.run(self.script, self.become))
        finally:
            self.stop()

    def stop(self):
        self.connection.stop()


class _Connection:
    def __init__(self, login, shared):
        self.login, self.shared = login, shared
        self.stage = "timeout", "not begun"
        self.transport = self.socket = self.process = None

    def stop(self):
        if self.socket is not None:
            # A thread that waits for the socket notices this at once; of close() alone it would not be told.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        if self.transport is not None:
            self.transport.active = False
            self.transport.packetizer.close()
        if self.socket is not None:
            self.socket.close()
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.kill()
            self.process.wait()

    def open(self):
        login = self.login
        self.stage = "unreachable", _SILENT % login.port
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
            raise Failure("connection", "the SSH server ended it, or none is there: %s" % error) from None
        self._check(transport.get_remote_server_key(), known)
        self.stage = "timeout", "the host is known; logging in is not done"
        _Authentication(transport, login, self.shared).run()
        return transport

    def _reach(self):
        login = self.login
        if login.command:
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    self.process = subprocess.Popen(login.command, stdin=theirs, stdout=theirs,
                                                    stderr=subprocess.DEVNULL)
                except OSError as error:
                    ours.close()
                    raise Failure("connection", "ProxyCommand can't be run: %s" % error.strerror) from None
            return ours
        if login.jumps:
            return self._jump()
        try:
            return socket.create_connection((login.host, login.port), self.shared.left())
        except ConnectionRefusedError:
            raise Failure("refused", "nobody listens on port %d" % login.port) from None
        except socket.gaierror as error:
            raise Failure("unresolved", "the name %s is not known: %s" % (login.host, error.strerror)) from None
        except socket.timeout:
            raise Failure("unreachable", _SILENT % login.port) from None
        except OSError as error:
            raise Failure("unreachable", error.strerror or str(error)) from None

    def _jump(self):
        """A channel through the last of the jump hosts, whose connection all that go through it share."""
        login = self.login
        last = login.jumps[-1]._replace(jumps=login.jumps[:-1])

        def make():
            connection = _Connection(last, self.shared)
            self.shared.closed.append(connection)
            return connection.open()

        try:
            transport = self.shared.once(("jump", last[:3]), make)
        except Failure as failure:
            raise Failure(failure.reason, "at the jump host %s: %s" % (last.host, failure.detail)) from None
        try:
            return transport.open_channel("direct-tcpip", (login.host, login.port), ("127.0.0.1", 0),
                                          timeout=self.shared.left())
        except paramiko.ChannelException as error:
            raise Failure("unreachable", "the jump host %s can't reach it: %s" % (last.host, error.text)) from None
        except (paramiko.SSHException, EOFError) as error:
            raise Failure("connection", "at the jump host %s: %s" % (last.host, error)) from None

    def _check(self, key, known):
        """Is it the host that we know?"""
        shown = base64.b64encode(key.asbytes()).decode()
        if shown in known.get(key.get_name(), ()) or not self.login.strict:
            return
        if known:
            raise Failure("host_key_changed", "the host shows another %s key than the one that is known; if that is "
                          "right, mend known_hosts" % key.get_name())
        raise Failure("host_key_unknown", "the host's key is not in known_hosts; add it, or set host_key_checking to "
                      "false")

    def run(self, script, become):
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
            raise Failure("cut_off", "the connection ended: %s" % (error or "no reason was given")) from None

    @staticmethod
    def _output(channel, output, become):
        from ..module_utils.kernel.sources import MARK
        if MARK in output:
            return output
        told = b""
        while channel.recv_stderr_ready():
            told += channel.recv_stderr(4096)
        told = told.decode("utf-8", "replace").strip()[-300:]
        status = channel.recv_exit_status() if channel.exit_status_ready() or channel.eof_received else None
        if status in (None, -1):  # no shell that says so: what has been printed may have been lost with the connection
            raise Failure("cut_off", "the connection ended before the command had ended: %s" % (told or "no output"))
        raise Failure("become" if become and become.success not in output else "shell",
                      "exit status %s: %s" % (status, told or output.strip()[-300:] or "no output"))


def _read(channel):
    parts, size = [], 0
    while True:
        part = channel.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > MOST_OUTPUT:
            raise Failure("facts", "the host printed more than %d MB" % (MOST_OUTPUT >> 20))


def _becoming(channel, become):
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
            raise Failure("become", text or "ended before another user was become")
        else:
            time.sleep(0.002)  # two streams, and paramiko has nothing to wait for both
    return output


class _Authentication:
    def __init__(self, transport, login, shared):
        self.transport, self.login, self.shared = transport, login, shared
        self.tried = 0

    def run(self):
        login = self.login
        try:
            for key in self._keys():
                if self._try(lambda key=key: self.transport.auth_publickey(login.user, key)):
                    return
            if login.password is not None and self._try(
                    lambda: self.transport.auth_password(login.user, login.password)):
                return
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Failure("connection", "ended while logging in: %s" % error) from None
        raise Failure("authentication", "user %s: %d keys%s were not accepted" % (
            login.user, self.tried, "" if login.password is None else " and the password"))

    def _try(self, attempt):
        try:
            # A list of what is wanted besides, such as a password after the key, is no success yet.
            return not attempt() and self.transport.is_authenticated()
        except paramiko.AuthenticationException:
            return False

    def _keys(self):
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
