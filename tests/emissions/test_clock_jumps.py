"""A clock that jumps pays no period twice, leaves none out, and stops none for long."""

from datetime import timedelta

import pytest

from emissions.checkpoints import close_due
from emissions.models import Checkpoint
from scoring.cycle import run_cycle
from tests.conftest import NOW
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
JUMPS = [timedelta(hours=h) for h in (1, 6, 24)]


@pytest.fixture
def competition(db, tape, frozen_clock):
    """Pays by the hour; active since NOW."""
    return make_competition(NOW, emission_interval_s=3600)


def scored(competition, at, model, when):
    """A round that is asked a minute before `when` and scored then."""
    with at(when):
        put_candles(when - 2 * MINUTE, [100.0, 101.0])
        make_round(competition, when - MINUTE, {model: 1.0})
        assert run_cycle(competition_id=competition.pk).scored == 1


def closed(at, when):
    with at(when):
        return [made.period_end for made in close_due(now=when)]


def paid_predictions():
    return [
        sum(entry["prediction_count"] for entry in made.meta["ranking"])
        for made in Checkpoint.objects.order_by("period_start")
    ]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_jump_ahead_pays_every_score_once(competition, at, jump):
    [model] = make_models(competition, "a")
    scored(competition, at, model, NOW + 10 * MINUTE)
    assert closed(at, NOW + 10 * MINUTE + jump) == [NOW + HOUR]
    scored(competition, at, model, NOW + 20 * MINUTE)
    assert closed(at, NOW + 20 * MINUTE) == []
    scored(competition, at, model, NOW + 70 * MINUTE)
    assert closed(at, NOW + 2 * HOUR) == [NOW + 2 * HOUR]
    assert paid_predictions() == [1, 2]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_jump_back_pays_nothing_twice_and_goes_on(competition, at, jump):
    [model] = make_models(competition, "a")
    scored(competition, at, model, NOW + 10 * MINUTE)
    assert closed(at, NOW + HOUR) == [NOW + HOUR]
    assert closed(at, NOW + HOUR - jump) == []
    scored(competition, at, model, NOW + 70 * MINUTE)
    assert closed(at, NOW + 2 * HOUR) == [NOW + 2 * HOUR]
    assert paid_predictions() == [1, 1]
