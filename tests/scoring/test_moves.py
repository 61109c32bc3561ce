import pytest

from scoring.board.aggregator import Entrant
from scoring.board.ranking import Standing
from scoring.moves import Move, moves_between


def line(model_id, rank, value):
    entrant = Entrant(pk=ord(model_id), model_id=model_id, name=model_id)
    return Standing(model=entrant, metrics={}, samples={}, value=value, rank=rank)


def test_only_lines_that_differ_are_moves_and_those_that_left_come_last():
    before = [line("a", 1, 3.0), line("b", 2, 2.0), line("c", 3, 1.0)]
    after = [line("c", 1, 4.0), line("a", 2, 3.0)]
    assert moves_between(before, after) == [
        Move("c", 3, 1, 1.0, 4.0),
        Move("a", 1, 2, 3.0, 3.0),
        Move("b", 2, None, 2.0, None),
    ]
    assert moves_between(before, before) == []


@pytest.mark.parametrize(
    ("move", "places", "difference"),
    [
        (Move("a", 3, 1, 1.0, 4.0), 2, 3.0),
        (Move("a", 1, 3, 4.0, 4.0), -2, 0.0),
        (Move("a", None, 1, None, 4.0), None, None),
        (Move("a", 1, None, 4.0, None), None, None),
    ],
)
def test_places_and_difference_are_unknown_without_both_sides(move, places, difference):
    assert (move.places, move.difference) == (places, difference)
