from datetime import timedelta

import pytest

from competitions import lifecycle
from competitions.errors import CompetitionError, DefinitionError, PackError
from competitions.models import Competition
from feeds.errors import OperatorError
from feeds.models import FeedSubscription
from tests.conftest import NOW


def test_a_competition_takes_schedule_and_cadence_from_its_pack(competition):
    scheduled = competition.scheduled_predictions.get()
    assert (scheduled.scope_key, scheduled.prediction_interval_s) == ("default", 60)
    assert competition.checkpoint_interval_s == 60
    assert competition.feed_granularity == "1m"


def test_activation_starts_at_the_next_slot_and_subscribes_the_feed(competition):
    assert competition.status == "ACTIVE"
    scheduled = competition.scheduled_predictions.get()
    assert scheduled.next_slot_at == NOW + timedelta(minutes=1)
    assert str(FeedSubscription.objects.get()) == "simulated:BTCUSDT:candle:1m"


def test_creating_it_again_keeps_one_row_and_its_schedule(competition):
    before = competition.scheduled_predictions.get().pk
    again = lifecycle.create_competition(slug="btc", pack_name="tournament")
    assert again.pk == competition.pk
    keys = dict(again.scheduled_predictions.values_list("scope_key", "active"))
    assert keys == {"default": False, "in-sample-btc": True, "out-of-sample-btc": True}
    assert again.scheduled_predictions.get(scope_key="default").pk == before


def test_a_bad_pack_provider_or_schedule_leaves_nothing_behind(db, frozen_clock):
    for wrong in (
        {"pack_name": "moon"},
        {"feed_source": "moon"},
        {"feed_granularity": "1h"},
        {"config_path": "moon:X"},
    ):
        with pytest.raises(OperatorError, match=r"moon|horizon"):
            lifecycle.create_competition(
                **{"slug": "x", "pack_name": "baseline"} | wrong
            )
    assert not Competition.objects.exists()


def test_activation_lists_everything_that_is_missing(competition):
    lifecycle.pause(competition_id=competition.pk)
    Competition.objects.update(slots={"SCORING_FUNCTION": "moon:score"})
    competition.scheduled_predictions.update(active=False)
    with pytest.raises(DefinitionError) as caught:
        lifecycle.activate(competition_id=competition.pk)
    assert "SCORING_FUNCTION was 'moon:score'" in str(caught.value)
    assert "no active scheduled prediction" in str(caught.value)
    competition.refresh_from_db()
    assert competition.status == "PAUSED"


def test_pausing_stops_the_grid_and_activating_resumes_after_now(competition):
    lifecycle.pause(competition_id=competition.pk)
    assert competition.scheduled_predictions.get().next_slot_at is None
    with pytest.raises(CompetitionError, match="was PAUSED"):
        lifecycle.pause(competition_id=competition.pk)
    lifecycle.activate(competition_id=competition.pk)
    assert competition.scheduled_predictions.get().next_slot_at > NOW


def test_pack_errors_carry_a_stable_code():
    assert PackError.code == "pack_invalid"
