# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which file, line and column of an inventory a value stands, for messages that name its key."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # it is Ansible's own affair; without it messages name the key alone
    Origin = None


class _Child(NamedTuple):
    name: str  # in a path
    bearer: Any  # what bears the place
    value: Any


def place_of(value: Any, path: str = "") -> str:
    """value: what Ansible has read from a file, or the `obj` of an AnsibleError. path: keys from there on, as messages
    have them: ``hosts.client.interfaces.eth0.ipv4`` or ``streams.hello.to[1]``. Returns where the last of them that is
    there begins, as ``FILE:LINE:COLUMN``; empty where Ansible does not know it."""
    found = _origin(value)
    # A stream of two groups has a name for each, which the file does not hold.
    rest = re.sub(r"/ipv[46]\b", "", path).replace("[", ".[").lstrip(".")
    while rest:
        fitting = [child for child in _children(value) if rest == child.name or rest.startswith(f"{child.name}.")]
        if not fitting:
            break
        # Keys may hold dots, so that of several the longest counts.
        longest = max(fitting, key=lambda child: len(child.name))
        found, value = _origin(longest.bearer) or found, longest.value
        rest = rest[len(longest.name) + 1:]
    return found


def _children(value: Any) -> Iterator[_Child]:
    if isinstance(value, Mapping):
        yield from (_Child(str(key), key, each) for key, each in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        yield from (_Child(f"[{number}]", each, each) for number, each in enumerate(value))


def _origin(value: Any) -> str:
    tag = Origin and (value if isinstance(value, Origin) else Origin.get_tag(value))
    if not tag or not tag.path or not tag.line_num:
        return ""
    return f"{tag.path}:{tag.line_num}:{tag.col_num or 1}"
