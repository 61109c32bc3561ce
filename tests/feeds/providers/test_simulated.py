from datetime import date, timedelta

import numpy as np
import pytest

from feeds.errors import UnknownGranularityError, UnknownKindError, UnknownSourceError
from feeds.providers import sources
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages
from feeds.providers.simulated_coins import COINS
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("frozen_clock")


@pytest.fixture
def exchange():
    return sources.create("simulated")


def ask(exchange, start, end, *, granularity="1s", kind="candle", subject="BTCUSDT"):
    request = FetchRequest(subject, kind, granularity, start, end, exchange.page_limit)
    return [record for page in pages(exchange, request) for record in page]


def test_the_same_second_has_the_same_candle_whichever_range_is_asked(exchange):
    whole = ask(exchange, NOW - timedelta(hours=3), NOW)
    assert len(whole) == 10_800
    for start, end in ((0, 1), (17, 1234), (4095, 4097), (10_799, 10_800)):
        part = ask(
            exchange,
            whole[0].ts_event + timedelta(seconds=start),
            whole[0].ts_event + timedelta(seconds=end),
        )
        assert part == whole[start:end]


def test_another_seed_is_another_market(exchange, env):
    before = ask(exchange, NOW - timedelta(minutes=1), NOW)
    env(feed_seed=8)
    after = ask(exchange, NOW - timedelta(minutes=1), NOW)
    assert [r.values for r in before] != [r.values for r in after]


@pytest.mark.parametrize(
    ("granularity", "length"), [("15s", 15), ("1m", 60), ("1h", 3600)]
)
def test_a_longer_candle_is_made_of_its_seconds(exchange, granularity, length):
    start = NOW - timedelta(hours=2)
    (first, *_) = ask(exchange, start, NOW, granularity=granularity)
    seconds = ask(exchange, start, start + timedelta(seconds=length))
    values = [record.values for record in seconds]
    assert first.values == {
        "open": values[0]["open"],
        "high": max(v["high"] for v in values),
        "low": min(v["low"] for v in values),
        "close": values[-1]["close"],
        "volume": pytest.approx(sum(v["volume"] for v in values)),
    }


def test_a_day_opens_and_closes_on_the_path_of_its_seconds(exchange):
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    days = ask(exchange, midnight - timedelta(days=2), midnight, granularity="1d")
    for day in days:
        (first,) = ask(exchange, day.ts_event, day.ts_event + timedelta(seconds=1))
        end = day.ts_event + timedelta(days=1)
        (last,) = ask(exchange, end - timedelta(seconds=1), end)
        assert day.values["open"] == first.values["open"]
        assert day.values["close"] == last.values["close"]
        assert day.values["low"] <= min(day.values["open"], day.values["close"])
        assert day.values["high"] >= max(day.values["open"], day.values["close"])
        assert day.is_closed
    hour = ask(exchange, midnight - timedelta(hours=24), midnight, granularity="1h")
    assert days[-1].values["high"] == pytest.approx(
        max(h.values["high"] for h in hour), rel=0.02
    )
    assert days[-1].values["volume"] == pytest.approx(
        sum(h.values["volume"] for h in hour), rel=0.9
    )


def test_the_same_day_has_the_same_candle_whichever_range_is_asked(exchange):
    start = NOW.replace(hour=0) - timedelta(days=800)
    whole = ask(exchange, start, NOW, granularity="1d", subject="XRPUSDT")
    assert len(whole) == 801
    assert [r.is_closed for r in whole] == [True] * 800 + [False]
    for first, end in ((0, 1), (3, 77), (799, 801)):
        at = [whole[0].ts_event + timedelta(days=n) for n in (first, end)]
        part = ask(exchange, *at, granularity="1d", subject="XRPUSDT")
        assert part == whole[first:end]


def test_some_coins_are_young_halted_or_thin(exchange):
    def volumes(subject, days=200):
        found = ask(
            exchange,
            NOW.replace(hour=0) - timedelta(days=days),
            NOW,
            granularity="1d",
            subject=subject,
        )
        return [r.values["volume"] * r.values["close"] for r in found]

    young = ask(
        exchange,
        NOW - timedelta(days=3000),
        NOW,
        granularity="1d",
        subject="SEIUSDT",
    )
    assert young[0].ts_event.date() == date(2026, 1, 1)
    idle = sum(v == 0 for v in volumes("STORJUSDT")) / 201
    assert 0.2 < idle < 0.4
    assert np.mean(volumes("ZILUSDT")) < 8e6 < np.mean(volumes("ZECUSDT"))
    assert {s.symbol for s in exchange.list_subjects()} >= set(COINS)


def test_a_candle_opens_where_the_one_before_closed(exchange):
    records = ask(exchange, NOW - timedelta(hours=1), NOW)
    closes = [record.values["close"] for record in records]
    assert [record.values["open"] for record in records[1:]] == closes[:-1]


def test_the_candle_in_the_making_is_open(exchange, at):
    now = NOW + timedelta(seconds=30)
    with at(now):
        *closed, last = ask(
            exchange, NOW - timedelta(minutes=3), now + timedelta(1), granularity="1m"
        )
    assert [r.is_closed for r in closed] == [True, True, True]
    assert (last.ts_event, last.is_closed) == (NOW, False)


def test_nothing_of_the_future_is_shown(exchange):
    assert ask(exchange, NOW + timedelta(seconds=1), NOW + timedelta(hours=1)) == []


def test_prices_move_as_prices_do(exchange):
    records = ask(exchange, NOW - timedelta(days=7), NOW, granularity="1m")
    returns = np.diff(np.log([record.values["close"] for record in records]))
    assert 2e-4 < returns.std() < 3e-3
    kurtosis = np.mean((returns - returns.mean()) ** 4) / returns.var() ** 2
    assert kurtosis > 4  # fatter tails than a normal's 3: regimes and jumps
    assert all(record.values["volume"] > 0 for record in records)


def test_a_tick_is_the_candles_open(exchange):
    start, end = NOW - timedelta(seconds=5), NOW
    ticks = ask(exchange, start, end, kind="tick")
    candles = ask(exchange, start, end)
    assert [t.values["price"] for t in ticks] == [c.values["open"] for c in candles]


def test_unknown_names_are_refused_with_the_known_ones(exchange):
    with pytest.raises(UnknownKindError, match=r"'rumour'.*candle, tick"):
        ask(exchange, NOW - timedelta(1), NOW, kind="rumour")
    with pytest.raises(UnknownKindError, match="simulated serves candle, tick"):
        ask(exchange, NOW - timedelta(1), NOW, kind="depth")
    with pytest.raises(UnknownGranularityError, match="'1x'"):
        ask(exchange, NOW - timedelta(1), NOW, granularity="1x")
    with pytest.raises(UnknownSourceError, match=r"'nyse'.*binance.*simulated"):
        sources.create("nyse")


def test_names_do_not_mind_case():
    assert sources.create(" Simulated ").name == "simulated"
