"""Records, ingestion state, refusals, and the views with provider and asset."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE tape.feed_records (
            source text COLLATE "C" NOT NULL,
            subject text COLLATE "C" NOT NULL,
            kind text COLLATE "C" NOT NULL,
            granularity text COLLATE "C" NOT NULL,
            ts_event timestamptz NOT NULL,
            ts_ingested timestamptz NOT NULL,
            is_closed boolean NOT NULL,
            values_jsonb jsonb NOT NULL,
            meta_jsonb jsonb NOT NULL,
            revision integer NOT NULL DEFAULT 0,
            PRIMARY KEY (source, subject, kind, granularity, ts_event)
        ) PARTITION BY RANGE (ts_event)
    """)
    # Must stay empty: `manage.py tape check` says when it does not.
    op.execute(
        "CREATE TABLE tape.feed_records_default PARTITION OF tape.feed_records DEFAULT"
    )
    op.execute("""
        CREATE TABLE tape.feed_ingestion_state (
            id text COLLATE "C" PRIMARY KEY,
            source text COLLATE "C" NOT NULL,
            subject text COLLATE "C" NOT NULL,
            kind text COLLATE "C" NOT NULL,
            granularity text COLLATE "C" NOT NULL,
            last_event_ts timestamptz,
            updated_at timestamptz NOT NULL,
            record_count bigint NOT NULL DEFAULT 0,
            meta_jsonb jsonb NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE tape.feed_refusals (
            source text COLLATE "C" NOT NULL,
            subject text COLLATE "C" NOT NULL,
            kind text COLLATE "C" NOT NULL,
            granularity text COLLATE "C" NOT NULL,
            reason text COLLATE "C" NOT NULL,
            refused_count bigint NOT NULL,
            last_refused_at timestamptz NOT NULL,
            last_record text NOT NULL,
            PRIMARY KEY (source, subject, kind, granularity, reason)
        )
    """)
    op.execute("""
        CREATE VIEW tape.market_records AS
        SELECT concat_ws(':', source, subject, kind, granularity,
                         extract(epoch FROM ts_event)::text) AS id,
               source AS provider, subject AS asset, kind, granularity,
               ts_event, ts_ingested, values_jsonb, meta_jsonb
        FROM tape.feed_records
    """)
    op.execute("""
        CREATE VIEW tape.market_ingestion_state AS
        SELECT id, source AS provider, subject AS asset, kind, granularity,
               last_event_ts, updated_at, meta_jsonb
        FROM tape.feed_ingestion_state
    """)


def downgrade() -> None:
    op.execute("DROP VIEW tape.market_records, tape.market_ingestion_state")
    op.execute(
        "DROP TABLE tape.feed_records, tape.feed_ingestion_state, tape.feed_refusals"
    )
