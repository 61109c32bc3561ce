import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feeds.tape import parquet
from feeds.tape.records import FeedRecord
from tests.conftest import NOW
from tests.feeds.factories import FEED, candle

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path, env):
    env(backfill_data_dir=tmp_path / "backfill")
    return tmp_path / "backfill"


def day(store, name="2026-03-02"):
    return store / "simulated" / "BTCUSDT" / "candle" / "1m" / f"{name}.parquet"


def test_each_utc_day_is_a_file(store):
    written = parquet.write(
        [candle(at=MIDNIGHT - timedelta(minutes=1)), candle(at=MIDNIGHT)]
    )
    assert written == 2
    assert [(f.path, f.records, f.date) for f in parquet.index()] == [
        ("simulated/BTCUSDT/candle/1m/2026-03-01.parquet", 1, date(2026, 3, 1)),
        ("simulated/BTCUSDT/candle/1m/2026-03-02.parquet", 1, date(2026, 3, 2)),
    ]
    assert parquet.index()[0].size_bytes == day(store, "2026-03-01").stat().st_size


def test_the_columns_are_those_that_backtests_read(store):
    parquet.write([replace(candle(-1), meta={"served_by": "pyth"})])
    table = pq.read_table(day(store))
    assert table.schema.remove_metadata() == pa.schema(
        [
            ("ts_event", pa.timestamp("us", tz="UTC")),
            *((name, pa.string()) for name in FEED),
            *((n, pa.float64()) for n in ("open", "high", "low", "close", "volume")),
            ("meta", pa.string()),
        ]
    )
    assert table.to_pylist() == [
        {
            "ts_event": NOW - timedelta(minutes=1),
            **FEED,
            **candle().values,
            "meta": '{"_record_meta":{"served_by":"pyth"}}',
        }
    ]


def test_files_are_merged_sorted_and_without_repeats(store):
    parquet.write([candle(-1, 101.0), candle(-3, 103.0)])
    parquet.write([candle(-2, 102.0), candle(-1, 111.0), candle(-2, 112.0)])
    table = pq.read_table(day(store))
    assert table["close"].to_pylist() == [103.5, 112.5, 111.5]
    at = table["ts_event"].to_pylist()
    assert at == sorted(at)


def test_the_same_again_leaves_the_file_alone(store):
    parquet.write([candle(-1)])
    before = day(store).stat().st_mtime_ns
    parquet.write([candle(-1)])
    assert day(store).stat().st_mtime_ns == before


def test_open_candles_stay_out(store):
    assert parquet.write([candle(-1, is_closed=False)]) == 0
    assert parquet.index() == []


def test_a_ticks_price_is_its_close(store):
    tick = FeedRecord("simulated", "BTCUSDT", "tick", "1s", NOW, {"price": 7.0})
    parquet.write([tick])
    (row,) = pq.read_table(store / "simulated/BTCUSDT/tick/1s").to_pylist()
    assert (row["close"], row["open"], row["meta"]) == (7.0, None, '{"price":7.0}')


def test_an_unreadable_file_is_named_and_left_alone(store):
    parquet.write([candle(-1)])
    day(store).write_bytes(b"broken")
    with pytest.raises(parquet.ParquetError, match=r"2026-03-02\.parquet"):
        parquet.write([candle(-2)])
    assert day(store).read_bytes() == b"broken"
    assert parquet.index() == []


def test_a_full_disk_leaves_the_old_file(store, monkeypatch):
    parquet.write([candle(-1)])
    before = day(store).read_bytes()

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        parquet.write([candle(-2)])
    assert day(store).read_bytes() == before
    assert [p.name for p in day(store).parent.glob("*") if p.name != ".lock"] == [
        "2026-03-02.parquet"
    ]


@pytest.mark.parametrize(
    "parts",
    [
        ("..", "..", "..", "..", "secret.parquet"),
        ("simulated", "BTCUSDT", "candle", "..", "secret.parquet"),
        ("simulated", "BTCUSDT", "candle", "1m", "2026-03-02.txt"),
        ("simulated", "BTCUSDT", "candle", "1m", ".lock"),
        ("simulated", "BTCUSDT", "candle", "1m", "2026-03-03.parquet"),
        ("simulated", "BTCUSDT", "candle", "1m", "link.parquet"),
    ],
)
def test_nothing_outside_the_store_is_found(store, tmp_path, parts):
    parquet.write([candle(-1)])
    secret = tmp_path / "secret.parquet"
    secret.write_text("secret")
    (day(store).parent / "link.parquet").symlink_to(secret)
    assert parquet.locate(parts) is None
