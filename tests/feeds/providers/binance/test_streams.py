"""Binance's streams: points of the acceptance suite that only they have."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from feeds.errors import ProviderError, ProviderSettingError
from feeds.providers import sources
from feeds.providers.base import FetchRequest
from feeds.providers.binance import streamed, streams
from feeds.tape.records import FeedKey
from tests.fakes.exchange import FakeExchange


@pytest.fixture
def stream(env):
    """A listener in this thread's loop, on the wall's clock."""
    with FakeExchange() as server:
        env(**server.env)
        yield server, sources.create("binance")


def listened(server, provider, feeds, act, *, count):
    """The first `count` records that arrive while `act` runs, and how it ended."""

    async def run():
        found = []
        records = provider.listen(feeds)
        acting = asyncio.create_task(asyncio.to_thread(act))
        try:
            async for record in records:
                found.append(record)
                if len(found) == count:
                    break
        finally:
            await acting
            await records.aclose()
        return found

    return asyncio.run(asyncio.wait_for(run(), 20))


def test_b12_streams_give_the_same_candles_as_requests(stream):
    server, provider = stream
    opened = int(time.time()) - 100

    def act():
        server.wait_for_listener()
        server.push_candle("BTCUSDT", opened, is_closed=False)
        server.push_candle("BTCUSDT", opened)
        server.push_candle("BTCUSDT", opened)

    feed = FeedKey("binance", "BTCUSDT", "candle", "1s")
    still_open, closed, again = listened(server, provider, [feed], act, count=3)
    assert (still_open.is_closed, closed.is_closed) == (False, True)
    start = datetime.fromtimestamp(opened, UTC)
    (fetched,) = provider.fetch(
        FetchRequest("BTCUSDT", "candle", "1s", start, start + timedelta(seconds=1))
    )
    assert closed == again == fetched


def test_b13_trades_and_books_are_pushed_too(stream):
    server, provider = stream

    def act():
        server.wait_for_listener()
        server.push(
            "btcusdt@aggTrade", {"a": 7, "p": "5.0", "q": "1.0", "T": 1_700_000_000_000}
        )
        server.push("btcusdt@depth10", {"bids": [["1", "1"]], "asks": [["2", "1"]]})

    feeds = [FeedKey("binance", "BTCUSDT", kind, "1s") for kind in ("tick", "depth")]
    tick, book = listened(server, provider, feeds, act, count=2)
    assert tick.values == {"price": 5.0, "quantity": 1.0}
    assert tick.ts_event.microsecond == 7
    assert book.values["mid_price"] == 1.5
    assert server.streams == [["btcusdt@aggTrade", "btcusdt@depth10"]]


def test_b14_a_cut_stream_is_an_error_for_the_supervisor(stream):
    server, provider = stream

    def act():
        server.wait_for_listener()
        server.cut()

    feed = FeedKey("binance", "BTCUSDT", "candle", "1s")
    with pytest.raises(ProviderError, match="stream broke"):
        listened(server, provider, [feed], act, count=1)


def test_b15_what_has_no_stream_is_polled_beside_those_that_have(stream):
    server, provider = stream

    def act():
        server.wait_for_listener()
        server.push(
            "btcusdt@aggTrade", {"a": 7, "p": "5.0", "q": "1.0", "T": 1_700_000_000_000}
        )

    feeds = [FeedKey("binance", "BTCUSDT", kind, "1s") for kind in ("tick", "funding")]
    found = listened(server, provider, feeds, act, count=2)
    assert {record.kind for record in found} == {"tick", "funding"}
    assert server.streams == [["btcusdt@aggTrade"]]


CANDLE_OF_2023 = 1_700_000_000


@pytest.mark.parametrize(
    "text",
    [
        '{"stream": "btcusdt@kline_1s", "data": {"k": {"t": "noon"}}}',
        '{"stream": "btcusdt@kline_1s", "data": ["no", "candle"]}',
        '{"stream": "btcusdt@depth10", "data": {"bids": [], "asks": [["2", "1"]]}}',
        '{"stream": ["btcusdt@kline_1s"], "data": {}}',
        '{"result": null, "id": 1}',
        '{"e": "error", "m": "said the market, not the package"}',
        '["neither"]',
        "no JSON",
        "[" * 5000,
    ],
)
def test_b16_a_message_that_makes_no_sense_costs_that_message_alone(stream, text):
    server, provider = stream

    def act():
        server.wait_for_listener()
        server.push_text("btcusdt@kline_1s", text)
        server.push_candle("BTCUSDT", CANDLE_OF_2023)

    feeds = [FeedKey("binance", "BTCUSDT", kind, "1s") for kind in ("candle", "depth")]
    (record,) = listened(server, provider, feeds, act, count=1)
    assert record.ts_event.timestamp() == CANDLE_OF_2023
    assert len(server.streams) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"t": CANDLE_OF_2023 * 1_000_000},  # microseconds
        {"s": "ETHUSDT"},
        {"i": "1m"},
        {"x": "false"},
        {"c": "n/a"},
        {"c": "NaN"},
        {"c": True},
        {"v": None},
    ],
)
def test_b20_a_pushed_candle_that_is_none_is_passed_over(stream, changes):
    server, provider = stream

    def act():
        server.wait_for_listener()
        server.push_candle("BTCUSDT", CANDLE_OF_2023, **changes)
        server.push_candle("BTCUSDT", CANDLE_OF_2023 + 1)

    feed = FeedKey("binance", "BTCUSDT", "candle", "1s")
    (record,) = listened(server, provider, [feed], act, count=1)
    assert record.ts_event.timestamp() == CANDLE_OF_2023 + 1


def test_b21_a_stream_that_says_nothing_else_is_an_error_for_the_supervisor(stream):
    server, provider = stream

    def act():
        server.wait_for_listener()
        for _ in range(100):
            server.push_text("btcusdt@kline_1s", "[]x")

    feed = FeedKey("binance", "BTCUSDT", "candle", "1s")
    with pytest.raises(ProviderError, match="unexpected message"):
        listened(server, provider, [feed], act, count=1)


@pytest.mark.parametrize(
    ("status", "error"), [(451, ProviderSettingError), (503, ProviderError)]
)
def test_b17_a_stream_that_is_refused_says_whether_to_ask_again(stream, status, error):
    server, provider = stream
    server.refuse_streams(status)
    feed = FeedKey("binance", "BTCUSDT", "candle", "1s")
    with pytest.raises(error) as caught:
        listened(server, provider, [feed], lambda: None, count=1)
    assert type(caught.value) is error
    assert str(status) in str(caught.value)


def test_b18_a_reader_that_falls_too_far_behind_is_told(stream, monkeypatch):
    server, provider = stream
    monkeypatch.setattr(streams, "QUEUE", 0)

    def act():
        server.wait_for_listener()
        server.push_candle("BTCUSDT", 1_700_000_000)

    feed = FeedKey("binance", "BTCUSDT", "candle", "1s")
    with pytest.raises(ProviderError, match="broke"):
        listened(server, provider, [feed], act, count=1)


def test_b19_a_polled_feed_that_fails_ends_no_stream(stream):
    server, provider = stream

    def act():
        server.wait_for_listener()
        while not any("premiumIndex" in path for path, _ in server.requests):
            time.sleep(0.01)
        server.push_candle("BTCUSDT", 1_700_000_000)

    feeds = [
        FeedKey("binance", "BTCUSDT", "candle", "1s"),
        FeedKey("binance", "NOSUCH", "funding", "1s"),
    ]
    (candle,) = listened(server, provider, feeds, act, count=1)
    assert candle.kind == "candle"


def test_b24_a_subject_in_lower_case_takes_no_stream_of_another(stream):
    server, provider = stream

    def act():
        server.wait_for_listener()
        server.push_candle("BTCUSDT", 1_700_000_000)

    feeds = [
        FeedKey("binance", name, "candle", "1s") for name in ("BTCUSDT", "btcusdt")
    ]
    (candle,) = listened(server, provider, feeds, act, count=1)
    assert candle.subject == "BTCUSDT"


def test_b23_a_streamed_day_has_its_turnover_as_a_fetched_one():
    kline = dict(zip("ohlcvq", ("1", "2", "1", "2", "10", "15"), strict=True))
    message = {"k": {"t": 86_400_000, "x": True, **kline}}
    day = FeedKey("binance", "BTCUSDT", "candle", "1d")
    assert streamed(day, message).values["quote_volume"] == 15
    hour = day._replace(granularity="1h")
    assert "quote_volume" not in streamed(hour, message).values
