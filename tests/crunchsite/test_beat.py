"""Beat sends on, whatever the machine's clock does."""

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.schedules import crontab

from crunchsite import beat
from crunchsite.beat import SteadyScheduler

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Wall:
    """A machine's clock that a test moves: `pass_s` for both, `jump` for the wall's."""

    def __init__(self, monkeypatch, app):
        self.wall, self.steady = START.timestamp(), 1000.0
        monkeypatch.setattr(beat.time, "time", lambda: self.wall)
        monkeypatch.setattr(beat.time, "monotonic", lambda: self.steady)
        monkeypatch.setattr(app, "now", self.now, raising=False)
        self.now_utc = self.now

    def now(self):
        return datetime.fromtimestamp(self.wall, UTC)

    def pass_s(self, seconds):
        self.wall += seconds
        self.steady += seconds

    def jump(self, seconds):
        self.wall += seconds


@pytest.fixture
def app():
    app = Celery("test", set_as_current=False)
    app.conf.update(
        timezone="UTC",
        beat_schedule={
            "each second": {"task": "second", "schedule": 1.0},
            "each minute": {"task": "minute", "schedule": 60.0},
            "each night": {"task": "night", "schedule": crontab(hour="3", minute="0")},
        },
    )
    return app


@pytest.fixture
def wall(monkeypatch, app):
    return Wall(monkeypatch, app)


@pytest.fixture
def sent(app, wall, monkeypatch):
    """Run Beat for some seconds of steady time; returns what it sent."""
    scheduler = SteadyScheduler(app, lazy=True)
    scheduler.setup_schedule()
    done = []
    monkeypatch.setattr(
        scheduler, "apply_entry", lambda entry, producer=None: done.append(entry.task)
    )
    monkeypatch.setattr(type(scheduler), "producer", None)

    def run(seconds):
        done.clear()
        for _ in range(seconds):
            wall.pass_s(1)
            while not scheduler.tick():
                pass
        return {task: done.count(task) for task in ("second", "minute", "night")}

    return run


def test_without_a_jump_it_sends_on_its_intervals(sent):
    sent(1)
    assert sent(120) == {"second": 120, "minute": 2, "night": 0}


@pytest.mark.parametrize("hours", [-24, -1, 1, 6, 24])
def test_a_jump_for_a_second_stops_nothing_for_longer(sent, wall, hours):
    sent(5)
    wall.jump(hours * 3600)
    sent(1)
    wall.jump(-hours * 3600)
    counts = sent(120)
    assert counts["second"] in (119, 120, 121)
    assert counts["minute"] in (1, 2, 3)


@pytest.mark.parametrize("hours", [-24, -1, 1, 6, 24])
def test_a_jump_for_good_stops_nothing(sent, wall, hours):
    sent(5)
    wall.jump(hours * 3600)
    assert sent(120)["second"] in (119, 120)


def test_a_night_that_a_jump_skips_is_made_up_once(sent, wall):
    sent(5)
    wall.jump(timedelta(hours=20).total_seconds())
    assert sent(60)["night"] == 1
    assert sent(60)["night"] == 0
