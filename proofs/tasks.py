"""Celery tasks of the log: call a service."""

from celery import shared_task

from proofs import cadence, witnesses


@shared_task(name="proofs.dispatch")
def dispatch() -> None:
    """Each second: number what waits, and sign the head that covers it."""
    cadence.seal_all()


@shared_task(name="proofs.collect")
def collect() -> None:
    """Each fifteen seconds: ask witnesses to cosign the newest head."""
    witnesses.collect()
