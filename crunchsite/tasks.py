"""Celery tasks of the site itself."""

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
    """Each 15 seconds: advance competitions that are ending."""
    ending.finish_all()
