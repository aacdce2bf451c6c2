"""The scenarios of this collection as tests read them: their files, and each with its break."""
from __future__ import annotations

import pathlib
import shutil
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
INVENTORIES = ROOT / "inventories"
# A fleet has no streams; it is asked by tests of its own.
NAMES = sorted({path.name for path in INVENTORIES.iterdir()} - {"fleet"})
_TOPOLOGY = ("segments", "hosts", "streams")


def variables(scenario: str) -> dict[str, Any]:
    """What group_vars/all.yml says."""
    return yaml.safe_load((INVENTORIES / scenario / "group_vars" / "all.yml").read_text())


def broken(scenario: str, folder: pathlib.Path) -> dict[str, Any]:
    """Copy a scenario into a folder, with the change of its break merged over it. Returns the break."""
    shutil.copytree(INVENTORIES / scenario, folder)
    everyone = variables(scenario)
    topology = yaml.safe_load((folder / "topology.yml").read_text())
    for key, change in everyone["mcast_break"]["change"].items():
        whole = topology if key in _TOPOLOGY else everyone
        whole[key] = merged(whole[key], change)
    (folder / "topology.yml").write_text(yaml.safe_dump(topology, sort_keys=False))
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(everyone, sort_keys=False))
    return everyone["mcast_break"]


def merged(whole: Any, change: Any) -> Any:
    """A change merged over what is there: mappings by key, a list of named mappings by name, all else replaced."""
    if isinstance(change, dict) and isinstance(whole, list):
        assert set(change) <= {each["name"] for each in whole}
        return [merged(each, change.get(each["name"], {})) for each in whole]
    if isinstance(change, dict) and isinstance(whole, dict):
        return {**whole, **{key: merged(whole.get(key), value) for key, value in change.items()}}
    return change
