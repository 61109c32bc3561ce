"""JSON from a stranger is parsed, or refused in words, at a bounded cost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing import JsonError, parse_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_what_was_written_is_read(value):
    text = json.dumps(value)
    assert parse_json(text) == parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON: Expecting value"),
        (b"\xff", "is not JSON: 'utf-8' codec can't decode"),
        ("\ud800", "is not JSON: 'utf-8' codec can't decode"),
        (b"NaN", "is not JSON: NaN is not a number"),
        (b"[1, -Infinity]", "is not JSON: -Infinity is not a number"),
        (b"1e999", "is not JSON: the number 1e999 is too large"),
        (b"9" * 5_000, "is not JSON: Exceeds the limit"),
        (b"[" * 60_000, "may hold more than 30000 values"),
        (b"[" * 20_000, "is nested deeper than 32 levels"),
        (b"[" * 900 + b"]" * 900, "is nested deeper than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "is nested deeper than 32 levels"),
        (b"[" + b"[]," * 20_000 + b"[]]", "may hold more than 30000 values"),
        (b"0" * 70_000, "has 70000 bytes; at most 65536 are taken"),
    ],
)
def test_what_is_too_much_or_no_json_is_refused_in_words(data, reason):
    with pytest.raises(JsonError) as refused:
        parse_json(data, most_values=30_000)
    assert str(refused.value).startswith(reason)
    assert len(str(refused.value)) < 200


def test_thirty_two_levels_are_not_too_deep():
    text = "[" * 32 + "]" * 32
    assert json.dumps(parse_json(text)) == text


@given(st.binary() | st.text(st.characters(exclude_categories=())))
def test_any_bytes_and_any_text_are_parsed_or_refused(data):
    try:
        parse_json(data)
    except JsonError as refused:
        str(refused).encode()
