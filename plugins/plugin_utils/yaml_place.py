# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where in a YAML file a key stands, for messages that name it."""
from __future__ import annotations

from typing import NamedTuple

import yaml


class Place(NamedTuple):
    """Both count from 1."""
    line: int
    column: int


def place_of(text: str, path: str) -> Place | None:
    """text: a YAML document; path: keys from the top, as messages have them: ``hosts.client.interfaces.eth0.ipv4`` or
    ``streams.hello.to[1]``. Returns where the last of them that is there begins, None where not even the first is."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    found = None
    rest = path.replace("[", ".[")
    while rest:
        step = _child(node, rest)
        if step is None:
            break
        key, node, rest = step
        found = Place(key.start_mark.line + 1, key.start_mark.column + 1)
    return found


def _child(node: yaml.Node | None, path: str) -> tuple[yaml.Node, yaml.Node, str] | None:
    """(the key, its value, the rest of the path) of the child with which a path begins. Keys may hold dots, so that of
    several the longest counts."""
    if isinstance(node, yaml.SequenceNode):
        children = [(f"[{number}]", each, each) for number, each in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    else:
        return None
    fitting = [child for child in children if path == child[0] or path.startswith(f"{child[0]}.")]
    if not fitting:
        return None
    name, key, value = max(fitting, key=lambda child: len(child[0]))
    return key, value, path[len(name) + 1:]
