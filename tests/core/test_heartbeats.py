"""Signs of life live in the real cache; each test begins without any."""

from datetime import UTC, datetime

import pytest
from django.core.cache import cache

from core import heartbeats

REMEDY = "look at its log, or start celery -A crunchsite worker -Q models."
NAMES = ["beat", "feeds", "models"]


@pytest.fixture(autouse=True)
def nothing_seen():
    cache.delete_many([heartbeats._key(name) for name in NAMES])


@pytest.fixture
def wall(monkeypatch):
    """Set the real time: `wall(seconds)`."""

    def set_to(seconds):
        monkeypatch.setattr("core.heartbeats.time.time", lambda: float(seconds))

    set_to(1_000_000)
    return set_to


def told():
    return [(s.who, s.since, s.what) for s in heartbeats.silences(["feeds", "models"])]


def test_who_gave_a_sign_is_not_told_of_until_it_is_late(wall):
    heartbeats.give(NAMES, node="n1")
    wall(1_000_035)
    assert told() == []
    heartbeats.give(["beat", "feeds"], node="n1")
    wall(1_000_036)
    since = datetime(1970, 1, 12, 13, 46, 40, tzinfo=UTC)
    assert told() == [
        (
            "worker",
            since,
            f"The worker of models was seen last {since:%F %T} UTC on n1; {REMEDY}",
        )
    ]


def test_queues_of_one_dead_node_are_told_of_together(wall):
    heartbeats.give(["feeds", "models"], node="n1")
    wall(1_000_100)
    heartbeats.give(["beat"], node="n2")
    ((who, _, what),) = told()
    assert who == "worker"
    assert what.startswith("The worker of feeds, models was seen last")


def test_without_beat_nothing_is_known_of_the_workers(wall):
    heartbeats.give(["feeds", "models"], node="n1")
    ((who, since, what),) = told()
    assert (who, since) == ("beat", None)
    assert what.startswith("Beat was not seen yet;")


def test_a_cache_that_is_away_accuses_nobody(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    heartbeats.give(NAMES, node="n1")
    assert told() == []
