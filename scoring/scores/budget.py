"""Limit the time that a scorer has for one batch."""

import time

# How long, in real time, a scorer may work on one batch. The batch holds locks, and
# must end before its task is stopped.
BUDGET_S = 120.0


class Budget:
    """The time that all calls of a scorer for one batch share."""

    def __init__(self) -> None:
        self._until = time.monotonic() + BUDGET_S

    @property
    def left_s(self) -> float:
        """Return the remaining seconds; 0 when the time is used up."""
        return max(self._until - time.monotonic(), 0.0)

    @property
    def reason(self) -> str:
        """Return the failure reason of predictions left unscored at the end."""
        return f"not scored: the scorer had run for {BUDGET_S:g} s"
