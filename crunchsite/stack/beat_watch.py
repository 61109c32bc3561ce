"""Watch the heartbeat of Beat, which runs inside the worker and may end unnoticed."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from core import heartbeats
from crunchsite.stack.site_parts import Part

LOOK_EVERY_S = 15.0
# After a machine wakes up or its clock is set, the heartbeat may be late once.
LOOKS = 2


class BeatWatch:
    """End the worker when its Beat is silent, so that both are restarted."""

    def __init__(self, worker: Part, *, say: Callable[[str], object]) -> None:
        self._worker = worker
        self._say = say
        self._looked_at = 0.0
        self._missed = 0

    def check(self, now: float) -> None:
        """Check from time to time; `now` is the machine's monotonic seconds."""
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        if not self._worker.is_healthy(now) or not heartbeats.silences(()):
            self._missed = 0
            return
        self._missed += 1
        if self._missed >= LOOKS and (pid := self._worker.child.pid):
            self._missed = 0
            self._say("  Beat sends no heartbeat; the worker is restarted")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
