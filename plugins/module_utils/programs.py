# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several of our programs on one host: begun and ended in one go, each under its name (see `unit`)."""
from __future__ import annotations

from . import expect, unit
from .change import Changes
from .error import McastError
from .traffic import capture
from .traffic.cli import UsageError

PROGRAMS = ("capture", "querier", "receiver", "sender")
# So that none that was forgotten stays.
_TIMEOUT = 3600


def command(name, body):
    """The command line of a program. body: ``{"receiver": {"group": [...], "port": 5000, ...}}``, options as the
    program's own --help has them, with _ for -; a list is an option given several times, true one without a value.
    Of a capture the file and the filter may be left out, and `streams` makes the filter. McastError names what is
    wrong, as far as the program itself doesn't."""
    expect.mapping(name, body, PROGRAMS)
    if len(body) != 1:
        raise McastError(name, "expected one program, such as {receiver: {group: 239.0.0.100, port: 11111, "
                               "interface: eth0}}, not %d" % len(body))
    (program, options), = body.items()
    options = dict({"timeout": _TIMEOUT}, **expect.mapping("%s.%s" % (name, program), options or {}))
    if program == "capture":
        options.setdefault("file", unit.folder(name) + "/capture.pcap")
        options.setdefault("filter", capture.default_filter(options.pop("streams", [])))
    argv = [program]
    for key, value in options.items():
        option = "--" + key.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            if one is not None and one is not False:
                argv.append(option if one is True else "%s=%s" % (option, one))
    return argv


def plan(started, stopped):
    """started: ``{name: body}``, begun in this order; stopped: names, ended after that. Returns (Changes, function that
    returns ``{"reports": {name: report or None}}``)."""
    for name in stopped:
        if name in started:
            raise McastError(name, "shall be started and stopped; leave one out")
    planned = {}
    for name, body in started.items():
        argv = command(name, body)
        try:
            planned[name] = unit.plan(name, argv, argv[0], adapts=("--filter-mode", "--source"))
        except UsageError as error:
            raise McastError(f"{name}.{argv[0]}.{error.thing}", error.reason) from None
    for name in stopped:
        have = unit.status(name)
        planned[name] = unit.plan(name, None, have["argv"][0] if have and have["argv"] else "")
    changes = Changes()
    for part in planned.values():
        changes.extend(part[0])
    return changes, lambda: {"reports": {name: result()["report"] for name, (unused, result) in planned.items()}}
