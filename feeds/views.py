"""The public page of the feeds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feeds import health
from feeds.granularity import seconds
from feeds.tape import reads, reports
from feeds.tape.records import CANDLE, FeedKey, FeedRecord

CANDLES = 60
WIDTH, HEIGHT = 960, 240
LABELS = 72  # room for the prices on the left
PRICE_LINES = 4


@dataclass(frozen=True)
class Bar:
    """A candle as the chart draws it, in the chart's units."""

    x: float
    top: float
    bottom: float
    body_top: float
    body_bottom: float
    body_height: float
    is_up: bool
    label: str


def feed_context(*, now: datetime, wanted: str | None) -> dict[str, Any]:
    """Return all feeds with age, lag, gaps and last error, and the chart of one."""
    rows = health.health(now=now)
    keys = [row.subscription.key for row in rows if row.subscription.kind == CANDLE]
    chosen = next((key for key in keys if key.id == wanted), keys[0] if keys else None)
    records: list[FeedRecord] = []
    if chosen is not None:
        records = reads.newest_closed(key=chosen, at=now, limit=CANDLES)
    return {
        "rows": rows,
        "gap_hours": health.GAP_HOURS,
        "refusals": reports.refusals(limit=20),
        "shown": chosen,
        "records": records[::-1][:10],
        "bars": bars(records),
        "prices": price_lines(records),
        "price_decimals": price_decimals(records),
        "instants": [
            (bar.x, record.ts_event)
            for bar, record in zip(bars(records), records, strict=True)
        ][:: CANDLES // 6],
        "instant_format": _instant_format(chosen) if chosen else "",
        "width": WIDTH,
        "height": HEIGHT,
    }


def price_lines(records: list[FeedRecord]) -> list[tuple[float, float]]:
    """Return prices from highest to lowest in equal steps, each with its height."""
    if not records:
        return []
    lowest, highest = _range(records)
    y = _scale(records)
    step = (highest - lowest) / (PRICE_LINES - 1)
    prices = [highest - i * step for i in range(PRICE_LINES if step else 1)]
    return [(y(price), price) for price in prices]


def price_decimals(records: list[FeedRecord]) -> int:
    """Return how many decimals distinguish the labels of two lines of the chart."""
    if not records:
        return 2
    lowest, highest = _range(records)
    step = (highest - lowest) / (PRICE_LINES - 1) or highest
    return max(2, 1 - math.floor(math.log10(step)))


def bars(records: list[FeedRecord]) -> list[Bar]:
    """Draw candles from left to right, their prices from bottom to top."""
    y = _scale(records)
    step = (WIDTH - LABELS) / CANDLES
    drawn = []
    for i, record in enumerate(records):
        v = record.values
        upper, lower = max(v["open"], v["close"]), min(v["open"], v["close"])
        drawn.append(
            Bar(
                x=round(LABELS + (i + 0.5) * step, 1),
                top=y(v["high"]),
                bottom=y(v["low"]),
                body_top=y(upper),
                body_bottom=y(lower),
                body_height=max(1.0, round(y(lower) - y(upper), 1)),
                is_up=v["close"] >= v["open"],
                label=f"{record.ts_event:%Y-%m-%d %H:%M:%S} UTC, close {v['close']}",
            )
        )
    return drawn


def _instant_format(key: FeedKey) -> str:
    """Return Django's date format for instants that are ten candles apart."""
    length_s = seconds(key.granularity)
    if length_s < 60:
        return "H:i:s"
    return "H:i" if length_s < 3600 else "d M H:i" if length_s < 86400 else "d M"


def _range(records: list[FeedRecord]) -> tuple[float, float]:
    return (
        min(record.values["low"] for record in records),
        max(record.values["high"] for record in records),
    )


def _scale(records: list[FeedRecord]) -> Callable[[float], float]:
    """Return the function from a price to its height in the chart, from the top."""
    lowest, highest = _range(records) if records else (0.0, 0.0)
    scale = (HEIGHT - 10) / ((highest - lowest) or 1)
    return lambda price: round(5 + (highest - price) * scale, 1)
