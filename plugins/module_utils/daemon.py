# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs of the distribution that stay, per network namespace: found, started, and ended.

They live in a unit's folder (see `unit`), so that they end with a lab like its programs. Packages that conflict may be
unpacked side by side, a folder each below one; then their libraries are found there too."""
from __future__ import annotations

import glob
import os
import subprocess
import time
from typing import Any, Callable

from . import systemd, unit
from .error import McastError
from .traffic.program import write_json
from .traffic.supervise import identity

_POLL = 0.01
# A daemon that has one place below /run for itself sees there the folder of its unit, and nothing in /var/tmp. FRR
# wants its user, here root, in a group of its own.
_PRIVATE = """
if [ -e "$1/group" ]; then mount --bind "$1/group" /etc/group; fi
mount -t tmpfs tmpfs /var/tmp
mount --bind "$1" /run
shift
exec "$@"
"""


def find(package: str, program: str, places: list[str], unpacked: str | None) -> str:
    """The path of a program. package: as it is installed; places: folders of the distribution; unpacked: the folder
    below which packages are unpacked, or None. McastError names the package."""
    for place in places + [os.path.join(unpacked, package) + place for place in places if unpacked]:
        path = os.path.join(place, program)
        if os.access(path, os.X_OK):
            return path
    below = f" (it is not unpacked below {unpacked} either)" if unpacked else ""
    raise McastError(f"backend {package}", f"{program} is not installed; install the package {package}{below}")


def environment(package: str, unpacked: str | None, path: str) -> dict[str, str]:
    """The environment for a program of an unpacked package; that of an installed one is as it is."""
    root = os.path.join(unpacked or "", package)
    if not unpacked or not path.startswith(f"{root}/"):
        return dict(os.environ)
    folders = glob.glob(f"{root}/usr/lib/*-linux-gnu*") + glob.glob(f"{root}/lib/*-linux-gnu*")
    folders += [f"{folder}/{package}" for folder in folders]
    return dict(os.environ, LD_LIBRARY_PATH=":".join(folder for folder in folders if os.path.isdir(folder)))


def run(argv: list[str], env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end. Returns (status, all that it printed)."""
    # Shared with programs that are no modules, so there is no module whose run_command could be taken.
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        argv, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        timeout=30)
    return done.returncode, done.stdout.decode("utf-8", "replace")


class Daemons:
    """The daemons of one unit. name: of the unit."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = unit.folder(name)
        self._log = os.devnull

    def record(self) -> dict[str, Any] | None:
        """What was noted at the start, or None where there is no such unit."""
        noted = unit.record(self.folder)
        return noted if noted["processes"] else None

    def running(self) -> bool:
        """Whether it was started and all of its processes live."""
        record = self.record()
        return record is not None and unit.living(record["processes"]) == record["processes"]

    def processes(self) -> list[list[int]]:
        """Its processes as noted, none where there is no such unit."""
        return unit.record(self.folder)["processes"]

    def living(self) -> list[list[int]]:
        """Its processes that live."""
        return unit.living(self.processes())

    def make(self) -> None:
        """A folder for it, empty."""
        unit.remove(self.folder)
        unit.make(self.folder)

    def write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def note(self, **record: Any) -> None:
        write_json(f"{self.folder}/unit.json", record)

    def start(self, argv: list[str], env: dict[str, str], private: bool = False) -> list[int]:
        """Start a program in a session of its own, as a service where systemd is used; what it prints goes to a log in
        the unit's folder. private: it sees the unit's folder as /run. Returns what identifies the process."""
        program = os.path.basename(argv[0])
        self._log = os.path.join(self.folder, f"{program}.log")
        if private:
            argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _PRIVATE, "sh", self.folder] + argv
        if systemd.used():
            return self._start_service(f"{self.name}-{program}", argv, env)
        with open(self._log, "ab") as log:
            # run_command waits for whatever holds the output: this stays.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return identity(process.pid) or [process.pid, 0]

    def _start_service(self, service: str, argv: list[str], env: dict[str, str]) -> list[int]:
        status, said = run(systemd.command(service, argv, self._log, "exec", env))
        with open(self._log, "a", encoding="utf-8") as log:
            log.write(said)  # why systemd did not start it
        # Where systemd refused, it may not answer this either.
        pid = 0 if status else int(run(systemd.main_process(service))[1])
        return identity(pid) or [pid, 0]

    def wait(self, ready: Callable[[], bool], processes: list[list[int]], what: str, deadline: float = 10.0) -> None:
        """Until ready() is true; McastError with the log's last lines once a process has ended, or too late."""
        end = time.monotonic() + deadline
        while not ready():
            if unit.living(processes) != processes:
                raise McastError(self.name, f"ended before {what}: {self.log()}")
            if time.monotonic() >= end:
                raise McastError(self.name, f"has not come so far within {deadline:g} s that {what}: {self.log()}")
            time.sleep(_POLL)

    def log(self) -> str:
        """The last lines that the program printed which was started last."""
        return unit.last_words(self._log)

    def stop(self, processes: list[list[int]] | None = None, deadline: float = 5.0) -> None:
        """End its processes, or those given, all at once, and remove what it had."""
        unit.end([[process] for process in processes or self.processes()], deadline)
        unit.remove(self.folder)
