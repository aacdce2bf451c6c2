# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs as one file that any python3 (3.8 or newer) runs."""
from __future__ import annotations

import os
import zipfile
from typing import Protocol, cast

_PACKAGE = "mcast"
_MODULES = ("error.py", "group.py", "packet/address.py", "packet/checksum.py", "packet/igmp.py", "packet/ip.py",
            "packet/malformed.py", "packet/membership.py", "packet/mld.py", "querier/defaults.py", "querier/group.py",
            "querier/machine.py", "querier/message.py", "querier/program.py", "traffic/capture.py", "traffic/cli.py",
            "traffic/inbox.py", "traffic/program.py", "traffic/receiver.py", "traffic/sender.py",
            "traffic/sockets.py", "traffic/supervise.py", "traffic/zipapp.py")
_MAIN = (f"import sys\nfrom {_PACKAGE}.traffic.cli import main\n"
         "if __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n")


class _Loader(Protocol):
    """What the loaders of directories and of zips, and Ansible's own, have in common."""

    def get_data(self, path: str) -> bytes:
        """The content of a file beside the modules."""


def build(path: str) -> None:
    """Write the zipapp to the file `path`. The sources come from where this module came from itself, be it a directory,
    the zip in which Ansible brings modules to a host, or another zipapp. (Ansible brings what is imported: so import
    `cli` as well, which imports all the others.)

    OSError where the file cannot be written."""
    above = os.path.dirname(os.path.dirname(__file__))
    loader = cast(_Loader, __spec__.loader)
    sources = {name: loader.get_data(os.path.join(above, name)) for name in _MODULES}
    sources.update({os.path.join(os.path.dirname(name), "__init__.py"): b"" for name in _MODULES})
    with open(path, "wb") as handle:
        handle.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(handle, "w") as archive:
            for name in sorted(sources):
                archive.writestr(zipfile.ZipInfo(f"{_PACKAGE}/{name}"), sources[name])
            archive.writestr(zipfile.ZipInfo("__main__.py"), _MAIN)
    os.chmod(path, 0o755)
