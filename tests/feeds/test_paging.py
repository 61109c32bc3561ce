"""Every record once: over pages, over pulls, and from a source that gives few."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from core import clock
from feeds import backfill, backfill_jobs, ingest
from feeds.errors import ProviderError
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages
from feeds.providers.simulated import Simulated
from feeds.subscriptions import subscribe
from feeds.tape.engine import transaction
from feeds.tape.records import FeedKey
from tests.conftest import NOW
from tests.fakes.exchange import FakeExchange
from tests.feeds.factories import FEED, KEY, candle

MINUTE = timedelta(minutes=1)
MS = int(NOW.timestamp() * 1000)
TICKS = {"source": "binance", "subject": "BTCUSDT", "kind": "tick", "granularity": "1s"}


@pytest.fixture(scope="module")
def server():
    with FakeExchange(now=lambda: clock.now().timestamp()) as exchange:
        yield exchange


@pytest.fixture
def exchange(server, env, jumping):
    env(**server.env)
    server.cap, server.trades = 1000, None
    return server


def ticks(**changes):
    start = NOW - MINUTE
    return FetchRequest(
        "BTCUSDT", "tick", "1s", **{"start": start, "end": NOW, **changes}
    )


def ids(found):
    return [record.meta["id"] for record in found]


def crowded(first, *sizes, at=MS - 30_000):
    """Trades numbered from `first`: so many in each of the milliseconds from `at`."""
    numbers = iter(range(first, first + sum(sizes)))
    return [
        (next(numbers), at + i) for i, size in enumerate(sizes) for _ in range(size)
    ]


@settings(
    max_examples=60,
)
@given(
    first=st.integers(900, 1100),
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    limit=st.integers(1, 9),
    cap=st.integers(1, 9),
)
def test_trades_of_one_millisecond_come_once_over_pages(
    exchange, first, sizes, limit, cap
):
    exchange.trades, exchange.cap = crowded(first, *sizes), cap
    provider = ingest.provider_of("binance")
    found = [r for page in pages(provider, ticks(limit=limit)) for r in page]
    assert ids(found) == [number for number, _ in exchange.trades]


def test_a_range_takes_the_trades_of_its_instants_alone(exchange):
    exchange.trades = crowded(0, 3, 3, 3)
    start = NOW - timedelta(seconds=30) + timedelta(milliseconds=1, microseconds=4)
    asked = ticks(start=start, end=start + timedelta(milliseconds=1), limit=2)
    found = [r for page in pages(ingest.provider_of("binance"), asked) for r in page]
    assert ids(found) == [4, 5]


def on_tape():
    with transaction() as connection:
        rows = connection.scalars(
            sa.text(
                "SELECT (meta_jsonb ->> 'id')::int FROM tape.feed_records "
                "WHERE kind = 'tick' ORDER BY 1"
            )
        )
        return rows.all()


@pytest.mark.usefixtures("tape")
@pytest.mark.parametrize("cut", range(1, 9))
def test_trades_of_one_millisecond_come_once_over_pulls(exchange, jumping, cut):
    """The watermark may be any of them: 999 has later microseconds than 1 000."""
    everything = crowded(996, 2, 6, at=MS - 1000)
    exchange.trades = everything[:cut]
    subscribe(FeedKey(**TICKS))
    for known in (everything[:cut], everything, everything):
        exchange.trades = known
        assert ingest.ingest_due() == 1
        jumping.tick(5)
    assert on_tape() == list(range(996, 1004))


@pytest.mark.usefixtures("tape")
def test_trades_of_one_millisecond_come_once_over_a_backfills_turns(
    exchange, monkeypatch
):
    monkeypatch.setattr(backfill, "SAVE_EVERY_S", -1.0)
    exchange.trades = crowded(996, 8, 3, at=MS - 30_000)
    job = backfill_jobs.start(
        key=FeedKey(**TICKS),
        start_at=NOW - MINUTE,
        end_at=NOW,
        sink="tape",
        page_size=3,
    )
    turns = 0
    while backfill.run(job_id=job.pk, turn_s=-1.0):
        turns += 1
        assert turns < 50, "it does not go on"
    job.refresh_from_db()
    assert job.status == "completed"
    assert on_tape() == list(range(996, 1007))


@pytest.mark.usefixtures("tape")
def test_a_pull_goes_on_when_a_page_is_shorter_than_asked(exchange):
    exchange.cap = 30
    subscribe(KEY._replace(source="binance"))
    assert ingest.ingest_due() == 1
    with transaction() as connection:
        count = connection.scalar(sa.text("SELECT count(*) FROM tape.feed_records"))
    assert count == 181


@pytest.mark.usefixtures("tape")
def test_a_candle_that_closes_between_two_pages_is_closed_by_the_next_pull(
    jumping, monkeypatch
):
    fetch = Simulated.fetch

    def slow(self, request):
        page = fetch(self, request)
        jumping.tick(2)
        return page

    monkeypatch.setattr(Simulated, "fetch", slow)
    subscription = subscribe(KEY._replace(granularity="1s"))
    jumping.tick(0.9)
    for _ in range(3):
        assert ingest.ingest_due() == 1
        jumping.tick(5)
    assert ingest.recent_gaps(subscription) == []


@pytest.mark.usefixtures("tape")
def test_a_gap_is_repaired_from_a_source_that_gives_few_and_others_go_on(
    exchange, monkeypatch
):
    from feeds.tape.writes import append

    exchange.cap = 7
    feeds = [{**FEED, "source": name} for name in ("binance", "simulated")]
    for feed in feeds:
        subscribe(FeedKey(**feed))
        append([candle(m, source=feed["source"]) for m in (-60, -59, -2, -1)])

    def trips(self, request):
        raise KeyError("base")

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "recent_gaps", lambda s: 1 / (s.source != "binance"))
        assert ingest.repair_gaps() == 0
    with monkeypatch.context() as patch:
        patch.setattr(Simulated, "fetch", trips)
        assert ingest.repair_gaps() == 56
    assert ingest.repair_gaps() == 56


def test_a_source_that_gives_one_page_for_ever_is_told(monkeypatch, frozen_clock):
    class Stuck:
        name, page_limit = "stuck", 10

        def fetch(self, request):
            return [candle(-5, kind="tick", granularity="1s")]

    asked = ticks(start=NOW - 9 * MINUTE)
    with pytest.raises(ProviderError, match="again and again"):
        list(pages(Stuck(), asked))
