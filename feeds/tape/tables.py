"""The tape's tables, in a separate PostgreSQL schema.

Alembic's migrations build them (`feeds/tape/migrations`); queries use these
definitions, and a test compares the two.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

SCHEMA = "tape"
metadata = sa.MetaData(schema=SCHEMA)

# Byte order sorts names as well as a language's order does, and compares much faster.
Name = sa.Text(collation="C")
Instant = TIMESTAMP(timezone=True)


def _dimensions(*, primary_key: bool = False) -> list[sa.Column[str]]:
    return [
        sa.Column(name, Name, primary_key=primary_key, nullable=False)
        for name in ("source", "subject", "kind", "granularity")
    ]


feed_records = sa.Table(
    "feed_records",
    metadata,
    *_dimensions(primary_key=True),
    sa.Column("ts_event", Instant, primary_key=True),
    sa.Column("ts_ingested", Instant, nullable=False),
    sa.Column("is_closed", sa.Boolean, nullable=False),
    sa.Column("values_jsonb", JSONB, nullable=False),
    sa.Column("meta_jsonb", JSONB, nullable=False),
    # How often a record has changed since it arrived: 0 for most.
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    postgresql_partition_by="RANGE (ts_event)",
)

feed_ingestion_state = sa.Table(
    "feed_ingestion_state",
    metadata,
    sa.Column("id", Name, primary_key=True),
    *_dimensions(),
    sa.Column("last_event_ts", Instant),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("record_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("meta_jsonb", JSONB, nullable=False),
)

# Refused records: a count and the last record for each feed and reason, so that a
# broken provider fills a few rows and not the disk.
feed_refusals = sa.Table(
    "feed_refusals",
    metadata,
    *_dimensions(primary_key=True),
    sa.Column("reason", Name, primary_key=True),
    sa.Column("refused_count", sa.BigInteger, nullable=False),
    sa.Column("last_refused_at", Instant, nullable=False),
    sa.Column("last_record", sa.Text, nullable=False),
)
