"""A clock that jumps makes nothing twice, asks nothing early, stops nothing long."""

from datetime import timedelta

import pytest

from competitions import grid_dispatch
from competitions.models import Round, ScheduledPrediction
from competitions.rounds.perform import perform_waiting
from feeds.tape.writes import append
from tests.competitions.conftest import AnsweringGateway, candles
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)
JUMPS = [timedelta(hours=h) for h in (1, 6, 24)]


@pytest.fixture
def models(competition, tape, at):
    """One model, and a market that is on the tape for a day before and after NOW."""
    day = timedelta(days=1, hours=1)
    with at(NOW + day):
        append(candles(NOW - day, [100.0 + i for i in range(2 * day // MINUTE)]))
    return AnsweringGateway({"m1": {"value": 1.0}})


def tick(at, when, competition, models) -> int:
    """Beat and a worker at an instant of the site's clock; rounds that were asked."""
    with at(when):
        grid_dispatch.dispatch()
        grid_dispatch.reap()
        return perform_waiting(competition_id=competition.pk, gateway=models)


def outcomes() -> list[tuple[int, str, bool]]:
    """Minutes after NOW, status and whether asked, of the rounds up to ten minutes."""
    return [
        ((r.slot_at - NOW) // MINUTE, r.status, r.performed_at is not None)
        for r in Round.objects.order_by("slot_at")
        if r.slot_at <= NOW + 10 * MINUTE
    ]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_tick_of_beat_ahead_of_time_costs_no_round(at, competition, models, jump):
    with at(NOW + jump):
        grid_dispatch.dispatch()  # Beat's clock alone is wrong
    for minute in range(1, 6):
        assert tick(at, NOW + minute * MINUTE, competition, models) == 1, minute
    assert outcomes()[:5] == [(m, "RECEIVED", True) for m in range(1, 6)]
    slot = ScheduledPrediction.objects.get().next_slot_at
    assert slot == NOW + 6 * MINUTE


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_rounds_of_instants_to_come_are_not_asked(at, competition, models, jump):
    with at(NOW + jump):
        assert grid_dispatch.dispatch() == [competition.pk]
    assert grid_dispatch.dispatch() == []
    assert perform_waiting(competition_id=competition.pk, gateway=models) == 0
    assert models.asked == []


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_tick_behind_time_makes_nothing_twice_and_misses_nothing(
    at, competition, models, jump
):
    assert tick(at, NOW + MINUTE, competition, models) == 1
    assert tick(at, NOW + MINUTE - jump, competition, models) == 0
    assert tick(at, NOW + 2 * MINUTE, competition, models) == 1
    assert outcomes() == [(1, "RECEIVED", True), (2, "RECEIVED", True)]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_that_goes_back_for_good_asks_each_slot_once(
    at, competition, models, jump
):
    assert tick(at, NOW + MINUTE, competition, models) == 1
    back = NOW + MINUTE - jump
    assert tick(at, back, competition, models) == 0
    assert tick(at, back + MINUTE, competition, models) == 1
    asked = [r.slot_at for r in Round.objects.order_by("slot_at")]
    assert asked == [back + MINUTE, NOW + MINUTE]
    assert ScheduledPrediction.objects.get().next_slot_at == back + 2 * MINUTE


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_that_goes_ahead_for_good_goes_on_at_once(
    at, competition, models, jump
):
    tick(at, NOW + MINUTE, competition, models)
    tick(at, NOW + jump, competition, models)
    assert Round.objects.get(slot_at=NOW + jump).performed_at is not None
    missed = Round.objects.filter(status="MISSED").count()
    assert missed == jump // MINUTE - 2
