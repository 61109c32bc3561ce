"""The accounts follow the tape and the orders, once, whatever stops in between."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from competitions.models import Round
from competitions.packs.trading.trading_contract import CONTRACT
from core.grid import Period
from scoring.board.period_sums import read_period
from scoring.board.windows import figures_of_period
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Snapshot, TradingBook
from tests.conftest import NOW
from tests.scoring.conftest import MINUTE, START
from tests.scoring.factories import make_models, make_round, put_candles

FEE = 0.0011
DAY = timedelta(days=1)


@pytest.fixture
def trading(competition, rewire):
    rewire(**{name: getattr(CONTRACT, name) for name in CONTRACT.model_fields_set})
    return competition


def order(action, amount):
    size = amount if action == "buy" else -amount
    return {"action": action, "amount": amount, "value": size}


def carry(size, minutes):
    return 0.1095 * size * minutes / (365 * 24 * 60)


def test_an_account_is_marked_at_every_candle_and_ranks_its_model(trading):
    bull, bear = make_models(trading, "bull", "bear")
    put_candles(START - MINUTE, [100, 110, 90, 120])
    make_round(trading, START, {bull: order("buy", 1000), bear: order("sell", 1000)})
    run_cycle(competition_id=trading.pk)
    held = Snapshot.objects.get(model=bull).result_summary
    cost = 1000 * FEE + carry(1000, 3)
    assert held["net_pnl"] == pytest.approx(200 - cost)
    assert held["value"] == held["net_pnl"] == Snapshot.objects.get(model=bull).value
    assert (held["unrealized_pnl"], held["realized_pnl"]) == (200, 0)
    assert held["fees"] == pytest.approx(1.1)
    assert (held["traded"], held["open_positions"]) == (1000, 1)
    assert held["max_drawdown"] == pytest.approx(-200 - carry(1000, 1))
    board = Leaderboard.objects.get(is_newest=True)
    names = board.entries.order_by("position").values_list("model__model_id", flat=True)
    assert list(names) == ["bull", "bear"]
    assert board.entries.get(rank=1).metrics["net_pnl"] == pytest.approx(200 - cost)


def test_a_second_cycle_and_a_restart_charge_nothing_twice(trading):
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {model: order("buy", 1000)})
    run_cycle(competition_id=trading.pk)
    kept = list(TradingBook.objects.values())
    run_cycle(competition_id=trading.pk)
    assert list(TradingBook.objects.values()) == kept
    put_candles(START + MINUTE, [110, 110])
    make_round(trading, START + 1.5 * MINUTE, {model: order("sell", 1000)})
    run_cycle(competition_id=trading.pk)
    figures = Snapshot.objects.get(model=model).result_summary
    assert figures["carry"] == pytest.approx(carry(1000, 1.5))
    assert figures["net_pnl"] == pytest.approx(100 - 2 * 1.1 - carry(1000, 1.5))


def test_in_steps_or_at_once_the_accounts_are_the_same(trading):
    [model] = make_models(trading, "m")
    states = []
    for is_stepwise in (True, False):
        TradingBook.objects.all().delete()
        Round.objects.all().delete()
        for i, price in enumerate([100, 104, 99, 103, 108, 101, 102]):
            put_candles(START + (i - 1) * MINUTE, [price])
            make_round(trading, START + i * MINUTE, {model: order("buy", 10 + i)})
            if is_stepwise and i:
                run_cycle(competition_id=trading.pk)
        run_cycle(competition_id=trading.pk)
        states += TradingBook.objects.values_list("state", flat=True)
    assert states[0] == states[1]
    assert states[0]["stretch"]["fills"] == 7


def test_who_holds_on_is_marked_though_the_model_is_silent(trading):
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110, 130])
    make_round(trading, START, {model: order("buy", 1000)})
    make_round(trading, START + MINUTE, {model: None})
    run_cycle(competition_id=trading.pk)
    figures = Snapshot.objects.get(model=model).result_summary
    assert figures["unrealized_pnl"] == 300


def test_a_new_period_begins_with_the_account_that_the_last_one_left(trading, at):
    [model] = make_models(trading, "m")
    hour = timedelta(hours=1)
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {model: order("buy", 1000)})
    run_cycle(competition_id=trading.pk)
    with at(NOW + hour):
        put_candles(START + MINUTE, [110, 121, 121])
        make_round(trading, START + 2 * MINUTE, {model: order("sell", 0)})
        run_cycle(competition_id=trading.pk)
    books = TradingBook.objects.order_by("period_start")
    starts = [book.period_start for book in books]
    assert starts == [NOW, NOW + hour]
    first, second = Snapshot.objects.order_by("period_start")
    both = first.result_summary["net_pnl"] + second.result_summary["net_pnl"]
    assert both == pytest.approx(second.result_summary["equity"])
    assert second.result_summary["unrealized_pnl"] == pytest.approx(210)


def test_an_hour_counts_by_its_profit_and_not_by_its_answers(trading, at):
    """What was lost in silence is lost: one answer, then five in the next hour."""
    [model] = make_models(trading, "m")
    hour = timedelta(hours=1)
    put_candles(START - MINUTE, [100, 50])
    make_round(trading, START, {model: order("buy", 1000)})
    run_cycle(competition_id=trading.pk)
    with at(NOW + hour):
        put_candles(START + MINUTE, [50, 51, 52, 53, 54, 55])
        for minute in range(2, 6):
            make_round(trading, START + minute * MINUTE, {model: order("buy", 0)})
        run_cycle(competition_id=trading.pk)
        entry = Leaderboard.objects.get(is_newest=True).entries.get()
        period = Period(NOW - hour, NOW + 2 * hour)
        sums = read_period(trading, CONTRACT, period)
    gained = -450 - 1.1 - carry(1000, 5)
    figures = figures_of_period(sums.sums, CONTRACT)[model.pk].metrics
    for found in (entry.metrics, figures):
        assert found["net_pnl"] == found["score_recent"] == pytest.approx(gained)
        assert found["traded"] == 1000
    assert entry.ranking_value == pytest.approx(gained)
    assert entry.counts["net_pnl"] == 2
    facts = Leaderboard.objects.get(is_newest=True).figures["net_pnl"]
    assert (facts["unit"], facts["is_mean_of_snapshots"]) == ("snapshots", False)


def test_who_leaves_with_a_position_keeps_its_losses(trading, at):
    stays, leaves = make_models(trading, "stays", "leaves")
    flat = make_models(trading, "flat")[0]
    put_candles(START - MINUTE, [100, 100])
    first = {stays: order("buy", 1), leaves: order("buy", 1000), flat: order("buy", 0)}
    make_round(trading, START, first)
    run_cycle(competition_id=trading.pk)
    with at(NOW + timedelta(hours=1)):
        put_candles(START + MINUTE, [100, 50, 50])
        make_round(trading, START + 2 * MINUTE, {stays: order("buy", 0)})
        run_cycle(competition_id=trading.pk)
        board = Leaderboard.objects.get(is_newest=True).entries
    lost = Snapshot.objects.filter(model=leaves).latest("period_start")
    assert lost.value == pytest.approx(-500 - carry(1000, 2))
    assert (lost.prediction_count, lost.expected_count) == (0, 0)
    assert lost.result_summary["hit_rate"] is None
    value = board.get(model=leaves).ranking_value
    assert value == pytest.approx(-500 - 1.1 - carry(1000, 3))
    assert Snapshot.objects.filter(model=flat).count() == 1


def test_no_price_is_passed_before_the_rounds_up_to_it_were_asked(trading):
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110, 120])
    make_round(trading, START, {model: order("buy", 1000)})
    late = make_round(trading, START + MINUTE, {})
    Round.objects.filter(pk=late.pk).update(performed_at=None, resolvable_at=None)
    run_cycle(competition_id=trading.pk)
    [book] = TradingBook.objects.all()
    assert book.marked_at == START + MINUTE - timedelta.resolution
    assert Snapshot.objects.get(model=model).result_summary["unrealized_pnl"] == 0


def test_more_models_need_no_more_statements(trading):
    def statements(models):
        with CaptureQueriesContext(connection) as seen:
            run_cycle(competition_id=trading.pk)
        return len(seen)

    models = make_models(trading, *(f"m{i}" for i in range(8)))
    put_candles(START - MINUTE, [100, 110, 120])
    make_round(trading, START, {models[0]: order("buy", 1)})
    few = statements(1)
    make_round(trading, START + MINUTE, {m: order("buy", 1) for m in models})
    assert statements(8) <= few + 1


def test_the_report_s_charts_of_accounts_find_their_figures(trading, client):
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {model: order("buy", 1000)})
    run_cycle(competition_id=trading.pk)
    trading.config_path = "competitions.packs.trading.trading_contract:CONTRACT"
    trading.save()
    charts = {
        widget["displayName"]: widget
        for widget in client.get("/reports/schema/metrics-widgets").json()
        if widget["endpointUrl"] == "/reports/models/metrics"
    }
    assert list(charts) == [
        *("P&L Over Time", "P&L Breakdown", "Max Drawdown", "Open Positions"),
    ]
    day = {"start": START - DAY, "end": START + DAY}
    (row,) = client.get("/reports/models/metrics", day).json()
    for chart in charts.values():
        axes = chart["nativeConfiguration"]
        names = {series["name"] for series in axes["yAxis"]["series"]}
        assert names | {axes["xAxis"]["name"]} <= row.keys()
