from datetime import timedelta

import pytest

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import Aggregation, CrunchConfig
from competitions.models import Competition, Round
from competitions.slots import wire
from core.grid import Period
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score, Snapshot
from scoring.snapshots import snapshots
from scoring.snapshots.build_snapshots import build_snapshots
from scoring.snapshots.ensembles import PeriodEnsembles
from scoring.snapshots.matrices import MOST_EXTRAS
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def market(competition):
    """Two hours of candles around NOW that rise by one a minute from 100."""
    put_candles(NOW - 62 * MINUTE, [100.0 + i for i in range(180)])
    return competition


def score_round(competition, at, performed_at, answers):
    make_round(competition, performed_at, answers)
    with at(performed_at + MINUTE):
        run_cycle(competition_id=competition.pk)


def test_a_score_belongs_to_the_period_in_which_its_round_was_resolved(market, at):
    [model] = make_models(market, "a")
    score_round(market, at, NOW - 2 * MINUTE, {model: 1.0})  # resolved 11:59
    score_round(market, at, NOW - MINUTE, {model: 1.0})  # resolved 12:00 sharp
    periods = Snapshot.objects.order_by("period_start").values_list(
        "period_start", "period_end", "prediction_count", "is_closed"
    )
    assert list(periods) == [
        (NOW - HOUR, NOW, 1, True),
        (NOW, NOW + HOUR, 1, False),
    ]


def test_a_closed_snapshot_never_changes(market, at):
    [model] = make_models(market, "a")
    score_round(market, at, NOW - 2 * MINUTE, {model: 1.0})
    with at(NOW):
        run_cycle(competition_id=market.pk)
    [closed] = Snapshot.objects.values()
    score_round(market, at, NOW + 5 * MINUTE, {model: -1.0})
    assert Snapshot.objects.filter(is_closed=True).values().get() == closed


def test_a_worker_whose_clock_is_behind_scores_into_the_open_period(market, at):
    [model] = make_models(market, "a")
    score_round(market, at, NOW - 2 * MINUTE, {model: 1.0})
    with at(NOW):
        run_cycle(competition_id=market.pk)
    late = make_round(market, NOW - 3 * MINUTE, {model: 1.0})
    with at(NOW - MINUTE):
        run_cycle(competition_id=market.pk)
    late.refresh_from_db()
    assert late.resolved_at == NOW
    assert Snapshot.objects.get(is_closed=False).prediction_count == 1


def test_rebuilding_gives_the_same_content_hash(market, at):
    models = make_models(market, "a", "b", "c")
    for i in range(6):
        answers = {m: (k + 1) * (-1) ** i * 0.1 for k, m in enumerate(models)}
        score_round(market, at, NOW + i * MINUTE, answers)
    wiring = wire(CrunchConfig(), {})
    again = build_snapshots(
        PeriodEnsembles(
            competition=market,
            wiring=wiring,
            period=Period(start=NOW, end=NOW + HOUR),
            guarded=GuardedCalls(market),
        )
    )
    stored = dict(Snapshot.objects.values_list("model_id", "content_hash"))
    assert {s.model_id: s.content_hash for s in again} == stored
    assert len(set(stored.values())) == 3


def test_the_summary_has_the_value_and_the_metrics(market, at):
    model, other = make_models(market, "a", "b")
    for i in range(4):
        score_round(market, at, NOW + i * MINUTE, {model: 1.0 + i, other: 2.0})
    summary = Snapshot.objects.get(model=model).result_summary
    assert set(summary) == {
        *("value", "ic", "ic_sharpe", "hit_rate", "max_drawdown", "model_correlation"),
        "actual_return",
    }
    assert summary["ic"] == -1.0  # signals rise, returns fall
    assert summary["hit_rate"] == 1.0
    assert summary["model_correlation"] is None  # the other never varies


def test_a_voided_round_leaves_the_open_period(market, at):
    model, other = make_models(market, "a", "b")
    score_round(market, at, NOW, {model: 1.0})
    score_round(market, at, NOW + MINUTE, {model: 1.0, other: 1.0})
    Round.objects.filter(performed_at=NOW + MINUTE).update(status="VOID")
    with at(NOW + 10 * MINUTE):
        snapshots.refresh(
            guarded=GuardedCalls(market),
            competition=market,
            wiring=wire(CrunchConfig(), {}),
            now=NOW + 10 * MINUTE,
        )
    [left] = Snapshot.objects.all()
    assert (left.model, left.prediction_count) == (model, 1)


def test_the_contracts_aggregate_snapshot_adds_to_the_summary(market, at, rewire):
    rewire(
        aggregate_snapshot=lambda results: {"best": max(r["value"] for r in results)}
    )
    [model] = make_models(market, "a")
    for i in range(3):
        score_round(market, at, NOW + i * MINUTE, {model: float(i)})
    summary = Snapshot.objects.get().result_summary
    assert summary["best"] > summary["value"] > 0


@pytest.mark.parametrize(
    "answer",
    [
        *(None, 1.5, ["best"], {"best": float("nan")}, {"best": "\0"}),
        *({"best": "\ud800"}, {"best": object()}),
    ],
)
def test_what_an_aggregate_snapshot_gives_that_is_no_object_stops_nothing(
    market, at, rewire, answer
):
    rewire(aggregate_snapshot=lambda results: answer)
    [model] = make_models(market, "a")
    score_round(market, at, NOW, {model: 1.0})
    summary = Snapshot.objects.get().result_summary
    assert "best" not in summary
    assert summary["value"] is not None


def test_after_a_change_of_the_length_the_open_period_begins_where_closed_ones_end(
    market, at
):
    [model] = make_models(market, "a")
    score_round(market, at, NOW - 2 * MINUTE, {model: 1.0})
    with at(NOW):
        run_cycle(competition_id=market.pk)
    Competition.objects.update(snapshot_period_s=86_400)
    score_round(market, at, NOW + 5 * MINUTE, {model: 1.0})
    spans = Snapshot.objects.order_by("period_start").values_list(
        "period_start", "period_end", "prediction_count"
    )
    midnight = NOW + 12 * HOUR
    assert list(spans) == [(NOW - HOUR, NOW, 1), (NOW, midnight, 1)]


def test_a_worker_whose_clock_is_behind_closes_and_publishes_nothing_of_the_past(
    market, at
):
    [model] = make_models(market, "a")
    score_round(market, at, NOW - 2 * MINUTE, {model: 1.0})
    with at(NOW):
        run_cycle(competition_id=market.pk)
    make_round(market, NOW - 3 * MINUTE, {model: 1.0})
    with at(NOW - MINUTE):
        run_cycle(competition_id=market.pk)
    assert Leaderboard.objects.get(is_newest=True).as_of > NOW
    assert set(Score.objects.values_list("scored_at", flat=True)) == {
        *(NOW - MINUTE, NOW),
    }


def test_the_summary_has_the_mean_of_every_number_of_the_results(market, at, rewire):
    """Not of texts, flags, what failed, or what no sum can hold."""
    answers = iter(range(1, 9))

    def scorer(prediction, ground_truth):
        x = next(answers)
        if x == 3:
            return {"success": False, "failed_reason": "no", "x": 1e9}
        some = {"y": 10 * x} if x > 2 else {}
        return {"value": 1.0, "x": x, "z": True, "t": "9", "big": 10**200, **some}

    rewire(scoring_function=scorer)
    [model] = make_models(market, "a")
    for i in range(4):
        score_round(market, at, NOW + i * MINUTE, {model: 1.0 + i})
    summary = Snapshot.objects.get().result_summary
    assert (summary["x"], summary["y"], summary["value"]) == (
        *(pytest.approx(7 / 3), 40.0, 1.0),
    )
    assert not {"z", "t", "big", "success"} & summary.keys()


def test_the_default_scorers_return_is_in_the_summary(market, at):
    [model] = make_models(market, "a")
    score_round(market, at, NOW, {model: 0.5})
    summary = Snapshot.objects.get().result_summary
    assert summary["value"] == pytest.approx(summary["actual_return"] * 5000)


def test_a_key_of_each_round_does_not_fill_the_summary(market, at, rewire):
    rewire(
        scoring_function=lambda prediction, ground_truth: {
            "value": 1.0,
            **{f"k{i:03}": float(i) for i in range(90)},
        }
    )
    [model] = make_models(market, "a")
    score_round(market, at, NOW, {model: 0.5})
    extras = [k for k in Snapshot.objects.get().result_summary if k.startswith("k")]
    assert extras == [f"k{i:03}" for i in range(MOST_EXTRAS)]


@pytest.mark.parametrize("huge", [1e308, -(10**400), 1e101])
def test_a_number_of_the_contracts_summary_that_no_sum_can_hold_is_unknown(
    market, at, rewire, huge
):
    rewire(
        aggregate_snapshot=lambda results: {"value": huge, "best": huge, "n": 7},
        aggregation=Aggregation(ranking_key="best"),
    )
    [model] = make_models(market, "a")
    score_round(market, at, NOW, {model: 1.0})
    summary = Snapshot.objects.get().result_summary
    assert (summary["value"], summary["best"], summary["n"]) == (None, None, 7.0)
    board = Leaderboard.objects.get(is_newest=True)
    assert board.entries.get().metrics["score_recent"] is None
