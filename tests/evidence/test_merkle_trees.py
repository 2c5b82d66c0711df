"""Trees and proofs against the definitions of RFC 6962, and proofs that were tampered with."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import VerificationFailed
from bridge.evidence.merkle import MerkleTree, TreeEdge, edge_of, leaf_hash, node_hash
from bridge.evidence.proofs import check_consistency, check_inclusion

MOST = 70
LEAVES = [leaf_hash(b"%d" % number) for number in range(MOST)]
TREE = MerkleTree(LEAVES)


def defined_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def test_a_leaf_and_a_node_cannot_be_taken_for_each_other() -> None:
    assert leaf_hash(b"") == sha256(b"\x00").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()


@pytest.mark.parametrize("size", range(MOST + 1))
def test_edge_and_tree_have_the_root_of_the_definition(size: int) -> None:
    edge = edge_of(LEAVES[:size])
    assert edge.size == size
    assert len(edge.roots) == size.bit_count()
    assert edge.root() == TREE.root(size) == defined_root(LEAVES[:size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 33, 64, 70])
def test_every_leaf_is_proved_in_trees_of_every_size(size: int) -> None:
    for index in range(size):
        check_inclusion(LEAVES[index], index, size, TREE.inclusion(index, size), TREE.root(size))


def test_every_tree_is_proved_to_have_grown_from_every_earlier_one() -> None:
    for second in range(34):
        for first in range(second + 1):
            proof = TREE.consistency(first, second)
            check_consistency(first, second, proof, TREE.root(first), TREE.root(second))


def changed(proof: list[bytes], at: int) -> list[bytes]:
    return [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]


@given(st.integers(1, MOST).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))), st.data())
def test_no_changed_proof_of_inclusion_is_accepted(place: tuple[int, int], data: st.DataObject) -> None:
    size, index = place
    proof, root = TREE.inclusion(index, size), TREE.root(size)
    wrong = [
        (LEAVES[(index + 1) % MOST], index, size, proof, root),
        (LEAVES[index], index, size, [*proof, root], root),
        (LEAVES[index], index, size, proof, leaf_hash(root)),
        (LEAVES[index], size, size, proof, root),
    ]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (LEAVES[index], index, size, changed(proof, at), root),
            (LEAVES[index], index, size, proof[1:], root),
            (LEAVES[index], index ^ 1, size, proof, root),
        ]
    for leaf, number, of, path, head in wrong:
        with pytest.raises(VerificationFailed):
            check_inclusion(leaf, number, of, path, head)


@given(st.integers(1, MOST).flatmap(lambda second: st.tuples(st.integers(1, second), st.just(second))), st.data())
def test_no_changed_proof_of_consistency_is_accepted(sizes: tuple[int, int], data: st.DataObject) -> None:
    first, second = sizes
    proof, old, new = TREE.consistency(first, second), TREE.root(first), TREE.root(second)
    wrong = [(proof, leaf_hash(old), new), (proof, old, leaf_hash(new)), ([*proof, new], old, new)]
    if proof:
        wrong += [(changed(proof, data.draw(st.integers(0, len(proof) - 1))), old, new), (proof[1:], old, new)]
    for path, root, later in wrong:
        with pytest.raises(VerificationFailed):
            check_consistency(first, second, path, root, later)


def test_a_history_that_was_rewritten_is_no_earlier_state() -> None:
    other = MerkleTree([*LEAVES[:4], leaf_hash(b"another"), *LEAVES[5:]])
    for first in range(5, MOST):
        with pytest.raises(VerificationFailed):
            check_consistency(first, MOST, other.consistency(first, MOST), TREE.root(first), other.root(MOST))


def test_what_cannot_be_is_refused() -> None:
    for refused in (lambda: TREE.inclusion(5, 5), lambda: TREE.inclusion(0, MOST + 1), lambda: TREE.root(MOST + 1)):
        with pytest.raises(ValueError, match="no "):
            refused()
    with pytest.raises(ValueError, match="no tree"):
        TREE.consistency(3, 2)
    with pytest.raises(ValueError, match="are not the edge"):
        TreeEdge(2, (b"x" * 32, b"y" * 32))
    with pytest.raises(VerificationFailed):
        check_consistency(3, 2, [], TREE.root(3), TREE.root(2))
