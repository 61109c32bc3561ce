"""A newcomer's file for a replay."""

import io
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from feeds.providers import replay, sources
from feeds.providers.base import FetchRequest


def test_the_file_replays_the_simulated_market(tmp_path, env, frozen_clock):
    path, out = tmp_path / "new" / "candles.parquet", io.StringIO()
    call_command("sample_candles", str(path), stdout=out)
    assert "1440 candles of BTCUSDT from 2026-01-01" in out.getvalue()
    assert replay.first_instant(path) == datetime(2026, 1, 1, tzinfo=UTC)
    env(feed_replay_path=str(path))
    asked = FetchRequest(
        "BTCUSDT",
        "candle",
        "1m",
        datetime(2026, 1, 1, 12, tzinfo=UTC),
        datetime(2026, 1, 1, 13, tzinfo=UTC),
    )
    recorded = sources.create("replay").fetch(asked)
    simulated = sources.create("simulated").fetch(asked)
    assert [r.values for r in recorded] == [r.values for r in simulated]
    assert len(recorded) == 60


@pytest.mark.parametrize("option", ["--days=0", "--days=1000", "--from=soon"])
def test_a_range_without_sense_is_refused(tmp_path, frozen_clock, option):
    with pytest.raises((CommandError, ImproperlyConfigured), match="--from"):
        call_command("sample_candles", str(tmp_path / "x.parquet"), option)
    assert not (tmp_path / "x.parquet").exists()
