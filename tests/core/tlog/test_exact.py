"""One text for one value: whoever writes it, and whatever a database did to it."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.texts import storable_json
from core.tlog.errors import LogFormatError
from core.tlog.exact import decimal_text, exact_json, parse_exact

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (-0.0, "0"),
        (1.0, "1"),
        (1, "1"),
        (100, "100"),
        (-12.5, "-12.5"),
        (1e-7, "0.0000001"),
        (1e22, "1" + 22 * "0"),
        (5e-324, "0." + 323 * "0" + "5"),
        (2**70, "1180591620717411303424"),
    ],
)
def test_a_number_is_its_shortest_exact_decimal(value, text):
    assert decimal_text(value) == text
    assert exact_json(value) == f'"#{text}"'
    for _ in range(2):  # a key that was met goes another way
        assert exact_json({"met": value}) == f'{{"met":"#{text}"}}'


def test_the_text_has_sorted_keys_no_spaces_and_no_numbers():
    value = {"b": [1, 2.5, None, True], "a": {"#x": "#y", "é": "\u2028\n"}}
    assert exact_json(value) == (
        '{"a":{"#x":"##y","é":"\u2028\\n"},"b":["#1","#2.5",null,true]}'
    )


def test_keys_are_in_the_order_of_their_utf_16():
    assert exact_json({"\ufb33": 1, "\U0001f600": 2}) == (
        '{"\U0001f600":"#2","\ufb33":"#1"}'
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.5, "0.5"), (0.5, "#0.5"), ("#0.5", "##0.5"), (1, True), (None, "null"),
     (1e-13, 0), ([], {}), (0.1, 0.1 + 2**-56), ({"a": 1}, [["a", 1]])],
)  # fmt: skip
def test_different_data_have_different_texts(one, other):
    assert exact_json(one) != exact_json(other)


def same(one, other):
    """Whether two values are the same data; an integer is the float it equals."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return decimal_text(one) == decimal_text(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


@given(DATA, DATA)
def test_the_text_is_injective(one, other):
    one, other = storable_json(one), storable_json(other)
    assert (exact_json(one) == exact_json(other)) == same(one, other)


def as_postgres(value):
    """What a jsonb column returns: decimals without exponent, no negative zero."""
    if isinstance(value, float):
        return json.loads(f"{Decimal(repr(value)):f}") if value else 0.0
    if isinstance(value, list):
        return [as_postgres(item) for item in value]
    if isinstance(value, dict):
        return {key: as_postgres(item) for key, item in value.items()}
    return value


@given(DATA)
def test_what_was_stored_has_the_text_of_what_was_given(value):
    assert exact_json(as_postgres(storable_json(value))) == exact_json(value)


def test_what_json_makes_of_other_types_counts():
    assert exact_json({1: (2, 3.0)}) == exact_json({"1": [2, 3]})


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}, object()])
def test_what_is_no_finite_json_is_refused(value):
    with pytest.raises(LogFormatError):
        exact_json(value)


@given(DATA)
def test_what_is_read_has_the_text_that_was_read(value):
    text = exact_json(value)
    assert exact_json(parse_exact(text)) == text


def test_a_number_is_read_as_what_it_is():
    text = '{"a":"#0.10","b":"##x","c":"#-3","d":[true,null,"x"]}'
    found = {"a": 0.1, "b": "#x", "c": -3, "d": [True, None, "x"]}
    assert parse_exact(text) == found
    assert type(parse_exact('"#5"')) is int


@pytest.mark.parametrize(
    "text",
    [
        *("1", "[0.5]", '"#"', '"#1e5"', '"#01"', '"#.5"', '"#inf"', "{"),
        *("[" * 100_000, '"#' + 2_000 * "9" + '"'),
    ],
)
def test_what_is_no_exact_json_is_refused(text):
    with pytest.raises(LogFormatError, match="this is no exact JSON"):
        parse_exact(text)
