# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is started here as a transient service, mcast-NAME.service, where systemd runs this host.

Such a program does not end with the session that started it, and `systemctl` shows it. systemd forgets it once it has
ended, however that was; it starts nothing again."""
from __future__ import annotations

import os
import re
from typing import Mapping, Sequence


def used() -> bool:
    """Whether what is started here is to be a service: systemd runs (sd_booted(3)), and in this network namespace. A
    service would be in that one, and no host of a lab is."""
    return os.path.isdir("/run/systemd/system") and os.path.samefile("/proc/self/ns/net", "/proc/1/ns/net")


def command(name: str, argv: Sequence[str], log: str, kind: str, env: Mapping[str, str] | None = None) -> list[str]:
    """The argv that starts `argv` as the service mcast-NAME, and returns once it runs.

    log: the file behind which all is put that it prints; kind: its Type= (systemd.service(5)), "exec" for a program
    that stays, "forking" for one that leaves another behind; env: an environment, of which it gets what differs from
    that of this process; the rest is systemd's."""
    changed = {variable: value for variable, value in (env or {}).items() if os.environ.get(variable) != value}
    # KillMode=process: a supervisor ends its own program, and notes how. $: systemd replaces variables in a command
    # line, and takes $$ for $ (systemd.service(5), COMMAND LINES).
    return ["systemd-run", "--quiet", "--collect", "--unit", service(name), "--description", f"mcast.lab {name}",
            "--service-type", kind, "--property=KillMode=process", f"--property=StandardOutput=append:{log}",
            f"--property=StandardError=append:{log}",
            *(f"--setenv={variable}={value}" for variable, value in changed.items()),
            "--", *(word.replace("$", "$$") for word in argv)]


def service(name: str) -> str:
    escaped = re.sub("[%~]", lambda match: f"\\x{ord(match[0]):02x}", name)  # systemd.unit(5)
    return f"mcast-{escaped}.service"


def main_process(name: str) -> list[str]:
    """The argv that prints the process of the service, 0 where it has ended."""
    return ["systemctl", "show", "--property=MainPID", "--value", service(name)]
