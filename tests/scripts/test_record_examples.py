"""An example is short, its measures are round, and it names no place of a machine."""

import pytest

from scripts.record_examples import example_of, rows_of, shown


@pytest.mark.parametrize(
    ("body", "example"),
    [
        ([{"id": 1}, {"id": 2}], {"id": 1}),
        ([], None),
        (
            {"results": [{"id": 1}, {"id": 2}], "next": "x"},
            {"results": [{"id": 1}], "next": None},
        ),
        ({"results": [], "next": None}, None),
        ({"status": "ok"}, {"status": "ok"}),
        (None, None),
    ],
)
def test_of_a_list_the_first_row_is_shown(body, example):
    assert example_of(body) == example


def test_measures_are_rounded_and_places_hidden():
    found = shown(
        {
            "exec_time_us": 5121,
            "mean_us": 12,
            "amount": 5121,
            "is_us": True,
            "at": "file:///home/olga/demo/var/livepool/v1",
            "values": [1, 2, 3],
        }
    )
    assert found == {
        "exec_time_us": 5000,
        "mean_us": 12,
        "amount": 5121,
        "is_us": True,
        "at": "file:///srv/crunchsite/var/livepool/v1",
        "values": [1, 2],
    }


def test_rows_are_found_whatever_is_around_them():
    assert rows_of([1]) == [1]
    assert rows_of({"after": 3, "events": [1]}) == [1]
    assert rows_of({"status": "ok"}) == []
    assert rows_of(None) == []
