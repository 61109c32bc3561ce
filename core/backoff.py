"""Compute growing pauses between attempts, up to a maximum."""

import random

_MOST_DOUBLINGS = 32  # a float cannot hold 2.0**1024, and attempts can go on for weeks


def backoff(attempts: int, *, first_s: float, most_s: float) -> float:
    """Return the pause in seconds after the given number of attempts.

    It starts at `first_s`, doubles with each attempt, and never exceeds `most_s`.
    """
    return min(first_s * 2.0 ** min(attempts, _MOST_DOUBLINGS), most_s)


def spread(pause_s: float) -> float:
    """Return a random pause between half of the given one and all of it.

    Those that failed together do not all come back at the same instant.
    """
    return pause_s * random.uniform(0.5, 1.0)
