"""Rounds without Celery: asked when their candle arrives, or patience ends."""

import threading
from datetime import timedelta

import pytest
import redis
from django.conf import settings

from competitions import run_models
from competitions.gateway.errors import GatewayError
from competitions.lifecycle import activate, create_competition, pause
from competitions.models import Competition, Prediction, Round
from competitions.run_models import ModelDaemon, clear_queue
from competitions.tasks import predict
from core import clock
from feeds.tape.reads import newest_closed, watermark
from feeds.tape.records import FeedKey
from feeds.tape.writes import append
from tests.competitions.conftest import AnsweringGateway, candles
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("tape")
SLOT = NOW + timedelta(minutes=1)


@pytest.fixture
def daemon(monkeypatch, competition):
    gateway = AnsweringGateway({"a": 1.0})
    monkeypatch.setattr(run_models.pool, "gateway_of", lambda key: gateway)
    monkeypatch.setattr(ModelDaemon, "_listen", lambda self, competition: None)
    Round.objects.all().delete()
    daemon = ModelDaemon()
    daemon.gateway = gateway
    return daemon


def test_a_round_waits_for_the_candle_that_closes_its_slot(daemon, at):
    with at(SLOT):
        assert daemon.turn() == 0
        assert Round.objects.waiting().count() == 1

        append(candles(NOW, [220.0]))

        assert daemon.turn() == 1
        assert daemon.turn() == 0
    (answer,) = Prediction.objects.filter(round__slot_at=SLOT)
    assert answer.round.raw_data["candles_1m"][-1]["close"] == 220.0


def test_a_round_is_asked_with_what_there_is_after_a_while(daemon, at):
    with at(SLOT + timedelta(seconds=1)):
        assert daemon.turn() == 0
    with at(SLOT + timedelta(seconds=3)):
        assert daemon.turn() == 1


def test_a_round_waits_for_the_models(daemon, at):
    append(candles(NOW, [220.0]))
    daemon.gateway.is_settled = False
    with at(SLOT):
        assert daemon.turn() == 0
        daemon.gateway.is_settled = True
        assert daemon.turn() == 1


def test_messages_for_a_worker_that_is_not_there_are_dropped():
    predict.apply_async([1])
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        assert valkey.llen("crunchsite:models") >= 1

        clear_queue()

        assert valkey.llen("crunchsite:models") == 0


def test_another_owners_competition_is_left_alone(daemon, at, monkeypatch):
    monkeypatch.setattr(run_models.pool, "gateway_of", lambda key: None)
    with at(SLOT + timedelta(seconds=3)):
        assert daemon.turn() == 0
    assert Round.objects.waiting().count() == 1


def test_a_competition_that_fails_stops_no_other_and_is_tried_again(
    daemon, competition, at, monkeypatch
):
    other = create_competition(slug="other", pack_name="baseline")
    activate(competition_id=other.pk)
    broken = {"btc"}

    def gateway_of(key):
        if key in broken:
            raise GatewayError("it is stuck")
        return daemon.gateway

    monkeypatch.setattr(run_models.pool, "gateway_of", gateway_of)
    monkeypatch.setattr(run_models, "PAUSE_S", 600)
    with at(SLOT + timedelta(seconds=3)):
        assert daemon.turn() == 1
        assert Round.objects.waiting().get().competition == competition
        broken.clear()
        assert daemon.turn() == 0, "it pauses"
        daemon._rest_until.clear()
        assert daemon.turn() == 1


def test_a_failing_turn_is_not_the_last(daemon, monkeypatch):
    turns = []

    def turn():
        turns.append(1)
        if len(turns) == 1:
            raise RuntimeError("the database went away")
        daemon.stop()

    monkeypatch.setattr(daemon, "turn", turn)
    monkeypatch.setattr(run_models, "PAUSE_S", 0.01)
    monkeypatch.setattr(run_models, "close_old_connections", lambda: None)

    thread = threading.Thread(target=daemon.run)
    thread.start()
    thread.join(60)

    assert len(turns) == 2


class SilentListener:
    def __init__(self, feeds, news):
        self.feeds, self.is_stopped = feeds, False

    def start(self):
        pass

    def stop(self):
        self.is_stopped = True


def test_a_paused_competition_is_no_longer_listened_to(daemon, monkeypatch, at):
    monkeypatch.undo()
    monkeypatch.setattr(run_models.pool, "gateway_of", lambda key: daemon.gateway)
    monkeypatch.setattr(run_models, "_Listener", SilentListener)
    with at(SLOT):
        daemon.turn()
        _, listener = daemon._listeners["btc"]
        assert [feed.subject for feed in listener.feeds] == ["BTCUSDT"]
        daemon.turn()
        assert daemon._listeners["btc"][1] is listener

        pause(competition_id=Competition.objects.get().pk)
        daemon.turn()

    assert listener.is_stopped
    assert daemon._listeners == {}


def test_a_listener_that_is_stopped_at_once_ends(tape):
    listener = run_models._Listener(
        [FeedKey("simulated", "BTCUSDT", "candle", "1s")], threading.Event()
    )
    listener.start()
    listener.stop()

    assert not listener._thread.is_alive()


def test_a_listener_writes_candles_and_gives_notice_and_leaves_no_gap(tape):
    """The watermark is the pull's: it goes on from there, not from what was heard."""
    feed = FeedKey("simulated", "BTCUSDT", "candle", "1s")
    news = threading.Event()
    listener = run_models._Listener([feed], news)

    with clock.use(clock.WALL):
        listener.start()
        try:
            assert news.wait(60)
        finally:
            listener.stop()

        assert newest_closed(key=feed, at=clock.now(), limit=1)
    assert watermark(key=feed) is None
