"""Read the tape: newest windows, truth, watermarks, gaps. Closed records only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from feeds.tape.engine import transaction
from feeds.tape.records import FeedKey, FeedRecord, span
from feeds.tape.tables import feed_ingestion_state, feed_records

# How many times its own length a window may span before older months are needed.
_SLACK = 4
_OF_SUBJECT = """
    SELECT ts_event, values_jsonb, meta_jsonb FROM tape.feed_records AS record
    WHERE record.source = :source AND record.subject = wanted.subject
      AND record.kind = :kind AND record.granularity = :granularity
      AND record.is_closed
"""
# Reads only the months near `until`. PostgreSQL itself reads older ones when a subject
# has gaps so long that its window is not full.
_NEWEST = sa.text(f"""
    WITH recent AS MATERIALIZED (
        SELECT wanted.subject, newest.*
        FROM unnest(cast(:subjects AS text[])) AS wanted (subject)
        CROSS JOIN LATERAL (
            {_OF_SUBJECT} AND ts_event > :since AND ts_event <= :until
            ORDER BY ts_event DESC LIMIT :limit
        ) AS newest
    ), wanting AS MATERIALIZED (
        SELECT wanted.subject, :limit - count(recent.subject) AS missing
        FROM unnest(cast(:subjects AS text[])) AS wanted (subject)
        LEFT JOIN recent USING (subject)
        GROUP BY wanted.subject HAVING count(recent.subject) < :limit
    )
    SELECT * FROM recent
    UNION ALL
    SELECT wanted.subject, older.* FROM wanting AS wanted
    CROSS JOIN LATERAL (
        {_OF_SUBJECT} AND ts_event <= :since
        ORDER BY ts_event DESC LIMIT wanted.missing
    ) AS older
    ORDER BY subject, ts_event
""")
_BETWEEN = """
    FROM tape.feed_records
    WHERE source = :source AND subject = :subject AND kind = :kind
      AND granularity = :granularity AND is_closed AND ts_event <= :until
      AND ts_event >= coalesce((
          SELECT max(ts_event) FROM tape.feed_records
          WHERE source = :source AND subject = :subject AND kind = :kind
            AND granularity = :granularity AND is_closed AND ts_event <= :since
      ), :since)
    ORDER BY ts_event
"""
_PRICES = sa.text(f"""
    SELECT extract(epoch FROM ts_event)::float8,
           coalesce(values_jsonb ->> 'close', values_jsonb ->> 'price')::float8
    {_BETWEEN}
""")
_RECORDS = sa.text(f"SELECT ts_event, values_jsonb, meta_jsonb {_BETWEEN}")


@dataclass(frozen=True)
class ClosedPrices:
    """Closing prices, ascending: `closed_at` in epoch seconds, `price`; same length."""

    closed_at: NDArray[np.float64]
    price: NDArray[np.float64]


def newest_closed(*, key: FeedKey, at: datetime, limit: int) -> list[FeedRecord]:
    """Return the newest `limit` records closed at or before `at`, ascending."""
    return newest_closed_many(
        source=key.source,
        subjects=[key.subject],
        kind=key.kind,
        granularity=key.granularity,
        at=at,
        limit=limit,
    )[key.subject]


def newest_closed_many(
    *,
    source: str,
    subjects: Sequence[str],
    kind: str,
    granularity: str,
    at: datetime,
    limit: int,
) -> dict[str, list[FeedRecord]]:
    """Return what `newest_closed` does, by subject, in one statement."""
    length = span(kind, granularity)
    until = at - length
    parameters: dict[str, Any] = {
        "source": source,
        "subjects": list(subjects),
        "kind": kind,
        "granularity": granularity,
        "since": until - _SLACK * limit * max(length, timedelta(seconds=1)),
        "until": until,
        "limit": limit,
    }
    found: dict[str, list[FeedRecord]] = {subject: [] for subject in subjects}
    with transaction() as connection:
        for subject, ts_event, values, meta in connection.execute(_NEWEST, parameters):
            found[subject].append(
                FeedRecord(
                    source, subject, kind, granularity, ts_event, values, True, meta
                )
            )
    return found


def _closing_between(key: FeedKey, since: datetime, until: datetime) -> dict[str, Any]:
    """Return the feed, and when records open that close between two instants."""
    length = span(key.kind, key.granularity)
    return {**key._asdict(), "since": since - length, "until": until - length}


def closed_prices(*, key: FeedKey, since: datetime, until: datetime) -> ClosedPrices:
    """Return closes (a tick's price) from the last at or before `since` to `until`.

    Both bound the instants at which records close, inclusively; one statement.
    """
    parameters = _closing_between(key, since, until)
    with transaction() as connection:
        rows = connection.execute(_PRICES, parameters).all()
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 2)
    length = span(key.kind, key.granularity)
    return ClosedPrices(table[:, 0] + length.total_seconds(), table[:, 1])


def closed_records(
    *, key: FeedKey, since: datetime, until: datetime
) -> list[FeedRecord]:
    """Return whole records from the last that closed at or before `since` to `until`.

    Ascending and unlimited in number; bounds as in `closed_prices`. One statement.
    """
    parameters = _closing_between(key, since, until)
    with transaction() as connection:
        return [
            FeedRecord(*key, ts_event, values, True, meta)
            for ts_event, values, meta in connection.execute(_RECORDS, parameters)
        ]


def count(*, key: FeedKey, start: datetime, end: datetime) -> int:
    """Return how many closed records of a feed open in `[start, end)`."""
    record = feed_records.c
    with transaction() as connection:
        return connection.execute(
            sa.select(sa.func.count()).where(
                *(record[name] == value for name, value in key._asdict().items()),
                record.is_closed,
                record.ts_event >= start,
                record.ts_event < end,
            )
        ).scalar_one()


def watermark(*, key: FeedKey) -> datetime | None:
    """Return `ts_event` of the feed's newest closed record; None without any."""
    state = feed_ingestion_state.c
    with transaction() as connection:
        return connection.scalar(
            sa.select(state.last_event_ts).where(state.id == key.id)
        )


def newest_seen(*, at: datetime, source: str | None = None) -> datetime | None:
    """Return `ts_event` of the newest closed record of any feed; None without any.

    With `source`, only of its feeds. Watermarks after `at` were set while a clock was
    ahead, and do not count.
    """
    state = feed_ingestion_state.c
    newest = sa.select(sa.func.max(state.last_event_ts)).where(
        state.last_event_ts <= at
    )
    if source is not None:
        newest = newest.where(state.source == source)
    with transaction() as connection:
        newest_at: datetime | None = connection.scalar(newest)
    return newest_at


def has_feeds(*, source: str, kind: str, granularity: str) -> bool:
    """Return whether any feed of this source, kind and granularity is on the tape."""
    state = feed_ingestion_state.c
    wanted = sa.select(state.id).where(
        state.source == source,
        state.kind == kind,
        state.granularity == granularity,
    )
    with transaction() as connection:
        return bool(connection.scalar(sa.select(wanted.exists())))
