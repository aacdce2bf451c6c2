# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as a user wrote them: taken, or refused by one message that names the key and what was expected."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import expect
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError


@pytest.mark.parametrize(("value", "low", "high", "kind", "result"), [
    (1, 1, 65535, int, 1), (65535, 1, 65535, int, 65535), ("11111", 1, 65535, int, 11111), (0, 0, 255, int, 0),
    (0.5, 0, 3600, float, 0.5), (3, 0, 3600, float, 3.0), ("0.05", 0, 3600, float, 0.05), (0, 0, 3600, float, 0.0),
])
def test_number(value, low, high, kind, result):
    found = expect.number("key", value, low, high, kind)
    assert (found, type(found)) == (result, kind)


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("value", [
    -1, 65536, None, "", "http", "nan", "inf", "-inf", float("nan"), float("inf"), True, False, [], [80], {}, "0x50",
    "1.5.1", b"\xff", 10 ** 400, "9" * 5000])
def test_no_number(value, kind):
    with pytest.raises(McastError, match=r"\Asome\.port: expected a (whole )?number from 1 to 65535, not ") as error:
        expect.number("some.port", value, 1, 65535, kind)
    assert error.value.thing == "some.port"


def test_a_whole_number_is_no_fraction():
    for value in (1.0, 1.5, "1.5"):
        with pytest.raises(McastError, match="expected a whole number"):
            expect.number("port", value, 1, 65535)


@pytest.mark.parametrize(("value", "choices", "says"), [
    ("yes", (True, False), "key: expected one of True, False, not 'yes'"),
    ("Include", ("include", "exclude"), "key: expected one of include, exclude, not 'Include'; did you mean include?"),
    (None, ("up", "down"), "key: expected one of up, down, not nothing"),
    (["lan"], ["lan"], "key: expected one of lan, not ['lan']"),
    ("lan", [], "key: expected one of (there are none), not 'lan'"),
])
def test_no_choice(value, choices, says):
    with pytest.raises(McastError) as error:
        expect.choice("key", value, choices)
    assert str(error.value) == says


@pytest.mark.parametrize(("value", "says"), [
    (None, "key: expected a mapping, not nothing"),
    ([], "key: expected a mapping, not []"),
    ("lan", "key: expected a mapping, not 'lan'"),
    (5, "key: expected a mapping, not 5"),
    ({1: {}}, "key.1: expected a text as key; put it in quotes"),
    ({True: {}}, "key.True: expected a text as key; put it in quotes"),  # YAML's "yes" and "on"
    ({"one": 1, "thre": 3}, "key.thre: is not known; expected one of one, two"),
    ({"two": 2}, "key.one: is missing"),
    ({"one": None}, "key.one: is missing"),
])
def test_no_mapping(value, says):
    with pytest.raises(McastError) as error:
        expect.mapping("key", value, ("one", "two"), ("one",))
    assert str(error.value) == says


def test_what_is_there_is_returned_as_it_is():
    value = {"one": [], "two": None}
    assert expect.mapping("key", value, ("one", "two"), ("one",)) is value
    assert expect.texts("key", "a") == ["a"]
    assert expect.texts("key", ("a", "b")) == ["a", "b"]
    assert expect.text("key", "") == ""
    assert expect.choice("key", False, (True, False)) is False


@pytest.mark.parametrize("value", [None, 5, {"a": 1}, [1], ["a", None], True])
def test_no_texts(value):
    with pytest.raises(McastError, match=r"\Akey: expected a text"):
        expect.texts("key", value)
    if not isinstance(value, str):
        with pytest.raises(McastError, match=r"\Akey: expected a text, not .*quotes"):
            expect.text("key", value)
