"""Celery's entries to the site itself."""

from typing import Any

from celery import shared_task

from core import heartbeats
from crunchsite.operator import ending


@shared_task(name="crunchsite.heartbeat", bind=True)
def give_sign_of_life(self: Any, queue: str) -> None:
    """Write the heartbeat of `queue`."""
    heartbeats.give([queue], node=self.request.hostname)


@shared_task(name="emissions.finish_ending")
def finish_ending() -> None:
    """Every fifteen seconds: competitions that are ending go as far as they can."""
    ending.finish_all()
