"""A cycle, and a correction, killed before any of its statements and commits."""

from datetime import timedelta

import pytest

from competitions.contract import EnsembleConfig
from competitions.models import Competition, Prediction, Round
from scoring import corrections
from scoring.board import closed_sums
from scoring.corrections import rescore, void
from scoring.cycle import run_cycle
from scoring.models import (
    Leaderboard,
    LeaderboardEntry,
    Rescoring,
    Score,
    Snapshot,
    VoidWindow,
)
from tests import kills
from tests.conftest import NOW
from tests.kills import steps_of
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db(transaction=True)


def dies(step, work):
    """Whether the work was killed at that step; what it kept in memory is gone."""
    is_dead = kills.dies(step, work)
    if is_dead:
        closed_sums.forget()
    return is_dead


@pytest.fixture
def market(tape, frozen_clock, rewire, monkeypatch):
    wiring = rewire(ensembles=(EnsembleConfig(name="all"),))
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    put_candles(NOW - 62 * MINUTE, [100.0 + i * i % 7 for i in range(90)])


def a_competition(number, at):
    """An hour with a board behind it, and due rounds of the next hour."""
    competition = make_competition(NOW - timedelta(hours=2), slug=f"c{number}")
    a, b = make_models(competition, "a", "b")
    for i in range(3):
        make_round(competition, NOW - (30 - i) * MINUTE, {a: 1.0 - i, b: None})
    with at(NOW - 20 * MINUTE):
        run_cycle(competition_id=competition.pk)
    for i in range(3):
        make_round(competition, NOW + i * MINUTE, {a: float(i), b: -1.0})
    return competition


def state(competition):
    """All that a competition's scoring has written, without keys and instants."""
    of = {"model__competition": competition}
    return {
        "rounds": list(
            Round.objects.filter(competition=competition)
            .order_by("slot_at")
            .values_list("slot_at", "status", "reason", "actuals")
        ),
        "answers": Prediction.objects.filter(**of).count(),
        "scores": list(
            Score.objects.filter(prediction__model__competition=competition)
            .order_by(
                "prediction__round__slot_at",
                "prediction__model__model_id",
                "scoring_version",
            )
            .values_list("prediction__model__model_id", "scoring_version", "value")
        ),
        "snapshots": list(
            Snapshot.objects.filter(**of)
            .order_by("period_start", "model__model_id", "revision")
            .values_list("period_start", "content_hash", "is_closed", "revision")
        ),
        "boards": Leaderboard.objects.filter(competition=competition).count(),
        "board": list(
            LeaderboardEntry.objects.filter(leaderboard__is_newest=True, **of)
            .order_by("position")
            .values_list("model__model_id", "rank", "metrics", "samples")
        ),
        "corrections": Rescoring.objects.filter(competition=competition).count()
        + VoidWindow.objects.filter(competition=competition).count(),
    }


def test_the_next_cycle_completes_one_that_was_killed_anywhere(market, at):
    def cycle(competition):
        with at(NOW + 6 * MINUTE):
            run_cycle(competition_id=competition.pk)

    whole = a_competition(0, at)
    steps = steps_of(lambda: cycle(whole), least=30)
    expected = state(whole)
    assert len(expected["scores"]) == 3 + 6 + 6  # of a, of both, and of the ensemble
    assert [row[2] for row in expected["snapshots"]] == [True] * 3 + [False] * 3
    for step in steps:
        competition = a_competition(step, at)
        assert dies(step, lambda of=competition: cycle(of))
        cycle(competition)
        assert state(competition) == expected, f"killed before statement {step}"
    assert Competition.objects.count() == len(steps) + 1


@pytest.mark.parametrize("correct", [rescore, void])
def test_a_correction_that_was_killed_anywhere_has_not_happened(market, at, correct):
    def work(competition):
        with at(NOW + 6 * MINUTE):
            correct(
                competition_id=competition.pk,
                start=NOW - 60 * MINUTE,
                end=NOW,
                reason="the exchange was down",
                author="olga",
            )

    def ready(number):
        competition = a_competition(number, at)
        with at(NOW + 6 * MINUTE):
            run_cycle(competition_id=competition.pk)
        return competition

    whole, killed = ready(0), ready(1)
    steps = steps_of(lambda: work(whole), least=30)
    before = state(killed)
    for step in steps:
        assert dies(step, lambda: work(killed))
        assert state(killed) == before, f"killed before statement {step}"
    work(killed)
    assert state(killed) == state(whole) != before
