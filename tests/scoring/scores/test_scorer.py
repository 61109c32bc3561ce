"""One prediction's scorer harms no other, however long it takes."""

import threading

import pytest

from competitions.contract import CrunchConfig, GroundTruth, InferenceOutput
from competitions.models import Prediction
from competitions.slots import wire
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.scores import budget, scorer
from tests.scoring.conftest import MINUTE, START, ask, values_of
from tests.scoring.factories import make_models, make_round, put_candles


def test_a_hanging_scorer_fails_its_prediction_and_no_other(
    competition, rewire, monkeypatch
):
    monkeypatch.setattr(scorer, "SCORER_PATIENCE_S", 0.1)
    woken = threading.Event()

    def hang(prediction, ground_truth):
        if prediction.value == 1.0:
            woken.wait(20)
        return {"value": prediction.value}

    rewire(scoring_function=hang)
    models = make_models(competition, *"01234")
    ask(competition, models, rounds=1, signal=lambda m, i: float(m.model_id))
    run_cycle(competition_id=competition.pk)
    woken.set()
    assert [values_of(model) for model in models] == [
        [0.0],
        [None],
        [2.0],
        [3.0],
        [4.0],
    ]
    failed = Score.objects.get(success=False)
    assert failed.failed_reason == "the scorer took longer than 0.1 s"


def test_a_scorer_that_keeps_hanging_fails_the_rest(competition, rewire, monkeypatch):
    monkeypatch.setattr(scorer, "SCORER_PATIENCE_S", 0.05)
    woken = threading.Event()
    rewire(scoring_function=lambda prediction, ground_truth: woken.wait(20))
    ask(competition, make_models(competition, *"abcdef"), rounds=1)
    report = run_cycle(competition_id=competition.pk)
    woken.set()
    assert report.failed == 6
    reasons = Score.objects.order_by("pk").values_list("failed_reason", flat=True)
    assert reasons[5] == "not scored: the scorer kept hanging"


def test_a_slow_scorer_fails_what_it_had_no_time_for(competition, rewire, monkeypatch):
    monkeypatch.setattr(budget, "BUDGET_S", 0.5)
    woken = threading.Event()

    def slow(prediction, ground_truth):
        if prediction.value == 2.0:
            woken.wait(20)
        return {"value": prediction.value}

    rewire(scoring_function=slow)
    models = make_models(competition, *"0123")
    ask(competition, models, rounds=1, signal=lambda m, i: float(m.model_id))
    run_cycle(competition_id=competition.pk)
    woken.set()
    assert [values_of(model) for model in models] == [[0.0], [1.0], [None], [None]]
    reasons = Score.objects.filter(success=False).values_list("failed_reason")
    assert set(reasons) == {("not scored: the scorer had run for 0.5 s",)}


class Declares(InferenceOutput, frozen=True):
    model_id: str = "mine"


class Keeps(InferenceOutput, extra="allow"):
    """Has whatever the model answers."""


@pytest.mark.parametrize("kind", [InferenceOutput, Declares, Keeps])
def test_a_scorer_may_read_whose_prediction_it_is(competition, rewire, kind):
    seen = {}

    def scorer(prediction, ground_truth):
        seen[prediction.prediction_id] = prediction.model_id
        return {"value": prediction.value, "dumped": prediction.model_dump()["value"]}

    rewire(scoring_function=scorer, output_type=kind)
    put_candles(START, [100.0, 110.0, 121.0])
    a, b = make_models(competition, "a", "b")
    lie = {"value": 2.0, "model_id": "a", "prediction_id": 7}
    make_round(competition, START + MINUTE, {a: {"value": 1.0}, b: lie})
    run_cycle(competition_id=competition.pk)
    predictions = Prediction.objects.order_by("pk")
    assert seen == {p.pk: p.model.model_id for p in predictions}
    assert [p.output for p in predictions] == [{"value": 1.0}, lie]
    stored = Score.objects.order_by("prediction_id").values_list("result", flat=True)
    assert [score["dumped"] for score in stored] == [1.0, 2.0]


def scored(scorer_, truth):
    """What a scorer makes of three answers of one round."""
    found = scorer.score_all(
        wiring=wire(CrunchConfig(scoring_function=scorer_), {}),
        outputs=['{"value": 1.0}', '{"value": 2.0}', '{"value": 3.0}'],
        truths=[truth] * 3,
        names=[("a", 1), ("b", 2), ("c", 3)],
    )
    return [score.value for score in found]


def test_what_a_scorer_changes_in_a_truth_the_next_answer_does_not_see():
    def in_basis_points(prediction, ground_truth):
        ground_truth.actual_return *= 10_000
        return {"value": prediction.value * ground_truth.actual_return}

    def of_the_last_price(prediction, ground_truth):
        return {"value": prediction.value * ground_truth.prices.pop()}

    truth = GroundTruth(actual_return=0.5, prices=[1.0, 2.0])
    before = truth.model_dump()
    assert scored(in_basis_points, truth) == [5_000.0, 10_000.0, 15_000.0]
    assert scored(of_the_last_price, truth) == [2.0, 4.0, 6.0]
    assert truth.model_dump() == before


def test_a_scorer_may_fill_one_answer_again_and_again():
    answer = {}

    def refill(prediction, ground_truth):
        answer["value"] = prediction.value
        return answer

    assert scored(refill, GroundTruth(actual_return=0.5)) == [1.0, 2.0, 3.0]
