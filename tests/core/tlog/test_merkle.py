"""Roots and proofs of trees: RFC 6962's shapes, at any size and index."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from pymerkle import verify_consistency as second_consistency

from core.tlog.errors import ProofError
from core.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

# The entries and roots of the test data of Certificate Transparency's first log.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(index).encode()) for index in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size):
    tree = MemoryTree(map(leaf_hash, ENTRIES[:size]))
    assert tree.root().hex() == ROOTS[size - 1]


def test_the_root_of_no_leaves_is_the_hash_of_nothing():
    assert MemoryTree().root() == hashlib.sha256(b"").digest() == EMPTY_ROOT


def test_a_leaf_is_never_taken_for_a_node():
    a, b = leaves(2)
    assert leaf_hash(a + b) != node_hash(a, b)


def test_an_odd_leaf_is_not_doubled():
    three = MemoryTree(leaves(3))
    assert three.root() != MemoryTree([*leaves(3), leaves(3)[2]]).root()


def test_the_published_audit_path_of_leaf_5_of_8():
    tree = MemoryTree(map(leaf_hash, ENTRIES))
    path = inclusion_proof(5, 8, tree)
    assert [node.hex() for node in path] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_the_published_consistency_proof_of_6_and_8():
    tree = MemoryTree(map(leaf_hash, ENTRIES))
    path = consistency_proof(6, 8, tree)
    assert [node.hex() for node in path] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.data(), st.integers(1, 300))
def test_every_leaf_of_every_tree_is_proven_in_it_and_in_no_other(data, size):
    index = data.draw(st.integers(0, size - 1))
    every = leaves(size)
    tree = MemoryTree(every)
    root = tree.root()
    proof = {
        "leaf": every[index],
        "index": index,
        "size": size,
        "path": inclusion_proof(index, size, tree),
        "root": root,
    }
    verify_inclusion(**proof)
    other = data.draw(
        st.sampled_from(
            [
                {"leaf": leaf_hash(b"other")},
                {"index": index + 1},
                {"index": index - 1},
                {"root": leaf_hash(b"other")},
                {"path": [*proof["path"], root]},
                {"path": proof["path"][1:]} if size > 1 else {"size": 0},
            ]
        )
    )
    with pytest.raises(ProofError):
        verify_inclusion(**(proof | other))


@given(st.data(), st.integers(1, 300))
def test_every_tree_is_the_beginning_of_every_longer_one(data, size):
    old = data.draw(st.integers(0, size))
    tree = MemoryTree(leaves(size))
    proof = {
        "old": old,
        "old_root": tree_root(old, tree),
        "size": size,
        "root": tree.root(),
        "path": consistency_proof(old, size, tree),
    }
    verify_consistency(**proof)
    changes = [
        {"old_root": leaf_hash(b"other")},
        {"path": [*proof["path"], tree.root()]},
        {"old": size + 1},
    ]
    if old:
        changes.append({"root": leaf_hash(b"other")})
    if proof["path"]:
        changes.append({"path": proof["path"][:-1]})
    with pytest.raises(ProofError):
        verify_consistency(**(proof | data.draw(st.sampled_from(changes))))


@given(st.data(), st.integers(2, 200))
def test_a_rewritten_beginning_has_no_proof(data, size):
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    before = MemoryTree(leaves(old))
    rewritten = leaves(size)
    rewritten[changed] = leaf_hash(b"rewritten")
    after = MemoryTree(rewritten)
    with pytest.raises(ProofError):
        verify_consistency(
            old=old,
            old_root=before.root(),
            size=size,
            root=after.root(),
            path=consistency_proof(old, size, after),
        )


@given(st.data(), st.integers(1, 70))
def test_pymerkle_agrees_on_roots_and_proofs(data, size):
    index = data.draw(st.integers(0, size - 1))
    entries = [str(number).encode() for number in range(size)]
    second = InmemoryTree(algorithm="sha256")
    for entry in entries:
        second.append_entry(entry)
    tree = MemoryTree(map(leaf_hash, entries))
    leaf, *path = second.prove_inclusion(index + 1).serialize()["path"]
    assert second.get_root() == tree.root()
    assert leaf == leaf_hash(entries[index]).hex()
    assert path == [node.hex() for node in inclusion_proof(index, size, tree)]
    if index > 0:
        older = tree_root(index, tree)
        second_consistency(older, tree.root(), second.prove_consistency(index, size))


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_there_is_no_proof_of_a_leaf_beyond_the_tree(index, size):
    tree = MemoryTree(leaves(4))
    with pytest.raises(ValueError, match="is not in a tree of"):
        inclusion_proof(index, size, tree)


@pytest.mark.parametrize(("old", "size"), [(5, 4), (-1, 4)])
def test_there_is_no_proof_of_a_tree_that_shrinks(old, size):
    with pytest.raises(ValueError, match="is no beginning of"):
        consistency_proof(old, size, MemoryTree(leaves(4)))


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_grows_to_the_root_of_each_longer_tree(start, more):
    entries = leaves(start + more)
    before = inclusion_proof(start, start + 1, MemoryTree(leaves(start + 1)))
    frontier = Frontier(start, reversed(before))
    for size in range(start, start + more + 1):
        assert frontier.root() == tree_root(size, MemoryTree(entries[:size]))
        if size < start + more:
            frontier.append(entries[size])


@pytest.mark.parametrize(("size", "nodes"), [(3, 1), (0, 1), (4, 0), (-1, 0)])
def test_a_frontier_has_the_subtrees_of_its_size(size, nodes):
    with pytest.raises(ProofError, match="not the subtrees"):
        Frontier(size, leaves(nodes))
