"""Celery tasks of scoring: find ids, call a service."""

import sys
import threading
from collections import defaultdict

from celery import shared_task
from celery.signals import worker_init
from django.conf import settings

from core.logs import IdleLine
from core.service_factories import FactoryRefusedError
from scoring import cycle
from scoring.score_service import own_score_service, score_by

_idle = IdleLine("score.idle")

# One cycle at a time per competition in this process: one that takes longer than its
# interval must not occupy all threads.
_turns: dict[int, threading.Lock] = defaultdict(threading.Lock)


@shared_task(name="scoring.dispatch")
def dispatch() -> None:
    """Start the score cycles that are due; runs every two seconds."""
    due = cycle.claim_due()
    if not due:
        _idle.say()
    if due and settings.ENV.score_service_factory:
        run_own.apply_async([due], expires=60)
        return
    for competition_id in due:
        run.apply_async([competition_id], expires=60)


@shared_task(name="scoring.run")
def run(competition_id: int) -> None:
    """Score what is due, unless a cycle is at work: the next message comes soon."""
    turn = _turns[competition_id]
    if turn.acquire(blocking=False):
        try:
            cycle.run_cycle(competition_id=competition_id)
        finally:
            turn.release()


@shared_task(name="scoring.run_own")
def run_own(competition_ids: list[int]) -> None:
    """Let the operator's service score them; the site's, where there is none here."""
    if service := own_score_service():
        score_by(service, competition_ids=competition_ids)
        return
    for competition_id in competition_ids:
        run.apply_async([competition_id], expires=60)


@worker_init.connect
def make_score_service(**_: object) -> None:
    """End a worker whose SCORE_SERVICE_FACTORY is refused, and say why."""
    try:
        own_score_service()
    except FactoryRefusedError as error:
        sys.exit(f"Error: {error}")
