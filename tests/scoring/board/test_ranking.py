"""The order of a board, and who has a rank."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competitions.contract import Aggregation, CrunchConfig
from competitions.models import (
    ParticipantModel,
)
from competitions.slots import wire
from scoring.board.ranking import ranked
from scoring.models import Snapshot
from tests.scoring.board.conftest import REVERSED, WIRING, line, lines_at, snap
from tests.scoring.factories import make_models

NO_DOOR = None  # the engine's own ranker needs none


@pytest.mark.parametrize(("direction", "order"), [("desc", "cbad"), ("asc", "abcd")])
def test_unknown_stands_last_without_a_rank_in_both_directions(
    competition, direction, order
):
    a, b, c, _ = make_models(competition, *"abcd")
    for model, value in ((a, -1.0), (b, 0.0), (c, 2.0)):
        snap(model, 1, value)
    config = CrunchConfig(aggregation=Aggregation(ranking_direction=direction))
    found = lines_at(competition, wiring=wire(config, {}))
    assert list(found) == list(order)
    assert [line.rank for line in found.values()] == [1, 2, 3, None]


def test_a_metric_can_be_the_ranking_key(competition):
    a, b = make_models(competition, *"ab")
    snap(a, 1, 9.0, ic=0.1)
    snap(b, 1, 1.0, ic=0.3, count=1)
    snap(b, 2, 1.0, ic=None)
    config = CrunchConfig(aggregation=Aggregation(ranking_key="ic"))
    found = lines_at(competition, wiring=wire(config, {}))
    assert [(k, line.value) for k, line in found.items()] == [("b", 0.3), ("a", 0.1)]


def test_virtual_models_are_listed_without_a_rank(competition):
    a, b, ghost = make_models(competition, *"abg")
    ParticipantModel.objects.filter(pk=ghost.pk).update(is_virtual=True)
    for model, value in ((a, 1.0), (ghost, 2.0), (b, 3.0)):
        snap(model, 1, value)
    found = lines_at(competition)
    assert [(k, x.position, x.rank) for k, x in found.items()] == [
        ("b", 1, 1),
        ("g", 2, None),
        ("a", 3, 2),
    ]


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=4),
        st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_ranking_does_not_depend_on_the_order_of_the_input(values, shuffle):
    lines = [line(key, value) for key, value in values.items()]
    shuffled = random.Random(shuffle.random()).sample(lines, len(lines))
    assert ranked(lines, WIRING, NO_DOOR) == ranked(shuffled, WIRING, NO_DOOR)
    ordered = [x.value for x in ranked(lines, WIRING, NO_DOOR)]
    known = [value for value in ordered if value is not None]
    assert known == sorted(known, reverse=True)
    assert ordered[: len(known)] == known
    ranks = [x.rank for x in ranked(lines, WIRING, NO_DOOR)]
    nobody = [None] * (len(ordered) - len(known))
    assert ranks == [*range(1, len(known) + 1), *nobody]


def test_who_never_scored_has_no_rank(competition):
    _, scored = make_models(competition, "a", "b")
    snap(scored, 1, -3.0)
    found = [
        (x.model.model_id, x.rank, x.position) for x in lines_at(competition).values()
    ]
    assert found == [("b", 1, 1), ("a", None, 2)]
    Snapshot.objects.all().delete()
    found = [
        (x.model.model_id, x.rank, x.position) for x in lines_at(competition).values()
    ]
    assert found == [("a", None, 1), ("b", None, 2)]


def test_a_ranker_of_the_operator_decides_the_order(competition):
    a, b = make_models(competition, *"ab")
    snap(a, 1, 2.0)
    snap(b, 1, 1.0)
    wiring = wire(CrunchConfig(), {"LEADERBOARD_RANKER": REVERSED})
    assert list(lines_at(competition, wiring=wiring)) == ["b", "a"]
