"""The clock: real time, or a time that starts elsewhere and runs N times as fast.

Recorded markets, soak tests and fault drills run through the same code as production,
because every instant in the domain comes from `now()`. Processes of one stack agree on
a clock through `CLOCK_START`, `CLOCK_ANCHOR` and `CLOCK_SPEED`, or through the file
that `manage.py up` keeps under VAR_DIR.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def wall_now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass(frozen=True)
class Clock:
    """A clock: `start` at the real instant `anchor`, then `speed` times as fast."""

    start: datetime
    anchor: datetime
    speed: float = 1.0

    def now(self) -> datetime:
        return self.start + (wall_now() - self.anchor) * self.speed

    def to_json(self) -> str:
        return json.dumps(
            {
                "start": self.start.isoformat(),
                "anchor": self.anchor.isoformat(),
                "speed": self.speed,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Clock":
        raw = json.loads(text)
        return cls(
            start=datetime.fromisoformat(raw["start"]),
            anchor=datetime.fromisoformat(raw["anchor"]),
            speed=raw["speed"],
        )


@dataclass(frozen=True)
class Frozen(Clock):
    """A clock that stands still at `start`; for tests."""

    def now(self) -> datetime:
        return self.start


WALL = Clock(
    start=datetime(1970, 1, 1, tzinfo=UTC), anchor=datetime(1970, 1, 1, tzinfo=UTC)
)

_current: Clock | None = None


def clock_file() -> Path:
    return settings.VAR_DIR / "clock.json"


def parse_instant(text: str, variable: str) -> datetime:
    """Read an ISO 8601 instant, in UTC whatever its offset; without one it is UTC."""
    try:
        return as_utc(datetime.fromisoformat(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ImproperlyConfigured(
            f"{variable} was {text!r}; give an instant like 2023-03-01T00:00:00+00:00."
        ) from None


def as_utc(instant: datetime) -> datetime:
    """Return `instant` with an offset; one without is taken as UTC."""
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def iso_z(instant: datetime) -> str:
    """Return the instant as ISO 8601 text in UTC that ends in Z, for other programs."""
    return as_utc(instant).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _load() -> Clock:
    env = settings.ENV
    if env.clock_anchor:
        anchor = parse_instant(env.clock_anchor, "CLOCK_ANCHOR")
        start = (
            parse_instant(env.clock_start, "CLOCK_START") if env.clock_start else anchor
        )
        return Clock(start=start, anchor=anchor, speed=env.clock_speed)
    if clock_file().exists():
        return Clock.from_json(clock_file().read_text())
    if env.clock_start or env.clock_speed != 1.0:
        raise ImproperlyConfigured(
            "CLOCK_START and CLOCK_SPEED need CLOCK_ANCHOR, the wall instant that all "
            "processes agree on; `manage.py up` keeps its own."
        )
    return WALL


def current() -> Clock:
    global _current  # noqa: PLW0603  one clock a process is the point of this module
    if _current is None:
        _current = _load()
    return _current


def now() -> datetime:
    """Return the site's time, aware and in UTC."""
    return current().now()


def speed() -> float:
    return current().speed


def wall_seconds(seconds: float) -> timedelta:
    """Return the seconds of site time that pass in `seconds` of real time."""
    return timedelta(seconds=seconds * speed())


def install(clock: Clock) -> None:
    """Set the clock of this process."""
    global _current  # noqa: PLW0603
    _current = clock


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Run a block on another clock; for tests, benchmarks and drills."""
    global _current  # noqa: PLW0603
    before, _current = _current, clock
    try:
        yield
    finally:
        _current = before
