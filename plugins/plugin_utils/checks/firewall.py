# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Topic `firewall`: is it open? Read from the ruleset; that a datagram really comes through, topic `delivery` tells."""
from __future__ import annotations

from typing import Any

from ...module_utils import expect
from ...module_utils.firewall import evaluation, opening
from ...module_utils.kernel.firewall import PROTOCOLS
from .base import GROUP, INTERFACE, Check, Judgement, Option, first_of

_PORTLESS = ("igmp", "mld", "pim")


class _Opening(Check):
    PARAMS = {
        "protocol": Option(lambda path, value: expect.choice(path, value, tuple(PROTOCOLS)),
                           "`udp`, which is the default, `tcp`, `igmp`, `mld` or `pim`"),
        "port": Option(opening.ports, "port, or a range such as `5000-5010`; `udp` and `tcp` need it, the others have "
                                      "none, nor a group or source"),
        "group": GROUP,
        "source": Option(opening.source, "address or network of the senders"),
    }
    NEEDS = ("firewall",)
    protocol: str

    def __init__(self, params: dict[str, Any], since: dict[str, Any] | None = None) -> None:
        super().__init__(params, since)
        self.protocol = self.params.setdefault("protocol", "udp")
        if self.protocol in _PORTLESS:
            expect.mapping(self.NAME, self.params, ("protocol", "interface"))
        else:
            expect.mapping(self.NAME, self.params, required=("port",))
        self.wanted = {key: self.params.get(key) for key in ("protocol", "port", "group", "source")}

    def judge(self, facts: dict[str, Any]) -> Judgement:
        if not facts["firewall"]["backend"]:
            note = facts["sources"]["firewall"]["note"]
            return Judgement(False, self.describe(), note, {"note": note})
        return self._judge(facts["firewall"])

    def _judge(self, firewall: dict[str, Any]) -> Judgement:
        raise NotImplementedError


class Listed(_Opening):
    """Passes when the table of `mcast.lab.firewall` lists this opening, with exactly this port, group and source.

    Fails when it doesn't, also where nothing would drop the packets."""

    NAME = "firewall.listed"
    EXAMPLE = "{port: 11111, group: 239.0.0.100}"

    def describe(self) -> str:
        return f"our firewall table lists {opening.shown(self.wanted)}"

    def _judge(self, firewall: dict[str, Any]) -> Judgement:
        wanted, accepts = opening.key(self.wanted), firewall["accepts"]
        found = [each for each in accepts if opening.key(each) == wanted]
        shown = first_of([opening.shown(each) for each in found or accepts], "nothing")
        return Judgement(bool(found), self.describe(), shown, {"accepts": found, "listed": len(accepts)})


class Open(_Opening):
    """Passes when every chain that such packets pass on their way in lets them through for certain.

    Fails when one drops them, and when it is not certain whether one does; the actual says which chain, and how sure
    that is."""

    NAME = "firewall.open"
    PARAMS = dict(_Opening.PARAMS, interface=INTERFACE)
    EXAMPLE = "{protocol: udp, port: 11111, group: 239.0.0.100, interface: eth0}"
    interface: str | None

    def describe(self) -> str:
        return f"{opening.shown(self.wanted)} is open{f' on {self.interface}' if self.interface else ''}"

    def _judge(self, firewall: dict[str, Any]) -> Judgement:
        found = evaluation.verdict(firewall, self.wanted, self.interface)
        return Judgement(found["open"]["value"] is True, self.describe(),
                         evaluation.in_words(found["overridden_by"]) or "open", found)


CHECKS = (Listed, Open)
