"""A part of the running site: restarted when it dies, with a line on the terminal."""

from collections.abc import Callable

from crunchsite.stack.processes import Child

# A part that dies is restarted after 1, 2, 4, ... seconds, up to the longest pause;
# after it has been healthy for a while, the pauses begin at 1 again.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
HEALTHY_S = 60.0
# A part counts as back after it has lived this long.
STEADY_S = 2.0


class Part:
    """A child with its name for the terminal, and a check whether it works.

    All instants are the machine's monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        child: Child,
        *,
        is_up: Callable[[], bool],
        say: Callable[[str], object],
    ) -> None:
        self.name = name
        self.child = child
        self._is_up = is_up
        self._say = say
        self._pause_s = FIRST_PAUSE_S
        self._started_at: float | None = None
        self._died_at: float | None = None
        self._retry_at: float | None = None

    def is_healthy(self, now: float) -> bool:
        """Return whether it has lived for a while."""
        is_up = self._died_at is None and self._started_at is not None
        return is_up and now - (self._started_at or now) >= HEALTHY_S

    def check(self, now: float) -> None:
        """Check it once: notice its end, restart it, report when it is back."""
        if self.child.is_running():
            self._check_health(now)
        elif self._retry_at is None:
            self._plan_restart(now, f"ended with {self.child.exit_code()}")
        elif now >= self._retry_at:
            self._start_again(now)

    def _check_health(self, now: float) -> None:
        if self._started_at is None:
            self._started_at = now
        lived_s = now - self._started_at
        if self._died_at is not None and lived_s >= STEADY_S and self._is_up():
            self._say(f"  {self.name} is back after {now - self._died_at:.0f} s")
            self._died_at = None
        if self.is_healthy(now):
            self._pause_s = FIRST_PAUSE_S

    def _plan_restart(self, now: float, what: str) -> None:
        if self._died_at is None:
            self._died_at = now
            self._say(
                f"  {self.name} {what}; restarting it (see {self.child.log.path})"
            )
        elif LONGEST_PAUSE_S / 2 <= self._pause_s < LONGEST_PAUSE_S:
            self._say(
                f"  {self.name} does not come back; it is tried every "
                f"{LONGEST_PAUSE_S:.0f} s (see {self.child.log.path})"
            )
        self._retry_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _start_again(self, now: float) -> None:
        self._retry_at, self._started_at = None, now
        try:
            self.child.start()
        except OSError as error:  # no memory or no process free: later may help
            self._plan_restart(now, f"cannot be started ({error.strerror})")
