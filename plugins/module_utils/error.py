# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception of the collection: raised anywhere below, turned into a failure once, at the edge."""
from __future__ import annotations


class McastError(Exception):
    """Something that a user can mend.

    thing:  what it is about: a key of a file (``streams.hello.group``), an interface, a program.
    reason: what is wrong with it, and what was expected or what to do.
    """

    def __init__(self, thing, reason):
        super().__init__("%s: %s" % (thing, reason))
        self.thing = thing
        self.reason = reason
