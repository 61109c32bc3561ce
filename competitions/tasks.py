"""Celery tasks of predict rounds: find ids, call a service."""

import threading
import time
from collections import defaultdict

import structlog
from celery import shared_task
from celery.signals import worker_init, worker_shutdown

from competitions import grid_dispatch
from competitions.definition import check_running
from competitions.gateway.gateway import ModelGateway
from competitions.gateway_pool import pool
from competitions.lifecycle import subscribe_missing
from competitions.models import Competition
from competitions.rounds.perform import perform_waiting
from competitions.tournament.ask_samples import ask_some
from core.logs import IdleLine

log = structlog.get_logger(__name__)

_idle = IdleLine("predict.idle")


@shared_task(name="competitions.dispatch")
def dispatch() -> None:
    """Each second: make rounds of slots that have come, and enqueue asking them."""
    waiting = grid_dispatch.dispatch()
    if not waiting:
        _idle.say()
    for competition_id in waiting:
        predict.apply_async([competition_id], expires=30)


@shared_task(name="competitions.reap")
def reap() -> None:
    """Each 15 seconds: end rounds that hang, and subscribe feeds that are missing."""
    grid_dispatch.reap()
    subscribe_missing()


CONNECT_S = 2.0
# Of one message, on the wall: it is acknowledged, and the competition may be paused.
TURN_S = 20.0

# One turn at a time per competition in this process; a second message finds it taken.
_turns: dict[int, threading.Lock] = defaultdict(threading.Lock)


@shared_task(bind=True, name="competitions.predict", max_retries=4)
def predict(self, competition_id: int) -> None:  # type: ignore[no-untyped-def]
    """Perform a competition's waiting rounds, if this process owns its gateway.

    Another owner's rounds are left to it: the message goes round again for a moment,
    and after that Beat sends a new one.
    """
    competition = Competition.objects.get(pk=competition_id)
    gateway = pool.gateway_of(competition.slug)
    if gateway is None:
        if self.request.retries < self.max_retries:
            raise self.retry(countdown=0.2)
        return
    gateway.wait_connected(CONNECT_S)  # at once, but for the first round of a worker
    turn = _turns[competition_id]
    if turn.acquire(blocking=False):
        try:
            _take_turn(competition_id, gateway)
        finally:
            turn.release()


def _take_turn(competition_id: int, gateway: ModelGateway) -> None:
    """Perform waiting rounds, and between them batches of tournament rounds.

    What is left of these is taken up by the next message.
    """
    until = time.monotonic() + TURN_S
    perform_waiting(competition_id=competition_id, gateway=gateway)
    while time.monotonic() < until and ask_some(
        competition_id=competition_id, gateway=gateway
    ):
        perform_waiting(competition_id=competition_id, gateway=gateway)


@worker_init.connect
def check_wiring(**_: object) -> None:
    """Log at a worker's start which competitions cannot run; the others do."""
    for problem in check_running():
        log.error("competition.not_wired", problem=problem)


@worker_shutdown.connect
def close_gateways(**_: object) -> None:
    pool.close_all()
