# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of an inventory: which there are, and one error for all that is wrong with them."""
from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils import variables

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_what_is_documented_is_known() -> None:
    """Each row of a table of variables, and what the scenarios set, passes as a name."""
    tables = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    named = {name for row in re.findall(r"^\| (`mcast_.*?) \|", tables, re.M) for name in re.findall(r"mcast_\w+", row)}
    named |= {name for path in (ROOT / "inventories").glob("*/*_vars/*.yml")
              for name in re.findall(r"^(mcast_\w+):", path.read_text(), re.M)}
    assert len(named) > 15
    wrong = [name for name, reason in variables._of_host(dict.fromkeys(named)) if "is not a variable" in reason]
    assert not wrong


@pytest.mark.parametrize(("hostvars", "says"), [
    ({"a": {"mcast_capture": True, "other": None, "mcast_querier": {"backend": "frr"}}}, None),
    ({"a": {"mcast_capture_max_size": None}}, None),
    ({"a": {"mcast_bridges": None}}, "mcast_bridges of host a: has no value; state one, or leave it out"),
    ({"a": {"mcast_captur": 1}}, "mcast_captur of host a: is not a variable of mcast.lab; did you mean mcast_capture?"),
    ({"a": {"mcast_qzx": 1}}, "mcast_qzx of host a: is not a variable of mcast.lab"),
    ({host: {"mcast_router": None} for host in "abcde"},
     "mcast_router of hosts a, b, c and 2 more: has no value; state one, or leave it out"),
    ({"a": {"mcast_router": None}, "b": {"mcast_router": None, "mcast_stream": {}}},
     "mcast_router of hosts a, b: has no value; state one, or leave it out; mcast_stream of host b: is not a variable "
     "of mcast.lab; did you mean mcast_streams?"),
])
def test_one_error_names_all_that_is_wrong(hostvars: dict[str, Any], says: str | None) -> None:
    try:
        variables.check(hostvars, hostvars)
    except McastError as error:
        assert str(error) == says
    else:
        assert says is None
