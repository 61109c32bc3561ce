from datetime import timedelta

import pytest

from competitions import grid_dispatch, lifecycle
from competitions.errors import DefinitionError
from competitions.models import Round, ScheduledPrediction
from competitions.tournament.opening import open_round
from tests.conftest import NOW

SLOT = NOW + timedelta(minutes=1)


def test_nothing_is_due_before_the_slot(competition):
    assert grid_dispatch.dispatch() == []
    assert not Round.objects.exists()


def test_a_slot_becomes_one_round_however_often_it_is_dispatched(competition, at):
    with at(SLOT):
        assert grid_dispatch.dispatch() == [competition.pk]
        ScheduledPrediction.objects.update(next_slot_at=SLOT)
        assert grid_dispatch.dispatch() == [competition.pk]
    round_ = Round.objects.get()
    assert (round_.slot_at, round_.status) == (SLOT, "RECEIVED")
    assert ScheduledPrediction.objects.get().next_slot_at == SLOT + timedelta(minutes=1)


def test_a_schedule_that_is_not_active_is_never_asked(competition, at):
    ScheduledPrediction.objects.update(active=False, next_slot_at=SLOT)
    with at(SLOT + timedelta(minutes=3)):
        assert grid_dispatch.dispatch() == []
    assert not Round.objects.exists()


def test_slots_of_an_outage_are_recorded_as_missed_with_the_reason(competition, at):
    with at(SLOT + timedelta(minutes=5)):
        grid_dispatch.dispatch()
    statuses = list(Round.objects.order_by("slot_at").values_list("status", flat=True))
    assert statuses == ["MISSED"] * 5 + ["RECEIVED"]
    said = "no worker was up; the slot came up 300 s late"
    assert Round.objects.order_by("slot_at")[0].reason == said


def test_a_pass_is_bounded_and_the_next_one_goes_on(competition, at, monkeypatch):
    monkeypatch.setattr(grid_dispatch, "MOST_SLOTS_A_PASS", 3)
    with at(SLOT + timedelta(minutes=4)):
        grid_dispatch.dispatch()
        assert Round.objects.count() == 3
        grid_dispatch.dispatch()
    assert Round.objects.count() == 5


def test_dispatch_needs_the_same_statements_for_one_and_many_slots(
    competition, at, django_assert_num_queries
):
    with at(SLOT), django_assert_num_queries(5):
        grid_dispatch.dispatch()
    with at(SLOT + timedelta(minutes=50)), django_assert_num_queries(5):
        grid_dispatch.dispatch()


def test_a_paused_competition_gets_no_rounds(competition, at):
    lifecycle.pause(competition_id=competition.pk)
    with at(SLOT):
        assert grid_dispatch.dispatch() == []


def test_rounds_that_wait_are_not_asked_while_their_competition_is_paused(
    competition, at
):
    with at(SLOT):
        assert grid_dispatch.dispatch() == [competition.pk]
        lifecycle.pause(competition_id=competition.pk)
        assert grid_dispatch.dispatch() == []
        assert Round.objects.to_ask(SLOT).count() == 1


def test_a_slot_is_due_at_its_very_instant_and_not_before(competition, at):
    with at(SLOT - timedelta.resolution):
        assert grid_dispatch.dispatch() == []
    with at(SLOT):
        assert grid_dispatch.dispatch() == [competition.pk]
    assert Round.objects.get().slot_at == SLOT


def test_who_is_asking_has_time_to_finish_before_a_round_is_reaped(
    competition, at, settings
):
    """It may begin 15 s late, waits four times 20 s for models, and has 10 s over."""
    settings.ENV = settings.ENV.model_copy(update={"model_runner_timeout_s": 20.0})
    with at(SLOT):
        grid_dispatch.dispatch()
    with at(SLOT + timedelta(seconds=15 + 4 * 20 + 10)):
        assert grid_dispatch.reap() == 0
    with at(SLOT + timedelta(seconds=15 + 4 * 20 + 11)):
        assert grid_dispatch.reap() == 1
    assert Round.objects.get().status == "MISSED"


def test_a_round_that_waited_too_long_is_reaped(competition, at):
    with at(SLOT):
        grid_dispatch.dispatch()
        assert grid_dispatch.reap() == 0
    with at(SLOT + timedelta(minutes=3)):
        assert grid_dispatch.reap() == 1
    assert Round.objects.get().reason == "no worker asked the models in time"


def test_predict_now_makes_one_round_however_often_it_is_pressed(competition):
    assert grid_dispatch.predict_now(competition_id=competition.pk) == 1
    grid_dispatch.predict_now(competition_id=competition.pk)
    assert Round.objects.get().slot_at == NOW


def test_predict_now_asks_once_a_second_however_fast_it_is_pressed(competition, at):
    for later_ms in (0, 400, 999, 1000):
        with at(NOW + timedelta(milliseconds=later_ms)):
            grid_dispatch.predict_now(competition_id=competition.pk)
    slots = Round.objects.order_by("slot_at").values_list("slot_at", flat=True)
    assert list(slots) == [NOW, NOW + timedelta(seconds=1)]


def test_predict_now_needs_an_active_competition(competition):
    lifecycle.pause(competition_id=competition.pk)
    with pytest.raises(DefinitionError, match="activate it first"):
        grid_dispatch.predict_now(competition_id=competition.pk)
    assert not Round.objects.exists()


@pytest.mark.parametrize(
    ("interval_s", "horizon_s", "latest_s"),
    [(3600, 60, 15), (3600, 3600, 900), (15, 60, 15), (60, 3600, 60), (3600, 0, 10)],
)
def test_how_late_a_round_is_asked_goes_by_its_horizon(
    competition, at, interval_s, horizon_s, latest_s
):
    hour = NOW + timedelta(hours=1)
    competition.scheduled_predictions.update(
        prediction_interval_s=interval_s,
        resolve_horizon_s=horizon_s,
        next_slot_at=hour,
        starts_at=hour,
    )
    for late_s, status in ((latest_s, "RECEIVED"), (latest_s + 1, "MISSED")):
        Round.objects.all().delete()
        competition.scheduled_predictions.update(next_slot_at=hour)
        with at(hour + timedelta(seconds=late_s)):
            grid_dispatch.dispatch()
        assert Round.objects.get(slot_at=hour).status == status


def test_predict_now_asks_the_schedules_that_run_alone(competition):
    competition.scheduled_predictions.update(active=False)
    assert grid_dispatch.predict_now(competition_id=competition.pk) == 0
    assert not Round.objects.exists()


def test_a_posted_round_has_its_competition_asked_without_a_slot_of_the_grid(
    competition, at
):
    assert grid_dispatch.dispatch() == []
    open_round(competition=competition, round_id="r1", features=[{"x": 1}])
    assert grid_dispatch.dispatch() == [competition.pk]
