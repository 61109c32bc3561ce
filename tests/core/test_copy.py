"""COPY keeps any text unchanged, and distinguishes NULL from every text."""

import json
from datetime import UTC, datetime

import psycopg2
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from core.copy import copy_binary, copy_rows
from core.texts import storable, storable_json

pytestmark = pytest.mark.django_db

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=8,
)


def copied(rows):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE copied (n int, t text, j jsonb) ON COMMIT DROP"
        )
        copy_rows(cursor, "copied", ("n", "t", "j"), rows)
        cursor.execute("SELECT t, j::text FROM copied ORDER BY n")
        found = cursor.fetchall()
        cursor.execute("DROP TABLE copied")
    return found


@pytest.mark.parametrize(
    "text",
    ["", "\r", "\n", "\r\n", "\x01", r"\N", r"\.", '"', ",", "\t", "\\", "x" * 100_000],
)
def test_a_text_comes_back_as_it_was(text):
    assert copied([(1, text, None), (2, None, None)]) == [(text, None), (None, None)]


def test_what_postgresql_cannot_hold_is_replaced():
    rows = [(1, "a\0b\ud800", {"k\0": ["\0", "\udfff"]})]
    assert copied(rows) == [("a\ufffdb\ufffd", '{"k\ufffd": ["\ufffd", "\ufffd"]}')]


@given(ANY_TEXT | st.none(), JSON)
def test_any_text_and_any_json_can_be_copied(text, data):
    [(kept, as_stored)] = copied([(1, text, [data])])
    assert kept == (None if text is None else storable(text))
    assert json.loads(as_stored) == storable_json([data])


ROWS = st.tuples(
    st.none() | st.binary(),
    st.none() | st.text().map(storable),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.datetimes(datetime.min, timezones=st.just(UTC)),  # noqa: DTZ901
)
EMPTY = (None, None, None, None)


@given(ROWS)
def test_bytes_texts_integers_and_instants_come_back_from_binary(row):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE packed (b bytea, t text, n bigint, at timestamptz) "
            "ON COMMIT DROP"
        )
        copy_binary(cursor, "packed", ("b", "t", "n", "at"), [row, EMPTY, row])
        cursor.execute("SELECT * FROM packed")
        found = [(b and bytes(b), *others) for b, *others in cursor.fetchall()]
        cursor.execute("DROP TABLE packed")
    assert found == [row, EMPTY, row]


@pytest.mark.parametrize("column", ["n int", "n text"])
def test_an_integer_of_another_size_is_refused(column):
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE sized ({column}) ON COMMIT DROP")
        with pytest.raises(psycopg2.DataError):
            copy_binary(cursor, "sized", ("n",), [(7,)])
