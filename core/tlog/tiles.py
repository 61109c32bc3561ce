"""Name and cut the static files of a log: tiles of hashes and bundles of entries.

Format: c2sp.org/tlog-tiles. A tile has 256 hashes of one height; level 0 has the
leaves' hashes, each higher level the roots of the full tiles below it. The rightmost
tile of a level is partial as long as it has fewer.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .errors import LogFormatError
from .merkle import HASH_BYTES, ReadHash, node_hash

WIDTH = 256
HEIGHT = 8  # of the subtree over the hashes of a tile
LARGEST_ENTRY_BYTES = 65_535
ENTRIES = -1  # the level that stands for bundles of entries

_INDEX = r"(?:x[0-9]{3}/)*[0-9]{3}"
_PATH = re.compile(
    rf"tile/(?P<level>0|[1-9][0-9]?|entries)/(?P<index>{_INDEX})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, order=True)
class Tile:
    """The place of a tile, or at level ENTRIES of a bundle; `width` is 1 to 256."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Return its address below the log's prefix: `tile/0/x001/234.p/7`."""
        level = "entries" if self.level == ENTRIES else self.level
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_index_path(self.index)}{partial}"

    @property
    def start(self) -> int:
        """Return the position of its first hash among those of its level."""
        return self.index * WIDTH


def parse_tile_path(path: str) -> Tile:
    """Return the tile of an address; raises LogFormatError for any other spelling."""
    found = _PATH.fullmatch(path)
    if not found:
        raise LogFormatError("this is no address of a tile")
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    index = int(found["index"].replace("x", "").replace("/", ""))
    tile = Tile(level, index, int(found["width"] or WIDTH))
    if tile.path != path or level > 63:  # 256 spelt out, zeros in front
        raise LogFormatError("this is no address of a tile")
    return tile


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of hashes of a tree of `size` leaves, lowest level first.

    `since`: only those that a tree of so many leaves has not.
    """
    level = 0
    while size >> (HEIGHT * level):
        before, now = since >> (HEIGHT * level), size >> (HEIGHT * level)
        if before != now:
            for index in range(before // WIDTH, -(-now // WIDTH)):
                yield Tile(level, index, min(WIDTH, now - index * WIDTH))
        level += 1


def reader_of(read_tile: Callable[[Tile], bytes], size: int) -> ReadHash:
    """Return how proofs of a tree of `size` leaves read its perfect subtrees.

    `read_tile` returns the bytes of a tile, 32 a hash; each tile is read once.
    """
    known: dict[Tile, list[list[bytes]]] = {}

    def read(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        tile_index, offset = divmod(first, WIDTH)
        hashes = size >> (HEIGHT * tile_level)
        tile = Tile(tile_level, tile_index, min(WIDTH, hashes - tile_index * WIDTH))
        if tile not in known:
            known[tile] = _levels(read_tile(tile), tile)
        return known[tile][height][offset >> height]

    return read


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """Return a bundle: each entry behind its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(data: bytes) -> list[bytes]:
    """Return the entries of a bundle; raises LogFormatError when one is cut off."""
    entries, position = [], 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise LogFormatError("the last entry of the bundle is cut off")
        entries.append(data[start:position])
    return entries


def _index_path(index: int) -> str:
    last = f"{index % 1000:03}"
    parts = []
    while index := index // 1000:
        parts.append(f"x{index % 1000:03}")
    return "/".join([*reversed(parts), last])


def _levels(data: bytes, tile: Tile) -> list[list[bytes]]:
    if len(data) != tile.width * HASH_BYTES:
        raise LogFormatError(f"{tile.path} has {len(data)} bytes")
    nodes = [
        data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)
    ]
    levels = [nodes]
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=False)  # an odd one waits
        nodes = [node_hash(left, right) for left, right in pairs]
        levels.append(nodes)
    return levels
