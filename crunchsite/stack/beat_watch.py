"""Beat runs inside the worker, so nobody sees it end; its signs of life are missed."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from core import heartbeats
from crunchsite.stack.site_parts import Part

LOOK_EVERY_S = 15.0
# A machine that wakes up, or a clock that is set, may show it late once.
LOOKS = 2


class BeatWatch:
    """End the worker when its Beat is silent, so that both are started again."""

    def __init__(self, worker: Part, *, say: Callable[[str], object]) -> None:
        self._worker = worker
        self._say = say
        self._looked_at = 0.0
        self._missed = 0

    def check(self, now: float) -> None:
        """Look once in a while; `now` is the machine's monotonic seconds."""
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        if not self._worker.is_healthy(now) or not heartbeats.silences(()):
            self._missed = 0
            return
        self._missed += 1
        if self._missed >= LOOKS and (pid := self._worker.child.pid):
            self._missed = 0
            self._say("  Beat gives no sign of life; the worker is started again")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
