"""Make the static files of the log, served below `/log/` (c2sp.org/tlog-tiles)."""

from dataclasses import dataclass

from django.db.models import QuerySet

from core.clock import iso_z
from core.tlog.canonical import canonical_json
from core.tlog.errors import LogFormatError
from core.tlog.merkle import HASH_BYTES
from core.tlog.tiles import ENTRIES, Tile, pack_entries, parse_tile_path
from proofs.key_changes import key_changes
from proofs.key_leaves import vkeys
from proofs.models import LogCheckpoint, LogLeaf, LogTile, LogTimestamp

CHECKPOINT, KEYS, TIMESTAMPS = "checkpoint", "keys", "timestamps"
KEY_CHANGES = "key-changes"
NOTE, STAMP = ".note", ".tsr"
MOST_TIMESTAMPS = 10_000  # in the list: more than a year of them
LONGEST_PATH = 80


@dataclass(frozen=True)
class LogFile:
    """A file of the log; one that `is_final` has these bytes for ever."""

    data: bytes
    is_text: bool = False
    is_final: bool = True


def log_file(path: str) -> LogFile | None:
    """Return the file at a path below `/log/`, or None when there is none (yet)."""
    if path == CHECKPOINT:
        head = LogCheckpoint.objects.first()
        text = signed_head(head) if head else None
    elif path == KEYS:
        text = "".join(f"{key}\n" for key in vkeys()) or None
    elif path == KEY_CHANGES:
        text = canonical_json([each.as_json() for each in key_changes()]).decode()
    elif path == TIMESTAMPS:
        text = "".join(_stamp_line(each) for each in _newest_stamps()) or None
    elif path.startswith(f"{CHECKPOINT}/"):
        name = path.removeprefix(f"{CHECKPOINT}/")
        if name.endswith((NOTE, STAMP)):
            return _stamped_file(name)
        head = _head_of(name)
        text = signed_head(head) if head else None
    else:
        data = _tile(path)
        return None if data is None else LogFile(data)
    return None if text is None else LogFile(text.encode(), True, False)


def signed_head(head: LogCheckpoint) -> str:
    """Return a signed head as readers get it: with all its cosignatures."""
    return head.note + "".join(each.line for each in head.cosignatures.all())


def entry_bundle(tile: Tile) -> bytes | None:
    """Return the entries of a bundle, or None when some are not in the log yet."""
    leaves = LogLeaf.objects.sealed().filter(
        index__gte=tile.start, index__lt=tile.start + tile.width
    )
    entries = [bytes(entry) for entry in leaves.values_list("entry", flat=True)]
    return pack_entries(entries) if len(entries) == tile.width else None


def _stamped_file(name: str) -> LogFile | None:
    """Return what was stamped, a head as it was signed, or its time stamp."""
    stem, dot, kind = name.rpartition(".")
    head = _head_of(stem)
    if head is None:
        return None
    if dot + kind == NOTE:
        return LogFile(head.note.encode(), is_text=True)
    stamp = LogTimestamp.objects.filter(head=head).first()
    return LogFile(bytes(stamp.answer)) if stamp else None


def _newest_stamps() -> QuerySet[LogTimestamp]:
    return LogTimestamp.objects.defer("answer")[:MOST_TIMESTAMPS]


def _stamp_line(stamp: LogTimestamp) -> str:
    return f"{stamp.head_id} {iso_z(stamp.stamped_at)}\n"


def _head_of(size: str) -> LogCheckpoint | None:
    if not (size.isascii() and size.isdigit() and len(size) < 19):
        return None
    return LogCheckpoint.objects.filter(size=int(size)).first()


def _tile(path: str) -> bytes | None:
    if len(path) > LONGEST_PATH:
        return None
    try:
        tile = parse_tile_path(path)
    except LogFormatError:
        return None
    if tile.start >= 2**62:
        return None
    if tile.level == ENTRIES:
        return entry_bundle(tile)
    row = LogTile.objects.filter(level=tile.level, index=tile.index).first()
    hashes = bytes(row.hashes) if row else b""
    wanted = tile.width * HASH_BYTES
    return hashes[:wanted] if len(hashes) >= wanted else None
