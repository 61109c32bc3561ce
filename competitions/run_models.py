"""Perform rounds without Celery, as soon as the candle that closes a slot arrives.

For cadences below about five seconds, for which a message queue is too slow. It uses
the same gateway and services as the tasks (`manage.py run_models`).
"""

import asyncio
import threading
import time
from socket import gethostname

import structlog
from celery import current_app
from django.db import close_old_connections

from competitions import grid_dispatch
from competitions.gateway_pool import pool
from competitions.models import Competition, Round
from competitions.predict_service import ask_by, own_predict_service
from competitions.round_feed import feed_of
from competitions.rounds.perform import perform_waiting
from competitions.tournament.ask_samples import ask_some
from competitions.wiring import wiring_of
from core import clock, heartbeats
from core.logs import IdleLine
from feeds.ingest import provider_of
from feeds.tape.reads import newest_closed
from feeds.tape.records import FeedKey, span
from feeds.tape.writes import append

log = structlog.get_logger(__name__)

# Longest pause between two checks of the grid, and pause after a failure, in real time.
LOOK_S = 0.1
PAUSE_S = 1.0
# How long after its slot a round waits for its candle and the models, in real time.
PATIENCE_S = 2.0
# Between two clearings of the queue, which nobody consumes here.
CLEAR_S = 60.0
# Between two looks whether a competition of which models are connected has ended.
ENDED_S = 15.0


class ModelDaemon:
    """Dispatch and perform rounds until stopped, and listen to their feeds."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._news = threading.Event()
        self._listeners: dict[str, tuple[set[FeedKey], _Listener]] = {}
        self._rest_until: dict[str, float] = {}
        self._next_look = 0.0
        self._idle = IdleLine("predict.idle")

    def stop(self) -> None:
        self._stop.set()
        self._news.set()

    def run(self) -> None:
        """Repeat `turn` until `stop`; log a turn that fails."""
        log.info("predict.started")
        threading.Thread(target=self._clear_queue, name="clear", daemon=True).start()
        given_at = float("-inf")
        try:
            while not self._stop.is_set():
                if time.monotonic() - given_at >= heartbeats.HEARTBEAT_S:
                    heartbeats.give(["models"], node=f"run_models@{gethostname()}")
                    given_at = time.monotonic()
                close_old_connections()
                try:
                    self.turn()
                except Exception:
                    log.exception("run_models.turn_failed")
                    self._stop.wait(PAUSE_S)
                self._news.wait(LOOK_S)
                self._news.clear()
        finally:
            for _, listener in self._listeners.values():
                listener.stop()
            pool.close_all()

    def turn(self) -> int:
        """Perform every round that can be asked now; returns how many.

        A competition that fails is tried again after a pause, and stops no other.
        """
        if time.monotonic() >= self._next_look:
            pool.close_ended()
            self._next_look = time.monotonic() + ENDED_S
        grid_dispatch.dispatch()
        asked = 0
        active = list(Competition.objects.active())
        for slug in self._listeners.keys() - {c.slug for c in active}:
            self._listeners.pop(slug)[1].stop()
        for competition in active:
            if time.monotonic() < self._rest_until.get(competition.slug, 0.0):
                continue
            try:
                asked += self._ask(competition)
            except Exception:
                log.exception("run_models.turn_failed", competition=competition.slug)
                self._rest_until[competition.slug] = time.monotonic() + PAUSE_S
        if not asked:
            self._idle.say()
        return asked

    def _ask(self, competition: Competition) -> int:
        """Perform a competition's rounds that can be asked now; returns how many."""
        gateway = pool.gateway_of(competition.slug)
        if gateway is None:
            return 0
        self._listen(competition)
        if service := own_predict_service():
            return ask_by(service, competition=competition, gateway=gateway)
        waiting = list(
            Round.objects.to_ask(clock.now())
            .filter(competition=competition)
            .select_related("scheduled_prediction", "competition")
        )
        asked, is_settled = 0, gateway.is_settled
        if waiting and all(is_ready(r, is_settled=is_settled) for r in waiting):
            asked += perform_waiting(competition_id=competition.pk, gateway=gateway)
        if gateway.is_connected:
            asked += ask_some(competition_id=competition.pk, gateway=gateway)
        return asked

    def _clear_queue(self) -> None:
        """Drop Beat's messages, which would accumulate without a worker."""
        while True:
            try:
                clear_queue()
            except Exception:
                log.exception("run_models.queue_not_cleared")
            if self._stop.wait(CLEAR_S):
                return

    def _listen(self, competition: Competition) -> None:
        """Write the competition's feeds to the tape as records arrive."""
        config = wiring_of(competition).config
        feeds = {
            feed_of(competition, scheduled.scope_template, config)
            for scheduled in competition.scheduled_predictions.filter(active=True)
        }
        known, listener = self._listeners.get(competition.slug, (set(), None))
        if feeds == known or not feeds:
            return
        if listener is not None:
            listener.stop()
        listener = _Listener(sorted(feeds), self._news)
        listener.start()
        self._listeners[competition.slug] = (feeds, listener)


class _Listener:
    """Write one source's stream to the tape, in a thread of its own."""

    def __init__(self, feeds: list[FeedKey], news: threading.Event) -> None:
        self._feeds = feeds
        self._news = news
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._listen_for_ever())
        self._thread = threading.Thread(
            target=self._run, name=f"listen-{feeds[0].source}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            log.info("run_models.listener_stopped", feeds=[f.id for f in self._feeds])
        finally:
            self._loop.close()

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                async for record in provider_of(self._feeds[0].source).listen(
                    self._feeds
                ):
                    # The worker pulls on from the watermark, so that what came while
                    # nobody listened is not left out.
                    await asyncio.to_thread(append, [record], move_watermark=False)
                    if record.is_closed:
                        self._news.set()
            except Exception:
                log.exception("run_models.listener_failed", feeds=self._feeds)
            await asyncio.sleep(PAUSE_S)


def clear_queue() -> None:
    """Drop the messages on the queue `models`: Beat sends them again."""
    with current_app.connection_for_write() as broker:
        broker.channel().queue_purge("models")


def is_ready(round_: Round, *, is_settled: bool) -> bool:
    """Return whether the models are known and the tape has the slot's newest candle.

    After `PATIENCE_S` the round is asked with whatever there is.
    """
    if clock.now() - round_.slot_at > clock.wall_seconds(PATIENCE_S):
        return True
    if not is_settled:
        return False
    competition = round_.competition
    scope = round_.scheduled_prediction.scope_template
    feed = feed_of(competition, scope, wiring_of(competition).config)
    newest = newest_closed(key=feed, at=clock.now(), limit=1)
    if not newest:
        return False
    length = span(feed.kind, feed.granularity)
    return not length or newest[-1].closes_at + length > round_.slot_at
