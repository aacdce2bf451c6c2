# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception of the collection: raised anywhere below, turned into a failure once, at the edge."""
from __future__ import annotations

import errno

BECOME = "run this as root, with become: true"
_REMEDIES = {
    errno.EPERM: BECOME,
    errno.EACCES: BECOME,
    errno.EROFS: "this container or service may only read it; change it on the machine itself",
}


class McastError(Exception):
    """Something that a user can put right.

    thing:  what it is about: a key of a file (``streams.hello.group``), an interface, a program.
    reason: what is wrong with it, and what was expected or what to do.
    """

    def __init__(self, thing: str, reason: str) -> None:
        super().__init__(f"{thing}: {reason}")
        self.thing = thing
        self.reason = reason


def reason(error: OSError) -> str:
    """What the system refused, with the remedy where that is known."""
    text = error.strerror or str(error)
    return f"{text}; {_REMEDIES[error.errno]}" if error.errno in _REMEDIES else text
