"""Pauses between attempts: they grow up to a longest one."""

import random

_MOST_DOUBLINGS = 32  # a float holds no more than 1023, and attempts go on for weeks


def backoff(attempts: int, *, first_s: float, most_s: float) -> float:
    """Return the pause in seconds after so many attempts: `first_s`, doubled by each.

    At most `most_s`, after any number of attempts.
    """
    return min(first_s * 2.0 ** min(attempts, _MOST_DOUBLINGS), most_s)


def spread(pause_s: float) -> float:
    """Return a random pause between half of the given one and all of it.

    Those that failed together do not all come back at the same instant.
    """
    return pause_s * random.uniform(0.5, 1.0)
