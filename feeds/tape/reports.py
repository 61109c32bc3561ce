"""Report on the whole tape: its contents, missing candles, refused records."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from feeds.tape.engine import transaction
from feeds.tape.records import CANDLE, FeedKey, span

_SUMMARY = sa.text("""
    SELECT state.source, state.subject, state.kind, state.granularity,
           state.record_count, state.last_event_ts, state.updated_at,
           oldest.ts_event AS oldest_ts, newest.ts_event AS newest_ts
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
    SELECT source, subject, kind, granularity, count(*) AS records,
           min(ts_event) AS first, max(ts_event) AS last
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
_TAIL = sa.text("""
    SELECT state.id, record.* FROM tape.feed_ingestion_state AS state
    CROSS JOIN LATERAL (
        SELECT source, subject, kind, granularity, ts_event, ts_ingested, is_closed,
               values_jsonb, meta_jsonb
        FROM tape.feed_records AS record
        WHERE record.source = state.source AND record.subject = state.subject
          AND record.kind = state.kind AND record.granularity = state.granularity
          AND (cast(:before AS timestamptz) IS NULL OR ts_event < :before
               OR ts_event = :before AND state.id > :before_id)
          AND (cast(:since AS timestamptz) IS NULL OR ts_event >= :since)
          AND (cast(:until AS timestamptz) IS NULL OR ts_event < :until)
        ORDER BY ts_event DESC LIMIT :limit
    ) AS record
    WHERE (cast(:source AS text) IS NULL OR state.source = :source)
      AND (cast(:subject AS text) IS NULL OR state.subject = :subject)
      AND (cast(:kind AS text) IS NULL OR state.kind = :kind)
      AND (cast(:granularity AS text) IS NULL OR state.granularity = :granularity)
    ORDER BY record.ts_event DESC, state.id LIMIT :limit
""")
_DAILY = sa.text("""
    SELECT (ts_event AT TIME ZONE 'UTC')::date AS date, subject AS symbol,
           (values_jsonb ->> 'open')::float8 AS open,
           (values_jsonb ->> 'high')::float8 AS high,
           (values_jsonb ->> 'low')::float8 AS low,
           (values_jsonb ->> 'close')::float8 AS close,
           (values_jsonb ->> 'volume')::float8 AS volume,
           coalesce(
               (values_jsonb ->> 'quote_volume')::float8,
               (values_jsonb ->> 'volume')::float8 * (values_jsonb ->> 'close')::float8
           ) AS quote_volume
    FROM tape.feed_records
    WHERE source = :source AND kind = 'candle' AND granularity = '1d' AND is_closed
      AND ts_event < :before
    ORDER BY subject, ts_event
""")
DailyCandle = tuple[date, str, float, float, float, float, float, float]


@dataclass(frozen=True)
class FeedSummary:
    """The extent of a feed on the tape."""

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
class RefusalCount:
    """How many records of a feed were refused for a reason; `feed` is its id."""

    feed: str
    reason: str
    refused_count: int
    last_refused_at: datetime
    last_record: str


def summaries() -> list[FeedSummary]:
    """Return the extent of every feed, in the order of their ids."""
    with transaction() as connection:
        rows = connection.execute(_SUMMARY).all()
    return [
        FeedSummary(
            source=row.source,
            subject=row.subject,
            kind=row.kind,
            granularity=row.granularity,
            record_count=row.record_count,
            oldest_ts=row.oldest_ts,
            newest_ts=row.newest_ts,
            watermark_ts=row.last_event_ts,
            watermark_updated_at=row.updated_at,
        )
        for row in rows
    ]


def missing_candles(*, since: datetime) -> dict[FeedKey, int]:
    """Count the missing candles of each feed between its first and last one."""
    with transaction() as connection:
        rows = connection.execute(_COUNTS, {"since": since}).all()
    missing = {}
    for row in rows:
        key = FeedKey(row.source, row.subject, row.kind, row.granularity)
        length = span(key.kind, key.granularity)
        missing[key] = round((row.last - row.first) / length) + 1 - row.records
    return missing


def gaps(
    key: FeedKey, *, since: datetime, until: datetime, limit: int = 100
) -> list[tuple[datetime, datetime]]:
    """Return the gaps [start, end) between closed candles.

    Other kinds have no grid, and so no gaps.
    """
    if key.kind != CANDLE:
        return []
    length = span(key.kind, key.granularity)
    bounds = {"since": since, "until": until, "length": length, "limit": limit}
    with transaction() as connection:
        rows = connection.execute(_GAPS, {**key._asdict(), **bounds}).all()
    return [(start + length, end) for start, end in rows]


def refusals(*, limit: int = 50) -> list[RefusalCount]:
    """Return refused records, counted by feed and reason, the latest first."""
    with transaction() as connection:
        rows = connection.execute(_REFUSALS, {"limit": limit}).all()
    return [
        RefusalCount(
            feed=FeedKey(row.source, row.subject, row.kind, row.granularity).id,
            reason=row.reason,
            refused_count=row.refused_count,
            last_refused_at=row.last_refused_at,
            last_record=row.last_record,
        )
        for row in rows
    ]


def newest_of_feeds(
    *,
    wanted: dict[str, str],
    before: datetime | None,
    before_id: str,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Any]:
    """Return the newest records of all feeds, or of those with the `wanted` dimensions.

    Rows have the tape's columns and the feed's `id`; the newest come first, those of
    one instant in the order of their ids. `before` and `before_id` are the last row
    of the page before.
    """
    parameters = {
        **{name: wanted.get(name) for name in FeedKey._fields},
        "before": before,
        "before_id": before_id,
        "limit": limit,
        "since": since,
        "until": until,
    }
    with transaction() as connection:
        return list(connection.execute(_TAIL, parameters).all())


def daily_candles(*, source: str, before: datetime) -> list[DailyCandle]:
    """Return all closed daily candles of a source that open before an instant.

    Date, symbol, open, high, low, close, volume and turnover, by symbol and date. If a
    source does not give the turnover in USDT (`quote_volume`), it is the volume times
    the close.
    """
    parameters = {"source": source, "before": before}
    with transaction() as connection:
        return [tuple(row) for row in connection.execute(_DAILY, parameters)]
