"""A competition that runs, and who looks at it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from django.contrib.auth.models import User
from django.core.cache import cache

from core import heartbeats
from crunchsite.celery import QUEUES
from crunchsite.site.series import Series
from feeds.tape.engine import transaction
from tests import factories
from tests.patience import WIDE_S


@pytest.fixture
def world(db, frozen_clock):
    """Six models, six hours old at the frozen instant."""
    return factories.running_competition(at=frozen_clock, models=6, hours=6)


@pytest.fixture
def workers_alive(monkeypatch):
    """Beat and a worker of every queue show that they live, however long a test is."""
    monkeypatch.setattr(heartbeats, "LATE_S", WIDE_S)
    names = [heartbeats.BEAT, *QUEUES]
    heartbeats.give(names, node="celery@test")
    yield
    cache.delete_many([heartbeats._key(name) for name in names])


@pytest.fixture
def operator(db):
    return User.objects.create_superuser("olga", password="secret")


@pytest.fixture
def fresh_feed(tape, frozen_clock):
    """The tape knows the competition's candles up to the frozen minute."""
    with transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO tape.feed_ingestion_state (id, source, subject, kind, "
                "granularity, last_event_ts, updated_at, meta_jsonb) VALUES "
                "('simulated:BTCUSDT:candle:1m', 'simulated', 'BTCUSDT', 'candle', "
                "'1m', :at, :at, '{}')"
            ),
            {"at": frozen_clock},
        )


def text(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def series(*values: float | None) -> Series:
    at = np.array([(START + i * HOUR).timestamp() for i in range(len(values))])
    return Series(at=at, value=np.array([np.nan if v is None else v for v in values]))
