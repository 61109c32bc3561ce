"""The accounts follow the tape and the orders, once, whatever stops in between."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from competitions.models import Round, TournamentRound
from competitions.packs.trading.trading_contract import CONTRACT
from competitions.trading.account import from_state
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
    numbers = [state.pop("newest_order") for state in states]
    assert numbers[0] < numbers[1]
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


def test_exposure_is_the_mean_size_over_the_time_that_a_period_s_prices_cover(
    trading, at
):
    """A period holds what became known in it, here of half an hour before."""
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {model: order("buy", 1000)})
    run_cycle(competition_id=trading.pk)
    with at(NOW + timedelta(hours=1)):
        put_candles(START + MINUTE, [110, 121, 121])
        make_round(trading, START + 2 * MINUTE, {model: order("sell", 0)})
        run_cycle(competition_id=trading.pk)
    held = [row.result_summary["exposure"] for row in Snapshot.objects.all()]
    assert held == pytest.approx([1000, 1000])


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


def test_a_clock_that_was_ahead_costs_no_order(trading, at):
    """The market is the world's: its candles are not ahead."""
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {model: order("buy", 1000)})
    with at(NOW + 2 * DAY):
        run_cycle(competition_id=trading.pk)
    assert TradingBook.objects.get().marked_at <= NOW
    put_candles(START + MINUTE, [110, 110])
    make_round(trading, START + 2 * MINUTE, {model: order("sell", 1000)})
    run_cycle(competition_id=trading.pk)
    account = TradingBook.objects.latest("marked_at").state
    assert Decimal(account["realized"]) == 100
    assert account["positions"] == {}
    with at(NOW + 2 * DAY + MINUTE):  # the period that was begun goes on
        put_candles(NOW + 2 * DAY - 2 * MINUTE, [50, 50])
        make_round(trading, NOW + 2 * DAY - MINUTE, {model: order("buy", 10)})
        run_cycle(competition_id=trading.pk)
    gains = [each.value for each in Snapshot.objects.order_by("period_start")]
    cost = 1.1 + carry(1000, 1)  # of each of the two
    assert gains == [pytest.approx(-cost), pytest.approx(100 - cost - 10 * FEE)]
    newest = TradingBook.objects.latest("marked_at")
    net = from_state(newest.state, CONTRACT.trading).net
    assert sum(gains) == pytest.approx(float(net))


def test_orders_given_while_the_accounts_were_ahead_are_filled_at_their_prices(
    trading, at
):
    """The simulated market was ahead too: what came meanwhile is filled afterwards."""
    [model, other] = make_models(trading, "m", "other")
    later, ahead = START + 10 * MINUTE, timedelta(hours=3)
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {model: order("buy", 1000)})
    with at(NOW + ahead):
        put_candles(NOW + ahead - 9 * MINUTE, [200] * 8)
        make_round(trading, NOW + ahead - 5 * MINUTE, {model: order("buy", 100)})
        run_cycle(competition_id=trading.pk)
    put_candles(later - MINUTE, [120, 125, 125])
    answers = {model: order("sell", 500), other: order("buy", 1000)}
    make_round(trading, later, answers)
    run_cycle(competition_id=trading.pk)  # they stand still
    fills = "state__stretch__fills"
    assert not TradingBook.objects.filter(model=other).exists()
    with at(NOW + ahead + 30 * MINUTE):
        put_candles(NOW + ahead, [240, 240, 240])
        make_round(trading, NOW + ahead + MINUTE, {model: order("buy", 0)})
        run_cycle(competition_id=trading.pk)
        run_cycle(competition_id=trading.pk)
    newest = TradingBook.objects.latest("period_start").period_start
    books = TradingBook.objects.filter(period_start=newest)
    assert set(books.values_list("model__model_id", fills)) == {("m", 3), ("other", 1)}
    # Bought at 100, and at 200 for 100: 10.5 coins; 500 of 1100 closed at 120.
    account = from_state(books.get(model=model).state, CONTRACT.trading)
    entry = 1100 / 10.5
    assert float(account.realized) == pytest.approx(500 * (120 - entry) / entry)
    assert float(account.unrealized) == pytest.approx(600 * (240 - entry) / entry)
    bought = from_state(books.get(model=other).state, CONTRACT.trading)
    assert bought.positions["BTCUSDT"].entry == 120
    assert float(bought.unrealized) == 1000


def test_the_answers_to_a_posted_question_are_no_orders(trading):
    """Neither do posted questions that wait hold up the accounts."""
    [model] = make_models(trading, "m")
    put_candles(START - MINUTE, [100, 110, 120])
    make_round(trading, START + 1.5 * MINUTE, {model: order("buy", 10)})
    facts = {
        "competition": trading,
        "scheduled_prediction": trading.scheduled_predictions.get(),
        "samples": 2,
        "features_digest": "",
        "created_at": START,
    }
    posted = TournamentRound.objects.create(round_id="r", **facts)
    answers = {model: order("buy", 1000)}
    make_round(trading, START, answers, tournament=posted, sample=0)
    waits = make_round(trading, START + MINUTE, {}, tournament=posted, sample=1)
    Round.objects.filter(pk=waits.pk).update(performed_at=None, resolvable_at=None)
    run_cycle(competition_id=trading.pk)
    [book] = TradingBook.objects.all()
    assert book.marked_at == START + 2 * MINUTE
    assert from_state(book.state, CONTRACT.trading).stretch.traded == 10


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
