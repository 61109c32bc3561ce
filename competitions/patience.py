"""Decide how long a round waits for its truth.

A clock alone ends no round: one that is a day ahead for a moment would end all open
rounds. The wait is over only when the tape, too, has a record after the deadline, or
when rounds have been found late for an hour.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from competitions.models import Round
from feeds.tape import reads

# How long after its end a round waits for the tape, in site time.
PATIENCE = timedelta(hours=1)
PATIENCE_IN_HORIZONS = 10
# How long rounds must have been found late if the tape does not confirm the clock.
DOUBT = timedelta(hours=1)


def deadline_of(round_: Round) -> datetime:
    """Return when a round has waited for its truth long enough."""
    performed_at, resolvable_at = round_.performed_at, round_.resolvable_at
    assert performed_at is not None  # only asked rounds are due, so it is not None
    assert resolvable_at is not None
    horizon = resolvable_at - performed_at
    return resolvable_at + max(PATIENCE, PATIENCE_IN_HORIZONS * horizon)


def is_late(rounds: Sequence[Round], now: datetime) -> NDArray[np.bool_]:
    """Mark the rounds that are past their deadline by the clock."""
    return np.array([now > deadline_of(round_) for round_ in rounds], dtype=bool)


def waited_out(
    source: str, rounds: Sequence[Round], now: datetime
) -> NDArray[np.bool_]:
    """Mark the rounds whose wait is over; one more statement if any is late.

    The wait of a late round is over once the newest record of the source's feeds lies
    past the deadline too, or once `DOUBT` has passed since a cycle first found it late.
    """
    late = is_late(rounds, now)
    if not late.any():
        return late
    seen = reads.newest_seen(source=source, at=now)
    is_confirmed = [
        (seen is not None and seen > deadline_of(round_))
        or (round_.overdue_at is not None and round_.overdue_at + DOUBT <= now)
        for round_ in rounds
    ]
    over: NDArray[np.bool_] = late & np.array(is_confirmed, dtype=bool)
    return over
