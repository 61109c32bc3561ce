"""Publishing to the local store: whole, in order, once, and never back."""

import json
import os
import stat
import threading
from datetime import date, timedelta

import pytest
from django.db import connection

from livepool import artifacts
from livepool.errors import BusyError, PublishError
from livepool.models import Release
from livepool.reader import Reader, document_file, load_trend_pool
from livepool.release import publish as release
from livepool.release import publisher_lock, rules
from livepool.stores import ConflictError, StoreError
from tests.livepool.conftest import current, frozen, local_stores, pool_of

pytestmark = pytest.mark.django_db

FIRST, SECOND = date(2026, 1, 31), date(2026, 2, 28)
OLD = ["TRXUSDT", "ETHUSDT", "BCHUSDT", "NEARUSDT", "SOLUSDT", "XRPUSDT"]
NEW = ["TRXUSDT", "LTCUSDT", "ETHUSDT", "LINKUSDT", "SOLUSDT", "XRPUSDT"]


def put(tmp_path, as_of, symbols):
    folder = tmp_path / f"output-{as_of}"
    artifacts.write_files(folder, pool_of(as_of, symbols))
    return folder


def publish(folder, stores, as_of, **options):
    with frozen(artifacts.completed_at(as_of) + timedelta(hours=3)):
        return release.publish(folder=folder, stores=stores, **options)


@pytest.fixture
def first(tmp_path, stores):
    """January's release is published."""
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    return stores


def read(stores, as_of=SECOND):
    reader = Reader(today=lambda: as_of + timedelta(days=1))
    return reader.load(document_file(stores.documents.path))


def test_other_accounts_can_read_what_is_published(tmp_path, stores):
    before = os.umask(0o022)
    try:
        folder = put(tmp_path, FIRST, OLD)
        publish(folder, stores, FIRST)
    finally:
        os.umask(before)
    for root in (folder, tmp_path / "store"):
        found = [path for path in root.rglob("*") if not path.is_symlink()]
        assert found
        for path in found:
            wanted = 0o755 if path.is_dir() else 0o644
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_release_is_published_whole(tmp_path, first):
    version = "2026-01-31-core_major"
    files = pool_of(FIRST, OLD)
    assert first.releases.read_release(version) == files
    assert current(first.releases) == files
    pool = read(first)
    assert (pool.source, pool.degraded, pool.symbols) == (
        "fresh_upstream",
        False,
        tuple(OLD[:5]),
    )
    row = Release.objects.get()
    assert row.status == "PUBLISHED"
    assert row.symbols == OLD[:5]
    assert row.checksums["live_pool.json"] == artifacts.sha256(files["live_pool.json"])
    assert row.ranking[0]["current_rank"] == 1
    assert Release.objects.current() == row


def test_the_document_has_exactly_the_published_keys(first):
    payload = first.documents.read().payload
    assert list(payload) == [
        *("as_of_date", "mode", "version", "pool_size", "symbols", "symbol_map"),
        *("storage_prefix", "current_prefix", "live_pool_legacy_uri", "live_pool_uri"),
        *("latest_universe_uri", "latest_ranking_uri"),
        *("versioned_live_pool_legacy_uri", "artifact_manifest_uri"),
        *("versioned_artifact_manifest_uri", "artifact_contract_version"),
        *("generated_at", "source_project"),
    ]
    assert payload["storage_prefix"].endswith("releases/2026-01-31-core_major")
    assert payload["live_pool_uri"].endswith("current/live_pool.json")


def test_a_heartbeat_is_left_in_the_published_shape(tmp_path, first):
    path = tmp_path / f"output-{FIRST}" / "monthly" / "2026-01-31-core_major.json"
    assert list(json.loads(path.read_bytes())) == [
        *("version", "as_of_date", "mode", "pool_size", "symbols", "storage_prefix"),
        *("generated_at", "workflow_run_id", "workflow_run_url"),
    ]


def test_publishing_the_same_bytes_again_changes_nothing(tmp_path, first):
    before = first.documents.path.read_bytes()
    row = Release.objects.get()
    done = publish(put(tmp_path, FIRST, OLD), first, FIRST)
    assert not done.changed
    assert first.documents.path.read_bytes() == before
    again = Release.objects.get()
    assert (again.published_at, again.activated_at) == (
        row.published_at,
        row.activated_at,
    )


@pytest.mark.parametrize("change", [{"extra": 1}, {"mode": None}])
def test_a_document_that_somebody_changed_is_written_again(first, tmp_path, change):
    whole = first.documents.read().payload
    left = {k: v for k, v in {**whole, **change}.items() if v is not None}
    first.documents.write(left, expected=first.documents.read())
    publish(put(tmp_path, FIRST, OLD), first, FIRST)
    assert first.documents.read().payload == whole


def test_other_bytes_of_a_published_version_are_refused(tmp_path, first):
    folder = put(tmp_path, FIRST, NEW)
    with pytest.raises(PublishError, match="published with other bytes"):
        publish(folder, first, FIRST)
    assert read(first).symbols == tuple(OLD[:5])
    assert Release.objects.count() == 1


def test_a_revision_archives_what_it_replaces(tmp_path, first):
    folder = put(tmp_path, FIRST, NEW)
    with pytest.raises(PublishError, match="needs a reason"):
        publish(folder, first, FIRST, revise=True)
    publish(folder, first, FIRST, revise=True, reason="bad candle of LTC")
    assert read(first).symbols == tuple(NEW[:5])
    new, old = Release.objects.newest_first()
    assert (new.status, new.revision, new.reason) == (
        "PUBLISHED",
        1,
        "bad candle of LTC",
    )
    assert old.status == "REVISED"
    archived = list((first.releases.root / "archive").glob("*/*"))
    assert [p.resolve().as_uri() for p in archived] == [
        (first.releases.root / "objects" / archived[0].name).as_uri()
    ]
    assert old.archived_to == archived[0].as_uri()
    assert artifacts.read_files(archived[0]) == pool_of(FIRST, OLD)


def test_publishing_never_goes_back(tmp_path, first):
    publish(put(tmp_path, SECOND, NEW), first, SECOND)
    earlier = put(tmp_path, FIRST, OLD)
    with pytest.raises(PublishError, match="never goes back"):
        publish(earlier, first, FIRST)
    assert read(first).symbols == tuple(NEW[:5])


def test_a_dry_run_touches_no_store(tmp_path, stores):
    folder = put(tmp_path, FIRST, OLD)
    done = publish(folder, stores, FIRST, dry_run=True)
    assert done.dry_run
    assert not (tmp_path / "store").exists()
    assert Release.objects.count() == 0
    manifest = json.loads((folder / "release_manifest.json").read_bytes())
    assert list(manifest) == [
        *("version", "mode", "dry_run", "publish_enabled", "as_of_date"),
        *("release_prefix", "current_prefix", "artifacts", "firestore"),
    ]
    assert manifest["dry_run"] is True
    assert list(manifest["artifacts"]) == list(artifacts.FILES)


def test_every_run_is_dry_where_publishing_is_disabled(tmp_path, stores, env):
    env(publish_enabled=False)
    assert publish(put(tmp_path, FIRST, OLD), stores, FIRST).dry_run
    assert stores.documents.read() is None


def test_a_broken_release_never_reaches_a_store(tmp_path, stores):
    folder = put(tmp_path, FIRST, OLD)
    (folder / "live_pool.json").write_bytes(b"{}")
    with pytest.raises(rules.ReleaseContractError, match="does not match the sha256"):
        publish(folder, stores, FIRST)
    assert not (tmp_path / "store").exists()


def test_a_stale_release_is_refused_unless_allowed(tmp_path, stores):
    folder = put(tmp_path, FIRST, OLD)
    with frozen(artifacts.completed_at(FIRST) + timedelta(days=60)):
        with pytest.raises(rules.ReleaseContractError, match="days old"):
            release.publish(folder=folder, stores=stores)
        release.publish(folder=folder, stores=stores, allow_stale=True)
    assert Release.objects.get().status == "PUBLISHED"


def test_a_challenger_is_refused(tmp_path, stores):
    folder = put(tmp_path, FIRST, OLD)
    for name in ("live_pool.json", "live_pool_legacy.json"):
        payload = json.loads((folder / name).read_bytes())
        payload |= {"source_track": "shadow_candidate", "profile": "challenger_topk_60"}
        (folder / name).write_bytes(artifacts.to_json(payload))
    with pytest.raises(rules.ReleaseContractError, match="is of a shadow track"):
        publish(folder, stores, FIRST)
    assert not (tmp_path / "store").exists()


@pytest.fixture(
    params=[
        (step, after, error)
        for step in ("create_release", "point_current", "write")
        for after in (False, True)
        for error in (StoreError("away"), ConflictError("changed"))
    ],
    ids=str,
)
def fault(request):
    """A step that fails, before or after it took effect, and how."""
    return request.param


def test_a_failure_leaves_a_whole_release_and_the_next_run_finishes(
    tmp_path, first, monkeypatch, fault
):
    step, after, error = fault
    target = first.documents if step == "write" else first.releases
    real = getattr(target, step)

    def failing(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        raise error

    folder = put(tmp_path, SECOND, NEW)
    monkeypatch.setattr(target, step, failing)
    if step == "create_release" and isinstance(error, ConflictError):
        monkeypatch.setattr(first.releases, "replace_release", failing)
    with pytest.raises(StoreError):
        publish(folder, first, SECOND)
    expected = NEW if (step, after) == ("write", True) else OLD
    pool = read(first)
    assert (pool.source, pool.symbols) == ("fresh_upstream", tuple(expected[:5]))
    row = Release.objects.newest_first().first()
    assert (row.status, row.error) == ("FAILED", str(error))

    monkeypatch.undo()
    publish(folder, first, SECOND)
    assert read(first).symbols == tuple(NEW[:5])
    assert current(first.releases) == pool_of(SECOND, NEW)
    assert Release.objects.filter(status="PUBLISHED").count() == 2


def test_leftovers_of_a_failed_attempt_with_other_bytes_are_cleaned_up(
    tmp_path, first, monkeypatch
):
    def away(*args, **kwargs):
        raise StoreError("away")

    monkeypatch.setattr(first.releases, "point_current", away)
    with pytest.raises(StoreError):
        publish(put(tmp_path, SECOND, OLD), first, SECOND)
    monkeypatch.undo()
    publish(put(tmp_path, SECOND, NEW), first, SECOND)
    assert read(first).symbols == tuple(NEW[:5])
    assert first.releases.read_release("2026-02-28-core_major") == pool_of(SECOND, NEW)


def test_a_version_of_somebody_else_with_other_bytes_is_refused(tmp_path, stores):
    stores.releases.create_release("2026-01-31-core_major", pool_of(FIRST, NEW))
    with pytest.raises(ConflictError, match="other bytes"):
        publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    assert stores.documents.read() is None


def test_a_document_that_changed_meanwhile_is_not_overwritten(
    tmp_path, first, monkeypatch
):
    other = local_stores(tmp_path / "store")
    real = first.releases.point_current

    def overtaken(version, files):
        real(version, files)
        found = other.documents.read()
        other.documents.write({**found.payload, "pool_size": 5, "x": 1}, expected=found)

    monkeypatch.setattr(first.releases, "point_current", overtaken)
    with pytest.raises(ConflictError, match="has changed"):
        publish(put(tmp_path, SECOND, NEW), first, SECOND)
    assert read(first).symbols == tuple(OLD[:5])


@pytest.mark.django_db(transaction=True)
def test_one_publisher_at_a_time(tmp_path, stores):
    outcome = []

    def other():
        try:
            publish(put(tmp_path, FIRST, OLD), stores, FIRST)
        except BusyError as error:
            outcome.append(error)
        finally:
            connection.close()

    with publisher_lock.only_publisher():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(outcome) == 1
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    assert Release.objects.count() == 1


def test_a_reader_never_sees_a_mixed_release(tmp_path, stores):
    """Polls the current files and the document while releases come and go."""
    seen, stop = set(), threading.Event()
    whole = {}
    months = [date(2026, 1, 1) + timedelta(days=n) for n in range(12)]
    for n, day in enumerate(months):
        symbols = OLD if n % 2 else NEW
        whole[artifacts.version_of(day, "core_major")] = tuple(symbols[:5])

    def poll():
        local = stores.releases.root / "current" / "live_pool_legacy.json"
        upstream = Reader(today=lambda: months[-1])
        files = Reader(today=lambda: months[-1], local_files=(local,))
        while not stop.is_set():
            one = upstream.load(document_file(stores.documents.path))
            two = files.load(lambda: None)
            seen.update({(one.source, one.version, one.symbols)})
            seen.update({(two.source, two.version, two.symbols)})

    thread = threading.Thread(target=poll)
    publish(put(tmp_path, months[0], NEW), stores, months[0])
    thread.start()
    try:
        for n, day in enumerate(months[1:], 1):
            publish(put(tmp_path, day, OLD if n % 2 else NEW), stores, day)
    finally:
        stop.set()
        thread.join()
    assert {source for source, _, _ in seen} <= {"fresh_upstream", "local_file"}
    assert {version: symbols for _, version, symbols in seen}.items() <= whole.items()


def test_a_release_is_signed_when_a_key_is_set(tmp_path, stores, env):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(private)
    env(livepool_signing_key_file=str(tmp_path / "key.pem"))
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)

    def reads(public, path=stores.documents.path):
        reader = Reader(
            today=lambda: SECOND,
            public_key=public.public_key().public_bytes(
                pem, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        )
        return load_trend_pool(document_file(path), reader)[1]

    assert reads(key) == {"source": "fresh_upstream"}
    assert reads(other) == {"source": "static", "degraded": True}
    env(livepool_signing_key_file="")
    publish(put(tmp_path, SECOND, NEW), stores, SECOND)
    assert reads(key) == {"source": "static", "degraded": True}
    assert "artifact_manifest.json.sig" not in current(stores.releases)
