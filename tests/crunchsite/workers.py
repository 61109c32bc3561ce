"""A Celery worker in this process, which leaves nothing to the next test."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from celery import signals
from celery.contrib.testing.worker import start_worker
from django.conf import settings

from crunchsite import celery
from tests.waiting import wait_for

HELD = "crunchsite:unacked"


def held() -> list[bytes]:
    """Return the messages that the broker keeps until their tasks have ended."""
    return redis.from_url(settings.REDIS_URL).hvals(HELD)


@contextmanager
def working(monkeypatch, *, concurrency: int = 1) -> Iterator[None]:
    """Work on the queue `default` in threads of this process.

    A worker that is stopped gives back what it has not acknowledged yet, and the next
    one would begin with it: so this one is stopped once it holds nothing.
    """
    monkeypatch.setattr(signals.worker_ready, "receivers", [])
    options = {"pool": "threads", "perform_ping_check": False}
    try:
        with start_worker(
            celery.app, **options, concurrency=concurrency, queues=["default"]
        ):
            yield
            wait_for(lambda: not held())
    finally:
        celery.app.amqp.queues.select(celery.QUEUES)
