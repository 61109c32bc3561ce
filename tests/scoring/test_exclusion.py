"""An excluded model is scored on, without a rank and a weight, until readmitted."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from competitions.contract import CrunchConfig, EnsembleConfig
from competitions.exclusion import exclude, readmit
from competitions.models import Prediction
from competitions.slots import wire
from core import clock
from scoring.board.leaderboard import is_behind, publish
from scoring.board.rank_change import explain
from scoring.board.standings import standings
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score, Snapshot
from tests.conftest import NOW
from tests.scoring.board.conftest import HOUR, WIRING, snap
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE = timedelta(minutes=1)


@pytest.fixture
def user(db):
    return User.objects.create_user("ops")


@pytest.fixture
def four(competition):
    """Four models of which b and c tie; d has no figure."""
    models = make_models(competition, *"abcd")
    for model, value in zip(models[:3], (3.0, 2.0, 2.0), strict=True):
        snap(model, 1, value)
    return models


def ranks(competition):
    [board] = Leaderboard.objects.filter(competition=competition, is_newest=True)
    rows = board.entries.order_by("position").values_list("model__model_id", "rank")
    return [*rows]


def board(competition):
    publish(competition=competition, wiring=WIRING, now=clock.now())
    return ranks(competition)


def test_it_stands_below_all_without_a_rank_and_the_others_move_up(
    competition, four, user
):
    before = [("a", 1), ("b", 2), ("c", 3), ("d", None)]
    assert board(competition) == before
    exclude(model=four[0].pk, reason="it copies", user=user)
    assert board(competition) == [("b", 1), ("c", 2), ("d", None), ("a", None)]
    exclude(model=four[1].pk, reason="so does it", user=user)
    assert board(competition) == [("c", 1), ("d", None), ("a", None), ("b", None)]
    for model in four[:2]:
        readmit(model=model.pk, reason="it did not", user=user)
    assert board(competition) == before


def test_a_ranker_of_the_operators_does_not_receive_it(
    competition, four, user, monkeypatch
):
    seen = []

    def backwards(entries):
        seen.append([entry["model_id"] for entry in entries])
        return [{**entry, "rank": -i} for i, entry in enumerate(entries)]

    monkeypatch.setattr(
        "tests.competitions.own_callables.backwards", backwards, raising=False
    )
    wiring = wire(
        CrunchConfig(),
        {"LEADERBOARD_RANKER": "tests.competitions.own_callables:backwards"},
    )
    exclude(model=four[1].pk, reason="it copies", user=user)
    lines = standings(competition=competition, wiring=wiring, as_of=NOW)
    assert seen == [["a", "c", "d"]]
    assert [(line.model.model_id, line.rank) for line in lines] == [
        ("d", None),
        ("c", 1),
        ("a", 2),
        ("b", None),
    ]


def test_the_newest_board_is_behind_until_it_shows_the_exclusion(
    competition, four, user, django_assert_num_queries
):
    board(competition)
    assert not is_behind(competition, NOW)
    exclude(model=four[0].pk, reason="it copies", user=user)
    with django_assert_num_queries(1):
        assert is_behind(competition, NOW)
    board(competition)
    assert not is_behind(competition, NOW)
    readmit(model=four[0].pk, reason="it did not", user=user)
    assert is_behind(competition, NOW)


def test_a_rank_before_the_exclusion_is_still_explained(competition, four, at, user):
    with at(NOW + HOUR):
        exclude(model=four[0].pk, reason="it copies", user=user)
    of = {"competition": competition, "wiring": WIRING}
    between = {"since": NOW, "until": NOW + 2 * HOUR}
    out = explain(**of, **between, model=four[0])
    assert (out.rank_before, out.rank_after) == (1, None)
    up = explain(**of, **between, model=four[1])
    assert (up.rank_before, up.rank_after, up.overtook) == (2, 1, ["a"])


def test_who_loses_or_gets_a_rank_has_passed_nobody(competition, four, at, user):
    with at(NOW + HOUR):
        exclude(model=four[2].pk, reason="it copies", user=user)
    of = {"competition": competition, "wiring": WIRING, "model": four[2]}
    instants = [NOW, NOW + 2 * HOUR]
    for (since, until), expected in (
        (instants, (3, None)),
        (instants[::-1], (None, 3)),
    ):
        out = explain(**of, since=since, until=until)
        assert (out.rank_before, out.rank_after) == expected
        assert (out.overtaken_by, out.overtook) == ([], [])


def test_it_is_scored_on_and_leaves_ensembles_from_then_on(
    competition, at, rewire, user
):
    put_candles(NOW - 62 * MINUTE, [100.0 + i * i % 11 for i in range(150)])
    rewire(ensembles=(EnsembleConfig(name="all"),))
    a, b = make_models(competition, "a", "b")
    make_round(competition, NOW, {a: 1.0, b: 3.0})
    with at(NOW + 2 * MINUTE):
        run_cycle(competition_id=competition.pk)
        exclude(model=b.pk, reason="it copies", user=user)
        make_round(competition, NOW + 2 * MINUTE, {a: 1.0, b: 3.0})
        make_round(competition, NOW + 3 * MINUTE, {b: 3.0})
    with at(NOW + 5 * MINUTE):
        run_cycle(competition_id=competition.pk)
    of_ensemble = Prediction.objects.filter(model__is_virtual=True)
    assert [*of_ensemble.order_by("round__slot_at").values_list("meta", "output")] == [
        ({"ensemble_name": "all", "weights": {"a": 0.5, "b": 0.5}}, {"value": 2.0}),
        ({"ensemble_name": "all", "weights": {"a": 1.0}}, {"value": 1.0}),
    ]
    assert Score.objects.filter(prediction__model=b, success=True).count() == 3
    assert Snapshot.objects.get(model=b).prediction_count == 3
    assert dict(ranks(competition))["b"] is None
