import math
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydantic import field_validator

from competitions.contract import GroundTruth, ScoreResult
from competitions.models import Competition, Prediction, Round
from core import grid
from scoring import cycle, due_rounds
from scoring.board import leaderboard
from scoring.cycle import claim_due, run_cycle
from scoring.models import Leaderboard, Score, Snapshot
from scoring.scores.statuses import with_status
from scoring.snapshots import snapshots
from tests.conftest import NOW
from tests.scoring.conftest import MINUTE, START, ask, values_of
from tests.scoring.factories import make_models, make_round, put_candles


def test_due_rounds_end_scored_and_ranked(competition):
    good, bad = make_models(competition, "good", "bad")
    ask(competition, [good, bad], signal=lambda m, i: 1.0 if m == good else -1.0)
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.scored, report.failed) == (5, 10, 0)
    expected = [10_000 / (100 + i) for i in range(5)]
    assert values_of(good) == pytest.approx(expected)
    board = Leaderboard.objects.get(is_newest=True)
    lines = list(board.entries.order_by("position").values_list("model__name", "rank"))
    assert lines == [("Model good", 1), ("Model bad", 2)]
    first = board.entries.get(rank=1)
    assert first.metrics["score_recent"] == pytest.approx(sum(expected) / 5)
    assert first.samples["score_recent"] == {"count": 5, "expected": 5}


def test_a_second_cycle_changes_nothing(competition):
    ask(competition, make_models(competition, "a", "b"))
    run_cycle(competition_id=competition.pk)
    scores, kept = list(Score.objects.values()), list(Snapshot.objects.values())
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.scored) == (0, 0)
    assert list(Score.objects.values()) == scores
    assert list(Snapshot.objects.values()) == kept


def poison(prediction, ground_truth):
    match prediction.value:
        case 1.0:
            raise ZeroDivisionError("boom")
        case 2.0:
            return {"value": math.nan}
        case 3.0:
            return "seven"
        case 4.0:
            return {"success": False, "failed_reason": "no bet"}
        case 5.0:
            return {"value": 1.0, "note": "a\x00b"}
        case 6.0:
            return {}
    return {"value": prediction.value}


def test_a_poisonous_prediction_fails_alone_with_its_reason(competition, rewire):
    rewire(scoring_function=poison)
    models = make_models(competition, *"0123456")
    ask(competition, models, rounds=1, signal=lambda m, i: float(m.model_id))
    report = run_cycle(competition_id=competition.pk)
    assert (report.scored, report.failed) == (1, 6)
    reasons = dict(
        Score.objects.filter(success=False).values_list(
            "prediction__model__model_id", "failed_reason"
        )
    )
    assert reasons["1"] == "ZeroDivisionError: boom"
    assert "finite number" in reasons["2"]
    assert reasons["3"].startswith("the score does not fit the score type: Input")
    assert reasons["4"] == "no bet"
    assert "NUL" in reasons["5"]
    assert reasons["6"] == "value was None; a score is a number"
    assert values_of(models[0]) == [0.0]


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no words")


def leave(prediction):
    raise SystemExit(3)


def mute(prediction):
    raise Mute


def say_surrogates(prediction):
    raise ValueError("\ud800")


HOSTILE = {
    "huge": (lambda p: {"value": 1e300}, "within 1e+100"),
    "infinite": (lambda p: {"value": math.inf}, "finite"),
    "long integer": (lambda p: {"value": 10**400}, "the score does not fit"),
    "bool": (lambda p: {"value": True, "success": True}, ""),
    "object": (lambda p: {"value": 1.0, "debug": object()}, "the score is not JSON"),
    "surrogates": (lambda p: {"value": 1.0, "note": "\ud800"}, "the score is not JSON"),
    "surrogates said": (say_surrogates, "ValueError: \ufffd"),
    "mute": (mute, "Mute"),
    "exit": (leave, "SystemExit: 3"),
    "nothing": (lambda p: None, "the score does not fit"),
    "generator": (lambda p: (x for x in [1]), "the score does not fit"),
    "a carriage return": (lambda p: {"success": False, "failed_reason": "\r"}, "\n"),
    "the COPY mark": (lambda p: {"success": False, "failed_reason": "\x01"}, "\ufffd"),
    "a long reason": (
        lambda p: {"success": False, "failed_reason": "x" * 10**6},
        "x" * 1_999 + "…",
    ),
    "a large score": (lambda p: {"value": 1.0, "note": "x" * 10**6}, "at most 65536"),
    "a large value": (lambda p: {"value": 1.0, "x" * 10**6: object()}, "is not JSON"),
    "odd reason": (lambda p: {"success": False, "failed_reason": "\x00"}, ""),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_answer_of_a_scorer_stops_the_cycle(competition, rewire, kind):
    answer, fragment = HOSTILE[kind]
    rewire(
        scoring_function=lambda prediction, ground_truth: (
            answer(prediction) if prediction.value else {"value": 7.0}
        )
    )
    models = make_models(competition, "fair", "hostile")
    ask(competition, models, signal=lambda m, i: float(m == models[1]))
    report = run_cycle(competition_id=competition.pk)
    assert report.resolved == 5
    assert values_of(models[0]) == [7.0] * 5
    if kind != "bool":  # pydantic's reading of True is 1.0
        assert report.failed == 5
        assert fragment in Score.objects.filter(success=False)[0].failed_reason
    assert Leaderboard.objects.get().entries.count() == 2


class Tale(ScoreResult):
    pnl: float | None = None
    trades: int = 0


def test_numbers_too_large_to_sum_are_unknown_and_stop_nothing(competition, rewire):
    rewire(
        score_type=Tale,
        scoring_function=lambda prediction, ground_truth: {
            "value": prediction.value,
            "pnl": 1e307,
            "trades": 10**400 if prediction.value else 3,
        },
    )
    models = make_models(competition, "a", "b")
    ask(competition, models, signal=lambda m, i: float(m == models[1]))
    assert run_cycle(competition_id=competition.pk).scored == 10
    board = Leaderboard.objects.get().entries.order_by("model__model_id")
    assert [e.metrics["pnl"] for e in board] == [None, None]
    assert [e.metrics["trades"] for e in board] == [3.0, None]


@pytest.mark.parametrize("size", [1e99, -1e99])
def test_the_largest_scores_still_sum_up(competition, rewire, size):
    rewire(scoring_function=lambda prediction, ground_truth: {"value": size})
    ask(competition, make_models(competition, "a", "b"), rounds=20)
    run_cycle(competition_id=competition.pk)
    assert Leaderboard.objects.get().entries.first().ranking_value == size


def test_an_output_that_does_not_fit_is_failed_not_replaced(competition):
    [model] = make_models(competition, "a")
    put_candles(START - MINUTE, [100.0, 101.0, 102.0])
    make_round(competition, START, {model: {"other": 1}})
    run_cycle(competition_id=competition.pk)
    reason = Score.objects.get().failed_reason
    assert reason == (
        "the stored output does not fit the output type: value: Field required"
    )


def test_absent_and_failed_predictions_get_no_score_but_count_as_expected(competition):
    models = answering, absent, failing = make_models(competition, "a", "b", "c")
    answers = {answering: 1.0, absent: None, failing: "it crashed"}
    ask(competition, models, rounds=3, signal=lambda m, i: answers[m])
    run_cycle(competition_id=competition.pk)
    assert Score.objects.count() == 3
    counts = {
        s.model_id: (s.prediction_count, s.expected_count, s.value is None)
        for s in Snapshot.objects.all()
    }
    assert counts[answering.pk] == (3, 3, False)
    assert counts[absent.pk] == counts[failing.pk] == (0, 3, True)


def test_statuses_are_derived(competition, rewire):
    rewire(scoring_function=poison)
    models = make_models(competition, "good", "raising", "absent", "failed")
    answers = dict(zip(models, (0.5, 1.0, None, "it crashed"), strict=True))
    ask(competition, models, rounds=1, signal=lambda m, i: answers[m])

    def statuses():
        rows = with_status(Prediction.objects.order_by("model_id"))
        return list(rows.values_list("status", flat=True))

    assert statuses() == ["PENDING", "PENDING", "ABSENT", "FAILED"]
    run_cycle(competition_id=competition.pk)
    assert statuses() == ["SCORED", "FAILED", "ABSENT", "FAILED"]
    for end in ("VOID", "UNRESOLVABLE"):
        Round.objects.update(status=end, reason="why")
        assert statuses() == ["FAILED", "FAILED", "ABSENT", "FAILED"]


def test_a_waiting_round_does_not_block_those_behind_it(competition, monkeypatch):
    monkeypatch.setattr(due_rounds, "PREDICTIONS_A_BATCH", 0)  # one round a batch
    [model] = make_models(competition, "a")
    stuck = [
        make_round(
            competition, START - (i + 2) * MINUTE, {model: 1.0}, subject="NOFEED"
        )
        for i in range(3)
    ]
    ask(competition, [model], rounds=2)
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.waiting) == (2, 3)
    statuses = Round.objects.filter(pk__in=[r.pk for r in stuck]).values_list("status")
    assert set(statuses) == {("RECEIVED",)}


def test_an_unresolvable_round_keeps_its_reason_and_gets_no_scores(
    competition, exchange
):
    [model] = make_models(competition, "a")
    put_candles(START, [100.0, None, 120.0])
    round_ = make_round(competition, START + MINUTE, {model: 1.0})
    report = run_cycle(competition_id=competition.pk)
    round_.refresh_from_db()
    assert report.unresolvable == 1
    assert round_.status == "UNRESOLVABLE"
    assert round_.reason.startswith("the tape has a gap")
    assert not Score.objects.exists()


class Choosy(GroundTruth):
    @field_validator("actual_return")
    @classmethod
    def _refuse(cls, value):
        if value > 0.00975:
            raise LookupError("no such \x00 return")
        return value


def test_a_truth_that_its_type_refuses_ends_its_round_and_no_other(competition, rewire):
    rewire(ground_truth_type=Choosy)
    ask(competition, make_models(competition, "a"))  # returns 1/100, 1/101, 1/102, ...
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.unresolvable) == (2, 3)
    refused = Round.objects.filter(status="UNRESOLVABLE").values_list("reason")
    assert set(refused) == {
        ("the truth does not fit its type: LookupError: no such \ufffd return",)
    }


def test_statements_do_not_depend_on_models_or_rounds(competition):
    def count(models, rounds):
        Round.objects.all().delete()
        Snapshot.objects.all().delete()
        Leaderboard.objects.all().delete()
        ask(competition, models, rounds=rounds)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            run_cycle(competition_id=competition.pk)
        return len(seen)

    few = make_models(competition, "a", "b")
    small = count(few, 2)
    many = few + make_models(competition, *(f"m{i}" for i in range(20)))
    assert count(many, 15) == small


@pytest.mark.parametrize("step", ["snapshots.refresh", "leaderboard.publish"])
def test_a_cycle_that_died_half_way_is_completed_by_the_next(
    competition, monkeypatch, step
):
    ask(competition, make_models(competition, "a", "b"))
    with monkeypatch.context() as patch:
        module, name = step.split(".")
        patch.setattr(
            {"snapshots": snapshots, "leaderboard": leaderboard}[module],
            name,
            lambda **kwargs: (_ for _ in ()).throw(RuntimeError("killed")),
        )
        with pytest.raises(RuntimeError, match="killed"):
            run_cycle(competition_id=competition.pk)
    assert Score.objects.count() == 10
    assert not Leaderboard.objects.exists()
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.rebuilt) == (0, True)
    assert Score.objects.count() == 10
    entry = Leaderboard.objects.get().entries.first()
    assert entry.prediction_count == 5


def test_a_batch_that_dies_leaves_its_rounds_due(competition, monkeypatch):
    ask(competition, make_models(competition, "a"))
    with monkeypatch.context() as patch:
        patch.setattr(
            due_rounds, "end_rounds", lambda *args: (_ for _ in ()).throw(RuntimeError)
        )
        with pytest.raises(RuntimeError):
            run_cycle(competition_id=competition.pk)
    assert not Score.objects.exists()
    assert run_cycle(competition_id=competition.pk).scored == 5


def test_a_due_competition_is_claimed_once_and_moves_on_the_grid(competition, at):
    competition.score_interval_s = 10
    competition.next_score_at = NOW - timedelta(seconds=3)
    competition.save()
    with at(NOW + timedelta(seconds=4)):
        assert claim_due() == [competition.pk]
        assert claim_due() == []
    competition.refresh_from_db()
    assert competition.next_score_at == NOW + timedelta(seconds=10)


def test_two_workers_that_see_one_due_give_it_to_one(competition, monkeypatch):
    """The other one claims it after this one has read that it is due."""
    Competition.objects.update(next_score_at=NOW)
    claims = []

    def while_the_other_claims(at, length_s):
        monkeypatch.setattr(cycle, "following", grid.following)
        claims.append(claim_due())
        return grid.following(at, length_s)

    monkeypatch.setattr(cycle, "following", while_the_other_claims)
    claims.append(claim_due())
    assert claims == [[competition.pk], []]


def test_nothing_due_costs_one_statement(competition, django_assert_num_queries):
    Competition.objects.update(next_score_at=NOW + MINUTE)
    with django_assert_num_queries(1):
        assert claim_due() == []


def test_of_rounds_due_at_one_instant_a_waiting_one_starves_none(
    competition, monkeypatch
):
    """Taken one by one: what comes after a round is later, or has a higher key."""
    monkeypatch.setattr(due_rounds, "PREDICTIONS_A_BATCH", 0)
    [model] = make_models(competition, "a")
    put_candles(NOW - 10 * MINUTE, [100.0 + i for i in range(10)])
    at = NOW - 5 * MINUTE
    waiting = make_round(competition, at, {model: 1.0}, subject="ETHUSDT")
    Round.objects.filter(pk=waiting.pk).update(slot_at=at - MINUTE)
    ready = make_round(competition, at, {model: 1.0})
    assert waiting.resolvable_at == ready.resolvable_at
    report = run_cycle(competition_id=competition.pk)
    assert (report.waiting, report.resolved) == (1, 1)
