"""After a correction the accounts stand as if the orders had never been."""

from datetime import timedelta

import pytest

from scoring.books.replay_books import PricesGoneError
from scoring.corrections import rescore, void
from scoring.cycle import run_cycle
from scoring.models import Snapshot, TradingBook
from tests.conftest import NOW
from tests.scoring.books.test_advance_books import order
from tests.scoring.conftest import MINUTE, START
from tests.scoring.factories import make_models, make_round, put_candles

HOUR = timedelta(hours=1)
WHY = {"reason": "a wrong price", "author": "ada"}


@pytest.fixture
def two_periods(competition, at):
    """Two closed periods: bull buys 1000 in the first one and 500 in the second."""
    trading = competition
    trading.config_path = "competitions.packs.trading.trading_contract:CONTRACT"
    trading.save()
    bull, other = make_models(trading, "bull", "other")
    put_candles(START - MINUTE, [100, 110])
    make_round(trading, START, {bull: order("buy", 1000), other: order("buy", 10)})
    run_cycle(competition_id=trading.pk)
    with at(NOW + HOUR):
        put_candles(START + MINUTE, [110, 121, 121])
        make_round(trading, START + 2 * MINUTE, {bull: order("buy", 500)})
        run_cycle(competition_id=trading.pk)
    with at(NOW + 2 * HOUR):
        run_cycle(competition_id=trading.pk)
        yield trading


def figures():
    """Return the net profit of each model by period, in snapshots that count."""
    return {
        (snapshot.model.model_id, snapshot.period_start): snapshot.value
        for snapshot in Snapshot.objects.current().select_related("model")
    }


def test_a_void_order_is_taken_out_of_this_and_of_later_periods(two_periods):
    before = figures()
    done = void(competition_id=two_periods.pk, start=START, end=START + MINUTE, **WHY)
    assert done.rounds == 1
    assert before["bull", NOW] != 0
    after = figures()
    assert ("bull", NOW) not in after  # no round of this period is left
    # 500 bought at 110 and marked at 121, less fee and spread; then the 1000 as well.
    second = after["bull", NOW + HOUR]
    assert second == pytest.approx(50 - 500 * 0.0011, abs=0.001)
    assert before["bull", NOW + HOUR] == pytest.approx(second + 110, abs=0.001)


def test_an_order_at_the_instant_of_a_mark_is_taken_out(competition, at):
    competition.config_path = "competitions.packs.trading.trading_contract:CONTRACT"
    competition.save()
    [bull] = make_models(competition, "bull")
    put_candles(START - MINUTE, [100, 110])
    make_round(competition, START, {bull: order("buy", 1000)})
    make_round(competition, START + MINUTE, {bull: order("buy", 10)})
    run_cycle(competition_id=competition.pk)
    book = TradingBook.objects.get()
    assert book.marked_at == START + MINUTE
    assert book.state["positions"]["BTCUSDT"]["size"] != "1000"
    start, end = START + MINUTE, START + 2 * MINUTE
    void(competition_id=competition.pk, start=start, end=end, **WHY)
    book = TradingBook.objects.get()
    assert book.state["positions"]["BTCUSDT"]["size"] == "1000"


def test_a_preview_changes_no_account(two_periods):
    before = list(TradingBook.objects.order_by("pk").values("state", "marked_at"))
    void(
        competition_id=two_periods.pk,
        start=START,
        end=START + MINUTE,
        preview=True,
        **WHY,
    )
    assert list(TradingBook.objects.order_by("pk").values("state", "marked_at")) == (
        before
    )


def test_without_a_change_a_replay_changes_nothing(two_periods):
    states = TradingBook.objects.order_by("model", "period_start")
    before, values = list(states.values_list("state")), figures()
    rescore(competition_id=two_periods.pk, start=NOW, end=NOW + HOUR, **WHY)
    assert list(states.values_list("state")) == before
    assert figures() == values


def test_prices_that_are_gone_refuse_the_correction(two_periods, settings):
    settings.ENV = settings.ENV.model_copy(update={"feed_record_ttl_days": 0})
    before = figures()
    with pytest.raises(PricesGoneError, match="the tape keeps prices from"):
        void(competition_id=two_periods.pk, start=START, end=START + MINUTE, **WHY)
    assert figures() == before
