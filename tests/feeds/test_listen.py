import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from django.db import connections

from feeds import listen
from feeds.errors import FeedError, TapeError
from feeds.models import FeedSubscription
from feeds.subscriptions import subscribe
from feeds.tape import reads
from feeds.tape.engine import transaction
from feeds.tape.records import FeedKey
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.fakes.exchange import FakeExchange
from tests.feeds.factories import candle, full_disk
from tests.waiting import AMPLE_S, wait_for

pytestmark = [pytest.mark.usefixtures("tape"), pytest.mark.django_db(transaction=True)]

KEY = FeedKey("binance", "BTCUSDT", "candle", "1s")


@pytest.fixture
def exchange(env):
    with FakeExchange() as exchange:
        exchange.first = int(time.time()) - 30
        env(**exchange.env, feed_backfill_minutes=1)
        yield exchange


class Listener:
    """`feeds.listen` in a thread, as the command runs it."""

    def __enter__(self):
        self.error = None
        self.loop = asyncio.new_event_loop()
        self.stop = asyncio.Event()
        self.thread = Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(listen.listen(self.stop))
        except BaseException as error:  # noqa: BLE001  for the test to look at
            self.error = error
        connections.close_all()

    def __exit__(self, *_):
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(60)
        assert not self.thread.is_alive()


def opened_at():
    with transaction() as connection:
        rows = connection.scalars(
            sa.text("SELECT ts_event FROM tape.feed_records WHERE is_closed ORDER BY 1")
        ).all()
    return [int(at.timestamp()) for at in rows]


def test_pushed_candles_reach_the_tape_and_the_lag_is_measured(exchange, monkeypatch):
    monkeypatch.setattr(listen, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    subscription = subscribe(KEY)
    with Listener():
        exchange.wait_for_listener()
        wait_for(lambda: len(opened_at()) >= 25)  # the history of before
        opened = int(time.time()) - 1
        exchange.push_candle("BTCUSDT", opened, is_closed=False)
        exchange.push_candle("BTCUSDT", opened)
        exchange.push_candle("BTCUSDT", opened)  # repeated
        exchange.push_candle("BTCUSDT", opened - 3, v="777.0")  # late and corrected
        wait_for(lambda: opened in opened_at())
        wait_for(
            lambda: FeedSubscription.objects.filter(
                listening_lag_ms__isnull=False
            ).exists()
        )
    subscription.refresh_from_db()
    assert subscription.listening_lag_ms < 60_000
    assert len(opened_at()) == len(set(opened_at()))
    late = reads.newest_closed(
        key=KEY, at=datetime.fromtimestamp(opened - 2, UTC), limit=1
    )
    assert late[0].values["volume"] == 777.0
    mark = reads.watermark(key=KEY)
    assert mark >= datetime.fromtimestamp(opened, UTC) - timedelta(seconds=1)


def test_a_cut_is_survived_without_a_hole(exchange, monkeypatch):
    monkeypatch.setattr(listen, "FIRST_BACKOFF_S", 1.5)
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    subscribe(KEY)
    with Listener():
        exchange.wait_for_listener()
        wait_for(lambda: len(opened_at()) >= 25)
        exchange.cut()  # seconds pass, and nobody pushes them
        wait_for(lambda: len(exchange.streams) == 2)
        exchange.wait_for_listener()
        newest = int(time.time())
        wait_for(lambda: opened_at()[-1] >= newest - 2)
    seconds = opened_at()
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    assert "broke" in FeedSubscription.objects.get().last_error


def test_without_subscriptions_there_is_nothing_to_listen_to():
    with Listener() as listener:
        listener.thread.join(60)
    assert isinstance(listener.error, FeedError)


def test_sigterm_ends_the_command_in_good_order(exchange):
    subscribe(KEY)
    name = connections["default"].settings_dict["NAME"]
    url = sa.engine.make_url("postgresql://").set(
        username=connections["default"].settings_dict["USER"],
        database=name,
        query={"host": connections["default"].settings_dict["HOST"]},
    )
    settings = {key.upper(): value for key, value in exchange.env.items()}
    command = subprocess.Popen(
        [sys.executable, "manage.py", "listen"],
        env={
            **os.environ,
            **settings,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "DATABASE_URL": url.render_as_string(),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        exchange.wait_for_listener()
        wait_for(lambda: len(opened_at()) >= 25)  # the history of before
        opened = int(time.time()) - 1
        exchange.push_candle("BTCUSDT", opened, v="4242.0")
        closed_at = datetime.fromtimestamp(opened + 1, UTC)
        wait_for(lambda: newest_volume(closed_at) == 4242.0)
        command.send_signal(signal.SIGTERM)
        output, _ = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 0, output
    assert "stopped; everything that had arrived is on the tape" in output
    assert newest_volume(closed_at) == 4242.0


def newest_volume(at):
    records = reads.newest_closed(key=KEY, at=at, limit=1)
    return records[0].values["volume"] if records else None


def test_a_feed_that_cannot_be_filled_stops_no_other(exchange, monkeypatch):
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    subscribe(KEY._replace(subject="NOSUCH"))
    subscribe(KEY)
    with Listener():
        wait_for(lambda: len(opened_at()) >= 25)
        opened = int(time.time()) - 1
        exchange.push_candle("BTCUSDT", opened)
        wait_for(lambda: opened in opened_at())
    broken, good = FeedSubscription.objects.order_by("-subject")
    assert "'NOSUCH'" in broken.last_error
    assert good.last_error == ""
    assert len(exchange.streams) == 1


@pytest.mark.parametrize(
    "error", [KeyError("base"), OverflowError("date"), Exception()]
)
def test_whatever_ends_one_sources_stream_the_others_go_on(
    exchange, monkeypatch, error
):
    async def listen_and_trip(self, feeds):
        raise error
        yield

    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    monkeypatch.setattr("feeds.providers.simulated.Simulated.listen", listen_and_trip)
    broken = subscribe(KEY._replace(source="simulated"))
    FeedSubscription.objects.update(poll_s=3600)  # nothing is pulled meanwhile
    good = subscribe(KEY._replace(subject="ETHUSDT"))
    with Listener() as listener:
        exchange.wait_for_listener()
        wait_for(
            lambda: (
                FeedSubscription.objects.exclude(pk=good.pk)
                .filter(last_error__startswith="simulated failed")
                .exists()
            )
        )
        opened = int(time.time()) - 1
        exchange.push_candle("ETHUSDT", opened)
        wait_for(lambda: opened in opened_at())
    assert listener.error is None
    broken.refresh_from_db()
    assert type(error).__name__ in broken.last_error


def test_a_message_without_sense_costs_no_other_feed_of_its_socket(
    exchange, monkeypatch
):
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    good = subscribe(KEY)
    subscribe(KEY._replace(kind="depth"))
    with Listener():
        exchange.wait_for_listener()
        opened = int(time.time()) - 1
        exchange.push("btcusdt@depth10", {"bids": [], "asks": [["2", "1"]]})
        exchange.push_candle("BTCUSDT", opened)
        wait_for(lambda: opened in opened_at())
    good.refresh_from_db()
    assert good.last_error == ""
    assert len(exchange.streams) == 1


def test_what_is_pushed_leaves_no_hole_while_the_past_cannot_be_had(
    exchange, monkeypatch
):
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    subscribe(KEY)
    exchange.refuse(503)
    with Listener():
        exchange.wait_for_listener()
        wait_for(lambda: "503" in FeedSubscription.objects.get().last_error)
        opened = int(time.time()) - 1
        exchange.push_candle("BTCUSDT", opened)
        wait_for(lambda: opened in opened_at())
        assert reads.watermark(key=KEY) is None
        wait_for(lambda: len(opened_at()) >= 25)  # asked again after the wait
        newest = int(time.time()) + 60  # which no request can have brought

        def moves_the_watermark():
            exchange.push_candle("BTCUSDT", newest)
            return reads.watermark(key=KEY) == datetime.fromtimestamp(newest, UTC)

        wait_for(moves_the_watermark)
    seconds = [at for at in opened_at() if at <= opened]
    assert seconds == list(range(seconds[0], opened + 1))


def test_while_the_stream_is_away_a_fallback_is_pulled(exchange, monkeypatch):
    monkeypatch.setattr(listen, "FIRST_BACKOFF_S", 30.0)
    subscription = subscribe(KEY)
    FeedSubscription.objects.update(fallbacks=["simulated"], poll_s=0.1)
    exchange.refuse_streams(503)
    exchange.refuse(503, times=10_000)
    with Listener():
        wait_for(lambda: len(opened_at()) >= 50)
    subscription.refresh_from_db()
    assert subscription.serving_source == "simulated"
    assert "503" in subscription.last_error
    served = reads.newest_closed(key=KEY, at=datetime.now(UTC), limit=1)
    assert served[0].meta == {"served_by": "simulated"}


def test_subscriptions_that_come_and_go_are_followed(exchange, monkeypatch):
    monkeypatch.setattr(listen, "REFRESH_EVERY_S", 0.2)
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    subscribe(KEY)
    with Listener():
        exchange.wait_for_listener()
        subscribe(KEY._replace(subject="ETHUSDT"))
        wait_for(lambda: len(exchange.streams) == 2)
        assert sorted(exchange.streams[1]) == ["btcusdt@kline_1s", "ethusdt@kline_1s"]
        FeedSubscription.objects.filter(subject="BTCUSDT").update(active=False)
        wait_for(lambda: len(exchange.streams) == 3)
        assert exchange.streams[2] == ["ethusdt@kline_1s"]


def test_an_outage_of_the_tape_is_outlived(exchange, monkeypatch):
    monkeypatch.setattr(listen, "FIRST_BACKOFF_S", 0.5)
    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.2)
    subscribe(KEY)
    with Listener():
        exchange.wait_for_listener()
        wait_for(lambda: len(opened_at()) >= 25)
        lost = int(time.time()) - 1
        with full_disk():
            exchange.push_candle("BTCUSDT", lost)
            wait_for(lambda: "No space" in FeedSubscription.objects.get().last_error)
        wait_for(lambda: lost in opened_at())

        def is_heard():
            exchange.push_candle("BTCUSDT", lost, v="777.0")
            return newest_of(lost).values["volume"] == 777.0

        wait_for(is_heard)


def test_what_comes_after_a_lost_batch_does_not_hide_the_loss(monkeypatch):
    """It is kept, and the next pull begins before what was lost."""
    lost, kept = candle(-2), candle(-1)
    filled, failing, came = Event(), Event(), Event()

    def fill(pk, *, at_once):
        filled.set()
        return True

    async def stream(feeds):
        for record, awaited in ((lost, filled), (kept, failing)):
            await asyncio.to_thread(awaited.wait, AMPLE_S)
            yield record
        came.set()  # the last one is taken by now
        await asyncio.Event().wait()

    def loses(records, **how):
        records = list(records)
        if lost in records:
            failing.set()
            came.wait(AMPLE_S)
            raise TapeError("it is away")
        return append(records, **how)

    monkeypatch.setattr(listen, "FIRST_RECORD_S", 0.0)
    monkeypatch.setattr(listen, "_fill", fill)
    monkeypatch.setattr(listen, "append", loses)
    monkeypatch.setattr(
        listen, "provider_of", lambda source: SimpleNamespace(listen=stream)
    )
    with pytest.raises(TapeError):
        asyncio.run(listen._connection("simulated", {lost.key: 1}, asyncio.Event()))
    assert reads.newest_closed(key=lost.key, at=NOW, limit=2)[0].values == kept.values
    assert reads.watermark(key=lost.key) is None


def newest_of(opened):
    at = datetime.fromtimestamp(opened + 1, UTC)
    return reads.newest_closed(key=KEY, at=at, limit=1)[0]
