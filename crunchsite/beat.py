"""A scheduler for Beat that survives jumps of the machine's clock."""

import time
from typing import Any

import structlog
from celery.beat import Scheduler

log = structlog.get_logger(__name__)

JUMP_S = 2.0


class SteadyScheduler(Scheduler):
    """Keep sending after the clock has jumped, forward or back, by any length.

    Celery's own scheduler waits for instants that it has computed with the wrong time:
    after a clock was six hours ahead for a second, it would send nothing for six hours.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._offset = _offset()
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run one iteration; return the longest time to sleep, in seconds."""
        jumped_s = (offset := _offset()) - self._offset
        if abs(jumped_s) > JUMP_S:
            log.warning("beat.clock_jumped", seconds=round(jumped_s, 3))
            self._offset = offset
            now = self.app.now()
            for entry in self.schedule.values():
                if entry.last_run_at is not None:
                    entry.last_run_at = min(entry.last_run_at, now)
            self._heap = None  # recomputed from when each entry last ran
        delay: float = super().tick(*args, **kwargs)
        longest: float = self.max_interval
        return min(delay, longest)


def _offset() -> float:
    """Return real time minus monotonic time, which only a jump changes."""
    return time.time() - time.monotonic()
