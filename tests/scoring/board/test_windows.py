"""What is kept of closed snapshots in memory never outlives what it rests on."""

import random
from datetime import timedelta

import pytest

from competitions.contract import CrunchConfig
from competitions.slots import wire
from core.grid import Period
from scoring import corrections
from scoring.board import closed_sums
from scoring.board.standings import standings
from scoring.cycle import run_cycle
from scoring.metrics import MetricsContext, default_registry
from scoring.models import Leaderboard, Snapshot
from scoring.snapshots.matrices import read_scores
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

SECOND, MINUTE, HOUR = (timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours"))
WIRING = wire(CrunchConfig(), {})


def snap(model, hours_ago, value, count=1, expected=None, **summary):
    start = NOW - hours_ago * HOUR
    return Snapshot.objects.create(
        model=model,
        period_start=start,
        period_end=start + HOUR,
        prediction_count=count,
        expected_count=count if expected is None else expected,
        value=value,
        result_summary={"value": value, **summary},
        content_hash="",
        is_closed=True,
        created_at=NOW,
        updated_at=NOW,
    )


def figures_at(competition, as_of):
    [line] = standings(competition=competition, wiring=WIRING, as_of=as_of)
    return line.metrics


def test_a_snapshot_leaves_a_window_at_the_very_instant_of_its_end(competition):
    """With the sums of a moment before in memory."""
    [model] = make_models(competition, "a")
    snap(model, 24, 100.0)  # [now - 24 h, now - 23 h)
    snap(model, 1, 1.0)
    closed_sums.forget()
    leaves = NOW + HOUR
    at = (leaves - SECOND, leaves, leaves + SECOND)
    assert [figures_at(competition, as_of)["score_recent"] for as_of in at] == [
        *(50.5, 1.0, 1.0)
    ]


def test_a_metric_weighs_by_what_was_scored_not_by_what_was_expected(competition):
    [model] = make_models(competition, "a")
    snap(model, 1, 1.0, count=1, expected=9, ic=1.0)
    snap(model, 2, 1.0, count=3, expected=3, ic=0.0)
    closed_sums.forget()
    assert figures_at(competition, NOW)["ic"] == 0.25


@pytest.mark.parametrize("kind", ["void", "rescore"])
def test_a_correction_of_an_older_hour_reaches_sums_in_memory(
    competition, at, rewire, monkeypatch, kind
):
    """The newest closed snapshots stay as they were: only the correction tells."""
    put_candles(NOW - 3 * HOUR, [100.0 + i for i in range(181)])
    [model] = make_models(competition, "a")
    for performed_at in (NOW - 130 * MINUTE, NOW - 125 * MINUTE, NOW - 30 * MINUTE):
        make_round(competition, performed_at, {model: performed_at.minute / 10})
        with at(performed_at + 2 * MINUTE):
            run_cycle(competition_id=competition.pk)
    run_cycle(competition_id=competition.pk)
    wiring = rewire(scoring_function=lambda prediction, ground_truth: {"value": 7.0})
    monkeypatch.setattr(corrections, "wiring_of", lambda competition: wiring)
    later = NOW + SECOND
    before = figures_at(competition, later)
    correct, start, end = {
        "void": (corrections.void, NOW - 130 * MINUTE, NOW - 129 * MINUTE),
        "rescore": (corrections.rescore, NOW - 3 * HOUR, NOW - HOUR),
    }[kind]
    correct(
        competition_id=competition.pk,
        start=start,
        end=end,
        reason="the exchange was down",
        author="olga",
    )
    after = figures_at(competition, later)
    closed_sums.forget()
    assert after == figures_at(competition, later)
    left = Snapshot.objects.current().values_list("value", "prediction_count")
    assert after["score_recent"] == pytest.approx(
        sum(value * count for value, count in left) / sum(count for _, count in left)
    )
    assert after["score_recent"] != before["score_recent"]


def test_a_board_shows_the_figures_of_all_rounds_and_over_how_much(
    competition, at, rewire
):
    """Three hours, models with gaps: as computed over the whole at once."""
    metrics = ("ic_sharpe", "max_drawdown", "sortino_ratio", "turnover", "ic")
    wiring = rewire(metrics=metrics)
    noise = random.Random(7)
    prices = [100.0]
    for _ in range(200):
        prices.append(prices[-1] * (1 + noise.gauss(0, 0.001)))
    put_candles(NOW - 3 * HOUR - MINUTE, prices[:182])
    models = make_models(competition, *"abc")
    for minute in range(0, 179, 3):
        signals = {m: noise.gauss(0, 1) for m in models if noise.random() > 0.2}
        performed_at = NOW - 3 * HOUR + minute * MINUTE
        make_round(competition, performed_at, signals)
        if minute % 30 == 27:
            with at(performed_at + 2 * MINUTE):
                run_cycle(competition_id=competition.pk)
    run_cycle(competition_id=competition.pk)
    assert Snapshot.objects.values("period_start").distinct().count() == 3
    board = Leaderboard.objects.get(is_newest=True)
    whole = read_scores(
        competition=competition, wiring=wiring, period=Period(NOW - 3 * HOUR, NOW)
    )
    context = MetricsContext(
        model_ids=tuple(map(str, whole.model_ids)),
        signals=whole.signals,
        scores=whole.scores,
        actuals=whole.actuals,
        scopes=whole.scopes,
        window_start=NOW - 3 * HOUR,
        window_end=NOW,
    )
    for name in ("max_drawdown", "sortino_ratio", "turnover"):
        column = default_registry().compute([name], context)[name]
        shown = dict(board.entries.values_list("model", f"metrics__{name}"))
        assert shown == {
            pk: pytest.approx(x)
            for pk, x in zip(whole.model_ids.tolist(), column.tolist(), strict=True)
        }
    for entry in board.entries.all():
        scored = entry.samples["score_recent"]["count"]
        assert 30 < scored < 60
        assert entry.counts["max_drawdown"] == entry.counts["ic"] == scored
        assert entry.counts["turnover"] == scored - 1
    assert board.figures["max_drawdown"] == {
        "hours": 24,
        "unit": "rounds",
        "is_mean_of_snapshots": False,
    }
    assert board.figures["ic"]["is_mean_of_snapshots"]
    assert board.figures["score_steady"]["hours"] == 72
