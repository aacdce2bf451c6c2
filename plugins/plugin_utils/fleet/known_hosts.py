# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys by which hosts are known, read once for all hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple


class _Key(NamedTuple):
    kind: str  # such as ssh-ed25519
    key: str  # in base64


class KnownHosts:
    """marked: whether a line bears a mark (@revoked, @cert-authority), which is not understood here."""

    def __init__(self, texts: Iterable[str]) -> None:
        """texts: of the files."""
        self.marked = False
        self._exact: dict[str, list[_Key]] = {}
        self._patterns: list[tuple[list[str], _Key]] = []
        self._hashed: list[tuple[list[str], _Key]] = []  # salt and digest, in base64
        for text in texts:
            for line in text.split("\n"):
                self._read(line.split())

    def _read(self, fields: list[str]) -> None:
        if not fields or fields[0].startswith("#"):
            return
        if fields[0].startswith("@"):
            self.marked = True
        if len(fields) < 3:
            return
        names, key = fields[0].lower() if not fields[0].startswith("|") else fields[0], _Key(fields[1], fields[2])
        if names.startswith("|1|"):
            self._hashed.append((names.split("|")[2:4], key))
        elif any(letter in names for letter in "*?!"):
            self._patterns.append((names.split(","), key))
        else:
            for name in names.split(","):
                self._exact.setdefault(name, []).append(key)

    def keys(self, name: str) -> dict[str, set[str]]:
        """name: a host's, or ``[host]:port`` where the port is not 22. Returns ``{type: {key in base64}}``."""
        name = name.lower()
        found = list(self._exact.get(name, ()))
        found += [key for patterns, key in self._patterns if _matches(name, patterns)]
        found += [key for hashed, key in self._hashed if _is_hash(name, hashed)]
        kinds: dict[str, set[str]] = {}
        for kind, key in found:
            kinds.setdefault(kind, set()).add(key)
        return kinds


def _matches(name: str, patterns: list[str]) -> bool:
    # Brackets stand for themselves here: [host]:2222.
    def fits(pattern: str) -> bool:
        return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))
    return (any(fits(each) for each in patterns if not each.startswith("!"))
            and not any(fits(each[1:]) for each in patterns if each.startswith("!")))


def _is_hash(name: str, hashed: list[str]) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in hashed)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
