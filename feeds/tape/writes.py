"""Append to the tape: the only way in, for every provider and mode.

Records of one call are one transaction: COPY into a staging table, one INSERT ... ON
CONFLICT DO UPDATE, and the watermarks. The same records in any order, repeated or split
over calls, give the same tape.
"""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert

from core import clock
from core.texts import brief, one_line, storable_json
from feeds.tape import partitions
from feeds.tape.engine import transaction
from feeds.tape.record_checks import SKEW, checker
from feeds.tape.records import FeedKey, FeedRecord
from feeds.tape.tables import feed_ingestion_state, feed_refusals

log = structlog.get_logger(__name__)

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
# Maximum bytes of a record's values and meta, as JSON; an order book of many levels
# fits.
LARGEST_RECORD = 64 * 2**10
LONGEST_NAME = 64


class StagedRecord(NamedTuple):
    """A record as COPY reads it, without its feed."""

    is_closed: bool
    text: str


Accepted = dict[FeedKey, dict[datetime, StagedRecord]]
Refusals = dict[tuple[FeedKey, str], list[FeedRecord]]


@dataclass(frozen=True)
class AppendResult:
    """The outcome of one call; `reasons` counts the refused records by reason."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


# `feed` numbers the call's feeds, so that no line repeats their names.
_STAGING = """
    CREATE TEMP TABLE IF NOT EXISTS staging (
        feed smallint, ts_event timestamptz, is_closed boolean,
        values_jsonb jsonb, meta_jsonb jsonb
    ) ON COMMIT DELETE ROWS
"""
# A closed record is never replaced by an open one, and unchanged rows are not
# rewritten.
_UPSERT = """
    WITH written AS (
        INSERT INTO tape.feed_records AS kept (
            source, subject, kind, granularity,
            ts_event, ts_ingested, is_closed, values_jsonb, meta_jsonb
        )
        SELECT source, subject, kind, granularity,
               ts_event, :now, is_closed, values_jsonb, meta_jsonb
        FROM staging JOIN unnest(
            cast(:sources AS text[]), cast(:subjects AS text[]),
            cast(:kinds AS text[]), cast(:granularities AS text[])
        ) WITH ORDINALITY AS feeds (source, subject, kind, granularity, feed)
        USING (feed)
        ON CONFLICT (source, subject, kind, granularity, ts_event) DO UPDATE SET
            ts_ingested = excluded.ts_ingested,
            is_closed = excluded.is_closed,
            values_jsonb = excluded.values_jsonb,
            meta_jsonb = excluded.meta_jsonb,
            revision = kept.revision + 1
        WHERE (excluded.is_closed OR NOT kept.is_closed)
          AND (kept.is_closed, kept.values_jsonb)
              IS DISTINCT FROM (excluded.is_closed, excluded.values_jsonb)
        RETURNING source, subject, kind, granularity, revision
    )
    SELECT source, subject, kind, granularity,
           count(*) FILTER (WHERE revision = 0), count(*) FILTER (WHERE revision > 0)
    FROM written GROUP BY source, subject, kind, granularity
"""


def append(
    records: Iterable[FeedRecord], *, move_watermark: bool = True
) -> AppendResult:
    """Store `records` on the tape; count invalid ones by reason.

    The watermark of a feed, its newest closed record, only moves forward.
    `move_watermark=False` is for history, which does not contain the newest record.
    """
    now = clock.now()
    accepted, refusals, given = _sort_out(records, newest=now + SKEW)
    new: Counter[FeedKey] = Counter()
    updated = 0
    if accepted or refusals:
        with transaction() as connection:
            if accepted:
                new, updated = _write(connection, accepted, now=now)
                _move_states(
                    connection, accepted, new, now=now, move_watermark=move_watermark
                )
            if refusals:
                _note_refusals(connection, refusals, now=now)
    reasons: dict[str, int] = defaultdict(int)
    for (key, reason), refused in refusals.items():
        reasons[reason] += len(refused)
        log.warning("feed.refused", feed=key.id, reason=reason, records=len(refused))
    refused_count = sum(reasons.values())
    return AppendResult(
        new=new.total(),
        updated=updated,
        unchanged=given - refused_count - new.total() - updated,
        refused=refused_count,
        reasons=dict(reasons),
    )


def _sort_out(
    records: Iterable[FeedRecord], *, newest: datetime
) -> tuple[Accepted, Refusals, int]:
    """Return one line per feed and instant, the refused records, and how many came."""
    accepted: Accepted = {}
    refusals: Refusals = defaultdict(list)
    given = 0
    dimensions: tuple[str, ...] = ()
    for record in records:
        given += 1
        these = (record.source, record.subject, record.kind, record.granularity)
        if these != dimensions:
            dimensions, key = these, FeedKey(*these)
            check = checker(key, newest=newest)
            feed = accepted.setdefault(key, {})
        reason = check(record)
        if reason is None:
            try:
                line = _line(record)
            except (TypeError, ValueError, RecursionError):
                reason = "not_json"
            else:
                reason = "too_large" if len(line.text) > LARGEST_RECORD else None
        if reason is not None:
            refusals[_named(key), reason].append(record)
            continue
        before = feed.setdefault(record.ts_event, line)
        if before is not line and (record.is_closed or not before.is_closed):
            feed[record.ts_event] = line
    return {key: feed for key, feed in accepted.items() if feed}, refusals, given


def _named(key: FeedKey) -> FeedKey:
    """Return a refused feed's name in a form that a column and a log line can hold."""
    return FeedKey(*(one_line(str(name), limit=LONGEST_NAME) for name in key))


def _json(value: dict[str, Any]) -> str:
    text = _encode(value)
    # Escapes that PostgreSQL's JSON cannot hold: NUL, and half a surrogate pair.
    is_suspect = "\\u0000" in text or "\\ud" in text
    return _encode(storable_json(value)) if is_suspect else text


def _line(record: FeedRecord) -> StagedRecord:
    text = _json(record.values)
    meta = _json(record.meta) if record.meta else "{}"
    closed = "t" if record.is_closed else "f"
    line = f"{record.ts_event.isoformat()}\t{closed}\t{text}\t{meta}"
    # JSON escapes tabs and newlines itself; COPY needs backslashes doubled.
    return StagedRecord(record.is_closed, line.replace("\\", "\\\\"))


def _write(
    connection: sa.Connection, accepted: Accepted, *, now: datetime
) -> tuple[Counter[FeedKey], int]:
    """Write the lines; return how many are new of each feed, and how many changed."""
    months = {
        date(at.year, at.month, 1)
        for feed in accepted.values()
        for at in (instant.astimezone(UTC) for instant in feed)
    }
    partitions.ensure(connection, months)
    # For each call, because a rollback removes the table without notice.
    connection.execute(sa.text(_STAGING))
    buffer = io.StringIO()
    # In the key's order, so that two writers cannot deadlock.
    for number, key in enumerate(sorted(accepted), start=1):
        feed = accepted[key]
        buffer.writelines(f"{number}\t{feed[at].text}\n" for at in sorted(feed))
    buffer.seek(0)
    cursor: Any = connection.connection.cursor()
    cursor.copy_expert("COPY staging FROM STDIN", buffer)
    cursor.close()
    columns = zip(*sorted(accepted), strict=True)
    names = ("sources", "subjects", "kinds", "granularities")
    rows = connection.execute(
        sa.text(_UPSERT),
        {"now": now, **{n: list(c) for n, c in zip(names, columns, strict=True)}},
    ).all()
    new = Counter({FeedKey(*row[:4]): row[4] for row in rows})
    return new, sum(row[5] for row in rows)


def _move_states(
    connection: sa.Connection,
    accepted: Accepted,
    new: Counter[FeedKey],
    *,
    now: datetime,
    move_watermark: bool,
) -> None:
    states = [
        {
            "id": key.id,
            **key._asdict(),
            "last_event_ts": max(
                (at for at, line in feed.items() if line.is_closed and move_watermark),
                default=None,
            ),
            "updated_at": now,
            "record_count": new[key],
            "meta_jsonb": {},
        }
        for key, feed in sorted(accepted.items())
    ]
    statement = insert(feed_ingestion_state).values(states)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={
                # greatest() ignores NULL: open candles do not move the watermark.
                "last_event_ts": sa.func.greatest(
                    feed_ingestion_state.c.last_event_ts,
                    statement.excluded.last_event_ts,
                ),
                "updated_at": statement.excluded.updated_at,
                "record_count": feed_ingestion_state.c.record_count
                + statement.excluded.record_count,
            },
        )
    )


def _note_refusals(
    connection: sa.Connection, refusals: Refusals, *, now: datetime
) -> None:
    rows = [
        {
            **key._asdict(),
            "reason": reason,
            "refused_count": len(refused),
            "last_refused_at": now,
            "last_record": _shown(refused[-1]),
        }
        for (key, reason), refused in sorted(refusals.items(), key=lambda item: item[0])
    ]
    statement = insert(feed_refusals).values(rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(feed_refusals.primary_key.columns),
            set_={
                "refused_count": feed_refusals.c.refused_count
                + statement.excluded.refused_count,
                "last_refused_at": statement.excluded.last_refused_at,
                "last_record": statement.excluded.last_record,
            },
        )
    )


def _shown(record: FeedRecord) -> str:
    """Describe a refused record for people, including NaN."""
    return f"{record.ts_event} {brief(record.values, limit=900)}"
