from datetime import timedelta

import numpy as np

from scoring.cycle import run_cycle
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
