"""The time that a scorer has for one batch."""

import time

# How long, on the wall, a scorer may work on one batch. The batch holds locks that
# others wait for, and has to end before its task is stopped.
BUDGET_S = 120.0


class Budget:
    """The time that all calls of a scorer for one batch have in common."""

    def __init__(self) -> None:
        self._until = time.monotonic() + BUDGET_S

    @property
    def left_s(self) -> float:
        """Seconds; 0 when it is spent."""
        return max(self._until - time.monotonic(), 0.0)

    @property
    def reason(self) -> str:
        """The failure reason of predictions left unscored when the time ran out."""
        return f"not scored: the scorer was at work for {BUDGET_S:g} s"
