from datetime import timedelta

import pytest

from competitions.contract import CrunchConfig
from core.grid import Period
from scoring.board.scope_figures import scope_figures
from scoring.cycle import run_cycle
from scoring.models import Score
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("resolved_at", "figures"),
    [
        (NOW, None),
        (NOW - MINUTE, (4.0, 4.0)),
        (NOW - 24 * HOUR, (4.0, 4.0)),
        (NOW - 24 * HOUR - MINUTE, (None, 4.0)),
        (NOW - 72 * HOUR, (None, 4.0)),
        (NOW - 72 * HOUR - MINUTE, None),
    ],
)
def test_a_window_holds_the_instant_it_begins_with_and_not_its_end(
    competition, at, resolved_at, figures
):
    put_candles(resolved_at - 3 * MINUTE, [100.0, 100.0, 100.0])
    [model] = make_models(competition, "a")
    make_round(competition, resolved_at - MINUTE, {model: 1.0})
    with at(resolved_at):
        assert run_cycle(competition_id=competition.pk).scored == 1
    Score.objects.update(value=4.0)
    found = scope_figures(
        competition=competition,
        config=CrunchConfig(),
        models=[model.pk],
        period=Period(NOW - 72 * HOUR, NOW),
    )
    assert [(f.metrics["score_recent"], f.metrics["score_steady"]) for f in found] == (
        [figures] if figures else []
    )


def test_scores_that_failed_are_in_no_figure(competition):
    put_candles(NOW - 10 * MINUTE, [100.0 + i for i in range(12)])
    [model] = make_models(competition, "a")
    for minutes in (7, 6):
        make_round(competition, NOW - minutes * MINUTE, {model: 1.0})
    run_cycle(competition_id=competition.pk)
    first, second = Score.objects.order_by("prediction_id")
    Score.objects.filter(pk=first.pk).update(value=3.0)
    Score.objects.filter(pk=second.pk).update(
        value=9.0, success=False, failed_reason="it raised"
    )
    [figures] = scope_figures(
        competition=competition,
        config=CrunchConfig(),
        models=[model.pk],
        period=Period(NOW - HOUR, NOW + HOUR),
    )
    assert figures.metrics["score_recent"] == 3.0
