"""What the public page of the feeds shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feeds import health
from feeds.records import CANDLE, FeedRecord
from feeds.tape import reads

CANDLES = 60
WIDTH, HEIGHT = 960, 240


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
    """Every feed with its age, lag, gaps and last error, and the chart of one."""
    rows = health.health(now=now)
    keys = [row.subscription.key for row in rows if row.subscription.kind == CANDLE]
    shown = next((key for key in keys if key.id == wanted), keys[0] if keys else None)
    records: list[FeedRecord] = []
    if shown is not None:
        records = reads.newest_closed(**shown._asdict(), at=now, limit=CANDLES)
    return {
        "rows": rows,
        "gap_hours": health.GAP_HOURS,
        "refusals": health.refusals(limit=20),
        "shown": shown,
        "records": records[::-1][:10],
        "bars": bars(records),
        "highest": max((r.values["high"] for r in records), default=None),
        "lowest": min((r.values["low"] for r in records), default=None),
        "width": WIDTH,
        "height": HEIGHT,
    }


def bars(records: list[FeedRecord]) -> list[Bar]:
    """Candles from left to right, their prices from bottom to top."""
    if not records:
        return []
    highest = max(record.values["high"] for record in records)
    lowest = min(record.values["low"] for record in records)
    scale = (HEIGHT - 10) / ((highest - lowest) or 1)

    def y(price: float) -> float:
        return round(5 + (highest - price) * scale, 1)

    step = WIDTH / CANDLES
    drawn = []
    for i, record in enumerate(records):
        v = record.values
        upper, lower = max(v["open"], v["close"]), min(v["open"], v["close"])
        drawn.append(
            Bar(
                x=round((i + 0.5) * step, 1),
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
