"""Each rule of the contract, broken on its own."""

import json
from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepool import artifacts
from livepool.release import document, rules
from livepool.release.manifest_rules import MANIFEST_FIELDS
from livepool.release.release_files import ReleaseFiles
from livepool.stores import StoreError
from tests.livepool import golden
from tests.livepool.conftest import local_stores, pool_of

DAY = date(2026, 3, 13)
SYMBOLS = ["TRXUSDT", "ETHUSDT", "BCHUSDT", "NEARUSDT", "SOLUSDT", "XRPUSDT", "SUIUSDT"]


@pytest.fixture
def release(tmp_path):
    files = pool_of(DAY, SYMBOLS)
    stores = local_stores(tmp_path)
    payload = document.summary(
        ReleaseFiles(files).pool,
        stores.releases,
        generated_at=artifacts.completed_at(DAY),
    )
    manifest = document.release_manifest(
        payload,
        stores.releases,
        dry_run=True,
        publish_enabled=True,
        address=stores.documents.address(),
    )
    return SimpleNamespace(
        files={**files, "release_manifest.json": artifacts.to_json(manifest)}
    )


def check(files, **expected):
    values = {"reference_date": DAY, **expected}
    return rules.validate(ReleaseFiles(files), rules.Expectations(**values))


def edited(files, name, change, *, manifest=True):
    """Change a JSON file and, unless told otherwise, its checksum."""
    payload = json.loads(files[name])
    change(payload)
    files = {**files, name: artifacts.to_json(payload)}
    stem = name.removesuffix(".json")
    if manifest and stem in artifacts.COVERED:
        told = json.loads(files["artifact_manifest.json"])
        told["artifacts"][stem]["sha256"] = artifacts.sha256(files[name])
        files["artifact_manifest.json"] = artifacts.to_json(told)
    return files


def test_a_whole_release_is_accepted(release):
    report = check(
        release.files,
        mode="core_major",
        source_project="crypto-live-pool-pipelines",
        pool_size=5,
        require_manifest=True,
    )
    assert report.errors == []
    assert report.warnings == []
    assert report.to_dict()["ok"] is True
    assert report.symbols == SYMBOLS[:5]
    assert report.age_days == 0


def test_only_who_asks_for_the_release_manifest_needs_it(release):
    del release.files["release_manifest.json"]
    assert check(release.files).errors == []
    report = check(release.files, require_manifest=True)
    assert report.errors == ["release_manifest.json is missing"]


@golden.needs_golden
def test_the_published_fixture_is_accepted():
    report = rules.validate_folder(
        golden.ROOT / "smoke_fixture",
        rules.Expectations(
            reference_date=DAY, pool_size=5, require_artifact_manifest=False
        ),
    )
    assert report.errors == []
    assert report.symbols == SYMBOLS[:5]


@pytest.mark.parametrize("name", artifacts.FILES.values())
def test_a_missing_file_is_named_and_ends_the_check(release, name):
    files = {k: v for k, v in release.files.items() if k != name}
    report = check(files)
    assert report.errors == [f"{name} is missing"]
    assert report.version is None


def _set(key, value):
    return lambda payload: payload.__setitem__(key, value)


def _turn_round(legacy):
    for key in ("symbols", "symbol_map"):
        legacy[key] = dict(reversed(legacy[key].items()))


BROKEN = [
    ("live_pool.json", _set("symbols", []), "must be a list that is not empty"),
    ("live_pool.json", _set("symbols", [" "] * 5), "symbols must be text"),
    ("live_pool.json", _set("symbols", ["ETHBTC"]), "not quoted in USDT"),
    ("live_pool.json", _set("symbols", ["ETHUSDT"] * 2), "more than once"),
    ("live_pool.json", _set("symbol_map", {}), "must be a map that is not empty"),
    ("live_pool.json", _set("symbol_map", {"ETHUSDT": {}}), "needs a base_asset"),
    ("live_pool.json", _set("pool_size", 4), "pool_size was 4, it has 5 symbols"),
    ("live_pool.json", _set("pool_size", True), "must be a positive integer"),
    ("live_pool.json", _set("mode", " "), "mode must be text"),
    ("live_pool.json", _set("version", "x"), "version was 'x'"),
    ("live_pool.json", _set("as_of_date", "soon"), "must be a date"),
    ("live_pool.json", _set("as_of_date", "2026-03-12"), "differs between files"),
    ("live_pool.json", _set("source_project", "other"), "differ in source_project"),
    ("live_pool.json", _set("source_track", "shadow_candidate"), "shadow track"),
    ("live_pool.json", lambda p: p.pop("mode"), "lacks mode"),
    (
        "live_pool.json",
        lambda p: p["symbols"].reverse(),
        "order differs from the selected rows",
    ),
    ("live_pool_legacy.json", _set("symbols", {"ETHUSDT": {"base_asset": "ETH"}}), ""),
    ("live_pool_legacy.json", _set("mode", "broad_liquid"), "differ in mode"),
    ("live_pool_legacy.json", _turn_round, "live_pool_legacy differ in order"),
    ("latest_universe.json", _set("symbols", SYMBOLS[1:]), "outside the universe"),
    ("latest_universe.json", _set("as_of_date", None), "must be a date"),
    ("artifact_manifest.json", _set("manifest_type", "x"), "manifest_type was 'x'"),
    ("artifact_manifest.json", _set("contract_version", "v0"), "contract_version was"),
    ("artifact_manifest.json", _set("symbol_count", 4), "symbol_count was 4"),
    ("artifact_manifest.json", _set("snapshot_as_of", "2026-03-12"), "snapshot_as_of"),
    ("artifact_manifest.json", _set("artifacts", []), "must be an object"),
    ("artifact_manifest.json", lambda p: p.pop("generated_at"), "lacks generated_at"),
    (
        "artifact_manifest.json",
        lambda p: p["artifacts"]["live_pool"].__setitem__("path", "../live_pool.json"),
        "a bare file name",
    ),
    (
        "artifact_manifest.json",
        lambda p: p["artifacts"].pop("latest_ranking"),
        "no entry latest_ranking",
    ),
    ("release_manifest.json", _set("mode", "broad_liquid"), "release manifest mode"),
    ("release_manifest.json", _set("firestore", []), "no firestore.payload"),
    (
        "release_manifest.json",
        lambda p: p["firestore"]["payload"]["symbols"].reverse(),
        "firestore payload and live_pool differ in symbols",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), BROKEN)
def test_a_broken_rule_is_reported(release, name, change, message):
    report = check(edited(release.files, name, change))
    assert any(message in error for error in report.errors), report.errors


@pytest.mark.parametrize("name", artifacts.FILES.values())
def test_any_changed_byte_is_found(release, name):
    data = release.files[name]
    report = check({**release.files, name: data.replace(b"core", b"bore") + b" "})
    if name != "artifact_manifest.json":
        assert f"{name} does not match the sha256 in the manifest" in report.errors
    else:
        assert not report.ok


def test_invalid_json_is_reported_not_raised(release):
    report = check({**release.files, "live_pool.json": b"{NaN"})
    assert any("live_pool.json is not valid JSON" in e for e in report.errors)
    report = check({**release.files, "live_pool.json": b'{"pool_size": NaN}'})
    assert any("NaN is not a number" in e for e in report.errors)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("True,5\n", "False,5\n", "4 rows are selected"),
        ("True,5\n", "True,4\n", "share a current_rank"),
        ("True,5\n", "True,\n", "no numeric current_rank"),
        ("regime", "regimes", "lacks the columns regime"),
        ("2026-03-13,XRPUSDT", "2026-03-12,XRPUSDT", "differs between files"),
        ("XRPUSDT", "SUIUSDT", "more than once"),
    ],
)
def test_a_broken_ranking_is_reported(release, old, new, message):
    name = "latest_ranking.csv"
    text = release.files[name].decode()
    report = check({**release.files, name: text.replace(old, new, 1).encode()})
    assert any(message in error for error in report.errors), report.errors


@pytest.mark.parametrize(
    ("reference", "errors", "warnings"),
    [(date(2026, 4, 27), 0, 0), (date(2026, 4, 28), 1, 0), (date(2026, 3, 12), 1, 0)],
)
def test_age_is_limited_inclusively(release, reference, errors, warnings):
    report = check(release.files, reference_date=reference)
    assert len(report.errors) == errors
    assert len(report.warnings) == warnings


def test_a_stale_release_only_warns_where_freshness_is_not_asked_for(release):
    report = check(
        release.files, reference_date=date(2026, 5, 1), require_freshness=False
    )
    assert report.ok
    assert report.warnings == ["as_of_date 2026-03-13 is 49 days old, the limit is 45"]


def test_all_violations_are_listed_at_once(release):
    files = edited(release.files, "live_pool.json", _set("pool_size", 0))
    files = edited(files, "live_pool_legacy.json", _set("mode", ""))
    report = check(files, mode="broad_liquid")
    with pytest.raises(rules.ReleaseContractError) as error:
        report.raise_for_errors()
    assert len(report.errors) >= 4
    assert all(message in str(error.value) for message in report.errors)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=6,
)
DEEP = b"[" * 100_000 + b"]" * 100_000


@given(
    name=st.sampled_from([n for n in artifacts.FILES.values() if n.endswith(".json")]),
    key=st.sampled_from([*MANIFEST_FIELDS, "symbol_map", "pool_size"]),
    value=ANYTHING,
)
@settings(max_examples=100)
def test_whatever_a_file_holds_the_contract_is_answered(name, key, value):
    files = pool_of(DAY, SYMBOLS)
    payload = json.loads(files[name])
    changed = key in payload and json.dumps(payload[key]) != json.dumps(value)
    files[name] = json.dumps({**payload, key: value}).encode()
    report = check(files)
    assert not (changed and report.ok and name != "artifact_manifest.json")


@pytest.mark.parametrize(
    "data", [DEEP, b"\xff", b"[]", b"", b'{"a": NaN}', b"7" * 9999]
)
@pytest.mark.parametrize("name", artifacts.FILES.values())
def test_a_file_that_is_something_else_is_reported(name, data):
    assert not check({**pool_of(DAY, SYMBOLS), name: data}).ok


@pytest.mark.parametrize("data", [DEEP, b"\xff", b"[]", b"", b"7"])
def test_a_document_that_is_something_else_is_a_failure_of_its_store(tmp_path, data):
    documents = local_stores(tmp_path).documents
    documents.path.parent.mkdir(parents=True)
    documents.path.write_bytes(data)
    with pytest.raises(StoreError):
        documents.read()
