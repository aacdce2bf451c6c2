# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `kernel`: was the kernel built for what is asked of it?"""
from __future__ import annotations

from ...module_utils import expect
from ...module_utils.kernel.mroutes import OPTIONS
from .base import Check


def _options(path, value):
    return [expect.choice(path, each, list(OPTIONS)) for each in expect.texts(path, value)]


class Prerequisites(Check):
    """Passes when the kernel has all of the options; without `options`, all that an IPv4 multicast router needs.

    Fails when one is missing, or nothing tells whether it is there."""

    NAME = "kernel.prerequisites"
    PARAMS = {"options": _options}
    NEEDS = ("prerequisites",)

    def _asked(self):
        return self.options or [name for name in OPTIONS if not name.startswith("IPV6")]

    def describe(self):
        return "kernel has %s" % ", ".join(self._asked())

    def judge(self, facts):
        told = {name: facts["prerequisites"][name]["value"] or "unknown" for name in self._asked()}
        others = ["%s %s" % (name, value) for name, value in told.items() if value != "present"]
        return not others, self.describe(), ", ".join(others) or "all present", told


CHECKS = (Prerequisites,)
