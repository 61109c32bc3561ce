"""Canonical JSON and figures: one text for one value."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tlog.canonical import canonical_json, figure
from core.tlog.errors import LogFormatError

VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(1 - 2**53, 2**53 - 1),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


def test_keys_are_sorted_by_utf_16_as_the_rfc_shows():
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\xf6"]
    found = canonical_json(dict.fromkeys(keys, 0)).decode()
    assert list(json.loads(found)) == [
        *("\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33")
    ]


def test_texts_are_escaped_as_the_rfc_shows():
    assert canonical_json('\u20ac$\x0f\nA\'B"\\\\"/') == (
        '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()
    )


@given(VALUES)
def test_what_is_written_is_read_back_and_written_alike(value):
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        *(0.5, Decimal(1), 2**53, -(2**53), {1: 2}, {"a": 1.0}, b"bytes", {1}),
        *("\ud800", {"\ud800": 1}, object(), deep(32)),
    ],
)
def test_what_has_no_single_text_is_refused(value):
    with pytest.raises(LogFormatError):
        canonical_json(value)


def test_a_depth_of_32_is_taken():
    assert canonical_json(deep(31)) == b"[" * 32 + b"]" * 32


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (0.0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (100.0, "100"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e-12, "0.000000000001"),
        (5e-13, "0"),
        (-1e-13, "0"),
        (1.5e-12, "0.000000000002"),
        (1e20, "100000000000000000000"),
        (1e300, "1" + "0" * 300),
        (Decimal("1.10"), "1.1"),
        (Decimal("0.1234567890125"), "0.123456789012"),
    ],
)
def test_a_figure_is_a_plain_decimal(value, text):
    assert figure(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("NaN")])
def test_a_figure_is_finite(value):
    with pytest.raises(LogFormatError, match="finite"):
        figure(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_figure_is_read_back_to_its_places(value):
    text = figure(value)
    assert "e" not in text.lower()
    assert math.isclose(float(text), value, rel_tol=1e-15, abs_tol=5e-13)
    assert figure(float(text)) == text
