from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as site_settings

from core import clock
from crunchsite.stack.site_clock import SAVE_EVERY_S, SiteClock

WALL = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def machine(tmp_path, settings, monkeypatch):
    """A wall clock that the test sets, and a folder without a site's clock."""
    settings.VAR_DIR = tmp_path
    before = clock.current()

    class Machine:
        wall = WALL

        def start(self, **env):
            chosen = site_settings.ENV.model_copy(
                update={"clock_anchor": "", "clock_start": "", **env}
            )
            ours = SiteClock(chosen)
            ours.start()
            return ours

    machine = Machine()
    monkeypatch.setattr(clock, "wall_now", lambda: machine.wall)
    yield machine
    clock.install(before)


def test_it_stands_still_while_the_site_is_down(machine):
    first = machine.start(clock_start=START.isoformat(), clock_speed=60.0)
    machine.wall += timedelta(seconds=10)
    first.save(is_stopped=True)
    machine.wall += timedelta(days=1)
    machine.start(clock_start=START.isoformat(), clock_speed=60.0)
    assert clock.now() == START + timedelta(minutes=10)


def test_after_a_kill_it_is_never_earlier_than_anybody_saw_it(machine):
    first = machine.start(clock_start=START.isoformat(), clock_speed=60.0)
    first.save()
    machine.wall += timedelta(seconds=SAVE_EVERY_S)
    seen = clock.now()  # and then it was killed
    machine.wall += timedelta(days=1)
    machine.start(clock_speed=60.0)
    assert seen <= clock.now() <= seen + timedelta(seconds=SAVE_EVERY_S * 60)


def test_another_speed_goes_on_from_where_it_stood(machine):
    machine.start(clock_start=START.isoformat(), clock_speed=60.0).save(is_stopped=True)
    machine.start(clock_speed=1.0)
    machine.wall += timedelta(seconds=10)
    assert clock.now() == START + timedelta(seconds=10)


def test_the_walls_time_is_not_kept(machine, tmp_path):
    ours = machine.start(clock_speed=1.0)
    ours.save()
    assert not ours.is_ours
    assert list(tmp_path.iterdir()) == []
