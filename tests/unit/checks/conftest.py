# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever a test of this folder has judged, the judgement is made of plain values."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mcast.lab.plugins.plugin_utils.checks.base import Check, Judgement
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge
from ansible_collections.mcast.lab.tests.unit.plain import assert_plain


@pytest.fixture(autouse=True)
def plain_judgements(monkeypatch: pytest.MonkeyPatch) -> None:
    make = judge.make

    def made(name: str, params: dict[str, Any], since: dict[str, Any] | None = None) -> Check:
        check = make(name, params, since)
        judged = check.judge

        def judge_and_look(facts: dict[str, Any]) -> Judgement:
            found = judged(facts)
            assert_plain(list(found))
            return found

        monkeypatch.setattr(check, "judge", judge_and_look)
        return check

    monkeypatch.setattr(judge, "make", made)
