"""Ending a competition: it drains, is scored and paid a last time, and is ENDED."""

from datetime import timedelta

import pytest

from competitions import lifecycle
from competitions.exclusion import exclude
from competitions.models import Competition
from crunchsite.operator import ending
from emissions import checkpoints
from emissions.models import Checkpoint
from scoring.cycle import run_cycle
from scoring.models import Score, Snapshot
from tests.conftest import NOW
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def competition(db, tape, frozen_clock):
    return make_competition(NOW - HOUR)


def asked(competition):
    """A round that was asked at NOW; its truth is on the tape a minute later."""
    (model,) = make_models(competition, "a")
    make_round(competition, NOW, {model: 1.0})


def state(competition, at, when):
    with at(when):
        ending.finish_all()
    competition.refresh_from_db()
    return competition.status


def test_it_ends_after_its_last_scores_and_its_last_checkpoint(competition, at):
    asked(competition)
    lifecycle.end(competition_id=competition.pk)
    assert state(competition, at, NOW + 30 * timedelta(seconds=1)) == "PAUSED"
    with at(NOW + 2 * MINUTE):
        put_candles(NOW - MINUTE, [100.0, 101.0, 102.0])
    assert state(competition, at, NOW + 2 * MINUTE) == "PAUSED"
    assert Score.objects.count() == 1
    assert not Checkpoint.objects.exists()
    assert state(competition, at, NOW + HOUR) == "ENDED"
    assert Snapshot.objects.get().is_closed
    checkpoint = Checkpoint.objects.get()
    assert checkpoint.period_end == NOW + HOUR
    (paid,) = checkpoint.entries[0]["cruncher_rewards"]
    assert paid["reward_pct"] == 1_000_000_000
    assert state(competition, at, NOW + 9 * HOUR) == "ENDED"
    assert Checkpoint.objects.count() == 1


def test_it_does_not_end_unpaid_when_it_is_corrected_meanwhile(
    competition, at, django_user_model, monkeypatch
):
    asked(competition)
    lifecycle.end(competition_id=competition.pk)
    with at(NOW + 2 * MINUTE):
        put_candles(NOW - MINUTE, [100.0, 101.0, 102.0])
    state(competition, at, NOW + 2 * MINUTE)
    user, real = django_user_model.objects.create(), checkpoints.build_emission
    model = competition.models.get()

    def slow(**given):
        emission = real(**given)
        if not model.exclusion_reason:
            exclude(model=model.pk, reason="it copies b", user=user)
            model.refresh_from_db()
        return emission

    monkeypatch.setattr(checkpoints, "build_emission", slow)
    assert state(competition, at, NOW + HOUR) == "PAUSED"
    assert not Checkpoint.objects.exists()
    assert state(competition, at, NOW + HOUR) == "ENDED"
    assert Checkpoint.objects.get().meta["ranking"] == []


def test_whole_periods_are_paid_one_by_one_though_a_model_is_excluded_meanwhile(
    competition, at, django_user_model, monkeypatch
):
    Competition.objects.update(emission_interval_s=3600)
    models = make_models(competition, "a", "b")
    for begin in (NOW, NOW + HOUR):
        make_round(competition, begin, dict.fromkeys(models, 1.0))
        with at(begin + 2 * MINUTE):
            put_candles(begin - MINUTE, [100.0, 101.0, 102.0])
            run_cycle(competition_id=competition.pk)
    lifecycle.end(competition_id=competition.pk)
    user, real = django_user_model.objects.create(), checkpoints.build_emission

    def slow(**given):
        emission = real(**given)
        if not competition.models.exclude(excluded_at=None).exists():
            exclude(model=models[1].pk, reason="it copies a", user=user)
        return emission

    monkeypatch.setattr(checkpoints, "build_emission", slow)
    for _ in range(2):
        state(competition, at, NOW + 2 * HOUR)
    assert competition.status == "ENDED"
    periods = Checkpoint.objects.order_by("period_start")
    assert list(periods.values_list("period_start", "period_end")) == [
        (NOW, NOW + HOUR),
        (NOW + HOUR, NOW + 2 * HOUR),
    ]


def test_one_without_rounds_ends_at_once(competition, at):
    lifecycle.end(competition_id=competition.pk)
    assert state(competition, at, NOW) == "ENDED"


def test_without_a_key_it_waits_for_one_and_says_so(competition, at):
    asked(competition)
    Competition.objects.update(crunch_pubkey="")
    lifecycle.end(competition_id=competition.pk)
    with at(NOW + 2 * MINUTE):
        put_candles(NOW - MINUTE, [100.0, 101.0, 102.0])
    state(competition, at, NOW + 2 * MINUTE)
    with at(NOW + HOUR):
        said = ending.finish(competition=competition)
    assert said.startswith("the last checkpoint is refused: btc has no crunch key")
    Competition.objects.update(crunch_pubkey="KEY")
    assert state(competition, at, NOW + HOUR) == "ENDED"
    assert Checkpoint.objects.get().entries[0]["crunch"] == "KEY"


def test_one_that_fails_to_end_keeps_no_other_from_it(competition, at):
    other = make_competition(NOW - HOUR, slug="other", config_path="moon:X")
    for each in (competition, other):
        lifecycle.end(competition_id=each.pk)
    state(competition, at, NOW)
    assert competition.status == "ENDED"
    other.refresh_from_db()
    assert other.status == "PAUSED"


def test_one_that_runs_again_does_not_end(competition, at):
    lifecycle.end(competition_id=competition.pk)
    lifecycle.activate(competition_id=competition.pk)
    assert state(competition, at, NOW) == "ACTIVE"
