"""The log's files lie in the pool's object store as the site serves them."""

from threading import Thread

import pytest
from django.db import connections

from core.tlog.merkle import tree_root
from core.tlog.tiles import reader_of
from crunchsite import log_mirror
from livepool.stores.gcs import GcsReleaseStore
from proofs import kept_head, sealing
from proofs.errors import LogForkError
from proofs.models import LogCheckpoint, LogLeaf, LogTile, LogTimestamp
from proofs.served_files import CHECKPOINT
from tests.conftest import NOW
from tests.fakes import google
from tests.proofs.conftest import append as append  # noqa: PLC0414  a fixture
from tests.proofs.conftest import keyless as keyless  # noqa: PLC0414  a fixture
from tests.proofs.conftest import log_key as log_key  # noqa: PLC0414  a fixture
from tests.waiting import AMPLE_S

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(log_key, settings):
    with google.storage() as url, google.emulated(STORAGE_EMULATOR_HOST=url):
        store = GcsReleaseStore(project="test", bucket="log-test")
        store.bucket.client.create_bucket("log-test")
        changed = {"cloud_bucket": "log-test", "cloud_project_id": "test"}
        settings.ENV = settings.ENV.model_copy(update=changed)
        yield store


def test_what_was_signed_is_pushed_and_another_history_is_not(
    bucket, append, monkeypatch, client
):
    monkeypatch.setattr(log_mirror, "MOST_ENTRIES", 300)
    assert log_mirror.push_log() == 0
    for count in (254, 40, 30):
        append(*(f"{count}-{i}" for i in range(count)))
        sealing.seal()
    assert [log_mirror.push_log() for _ in range(3)] == [295, 325, 325]
    head = LogCheckpoint.objects.first()
    assert bucket.read_file("log/checkpoint").decode() == head.note
    read = reader_of(lambda tile: bucket.read_file(f"log/{tile.path}"), head.size)
    assert tree_root(head.size, read) == bytes(head.root)
    for path in ("keys", "tile/entries/000", "tile/entries/001.p/69"):
        assert bucket.read_file(f"log/{path}") == client.get(f"/log/{path}").content
    for model in (LogLeaf, LogTile, LogCheckpoint):
        model.objects.all().delete()
    kept_head.head_file().unlink()
    append("another")
    sealing.seal()
    with pytest.raises(LogForkError, match="325 entries"):
        log_mirror.push_log()


def test_time_stamps_are_pushed_once_with_what_was_stamped(
    bucket, append, client, monkeypatch
):
    pushed = []
    put = log_mirror._put
    monkeypatch.setattr(
        log_mirror, "_put", lambda *args: (pushed.append(args[1]), put(*args))
    )
    for name in "ab":
        append(name)
        sealing.seal()
        head = LogCheckpoint.objects.first()
        LogTimestamp.objects.create(head=head, answer=b"stamp", stamped_at=NOW)
        log_mirror.push_log()
        log_mirror.push_log()
        for path in (f"checkpoint/{head.size}.note", f"checkpoint/{head.size}.tsr"):
            assert pushed.count(path) == 1
            served = client.get(f"/log/{path}").content
            assert bucket.read_file(f"log/{path}") == served
        listed = client.get("/log/timestamps").content
        assert bucket.read_file("log/timestamps") == listed
    assert pushed.count("timestamps") == 2


@pytest.mark.django_db(transaction=True)
def test_the_stores_head_never_goes_back(bucket, append, monkeypatch):
    """Though a push takes longer than the minute after which the next one begins."""
    put, heads, begun = log_mirror._put, [], []

    def next_one():
        append("b")
        sealing.seal()
        log_mirror.push_log()
        connections.close_all()

    def slowly(store, name, path):
        if name == CHECKPOINT and not begun:
            begun.append(Thread(target=next_one))
            begun[0].start()
            begun[0].join(AMPLE_S)
        put(store, name, path)
        if name == CHECKPOINT:
            heads.append(int(bucket.read_file("log/checkpoint").splitlines()[1]))

    monkeypatch.setattr(log_mirror, "_put", slowly)
    append("a")
    sealing.seal()
    log_mirror.push_log()
    newest = LogCheckpoint.objects.first().size
    assert log_mirror.push_log() == newest
    assert heads == sorted(heads)
    assert heads[-1] == newest
