import math
import threading

import numpy as np
import pytest

from scoring import cycle
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.scores import batch, budget
from tests.scoring.conftest import ask, values_of
from tests.scoring.factories import make_models


def test_a_batch_scorer_gives_the_scores_of_the_plain_one(competition, rewire):
    rewire(
        batch_scoring_function=lambda predictions, ground_truth: (
            predictions["value"] * ground_truth["actual_return"] * 10_000
        )
    )
    [model] = make_models(competition, "a")
    ask(competition, [model])
    run_cycle(competition_id=competition.pk)
    assert values_of(model) == pytest.approx([10_000 / (100 + i) for i in range(5)])
    assert Score.objects.first().result == {"value": Score.objects.first().value}


def test_a_batch_scorer_that_raises_fails_only_what_it_cannot_score(
    competition, rewire
):
    def scorer(predictions, ground_truth):
        if (predictions["value"] == 3).any():
            raise ArithmeticError("three")
        value = predictions["value"].copy()
        value[value == 5] = math.nan
        return {"value": value, "twice": 2 * value}

    rewire(batch_scoring_function=scorer)
    models = make_models(competition, *"0123456")
    ask(competition, models, rounds=1, signal=lambda m, i: float(m.model_id))
    report = run_cycle(competition_id=competition.pk)
    assert (report.scored, report.failed) == (5, 2)
    reasons = list(
        Score.objects.filter(success=False)
        .order_by("prediction__model_id")
        .values_list("failed_reason", flat=True)
    )
    assert reasons == [
        "ArithmeticError: three",
        "the batch scorer gave no number within 1e+100",
    ]
    assert Score.objects.get(prediction__model=models[6]).result == {
        "value": 6.0,
        "twice": 12.0,
    }


def test_a_hanging_batch_scorer_fails_its_batch_with_the_reason(
    competition, rewire, monkeypatch
):
    monkeypatch.setattr(batch, "PATIENCE_S", 0.05)
    woken = threading.Event()
    rewire(batch_scoring_function=lambda predictions, ground_truth: woken.wait(20))
    ask(competition, make_models(competition, *"ab"), rounds=2)
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.failed) == (2, 4)
    reasons = set(Score.objects.values_list("failed_reason", flat=True))
    assert reasons == {"not scored by the batch scorer: it took longer than 0.05 s"}

    wiring = cycle.wiring_of(competition)
    [again] = batch.score_columns(
        scorer=wiring.config.batch_scoring_function,
        predictions={"value": np.ones(1)},
        truths={},
        value_field="value",
    )
    woken.set()
    assert again.failed_reason.endswith("an earlier call of it is still at work")


class Tensor:
    """As one that still tracks its gradient."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("detach it first")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "seven",
        [],
        {},
        {"other": [1.0]},
        [1.0],
        [[1.0, 2.0]],
        {"value": ["a", "b"]},
        Tensor(),
        {"value": Tensor()},
    ],
)
def test_a_batch_scorers_answer_of_the_wrong_kind_fails_its_batch(
    competition, rewire, answer
):
    rewire(batch_scoring_function=lambda predictions, ground_truth: answer)
    ask(competition, make_models(competition, *"ab"), rounds=1)
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.failed) == (1, 2)
    assert Score.objects.first().failed_reason


def relative(predictions, ground_truth):
    return predictions["value"] / np.abs(predictions["value"]).max()


def test_a_round_that_nobody_answered_is_not_put_to_the_scorer(competition, rewire):
    rewire(batch_scoring_function=relative)
    a, b = make_models(competition, "a", "b")
    said = {a: None, b: "it crashed"}
    [round_] = ask(competition, [a, b], rounds=1, signal=lambda m, i: said[m])
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
    ask(competition, make_models(competition, "a", "b"), rounds=1)
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


def test_a_batch_scorer_that_changes_its_arrays_before_it_raises_scores_them_once():
    def in_percent(predictions, ground_truth):
        value = predictions["value"]
        value *= 100
        if 300 in value:
            raise ArithmeticError("three")
        return value

    values = [score.value for score in scored(in_percent, 5)]
    assert values == [0.0, 100.0, 200.0, None, 400.0]


def test_a_batch_scorer_may_fill_one_array_again_and_again():
    full = np.zeros(2)

    def refill(predictions, ground_truth):
        value = predictions["value"]
        if len(value) > 2:
            raise ArithmeticError("too many")
        full[:] = value
        return full

    assert [score.value for score in scored(refill, 4)] == [0.0, 1.0, 2.0, 3.0]


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
    monkeypatch.setattr(budget, "BUDGET_S", 0.5)
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
    assert reasons[2].startswith("not scored by the batch scorer: it took")
    assert reasons[4:] == ["not scored: the scorer had run for 0.5 s"] * 4
