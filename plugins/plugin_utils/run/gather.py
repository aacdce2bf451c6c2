# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gather the facts about a host over the connection of an action plugin, in one round trip."""
from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.connection.local import Connection as LocalConnection

from ...module_utils.error import McastError
from ...module_utils.kernel import sources
from ...module_utils.kernel.facts import facts
from ..bounds import bounded


def gather(action: ActionBase, subsets: Sequence[str] = sources.SUBSETS, task_vars: Mapping[str, Any] | None = None
           ) -> dict[str, Any]:
    """action: the ActionBase of the task; subsets: some of sources.SUBSETS. Returns what facts() does.

    McastError names the host where it has no POSIX shell, the output is cut off, or a text is of an unknown form.
    What a connection raises (the host is unreachable) goes through as it is."""
    host = (task_vars or {}).get("inventory_hostname", "host")
    try:
        return facts(sources.split(bounded(host, lambda: run(action, sources.script(subsets)))))
    except McastError as error:
        raise error if error.thing == host else McastError(host, str(error)) from None


def takes_input(connection: ConnectionBase) -> bool:
    """Whether a command over this connection can be given standard input."""
    return connection.has_pipelining and (not connection.become or connection.is_pipelining_enabled())


def run(action: ActionBase, script: str) -> str:
    """Run a script of a POSIX shell that prints sources.MARK; returns what it printed. McastError if it doesn't.

    The script travels on standard input, or where that can't be (su waits for a password there, some connections
    have none) as an argument. A local connection has a shell of its own, which is spared another."""
    connection = action._connection
    if isinstance(connection, LocalConnection) and not connection.become:
        command, data = script, None
    elif takes_input(connection):
        command, data = "/bin/sh -s", script.encode()
    else:
        command, data = f"/bin/sh -c {shlex.quote(script)}", None
    # executable=False: no second shell and no `sleep` around the command, each of which costs a process.
    result = action._low_level_execute_command(command, in_data=data, executable=False, encoding_errors="replace")
    if sources.MARK not in result["stdout"]:
        said = (result["stderr"] or result["stdout"]).strip()[-500:] or "no output"
        raise McastError("/bin/sh", f"could not be run (exit status {result['rc']}): {said}")
    return result["stdout"]
