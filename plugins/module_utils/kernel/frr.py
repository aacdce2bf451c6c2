# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What FRR's pimd says of itself: the JSON of its shell, several answers one behind the other."""
from __future__ import annotations

import json
from typing import Any

from ..error import McastError

# In this order; vtysh answers them in it.
COMMANDS = ("show ip pim neighbor json", "show ip pim interface json", "show ip pim rp-info json",
            "show ip pim rpf json", "show ip igmp groups json", "show ip igmp interface json")
PARTS = ("neighbors", "interfaces", "rps", "rpf", "groups")


def pim(text: str) -> dict[str, list[dict[str, Any]]]:
    """text: the answers to COMMANDS. Returns ``{neighbors, interfaces, rps, rpf, groups}``, lists of dicts (see
    docs/facts.md). McastError where the answers are none of these."""
    try:
        neighbors, interfaces, rps, rpf, groups, igmp = _answers(text)
        return {
            "neighbors": [{"interface": name, "address": address, "dr_priority": body.get("drPriority"),
                           "holdtime": body.get("holdTimeMax")}
                          for name, found in neighbors.items() for address, body in found.items()],
            "interfaces": [_interface(name, body, igmp.get(name, {})) for name, body in interfaces.items()
                           if body["address"] != "0.0.0.0"],  # pimreg, through which registers come
            "rps": [{"address": entry["rpAddress"], "groups": entry.get("group"), "itself": bool(entry["iAmRP"]),
                     "interface": _known(entry.get("outboundInterface"))} for found in rps.values() for entry in found],
            "rpf": [_rpf(body) for found in rpf.values() if isinstance(found, dict) for body in found.values()],
            "groups": [{"interface": name, "group": entry["group"], "version": entry.get("version"),
                        "filter_mode": str(entry.get("mode", "")).lower() or None}
                       for name, body in groups.items() if isinstance(body, dict) for entry in body["groups"]],
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise McastError("vtysh", f"has answered what is not expected of FRR ({error})") from None


def _known(name: str | None) -> str | None:
    """Null where FRR has no interface or address yet, for which it prints "Unknown", "<ifname?>" or 0.0.0.0."""
    return None if not name or name in ("Unknown", "0.0.0.0") or name.startswith("<") else name


def _answers(text: str) -> list[Any]:
    found: list[Any] = []
    decoder, begin = json.JSONDecoder(), 0
    text = text.strip()
    while begin < len(text):
        answer, begin = decoder.raw_decode(text, begin)
        found.append(answer)
        while begin < len(text) and text[begin].isspace():
            begin += 1
    return found


def _interface(name: str, body: dict[str, Any], igmp: dict[str, Any]) -> dict[str, Any]:
    return {"interface": name, "address": body["address"], "state": body.get("state"),
            "dr": _known(body.get("pimDesignatedRouter")), "dr_itself": bool(body.get("pimDesignatedRouterLocal")),
            "igmp_version": igmp.get("version"), "querier": _known(igmp.get("querierIp")),
            "querier_itself": bool(igmp.get("querier"))}


def _rpf(body: dict[str, Any]) -> dict[str, Any]:
    """The next hop is null where the source, or the RP, is on the link or this router itself."""
    source = body["source"]
    return {"source": None if source == "*" else source, "group": body["group"],
            "interface": _known(body.get("rpfInterface")), "neighbor": _known(body.get("rpfAddress"))}
