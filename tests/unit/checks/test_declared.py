# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each check says of itself: its options, an example, and when it passes and fails."""
from __future__ import annotations

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.plugin_utils.checks.base import Check
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

EACH = pytest.mark.parametrize("check", judge.CHECKS.values(), ids=judge.CHECKS)


@EACH
def test_the_example_is_taken(check: type[Check]) -> None:
    example = yaml.safe_load(check.EXAMPLE)
    assert judge.make(check.NAME, example).describe()
    assert set(check.REQUIRED) <= set(example)
    # The page puts the name of the check in front.
    shown = yaml.safe_load(f"- {{check: {check.NAME}, {check.EXAMPLE[1:]}")
    assert shown == [{"check": check.NAME, **example}]


@EACH
def test_each_option_has_a_meaning(check: type[Check]) -> None:
    assert set(check.REQUIRED) <= set(check.PARAMS)
    for name, option in check.PARAMS.items():
        assert option.meaning, name
        assert not option.meaning.endswith("."), name
        assert option.meaning.count("`") % 2 == 0, name
        # In the documentation of the module it stands in parentheses, in a table between bars.
        assert not set("()|\n") & set(option.meaning), name


@EACH
def test_the_docstring_says_when_it_passes_and_fails(check: type[Check]) -> None:
    passes, unused, fails = (check.__doc__ or "").partition("\n\n")
    assert passes.startswith(("Passes when ", "Passes when, "))
    assert fails.strip().startswith("Fails ")
