"""Each thing that programs follow is announced where it happens, once."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from competitions import lifecycle
from competitions.models import Competition, ParticipantModel
from competitions.roster import record_errors, sync_roster
from competitions.rounds.perform import perform_round
from core import clock
from crunchsite.events import outbox
from crunchsite.events.models import Event
from crunchsite.operator import ending
from emissions import checkpoints, transitions
from emissions.disputes import DisputeError, answer_dispute, open_dispute
from emissions.ledger import adjust
from emissions.models import Checkpoint, PayoutEntry
from feeds import health
from feeds.models import FeedSubscription
from livepool.models import Release
from livepool.release.release_rows import mark_published
from scoring import corrections
from scoring.cycle import run_cycle
from tests import factories
from tests.competitions.conftest import AnsweringGateway, identity
from tests.conftest import NOW
from tests.crunchsite.test_creating import saved
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def told(*kinds: str) -> list[tuple[str, dict]]:
    """Return kind and payload of the facts since the last call, of these kinds."""
    outbox.number_events()
    events = list(Event.objects.published())
    Event.objects.all().delete()
    return [(e.kind, e.payload) for e in events if not kinds or e.kind in kinds]


def kinds() -> list[str]:
    return [kind for kind, _ in told()]


@pytest.fixture
def competition(db, tape, frozen_clock):
    return make_competition(NOW - timedelta(hours=1))


def test_a_round_is_told_when_it_was_asked_and_when_it_is_scored(competition, at):
    put_candles(NOW - 60 * MINUTE, [100.0 + i for i in range(60)])
    scheduled = competition.scheduled_predictions.get()
    round_ = competition.rounds.create(
        scheduled_prediction=scheduled, slot_at=NOW, scope_key="s", received_at=NOW
    )
    gateway = AnsweringGateway({"a": 1.0, "b": None})
    assert perform_round(round_=round_, gateway=gateway)
    ((_, payload),) = told("round.performed")
    assert payload["round"] == round_.pk
    assert (payload["models"], payload["answered"]) == (2, 1)

    put_candles(NOW, [160.0, 161.0, 162.0])
    with at(NOW + 3 * MINUTE):
        run_cycle(competition_id=competition.pk)
    (scored, board) = told()
    assert scored[0] == "round.scored"
    assert scored[1]["round"] == round_.pk
    assert board[0] == "board.moved"
    assert board[1]["leaders"][0]["model_id"] == "a"


def test_many_rounds_of_a_cycle_are_told_by_as_many_statements_as_one(competition):
    (model,) = make_models(competition, "a")
    put_candles(NOW - 31 * MINUTE, [100.0 + i for i in range(32)])
    counts = []
    for first, count in ((30, 1), (29, 1), (28, 20)):
        for i in range(count):
            make_round(competition, NOW - (first - i) * MINUTE, {model: 1.0})
        told()
        with CaptureQueriesContext(connection) as queries:
            run_cycle(competition_id=competition.pk)
        counts.append(sum('INTO "events"' in each["sql"] for each in queries))
        assert kinds() == ["round.scored"] * count + ["board.moved"]
    assert counts == [2, 2, 2]


def test_models_that_begin_to_fail_are_told_once_together(competition, frozen_clock):
    rows = dict(
        sync_roster(competition=competition, identities=[identity("a"), identity("b")])
    )
    record_errors(models=rows, errors={"b": "x", "a": "ValueError: secret"})
    assert told() == [("model.failed", {"models": ["a", "b"], "count": 2})]
    record_errors(models=rows, errors={"a": "another"})
    assert told() == []
    record_errors(models=rows, errors={}, well=["a"])
    record_errors(models=rows, errors={"a": "again"})
    assert told() == [("model.failed", {"models": ["a"], "count": 1})]


def test_a_quarantine_is_told_once_with_a_bounded_list(competition):
    stopped = [
        identity(f"m{i:03d}", state="STOPPED", error="quarantined: exit 1")
        for i in range(30)
    ]
    for _ in range(2):
        sync_roster(competition=competition, identities=stopped)
    ((kind, payload),) = told()
    assert kind == "model.quarantined"
    assert payload == {"models": [f"m{i:03d}" for i in range(20)], "count": 30}
    assert ParticipantModel.objects.quarantined().count() == 30


def test_a_competition_tells_how_it_begins_pauses_and_ends(competition, at):
    of = {"competition_id": competition.pk}
    lifecycle.pause(**of)
    lifecycle.activate(**of)
    lifecycle.activate(**of)  # it runs: nothing happens
    lifecycle.end(**of)
    ending.finish_all()
    ending.finish_all()
    assert [each for each in told() if each[0] != "board.moved"] == [
        ("competition.paused", {"is_ending": False}),
        ("competition.activated", {}),
        ("competition.paused", {"is_ending": True}),
        ("competition.ended", {}),
    ]


def test_a_checkpoint_tells_each_of_its_states(at, frozen_clock):
    made = factories.running_competition(at=NOW, models=2, hours=1)
    pending = made.checkpoints[0]
    name = str(pending)
    of = {"checkpoint_id": pending.pk}
    of["user"] = SimpleNamespace(pk=None)
    transitions.confirm(**of, tx_hash="0xa")
    with pytest.raises(transitions.TransitionError):
        transitions.confirm(**of, tx_hash="0xb")
    transitions.correct_transaction(**of, tx_hash="0xc", reason="typo")
    transitions.advance(**of, to="CLAIMABLE")
    transitions.advance(**of, to="PAID")
    assert told() == [
        ("checkpoint.confirmed", {"checkpoint": name, "tx_hash": "0xa"}),
        ("checkpoint.corrected", {"checkpoint": name, "tx_hash": "0xc"}),
        ("checkpoint.claimable", {"checkpoint": name, "tx_hash": "0xc"}),
        ("checkpoint.paid", {"checkpoint": name, "tx_hash": "0xc"}),
    ]


def test_disputes_and_adjustments_are_told(at, frozen_clock, django_user_model):
    made = factories.running_competition(at=NOW, models=2, hours=1)
    checkpoint = made.checkpoints[0]
    Checkpoint.objects.update(challenge_ends_at=clock.now() + MINUTE)
    ada, fay = (django_user_model.objects.create_user(name) for name in ("ada", "fay"))
    told()
    dispute = open_dispute(checkpoint_id=checkpoint.pk, reason="no", user=ada)
    with pytest.raises(DisputeError):
        open_dispute(checkpoint_id=checkpoint.pk, reason="no", user=ada)
    answer_dispute(dispute_id=dispute.pk, is_upheld=True, answer="yes", user=fay)
    giver, other = checkpoint.competition.crunchers.values_list(
        "cruncher_index", flat=True
    )[:2]
    PayoutEntry.objects.create(
        checkpoint=checkpoint,
        cruncher_index=giver,
        kind="DUE",
        amount=1,
        created_at=NOW,
    )
    moved = {"from_index": giver, "to_index": other, "amount": 1}
    adjust(checkpoint_id=checkpoint.pk, **moved, reason="it is hers", user=fay)
    of = {"dispute": dispute.pk, "checkpoint": str(checkpoint)}
    assert told() == [
        ("dispute.opened", {**of, "state": "OPEN"}),
        ("dispute.answered", {**of, "state": "UPHELD"}),
        ("ledger.adjusted", {"checkpoint": str(checkpoint), **moved}),
    ]


def test_a_period_that_is_closed_is_told(competition, at):
    (model,) = make_models(competition, "a")
    put_candles(NOW - MINUTE, [100.0, 101.0, 102.0])
    make_round(competition, NOW, {model: 1.0})
    with at(NOW + 2 * MINUTE):
        run_cycle(competition_id=competition.pk)
    with at(NOW + timedelta(days=8)):
        (checkpoint,) = checkpoints.close_due(now=NOW + timedelta(days=8))
    ((_, payload),) = told("checkpoint.made")
    assert payload["checkpoint"] == str(checkpoint)
    assert payload["models"] == 1


def test_corrections_tell_that_rules_have_changed_and_previews_tell_nothing(
    competition, at
):
    (model,) = make_models(competition, "a")
    put_candles(NOW - MINUTE, [100.0, 101.0, 102.0])
    make_round(competition, NOW, {model: 1.0})
    with at(NOW + timedelta(hours=2)):
        run_cycle(competition_id=competition.pk)
        told()
        asked = {
            "competition_id": competition.pk,
            "start": NOW,
            "end": NOW + timedelta(hours=1),
            "reason": "halted",
            "author": "olga",
        }
        corrections.void(**asked, preview=True)
        assert told() == []
        corrections.void(**asked)
    assert told("rule.changed") == [
        (
            "rule.changed",
            {
                "what": "voided",
                "start": NOW.isoformat(),
                "end": (NOW + timedelta(hours=1)).isoformat(),
                "reason": "halted",
            },
        )
    ]


def test_an_edit_tells_the_fields_that_it_changed(client, operator, frozen_clock):
    call_command("create_competition", "btc", activate=True)
    competition = Competition.objects.get()
    client.force_login(operator)
    scope = competition.scheduled_predictions.get().scope_template
    as_shown = {  # as a browser sends it of fields with a default of their own
        "initial-slots": json.dumps(competition.slots),
        "initial-scheduled_predictions-0-scope_template": json.dumps(scope),
    }
    told()
    saved(client, competition, **as_shown)
    assert told() == []
    saved(client, competition, **as_shown, score_interval_s=77)
    assert told() == [
        (
            "rule.changed",
            {"what": "edited", "fields": ["score_interval_s"], "schedules": []},
        )
    ]


def test_a_feed_tells_when_it_becomes_stale_and_when_it_is_fresh_again(
    tape, frozen_clock
):
    feed = FeedSubscription.objects.create(
        source="simulated", subject="BTCUSDT", granularity="1m", created_at=NOW
    )
    assert health.raise_alarms(now=NOW + timedelta(hours=1)) == 1
    assert told() == [("feed.stale", {"feed": str(feed)})]
    feed.refresh_from_db()
    assert feed.stale_since == NOW + timedelta(hours=1)
    assert health.raise_alarms(now=NOW + timedelta(hours=2)) == 1
    assert health.raise_alarms(now=NOW) == 0
    assert told() == [("feed.fresh", {"feed": str(feed)})]


def test_a_release_is_told_with_its_symbols(frozen_clock):
    row = Release.objects.create(
        version="2026-02-28-core_major",
        mode="core_major",
        as_of_date=NOW.date(),
        symbols=["BTCUSDT", "ETHUSDT"],
        symbol_map={},
        universe={},
        ranking=[],
        checksums={},
        created_at=NOW,
    )
    mark_published(row, archived_to="")
    assert told() == [
        (
            "release.published",
            {
                "version": "2026-02-28-core_major",
                "mode": "core_major",
                "symbols": ["BTCUSDT", "ETHUSDT"],
                "count": 2,
            },
        )
    ]
