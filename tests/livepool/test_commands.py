"""The commands of the pool: one family of options, and refusals that say what to do."""

import json
import runpy
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from django.core.management import call_command, load_command_class

from core.errors import OperatorError
from livepool import tasks
from livepool.models import Release, ShadowTrack
from livepool.release import build, schedule
from livepool.shadow import monthly
from tests.livepool.conftest import frozen, market

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("trees_grow_once"),
]

ROOT = Path(__file__).resolve().parents[2]
# market(1000) ends on 2024-09-26.
SEPTEMBER = datetime(2024, 9, 27, 3, 15, tzinfo=UTC)
BUILDERS = (
    *("build_live_pool", "publish_live_pool", "backtest_live_pool"),
    *("build_shadow_tracks", "run_monthly_shadow_build"),
)


@pytest.fixture
def files(tmp_path, env):
    env(livepool_output_dir=tmp_path / "output", livepool_store_dir=tmp_path / "store")
    market(1000).write_parquet(tmp_path / "candles.parquet")
    pl.DataFrame(
        {
            "symbol": [f"{s}USDT" for s in ("BTC", *BASES)],
            "status": ["TRADING"] * len(("BTC", *BASES)),
            "base_asset": ["BTC", *BASES],
            "quote_asset": ["USDT"] * len(("BTC", *BASES)),
            "is_spot_trading_allowed": ["True"] * len(("BTC", *BASES)),
        }
    ).write_csv(tmp_path / "metadata.csv")
    with frozen(SEPTEMBER):
        yield tmp_path


BASES = ("ADA", "AVAX", "DOGE", "ETH", "LINK", "LTC", "NEAR", "TRX")  # no SOL, XRP, ZEC


@pytest.mark.parametrize("name", BUILDERS)
def test_all_that_build_have_the_same_options(name):
    parser = load_command_class("livepool", name).create_parser("manage.py", name)
    known = set(parser._option_string_actions)
    assert known >= {
        *("--mode", "--universe-mode", "--as-of", "--as-of-date"),
        *("--candles", "--metadata", "--output-dir"),
    }


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("option", ["candles", "metadata"])
def test_a_file_that_is_not_there_is_named(files, name, option):
    given = {"candles": files / "candles.parquet", option: files / "absent"}
    with pytest.raises(OperatorError, match=r"there is no file .*absent"):
        call_command(name, **given)


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("candles", b"not parquet", "candles.parquet cannot be used"),
        (
            "metadata",
            b"symbol,status\nBTCUSDT,TRADING\n",
            "metadata.csv cannot be used",
        ),
        ("metadata", b"\xff\xfe", "metadata.csv cannot be used"),
    ],
)
def test_a_file_that_is_something_else_is_named(files, option, content, message):
    paths = {"candles": files / "candles.parquet", "metadata": files / "metadata.csv"}
    paths[option].write_bytes(content)
    with pytest.raises(OperatorError, match=message):
        call_command("build_live_pool", **paths)


def test_every_command_runs_on_the_universe_of_the_metadata(files):
    given = {
        "candles": files / "candles.parquet",
        "metadata": files / "metadata.csv",
        "as_of": date(2024, 8, 31),
    }
    call_command("run_monthly_shadow_build", **given)
    output = build.output_dir()
    universe = json.loads((output / "latest_universe.json").read_text())["symbols"]
    assert universe == [f"{base}USDT" for base in BASES]
    kept = {p.name: p.read_bytes() for p in output.iterdir() if p.is_file()}
    call_command("build_shadow_tracks", **given)
    assert {p.name: p.read_bytes() for p in output.iterdir() if p.is_file()} == kept
    for track in ShadowTrack.objects.all():
        held = {s for row in track.releases for s in row["symbols"]}
        assert held <= set(universe)
    call_command("backtest_live_pool", **given)
    held = pl.read_csv(output / "backtest" / "core_major" / "holdings.csv")
    assert set(held["symbol"]) <= set(universe)


def test_an_operator_can_keep_symbols_out(files, env):
    env(livepool_excluded_symbols="adausdt, SOLUSDT")
    call_command("build_live_pool", candles=files / "candles.parquet")
    path = build.output_dir() / "latest_universe.json"
    assert not {"ADAUSDT", "SOLUSDT"} & set(json.loads(path.read_text())["symbols"])


def test_old_candles_are_refused_at_once_with_what_to_do(files, monkeypatch):
    monkeypatch.setattr(build.pipeline, "rank_live", None)  # nothing is ranked
    with frozen(datetime(2025, 9, 1, tzinfo=UTC)):
        for name in ("build_live_pool", "publish_live_pool"):
            with pytest.raises(OperatorError) as refused:
                call_command(name, candles=files / "candles.parquet")
            assert "2024-09-26 is 340 days old and the limit is 45" in str(
                refused.value
            )
            assert "--as-of DATE" in str(refused.value)
            assert "--allow-stale" in str(refused.value)


def test_a_past_day_is_published_only_beyond_its_age_when_that_is_asked_for(files):
    given = {"candles": files / "candles.parquet", "as_of": date(2024, 7, 31)}
    call_command("build_live_pool", **given)
    with pytest.raises(OperatorError, match="--allow-stale"):
        call_command("publish_live_pool", **given)
    with pytest.raises(OperatorError, match="--allow-stale"):
        call_command("publish_live_pool", no_build=True)
    assert not Release.objects.exists()
    call_command("publish_live_pool", allow_stale=True, **given)
    assert Release.objects.get().version == "2024-07-31-core_major"


def test_a_release_keeps_why_coins_are_not_in_its_universe(files, client):
    thin = pl.when(pl.col("symbol") == "ZECUSDT").then(pl.col("quote_volume") / 100)
    young = (pl.col("symbol") == "XRPUSDT") & (pl.col("date") < date(2024, 1, 1))
    market(1000).with_columns(
        thin.otherwise(pl.col("quote_volume")).alias("quote_volume"),
        pl.col("symbol").replace("SOLUSDT", "PEPEUSDT"),
    ).filter(~young).write_parquet(files / "candles.parquet")
    call_command("publish_live_pool", candles=files / "candles.parquet")
    refused = Release.objects.get().refused
    assert sorted(refused) == ["PEPEUSDT", "XRPUSDT", "ZECUSDT"]
    assert refused["PEPEUSDT"] == "excluded by name, or not traded"
    assert refused["XRPUSDT"] == "270 days of history, needs 720"
    assert "USDT a day over 30 days, needs 8.0 M" in refused["ZECUSDT"]
    page = client.get("/livepool").content.decode()
    assert "270 days of history, needs 720" in page


def test_a_day_that_nobody_has_is_named_by_the_backtest(files):
    gap = date(2024, 8, 14)
    market(1000).filter(pl.col("date") != gap).write_parquet(files / "gap.parquet")
    with pytest.raises(OperatorError, match="no symbol has a candle on 2024-08-14"):
        call_command("backtest_live_pool", candles=files / "gap.parquet")


def test_an_open_that_is_missing_is_named_by_the_backtest(files):
    hole = (pl.col("date") == date(2024, 8, 14)) & (pl.col("symbol") != "BTCUSDT")
    opened = pl.when(~hole).then(pl.col("open")).alias("open")
    market(1000).with_columns(opened).write_parquet(files / "hole.parquet")
    message = r"[A-Z]+USDT has no open on 2024-08-14, and is held or traded then"
    with pytest.raises(OperatorError, match=message):
        call_command("backtest_live_pool", candles=files / "hole.parquet")


def test_the_script_of_the_monthly_build_is_the_command(files, monkeypatch, capsys):
    script = str(ROOT / "scripts" / "run_monthly_shadow_build.py")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(script, run_name="__main__")
        return left.value.code

    arguments = ("--as-of-date", "2024-08-31", "--universe-mode", "core_major")
    assert not run("--candles", files / "candles.parquet", *arguments)
    out = capsys.readouterr().out
    assert "as of    2024-08-31" in out
    assert "track    official_baseline: 8 releases" in out
    assert (build.output_dir() / "monthly_shadow_build_summary.json").is_file()
    assert run("--candles", files / "absent", *arguments) == 1


def test_beat_runs_the_monthly_build_once_its_release_is_out(files, monkeypatch):
    ran = []
    monkeypatch.setattr(monthly, "run", lambda **given: ran.append(given))
    with frozen(datetime(2024, 10, 1, 5, 15, tzinfo=UTC)):
        tasks.build_shadow()
        assert ran == []  # its release is not there yet
        monkeypatch.setattr(schedule, "has_release", lambda as_of: True)
        tasks.build_shadow()
        assert ran == [{"as_of": date(2024, 9, 30)}]
        for n in ("official_baseline", "challenger_topk_60"):
            ShadowTrack.objects.create(
                track_id=n,
                mode="core_major",
                profile=n,
                target="t",
                source_track="s",
                candidate_status="c",
                release_count=1,
                last_as_of_date=date(2024, 9, 30),
                releases=[],
                built_at=SEPTEMBER,
            )
        tasks.build_shadow()
        assert len(ran) == 1
