# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time for each lab of this machine: two would build, use and remove the same namespaces.

/run/mcast/LAB.run holds ``[pid, start time]`` of the playbook whose turn it is; a process that has ended has none."""
from __future__ import annotations

import contextlib
import fcntl
import json
import os

from ..module_utils.error import McastError
from ..module_utils.traffic.supervise import identity
from ..module_utils.unit import ROOT


def take(lab, pid):
    """Note that the process `pid` runs the lab. McastError where another one does."""
    with _opened(lab) as file:
        holder = _holder(file) if file else None
        if holder and holder != identity(pid):
            raise McastError("lab %s" % lab, "is in use by the run of process %d; wait until it ends, or give a copy "
                                             "of the topology another name" % holder[0])
        if file:
            file.truncate(0)
            json.dump(identity(pid), file)


def give(lab, pid):
    """Let others have it, if it is the turn of `pid` or of a process that has ended."""
    with _opened(lab) as file:
        if file and _holder(file) in (None, identity(pid)):
            os.unlink(_path(lab))
    with contextlib.suppress(OSError):  # something else may be in it
        os.rmdir(ROOT)


@contextlib.contextmanager
def _opened(lab):
    """The file, locked; None for a user who may not write there, who can't build labs either."""
    try:
        os.makedirs(ROOT, exist_ok=True)
        while True:
            with open(_path(lab), "a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_there(file):  # nobody has removed it meanwhile
                    yield file
                    return
    except PermissionError:
        yield None


def _is_there(file):
    try:
        return os.stat(file.name).st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _path(lab):
    return "%s/%s.run" % (ROOT, lab)


def _holder(file):
    """The process that is noted, as [pid, start time]; None where it has ended or there is none."""
    file.seek(0)
    try:
        noted = json.load(file)
    except ValueError:
        return None
    return noted if identity(noted[0]) == noted else None
