"""Celery tasks of the site itself."""

from typing import Any

import structlog
from celery import shared_task

from core import heartbeats
from core.errors import OperatorError
from crunchsite import log_mirror
from crunchsite.operator import ending

log = structlog.get_logger(__name__)


@shared_task(name="crunchsite.heartbeat", bind=True)
def give_sign_of_life(self: Any, queue: str) -> None:
    """Write the heartbeat of `queue`."""
    heartbeats.give([queue], node=self.request.hostname)


@shared_task(name="emissions.finish_ending")
def finish_ending() -> None:
    """Each 15 seconds: advance competitions that are ending."""
    ending.finish_all()


@shared_task(name="crunchsite.push_log")
def push_log() -> None:
    """Each minute: push the log's files to the pool's object store, if there is one."""
    try:
        log_mirror.push_log()
    except OperatorError as error:
        log.warning("log.not_pushed", code=error.code, reason=str(error))
