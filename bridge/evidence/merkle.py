"""Merkle trees as RFC 6962 defines them: hashes, the right edge of a growing tree, and proofs from it.

The hash of a leaf is SHA-256(0x00 || its bytes), that of a node SHA-256(0x01 || left || right). The tree over n leaves
splits at the largest power of two below n. What checks proofs is in `proofs.py`, and shares only the hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES: Final = 32
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(_LEAF + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(_NODE + left + right).digest()


@dataclass(slots=True, frozen=True)
class TreeEdge:
    """All that is needed to append to a tree: its size, and the roots of its complete subtrees, the largest first."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError when there are not as many roots as a tree of this size has."""
        if len(self.roots) != self.size.bit_count() or any(len(one) != HASH_BYTES for one in self.roots):
            raise ValueError(f"{len(self.roots)} roots are not the edge of a tree of {self.size} leaves")

    def appended(self, leaf: bytes) -> TreeEdge:
        """Return the edge after one more leaf, given its hash."""
        roots, rest = [*self.roots, leaf], self.size
        while rest & 1:
            right, left = roots.pop(), roots.pop()
            roots.append(node_hash(left, right))
            rest >>= 1
        return TreeEdge(self.size + 1, tuple(roots))

    def root(self) -> bytes:
        """Return the root of the tree; that of the empty one is the hash of nothing."""
        if not self.roots:
            return sha256().digest()
        *others, found = self.roots
        for left in reversed(others):
            found = node_hash(left, found)
        return found


def edge_of(leaves: Iterable[bytes]) -> TreeEdge:
    """Return the edge of a tree with these hashes of leaves."""
    edge = TreeEdge()
    for leaf in leaves:
        edge = edge.appended(leaf)
    return edge


class MerkleTree:
    """A whole tree, given the hashes of its leaves: proves what is in it, also as of an earlier size.

    Memory is twice that of the leaves; a proof takes O(log n) steps, squared.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Compute the hashes of all complete subtrees."""
        self._levels = [list(leaves)]  # level k: roots of subtrees of 2**k leaves
        while len(below := self._levels[-1]) > 1:
            self._levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves. Raises ValueError when there are not so many."""
        if not 0 <= size <= self.size:
            raise ValueError(f"no tree of {size} leaves: there are {self.size}")
        return self._root(0, size) if size else sha256().digest()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that leaf `index` is in the tree of the first `size` leaves. Raises ValueError."""
        if not 0 <= index < size <= self.size:
            raise ValueError(f"no leaf {index} in a tree of {size} leaves: there are {self.size}")
        proof: list[bytes] = []
        start = 0
        while size > 1:
            left = _split(size)
            if index - start < left:
                proof.append(self._root(start + left, size - left))
                size = left
            else:
                proof.append(self._root(start, left))
                start, size = start + left, size - left
        return proof[::-1]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return the proof that the tree of the first `second` leaves has grown from that of `first`.

        It is empty if one of them is empty, or both are the same. Raises ValueError.
        """
        if not 0 <= first <= second <= self.size:
            raise ValueError(f"no tree of {second} leaves has grown from one of {first}: there are {self.size}")
        proof: list[bytes] = []
        start, size, whole = 0, second, True
        while first and first != size:
            left = _split(size)
            if first <= left:
                proof.append(self._root(start + left, size - left))
                size = left
            else:
                proof.append(self._root(start, left))
                start, size, first, whole = start + left, size - left, first - left, False
        if first and not whole:
            proof.append(self._root(start, size))
        return proof[::-1]

    def _root(self, start: int, size: int) -> bytes:
        """Return the root of a range whose start is a multiple of the power of two that holds its size."""
        level = size.bit_length() - 1
        if size == 1 << level:
            return self._levels[level][start >> level]
        left = _split(size)
        return node_hash(self._root(start, left), self._root(start + left, size - left))


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
