"""Celery tasks of rounds: find ids, call a service."""

import sys
import threading
import time
from collections import defaultdict

import structlog
from celery import shared_task
from celery.signals import worker_init, worker_shutdown
from django.conf import settings

from competitions import grid_dispatch
from competitions.definition import check_running
from competitions.gateway.gateway import ModelGateway
from competitions.gateway_pool import pool
from competitions.lifecycle import subscribe_missing
from competitions.models import Competition, SubmittedVersion
from competitions.predict_service import ask_by, own_predict_service
from competitions.rounds.perform import perform_waiting
from competitions.submissions.check_queue import check_waiting
from competitions.submissions.going_live import (
    clear_refused,
    prune_contents,
    roll_back_broken,
)
from competitions.tournament.ask_samples import ask_some
from core.logs import IdleLine
from core.service_factories import FactoryRefusedError

log = structlog.get_logger(__name__)

_idle = IdleLine("predict.idle")


@shared_task(name="competitions.dispatch")
def dispatch() -> None:
    """Each second: make rounds of due slots, and enqueue tasks that ask the models."""
    waiting = grid_dispatch.dispatch()
    if settings.ENV.predict_service_factory:  # it decides itself what waits
        waiting = list(Competition.objects.active().values_list("pk", flat=True))
    if not waiting:
        _idle.say()
    for competition_id in waiting:
        predict.apply_async([competition_id], expires=30)


@shared_task(name="competitions.reap")
def reap() -> None:
    """Each 15 seconds: end rounds that hang, and subscribe missing feeds."""
    grid_dispatch.reap()
    subscribe_missing()


# For the roster and its models: a gateway is made for its first round.
CONNECT_S = 2.0
# Time limit of one message, in real time: it is acknowledged, and the competition may
# be paused meanwhile.
TURN_S = 20.0

# One turn at a time per competition in this process; a second message skips.
_turns: dict[int, threading.Lock] = defaultdict(threading.Lock)


@shared_task(bind=True, name="competitions.predict", max_retries=4)
def predict(self, competition_id: int) -> None:  # type: ignore[no-untyped-def]
    """Perform a competition's waiting rounds, if this process owns its gateway.

    If another process owns it, the message is re-sent for a moment to reach the owner;
    after that Beat sends a new one.
    """
    competition = Competition.objects.get(pk=competition_id)
    gateway = pool.gateway_of(competition.slug)
    if gateway is None:
        if self.request.retries < self.max_retries:
            raise self.retry(countdown=0.2)
        return
    # Else a start or a takeover would cost each model a round.
    gateway.wait_settled(CONNECT_S)
    turn = _turns[competition_id]
    if turn.acquire(blocking=False):
        try:
            if service := own_predict_service():
                ask_by(service, competition=competition, gateway=gateway)
            else:
                _take_turn(competition_id, gateway)
        finally:
            turn.release()


def _take_turn(competition_id: int, gateway: ModelGateway) -> None:
    """Perform waiting rounds, and between them batches of tournament rounds.

    The next message continues with the remaining batches.
    """
    until = time.monotonic() + TURN_S
    perform_waiting(competition_id=competition_id, gateway=gateway)
    while time.monotonic() < until and ask_some(
        competition_id=competition_id, gateway=gateway
    ):
        perform_waiting(competition_id=competition_id, gateway=gateway)


@shared_task(name="competitions.submissions")
def submissions() -> None:
    """Each 15 seconds, and when one came: check what participants have submitted.

    Of the processes on this queue, one after the other also lets ended competitions go.
    """
    pool.close_ended()
    roll_back_broken()
    clear_refused()
    prune_contents()
    if SubmittedVersion.objects.waiting().exists() and check_waiting():
        submissions.apply_async(expires=30)  # the next one


@worker_init.connect
def check_wiring(**_: object) -> None:
    """Log at a worker's start which competitions cannot run; the others run."""
    for problem in check_running():
        log.error("competition.not_wired", problem=problem)


@worker_init.connect
def make_predict_service(**_: object) -> None:
    """End a worker whose PREDICT_SERVICE_FACTORY is refused, and say why."""
    try:
        own_predict_service()
    except FactoryRefusedError as error:
        sys.exit(f"Error: {error}")


@worker_shutdown.connect
def close_gateways(**_: object) -> None:
    pool.close_all()
