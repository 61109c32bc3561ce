from datetime import timedelta
from threading import Thread

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from pydantic import ValidationError as ContractProblem

from competitions import grid_dispatch, lifecycle
from competitions.contract import CrunchConfig
from competitions.errors import (
    CompetitionError,
    CompetitionExistsError,
    DefinitionError,
    PackError,
)
from competitions.models import Competition
from core import grid
from core.errors import OperatorError
from feeds.models import FeedSubscription
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)


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


def test_a_competition_is_created_once_and_its_edits_are_kept(competition):
    competition.scheduled_predictions.update(prediction_interval_s=15)
    with pytest.raises(CompetitionExistsError, match="a competition btc already"):
        lifecycle.create_competition(slug="btc", pack_name="tournament")
    scheduled = competition.scheduled_predictions.get()
    assert (scheduled.scope_key, scheduled.prediction_interval_s) == ("default", 15)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_create_one_at_once_the_second_is_told(monkeypatch):
    """As when a button is pressed twice."""
    check = lifecycle.check_row

    def create():
        lifecycle.create_competition(slug="btc", pack_name="baseline")

    def first():
        create()
        connections.close_all()

    def another_is_first(row):
        check(row)
        monkeypatch.setattr(lifecycle, "check_row", check)
        thread = Thread(target=first)
        thread.start()
        thread.join(60)

    monkeypatch.setattr(lifecycle, "check_row", another_is_first)
    with pytest.raises(CompetitionExistsError, match="a competition btc already"):
        create()
    assert Competition.objects.get().scheduled_predictions.count() == 1


def test_a_competition_asks_about_each_subject_that_it_is_given(db, frozen_clock):
    made = lifecycle.create_competition(
        slug="two",
        pack_name="realtime",
        subjects=["ETHUSDT", "BTCUSDT", "ETHUSDT"],
    )
    schedule = made.scheduled_predictions.values_list("scope_key", "scope_template")
    assert {key: scope["subject"] for key, scope in schedule} == {
        "realtime-ethusdt": "ETHUSDT",
        "realtime-btc": "BTCUSDT",
    }
    lifecycle.activate(competition_id=made.pk)
    assert sorted(map(str, FeedSubscription.objects.all())) == [
        "simulated:BTCUSDT:candle:1s",
        "simulated:ETHUSDT:candle:1s",
    ]


def test_subjects_and_kind_of_the_environment_are_the_new_competitions(
    db, frozen_clock, settings
):
    settings.ENV = settings.ENV.model_copy(
        update={"feed_subjects": "ETHUSDT,SOLUSDT", "feed_kind": "tick"}
    )
    made = lifecycle.create_competition(slug="env", pack_name="baseline")
    assert made.feed_kind == "tick"
    keys = made.scheduled_predictions.values_list("scope_key", flat=True)
    assert list(keys) == ["default-ethusdt", "default-solusdt"]


def test_the_cadence_is_the_pack_s_and_says_why(db, frozen_clock):
    made = lifecycle.create_competition(slug="a", pack_name="realtime")
    assert (made.checkpoint_interval_s, made.score_interval_s) == (15, 15)
    assert made.interval_rationale == (
        "Pack realtime: Low latency: a question every 15 seconds with a horizon of a "
        "minute."
    )


def test_the_cadence_of_the_environment_wins_and_the_reason_tells(
    db, frozen_clock, settings
):
    settings.ENV = settings.ENV.model_copy(update={"checkpoint_interval_seconds": 900})
    made = lifecycle.create_competition(slug="a", pack_name="realtime")
    assert (made.checkpoint_interval_s, made.score_interval_s) == (900, 900)
    assert made.interval_rationale.startswith(
        "CHECKPOINT_INTERVAL_SECONDS was 900 when it was made, in place of the pack's "
        "15. Pack realtime: "
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"slug": "Two Words"}, "lower-case letters"),
        ({"slug": "a--b"}, "lower-case letters"),
        ({"feed_source": "nyse"}, "source was 'nyse'"),
        ({"feed_kind": "smell"}, "kind was 'smell'"),
        ({"feed_granularity": "banana"}, "granularity was 'banana'"),
        ({"subjects": ["BTC USDT"]}, "subject was 'BTC USDT'"),
    ],
)
def test_what_cannot_run_is_refused_in_words(db, frozen_clock, wrong, said):
    with pytest.raises(OperatorError, match=said):
        lifecycle.create_competition(
            **{"slug": "x", "pack_name": "baseline", "subjects": ()} | wrong
        )
    assert not Competition.objects.exists()


@pytest.mark.parametrize("slug", ["UPPER", "a b", "-a", "a--b", "\u00e9t\u00e9", "a\n"])
def test_no_path_saves_a_slug_that_is_no_address(competition, slug):
    with pytest.raises(IntegrityError), transaction.atomic():
        Competition.objects.update(slug=slug)


def test_an_emission_pays_whole_snapshot_periods(competition):
    competition.emission_interval_s = 5400
    with pytest.raises(ValidationError, match="multiple of the snapshot period"):
        competition.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        competition.save()
    competition.snapshot_period_s = 1800
    competition.full_clean()
    competition.save()


def test_the_gate_asks_for_the_crunch_key_where_emissions_are_on(competition):
    lifecycle.pause(competition_id=competition.pk)
    assert competition.emission_interval_s == 0  # there was no key
    Competition.objects.update(emission_interval_s=3600)
    with pytest.raises(DefinitionError, match="crunch key: set the competition's"):
        lifecycle.activate(competition_id=competition.pk)
    Competition.objects.update(crunch_pubkey="KEY")
    assert lifecycle.activate(competition_id=competition.pk).status == "ACTIVE"


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


def schedule(competition, **fields):
    return competition.scheduled_predictions.create(
        **{
            "scope_key": "eth",
            "scope_template": {"subject": "ETHUSDT"},
            "prediction_interval_s": 60,
            "resolve_horizon_s": 60,
            **fields,
        }
    )


def slots(of):
    return list(of.rounds.order_by("slot_at").values_list("slot_at", "status"))


def test_a_schedule_added_while_it_runs_is_asked_from_the_next_slot(competition, at):
    added = schedule(competition)
    lifecycle.settle(competition_id=competition.pk)
    added.refresh_from_db()
    assert added.next_slot_at == NOW + MINUTE
    assert FeedSubscription.objects.filter(subject="ETHUSDT", active=True).exists()
    with at(NOW + MINUTE):
        grid_dispatch.dispatch()
    assert slots(added) == [(NOW + MINUTE, "RECEIVED")]


def test_settling_takes_no_slot_away_that_has_come(competition, at):
    """Beat is a moment late, and an operator saves just then."""
    with at(NOW + MINUTE + timedelta(seconds=1)):
        lifecycle.settle(competition_id=competition.pk)
        grid_dispatch.dispatch()
    scheduled = competition.scheduled_predictions.get()
    assert slots(scheduled) == [(NOW + MINUTE, "RECEIVED")]


def test_what_was_added_behind_the_admin_s_back_is_found_by_the_grid(competition, at):
    added = schedule(competition)
    grid_dispatch.dispatch()
    added.refresh_from_db()
    assert added.next_slot_at == NOW + MINUTE
    assert lifecycle.subscribe_missing() == 1
    assert lifecycle.subscribe_missing() == 0


def test_a_schedule_whose_feed_cannot_be_subscribed_stops_no_other(competition):
    other = lifecycle.activate(
        competition_id=lifecycle.create_competition(
            slug="other", pack_name="baseline"
        ).pk
    )
    Competition.objects.filter(pk=competition.pk).update(
        config_path="competitions.contract:NOWHERE"
    )
    schedule(other, scope_key="bad", scope_template={"subject": "no/name"})
    schedule(other)
    assert lifecycle.subscribe_missing() == 1
    subjects = FeedSubscription.objects.values_list("subject", flat=True)
    assert set(subjects) == {"BTCUSDT", "ETHUSDT"}


def test_a_feed_that_somebody_paused_is_not_subscribed_again(competition):
    FeedSubscription.objects.update(active=False)
    assert lifecycle.subscribe_missing() == 0
    assert not FeedSubscription.objects.get().active


@pytest.mark.parametrize("settles", [True, False], ids=["admin", "behind its back"])
def test_one_taken_up_again_misses_nothing_of_the_time_between(
    competition, at, settles
):
    scheduled = competition.scheduled_predictions.get()
    competition.scheduled_predictions.update(active=False)
    grid_dispatch.dispatch()
    with at(NOW + timedelta(days=2)):
        competition.scheduled_predictions.update(active=True)
        if settles:
            lifecycle.settle(competition_id=competition.pk)
        grid_dispatch.dispatch()
    with at(NOW + timedelta(days=2) + MINUTE):
        grid_dispatch.dispatch()
    assert slots(scheduled) == [(NOW + timedelta(days=2) + MINUTE, "RECEIVED")]


@pytest.mark.parametrize(
    ("before_s", "after_s"), [(60, 15), (15, 900), (60, 3600), (3600, 60), (60, 7)]
)
@pytest.mark.parametrize("settles", [True, False], ids=["admin", "behind its back"])
def test_a_changed_interval_stays_on_the_grid(
    competition, at, before_s, after_s, settles
):
    mine = competition.scheduled_predictions
    mine.update(prediction_interval_s=before_s)
    lifecycle.settle(competition_id=competition.pk)
    with at(NOW + timedelta(seconds=1)):
        mine.update(prediction_interval_s=after_s)
        if settles:
            lifecycle.settle(competition_id=competition.pk)
        grid_dispatch.dispatch()
    expected = grid.following(NOW + timedelta(seconds=1), after_s)
    with at(expected):
        grid_dispatch.dispatch()
    statuses = slots(mine.get())
    assert all(slot.timestamp() % after_s == 0 for slot, _ in statuses)
    assert (expected, "RECEIVED") in statuses
    assert len(statuses) == 1


def test_a_question_that_was_asked_stays_the_same(competition, at):
    with at(NOW + MINUTE):
        grid_dispatch.dispatch()
    scheduled = competition.scheduled_predictions.get()
    scheduled.scope_template = {**scheduled.scope_template, "subject": "ETHUSDT"}
    scheduled.resolve_horizon_s = 300
    with pytest.raises(ValidationError) as caught:
        scheduled.full_clean()
    assert caught.value.message_dict.keys() == {"scope_template", "resolve_horizon_s"}
    assert "add a schedule with a scope key of its own" in str(caught.value)


def test_slug_and_feed_of_one_that_runs_stay_the_same(competition):
    competition.slug, competition.feed_source = "other", "binance"
    with pytest.raises(ValidationError) as caught:
        competition.full_clean()
    assert caught.value.message_dict.keys() == {"slug", "feed_source"}


def test_ending_stops_asking_and_can_be_taken_back(competition):
    ending = lifecycle.end(competition_id=competition.pk)
    assert (ending.status, ending.ending_at) == ("PAUSED", NOW)
    assert competition.scheduled_predictions.get().next_slot_at is None
    again = lifecycle.activate(competition_id=competition.pk)
    assert (again.status, again.ending_at) == ("ACTIVE", None)


def test_one_that_ended_never_runs_again(competition):
    Competition.objects.update(status=Competition.Status.ENDED)
    competition.scheduled_predictions.update(next_slot_at=None)
    with pytest.raises(DefinitionError, match="btc was ENDED; it cannot run again"):
        lifecycle.activate(competition_id=competition.pk)
    competition.refresh_from_db()
    assert competition.status == "ENDED"
    assert competition.scheduled_predictions.get().next_slot_at is None


def test_what_was_edited_while_it_was_tried_is_looked_at_again(
    competition, monkeypatch
):
    lifecycle.pause(competition_id=competition.pk)

    def while_somebody_edits(tried):
        tried.scheduled_predictions.update(active=False)
        return []

    monkeypatch.setattr(lifecycle, "problems_of", while_somebody_edits)
    with pytest.raises(DefinitionError, match="no active scheduled prediction"):
        lifecycle.activate(competition_id=competition.pk)
    competition.refresh_from_db()
    assert competition.status == "PAUSED"


def test_a_draft_has_nothing_to_end(db, frozen_clock):
    draft = lifecycle.create_competition(slug="btc", pack_name="baseline")
    with pytest.raises(DefinitionError, match="btc was DRAFT; it has never run"):
        lifecycle.end(competition_id=draft.pk)
    draft.refresh_from_db()
    assert (draft.status, draft.ending_at) == ("DRAFT", None)


def test_emissions_go_back_to_the_first_activation_whatever_came_after(competition, at):
    lifecycle.pause(competition_id=competition.pk)
    with at(NOW + timedelta(days=3)):
        again = lifecycle.activate(competition_id=competition.pk)
    assert again.activated_at == NOW


def test_pack_errors_carry_a_stable_code():
    assert PackError.code == "pack_invalid"


def test_a_competition_that_gets_its_key_later_pays_from_then_on(db):
    competition = lifecycle.create_competition(slug="btc", pack_name="baseline")
    assert competition.emission_interval_s == 0
    assert not lifecycle.begin_emissions(competition)

    competition.crunch_pubkey = "KEY"
    assert lifecycle.begin_emissions(competition)
    assert competition.emission_interval_s == 604_800
    competition.emission_interval_s = 3_600
    assert not lifecycle.begin_emissions(competition)
    assert competition.emission_interval_s == 3_600


WEEKLY = CrunchConfig(
    scheduled_predictions=[
        {
            "scope_key": "hourly-btc",
            "scope": {"subject": "BTCUSDT", "horizon_seconds": 7200},
            "schedule": {"every_seconds": 3600},
            "meta": {"why": "the contract says so"},
        },
        {
            "scope_key": "daily-btc",
            "scope": {"subject": "BTCUSDT"},
            "schedule": {"every_seconds": 86400, "resolve_after_seconds": 86400},
            "active": False,
            "order": 1,
        },
    ]
)
TOO_SHORT = CrunchConfig(
    scheduled_predictions=[
        {
            "scope_key": "quick",
            "schedule": {"every_seconds": 60, "resolve_after_seconds": 5},
        }
    ]
)


def test_the_contracts_schedule_wins_over_the_packs(db, frozen_clock):
    made = lifecycle.create_competition(
        slug="own", pack_name="baseline", config_path=f"{__name__}:WEEKLY"
    )
    rows = made.scheduled_predictions.order_by("order").values_list(
        "scope_key", "prediction_interval_s", "resolve_horizon_s", "active"
    )
    assert list(rows) == [
        ("hourly-btc", 3600, 7200, True),
        ("daily-btc", 86400, 86400, False),
    ]
    assert made.scheduled_predictions.first().meta == {"why": "the contract says so"}


def test_the_contracts_schedule_is_asked_about_each_subject(db, frozen_clock):
    made = lifecycle.create_competition(
        slug="own",
        pack_name="baseline",
        config_path=f"{__name__}:WEEKLY",
        subjects=["ETHUSDT"],
    )
    rows = made.scheduled_predictions.order_by("order")
    assert [(row.scope_key, row.subject) for row in rows] == [
        ("hourly-ethusdt", "ETHUSDT"),
        ("daily-ethusdt", "ETHUSDT"),
    ]


def test_the_contracts_schedule_is_checked_as_a_packs_is(db, frozen_clock):
    with pytest.raises(CompetitionError, match="quick: the horizon was 5 s"):
        lifecycle.create_competition(
            slug="own", pack_name="baseline", config_path=f"{__name__}:TOO_SHORT"
        )
    assert not Competition.objects.exists()
    twice = [WEEKLY.scheduled_predictions[0]] * 2
    with pytest.raises(ContractProblem, match="each must be unique"):
        CrunchConfig(scheduled_predictions=twice)
