"""Compute roots and proofs of Merkle trees, and verify the proofs (RFC 6962, 2.1).

A tree is read through a function `(level, index) -> hash`. It returns the hash of the
perfect subtree over the leaves from `index * 2**level` to `(index + 1) * 2**level`: so
a list in memory and the tiles of a log on disk are read alike. A proof in a tree of n
leaves has at most log2(n) + 1 hashes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from .errors import ProofError

ReadHash = Callable[[int, int], bytes]

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()
_NODE = sha256(b"\x01")


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


class MemoryTree:
    """The perfect subtrees over a list of leaf hashes; call it to read one.

    Memory: two hashes a leaf. `append` adds one leaf in amortised constant time.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_pairs(self._levels[-1]))

    def __len__(self) -> int:
        return len(self._levels[0])

    def __call__(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash, and each perfect subtree that it completes."""
        level, node = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
            nodes = self._levels[level]
            nodes.append(node)
            if len(nodes) % 2:
                return
            level, node = level + 1, node_hash(nodes[-2], nodes[-1])

    def root(self) -> bytes:
        return tree_root(len(self), self)


class Frontier:
    """The perfect subtrees that make up a tree of `size` leaves, the largest first.

    They suffice for its root, and for the root of every larger tree. Raises ProofError
    when their number is not that of the size.
    """

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size, self._nodes = size, list(nodes)
        if size < 0 or len(self._nodes) != size.bit_count():
            raise ProofError(f"these are not the subtrees of {size} leaves")

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        self._nodes.append(leaf)
        self.size += 1
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self._nodes.pop()
            self._nodes.append(node_hash(self._nodes.pop(), right))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self._nodes:
            return EMPTY_ROOT
        *lefts, found = self._nodes
        for left in reversed(lefts):
            found = node_hash(left, found)
        return found


def tree_root(size: int, read: ReadHash) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over a list of leaf hashes; faster than a MemoryTree."""
    if not leaves:
        return EMPTY_ROOT
    nodes = list(leaves)
    while len(nodes) > 1:
        above = _pairs(nodes)
        if len(nodes) % 2:
            above.append(nodes[-1])
        nodes = above
    return nodes[0]


def inclusion_proof(index: int, size: int, read: ReadHash) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves (2.1.1).

    From the leaf's sibling up to the root's child. Raises ValueError for an index that
    the tree does not have.
    """
    return [sibling for sibling, _ in sided_path(index, size, read)]


def sided_path(index: int, size: int, read: ReadHash) -> list[tuple[bytes, bool]]:
    """Return the audit path with whether each sibling is the left one of its pair.

    Raises ValueError for an index that the tree does not have.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    path = []
    level, node, last = 0, index, size - 1
    while last:
        if node & 1:
            path.append((read(level, node - 1), True))
        elif node + 1 < last or node + 2 << level == size:
            path.append((read(level, node + 1), False))
        elif node < last:  # the last of its height is no whole subtree
            path.append((_range_hash(node + 1 << level, size, read), False))
        # else it is the last of its height itself, and goes up as it is
        level, node, last = level + 1, node >> 1, last >> 1
    return path


def consistency_proof(old: int, size: int, read: ReadHash) -> list[bytes]:
    """Return the proof that the first `old` leaves are unchanged at `size` (2.1.2).

    Empty for equal sizes and for `old` 0. Raises ValueError for sizes that descend.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {size}")
    path: list[bytes] = []
    if old in {0, size}:
        return path
    start, end, is_whole = 0, size, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, read))
            end = middle
        else:
            path.append(_range_hash(start, middle, read))
            start, is_whole = middle, False
    if not is_whole:  # the verifier knows the old root itself
        path.append(_range_hash(start, end, read))
    return path[::-1]


def verify_inclusion(
    *, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check the audit path of a leaf; raises ProofError (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    found = leaf
    for sibling, is_left in _climb(index, size - 1, path):
        found = node_hash(sibling, found) if is_left else node_hash(found, sibling)
    if found != root:
        raise ProofError("the path leads to another root")


def verify_consistency(
    *,
    old: int,
    old_root: bytes,
    size: int,
    root: bytes,
    path: Sequence[bytes],
) -> None:
    """Check that one tree is the beginning of another; raises ProofError (2.1.4.2)."""
    if not 0 <= old <= size:
        raise ProofError(f"a tree of {old} leaves is no beginning of one of {size}")
    if old in {0, size}:
        if path or old_root != (EMPTY_ROOT if old == 0 else root):
            raise ProofError("the older tree has another root")
        return
    # The older tree's last perfect subtree is on both ways up; it stands first.
    if old & (old - 1) == 0:
        path = [old_root, *path]
    if not path:
        raise ProofError("the proof is empty")
    node, last = old - 1, size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for sibling, is_left in _climb(node, last, path[1:]):
        if is_left:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
        else:
            newer = node_hash(newer, sibling)
    if older != old_root:
        raise ProofError("the older tree has another root")
    if newer != root:
        raise ProofError("the newer tree has another root")


def _climb(node: int, last: int, path: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each hash of a path, and whether it is the left one of its pair.

    `last` is the rightmost node of the first height. Raises ProofError when the path
    ends below the root or goes on above it.
    """
    for sibling in path:
        if last == 0:
            raise ProofError("the path is longer than the tree is high")
        is_left = node % 2 == 1 or node == last
        yield sibling, is_left
        while is_left and node and node % 2 == 0:  # up past missing right siblings
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the path is shorter than the tree is high")


def _pairs(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the hashes of neighbours; an odd one at the end is left out."""
    each, above = iter(nodes), []
    begun = _NODE.copy  # quicker than a new SHA-256
    for left, right in zip(each, each, strict=False):
        node = begun()
        node.update(left)
        node.update(right)
        above.append(node.digest())
    return above


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(start: int, end: int, read: ReadHash) -> bytes:
    """Return the hash over leaves `start` to `end`, where `start` begins a subtree."""
    # From the right: each perfect subtree is as large as a bit of what is left.
    size = end - start
    lowest = size & -size
    level = lowest.bit_length() - 1
    found = read(level, end - lowest >> level)
    while size := size - lowest:
        end -= lowest
        lowest = size & -size
        level = lowest.bit_length() - 1
        found = node_hash(read(level, end - lowest >> level), found)
    return found
