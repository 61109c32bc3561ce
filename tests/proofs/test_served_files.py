"""Strangers' tools find the log below /log/, as tlog-tiles has it."""

import pytest

from core.tlog.log_checkpoint import open_log_checkpoint
from core.tlog.merkle import inclusion_proof, leaf_hash, tree_root, verify_consistency
from core.tlog.note import parse_vkey
from core.tlog.tiles import reader_of, tiles_of, unpack_entries
from proofs import sealing, tree
from tests.proofs.conftest import ORIGIN

pytestmark = pytest.mark.django_db


def fetch(client, path):
    response = client.get(f"/log/{path}")
    assert response.status_code == 200, path
    return response


def test_a_reader_rebuilds_every_head_from_the_files_alone(client, log_key, append):
    heads = []
    for count in (1, 254, 3, 300):
        append(*(f"{count}-{i}" for i in range(count)))
        sealing.seal()
        heads.append(fetch(client, "checkpoint").content.decode())
    key = parse_vkey(fetch(client, "keys").content.decode())
    assert key == log_key
    roots = {}
    for text in heads:
        head, _ = open_log_checkpoint(text, origin=ORIGIN, keys=[key])
        read = reader_of(lambda tile: fetch(client, tile.path).content, head.size)
        assert tree_root(head.size, read) == head.root
        assert fetch(client, f"checkpoint/{head.size}").content.decode() == text
        roots[head.size] = head.root
    assert list(roots) == [2, 256, 259, 559]
    entries = [
        entry
        for index, width in ((0, ""), (1, ""), (2, ".p/47"))
        for entry in unpack_entries(
            fetch(client, f"tile/entries/{index:03}{width}").content
        )
    ]
    assert len(entries) == 559
    for index in (0, 255, 256, 558):
        path = inclusion_proof(index, 559, read)
        assert path == inclusion_proof(
            index, 559, tree.StoredTree([(index, 559)]).at(559)
        )
        assert read(0, index) == leaf_hash(entries[index])
    for old, root in roots.items():
        path = tree.prove_consistency(old, 559)
        verify_consistency(old=old, old_root=root, size=559, root=roots[559], path=path)
        assert tree.root_at(old) == root
    assert {tile.level for tile in tiles_of(559)} == {0, 1}


def test_a_file_that_is_final_may_be_kept_for_ever(client, log_key, append):
    append("a")
    sealing.seal()
    tile = fetch(client, "tile/0/000.p/2")
    assert tile["Cache-Control"] == "public, max-age=31536000, immutable"
    assert tile["Content-Type"] == "application/octet-stream"
    append("b")
    sealing.seal()
    assert fetch(client, "tile/0/000.p/2").content == tile.content
    head = fetch(client, "checkpoint")
    assert "no-cache" in head["Cache-Control"]
    assert head["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        *("checkpoint", "keys", "checkpoint/1", "checkpoint/x"),
        *("checkpoint/" + 30 * "9", "tile/0/000", "tile/0/000.p/1", "tile/0/00"),
        *("tile/entries/000.p/1", "tile/63/000", "tile/0/../0", "tile/0/000.p/256"),
        *("tile/0/" + 90 * "x999/" + "000", "tile/0/" + 10 * "x999/" + "000"),
    ],
)
def test_what_the_log_does_not_have_is_not_found(client, path):
    assert client.get(f"/log/{path}").status_code == 404
