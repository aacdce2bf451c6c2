# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `kernel`: was the kernel built for what is asked of it?"""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils.kernel.mroutes import OPTIONS
from .base import Check, Judgement, Option


def _options(path: str, value: Any) -> list[str]:
    return [expect.choice(path, each, list(OPTIONS)) for each in expect.texts(path, value)]


class Prerequisites(Check):
    """Passes when the kernel has all of the options; without `options`, all that an IPv4 multicast router needs.

    Fails when one is missing, or nothing tells whether it is there."""

    NAME = "kernel.prerequisites"
    PARAMS = {"options": Option(_options, "names of the kernel's configuration without `CONFIG_`, such as "
                                          "`IPV6_MROUTE`")}
    EXAMPLE = "{options: [IP_MROUTE, IP_PIMSM_V2]}"
    NEEDS = ("prerequisites",)
    options: list[str] | None

    def _asked(self) -> list[str]:
        return self.options or [name for name in OPTIONS if not name.startswith("IPV6")]

    def describe(self) -> str:
        return f"kernel has {', '.join(self._asked())}"

    def judge(self, facts: dict[str, Any]) -> Judgement:
        told = {name: facts["prerequisites"][name]["value"] or "unknown" for name in self._asked()}
        others = [f"{name} {value}" for name, value in told.items() if value != "present"]
        return Judgement(not others, self.describe(), ", ".join(others) or "all present", told)


CHECKS = (Prerequisites,)
