"""A clock that jumps, for tests of what trusts an earlier reading of it.

What has to hold: after any jump, forward or back, for a moment or for good, nothing is
done twice and nothing stands still for longer than the jump.
"""

from contextlib import contextmanager
from datetime import datetime, timedelta

from core.clock import Clock

JUMPS = tuple(sign * timedelta(hours=hours) for hours in (1, 6, 24) for sign in (1, -1))


class JumpingClock(Clock):
    """Stands still until it is moved; the fixture `jumping` installs one at NOW.

    `tick` lets time pass. `jump` sets the clock by so much for good, and
    `with jumped(by):` for the length of the block, as a bad time server does.
    """

    def __init__(self, start: datetime) -> None:
        super().__init__(start=start, anchor=start)
        object.__setattr__(self, "_shown", start)

    def now(self) -> datetime:
        return self._shown

    def tick(self, seconds: float = 1.0) -> None:
        self.jump(timedelta(seconds=seconds))

    def jump(self, by: timedelta) -> None:
        object.__setattr__(self, "_shown", self._shown + by)

    @contextmanager
    def jumped(self, by: timedelta):
        self.jump(by)
        try:
            yield self
        finally:
            self.jump(-by)
