# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the README of each role: what it does, and its variables, as its argument specs say them.

    make generated
"""
from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import yaml

ROLES = pathlib.Path(__file__).resolve().parents[1] / "roles"
_LINK = "../../docs/verify.md"


def plain(text: str | list[str]) -> str:
    """A description as Markdown, in one line."""
    joined = text if isinstance(text, str) else " ".join(text)
    return re.sub(r"\b[A-Z]\(([^)]*)\)", r"`\1`", " ".join(joined.split())).replace("|", "\\|")


def default(spec: dict[str, Any]) -> str:
    if spec.get("required"):
        return "required"
    return f"`{json.dumps(spec['default'])}`" if "default" in spec else ""


def kind(spec: dict[str, Any]) -> str:
    words = {"list": f"list of {spec.get('elements', 'str')}"}.get(spec["type"], spec["type"])
    return f"{words}: {', '.join(map(str, spec['choices']))}" if spec.get("choices") else words


def rows(options: dict[str, dict[str, Any]], before: str = "") -> list[str]:
    found = []
    for name, spec in options.items():
        found.append(f"| `{before}{name}` | {kind(spec)} | {default(spec)} | {plain(spec.get('description', ''))} |")
        found += rows(spec.get("options", {}), f"{before}{name}.")
    return found


def readme(name: str, spec: dict[str, Any]) -> str:
    return "\n".join((
        f"# mcast.lab.{name}", "", f"{spec['short_description']}.", "",
        *(plain(text) for text in spec["description"]), "",
        "| variable | type | default | meaning |", "|---|---|---|---|", *rows(spec["options"]), "",
        "```yaml", "- hosts: all", "  roles:", f"    - mcast.lab.{name}", "```", "",
        f"`mcast_streams` says what each host sends and receives: [verify.md]({_LINK}).", ""))


def texts() -> dict[pathlib.Path, str]:
    """The files, as they are written."""
    found = {}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]
        found[path.parents[1] / "README.md"] = readme(path.parents[1].name, spec)
    return found


if __name__ == "__main__":
    for file, text in texts().items():
        file.write_text(text, encoding="utf-8")
