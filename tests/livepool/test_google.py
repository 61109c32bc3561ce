"""The Google stores, with the real client libraries against emulators on loopback."""

import shutil
import threading
from datetime import date, timedelta

import pytest

from livepool import artifacts
from livepool.models import Release
from livepool.reader import Reader
from livepool.release import publish as release
from livepool.release import rollback
from livepool.stores import ConflictError, StoreError, Stores
from livepool.stores.firestore import FirestoreDocumentStore
from livepool.stores.gcs import GcsReleaseStore
from livepool.stores.local import LocalDocumentStore
from tests.fakes import google
from tests.livepool.conftest import current, frozen, pool_of
from tests.livepool.release.test_publish import FIRST, NEW, OLD, SECOND, publish, put

JANUARY, FEBRUARY = "2026-01-31-core_major", "2026-02-28-core_major"

needs_firestore = pytest.mark.skipif(
    not (google.FIRESTORE_JAR.exists() and shutil.which("java")),
    reason="Google's Firestore emulator or Java is not installed",
)


@pytest.fixture(scope="module")
def proxy():
    with (
        google.storage() as url,
        google.FaultyProxy(url) as proxy,
        google.emulated(STORAGE_EMULATOR_HOST=proxy.url),
    ):
        yield proxy


@pytest.fixture
def bucket(proxy, request):
    """A bucket of the test's own behind the proxy."""
    name = f"pool-{abs(hash(request.node.name))}"
    store = gcs(name)
    store.bucket.client.create_bucket(name)
    proxy.reset()
    return store


def gcs(name):
    store = GcsReleaseStore(project="test", bucket=name, timeout_s=30, retry_s=3)
    store._call["retry"] = store._call["retry"].with_delay(initial=0.01, maximum=0.1)
    return store


@pytest.fixture(scope="module")
def emulator():
    with google.firestore() as host, google.emulated(FIRESTORE_EMULATOR_HOST=host):
        yield host


def firestore(document):
    return FirestoreDocumentStore(
        project="test", collection="strategy", document=document, timeout_s=60
    )


def read(stores):
    """What a consumer finds: through the document, verified with the manifest."""

    def fetch(uri):
        version, _, name = uri.rpartition("releases/")[2].partition("/")
        return stores.releases.read_release(version)[name]

    found = stores.documents.read()
    reader = Reader(today=lambda: SECOND + timedelta(days=1), fetch=fetch)
    return reader.load(lambda: found and found.payload)


def test_objects_are_created_once_and_read_back(bucket):
    files = pool_of(FIRST, OLD)
    bucket.create_release(JANUARY, files)
    assert bucket.read_release(JANUARY) == files
    bucket.create_release(JANUARY, files)
    with pytest.raises(ConflictError, match=r"other bytes: latest_universe.json"):
        bucket.create_release(JANUARY, pool_of(FIRST, NEW))
    assert bucket.read_release(JANUARY) == files
    assert (
        bucket.uri("current/x")
        == f"gs://{bucket.name}/crypto-live-pool-pipelines/current/x"
    )


def test_a_replaced_release_is_archived(bucket):
    old, new = pool_of(FIRST, OLD), pool_of(FIRST, NEW)
    bucket.create_release(JANUARY, old)
    archive = bucket.replace_release(JANUARY, new)
    assert bucket.read_release(JANUARY) == new
    prefix = archive.removeprefix(f"gs://{bucket.name}/")
    kept = {
        blob.name.rpartition("/")[2]: blob.download_as_bytes()
        for blob in bucket.bucket.list_blobs(prefix=prefix)
    }
    assert kept == old


def test_no_cache_may_answer_with_what_was_there_before(bucket):
    bucket.create_release(JANUARY, pool_of(FIRST, OLD))
    bucket.point_current(JANUARY, pool_of(FIRST, OLD))
    bucket.point_current(FEBRUARY, pool_of(SECOND, NEW))
    kept = [blob.cache_control for blob in bucket.bucket.list_blobs()]
    assert kept == ["no-cache"] * 10


def test_a_signature_of_an_earlier_release_does_not_stay_current(bucket):
    signed = {**pool_of(FIRST, OLD), artifacts.SIGNATURE: b"signature"}
    bucket.point_current(JANUARY, signed)
    assert current(bucket) == signed
    bucket.point_current(FEBRUARY, pool_of(SECOND, NEW))
    assert current(bucket) == pool_of(SECOND, NEW)


@pytest.mark.parametrize("fault", ["503", "lost", "reset"])
def test_a_passing_fault_is_repeated_without_harm(bucket, proxy, fault):
    proxy.reset(upload_2=fault, upload_4=fault)
    files = pool_of(FIRST, OLD)
    bucket.create_release(JANUARY, files)
    assert bucket.read_release(JANUARY) == files
    assert proxy.uploads == 7


@pytest.mark.parametrize("first_bad", [1, 3, 5])
def test_current_comes_back_when_pointing_fails(bucket, proxy, first_bad, monkeypatch):
    old, new = pool_of(FIRST, OLD), pool_of(SECOND, NEW)
    bucket.point_current(JANUARY, old)
    real, count = bucket._write, [0]

    def failing(path, data, generation):
        count[0] += 1
        if count[0] == first_bad:
            raise StoreError("away")
        real(path, data, generation)

    monkeypatch.setattr(bucket, "_write", failing)
    with pytest.raises(StoreError):
        bucket.point_current(FEBRUARY, new)
    assert current(bucket) == old


def test_two_writers_of_one_version_leave_one_whole_set(bucket):
    sets = [pool_of(FIRST, OLD), pool_of(FIRST, NEW)]
    outcomes = []

    def create(files):
        try:
            gcs(bucket.name).create_release(JANUARY, files)
            outcomes.append("created")
        except StoreError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=create, args=(files,)) for files in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("created") <= 1


def test_an_unreachable_bucket_is_a_clear_error():
    away = f"http://127.0.0.1:{google.free_port()}"
    with google.emulated(STORAGE_EMULATOR_HOST=away):
        store = GcsReleaseStore(project="test", bucket="b", timeout_s=1, retry_s=1)
        with pytest.raises(StoreError, match=r"reading .*latest_universe.json failed"):
            current(store)


@needs_firestore
def test_the_document_is_written_with_a_precondition(emulator):
    store = firestore("precondition")
    assert store.read() is None
    store.write({"version": "a", "symbols": ["x", "y"], "gone": 1}, expected=None)
    first = store.read()
    with pytest.raises(ConflictError, match="has changed"):
        store.write({"version": "b"}, expected=None)
    store.write({"version": "b", "symbol_map": {"y": {}, "x": {}}}, expected=first)
    with pytest.raises(ConflictError, match="has changed"):
        store.write({"version": "c"}, expected=first)
    assert store.read().payload == {"version": "b", "symbol_map": {"y": {}, "x": {}}}


@needs_firestore
def test_an_unreachable_document_is_a_clear_error():
    away = f"127.0.0.1:{google.free_port()}"
    with google.emulated(FIRESTORE_EMULATOR_HOST=away):
        store = firestore("away")
        store._call["timeout"] = 1
        with pytest.raises(StoreError, match="reading strategy/away failed"):
            store.read()


@needs_firestore
@pytest.mark.django_db
def test_a_release_goes_through_both_services_and_back(tmp_path, bucket, emulator):
    stores = Stores(bucket, firestore("both"))
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    assert read(stores).symbols == tuple(OLD[:5])
    publish(put(tmp_path, SECOND, NEW), stores, SECOND)
    pool = read(stores)
    assert (pool.source, pool.symbols) == ("fresh_upstream", tuple(NEW[:5]))
    payload = stores.documents.read().payload
    assert payload["storage_prefix"] == (
        f"gs://{bucket.name}/crypto-live-pool-pipelines/releases/{FEBRUARY}"
    )
    assert payload["symbols"] == NEW[:5]
    with frozen(artifacts.completed_at(SECOND) + timedelta(days=1)):
        rollback.rollback(version=JANUARY, reason="drill", stores=stores)
    assert read(stores).symbols == tuple(OLD[:5])
    assert current(bucket) == pool_of(FIRST, OLD)


@pytest.mark.django_db
@pytest.mark.parametrize("upload", range(1, 11))
def test_a_publication_interrupted_at_any_upload_is_finished_by_the_next(
    tmp_path, bucket, proxy, upload, monkeypatch
):
    """Uploads 1 to 5 are the version's objects, 6 to 10 the current ones."""
    stores = Stores(bucket, LocalDocumentStore(tmp_path, "strategy", "pool"))
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    proxy.reset(**{f"upload_{n}": "reset" for n in range(upload, 400)})
    bucket._call["retry"] = bucket._call["retry"].with_timeout(0.1)
    with pytest.raises(StoreError):
        publish(put(tmp_path, SECOND, NEW), stores, SECOND)
    pool = read(stores)
    assert (pool.source, pool.symbols) == ("fresh_upstream", tuple(OLD[:5]))
    proxy.reset()
    publish(put(tmp_path, SECOND, NEW), stores, SECOND)
    assert read(stores).symbols == tuple(NEW[:5])
    assert current(bucket) == pool_of(SECOND, NEW)
    assert Release.objects.current().as_of_date == date(2026, 2, 28)
    assert release.Status.FAILED not in set(
        Release.objects.values_list("status", flat=True)
    )
