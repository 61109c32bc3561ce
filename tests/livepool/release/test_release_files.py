"""The bytes of a release, and what is in them, parsed once."""

import json
from datetime import date

import pytest

from livepool import artifacts
from livepool.release import release_files
from livepool.release.release_files import ReleaseFiles, UnreadableError
from tests.livepool.conftest import pool_of

DAY = date(2026, 3, 13)
SYMBOLS = ["TRXUSDT", "ETHUSDT", "BCHUSDT", "NEARUSDT", "SOLUSDT", "XRPUSDT"]


def test_a_file_is_parsed_once(monkeypatch):
    parsed = []
    loads = json.loads
    monkeypatch.setattr(
        release_files.json, "loads", lambda *a, **k: parsed.append(a) or loads(*a, **k)
    )
    files = ReleaseFiles(pool_of(DAY, SYMBOLS))
    assert files.pool["symbols"] == SYMBOLS[:5]
    assert files.pool is files.pool
    assert files.ranking() is files.ranking()
    assert len(parsed) == 1


def test_the_ranking_is_text_row_by_row():
    first = ReleaseFiles(pool_of(DAY, SYMBOLS)).ranking()[0]
    assert (first["symbol"], first["current_rank"]) == ("TRXUSDT", "1")
    assert first["selected_flag"] == "True"


def test_a_folder_is_read_with_its_release_manifest(tmp_path):
    files = pool_of(DAY, SYMBOLS)
    artifacts.write_files(tmp_path, files)
    assert ReleaseFiles.read(tmp_path).data == files
    (tmp_path / artifacts.RELEASE_MANIFEST).write_bytes(b"{}")
    assert ReleaseFiles.read(tmp_path).json("release_manifest.json") == {}


def test_checksums_are_of_every_file():
    files = pool_of(DAY, SYMBOLS)
    assert ReleaseFiles(files).checksums() == {
        name: artifacts.sha256(data) for name, data in files.items()
    }


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("live_pool.json", b"{", "live_pool.json is not valid JSON"),
        ("live_pool.json", b"[]", "live_pool.json must be an object, was list"),
        ("live_pool.json", b'{"a": NaN}', "NaN is not a number"),
        ("latest_ranking.csv", b"\xff", "latest_ranking.csv cannot be read"),
        ("latest_ranking.csv", b"a,b\n1,2\n", "lacks the columns as_of_date"),
    ],
)
def test_a_file_of_another_kind_is_named(name, data, message):
    files = ReleaseFiles({name: data})
    with pytest.raises(UnreadableError, match=message):
        files.ranking() if name.endswith(".csv") else files.json(name)
