import random
from datetime import timedelta

import numpy as np
import pytest
from pydantic import BaseModel

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import Aggregation, EnsembleConfig
from competitions.models import ParticipantModel, Prediction
from core.grid import Period
from scoring import corrections
from scoring.cycle import run_cycle
from scoring.models import LeaderboardEntry, Score, Snapshot
from scoring.snapshots.build_snapshots import build_snapshots
from scoring.snapshots.ensembles import PeriodEnsembles
from scoring.snapshots.matrices import read_scores
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ALL = ["ic", "contribution", "ensemble_correlation", "model_correlation"]


@pytest.fixture
def market(competition):
    put_candles(NOW - 62 * MINUTE, [100.0 + i * i % 11 for i in range(150)])
    return competition


def score_rounds(competition, at, first, answers):
    for i, each in enumerate(answers):
        make_round(competition, first + i * MINUTE, each)
    with at(first + (len(answers) + 1) * MINUTE):
        run_cycle(competition_id=competition.pk)


def test_an_ensemble_is_predicted_scored_and_summed_up_like_a_model(market, at, rewire):
    rewire(ensembles=(EnsembleConfig(name="all"),), metrics=tuple(ALL))
    a, b = make_models(market, "a", "b")
    answers = [{a: 1.0 * i, b: 3.0 - i % 3} for i in range(5)]
    score_rounds(market, at, NOW, answers)
    virtual = ParticipantModel.objects.get(model_id="__ensemble_all__")
    assert virtual.is_virtual
    stored = Prediction.objects.filter(model=virtual).order_by("performed_at")
    assert [p.output["value"] for p in stored] == [
        (each[a] + each[b]) / 2 for each in answers
    ]
    assert stored[0].meta == {"ensemble_name": "all", "weights": {"a": 0.5, "b": 0.5}}
    assert Score.objects.filter(prediction__model=virtual, success=True).count() == 5
    assert Snapshot.objects.get(model=virtual).prediction_count == 5
    summary = Snapshot.objects.get(model=a).result_summary
    assert summary["contribution"] is not None
    assert summary["ensemble_correlation"] is not None
    assert LeaderboardEntry.objects.get(model=virtual).rank is None


def test_running_again_adds_no_second_ensemble_prediction(market, at, rewire):
    rewire(ensembles=(EnsembleConfig(name="all", strategy="equal_weight"),))
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0, b: 2.0}] * 3)
    score_rounds(market, at, NOW + 10 * MINUTE, [{a: 1.0, b: 2.0}] * 2)
    virtual = ParticipantModel.objects.get(is_virtual=True)
    assert Prediction.objects.filter(model=virtual).count() == 5


def test_weights_come_from_the_period_before(market, at, rewire):
    rewire(ensembles=(EnsembleConfig(name="steady"),))
    calm, wild = make_models(market, "calm", "wild")
    before = [{calm: (-1.0) ** i, wild: 2 * (-1.0) ** i} for i in range(4)]
    score_rounds(market, at, NOW - 30 * MINUTE, before)
    score_rounds(market, at, NOW + MINUTE, [{calm: 1.0, wild: 0.0}])
    newest = Prediction.objects.filter(model__is_virtual=True).latest("performed_at")
    assert newest.meta["weights"] == {"calm": 0.8, "wild": 0.2}
    assert newest.output["value"] == pytest.approx(0.8)


def test_a_correction_of_the_period_before_leaves_a_rebuild_as_it_was(
    market, at, rewire, monkeypatch
):
    wiring = rewire(
        ensembles=(EnsembleConfig(name="steady"), EnsembleConfig(name="any")),
        metrics=("contribution", "ensemble_correlation"),
    )
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    models = make_models(market, *"abc")
    noise = random.Random(7)
    for first in (NOW - 30 * MINUTE, NOW + MINUTE):
        answers = [{m: noise.gauss(0, m.pk) for m in models} for _ in range(6)]
        score_rounds(market, at, first, answers)
    with at(NOW + HOUR):
        run_cycle(competition_id=market.pk)
        corrections.void(
            competition_id=market.pk,
            start=NOW - 30 * MINUTE,
            end=NOW - 27 * MINUTE,
            reason="the exchange was down",
            author="olga",
        )
    again = build_snapshots(
        PeriodEnsembles(
            competition=market,
            wiring=wiring,
            period=Period(NOW, NOW + HOUR),
            guarded=GuardedCalls(market),
        )
    )
    stored = Snapshot.objects.current().filter(period_start=NOW)
    assert {s.model_id: s.content_hash for s in again} == dict(
        stored.values_list("model_id", "content_hash")
    )
    assert again[0].result_summary["contribution"] is not None


def test_a_model_that_comes_later_in_a_period_joins_the_ensemble(market, at, rewire):
    rewire(ensembles=(EnsembleConfig(name="all"),))
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0}])
    score_rounds(market, at, NOW + 5 * MINUTE, [{a: 1.0, b: 2.0}])
    stored = Prediction.objects.filter(model__is_virtual=True).order_by("pk")
    assert [p.meta["weights"] for p in stored] == [{"a": 1.0}, {"a": 0.5, "b": 0.5}]


def test_top_n_looks_at_the_value_whatever_its_field_is_called(market, at, rewire):
    class Brier(BaseModel):
        brier: float

    rewire(
        score_type=Brier,
        scoring_function=lambda prediction, ground_truth: Brier(brier=prediction.value),
        aggregation=Aggregation(value_field="brier"),
        ensembles=(EnsembleConfig(name="best", model_filter={"top_n": 1}),),
    )
    low, high = make_models(market, "a", "b")
    score_rounds(market, at, NOW - 30 * MINUTE, [{low: 1.0, high: 2.0}] * 2)
    score_rounds(market, at, NOW + MINUTE, [{low: 1.0, high: 2.0}])
    newest = Prediction.objects.filter(model__is_virtual=True).latest("performed_at")
    assert newest.meta["weights"] == {"b": 1.0}


@pytest.mark.parametrize("least", [0.0, 1e-9])
def test_who_weighs_nothing_to_the_digits_kept_is_no_member(market, at, rewire, least):
    def the_first(model_metrics, signals):
        return {m: 1.0 if m == "a" else least for m in model_metrics}

    rewire(ensembles=(EnsembleConfig(name="one", strategy=the_first),))
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0, b: 3.0}])
    prediction = Prediction.objects.get(model__is_virtual=True)
    assert prediction.meta["weights"] == {"a": 1.0}
    assert prediction.output == {"value": 1.0}


def test_a_strategy_that_raises_leaves_the_cycle_alone(market, at, rewire):
    def broken(model_metrics, signals):
        raise RuntimeError("no weights")

    rewire(ensembles=(EnsembleConfig(name="bad", strategy=broken),))
    [a] = make_models(market, "a")
    score_rounds(market, at, NOW, [{a: 1.0}] * 2)
    assert Snapshot.objects.get().prediction_count == 2


def test_a_disabled_ensemble_does_nothing(market, at, rewire):
    rewire(ensembles=(EnsembleConfig(name="off", enabled=False),))
    [a] = make_models(market, "a")
    score_rounds(market, at, NOW, [{a: 1.0}] * 2)
    assert not ParticipantModel.objects.filter(is_virtual=True).exists()


BEST = EnsembleConfig(name="best", model_filter={"top_n": 1})


def the_signal(prediction, ground_truth):
    return {"value": prediction.value}


def newest_weights():
    newest = Prediction.objects.filter(model__is_virtual=True).latest("performed_at")
    return newest.meta["weights"]


def test_members_are_chosen_by_the_period_before_alone(market, at, rewire):
    """Not by an older one in which another model was the best."""
    rewire(ensembles=(BEST,), scoring_function=the_signal)
    a, b = make_models(market, "a", "b")
    put_candles(NOW - 100 * MINUTE, [30.0 + i for i in range(70)])
    score_rounds(market, at, NOW - 90 * MINUTE, [{a: 1.0, b: 9.0}] * 2)
    score_rounds(market, at, NOW - 30 * MINUTE, [{a: 2.0, b: 1.0}] * 2)
    score_rounds(market, at, NOW + MINUTE, [{a: 1.0, b: 1.0}])
    assert newest_weights() == {"a": 1.0}


def test_members_are_chosen_by_what_a_correction_left(market, at, rewire, monkeypatch):
    wiring = rewire(ensembles=(BEST,), scoring_function=the_signal)
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    a, b = make_models(market, "a", "b")
    answers = [{a: 1.0, b: 9.0}, {a: 2.0, b: 1.0}]
    score_rounds(market, at, NOW - 30 * MINUTE, answers)
    with at(NOW):
        run_cycle(competition_id=market.pk)
    corrections.void(
        competition_id=market.pk,
        start=NOW - 30 * MINUTE,
        end=NOW - 29 * MINUTE,
        reason="the exchange was down",
        author="olga",
    )
    score_rounds(market, at, NOW + MINUTE, [{a: 1.0, b: 1.0}])
    assert newest_weights() == {"a": 1.0}


def test_a_rebuild_takes_the_newest_weights_of_the_period(market, at, rewire):
    """Those of all who have come by then, not of the first round."""
    wiring = rewire(
        ensembles=(EnsembleConfig(name="all"),), metrics=("ensemble_correlation",)
    )
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0}, {a: 2.0}])
    score_rounds(market, at, NOW + 5 * MINUTE, [{a: 3.0, b: -9.0}, {a: 4.0, b: 5.0}])
    [blend] = PeriodEnsembles(
        competition=market,
        wiring=wiring,
        period=Period(NOW, NOW + HOUR),
        guarded=GuardedCalls(market),
    ).blends()
    assert blend.shares == {"a": 0.5, "b": 0.5}


def test_an_operators_strategy_weighs_every_round_of_a_period(market, at, rewire):
    """Its answers are needed each cycle, not in a period's first one alone."""

    def the_first(model_metrics, signals):
        return {m: 1.0 if m == "a" else 0.0 for m in model_metrics}

    rewire(ensembles=(EnsembleConfig(name="own", strategy=the_first),))
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0, b: 3.0}] * 2)
    score_rounds(market, at, NOW + 5 * MINUTE, [{a: 2.0, b: 3.0}] * 2)
    stored = Prediction.objects.filter(model__is_virtual=True).order_by("pk")
    assert [p.output["value"] for p in stored] == [1.0, 1.0, 2.0, 2.0]


def test_matrices_that_were_filled_are_those_that_would_be_read(market, at, rewire):
    wiring = rewire(
        ensembles=(EnsembleConfig(name="all"), EnsembleConfig(name="any")),
    )
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0, b: 3.0}, {b: 2.0}])
    Prediction.objects.filter(model__is_virtual=True).delete()
    facts = {
        "competition": market,
        "wiring": wiring,
        "period": Period(NOW, NOW + HOUR),
    }
    filled = PeriodEnsembles(**facts, guarded=GuardedCalls(market))
    filled.fill(version=1)
    read = read_scores(**facts)
    for name in ("model_ids", "asked", "signals", "scores"):
        np.testing.assert_array_equal(getattr(filled.scores, name), getattr(read, name))
    assert filled.scores.fields.keys() == read.fields.keys()
    assert len(read.model_ids) == 4


def test_rounds_that_lack_no_ensemble_cost_no_statement(
    market, at, rewire, django_assert_num_queries
):
    wiring = rewire(ensembles=(EnsembleConfig(name="all"),))
    a, b = make_models(market, "a", "b")
    score_rounds(market, at, NOW, [{a: 1.0, b: 3.0}])
    ensembles = PeriodEnsembles(
        competition=market,
        wiring=wiring,
        period=Period(NOW, NOW + HOUR),
        guarded=GuardedCalls(market),
    )
    with django_assert_num_queries(1):  # the models
        ensembles.fill(version=1)
