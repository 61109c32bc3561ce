"""A competition that runs, and who looks at it."""

import pytest
import sqlalchemy as sa
from django.contrib.auth.models import User

from core import heartbeats
from crunchsite.celery import QUEUES
from feeds.tape.engine import transaction
from tests import factories


@pytest.fixture
def world(db, frozen_clock):
    """Six models, six hours old at the frozen instant."""
    return factories.running_competition(at=frozen_clock, models=6, hours=6)


@pytest.fixture
def workers_alive():
    """Beat and a worker of every queue have just shown that they live."""
    heartbeats.give([heartbeats.BEAT, *QUEUES], node="celery@test")


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
