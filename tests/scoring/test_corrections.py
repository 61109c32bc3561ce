from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import CrunchConfig
from competitions.models import Competition, Prediction, Round
from competitions.slots import wire
from core.grid import Period
from crunchsite.site import series
from scoring import corrections, due_rounds
from scoring.board.aggregator import scored_predictions
from scoring.board.scope_figures import scope_figures
from scoring.board.standings import standings
from scoring.corrections import CorrectionError, newest, rescore, void
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Rescoring, Score, Snapshot, VoidWindow
from scoring.moves import Move
from scoring.scores.statuses import progress_of, with_progress, with_status
from scoring.snapshots.build_snapshots import build_snapshots
from scoring.snapshots.ensembles import PeriodEnsembles
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WHY = {"reason": "the exchange was down", "author": "olga"}


@pytest.fixture
def scored(competition, at, rewire, monkeypatch):
    """Two models, three rounds in the hour before NOW, which is closed."""
    wiring = rewire()
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    put_candles(NOW - 62 * MINUTE, [100.0 + i for i in range(120)])
    up, down = make_models(competition, "up", "down")
    for i in range(3):
        make_round(competition, NOW - (30 - i) * MINUTE, {up: 1.0, down: -1.0})
    with at(NOW - 20 * MINUTE):
        run_cycle(competition_id=competition.pk)
    run_cycle(competition_id=competition.pk)
    assert Snapshot.objects.filter(is_closed=True).count() == 2
    return competition


@pytest.fixture
def reversed_scorer(scored, rewire, monkeypatch):
    wiring = rewire(
        scoring_function=lambda prediction, ground_truth: {"value": -prediction.value}
    )
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)


def ranks():
    board = Leaderboard.objects.get(is_newest=True)
    return dict(board.entries.values_list("model__model_id", "rank"))


def hour(competition, **changes):
    facts = {"competition_id": competition.pk, "start": NOW - HOUR, "end": NOW}
    return {**facts, **WHY, **changes}


def test_a_preview_shows_who_moves_and_changes_nothing(scored, reversed_scorer):
    before = (ranks(), Score.objects.count(), list(Snapshot.objects.values()))
    found = rescore(**hour(scored), preview=True)
    assert (found.rounds, found.scores, found.snapshots) == (3, 6, 2)
    [first, second] = found.moves
    assert (first.model_id, first.rank_before, first.rank_after) == ("down", 2, 1)
    assert first.value_after == 1.0
    assert second.model_id == "up"
    after = (ranks(), Score.objects.count(), list(Snapshot.objects.values()))
    assert after == before
    assert not Rescoring.objects.exists()


def test_applying_does_what_the_preview_said_and_keeps_the_old(scored, reversed_scorer):
    old = list(Score.objects.order_by("pk").values())
    kept = dict(Snapshot.objects.values_list("pk", "content_hash"))
    shown = rescore(**hour(scored), preview=True)
    done = rescore(**hour(scored))
    assert done == shown
    assert ranks() == {"down": 1, "up": 2}
    assert list(Score.objects.filter(scoring_version=1).order_by("pk").values()) == old
    assert Score.objects.filter(scoring_version=2).count() == 6
    superseded = Snapshot.objects.filter(superseded_at=NOW)
    assert dict(superseded.values_list("pk", "content_hash")) == kept
    assert set(Snapshot.objects.current().values_list("revision")) == {(1,)}
    row = Rescoring.objects.get()
    assert (row.scoring_version, row.reason, row.author) == (
        2,
        *WHY.values(),
    )
    assert row.summary["moves"][0]["model_id"] == "down"


def test_a_rescoring_takes_the_contracts_batch_scorer_as_the_cycle_does(
    scored, rewire, monkeypatch
):
    wiring = rewire(
        batch_scoring_function=lambda predictions, ground_truth: (
            predictions["value"] * 5.0
        )
    )
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    rescore(**hour(scored))
    newest = Score.objects.filter(scoring_version=2)
    assert sorted(newest.values_list("value", flat=True)) == [-5.0] * 3 + [5.0] * 3
    kept = set(newest.values_list("scored_at", flat=True))
    assert kept == set(Round.objects.values_list("resolved_at", flat=True))


def test_a_rescoring_takes_no_more_rounds_at_once_than_a_cycle(
    scored, rewire, monkeypatch
):
    sizes = []

    def scorer(predictions, ground_truth):
        sizes.append(len(predictions["value"]))
        return predictions["value"]

    wiring = rewire(batch_scoring_function=scorer)
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    two_rounds = 2  # predictions of a batch, of two models each
    monkeypatch.setattr(due_rounds, "PREDICTIONS_A_BATCH", two_rounds)
    done = rescore(**hour(scored))
    assert (done.rounds, done.scores, sizes) == (3, 6, [4, 2])
    assert Score.objects.filter(scoring_version=2).count() == 6


def test_later_rounds_are_scored_in_the_new_version(scored, reversed_scorer, at):
    rescore(**hour(scored))
    [up] = scored.models.filter(model_id="up")
    make_round(scored, NOW + MINUTE, {up: 1.0})
    with at(NOW + 3 * MINUTE):
        run_cycle(competition_id=scored.pk)
    newest = Score.objects.order_by("-pk").first()
    assert (newest.scoring_version, newest.value) == (2, -1.0)


def test_rescoring_needs_a_closed_period(scored):
    with pytest.raises(CorrectionError, match="no closed snapshot period"):
        rescore(**hour(scored, start=NOW, end=NOW + HOUR))


def test_a_reason_is_kept_as_a_column_holds_it(scored):
    why = {"reason": "it\0was\r\n" + "x" * 5_000, "author": "ol\0ga"}
    end = NOW + timedelta(hours=1)
    void(competition_id=scored.pk, start=NOW - timedelta(days=1), end=end, **why)
    window = VoidWindow.objects.get()
    assert (window.reason[:8], len(window.reason)) == ("it\ufffdwas\nx", 2_000)
    assert window.author == "ol\ufffdga"
    reasons = Round.objects.filter(status="VOID").values_list("reason", flat=True)
    assert {len(reason) for reason in reasons} == {2_000}


@pytest.mark.parametrize("missing", ["reason", "author"])
def test_a_correction_needs_a_reason_and_an_author(scored, missing):
    with pytest.raises(CorrectionError, match="needs a reason and an author"):
        void(**hour(scored, **{missing: " "}))


def test_void_rounds_leave_closed_snapshots_and_the_board(scored):
    done = void(**hour(scored, start=NOW - 30 * MINUTE, end=NOW - 28 * MINUTE))
    assert (done.rounds, done.snapshots) == (2, 2)
    voided = Round.objects.filter(status="VOID")
    assert set(voided.values_list("reason")) == {("void: the exchange was down",)}
    counts = Snapshot.objects.current().values_list(
        "prediction_count", "expected_count", "revision"
    )
    assert list(counts) == [(1, 1, 1)] * 2
    entry = Leaderboard.objects.get(is_newest=True).entries.first()
    assert entry.prediction_count == 1


@pytest.mark.parametrize("preview", [True, False])
def test_void_rounds_leave_the_open_period_and_the_board(scored, at, preview):
    up, down = scored.models.order_by("-model_id")
    make_round(scored, NOW + MINUTE, {up: 1.0, down: -1.0})
    with at(NOW + 3 * MINUTE):
        run_cycle(competition_id=scored.pk)
        done = void(**hour(scored, end=NOW + HOUR), preview=preview)
    assert (done.rounds, done.snapshots) == (4, 2)
    assert {move.value_after for move in done.moves} == {None}
    left = list(Snapshot.objects.current().values_list("is_closed", flat=True))
    assert left == ([False, False, True, True] if preview else [])
    board = Leaderboard.objects.get(is_newest=True)
    counts = set(board.entries.values_list("prediction_count", flat=True))
    assert counts == ({4} if preview else {0})


def test_a_void_window_after_a_change_of_the_period_length_counts_nothing_twice(
    scored,
):
    Competition.objects.update(snapshot_period_s=1200)
    void(**hour(scored, start=NOW - 30 * MINUTE, end=NOW - 28 * MINUTE))
    spans = Snapshot.objects.current().values_list(
        "period_start", "period_end", "prediction_count"
    )
    assert list(spans) == [(NOW - HOUR, NOW, 1)] * 2
    assert Leaderboard.objects.get(is_newest=True).entries.first().prediction_count == 1


def test_a_period_whose_rounds_are_all_void_is_empty_and_stays_closed(scored, at):
    void(**hour(scored))
    assert not Snapshot.objects.current().exists()
    with at(NOW + 2 * MINUTE):
        run_cycle(competition_id=scored.pk)
    assert not Snapshot.objects.current().exists()
    board = Leaderboard.objects.get(is_newest=True)
    assert set(board.entries.values_list("ranking_value")) == {(None,)}


def test_corrections_on_top_of_each_other(scored, reversed_scorer):
    """Void one round, score the period again, void another: one revision each."""
    void(**hour(scored, start=NOW - 30 * MINUTE, end=NOW - 29 * MINUTE))
    done = rescore(**hour(scored))
    assert (done.rounds, done.scores) == (2, 4)
    void(**hour(scored, start=NOW - 30 * MINUTE, end=NOW - 28 * MINUTE))
    kept = Snapshot.objects.order_by("revision").values_list("revision", flat=True)
    assert list(kept.distinct()) == [0, 1, 2, 3]
    current = Snapshot.objects.current()
    assert set(current.values_list("revision", "prediction_count")) == {(3, 1)}
    assert ranks() == {"down": 1, "up": 2}
    assert Round.objects.filter(status="VOID").count() == 2


def test_a_board_of_the_past_knows_what_was_corrected_since(scored, reversed_scorer):
    wiring = corrections.wiring_of(scored)

    def leader():
        lines = standings(competition=scored, wiring=wiring, as_of=NOW)
        return lines[0].model.model_id

    shown = Leaderboard.objects.get(is_newest=True).entries.get(rank=1).model.model_id
    assert leader() == shown == "up"
    rescore(**hour(scored))
    assert leader() == "down"


def test_the_content_hash_of_a_revision_is_that_of_a_rebuild(scored, reversed_scorer):
    rescore(**hour(scored))
    again = build_snapshots(
        PeriodEnsembles(
            competition=scored,
            wiring=corrections.wiring_of(scored),
            period=Period(NOW - HOUR, NOW),
            guarded=GuardedCalls(scored),
        )
    )
    assert {s.content_hash for s in again} == set(
        Snapshot.objects.current().values_list("content_hash", flat=True)
    )


def test_a_round_that_falls_due_in_a_void_window_becomes_void(scored, at):
    [up] = scored.models.filter(model_id="up")
    round_ = make_round(scored, NOW + MINUTE, {up: 1.0})
    void(**hour(scored, start=NOW + 5 * MINUTE, end=NOW + HOUR))
    later = make_round(scored, NOW + 6 * MINUTE, {up: 1.0})
    with at(NOW + 10 * MINUTE):
        report = run_cycle(competition_id=scored.pk)
    assert (report.resolved, report.void) == (1, 1)
    round_.refresh_from_db()
    later.refresh_from_db()
    assert (round_.status, later.status) == ("RESOLVED", "VOID")


@pytest.mark.parametrize(("begins_s", "status"), [(-60, "RESOLVED"), (0, "VOID")])
def test_a_window_holds_the_slot_it_begins_with_and_not_the_one_it_ends_with(
    scored, at, begins_s, status
):
    [up] = scored.models.filter(model_id="up")
    slot_at = NOW + 5 * MINUTE
    begins_at = slot_at + timedelta(seconds=begins_s)
    void(**hour(scored, start=begins_at, end=begins_at + MINUTE))
    round_ = make_round(scored, slot_at, {up: 1.0})
    with at(NOW + 10 * MINUTE):
        run_cycle(competition_id=scored.pk)
    round_.refresh_from_db()
    assert round_.status == status


def test_a_round_resolved_as_a_period_ends_is_scored_again_with_the_next_one(
    scored, at, reversed_scorer
):
    [up] = scored.models.filter(model_id="up")
    make_round(scored, NOW - MINUTE, {up: 1.0})
    run_cycle(competition_id=scored.pk)  # resolved at NOW sharp
    with at(NOW + HOUR):
        run_cycle(competition_id=scored.pk)
        assert rescore(**hour(scored, end=NOW)).rounds == 3
        assert rescore(**hour(scored, start=NOW, end=NOW + HOUR)).rounds == 1


def test_periods_between_those_that_a_window_touches_stay_as_they_are(scored, at):
    """Rounds of the first hour and, to the instant, of the end of the second."""
    [up] = scored.models.filter(model_id="up")
    put_candles(NOW + 58 * MINUTE, [200.0 + i for i in range(70)])
    for hours, minutes in ((0, 2), (1, 2), (1, 60)):
        performed_at = NOW + hours * HOUR + (minutes - 1) * MINUTE
        make_round(scored, performed_at, {up: float(minutes)})
        with at(performed_at + MINUTE):
            run_cycle(competition_id=scored.pk)
    with at(NOW + 3 * HOUR):
        run_cycle(competition_id=scored.pk)
        scored.rounds.filter(slot_at=NOW + HOUR + MINUTE).update(scope_key="other")
        scope_key = scored.scheduled_predictions.get().scope_key
        void(**hour(scored, start=NOW, end=NOW + 3 * HOUR, scope_key=scope_key))
    periods = Snapshot.objects.filter(period_start__gte=NOW, model=up)
    assert sorted(periods.values_list("period_start", "superseded_at")) == [
        (NOW, NOW + 3 * HOUR),
        (NOW + HOUR, None),
        (NOW + 2 * HOUR, NOW + 3 * HOUR),
    ]


def test_a_void_window_of_another_scope_is_none(scored):
    done = void(**hour(scored, scope_key="eth-60"))
    assert (done.rounds, done.moves) == (0, [])
    assert VoidWindow.objects.count() == 1


def test_models_without_scores_left_are_shown_without_a_rank(scored):
    """Their order is that of their ids, in which "down" would have won a place."""
    done = void(**hour(scored), preview=True)
    [up, down] = Leaderboard.objects.get(is_newest=True).entries.order_by("rank")
    assert done.moves == [
        Move("down", 2, None, down.ranking_value, None),
        Move("up", 1, None, up.ranking_value, None),
    ]
    assert up.ranking_value > down.ranking_value


def test_a_model_that_falls_off_the_board_is_shown_last(scored):
    """It has left, and was listed for the scores that are void now."""
    scored.models.filter(model_id="up").update(state="STOPPED")
    [up, down] = Leaderboard.objects.get(is_newest=True).entries.order_by("rank")
    assert void(**hour(scored), preview=True).moves == [
        Move("down", 2, None, down.ranking_value, None),
        Move("up", 1, None, up.ranking_value, None),
    ]


def test_what_was_corrected_since_the_preview_is_previewed_again(scored):
    on = newest(scored.pk)
    void(**hour(scored, scope_key="eth-60"), on=on)
    with pytest.raises(CorrectionError, match="corrected after the preview"):
        rescore(**hour(scored), on=on)
    rescore(**hour(scored), on=newest(scored.pk))


def test_the_command_previews_and_applies(scored, capsys):
    span = ((NOW - 30 * MINUTE).isoformat(), (NOW - 28 * MINUTE).isoformat())
    call_command("correct", "void", "btc", *span, "--reason", "the exchange was down")
    assert (
        "2 rounds in the span; 0 scores computed anew, 2 snapshots replaced"
        in capsys.readouterr().out
    )
    assert not VoidWindow.objects.exists()
    call_command("correct", "void", "btc", *span, "--reason", "outage", "--apply")
    assert VoidWindow.objects.get().reason == "outage"


def test_after_a_rescoring_every_reader_sees_the_scores_that_count(
    scored, reversed_scorer
):
    """Sums, scopes, statuses, the API, an aggregator's input, a young board's chart."""
    rescore(**hour(scored))
    wiring = wire(CrunchConfig(), {})
    up = scored.models.get(model_id="up")
    everything = Score.objects.current()
    assert (Score.objects.count(), everything.count()) == (12, 6)
    assert set(everything.values_list("scoring_version", flat=True)) == {2}
    [scope] = scope_figures(
        competition=scored,
        config=wiring.config,
        models=[up.pk],
        period=Period(NOW - HOUR, NOW),
    )
    assert scope.metrics["score_recent"] == -1.0
    given_to_the_aggregator = scored_predictions(
        competition=scored, period=Period(NOW - timedelta(days=7), NOW)
    )
    assert {(s["model_id"], s["value"]) for s in given_to_the_aggregator} == {
        ("up", -1.0),
        ("down", 1.0),
    }
    points, _ = series.points_of(scored, [up.pk], NOW, HOUR)
    assert {(mean, sum(p[3] for p in points)) for _, _, mean, _ in points} == {
        (-1.0, 3)
    }
    predictions = with_status(Prediction.objects.filter(model=up))
    assert set(predictions.values_list("status", flat=True)) == {"SCORED"}
    progress = progress_of(
        with_progress(Prediction.objects.filter(model=up), AnonymousUser())
    )
    assert {each.score.value for each in progress} == {-1.0}


def test_a_contracts_summary_rests_on_the_scores_that_count(
    scored, rewire, monkeypatch
):
    wiring = rewire(
        scoring_function=lambda prediction, ground_truth: {"value": 7.0},
        aggregate_snapshot=lambda results: {"best": max(r["value"] for r in results)},
    )
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    rescore(**hour(scored))
    summaries = Snapshot.objects.current().values_list("result_summary", flat=True)
    assert [summary["best"] for summary in summaries] == [7.0, 7.0]


def test_a_second_correction_leaves_the_day_of_the_first_one(scored, at):
    void(**hour(scored, start=NOW - 30 * MINUTE, end=NOW - 29 * MINUTE))
    with at(NOW + MINUTE):
        void(**hour(scored, start=NOW - 29 * MINUTE, end=NOW - 28 * MINUTE))
    superseded = Snapshot.objects.order_by("revision").values_list(
        "revision", "superseded_at"
    )
    assert list(superseded.distinct()) == [
        *((0, NOW), (1, NOW + MINUTE), (2, None)),
    ]


def test_a_round_resolved_as_its_period_begins_is_voided_there(scored, at):
    [up] = scored.models.filter(model_id="up")
    make_round(scored, NOW - MINUTE, {up: 1.0})
    run_cycle(competition_id=scored.pk)  # resolved at NOW sharp, in the next period
    with at(NOW + HOUR):
        run_cycle(competition_id=scored.pk)
        void(**hour(scored, start=NOW - MINUTE, end=NOW))
    assert not Snapshot.objects.current().filter(period_start=NOW).exists()
    before = Snapshot.objects.current().filter(period_end=NOW)
    assert set(before.values_list("revision", "prediction_count")) == {(0, 3)}


def test_a_round_that_was_never_asked_stays_missed_in_a_void_window(scored):
    missed = make_round(scored, NOW - 25 * MINUTE, {}, status="MISSED", reason="down")
    Round.objects.filter(pk=missed.pk).update(performed_at=None, resolvable_at=None)
    assert void(**hour(scored)).rounds == 3
    missed.refresh_from_db()
    assert (missed.status, missed.reason) == ("MISSED", "down")
