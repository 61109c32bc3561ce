"""A feed is pulled by one worker at a time."""

from contextlib import contextmanager
from datetime import timedelta

import psycopg2
import pytest
from django.db import connection

from feeds import ingest, turns
from feeds.models import FeedSubscription
from tests.conftest import NOW
from tests.feeds.conftest import count
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("tape")


@contextmanager
def other_worker(subscription):
    """A connection of another process that has its turn at the feed."""
    settings = connection.get_connection_params()
    settings.pop("cursor_factory", None), settings.pop("context", None)
    other = psycopg2.connect(**settings)
    try:
        with other.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_lock(%s, %s)", [turns._PULLING, subscription.pk]
            )
        yield other
    finally:
        other.close()


def test_a_feed_that_somebody_pulls_is_left_alone(subscription, at):
    with other_worker(subscription), at(NOW + timedelta(hours=1)):
        assert ingest.ingest_due() == 0
    subscription.refresh_from_db()
    assert subscription.next_poll_at is None


def test_a_dead_workers_feed_is_taken_over_at_once(subscription):
    with other_worker(subscription) as worker:
        assert ingest.ingest_due() == 0
        worker.close()  # as when its process dies
        wait_for(ingest.ingest_due)
    assert count() == 181


def test_a_turn_is_given_back_whatever_ends_it(subscription):
    with pytest.raises(KeyboardInterrupt), turns.turn_at(subscription):
        raise KeyboardInterrupt
    with other_worker(subscription):
        pass


def test_a_feed_that_was_switched_off_meanwhile_has_no_turn(subscription):
    FeedSubscription.objects.update(active=False)
    with turns.turn_at(subscription) as mine:
        assert mine is None
    with turns.turn_at(subscription, even_early=True) as mine:
        assert mine is None
