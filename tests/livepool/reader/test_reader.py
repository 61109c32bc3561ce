"""The consumer's ladder: document, last known good, local files, static."""

import ast
import logging
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepool import artifacts
from livepool import reader as consumer
from livepool.reader import PoolError, Reader, load_trend_pool
from tests.livepool.conftest import pool_of

DAY = date(2026, 3, 13)
SYMBOLS = ["TRXUSDT", "ETHUSDT", "BCHUSDT", "NEARUSDT", "LTCUSDT"]
STABLE = {
    "as_of_date": "2026-03-13",
    "version": "2026-03-13-core_major",
    "mode": "core_major",
    "pool_size": 5,
    "symbols": SYMBOLS,
    "symbol_map": {s: {"base_asset": s[:-4]} for s in sorted(SYMBOLS)},
    "source_project": "crypto-live-pool-pipelines",
}


def on(days=0, **options):
    return Reader(today=lambda: DAY + timedelta(days=days), **options)


def missing():
    raise ConnectionError("no route")


def test_a_document_with_the_seven_stable_fields_is_fresh():
    symbol_map, origin = load_trend_pool(lambda: STABLE, on())
    assert origin == {"source": "fresh_upstream"}
    assert list(symbol_map) == SYMBOLS  # the order of `symbols`, not of the map
    assert symbol_map["TRXUSDT"] == {"base_asset": "TRX"}


@pytest.mark.parametrize(
    ("days", "source"),
    [(44, "fresh_upstream"), (45, "fresh_upstream"), (46, "static"), (-1, "static")],
)
def test_the_age_limit_is_inclusive_and_the_future_is_refused(days, source):
    assert load_trend_pool(lambda: STABLE, on(days))[1]["source"] == source


def test_an_accepted_document_becomes_the_last_known_good(tmp_path):
    keep = tmp_path / "state" / "pool.json"
    on(last_known_good=keep).load(lambda: STABLE)
    symbol_map, origin = load_trend_pool(missing, on(100, last_known_good=keep))
    assert origin == {"source": "last_known_good", "degraded": True}
    assert list(symbol_map) == SYMBOLS
    stale = load_trend_pool(lambda: STABLE, on(100, last_known_good=keep))
    assert stale[1]["source"] == "last_known_good"


def test_a_last_known_good_is_checked_again(tmp_path):
    keep = tmp_path / "pool.json"
    keep.write_bytes(artifacts.to_json({**STABLE, "pool_size": 4}))
    assert on(last_known_good=keep).load(missing).source == "static"


def test_a_refused_document_does_not_become_the_last_known_good(tmp_path):
    keep = tmp_path / "pool.json"
    on(last_known_good=keep).load(lambda: {**STABLE, "mode": "broad_liquid"})
    assert not keep.exists()


@pytest.mark.parametrize("name", ["live_pool_legacy.json", "live_pool.json"])
def test_a_local_file_is_next_when_configured(tmp_path, name):
    artifacts.write_files(tmp_path, pool_of(DAY, SYMBOLS))
    reader = on(local_files=(tmp_path / "absent.json", tmp_path / name))
    symbol_map, origin = load_trend_pool(missing, reader)
    assert origin == {"source": "local_file", "degraded": True}
    assert list(symbol_map) == SYMBOLS
    assert load_trend_pool(missing, on(46, local_files=(tmp_path / name,)))[1] == {
        "source": "static",
        "degraded": True,
    }


def test_a_local_file_that_its_manifest_does_not_vouch_for_is_refused(tmp_path):
    files = pool_of(DAY, SYMBOLS)
    name = "live_pool_legacy.json"
    artifacts.write_files(tmp_path, {**files, name: files[name] + b"\n"})
    pool = on(local_files=(tmp_path / name,)).load(missing)
    assert pool.source == "static"
    assert "does not match its checksum" in pool.messages[2]


def test_the_static_universe_is_the_last_resort_and_loud(caplog):
    with caplog.at_level(logging.WARNING):
        pool = on().load(missing)
    assert (pool.version, pool.mode) == ("static-fallback", "static")
    assert pool.symbols == consumer.STATIC_SYMBOLS
    assert "live pool is degraded: static" in caplog.text
    assert "no route" in caplog.text


def test_missing_names_are_assumed_with_a_message():
    payload = {k: STABLE[k] for k in ("as_of_date", "symbols")}
    pool = on().load(lambda: payload)
    assert (pool.version, pool.mode) == ("2026-03-13-core_major", "core_major")
    assert pool.messages == (
        *("mode is missing", "version is missing", "source_project is missing"),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": []}, "must be a list or a map"),
        ({"symbols": [1] * 5}, "not a coin quoted in USDT"),
        ({"symbols": ["ETHBTC"] * 5}, "not a coin quoted in USDT"),
        ({"symbols": ["ETHUSDT"] * 5}, "named more than once"),
        ({"symbol_map": {"ETHUSDT": {}}}, "name different symbols"),
        ({"symbol_map": {key: {} for key in SYMBOLS}}, "has no base_asset"),
        ({"pool_size": 4}, "there are 5 symbols"),
        ({"mode": "static"}, "mode was 'static'"),
        ({"as_of_date": 20260313}, "must be a date"),
        (
            {"artifact_contract_version": "crypto_leader_rotation.live_pool.v1"},
            "contract",
        ),
    ],
)
def test_a_wrong_payload_is_refused_with_the_reason(change, message):
    with pytest.raises(PoolError, match=message):
        on().parse({**STABLE, **change}, source="fresh_upstream")


def test_another_size_is_accepted_where_none_is_expected():
    payload = {**STABLE, "symbols": SYMBOLS[:3], "symbol_map": None, "pool_size": 3}
    assert on().load(lambda: payload).source == "static"
    assert on(expected_size=None).load(lambda: payload).symbols == tuple(SYMBOLS[:3])


@given(st.permutations(SYMBOLS))
def test_the_published_order_is_kept(symbols):
    pool = on().load(lambda: {**STABLE, "symbols": symbols})
    assert list(pool.symbols) == symbols == list(pool.symbol_map)


def test_what_a_consumer_does_with_the_map_stays_with_it():
    pool = on().load(lambda: STABLE)
    pool.symbol_map.clear()
    pool.symbol_map["TRXUSDT"]["base_asset"] = "X"
    assert pool.symbol_map["TRXUSDT"] == {"base_asset": "TRX"}
    assert STABLE["symbol_map"]["TRXUSDT"] == {"base_asset": "TRX"}


def test_a_document_is_verified_against_its_manifest(tmp_path):
    artifacts.write_files(tmp_path, pool_of(DAY, SYMBOLS))
    uri = (tmp_path / "artifact_manifest.json").as_uri()
    payload = {**STABLE, "versioned_artifact_manifest_uri": uri}
    assert on().load(lambda: payload).source == "fresh_upstream"
    swapped = {**payload, "symbols": SYMBOLS[::-1]}
    assert "of another release" in on().load(lambda: swapped).messages[0]
    (tmp_path / "live_pool_legacy.json").write_bytes(b"{}")
    assert "does not match its checksum" in on().load(lambda: payload).messages[0]
    (tmp_path / "artifact_manifest.json").unlink()
    assert "cannot be read" in on().load(lambda: payload).messages[0]


def test_remote_addresses_are_read_with_fetch():
    files = pool_of(DAY, SYMBOLS)
    uri = "gs://bucket/releases/x/artifact_manifest.json"
    payload = {**STABLE, "versioned_artifact_manifest_uri": uri}
    reader = on(fetch=lambda address: files[address.rpartition("/")[2]])
    assert reader.load(lambda: payload).source == "fresh_upstream"
    assert on(fetch=lambda _: b"{}").load(lambda: payload).source == "static"


def test_a_copy_of_the_folder_runs_alone(tmp_path):
    folder = Path(consumer.__file__).parent
    imported = {
        name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        for name in _imported(node)
    }
    assert imported <= set(sys.stdlib_module_names)
    shutil.copytree(folder, tmp_path / "pool_reader")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import pool_reader; "
        "print(pool_reader.Reader().load(lambda: None).source)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "static\n"


def _imported(node):
    """The packages that a statement imports; none for its own folder's modules."""
    if isinstance(node, ast.Import):
        return {name.name.partition(".")[0] for name in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {node.module.partition(".")[0]}
    return set()


def test_neither_name_brings_django():
    code = (
        "import sys, livepool.reader, livepool.consumer; print('django' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    root = Path(consumer.__file__).parents[2]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    assert done.stdout == "False\n"


def test_the_earlier_name_gives_the_same_things():
    from livepool import consumer as earlier
    from livepool import reader

    assert len(earlier.__all__) == 9
    for name in earlier.__all__:
        assert getattr(earlier, name) is getattr(reader, name)
