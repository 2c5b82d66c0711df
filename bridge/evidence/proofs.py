"""Checks of proofs of inclusion and of consistency, as RFC 9162 (2.1.3.2, 2.1.4.2) describes them for these trees.

They need the proof and the roots only, and none of the code that makes proofs.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from bridge.errors import VerificationFailed
from bridge.evidence.merkle import node_hash

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise VerificationFailed unless the leaf with this hash has this index in the tree of this size and root."""
    if not 0 <= index < size:
        raise VerificationFailed(f"a proof of leaf {index} in a tree of {size} leaves")
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise VerificationFailed("a proof of inclusion with more hashes than the tree has levels")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise VerificationFailed("a proof of inclusion with fewer hashes than the tree has levels")
    if found != root:
        raise VerificationFailed(f"the leaf {index} is not in the tree of {size} leaves with this root")


def check_consistency(first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes) -> None:
    """Raise VerificationFailed unless the tree of `second` leaves has grown from that of `first`."""
    if not 0 <= first <= second:
        raise VerificationFailed(f"a tree of {second} leaves has not grown from one of {first}")
    if first in (0, second):
        if proof:
            raise VerificationFailed("a proof of consistency where there is nothing to prove")
        if first_root != (second_root if first else sha256().digest()):
            raise VerificationFailed(f"two trees of {first} leaves have different roots")
        return
    path = [first_root, *proof] if not first & (first - 1) else list(proof)
    if not path:
        raise VerificationFailed("an empty proof of consistency")
    if _roots(first, second, path) != (first_root, second_root):
        raise VerificationFailed(f"the tree of {second} leaves has not grown from that of {first} leaves")


def _roots(first: int, second: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees that a proof of consistency leads to."""
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationFailed("a proof of consistency with more hashes than the tree has levels")
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise VerificationFailed("a proof of consistency with fewer hashes than the tree has levels")
    return old, new
