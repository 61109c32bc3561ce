from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.core.exceptions import ImproperlyConfigured

from core import clock

START = datetime(2023, 3, 1, tzinfo=UTC)


def test_a_fast_clock_shows_an_hour_for_a_wall_minute():
    anchor = clock.wall_now() - timedelta(minutes=1)
    fast = clock.Clock(start=START, anchor=anchor, speed=60)
    before, shown, after = clock.wall_now(), fast.now(), clock.wall_now()
    assert 60 * (before - anchor) <= shown - START <= 60 * (after - anchor)


def test_the_default_clock_is_the_walls():
    before, shown, after = clock.wall_now(), clock.now(), clock.wall_now()
    assert before <= shown <= after


def test_a_clock_survives_its_file():
    before = clock.Clock(start=START, anchor=START, speed=60.0)
    assert clock.Clock.from_json(before.to_json()) == before


def test_an_instant_without_offset_is_utc():
    assert clock.parse_instant("2023-03-01T00:00:00", "CLOCK_START") == START


def test_a_clock_that_starts_at_an_instant_elsewhere_has_days_of_utc():
    start = clock.parse_instant("2023-03-01T01:00:00+02:00", "CLOCK_START")
    with clock.use(clock.Frozen(start=start, anchor=start)):
        assert clock.now().isoformat() == "2023-02-28T23:00:00+00:00"


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00:00+02:00"])
def test_a_bad_instant_names_its_variable(text):
    with pytest.raises(ImproperlyConfigured, match=f"CLOCK_START was '{text[:5]}"):
        clock.parse_instant(text, "CLOCK_START")


def test_use_restores_the_clock_before():
    with clock.use(clock.Frozen(start=START, anchor=START)):
        assert clock.now() == START
    assert clock.now() > START


def test_an_instant_is_told_in_utc_with_a_z():
    east = timezone(timedelta(hours=2))
    at = datetime(2026, 3, 1, 12, 30, tzinfo=east)
    assert clock.iso_z(at) == "2026-03-01T10:30:00Z"
    at = datetime(2026, 3, 1, 10, 30, 0, 5, tzinfo=UTC)
    assert clock.iso_z(at) == "2026-03-01T10:30:00.000005Z"
