"""How old what a round shows is, and how old it may be."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from competitions.contract import CrunchConfig
from competitions.grid_dispatch import GRACE_S
from core import clock
from feeds.tape.records import seconds, span


def age_s(raw_input: Mapping[str, Any], *, kind: str, granularity: str) -> float | None:
    """Seconds since the newest record of a raw input was final; None if unknown.

    It goes by `asof_ts`, the instant of that record: a candle's opening.
    """
    asof_ts = raw_input.get("asof_ts")
    if isinstance(asof_ts, bool) or not isinstance(asof_ts, (int, float)):
        return None
    final_at = asof_ts + span(kind, granularity).total_seconds()
    return max(0.0, round(clock.now().timestamp() - final_at, 3))


def limit(config: CrunchConfig, *, granularity: str) -> timedelta:
    """How old the newest record may be: some candles, and time for it to come in."""
    candles = config.max_input_age_candles * seconds(granularity)
    return timedelta(seconds=candles) + clock.wall_seconds(GRACE_S)
