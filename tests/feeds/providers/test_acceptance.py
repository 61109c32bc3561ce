"""What every provider must do, by number; each runs against a real server or file."""

import asyncio
import sys
import time
from contextlib import aclosing
from datetime import timedelta
from email.utils import formatdate

import polars as pl
import pytest

from core import clock
from feeds.errors import (
    ProviderError,
    ProviderSettingError,
    UnknownGranularityError,
    UnknownKindError,
    UnknownSubjectError,
)
from feeds.providers import sources
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages
from feeds.tape.record_checks import checker
from feeds.tape.records import KINDS, OHLCV, FeedKey
from tests.conftest import NOW
from tests.fakes.exchange import FakeExchange
from tests.fakes.hermes import FakeHermes

HALF = timedelta(seconds=30)  # the clock stands in the middle of a candle


class Site:
    """A provider with its server, and what is peculiar to it."""

    def __init__(self, provider, *, subject="BTCUSDT", server=None):
        self.provider, self.subject, self.server = provider, subject, server

    def ask(self, minutes=10, *, end=NOW + timedelta(hours=1), limit=None, **changes):
        request = {
            "subject": self.subject,
            "kind": "candle",
            "granularity": "1m",
            "start": NOW - timedelta(minutes=minutes),
            "end": end,
            "limit": limit or self.provider.page_limit,
        }
        return self.provider.fetch(FetchRequest(**{**request, **changes}))


WITH_SERVER = ["binance", "binance-http", "pyth"]
ALL = ["simulated", "replay", *WITH_SERVER]
POLLED = [name for name in ALL if name != "binance"]  # whose streams are b12 and on


@pytest.fixture(params=ALL)
def site(request, env, at, tmp_path, monkeypatch):
    name = request.param.removesuffix("-http")
    with at(NOW + HALF):
        if name.startswith("binance"):
            if request.param.endswith("-http"):
                monkeypatch.setitem(sys.modules, "binance", None)
                monkeypatch.setitem(sys.modules, "binance.client", None)
            with FakeExchange(now=lambda: clock.now().timestamp()) as exchange:
                env(**exchange.env)
                yield Site(sources.create(name), server=exchange)
        elif name == "pyth":
            with FakeHermes(key="k", now=lambda: clock.now().timestamp()) as hermes:
                env(pyth_api_url=hermes.url, pyth_api_key="k")
                yield Site(sources.create(name), server=hermes)
        else:
            if name == "replay":
                path = tmp_path / "candles.parquet"
                recorded().write_parquet(path)
                env(feed_replay_path=str(path), feed_subjects="BTCUSDT")
            yield Site(sources.create(name))


def recorded():
    opens = [NOW + timedelta(minutes=i) for i in range(-200, 100)]
    price = [100.0 + i % 7 for i in range(300)]
    columns = {"open": price, "high": price, "low": price, "close": price}
    return pl.DataFrame({"open_time": opens, **columns, "volume": [1.0] * 300})


def test_a1_it_lists_what_it_serves(site):
    found = {subject.symbol: subject for subject in site.provider.list_subjects()}
    subject = found.get("BTCUSDT") or found["BTC"]
    assert subject.source == site.provider.name
    assert set(subject.kinds) <= set(KINDS)
    assert "1m" in subject.granularities


def test_a2_a_candle_is_closed_when_its_end_has_passed(site):
    records = site.ask()
    closed = [r for r in records if r.is_closed]
    assert [r.ts_event for r in closed] == [
        NOW - timedelta(minutes=m) for m in range(10, 0, -1)
    ]
    assert all(r.ts_event == NOW for r in records if not r.is_closed)


def test_a3_records_are_sound_ascending_and_in_range(site):
    records = site.ask(end=NOW - timedelta(minutes=2))
    assert [r.ts_event for r in records] == [
        NOW - timedelta(minutes=m) for m in range(10, 2, -1)
    ]
    for record in records:
        assert checker(record.key, newest=NOW)(record) is None
        assert record.source == site.provider.name


def test_a4_pages_are_the_same_as_the_whole(site):
    whole = site.ask(minutes=50)
    request = FetchRequest(
        site.subject, "candle", "1m", NOW - timedelta(minutes=50), NOW + 2 * HALF, 7
    )
    parts = list(pages(site.provider, request))
    assert [r for page in parts for r in page] == whole
    assert all(len(page) <= 7 for page in parts)


def test_a5_a_limit_gives_the_oldest(site):
    assert [r.ts_event for r in site.ask(limit=3)] == [
        NOW - timedelta(minutes=m) for m in (10, 9, 8)
    ]


def test_a6_an_empty_range_is_an_empty_page(site):
    assert site.ask(minutes=5, end=NOW - timedelta(minutes=5)) == []
    ahead = NOW + timedelta(hours=1)
    assert site.ask(start=ahead, end=ahead + timedelta(hours=1)) == []


def test_a7_unknown_names_are_refused_with_the_known_ones(site):
    with pytest.raises(UnknownKindError, match=r"'rumour'.*candle"):
        site.ask(kind="rumour")
    with pytest.raises(UnknownGranularityError, match="'1x'"):
        site.ask(granularity="1x")
    if site.provider.name != "simulated":  # which serves any subject
        with pytest.raises(UnknownSubjectError, match="'NOSUCH'"):
            site.ask(subject="NOSUCH")


def test_a8_the_same_question_has_the_same_answer(site):
    assert site.ask() == site.ask()


@pytest.mark.parametrize("site", POLLED, indirect=True)
def test_a9_listening_yields_what_fetching_does_and_ends(site):
    feed = FeedKey(site.provider.name, site.subject, "candle", "1m")

    async def first():
        stream = site.provider.listen([feed])
        record = await anext(stream)
        await stream.aclose()
        return record

    record = asyncio.run(asyncio.wait_for(first(), 5))
    assert record in site.ask()


@pytest.mark.parametrize("site", ["replay", "binance-http", "pyth"], indirect=True)
def test_a14_of_feeds_that_are_polled_one_that_fails_stops_no_other(site):
    names = ("NOSUCH", site.subject)
    feeds = [FeedKey(site.provider.name, name, "candle", "1m") for name in names]

    async def first(feeds):
        async with aclosing(site.provider.listen(feeds)) as records:
            return await asyncio.wait_for(anext(records), 5)

    assert asyncio.run(first(feeds)).subject == site.subject
    with pytest.raises(UnknownSubjectError, match="'NOSUCH'"):
        asyncio.run(first(feeds[:1]))


@pytest.mark.parametrize("site", WITH_SERVER, indirect=True)
def test_a10_a_server_that_is_away_is_a_provider_error(site):
    site.server.__exit__(None, None, None)
    try:
        with pytest.raises(ProviderError, match=r"127\.0\.0\.1"):
            site.ask()
    finally:
        site.server.__enter__()


@pytest.mark.parametrize("site", WITH_SERVER, indirect=True)
def test_a11_a_server_in_trouble_is_a_provider_error(site):
    site.ask()
    site.server.refuse(503)
    with pytest.raises(ProviderError, match="503"):
        site.ask()


@pytest.mark.parametrize("site", WITH_SERVER, indirect=True)
@pytest.mark.parametrize(
    ("header", "wait_s"),
    [({"Retry-After": "7"}, 7), ({"Retry-After": "soon"}, 60), ({}, 60)],
    ids=["seconds", "nonsense", "nothing"],
)
def test_a12_it_says_how_long_to_wait(site, header, wait_s):
    site.ask()
    site.server.refuse(429, headers=header)
    with pytest.raises(ProviderError) as caught:
        site.ask()
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("site", WITH_SERVER, indirect=True)
def test_a13_it_may_say_so_with_a_date(site):
    site.ask()
    until = formatdate(time.time() + 900, usegmt=True)
    site.server.refuse(429, headers={"Retry-After": until})
    with pytest.raises(ProviderError) as caught:
        site.ask()
    assert 880 < caught.value.retry_after_s <= 900


# --- Binance


@pytest.fixture(params=["package", "http"])
def exchange(request, env, at, monkeypatch):
    if request.param == "http":
        monkeypatch.setitem(sys.modules, "binance", None)
        monkeypatch.setitem(sys.modules, "binance.client", None)
    with (
        at(NOW + HALF),
        FakeExchange(now=lambda: clock.now().timestamp()) as exchange,
    ):
        env(**exchange.env)
        yield Site(sources.create("binance"), server=exchange)


def test_b1_the_package_and_plain_https_give_identical_records(env, at, monkeypatch):
    answers = []
    with at(NOW + HALF), FakeExchange(now=lambda: clock.now().timestamp()) as server:
        env(**server.env)
        for hide in (False, True):
            with monkeypatch.context() as patch:
                if hide:
                    patch.setitem(sys.modules, "binance.client", None)
                site = Site(sources.create("binance"))
                asked = len(server.requests)
                answers.append(
                    [
                        site.ask(),
                        site.ask(granularity="1s", minutes=1),
                        site.ask(kind="tick", minutes=1, limit=20),
                        site.ask(kind="depth"),
                        site.ask(kind="funding"),
                        site.provider.list_subjects(),
                        server.requests[asked:],
                    ]
                )
    assert answers[0] == answers[1]
    assert all(answers[0])


@pytest.mark.parametrize("exchange", ["package"], indirect=True)
def test_b2_a_package_that_trips_is_passed_over(exchange, monkeypatch):
    from binance import client

    def trips(*_, **__):
        raise RuntimeError("a bug of the package")

    monkeypatch.setattr(client.Client, "get_klines", trips)
    assert len(exchange.ask()) == 11


def test_b3_the_exchanges_clock_decides_what_is_closed(exchange):
    exchange.server.skew_s = -31.0  # its candle of NOW - 1 min is still open
    records = exchange.ask(minutes=3)
    assert [r.is_closed for r in records] == [True, True, False]


@pytest.mark.parametrize("status", [429, 418])
def test_b4_a_request_to_wait_is_respected_by_all(exchange, status):
    exchange.server.refuse(status, headers={"Retry-After": "7"})
    with pytest.raises(ProviderError, match="wait 7 s") as caught:
        exchange.ask()
    assert caught.value.retry_after_s == 7
    asked = len(exchange.server.requests)
    with pytest.raises(ProviderError, match="asked to wait") as caught:
        exchange.ask(subject="ETHUSDT")
    assert 0 < caught.value.retry_after_s <= 7
    assert len(exchange.server.requests) == asked


@pytest.mark.parametrize("status", [451, 401])
def test_b5_a_refusal_of_the_site_names_the_setting_and_is_asked_once(exchange, status):
    exchange.server.refuse(status)
    with pytest.raises(ProviderSettingError, match="BINANCE_API_URL"):
        exchange.ask()
    assert len(exchange.server.requests) == 1


def test_b6_the_weight_is_not_spent_to_the_last(exchange):
    exchange.server.weight = 5399
    exchange.ask()
    asked = len(exchange.server.requests)
    with pytest.raises(ProviderError, match="asked to wait") as caught:
        exchange.ask()
    assert 0 < caught.value.retry_after_s <= 60
    assert len(exchange.server.requests) == asked


def test_b7_gaps_of_the_exchange_are_passed_over(exchange):
    for minute in range(3, 9):
        exchange.server.missing.add(int((NOW - timedelta(minutes=minute)).timestamp()))
    request = FetchRequest(
        "BTCUSDT", "candle", "1m", NOW - timedelta(minutes=12), NOW, 2
    )
    found = [r.ts_event for page in pages(exchange.provider, request) for r in page]
    assert found == [NOW - timedelta(minutes=m) for m in (12, 11, 10, 9, 2, 1)]


def test_b8_seconds_are_seconds(exchange):
    exchange.ask(granularity="1s", minutes=1)
    assert exchange.server.requests[-1][1]["interval"] == "1s"


def test_b9_an_answer_that_makes_no_sense_is_a_provider_error(exchange):
    exchange.server.refuse(200, body={"not": "candles"})
    with pytest.raises(ProviderError, match="unexpected answer"):
        exchange.ask()


def test_b10_trades_of_one_page_follow_on_the_other(exchange):
    request = FetchRequest("BTCUSDT", "tick", "1s", NOW - timedelta(seconds=30), NOW, 9)
    found = [r for page in pages(exchange.provider, request) for r in page]
    assert len(found) == 120
    assert [r.ts_event for r in found] == sorted({r.ts_event for r in found})


def test_b11_depth_and_funding_are_measured_now(exchange):
    (book,) = exchange.ask(kind="depth")
    assert book.values["imbalance"] == pytest.approx((4 - 1) / 5)
    assert book.ts_event == NOW + HALF
    (funding,) = exchange.ask(kind="funding")
    assert funding.values["basis"] == pytest.approx(0.01)
    assert funding.values["funding_rate"] == -0.0001


def test_b22_a_day_has_its_turnover_and_other_candles_have_five_numbers(exchange):
    day, _ = exchange.ask(granularity="1d", minutes=2 * 24 * 60)
    mean = (day.values["open"] + day.values["close"]) / 2
    assert day.values["quote_volume"] == pytest.approx(day.values["volume"] * mean)
    assert all(set(record.values) == set(OHLCV) for record in exchange.ask())


# --- Pyth


def test_p1_without_its_key_the_error_names_the_setting(env, frozen_clock):
    with FakeHermes(key="k") as hermes:
        env(pyth_api_url=hermes.url, pyth_api_key="")
        with pytest.raises(ProviderSettingError, match="PYTH_API_KEY is not set"):
            Site(sources.create("pyth")).ask()
        env(pyth_api_url=hermes.url, pyth_api_key="wrong")
        with pytest.raises(ProviderSettingError, match="PYTH_API_KEY was refused"):
            Site(sources.create("pyth")).ask()


def test_p2_a_tick_is_the_published_price_at_its_instant(env, at):
    with at(NOW + HALF), FakeHermes(now=lambda: clock.now().timestamp()) as hermes:
        env(pyth_api_url=hermes.url, pyth_api_key="")
        (tick,) = Site(sources.create("pyth")).ask(kind="tick", granularity="1s")
    assert tick.ts_event == NOW + HALF
    assert 99 <= tick.values["price"] <= 101
