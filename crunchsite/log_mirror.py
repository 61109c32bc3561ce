"""Push the log's files to the pool's object store, where no site can take them back."""

from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from core.only_one import only_one
from core.tlog.log_checkpoint import parse_tree_head
from core.tlog.note import parse_note
from core.tlog.tiles import ENTRIES, Tile, tiles_of
from livepool.stores import StoreError
from proofs.errors import LogForkError
from proofs.models import LogCheckpoint, LogTimestamp
from proofs.served_files import (
    CHECKPOINT,
    KEY_CHANGES,
    KEYS,
    MOST_TIMESTAMPS,
    NOTE,
    STAMP,
    TIMESTAMPS,
    log_file,
)

if TYPE_CHECKING:
    from livepool.stores.gcs import GcsReleaseStore

log = structlog.get_logger(__name__)

FOLDER = "log"
MOST_ENTRIES = 256 * 100  # in one turn
_PUSHING = 0x70757368  # "push"


def push_log() -> int:
    """Push what the store lacks, its head last; return the size of that head, or 0.

    Does nothing without CLOUD_BUCKET, and while another push is at work, which would
    take its head back. Raises StoreError when the store fails, and LogForkError when it
    holds another history.
    """
    env = settings.ENV
    if not env.cloud_bucket or not LogCheckpoint.objects.exists():
        return 0
    # Google's clients take half a second to import; most sites never need them.
    from livepool.stores.gcs import GcsReleaseStore

    store = GcsReleaseStore(project=env.cloud_project_id, bucket=env.cloud_bucket)
    with only_one(_PUSHING) as is_only:
        return _push(store) if is_only else 0


def _push(store: "GcsReleaseStore") -> int:
    since = _pushed(store)
    _push_stamps(store)
    heads = LogCheckpoint.objects.filter(size__gt=since)
    # A long log is pushed in turns, each up to a head of its own.
    head = heads.filter(size__lte=since + MOST_ENTRIES).first() or heads.last()
    if head is None:
        _put(store, CHECKPOINT, CHECKPOINT)  # cosignatures may have come
        return since
    for tile in tiles_of(head.size, since=since):
        _put(store, tile.path, tile.path)
        if tile.level == 0:
            entries = Tile(ENTRIES, tile.index, tile.width).path
            _put(store, entries, entries)
    _put(store, KEYS, KEYS)
    _put(store, KEY_CHANGES, KEY_CHANGES)
    _put(store, CHECKPOINT, f"{CHECKPOINT}/{head.size}")
    log.info("log.pushed", size=head.size)
    return head.size


def _pushed(store: "GcsReleaseStore") -> int:
    """Return the size of the store's head; raises LogForkError if it is not ours."""
    data = store.read_file(f"{FOLDER}/{CHECKPOINT}")
    if data is None:
        return 0
    text = parse_note(data.decode()).text
    size = parse_tree_head(text).size
    ours = LogCheckpoint.objects.filter(size=size).first()
    if ours is None or parse_note(ours.note).text != text:
        raise LogForkError(
            f"{store.uri(FOLDER)} has a head of {size} entries that this log has not "
            "signed; see docs/operator/log.md."
        )
    return size


def _push_stamps(store: "GcsReleaseStore") -> None:
    """Push the time stamps that the store's list lacks, and the list behind them."""
    stamped = LogTimestamp.objects.values_list("head", flat=True)[:MOST_TIMESTAMPS]
    if not stamped:
        return
    listed = store.read_file(f"{FOLDER}/{TIMESTAMPS}") or b""
    known = {line.split(b" ")[0] for line in listed.splitlines()}
    lacking = [size for size in stamped if b"%d" % size not in known]
    for size in lacking:
        for kind in (NOTE, STAMP):
            _put(store, path := f"{CHECKPOINT}/{size}{kind}", path)
    if lacking:
        _put(store, TIMESTAMPS, TIMESTAMPS)


def _put(store: "GcsReleaseStore", name: str, path: str) -> None:
    file = log_file(path)
    if file is None:
        raise StoreError(f"the log has no {path}")
    if file.is_final:
        store.create_file(f"{FOLDER}/{name}", file.data)
    else:
        store.replace_file(f"{FOLDER}/{name}", file.data)
