# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host runs first of what comes on standard input: it makes the modules behind it importable, and runs one.

See plugin_utils/on_host.py, which sends all this. It stands alone: nothing else can be imported yet."""
from __future__ import annotations

import importlib
import json
import sys
import zlib
from importlib.machinery import ModuleSpec
from typing import Any, BinaryIO

MARK = "mcast.lab: "
_ROOT = "mcast"


class Sources:
    """A finder and loader (PEP 451) of modules that are texts: ``{"change.py": "...", "traffic/cli.py": "..."}``."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._packages = {name.rpartition("/")[0] for name in texts}

    def find_spec(self, name: str, unused_path: Any = None, unused_target: Any = None) -> ModuleSpec | None:
        root, unused, below = name.partition(".")
        if root != _ROOT:
            return None
        path = below.replace(".", "/")
        package = path in self._packages
        if not package and f"{path}.py" not in self._texts:
            return None
        # A loader by what it does: the class of that name would cost every host the import of importlib.abc.
        spec = ModuleSpec(name, self, origin=f"{_ROOT}/{path}.py", is_package=package)  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, unused: ModuleSpec) -> None:
        """None: an ordinary module."""

    def exec_module(self, module: Any) -> None:
        spec = module.__spec__
        if spec.submodule_search_locations is None:
            exec(compile(self.get_data(spec.origin), spec.origin, "exec"), module.__dict__)

    def get_data(self, path: str) -> bytes:
        """The text of a module, by the path that it has as its file."""
        return self._texts[path.partition("/")[2]].encode()


def main(stream: BinaryIO) -> None:
    """stream: a line of JSON, ``{"module": name, "params": {...}, "check": bool}``, and behind it the modules as
    compressed JSON. Prints MARK and the result of the module's plan() as JSON, on a line."""
    request = json.loads(stream.readline())
    sys.meta_path.insert(0, Sources(json.loads(zlib.decompress(stream.read()))))
    change = importlib.import_module(f"{_ROOT}.change")
    plan = importlib.import_module(f"{_ROOT}.{request['module']}").plan
    result = change.outcome(request["module"], plan, request["params"], request["check"])
    sys.stdout.write(f"\n{MARK}{json.dumps(result)}\n")
    sys.stdout.flush()
