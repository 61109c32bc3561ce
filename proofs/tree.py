"""Read and extend the log's tree, which is kept as tiles."""

from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet

from core.tlog.merkle import (
    HASH_BYTES,
    ReadHash,
    consistency_proof,
    root_of,
    tree_root,
)
from core.tlog.tiles import HEIGHT, WIDTH, Tile, reader_of
from proofs.models import LogTile

Place = tuple[int, int]  # level and index of a tile
_LEVELS = 8  # of tiles, in a log of up to 2**64 leaves


class Edge:
    """The rightmost tiles of a tree of `size` leaves; leaves are appended to them.

    They suffice for the root. `changed` are the tiles that have grown.
    """

    def __init__(self, size: int, tiles: Iterable[LogTile]) -> None:
        self.size = size
        self._hashes: dict[Place, list[bytes]] = {
            (tile.level, tile.index): split(bytes(tile.hashes)) for tile in tiles
        }
        self._changed: set[Place] = set()

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash, and above it the root of each tile that it fills."""
        level, position, node = 0, self.size, leaf
        self.size += 1
        while True:
            place = level, position // WIDTH
            hashes = self._hashes.setdefault(place, [])
            hashes.append(node)
            self._changed.add(place)
            if len(hashes) < WIDTH:
                return
            node = root_of(hashes)
            level, position = level + 1, position // WIDTH

    def root(self) -> bytes:
        return tree_root(self.size, reader_of(self._read, self.size))

    def changed(self) -> list[LogTile]:
        """Return the tiles that have grown, whole, to be stored."""
        return [
            LogTile(
                level=level, index=index, hashes=b"".join(self._hashes[level, index])
            )
            for level, index in sorted(self._changed)
        ]

    def _read(self, tile: Tile) -> bytes:
        hashes = self._hashes.get((tile.level, tile.index), [])
        return b"".join(hashes[: tile.width])


def split(data: bytes) -> list[bytes]:
    """Return the hashes of a tile's bytes."""
    return [
        data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)
    ]


def read_edge(size: int) -> Edge:
    """Return the rightmost tiles of the stored tree; one statement."""
    return Edge(size, _tiles(_places(size - 1, size)) if size else ())


def store(tiles: Sequence[LogTile]) -> None:
    """Insert tiles, or replace their earlier, shorter ones; one statement."""
    LogTile.objects.bulk_create(
        tiles,
        update_conflicts=True,
        unique_fields=["level", "index"],
        update_fields=["hashes"],
    )


def root_at(size: int) -> bytes:
    """Return the root of the first `size` leaves; one statement."""
    return tree_root(size, StoredTree([(size - 1, size)]).at(size))


def prove_consistency(old: int, size: int) -> list[bytes]:
    """Return the proof that the first `old` leaves are the beginning of `size`."""
    return consistency_proof(old, size, StoredTree([(old - 1, size)]).at(size))


class StoredTree:
    """The tiles that some paths need, read with one statement.

    `paths` are leaves and sizes of trees: a path needs the tiles above its leaf, and
    those of the tree's right edge.
    """

    def __init__(self, paths: Iterable[tuple[int, int]]) -> None:
        places = {
            place
            for index, size in paths
            if size
            for each in (max(index, 0), size - 1)
            for place in _places(each, size)
        }
        rows = _tiles(places) if places else ()
        self._stored = {(row.level, row.index): bytes(row.hashes) for row in rows}

    def at(self, size: int) -> ReadHash:
        """Return how paths in the tree of `size` leaves are read."""
        return reader_of(self._read, size)

    def _read(self, tile: Tile) -> bytes:
        hashes = self._stored.get((tile.level, tile.index), b"")
        return hashes[: tile.width * HASH_BYTES]


def _places(index: int, size: int) -> list[Place]:
    """Return the tiles above a leaf; where they are not filled, the last of a level."""
    return [
        (level, min(index >> HEIGHT * level, (size >> HEIGHT * level) - 1) // WIDTH)
        for level in range(_LEVELS)
        if size >> HEIGHT * level
    ]


def _tiles(places: Iterable[Place]) -> QuerySet[LogTile]:
    by_level: dict[int, set[int]] = {}
    for level, index in places:
        by_level.setdefault(level, set()).add(index)
    wanted = Q()
    for level, indices in by_level.items():
        wanted |= Q(level=level, index__in=indices)
    return LogTile.objects.filter(wanted)
