"""Answers of the scope and call slots: the valid ones, and errors for the others."""

import math
from datetime import datetime

import pytest
from pydantic import BaseModel

from competitions.callables.slot_answers import checked_call, checked_scope, fitting
from competitions.gateway.types import Argument


class Shown(BaseModel):
    """An input type; what else is shown is the operator's business."""

    price: float = 0.0


def test_an_input_is_shown_as_the_slot_gave_it():
    data = {"price": 1, "text": r"\u0000", "deep": [{"é": "\u2028"}, (1, 2)]}
    assert fitting(data, Shown) is data
    assert fitting(Shown(price=2), Shown) == {"price": 2.0}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "a JSON object is needed"),
        ([1], "a JSON object is needed"),
        ({"price": "high"}, "does not fit Shown: price"),
        ({"deep": [{"a": math.nan}]}, "a number was nan"),
        ({"deep": [{"a": -math.inf}]}, "a number was -inf"),
        ({"deep": ["\0"]}, "cannot be stored"),
        ({"\0": 1}, "cannot be stored"),
        ({"deep": ["\ud800"]}, "cannot be stored"),
        ({"\udfff": 1}, "cannot be stored"),
        ({"at": datetime(2026, 1, 1)}, "datetime is not JSON"),  # noqa: DTZ001  any object
    ],
)
def test_an_input_that_no_round_can_keep_is_refused(data, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        fitting(data, Shown)


def test_arguments_get_the_type_of_their_value():
    call = checked_call(
        {"args": ("BTC", 3, 0.5, True, None, [1]), "kwargs": {"depth": {"a": 1}}}
    )
    assert call.args == (
        Argument("STRING", "BTC"),
        Argument("INT", 3),
        Argument("DOUBLE", 0.5),
        Argument("JSON", True),
        Argument("JSON", None),
        Argument("JSON", [1]),
    )
    assert call.kwargs == {"depth": Argument("JSON", {"a": 1})}


@pytest.mark.parametrize(
    "call",
    [
        None,
        {"args": "BTC", "kwargs": {}},
        {"args": {"a": 1}, "kwargs": {}},
        {"args": []},
        {"args": [], "kwargs": [("a", 1)]},
        {"args": [], "kwargs": {1: 2}},
        {"args": [], "kwargs": {"two words": 2}},
        {"args": [b"raw"], "kwargs": {}},
        {"args": [2**63], "kwargs": {}},
        {"args": [math.nan], "kwargs": {}},
        {"args": [math.inf], "kwargs": {}},
        {"args": [{"deep": [math.nan]}], "kwargs": {}},
        {"args": [[datetime(2026, 1, 1)]], "kwargs": {}},  # noqa: DTZ001  any object
        {"args": ["\ud800"], "kwargs": {}},
        {"args": [], "kwargs": {"depth": object()}},
    ],
)
def test_what_the_wire_cannot_carry_is_refused(call):
    with pytest.raises((TypeError, ValueError)):
        checked_call(call)


@pytest.mark.parametrize(
    "scoped",
    [
        None,
        "scope",
        {"scope_key": "k"},
        {"scope_key": "", "scope": {}},
        {"scope_key": "k" * 121, "scope": {}},
        {"scope_key": "k", "scope": [1]},
        {"scope_key": "k", "scope": {"a": math.nan}},
        {"scope_key": "k", "scope": {"a": "\0"}},
        {"scope_key": "k\0", "scope": {}},
        {"scope_key": "k", "scope": {"a": datetime(2026, 1, 1)}},  # noqa: DTZ001  as above
    ],
)
def test_a_scope_that_no_round_can_keep_is_refused(scoped):
    with pytest.raises((TypeError, ValueError)):
        checked_scope(scoped)


def test_a_scope_is_given_back_as_json_keeps_it():
    scope = {"scope_key": "k", "scope": {"a": (1, 2)}}
    assert checked_scope(scope) == {"scope_key": "k", "scope": {"a": [1, 2]}}
