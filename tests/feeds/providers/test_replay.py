from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feeds.errors import ReplayFileError, UnknownGranularityError, UnknownSubjectError
from feeds.providers import replay, sources
from feeds.providers.base import FetchRequest

START = datetime(2023, 3, 1, tzinfo=UTC)
REAL = Path(__file__).parents[4] / "shared" / "data" / "btcusdt_1m.parquet"


def frame(count=10, **columns):
    prices = [100.0 + i for i in range(count)]
    return pl.DataFrame(
        {
            "open_time": [START + timedelta(minutes=i) for i in range(count)],
            "open": prices,
            "high": [p + 1 for p in prices],
            "low": [p - 1 for p in prices],
            "close": [p + 0.5 for p in prices],
            "volume": [1.0] * count,
            **columns,
        }
    )


@pytest.fixture
def use(tmp_path, env):
    def write(data, name="candles.parquet"):
        path = tmp_path / name
        if path.suffix == ".csv":
            data.write_csv(path)
        else:
            data.write_parquet(path)
        env(feed_replay_path=str(path), feed_subjects="BTCUSDT")
        return path

    return write


def ask(*, subject="BTCUSDT", granularity="1m", start=START, limit=1000):
    request = FetchRequest(
        subject, "candle", granularity, start, START + timedelta(days=99), limit
    )
    return sources.create("replay").fetch(request)


def test_candles_appear_as_the_clock_passes_their_close(use, at):
    use(frame())
    with at(START + timedelta(minutes=3)):
        records = ask()
    assert [r.values["close"] for r in records] == [100.5, 101.5, 102.5]
    assert all(r.is_closed for r in records)
    with at(START + timedelta(minutes=3) - timedelta(microseconds=10)):
        assert len(ask()) == 2


@pytest.mark.parametrize("name", ["ts", "timestamp", "date"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_may_call_its_instants_otherwise(use, at, name, suffix):
    path = use(frame().rename({"open_time": name}), f"candles.{suffix}")
    assert replay.first_instant(path) == START
    with at(START + timedelta(days=1)):
        assert len(ask()) == 10


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_epoch_numbers_are_understood(use, at, factor):
    instants = [int(START.timestamp() + 60 * i) * factor for i in range(10)]
    use(frame(open_time=instants))
    with at(START + timedelta(days=1)):
        assert ask()[0].ts_event == START


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_each_row_has_a_unit_of_its_own(use, at, suffix):
    factors = [10**3] * 5 + [10**6] * 3 + [1, 10**9]
    seconds = [int(START.timestamp()) + 60 * i for i in range(10)]
    instants = [at * factor for at, factor in zip(seconds, factors, strict=True)]
    path = use(frame(open_time=instants), f"mixed.{suffix}")
    assert replay.first_instant(path) == START
    with at(START + timedelta(days=1)):
        assert [int(r.ts_event.timestamp()) for r in ask()] == seconds


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf")])
def test_a_row_without_an_instant_is_refused(use, hole):
    instants = [START.timestamp() + 60 * i for i in range(9)]
    path = use(frame(open_time=[*instants, hole]))
    with pytest.raises(ReplayFileError, match="open_time"):
        replay.first_instant(path)


def test_longer_candles_are_made_of_the_files(use, at):
    use(frame())
    with at(START + timedelta(minutes=10)):
        first, second = ask(granularity="5m")
    assert first.values == {
        "open": 100.0,
        "high": 105.0,
        "low": 99.0,
        "close": 104.5,
        "volume": 5.0,
    }
    assert second.ts_event == START + timedelta(minutes=5)
    with at(START + timedelta(minutes=9, seconds=59)):
        assert len(ask(granularity="5m")) == 1


def test_shorter_candles_than_the_files_are_refused(use, at):
    use(frame())
    with (
        at(START + timedelta(days=1)),
        pytest.raises(UnknownGranularityError, match=r"'1s'.*candles of 60 s"),
    ):
        ask(granularity="1s")


def test_pages_go_on_where_the_last_one_ended(use, at):
    use(frame())
    with at(START + timedelta(days=1)):
        page = ask(limit=4)
        rest = ask(start=page[-1].ts_event + timedelta(seconds=1))
    assert [r.values["open"] for r in page + rest] == [100.0 + i for i in range(10)]


def test_disorder_and_repeats_in_the_file_do_not_matter(use, at):
    use(pl.concat([frame().reverse(), frame()]))
    with at(START + timedelta(days=1)):
        assert [r.values["open"] for r in ask()] == [100.0 + i for i in range(10)]


def test_a_file_of_many_symbols_serves_each(use, at):
    use(pl.concat([frame(symbol=["AAA"] * 10), frame(symbol=["BBB"] * 10)]))
    with at(START + timedelta(days=1)):
        assert len(ask(subject="BBB")) == 10
        with pytest.raises(UnknownSubjectError, match=r"'CCC'.*AAA, BBB"):
            ask(subject="CCC")
    assert [s.symbol for s in sources.create("replay").list_subjects()] == [
        "AAA",
        "BBB",
    ]


def test_missing_columns_are_named(use):
    path = use(frame().drop("open_time", "volume"))
    with pytest.raises(ReplayFileError, match=r"lacks open_time .*, volume; it has"):
        replay.first_instant(path)


def test_a_missing_or_broken_file_is_named(tmp_path, env):
    with pytest.raises(ReplayFileError, match=r"gone\.parquet.*not a file"):
        replay.first_instant(tmp_path / "gone.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not parquet")
    with pytest.raises(ReplayFileError, match="cannot be read"):
        replay.first_instant(broken)
    env(feed_replay_path="")
    with pytest.raises(ReplayFileError, match="FEED_REPLAY_PATH was"):
        ask()


def test_an_empty_file_is_refused(use):
    with pytest.raises(ReplayFileError, match="no candles"):
        replay.first_instant(use(frame(0)))


def test_instants_that_are_none_are_refused(use):
    with pytest.raises(ReplayFileError, match="'soon'"):
        replay.first_instant(use(frame(open_time=["soon"] * 10)))


@pytest.mark.skipif(not REAL.exists(), reason="the recorded candles are not here")
def test_the_recorded_month_replays(env, at):
    env(feed_replay_path=str(REAL), feed_subjects="BTCUSDT")
    assert replay.first_instant(REAL) == START
    with at(START + timedelta(hours=1)):
        assert len(ask()) == 60
