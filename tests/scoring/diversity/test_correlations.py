from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from competitions.contract import CrunchConfig
from competitions.models import ParticipantModel, Round
from competitions.slots import wire
from scoring.board.leaderboard import publish
from scoring.diversity.correlations import LEAST_IN_COMMON, correlations
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round

MINUTE = timedelta(minutes=1)
WIRING = wire(CrunchConfig(), {})


@pytest.fixture
def answered(competition):
    """Resolved rounds with the models' signals: `answered(models, signals)`."""

    def make(models, signals):
        for i, row in enumerate(np.array(signals, dtype=float).T):
            answers = {
                model: None if np.isnan(value) else float(value)
                for model, value in zip(models, row, strict=True)
            }
            make_round(competition, NOW - (90 - i) * MINUTE, answers)
        Round.objects.update(status="RESOLVED", resolved_at=NOW, actuals={})
        publish(competition=competition, wiring=WIRING, now=NOW)

    return make


def found(competition, limit=20):
    return correlations(competition=competition, wiring=WIRING, limit=limit)


def test_pairs_agree_with_scipy_and_are_in_the_order_of_the_board(
    competition, answered
):
    models = make_models(competition, *"abc")
    signals = np.random.default_rng(1).normal(size=(3, 30)).round(1)
    answered(models, signals)
    seen = found(competition)
    assert [model.model_id for model in seen.models] == ["a", "b", "c"]
    np.testing.assert_allclose(seen.matrix, stats.spearmanr(signals.T).statistic)
    assert seen.rounds == 30


def test_too_few_rounds_in_common_are_unknown(competition, answered):
    models = make_models(competition, *"ab")
    signals = np.random.default_rng(1).normal(size=(2, 30))
    signals[0, : 30 - LEAST_IN_COMMON + 1] = np.nan
    answered(models, signals)
    assert found(competition).matrix == [[1.0, None], [None, 1.0]]


def test_only_the_leading_real_models_are_compared(competition, answered):
    models = make_models(competition, *"abc")
    ParticipantModel.objects.filter(pk=models[0].pk).update(is_virtual=True)
    answered(models, np.arange(60).reshape(3, 20))
    assert [m.model_id for m in found(competition, limit=1).models] == ["b"]


def test_without_a_board_there_is_nothing(competition):
    seen = found(competition)
    assert (seen.models, seen.matrix, seen.rounds) == ([], [], 0)


def test_the_report_names_each_pair(client, competition, answered):
    models = make_models(competition, *"ab")
    answered(models, [range(20), [-i for i in range(20)]])
    rows = client.get("/reports/correlations").json()
    assert rows == [
        {"model_id": "a", "correlations": {"a": 1.0, "b": -1.0}, "rounds": 20},
        {"model_id": "b", "correlations": {"a": -1.0, "b": 1.0}, "rounds": 20},
    ]
    assert client.get("/reports/correlations?limit=51").status_code == 422


def test_reading_costs_the_same_for_more_models(
    competition, answered, django_assert_num_queries
):
    models = make_models(competition, *"abcdefgh")
    answered(models, np.random.default_rng(1).normal(size=(8, 20)))
    with django_assert_num_queries(2):
        found(competition)
