# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The seal of a bundle: manifest.json with the SHA-256 of each other file. The SHA-256 of manifest.json itself, which
the verdict shows, stands for all of them; `sha256sum manifest.json` prints it too."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ...module_utils.error import McastError
from .evidence_file import Folder

MANIFEST = "manifest.json"
_MAX_BYTES = 64 << 30  # of all files; sparse ones cost who makes them nothing


def checksum(data: bytes) -> str:
    """SHA-256 in hexadecimal digits, as in the manifest."""
    return hashlib.sha256(data).hexdigest()


def checksums(folder: Folder) -> tuple[dict[str, str], dict[str, str]]:
    """The SHA-256 of each file but the manifest, by name; and why others have none, by name."""
    sizes, sums, odd = folder.files(), {}, {}
    if sum(size or 0 for size in sizes.values()) > _MAX_BYTES:
        raise McastError(folder.path, f"holds more than {_MAX_BYTES >> 30} GiB, which no evidence of ours does")
    for name, size in sizes.items():
        if size is None:
            odd[name] = "is not a regular file"
        elif name != MANIFEST:
            try:
                sums[name] = folder.sha256(name, size)
            except McastError as error:
                odd[name] = error.reason
    return sums, odd


def differences(sealed: Mapping[str, str], found: Mapping[str, str], odd: Mapping[str, str]) -> list[str]:
    """What is not as in the manifest. sealed: SHA-256 by name of file; found, odd: as checksums() returns them."""
    reasons = {**{name: "is missing" for name in sealed if name not in found},
               **{name: "was added" for name in found if name not in sealed},
               **{name: "has changed" for name in found if found[name] != sealed.get(name, found[name])},
               **odd}
    return [f"{name} {reason}" for name, reason in sorted(reasons.items())]
