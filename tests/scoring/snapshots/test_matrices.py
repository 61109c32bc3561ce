from datetime import timedelta

import numpy as np
from pydantic import BaseModel

from competitions.contract import CrunchConfig
from competitions.slots import wire
from core.grid import Period
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.snapshots.matrices import read_scores
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

SECOND, MINUTE, HOUR = (timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours"))
WIRING = wire(CrunchConfig(), {})
NAN = np.nan


def read(competition, start, end):
    period = Period(start, end)
    return read_scores(competition=competition, wiring=WIRING, period=period)


def test_a_round_is_in_the_period_that_holds_the_instant_it_was_resolved_at(
    competition, at
):
    put_candles(NOW - 10 * MINUTE, [100.0 + i for i in range(12)])
    [model] = make_models(competition, "a")
    rounds = []
    for resolved_at in (NOW - SECOND, NOW):
        rounds.append(make_round(competition, resolved_at - 2 * MINUTE, {model: 1.0}))
        with at(resolved_at):
            run_cycle(competition_id=competition.pk)
    before = read(competition, NOW - HOUR, NOW)
    after = read(competition, NOW, NOW + HOUR)
    assert before.round_ids.tolist() == [rounds[0].pk]
    assert after.round_ids.tolist() == [rounds[1].pk]
    assert before.signals.tolist() == after.signals.tolist() == [[1.0]]


def test_who_said_nothing_or_failed_was_asked_and_has_no_number(competition):
    put_candles(NOW - 10 * MINUTE, [100.0 + i for i in range(12)])
    good, silent, failed, unscored = make_models(competition, *"abcd")
    answers = {good: 2.0, silent: None, failed: "no memory", unscored: 3.0}
    make_round(competition, NOW - 5 * MINUTE, answers)
    run_cycle(competition_id=competition.pk)
    Score.objects.filter(prediction__model=unscored).update(
        success=False, value=7.0, failed_reason="it raised"
    )
    found = read(competition, NOW, NOW + HOUR)
    assert found.model_ids.tolist() == [m.pk for m in answers]
    assert found.asked.tolist() == [[True] * 4]
    np.testing.assert_equal(found.signals, [[2.0, NAN, NAN, 3.0]])
    [value] = Score.objects.filter(prediction__model=good).values_list("value")
    np.testing.assert_equal(found.scores, [[value[0], NAN, NAN, NAN]])


def test_a_number_of_a_score_may_be_called_like_a_column_of_ours(competition):
    class Named(BaseModel):
        value: float
        model: float
        signal: float

    wiring = wire(CrunchConfig(score_type=Named), {})
    period = Period(NOW - timedelta(hours=1), NOW)
    found = read_scores(competition=competition, wiring=wiring, period=period)
    assert list(found.fields) == ["model", "signal"]
