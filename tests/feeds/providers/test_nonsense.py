"""Whatever a source answers costs one record, or is a ProviderError; never more."""

import sys
from contextlib import suppress
from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import clock
from feeds.errors import FeedError, ProviderError
from feeds.providers import sources
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages
from feeds.providers.simulated import Simulated
from feeds.tape.record_checks import SKEW, checker
from tests.conftest import NOW
from tests.fakes.exchange import FakeExchange, candle
from tests.fakes.hermes import BTC, FakeHermes
from tests.feeds.factories import candle as record

MINUTE = timedelta(minutes=1)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from(["n/a", "NaN", "1e999", "-1", "", "0x1", "1_0"]),
    # Each time a new one: `mutated` changes what it has put in.
    st.builds(list) | st.builds(dict) | st.builds(lambda: [[]]),
    st.text(max_size=5),
    st.recursive(st.none(), lambda inner: st.lists(inner, max_size=2)),
)


@pytest.fixture(scope="module")
def exchange():
    with (
        pytest.MonkeyPatch.context() as patch,
        FakeExchange(now=lambda: clock.now().timestamp()) as server,
    ):
        patch.setitem(sys.modules, "binance.client", None)
        yield server


@pytest.fixture
def binance(exchange, env, frozen_clock):
    env(**exchange.env)
    return sources.create("binance")


def request(kind="candle", minutes=5, **changes):
    start = NOW - minutes * MINUTE
    return FetchRequest("BTCUSDT", kind, "1m", start, NOW, **changes)


def klines(count=5):
    rows = []
    for minute in range(count, 0, -1):
        opened = int((NOW - minute * MINUTE).timestamp())
        values = candle("BTCUSDT", opened, 60)
        closes = (opened + 60) * 1000 - 1
        rows.append([opened * 1000, *values, closes, "0", 1, "0", "0", "0"])
    return rows


def trades(count=5):
    first = int((NOW - MINUTE).timestamp() * 1000)
    return [{"a": i, "p": "100.5", "q": "1", "T": first + i} for i in range(count)]


BOOK = {"bids": [["99.0", "3"], ["98.0", "1"]], "asks": [["101.0", "1"]]}
PREMIUM = {
    "symbol": "BTCUSDT",
    "markPrice": "101.0",
    "indexPrice": "100.0",
    "lastFundingRate": "-0.0001",
    "nextFundingTime": 1_772_467_200_000,
    "time": int((NOW - MINUTE).timestamp() * 1000),
}
SHAPES = {"candle": klines(), "tick": trades(), "depth": BOOK, "funding": PREMIUM}


def places(value, path=()):
    """The path of everything in a JSON document."""
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(value[key], (*path, key))


@st.composite
def mutated(draw, whole):
    """A document with up to three of its parts replaced or taken away."""
    document = {"": deepcopy(whole)}
    for _ in range(draw(st.integers(1, 3))):
        path = ("", *draw(st.sampled_from(list(places(document[""])))))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if len(path) > 1 and draw(st.booleans()):
            del parent[path[-1]]
        else:
            parent[path[-1]] = draw(JUNK)
    return document[""]


MANY = settings(
    max_examples=60,
)


@given(JUNK, JUNK)
def test_two_documents_share_nothing_that_can_be_changed(one, other):
    assert one is not other or not isinstance(one, list | dict)


def is_sound(found, asked, source):
    check = checker(asked.key(source), newest=NOW + SKEW)
    for one in found:
        assert one.key == asked.key(source)
        assert asked.start <= one.ts_event < asked.end
        assert isinstance(one.is_closed, bool)
        assert check(one) in (None, "negative", "high_below_low", "bid_above_ask")


@pytest.mark.parametrize("kind", SHAPES)
def test_any_answer_gives_records_that_were_asked_for_or_a_provider_error(
    binance, exchange, kind
):
    @MANY
    @given(body=mutated(SHAPES[kind]))
    def check(body):
        exchange._refusals[:] = []
        exchange.refuse(200, body=body or [None])
        try:
            found = binance.fetch(request(kind))
        except ProviderError:
            return
        is_sound(found, request(kind), "binance")

    check()


@pytest.mark.parametrize("place", range(13))
def test_nonsense_in_a_row_costs_that_row_alone(binance, exchange, place):
    @MANY
    @given(row=st.integers(0, 4), junk=JUNK)
    def check(row, junk):
        rows = klines()
        if place == 12:
            rows[row] = junk
        else:
            rows[row][place] = junk
        exchange._refusals[:] = []
        exchange.refuse(200, body=rows)
        found = binance.fetch(request())
        others = {NOW - m * MINUTE for m in (5, 4, 3, 2, 1)} - {
            NOW - (5 - row) * MINUTE
        }
        assert others <= {one.ts_event for one in found}
        is_sound(found, request(), "binance")

    check()


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [[row[0] * 1000, *row[1:]] for row in rows],  # microseconds
        lambda rows: [[row[0] // 1000, *row[1:]] for row in rows],  # seconds
        lambda rows: dict(enumerate(rows)),
        lambda rows: [dict(enumerate(row)) for row in rows],
        lambda rows: [[row[0], "n/a", *row[2:]] for row in rows],
        lambda rows: [[row[0], "-1", *row[2:]] for row in rows],
        lambda rows: [[row[0], True, *row[2:]] for row in rows],
        lambda rows: [row[:5] for row in rows],
        lambda rows: [[*row[:6], row[6] + 60_000, *row[7:]] for row in rows],  # 2m
        lambda rows: [[row[0] - 86_400_000 * 9, *row[1:6]] for row in rows],  # old
        lambda rows: {"code": 0, "data": rows},
        lambda rows: "rows",
        lambda rows: 1e3,
    ],
)
def test_an_answer_that_is_nonsense_throughout_is_a_provider_error(
    binance, exchange, change
):
    exchange.refuse(200, body=change(klines()))
    with pytest.raises(ProviderError):
        binance.fetch(request())


def test_a_newest_candle_that_makes_no_sense_does_not_fail_the_feed(binance, exchange):
    rows = klines()
    rows[-1][1] = "n/a"
    exchange.refuse(200, body=rows)
    exchange.refuse(200, body=rows[-1:])
    found = [one.ts_event for page in pages(binance, request()) for one in page]
    assert found == [NOW - m * MINUTE for m in (5, 4, 3, 2)]


@MANY
@given(body=st.recursive(JUNK, lambda inner: st.lists(inner, max_size=3)))
def test_what_the_exchange_lists_is_read_or_refused(body, binance, exchange):
    exchange._refusals[:] = []
    exchange.refuse(200, body={"symbols": body})
    with suppress(ProviderError):
        assert isinstance(binance.list_subjects(), list)


@pytest.mark.parametrize("error", [KeyError("base"), OverflowError("x"), Exception()])
def test_any_error_of_a_provider_is_a_provider_error(monkeypatch, frozen_clock, error):
    def fails(self, *_):
        raise error

    monkeypatch.setattr(Simulated, "fetch", fails)
    monkeypatch.setattr(Simulated, "list_subjects", fails)
    provider = sources.create("simulated")
    with pytest.raises(ProviderError, match="simulated failed"):
        provider.fetch(request())
    with pytest.raises(ProviderError, match="simulated failed"):
        provider.list_subjects()


@pytest.mark.parametrize(
    "answer",
    [
        [record(-1, subject="ETHUSDT")],
        [record(-1, granularity="5m")],
        [record(-60)],
        [record(1)],
        [record(-1, values={"close": -1.0})],
        [record(-1, values={"close": float("nan")})],
        ["candle"],
        None,
        17,
    ],
)
def test_an_answer_to_another_question_is_a_provider_error(
    monkeypatch, frozen_clock, answer
):
    monkeypatch.setattr(Simulated, "fetch", lambda *_: answer)
    with pytest.raises(ProviderError):
        sources.create("simulated").fetch(request())


def test_what_was_not_asked_for_is_left_out(monkeypatch, frozen_clock):
    answer = [record(-1), record(-60), record(-2), record(-1, subject="ETHUSDT")]
    monkeypatch.setattr(Simulated, "fetch", lambda *_: answer)
    found = sources.create("simulated").fetch(request())
    assert found == [record(-2), record(-1)]


# --- Pyth


@pytest.fixture(scope="module")
def hermes():
    with FakeHermes(now=lambda: clock.now().timestamp()) as server:
        yield server


@pytest.fixture
def pyth(hermes, env, frozen_clock):
    env(pyth_api_url=hermes.url, pyth_api_key="")
    hermes.published_at = hermes.answer_with = hermes.allowed = None
    return sources.create("pyth")


PRICE = {"price": "10000", "expo": -2, "publish_time": int(NOW.timestamp()) - 60}
PARSED = {"parsed": [{"id": BTC, "price": PRICE}]}
LISTED = [{"id": f"0x{BTC}", "attributes": {"base": "BTC", "quote_currency": "USD"}}]


@MANY
@given(body=mutated(PARSED))
def test_any_price_is_sound_or_a_provider_error(body, pyth, hermes):
    pyth.fetch(request())
    hermes.answer_with = body
    try:
        for kind in ("candle", "tick"):
            is_sound(pyth.fetch(request(kind)), request(kind), "pyth")
    except ProviderError:
        pass
    finally:
        hermes.answer_with = None


@MANY
@given(body=mutated(LISTED * 2))
def test_a_list_of_prices_is_read_as_far_as_it_makes_sense(body, pyth, hermes):
    hermes.answer_with = body
    try:
        assert len(sources.create("pyth").list_subjects()) <= 2
    except FeedError:
        pass
    finally:
        hermes.answer_with = None


def test_a_row_without_a_base_costs_that_row(pyth, hermes):
    hermes.answer_with = [{"id": "1", "attributes": {}}, "row", None, *LISTED]
    assert [s.symbol for s in pyth.list_subjects()] == ["BTC"]


def opened(found):
    return [int((one.ts_event - NOW) / MINUTE) for one in found]


def test_a_price_of_later_is_a_gap_and_no_look_ahead(pyth, hermes):
    """Eight minutes without updates: the server gives the first one after them."""
    first, last = (int((NOW + m * MINUTE).timestamp()) for m in (-20, -12))
    hermes.published_at = lambda at: last if first < at < last else at
    found = pyth.fetch(request(minutes=25))
    assert opened(found) == [-25, -24, -23, -22, -21, *range(-12, 0)]


def test_a_price_that_is_long_stale_is_a_gap(pyth, hermes):
    """Eight minutes without updates: the server gives the last one before them."""
    first, last = (int((NOW + m * MINUTE).timestamp()) for m in (-20, -12))
    hermes.published_at = lambda at: first if first < at < last else at
    found = pyth.fetch(request(minutes=25))
    # A minute after the last update its price still stands.
    assert opened(found) == [*range(-25, -19), *range(-12, 0)]


def test_an_outage_longer_than_a_page_does_not_end_the_feed(pyth, hermes):
    first = int((NOW - 600 * MINUTE).timestamp())
    last = int((NOW - 5 * MINUTE).timestamp())
    hermes.published_at = lambda at: first if first < at < last else at
    asked = len(hermes.requests)
    found = [r for page in pages(pyth, request(minutes=590)) for r in page]
    assert opened(found) == [-5, -4, -3, -2, -1]
    assert len(hermes.requests) - asked < 60


def test_an_outage_hides_no_price_between_it_and_a_later_one(pyth, hermes):
    """Searching by halving meets the later outage first."""
    down = [
        int((NOW + minute * MINUTE).timestamp()) for minute in (-50, *range(-30, -20))
    ]
    hermes.published_at = lambda at: at - 600 if at in down else at
    found = pyth.fetch(request(minutes=60))
    assert opened(found) == [*range(-60, -51), *range(-49, -31), *range(-20, 0)]


def test_a_price_that_is_refused_costs_no_candle_before_it(pyth, hermes):
    """The public service gives 30 prices in ten seconds, and a page asks for 61."""
    pyth.fetch(request(minutes=1))
    hermes.allowed = 30
    assert opened(pyth.fetch(request(minutes=180))) == list(range(-180, -151))
    with pytest.raises(ProviderError, match="asks to wait"):
        pyth.fetch(request(minutes=151))


def test_prices_in_another_unit_of_time_are_a_provider_error(pyth, hermes):
    hermes.published_at = lambda at: at * 1000
    with pytest.raises(ProviderError, match="in the future"):
        pyth.fetch(request())
