"""Where the input and the truth come from: from the tape first."""

from datetime import datetime
from typing import Any

from competitions.defaults import RoundContext, ground_truth_resolver, raw_input_provider


def provide_raw_input(
    now: datetime, context: RoundContext | None = None
) -> dict[str, Any] | None:
    """Return the data of a round as they were at `now`; None when there are none."""
    # TODO: return data of your own. This returns the newest closed candles.
    return raw_input_provider(now, context)


def resolve_ground_truth(prediction: Any) -> dict[str, Any] | None:
    """Return what happened; None as long as it is not known.

    `prediction` has `performed_at`, `resolvable_at` and `scope`.
    """
    # TODO: look the truth up. This reads both prices from the tape.
    return ground_truth_resolver(prediction)
