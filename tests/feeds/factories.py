"""Records for the tests of this app, and a tape that is in trouble."""

from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import sqlalchemy as sa

from feeds.tape import engine
from feeds.tape.engine import transaction
from feeds.tape.records import FeedKey, FeedRecord
from tests.conftest import NOW

FEED = {
    "source": "simulated",
    "subject": "BTCUSDT",
    "kind": "candle",
    "granularity": "1m",
}
KEY = FeedKey(**FEED)


def candle(minute=0, price=100.0, *, is_closed=True, at=None, **changes):
    """A minute candle that opens `minute` minutes after NOW."""
    values = {
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price + 0.5,
        "volume": 10.0,
    }
    values.update(changes.pop("values", {}))
    return FeedRecord(
        **{**FEED, **changes},
        ts_event=at or NOW + timedelta(minutes=minute),
        values=values,
        is_closed=is_closed,
    )


@contextmanager
def tape_away():
    """Give the tape an address where no server listens."""
    elsewhere = {**engine.database(), "HOST": "127.0.0.1", "PORT": "1"}
    with mock.patch.object(engine, "database", return_value=elsewhere):
        yield


@contextmanager
def full_disk(*, after_rows=0):
    """PostgreSQL's own error for a full disk at the insert of the tape's next rows.

    `after_rows` records fit before.
    """
    with transaction() as connection:
        connection.execute(
            sa.text(f"""
                CREATE SEQUENCE tape.disk_space START {after_rows} INCREMENT -1
                    MINVALUE -2000000000 MAXVALUE 2000000000;
                CREATE FUNCTION tape.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF nextval('tape.disk_space') <= 0 THEN
                        RAISE EXCEPTION 'could not extend file: No space left on device'
                        USING ERRCODE = 'disk_full';
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON tape.feed_records
                    FOR EACH ROW EXECUTE FUNCTION tape.full_disk();
            """)
        )
    try:
        yield
    finally:
        with transaction() as connection:
            connection.execute(
                sa.text(
                    "DROP FUNCTION tape.full_disk CASCADE; "
                    "DROP SEQUENCE tape.disk_space"
                )
            )
