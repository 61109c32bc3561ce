import os
import signal
from types import SimpleNamespace

import pytest

from core import heartbeats
from crunchsite.stack import beat_watch


@pytest.fixture
def watched(monkeypatch):
    """A watch, what it sends and says, and whether Beat is silent."""
    seen = SimpleNamespace(kills=[], lines=[], is_silent=True, is_healthy=True)
    monkeypatch.setattr(os, "kill", lambda *args: seen.kills.append(args))
    monkeypatch.setattr(heartbeats, "silences", lambda _: [1] if seen.is_silent else [])
    worker = SimpleNamespace(
        is_healthy=lambda _: seen.is_healthy, child=SimpleNamespace(pid=7)
    )
    seen.watch = beat_watch.BeatWatch(worker, say=seen.lines.append)
    return seen


def looks(watched, since, count):
    for number in range(count):
        watched.watch.check(since + 15.0 * number)


def test_a_silent_beat_has_the_worker_started_again(watched):
    looks(watched, 100, 2)
    assert watched.kills == [(7, signal.SIGTERM)]
    assert watched.lines == ["  Beat sends no heartbeat; the worker is restarted"]


def test_one_late_sign_is_no_reason(watched):
    looks(watched, 100, 1)
    watched.is_silent = False
    looks(watched, 200, 1)
    watched.is_silent = True
    looks(watched, 300, 1)
    assert watched.kills == []


def test_a_worker_that_is_starting_is_left_alone(watched):
    watched.is_healthy = False
    looks(watched, 100, 5)
    assert watched.kills == []
