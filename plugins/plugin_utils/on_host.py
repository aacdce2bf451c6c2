# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run one of our modules on the host of an action plugin, without the cost of packing and copying it.

A host of this machine (a namespace of a lab) is a fork away, which has the code already. To others code and options
travel on the standard input of a Python there: nothing is written, and nothing of Ansible is needed. Where the
connection has no such input, Ansible brings the module its own way."""
from __future__ import annotations

import importlib
import json
import os
import pathlib
import select
import shlex
import signal
import tempfile
import time
import traceback
import zlib
from collections.abc import Iterable
from typing import IO, Any

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection.local import Connection as LocalConnection

from ..module_utils import change, loader
from ..module_utils.error import McastError
from ..module_utils.traffic.supervise import end_with
from .bounds import PATIENCE, bounded
from .run.gather import takes_input

# For any Python 3. Its argument is the size of the first part of the input, the loader.
_BEGIN = ("import sys; sys.version_info >= (3, 8) or sys.exit('it needs Python 3.8 or newer, not ' + sys.version); "
          "exec(sys.stdin.buffer.read(int(sys.argv[1]))); main(sys.stdin.buffer)")
_SAID = 500  # how much of what went wrong is shown, in characters


def run(action: ActionBase, module: str, params: dict[str, Any], task_vars: dict[str, Any], plan: str | None = None,
        longer: float = 0.0) -> dict[str, Any]:
    """Run a module by its plan(). params: its options, complete; plan: the file of module_utils where that is, by
    default of the module's name; longer: seconds that it may take beyond the usual. Returns the result of the task,
    which may be a failure.

    McastError names the host where no Python can be run there, or what it prints is not a result."""
    connection, host = action._connection, task_vars["inventory_hostname"]
    request = {"module": plan or module, "params": params, "check": bool(action._task.check_mode)}
    if isinstance(connection, LocalConnection) and not connection.become:
        return _in_a_fork(action, host, request, PATIENCE + longer)
    if takes_input(connection):
        return _in_a_python(action, host, request, task_vars, longer)
    given = {name: value for name, value in params.items() if value is not None}
    return action._execute_module(f"mcast.lab.{module}", given, task_vars=task_vars)


def _in_a_fork(action: ActionBase, host: str, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    connection = action._connection
    environment: dict[str, str] = {}
    connection._connect()  # which knows what is wrong with a namespace
    action._compute_environment_string(environment)
    asked = json.loads(json.dumps(request))  # plain values, as elsewhere
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        end_with(lambda: _answer(connection, asked, environment, writer))
    os.close(writer)
    try:
        with open(reader, "rb", buffering=0) as answer:
            printed = _read(answer, host, seconds)
    finally:
        os.kill(pid, signal.SIGKILL)  # it has ended, or is not waited for any longer
        os.waitpid(pid, 0)
    if not printed:
        raise McastError(host, f"the module {request['module']} was killed before it had a result")
    return json.loads(printed)


def _answer(connection: LocalConnection, request: dict[str, Any], environment: dict[str, str], writer: int) -> int:
    """What the fork does. Returns its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.environ.update(environment)
    try:
        if hasattr(connection, "enter"):
            connection.enter()
        plan = importlib.import_module(f"{change.__package__}.{request['module']}").plan
        result = change.outcome(request["module"], plan, request["params"], request["check"])
    except Exception as error:  # which the parent can't see otherwise
        result = {"failed": True, "msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    with open(writer, "wb") as answer:
        answer.write(json.dumps(result).encode())
    return 0


def _read(answer: IO[bytes], host: str, seconds: float) -> bytes:
    """All that comes until the end, which a program that was started does not hold open."""
    until = time.monotonic() + seconds
    parts: list[bytes] = []
    while select.select([answer], [], [], max(0.0, until - time.monotonic()))[0]:
        part = answer.read(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
    raise AnsibleConnectionFailure(f"{host} did not answer within {seconds:.0f} s; it is frozen")


def _in_a_python(action: ActionBase, host: str, request: dict[str, Any], task_vars: dict[str, Any], longer: float
                 ) -> dict[str, Any]:
    begin = pathlib.Path(loader.__file__).read_bytes()
    data = b"".join((begin, json.dumps(request).encode(), b"\n", _sources()))
    command = " ".join(filter(None, (action._compute_environment_string(), *_python(action, task_vars), "-IS", "-c",
                                     shlex.quote(_BEGIN), str(len(begin)))))
    ran = bounded(host, lambda: action._low_level_execute_command(
        command, in_data=data, executable=False, encoding_errors="replace"), longer=longer)
    result = _result(ran["stdout"])
    if result is None:
        said = (ran["stderr"] or ran["stdout"]).strip()[-_SAID:] or "no output"
        raise McastError(host, f"its Python could not run the module {request['module']} (exit status {ran['rc']}): "
                               f"{said}")
    return result


def _result(printed: str) -> dict[str, Any] | None:
    """What the loader printed, among what a login or logout may print."""
    try:
        result = json.loads(printed.rpartition(loader.MARK)[2].partition("\n")[0])
    except ValueError:
        return None
    return result if isinstance(result, dict) else None


def _python(action: ActionBase, task_vars: dict[str, Any]) -> list[str]:
    """The words of a shell that run Python, with arguments behind them."""
    variables = task_vars.get("ansible_delegated_vars", {}).get(action._task.delegate_to, task_vars)
    wanted = action._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=variables))
    if not wanted or wanted.startswith("auto"):
        wanted = variables.get("ansible_facts", {}).get("discovered_interpreter_python")
    if wanted:
        return [wanted]
    among = C.config.get_config_value("INTERPRETER_PYTHON_FALLBACK", variables=variables)
    return ["/bin/sh", "-c", shlex.quote(_first_of(among)), "sh"]


def _first_of(pythons: Iterable[str]) -> str:
    """A script that runs the first that works: a name on the PATH may be a stand-in for nothing, as those of pyenv are.
    """
    return f"""for python in {' '.join(map(shlex.quote, pythons))}; do
  "$python" -ISc "import sys; sys.exit(sys.version_info < (3, 8))" 2>/dev/null && exec "$python" "$@"
done
echo "no Python 3.8 or newer was found; install one, or set ansible_python_interpreter" >&2; exit 127"""


def _sources() -> bytes:
    """All of module_utils, compressed. It is read once per run, by whichever process of Ansible needs it first."""
    kept = pathlib.Path(C.DEFAULT_LOCAL_TMP, "mcast_lab_sources")
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        pass
    root = pathlib.Path(loader.__file__).parent
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    sources = zlib.compress(json.dumps(texts).encode())
    with tempfile.NamedTemporaryFile(dir=C.DEFAULT_LOCAL_TMP, delete=False) as file:
        file.write(sources)
    os.replace(file.name, kept)
    return sources
