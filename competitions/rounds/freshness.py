"""Compute the age of a round's input, and the largest age that is allowed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from competitions.contract import CrunchConfig
from competitions.grid_dispatch import GRACE_S
from core import clock
from feeds.granularity import seconds
from feeds.tape.records import span


def age_s(raw_input: Mapping[str, Any], *, kind: str, granularity: str) -> float | None:
    """Return seconds since the newest record of a raw input was final, or None.

    Based on `asof_ts`, the instant of that record: a candle's opening.
    """
    asof_ts = raw_input.get("asof_ts")
    if isinstance(asof_ts, bool) or not isinstance(asof_ts, (int, float)):
        return None
    final_at = asof_ts + span(kind, granularity).total_seconds()
    return max(0.0, round(clock.now().timestamp() - final_at, 3))


def limit(config: CrunchConfig, *, granularity: str) -> timedelta:
    """Return the largest allowed age: some candles, and time for one to arrive."""
    candles = config.max_input_age_candles * seconds(granularity)
    return timedelta(seconds=candles) + clock.wall_seconds(GRACE_S)
