"""A scorer or resolver that fails is a row, holds no lock, and does not pile up."""

import threading
from datetime import timedelta

import pytest

from competitions.models import CallableFailure, Round
from scoring import locks
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.scores import scorer
from scoring.truth import resolver
from scoring.truth.resolve import SLOT
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE = timedelta(minutes=1)
START = NOW - 10 * MINUTE
ORACLE = {}


def oracle(prediction):
    return ORACLE["answer"](prediction)


def boom(*_):
    raise ZeroDivisionError("boom")


@pytest.fixture
def models(competition):
    put_candles(START, [100.0 + i for i in range(10)])
    return make_models(competition, "a", "b")


def rows():
    return {
        row.callable: (row.count, row.path, row.text)
        for row in CallableFailure.objects.all()
    }


def ask_round(competition, models, minute=1):
    return make_round(competition, START + minute * MINUTE, dict.fromkeys(models, 1.0))


def test_a_scorer_that_scores_nothing_is_a_row_until_it_works_again(
    competition, models, rewire
):
    for count in (1, 2):
        rewire(scoring_function=lambda prediction, ground_truth: boom())
        ask_round(competition, models, count)
        run_cycle(competition_id=competition.pk)
        said = "ZeroDivisionError: boom"
        assert rows() == {
            "SCORING_FUNCTION": (count, "contract:scoring_function", said)
        }
    run_cycle(competition_id=competition.pk)  # nothing is due, nothing is known
    assert rows()["SCORING_FUNCTION"][0] == 2
    rewire()
    ask_round(competition, models, 3)
    run_cycle(competition_id=competition.pk)
    assert rows() == {}


def test_a_scorer_that_fails_some_predictions_is_no_failing_scorer(
    competition, models, rewire
):
    rewire(
        scoring_function=lambda prediction, ground_truth: {
            "value": 1 / (prediction.value - 1)
        }
    )
    a, b = models
    make_round(competition, START + MINUTE, {a: 1.0, b: 3.0})
    run_cycle(competition_id=competition.pk)
    assert Score.objects.filter(success=False).count() == 1
    assert rows() == {}


@pytest.mark.parametrize(
    ("wired", "name"),
    [
        ({"own_paths": {"GROUND_TRUTH_RESOLVER": f"{__name__}:oracle"}}, SLOT),
        ({"resolve_ground_truth": oracle}, "resolve_ground_truth"),
    ],
)
def test_a_resolver_that_fails_is_a_row_until_it_works_again(
    competition, models, rewire, wired, name
):
    rewire(**wired)
    round_ = ask_round(competition, models)
    for count, answer, said in (
        (1, boom, "ZeroDivisionError: boom"),
        (2, lambda _: "up", "TypeError: the truth was 'up'"),
    ):
        ORACLE["answer"] = answer
        run_cycle(competition_id=competition.pk)
        assert rows()[name][0] == count
        assert rows()[name][2].startswith(said)
        round_.refresh_from_db()
        assert round_.status == Round.Status.RECEIVED
    ORACLE["answer"] = lambda _: {"actual_return": 0.5}
    run_cycle(competition_id=competition.pk)
    assert rows() == {}
    round_.refresh_from_db()
    assert round_.actuals == {"actual_return": 0.5}
    assert round_.status == Round.Status.RESOLVED


@pytest.mark.parametrize(
    "wired",
    [
        {"own_paths": {"GROUND_TRUTH_RESOLVER": f"{__name__}:oracle"}},
        {"resolve_ground_truth": oracle},
    ],
)
def test_a_resolver_is_asked_once_and_before_any_lock(
    competition, models, rewire, monkeypatch, wired
):
    order = []
    take = locks.lock_shared
    monkeypatch.setattr(
        locks, "lock_shared", lambda pk: (order.append("lock"), take(pk))
    )
    ORACLE["answer"] = lambda _: (order.append("asked"), {"actual_return": 0.5})[1]
    rewire(**wired)
    ask_round(competition, models)
    assert run_cycle(competition_id=competition.pk).resolved == 1
    assert order.count("asked") == 1
    assert order.index("asked") < order.index("lock")


def test_a_resolver_that_hangs_is_not_started_again_meanwhile(
    competition, models, rewire, monkeypatch
):
    monkeypatch.setattr(resolver, "RESOLVER_PATIENCE_S", 0.05)
    woken, asked = threading.Event(), []

    def hang(round_):
        asked.append(round_.pk)
        woken.wait(600)

    ORACLE["answer"] = hang
    rewire(own_paths={"GROUND_TRUTH_RESOLVER": f"{__name__}:oracle"})
    rounds = [ask_round(competition, models).pk]
    run_cycle(competition_id=competition.pk)
    rounds.append(ask_round(competition, models, 2).pk)
    for _ in range(2):
        run_cycle(competition_id=competition.pk)
    text = rows()[SLOT][2]
    woken.set()
    assert asked == rounds
    assert text == "StillAtWork: an earlier call of it is still at work"


def test_a_scorer_that_hangs_is_not_started_again_meanwhile(
    competition, models, rewire, monkeypatch
):
    monkeypatch.setattr(scorer, "SCORER_PATIENCE_S", 0.05)
    woken, asked = threading.Event(), []

    def hang(prediction, ground_truth):
        asked.append(1)
        woken.wait(30)

    rewire(scoring_function=hang)
    for minute in (1, 2, 3):
        ask_round(competition, models, minute)
        run_cycle(competition_id=competition.pk)
    woken.set()
    assert len(asked) == scorer.MOST_HANGS
    last = Score.objects.order_by("pk").last()
    assert last.failed_reason.endswith("earlier calls of the scorer are still running")
