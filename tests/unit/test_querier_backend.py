# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each backend makes of one description of a querier, and what it refuses."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import programs
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.modules import bridge
from ansible_collections.mcast.lab.plugins.plugin_utils.querier_backend import parts

ALL = {"query_interval": 10, "query_response_interval": 5, "last_member_query_interval": 0.5,
       "last_member_query_count": 3}
STARTUP = {"startup_query_interval": 2, "startup_query_count": 4}
BRIDGE = {"snooping": True, "querier": True, "igmp_version": 3, "mld_version": 2, "query_interval": 125,
          "last_member_interval": 1}


@pytest.mark.parametrize(("querier", "expected"), [
    ({}, ({"querier-eth0": {"querier": {"interface": "eth0"}}}, {}, {})),
    ({"interfaces": ["v$1"], "backend": "builtin", "robustness": 3, **ALL},
     ({"querier-v%241": {"querier": {"interface": "v$1", "robustness": 3, **ALL}}}, {}, {})),
    ({"backend": "bridge", "interfaces": ["br0", "br1"]}, ({}, {"br0": BRIDGE, "br1": BRIDGE}, {})),
    ({"backend": "bridge", "mld_version": 1, "igmp_version": 2, "startup_query_count": None, **ALL},
     ({}, {"eth0": {**BRIDGE, "mld_version": 1, "igmp_version": 2, "query_interval": 10, "query_response_interval": 5,
                    "last_member_interval": 0.5, "last_member_count": 3}}, {})),
    ({"backend": "bridge", **STARTUP}, ({}, {"eth0": {**BRIDGE, **STARTUP}}, {})),
    ({"backend": "frr", "timeout": None}, ({}, {}, {"backend": "frr", "interfaces": ["eth0"], "igmp": {"version": 3}})),
    ({"backend": "frr", "igmp_version": 2, "mld_version": 0, **ALL},
     ({}, {}, {"backend": "frr", "interfaces": ["eth0"], "igmp": {"version": 2, **ALL}})),
])
def test_what_a_backend_is_told(querier: dict[str, Any], expected: tuple[Any, ...]) -> None:
    told = parts(querier, ["eth0"], routes=False)
    assert told == expected
    for name, body in told.programs.items():
        assert programs.command(name, body)[0] == "querier"
    for options in told.bridges.values():
        assert set(options) <= set(bridge.SPEC)


@pytest.mark.parametrize(("querier", "expected"), [
    ({"robustness": 3}, (["querier-eth0"], {}, False)),
    ({"backend": "bridge", "robustness": 3}, ([], {"eth0": {"querier": False}}, False)),
    ({"backend": "frr", "mld_version": 2}, ([], {}, True)),
])
def test_what_stops_it_is_never_refused(querier: dict[str, Any], expected: tuple[Any, ...]) -> None:
    told = parts(querier, ["eth0"], routes=True, stopped=True)
    assert (list(told.programs), told.bridges, bool(told.router)) == expected


@pytest.mark.parametrize(("querier", "routes", "says"), [
    ({"interfaces": []}, False, "interfaces is missing"),
    ({"backend": "bridge", "robustness": 2}, False, "robustness can't be set with the backend bridge"),
    ({"backend": "bridge", "timeout": 9, "robustness": 2}, False, "timeout, robustness can't be set"),
    ({"backend": "bridge", "igmp_version": 1}, False, "the backend bridge has IGMPv2 and IGMPv3 alone"),
    ({"backend": "bridge", "igmp_version": 0}, False, "the backend bridge has IGMPv2 and IGMPv3 alone"),
    ({"backend": "bridge", "mld_version": 0}, False, "a bridge is a querier of both families"),
    ({"backend": "frr", "mld_version": 1}, False, "the backend frr speaks no MLD"),
    ({"backend": "frr", "igmp_version": 1}, False, "the backend frr has IGMPv2 and IGMPv3 alone"),
    ({"backend": "frr", "startup_query_count": 1}, False, "startup_query_count can't be set with the backend frr"),
    ({"backend": "frr"}, True, "this host is a router already"),
])
def test_what_a_backend_cannot_do(querier: dict[str, Any], routes: bool, says: str) -> None:
    with pytest.raises(McastError, match=f"^mcast_querier: {says}"):
        parts(querier, ["eth0"], routes)
