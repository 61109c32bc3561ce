"""Celery tasks of the log: call a service."""

import structlog
from celery import shared_task

from core.errors import OperatorError
from proofs import cadence, stamping, witnesses

log = structlog.get_logger(__name__)


@shared_task(name="proofs.dispatch")
def dispatch() -> None:
    """Each second: number what waits, and sign the head that covers it."""
    cadence.seal_all()


@shared_task(name="proofs.collect")
def collect() -> None:
    """Each fifteen seconds: ask witnesses to cosign the newest head."""
    witnesses.collect()


@shared_task(name="proofs.stamp")
def stamp() -> None:
    """Each hour: have the newest head stamped, if an authority is named."""
    try:
        stamping.stamp()
    except OperatorError as error:
        log.warning("log.unstamped", code=error.code, reason=str(error))
