"""Tiles: their addresses, which a tree has, and proofs read from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tlog.errors import LogFormatError
from core.tlog.merkle import (
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
)
from core.tlog.tiles import (
    ENTRIES,
    HEIGHT,
    Tile,
    pack_entries,
    parse_tile_path,
    reader_of,
    tiles_of,
    unpack_entries,
)

LEAVES = [leaf_hash(str(index).encode()) for index in range(1500)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 0, 7), "tile/0/000.p/7"),
        (Tile(2, 1_234_067), "tile/2/x001/x234/067"),
        (Tile(1, 1000, 255), "tile/1/x001/000.p/255"),
        (Tile(ENTRIES, 12), "tile/entries/012"),
    ],
)
def test_addresses_are_those_of_the_specification(tile, path):
    assert tile.path == path
    assert parse_tile_path(path) == tile


@given(st.integers(-1, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_every_address_is_read_back(level, index, width):
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/000/",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
    ],
)
def test_there_is_one_spelling_of_an_address(path):
    with pytest.raises(LogFormatError):
        parse_tile_path(path)


def test_the_tiles_of_70_000_leaves_are_those_that_the_specification_names():
    tiles = list(tiles_of(70_000))
    assert len(tiles) == 273 + 1 + 1 + 1 + 1
    assert [tile for tile in tiles if tile.width < 256 or tile.level] == [
        Tile(0, 273, 112),
        Tile(1, 0),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]


def test_a_full_tile_is_followed_by_a_partial_one_above():
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.integers(0, 1400), st.integers(0, 100))
def test_new_tiles_are_those_that_the_older_tree_has_not(old, more):
    had, has = set(tiles_of(old)), set(tiles_of(old + more))
    assert set(tiles_of(old + more, since=old)) == has - had


@given(st.data(), st.integers(1, len(LEAVES)))
def test_proofs_from_tiles_are_those_from_memory(data, size):
    index = data.draw(st.integers(0, size - 1))
    tree = MemoryTree(LEAVES[:size])
    asked = []

    def read_tile(tile: Tile) -> bytes:
        asked.append(tile)
        first = tile.index * 256
        return b"".join(
            tree(tile.level * HEIGHT, place)
            for place in range(first, first + tile.width)
        )

    read = reader_of(read_tile, size)
    assert tree_root(size, read) == tree.root()
    assert inclusion_proof(index, size, read) == inclusion_proof(index, size, tree)
    assert consistency_proof(index, size, read) == consistency_proof(index, size, tree)
    assert len(asked) == len(set(asked))
    assert set(asked) <= set(tiles_of(size))


def test_a_tile_of_another_length_is_refused():
    with pytest.raises(LogFormatError, match=r"tile/0/000\.p/2 has 32 bytes"):
        tree_root(2, reader_of(lambda _: b"1" * 32, 2))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_gives_back_its_entries(entries):
    assert unpack_entries(pack_entries(entries)) == entries


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x01a\x01"])
def test_a_bundle_that_was_cut_off_is_refused(data):
    with pytest.raises(LogFormatError, match="cut off"):
        unpack_entries(data)
