import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.renderers import JSONRenderer

from core.rendering import FastJson, Written

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.uuids(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\u2028é"), inner),
    max_leaves=20,
)


def rendered(data: object, accepted: str = "application/json") -> bytes:
    return FastJson().render(data, accepted)


@given(PLAIN)
def test_answers_are_those_of_rest_framework(data: object) -> None:
    assert json.loads(rendered(data) or b"0") == json.loads(
        JSONRenderer().render(data) or b"0"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), '"2026-03-01T12:00:00Z"'),
        (datetime(2026, 3, 1, 12, 0, 0, 50, UTC), '"2026-03-01T12:00:00.000050Z"'),
        (date(2026, 3, 1), '"2026-03-01"'),
        (Decimal("1.50"), '"1.50"'),
        (timedelta(hours=1), '"PT1H"'),
        (UUID(int=3), '"00000000-0000-0000-0000-000000000003"'),
        ({"ä": [1, 0.1 + 0.2, None, True]}, '{"ä":[1,0.30000000000000004,null,true]}'),
        (gettext_lazy("a text"), '"a text"'),
        ("a NaN and Infinity", '"a NaN and Infinity"'),
        ("a\u2028b\u2029", r'"a\u2028b\u2029"'),
    ],
)
def test_each_kind_of_value_is_written_in_one_way(value: object, written: str) -> None:
    assert rendered(value) == written.encode()


def test_nothing_is_an_empty_answer() -> None:
    assert rendered(None) == b""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_infinite_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        rendered([value])


def test_whoever_asks_for_indentation_gets_it() -> None:
    assert rendered([1], "application/json; indent=1") == b"[\n 1\n]"


def test_what_is_written_already_is_put_in_its_place() -> None:
    rows = [{"a": Written('{"x": 1.10}'), "b": 1}, {"a": Written("[]"), "b": None}]
    assert rendered(rows) == b'[{"a":{"x": 1.10},"b":1},{"a":[],"b":null}]'
    assert rendered([Written('"a\u2028b"')]) == rb'["a\u2028b"]'


def test_what_is_written_already_is_indented_like_the_rest() -> None:
    written = rendered([Written('{"x":  1}')], "application/json; indent=1")
    assert written == b'[\n {\n  "x": 1\n }\n]'
