"""Count a model's recent failures and timeouts, and decide when to skip it."""

from collections import Counter
from dataclasses import dataclass, field

LONGEST_PAUSE_ROUNDS = 32


@dataclass
class Lapses:
    """Consecutive failures and timeouts per method; a success clears only its method.

    After a timeout a model is not asked for 1, 2, 4, ... rounds, so that it delays
    other rounds little. Rounds in which it was not really asked (paused, or still busy)
    count neither as failures nor as timeouts. Busy rounds in a row are counted too: a
    model that never ends a call answers nothing, and no later timeout would tell.
    """

    failures: Counter[str] = field(default_factory=Counter)
    timeouts: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    pause_rounds: int = 0

    def succeeded(self, method: str) -> None:
        del self.failures[method], self.timeouts[method]
        self.busy.clear()

    def failed(self, method: str) -> int:
        """Count a failure; returns how many there were in a row."""
        self.failures[method] += 1
        self.busy.clear()
        return self.failures[method]

    def timed_out(self, method: str) -> int:
        """Count a timeout and pause; returns how many there were in a row."""
        self.timeouts[method] += 1
        self.busy.clear()
        worst = max(self.timeouts.values())
        self.pause_rounds = min(2 ** (worst - 1), LONGEST_PAUSE_ROUNDS)
        return self.timeouts[method]

    def was_busy(self, method: str) -> int:
        """Count a round with an earlier call; returns how many there were in a row."""
        self.busy[method] += 1
        return self.busy[method]

    def skips_round(self) -> bool:
        """Return whether this round skips the model; each call uses up one round."""
        if self.pause_rounds == 0:
            return False
        self.pause_rounds -= 1
        return True
