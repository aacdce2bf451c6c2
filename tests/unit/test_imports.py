# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which room imports what: docs/architecture.md, held to."""
from __future__ import annotations

import ast
import pathlib
import sys

import pytest

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = ("ansible_collections", "mcast", "lab", "plugins")


def imports(path: pathlib.Path) -> set[str]:
    """The modules that a file imports, wherever in it: those of ours by their path below plugins, with dots."""
    room = path.relative_to(PLUGINS).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(room[:len(room) - node.level + 1]) if node.level else []
            base += (node.module or "").split(".") if node.module else []
            if tuple(base[:4]) == PACKAGE:
                base = base[4:]
            for alias in node.names:
                # `from . import name`: a module where there is one of the name, else something in the package.
                inner = PLUGINS.joinpath(*base, alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                found.add(".".join([*base, alias.name] if is_module else base))
    return found


FILES = {".".join(path.relative_to(PLUGINS).with_suffix("").parts): path for path in sorted(PLUGINS.rglob("*.py"))}
IMPORTS = {name: imports(path) for name, path in FILES.items()}

# room: what its files may import of ours, and of Ansible
ROOMS: dict[str, tuple[tuple[str, ...], bool]] = {
    "module_utils.packet": (("module_utils.packet", "module_utils.error", "module_utils.group"), False),
    # Of a bridge's querier there is no text but the messages of rtnetlink.
    "module_utils.kernel": (("module_utils.kernel", "module_utils.error", "module_utils.group",
                             "module_utils.packet.address", "module_utils.netlink"), False),
    "module_utils": (("module_utils",), False),
    "modules": (("module_utils",), True),
    "doc_fragments": ((), True),
    "plugin_utils": (("plugin_utils", "module_utils"), True),
    "action": (("plugin_utils", "module_utils"), True),
    "filter": (("plugin_utils", "module_utils"), True),
    "inventory": (("plugin_utils", "module_utils"), True),
    "connection": (("module_utils",), True),
    "callback": (("plugin_utils", "module_utils"), True),
}


@pytest.mark.parametrize("name", FILES)
def test_each_file_keeps_to_its_room(name: str) -> None:
    room = next(room for room in ROOMS if name.startswith(f"{room}."))
    ours, of_ansible = ROOMS[room]
    strange = [each for each in sorted(IMPORTS[name]) if not allowed(each, ours, of_ansible, name)]
    assert not strange, f"{name} imports {', '.join(strange)}"


def allowed(imported: str, ours: tuple[str, ...], of_ansible: bool, importer: str) -> bool:
    top = imported.split(".")[0]
    if (PLUGINS / top).is_dir():
        return any(imported == each or imported.startswith(f"{each}.") for each in ours)
    if top in sys.stdlib_module_names:
        return True
    # On a host there is nothing but Python; what Ansible itself needs is on each controller.
    return not importer.startswith("module_utils") and (of_ansible and top in ("ansible", "yaml")
                                                        or importer in OTHERS and top == OTHERS[importer])


# Who imports a library that has to be installed beside Ansible.
OTHERS = dict.fromkeys(("plugin_utils.fleet.ssh", "plugin_utils.fleet.login", "plugin_utils.fleet.known_hosts"),
                       "paramiko")


def test_nothing_imports_itself_by_way_of_others() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for each in sorted(IMPORTS[name] & set(FILES)):
                visit(each, (*way, name))
            done.add(name)

    for name in FILES:
        visit(name, ())
