"""How each feed is doing: what is on the tape, how old it is, what is missing."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from core import clock
from feeds.models import FeedSubscription
from feeds.tape.engine import transaction
from feeds.tape.records import CANDLE, FeedKey, seconds, span

log = structlog.get_logger(__name__)

# Gaps are looked for in this many of the newest hours.
GAP_HOURS = 3
# Wall seconds that a busy site may need for a record, whatever its clock's speed.
PATIENCE_S = 15.0
_SUMMARY = sa.text("""
    SELECT state.source, state.subject, state.kind, state.granularity,
           state.record_count, state.last_event_ts, state.updated_at,
           oldest.ts_event, newest.ts_event
    FROM tape.feed_ingestion_state AS state
    LEFT JOIN LATERAL (
        SELECT ts_event FROM tape.feed_records AS record
        WHERE record.source = state.source AND record.subject = state.subject
          AND record.kind = state.kind AND record.granularity = state.granularity
        ORDER BY ts_event LIMIT 1
    ) AS oldest ON true
    LEFT JOIN LATERAL (
        SELECT ts_event FROM tape.feed_records AS record
        WHERE record.source = state.source AND record.subject = state.subject
          AND record.kind = state.kind AND record.granularity = state.granularity
        ORDER BY ts_event DESC LIMIT 1
    ) AS newest ON true
    ORDER BY state.id
""")
_COUNTS = sa.text("""
    SELECT source, subject, kind, granularity, count(*), min(ts_event), max(ts_event)
    FROM tape.feed_records
    WHERE ts_event >= :since AND is_closed AND kind = 'candle'
    GROUP BY source, subject, kind, granularity
""")
_GAPS = sa.text("""
    SELECT ts_event, next_at FROM (
        SELECT ts_event, lead(ts_event) OVER (ORDER BY ts_event) AS next_at
        FROM tape.feed_records
        WHERE source = :source AND subject = :subject AND kind = :kind
          AND granularity = :granularity AND is_closed
          AND ts_event >= :since AND ts_event < :until
    ) AS pairs
    WHERE next_at - ts_event > :length
    ORDER BY ts_event LIMIT :limit
""")
_REFUSALS = sa.text("""
    SELECT source, subject, kind, granularity, reason, refused_count, last_refused_at,
           last_record
    FROM tape.feed_refusals ORDER BY last_refused_at DESC LIMIT :limit
""")


@dataclass(frozen=True)
class FeedSummary:
    """What the tape holds of a feed."""

    source: str
    subject: str
    kind: str
    granularity: str
    record_count: int
    oldest_ts: datetime | None
    newest_ts: datetime | None
    watermark_ts: datetime | None
    watermark_updated_at: datetime

    @property
    def key(self) -> FeedKey:
        return FeedKey(self.source, self.subject, self.kind, self.granularity)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class FeedHealth:
    """A subscription beside its tape. `age_s`: since its newest record was final.

    `lag_s` is what of that age is not explained by the feed's own rhythm; a feed is
    stale when it lags by three intervals. `missing` candles of the newest hours.
    """

    subscription: FeedSubscription
    summary: FeedSummary | None
    closed_at: datetime | None
    age_s: float | None
    lag_s: float | None
    missing: int
    is_stale: bool


@dataclass(frozen=True)
class Refused:
    feed: str
    reason: str
    refused_count: int
    last_refused_at: datetime
    last_record: str


def summaries() -> list[FeedSummary]:
    with transaction() as connection:
        rows = connection.execute(_SUMMARY).all()
    return [
        FeedSummary(*row[:5], row[7], row[8], row[5], row[6])  # type: ignore[call-arg]
        for row in rows
    ]


def health(*, now: datetime) -> list[FeedHealth]:
    """Of each active subscription, in a constant number of statements."""
    found = {summary.key: summary for summary in summaries()}
    missing = _missing(since=now - timedelta(hours=GAP_HOURS))
    return [
        _one(subscription, found.get(subscription.key), missing, now=now)
        for subscription in FeedSubscription.objects.filter(active=True)
    ]


def raise_alarms(*, now: datetime) -> int:
    """Log an error for each stale feed; returns how many there are."""
    stale = [row for row in health(now=now) if row.is_stale]
    for row in stale:
        log.error(
            "feed.stale",
            feed=str(row.subscription),
            age_s=row.age_s,
            last_error=row.subscription.last_error,
        )
    return len(stale)


def _one(
    subscription: FeedSubscription,
    summary: FeedSummary | None,
    missing: dict[FeedKey, int],
    *,
    now: datetime,
) -> FeedHealth:
    key = subscription.key
    interval_s = seconds(key.granularity)
    patience_s = clock.wall_seconds(PATIENCE_S).total_seconds()
    if summary is None or summary.watermark_ts is None:
        waited = (now - subscription.created_at).total_seconds()
        return FeedHealth(
            subscription,
            summary,
            None,
            None,
            None,
            0,
            waited > 3 * subscription.poll_s + 2 * patience_s,
        )
    closed_at = summary.watermark_ts + span(key.kind, key.granularity)
    age_s = (now - closed_at).total_seconds()
    rhythm_s = interval_s + subscription.poll_s
    lag_s = max(0.0, age_s - rhythm_s)
    return FeedHealth(
        subscription,
        summary,
        closed_at,
        age_s,
        lag_s,
        missing.get(key, 0),
        lag_s > max(3 * rhythm_s, patience_s),
    )


def _missing(*, since: datetime) -> dict[FeedKey, int]:
    """Candles that the newest hours lack between their first and last one."""
    with transaction() as connection:
        rows = connection.execute(_COUNTS, {"since": since}).all()
    missing = {}
    for *dimensions, count, first, last in rows:
        key = FeedKey(*dimensions)
        length = span(key.kind, key.granularity)
        missing[key] = round((last - first) / length) + 1 - count
    return missing


def gaps(
    key: FeedKey, *, since: datetime, until: datetime, limit: int = 100
) -> list[tuple[datetime, datetime]]:
    """Holes [start, end) between closed candles; other kinds have no grid and none."""
    if key.kind != CANDLE:
        return []
    length = span(key.kind, key.granularity)
    with transaction() as connection:
        rows = connection.execute(
            _GAPS,
            {
                **key._asdict(),
                "since": since,
                "until": until,
                "length": length,
                "limit": limit,
            },
        ).all()
    return [(start + length, end) for start, end in rows]


def staleness(
    key: FeedKey, *, instants: Iterable[datetime], tolerance_s: float
) -> float | None:
    """The share of instants at which the newest closed record was too old.

    None without instants.
    """
    from feeds.tape.reads import closed_prices

    wanted = sorted(instants)
    if not wanted:
        return None
    prices = closed_prices(**key._asdict(), since=wanted[0], until=wanted[-1])
    at = [instant.timestamp() for instant in wanted]
    index = prices.closed_at.searchsorted(at, side="right") - 1
    stale = sum(
        i < 0 or instant - prices.closed_at[i] > tolerance_s
        for i, instant in zip(index, at, strict=True)
    )
    return float(stale / len(at))


def refusals(*, limit: int = 50) -> list[Refused]:
    """What was refused, counted by feed and reason, the latest first."""
    with transaction() as connection:
        rows = connection.execute(_REFUSALS, {"limit": limit}).all()
    return [Refused(FeedKey(*row[:4]).id, *row[4:]) for row in rows]
