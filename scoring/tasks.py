"""Celery tasks of scoring: find ids, call a service."""

from celery import shared_task

from core.logs import IdleLine
from scoring import cycle

_idle = IdleLine("score.idle")


@shared_task(name="scoring.dispatch")
def dispatch() -> None:
    """Start the score cycles that are due; runs every two seconds."""
    due = cycle.claim_due()
    if not due:
        _idle.say()
    for competition_id in due:
        run.apply_async([competition_id], expires=60)


@shared_task(name="scoring.run")
def run(competition_id: int) -> None:
    cycle.run_cycle(competition_id=competition_id)
