"""Bytes of the five files."""

import json
from datetime import date

from livepool import artifacts
from tests.livepool.conftest import pool_of

SYMBOLS = ["TRXUSDT", "LTCUSDT", "DOGEUSDT", "LATEUSDT", "LINKUSDT"]


def test_live_pool_has_the_known_bytes():
    files = pool_of(date(2025, 4, 14), SYMBOLS)
    digest = artifacts.sha256(files["live_pool.json"])
    assert digest.startswith("3d52bc33")  # the reference's file for this pool
    assert not files["live_pool.json"].endswith(b"\n")


def test_the_five_files_agree_with_the_published_shapes():
    files = pool_of(date(2026, 3, 13), [*SYMBOLS, "XRPUSDT"])
    assert list(files) == [
        "latest_universe.json",
        "latest_ranking.csv",
        "live_pool.json",
        "live_pool_legacy.json",
        "artifact_manifest.json",
    ]
    live = json.loads(files["live_pool.json"])
    legacy = json.loads(files["live_pool_legacy.json"])
    assert list(live) == [
        *("as_of_date", "version", "mode", "pool_size", "symbols", "symbol_map"),
        "source_project",
    ]
    assert live["version"] == "2026-03-13-core_major"
    assert live["symbols"] == SYMBOLS
    assert legacy["symbols"] == legacy["symbol_map"] == live["symbol_map"]
    assert list(legacy["symbols"]) == SYMBOLS
    lines = files["latest_ranking.csv"].decode().split("\n")
    assert lines[0] == ",".join(artifacts.RANKING_COLUMNS)
    assert lines[1] == "2026-03-13,TRXUSDT,1.0,1.0,1.0,1.0,risk_off,0.5,True,1"
    assert lines[6].endswith("risk_off,0.5,False,6")
    assert lines[7:] == [""]


def test_the_manifest_covers_the_four_files_with_bare_names():
    files = pool_of(date(2026, 3, 13), SYMBOLS)
    manifest = json.loads(files["artifact_manifest.json"])
    assert list(manifest["artifacts"]) == [
        *("live_pool", "live_pool_legacy", "latest_ranking", "latest_universe")
    ]
    for entry in manifest["artifacts"].values():
        assert entry["sha256"] == artifacts.sha256(files[entry["path"]])
    assert manifest["generated_at"] == "2026-03-14T00:00:00+00:00"
    assert manifest["symbol_count"] == 5
    assert manifest["artifact_name"] == "crypto_live_pool_rotation_live_pool"


def test_selection_meta_is_added_only_when_asked_for(ranking):
    plain = artifacts.pool_payload(ranking, legacy=False)
    rich = artifacts.pool_payload(ranking, legacy=False, selection_meta=True)
    assert "selection_meta" not in plain
    first = rich["selection_meta"][ranking.symbols[0]]
    assert set(first) == {"final_score", "confidence", "current_rank"}
    assert first["current_rank"] == 1.0
    assert {k: v for k, v in rich.items() if k != "selection_meta"} == plain
