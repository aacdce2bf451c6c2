# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what is made of the code: the README of each role, of its argument specs; docs/checks.md and the list of checks
in the documentation of mcast.lab.check, of what each check says of itself.

    make generated
"""
from __future__ import annotations

import json
import pathlib
import re
import sys
import textwrap
from typing import Any

import yaml
from ansible_collections.mcast.lab.plugins.plugin_utils.checks.base import Check
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROLES = ROOT / "roles"
PAGE = ROOT / "docs" / "checks.md"
MODULE = ROOT / "plugins" / "modules" / "check.py"
_LINK = "../../docs/verify.md"
_WIDTH = 118

_INTRODUCTION = """\
# Checks

A check is one question about one host. By hand, name those that you want in a task:

```yaml
- mcast.lab.check:
    checks:
      - {check: membership.present, interface: eth0, group: 239.0.0.100}
    within: 2s
```

Beside its name (`check`) and its own options, each takes `severity`, `failure` or `warning`. `within`, `window` and
`since` are options of the task: how long a check may take to come true, how long an absence must hold, and an earlier
gathering to compare with.

A run of `mcast.lab.verify` needs no such list. The streams say what must hold ([verify.md](verify.md)); steps add to
it, and there each check is a word of its own ([scenarios.md](scenarios.md)). [capture.md](capture.md) says how packets
are captured. `make generated` writes this page.
"""

# What holds for many checks; names and values in backticks.
RULES = (
    "What must be there passes at first sight. What must be absent, or there in an exact number, must hold over the "
    "whole `window`.",
    "The checks `mdb.*` and `expiry.*` are about a `bridge` of this host, named by its segment or as the kernel has "
    "it. A `port` is `HOST~INTERFACE`, or what the kernel calls it.",
    "The checks `pim.*` ask FRR.",
    "The checks `packets.*` read the `capture` of that name, which `mcast.lab.capture` has started on this host, "
    "while it runs or after it was stopped. Where a number is asked for, it is `count` (exactly), `at_least`, "
    "`at_most`, or by default at least one.",
    "Of a capture that lacks packets (it has ended early, or the kernel has dropped some), only what is there passes, "
    "no absence and no exact number. The same holds beyond 20,000 messages and 550,000 datagrams.",
    "Nobody takes a message with a wrong checksum; such a message never passes.",
)


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


def paragraphs(thing: Any) -> list[str]:
    """The paragraphs of a docstring, each in one line."""
    return [" ".join(paragraph.split()) for paragraph in (thing.__doc__ or "").split("\n\n")]


def options(check: type[Check]) -> list[str]:
    """The names of a check's options: first those that it needs."""
    return sorted(check.PARAMS, key=lambda name: name not in check.REQUIRED)


def topics() -> dict[str, tuple[str, list[type[Check]]]]:
    """By topic: what it asks, and its checks."""
    found: dict[str, tuple[str, list[type[Check]]]] = {}
    for name, check in judge.CHECKS.items():
        topic = name.partition(".")[0]
        # "Topic `x`, as far as it is about y: is it so?"
        question = paragraphs(sys.modules[check.__module__])[0].partition(": ")[2]
        question = question[0].upper() + question[1:]
        asked, checks = found.get(topic, ("", []))
        asked += "" if question in asked else f" {question}"
        found[topic] = asked.strip(), [*checks, check]
    return found


def section(check: type[Check]) -> str:
    """A check on the page of checks."""
    table = [f"| `{name}` | {'yes' if name in check.REQUIRED else ''} | {plain(check.PARAMS[name].meaning)} |"
             for name in options(check)]
    example = f"- {{check: {check.NAME}, {check.EXAMPLE[1:]}"
    return "\n".join((f"### {check.NAME}", "", *(f"{wrapped(text)}\n" for text in paragraphs(check)),
                      "| option | required | meaning |", "|---|---|---|", *table, "", "```yaml", example, "```", ""))


def wrapped(text: str, indent: str = "", first: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=first or indent, subsequent_indent=indent,
                         break_long_words=False, break_on_hyphens=False)


def page() -> str:
    parts = [_INTRODUCTION, "\n".join(wrapped(rule, "  ", "- ") for rule in RULES) + "\n"]
    for topic, (asked, checks) in topics().items():
        parts += [f"## {topic}\n\n{wrapped(asked)}\n", *map(section, checks)]
    return "\n".join(parts)


def marked(text: str) -> str:
    """In the markup of Ansible's documentation."""
    return re.sub(r"`([^`]+)`", r"C(\1)", re.sub(r"`(mcast\.lab\.\w+)`", r"M(\1)", text))


def bullet(check: type[Check]) -> str:
    """A check in the documentation of the module: its options, and when it passes."""
    words = {name: f"`{name}` ({check.PARAMS[name].meaning})" for name in options(check)}
    needed = ", ".join(words[name] for name in words if name in check.REQUIRED)
    others = ", ".join(words[name] for name in words if name not in check.REQUIRED)
    start = f"`{check.NAME}`" + (f" with {needed}" if needed else "")
    more = f"{', and optionally' if needed else ', optionally with'} {others}" if others else ""
    return f"{start}{more}. {paragraphs(check)[0]}"


def module(text: str) -> str:
    """The file of mcast.lab.check, with the list of checks in its documentation. text: as it is."""
    # As blocks: a text may hold a colon.
    bullets = [f"      - >-\n{wrapped(marked(words), ' ' * 8)}\n" for words in (
        *RULES, "The page C(docs/checks.md) of the collection also says when each check fails, and has examples.",
        *map(bullet, judge.CHECKS.values()))]
    start, rest = re.split(r"(?<=\n  checks:\n    description:\n)", text, maxsplit=1)
    first, rest = re.split(r"\n(?=      - )", rest, maxsplit=1)
    return f"{start}{first}\n{''.join(bullets)}{rest[rest.index('    type: list'):]}"


def texts() -> dict[pathlib.Path, str]:
    """The files, as they are written."""
    found = {PAGE: page(), MODULE: module(MODULE.read_text(encoding="utf-8"))}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]
        found[path.parents[1] / "README.md"] = readme(path.parents[1].name, spec)
    return found


if __name__ == "__main__":
    for file, text in texts().items():
        file.write_text(text, encoding="utf-8")
