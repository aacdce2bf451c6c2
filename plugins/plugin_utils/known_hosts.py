# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys by which hosts are known, read once for all hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac


class KnownHosts:
    """marked: whether a line bears a mark (@revoked, @cert-authority), which is not understood here."""

    def __init__(self, texts):
        """texts: of the files."""
        self.marked = False
        self._exact, self._patterns, self._hashed = {}, [], []
        for text in texts:
            for line in text.split("\n"):
                self._read(line.split())

    def _read(self, fields):
        if not fields or fields[0].startswith("#"):
            return
        if fields[0].startswith("@"):
            self.marked = True
        if len(fields) < 3:
            return
        names, key = fields[0].lower() if not fields[0].startswith("|") else fields[0], (fields[1], fields[2])
        if names.startswith("|1|"):
            self._hashed.append((names.split("|")[2:4], key))
        elif any(letter in names for letter in "*?!"):
            self._patterns.append((names.split(","), key))
        else:
            for name in names.split(","):
                self._exact.setdefault(name, []).append(key)

    def keys(self, name):
        """name: a host's, or ``[host]:port`` where the port is not 22. Returns ``{type: {key in base64}}``."""
        name = name.lower()
        found = list(self._exact.get(name, ()))
        found += [key for patterns, key in self._patterns if _matches(name, patterns)]
        found += [key for hashed, key in self._hashed if _is_hash(name, hashed)]
        kinds = {}
        for kind, key in found:
            kinds.setdefault(kind, set()).add(key)
        return kinds


def _matches(name, patterns):
    # Brackets stand for themselves here: [host]:2222.
    def fits(pattern):
        return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))
    return (any(fits(each) for each in patterns if not each.startswith("!"))
            and not any(fits(each[1:]) for each in patterns if each.startswith("!")))


def _is_hash(name, hashed):
    try:
        salt, digest = (base64.b64decode(part) for part in hashed)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
