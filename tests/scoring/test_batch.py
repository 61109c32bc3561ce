import threading
from datetime import timedelta

import numpy as np
import pytest

from scoring import batch, threads
from scoring.cycle import run_cycle
from scoring.models import Score
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE = timedelta(minutes=1)
START = NOW - 30 * MINUTE


def ask(competition, answers):
    """One round: model name -> what it said."""
    put_candles(START - MINUTE, [100.0, 101.0, 102.0])
    models = make_models(competition, *answers)
    said = dict(zip(models, answers.values(), strict=True))
    return make_round(competition, START, said)


def relative(predictions, ground_truth):
    return predictions["value"] / np.abs(predictions["value"]).max()


def test_a_round_that_nobody_answered_is_not_put_to_the_scorer(competition, rewire):
    rewire(batch_scoring_function=relative)
    round_ = ask(competition, {"a": None, "b": "it crashed"})
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.scored, report.failed) == (1, 0, 0)
    round_.refresh_from_db()
    assert round_.status == "RESOLVED"


@pytest.mark.parametrize("name", [1, None, "a\x00b", "\ud800"])
def test_a_key_that_json_cannot_hold_fails_the_batch_with_a_reason(
    competition, rewire, name
):
    rewire(
        batch_scoring_function=lambda predictions, ground_truth: {
            "value": predictions["value"],
            name: predictions["value"],
        }
    )
    ask(competition, {"a": 1.0, "b": 2.0})
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.failed) == (1, 2)
    reasons = set(Score.objects.values_list("failed_reason", flat=True))
    assert reasons == {f"ValueError: a key was {name!r}; keys are text without NUL"}


def scored(scorer, size):
    """What a batch scorer makes of the signals 0, 1, 2, ..."""
    return batch.score_columns(
        scorer=scorer,
        predictions={"value": np.arange(size, dtype=np.float64)},
        truths={},
        value_field="value",
    )


def test_a_batch_scorer_that_always_raises_is_not_called_for_ever(monkeypatch):
    monkeypatch.setattr(batch, "MOST_CALLS", 20)
    called = []

    def scorer(predictions, ground_truth):
        called.append(len(predictions["value"]))
        raise ArithmeticError("no")

    reasons = [score.failed_reason for score in scored(scorer, 1000)]
    assert len(called) == 20
    assert reasons[0] == "ArithmeticError: no"
    assert reasons[-1] == "not scored: the batch scorer kept raising in 20 calls"


def test_a_batch_scorer_has_one_time_for_all_its_calls(monkeypatch):
    monkeypatch.setattr(threads, "BUDGET_S", 0.5)
    woken = threading.Event()

    def scorer(predictions, ground_truth):
        value = predictions["value"]
        if len(value) > 2:
            raise ArithmeticError("too many")
        if 0 not in value:
            woken.wait(20)
        return value

    reasons = [score.failed_reason for score in scored(scorer, 8)]
    woken.set()
    assert reasons[:2] == ["", ""]
    assert reasons[2].startswith("the batch scorer took longer than 0.")
    assert reasons[4:] == ["not scored: the scorer was at work for 0.5 s"] * 4
