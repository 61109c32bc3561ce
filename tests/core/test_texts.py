"""A stranger's text, made fit for columns, logs and pages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.texts import (
    counted,
    csv_cell,
    describe,
    for_terminal,
    readable,
    storable,
    storable_json,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\0b", "a\ufffdb"),
        ("\x01", "\ufffd"),
        ("\x1b[2Jgone\x9b", "\ufffd[2Jgone\ufffd"),
        ("\ud800", "\ufffd"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("x" * 2_000, "x" * 2_000),
        ("x" * 2_001, "x" * 1_999 + "…"),
        ("x" * 100_000, "x" * 1_999 + "…"),
        ("\r\n" * 3_000, "\n" * 1_999 + "…"),
    ],
)
def test_a_text_is_cut_and_cleaned(text, kept):
    assert readable(text) == kept


@given(ANY_TEXT, st.integers(1, 50))
def test_any_text_becomes_short_encodable_and_stays_as_it_is(text, limit):
    once = readable(text, limit=limit)
    assert len(once) <= limit
    assert once.encode().decode() == once
    assert readable(once, limit=limit) == once


@given(ANY_TEXT)
def test_what_is_stored_differs_only_where_postgresql_refuses(text):
    kept = storable(text)
    assert len(kept) == len(text)
    kept.encode()  # raises where a lone surrogate is left
    assert all(b in (a, "\ufffd") for a, b in zip(text, kept, strict=True))


def test_an_exception_whose_text_raises_is_still_described():
    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError

    assert describe(HostileError()) == "HostileError: (its text cannot be read)"
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("\r")) == "ValueError: \n"


def test_json_is_cleaned_at_any_depth():
    assert storable_json({"a\0": ["\ud800", {"b": ("x", 1, None)}]}) == {
        "a\ufffd": ["\ufffd", {"b": ["x", 1, None]}]
    }
    assert json.loads(json.dumps(storable_json({"k": True}))) == {"k": True}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("\x1b[2J\x1b]0;owned\x07", "\ufffd[2J\ufffd]0;owned\ufffd"),
        ("paid 9\rpaid 1", "paid 9\npaid 1"),
        ("a\tb\n" * 9_000, "a\tb\n" * 9_000),
        ("\x1b" * 9_000, "\ufffd" * 9_000),
    ],
    ids=["empty", "escapes", "overwritten", "long", "long escapes"],
)
def test_a_terminal_shows_a_text_of_any_length_and_obeys_none(text, shown):
    assert for_terminal(text) == shown


def test_one_is_counted_in_the_singular():
    told = [counted(n, "problem") for n in (0, 1, 2)]
    assert told == ["0 problems", "1 problem", "2 problems"]


@pytest.mark.parametrize(
    "start", [*"=+-@\t\r\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_a_cell_that_a_spreadsheet_would_run_stays_text(start):
    assert csv_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


def test_numbers_and_plain_texts_stay_as_they_are_in_a_cell():
    cells = [-1.5, None, "a-b", "", "1 = 1"]
    assert [csv_cell(cell) for cell in cells] == cells
