"""Heads, proofs and key lists before a judge who knows nothing of this program: Go's own libraries for such logs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.evidence.anchors import Statement, head_of
from bridge.evidence.merkle import MerkleTree, edge_of, leaf_hash
from tests.evidence.judgement import ACCEPTED, JudgeQuestion, judged
from tests.evidence.signing_keys import ORIGIN, KnownKey, listed, signed_head

SIZES: Final = (*range(1, 18), 31, 32, 33, 100, 127, 128, 129)
CONTENTS: Final = [b"certificate %d" % index for index in range(max(SIZES))]
TREE: Final = MerkleTree([leaf_hash(one) for one in CONTENTS])
KEY, OTHER = KnownKey(1), KnownKey(2)
KEYS: Final = (str(KEY.public.named(ORIGIN)),)


def head(size: int, key: KnownKey = KEY) -> bytes:
    return signed_head(key, edge_of([leaf_hash(one) for one in CONTENTS[:size]]))


def inclusion(index: int, size: int) -> JudgeQuestion:
    return JudgeQuestion(
        "inclusion", KEYS, head(size), leaf=CONTENTS[index], index=index, inclusion=TREE.inclusion(index, size)
    )


def consistency(first: int, second: int) -> JudgeQuestion:
    proof = TREE.consistency(first, second)
    return JudgeQuestion("consistency", KEYS, head(second), earlier=head(first), consistency=proof)


def changed(value: bytes, at: int = 0) -> bytes:
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def test_heads_and_proofs_of_every_size_are_accepted() -> None:
    questions = [
        *(JudgeQuestion("head", KEYS, head(size)) for size in (0, *SIZES)),
        *(inclusion(index, size) for size in SIZES for index in {0, size // 3, size // 2, size - 1}),
        *(consistency(first, second) for second in SIZES for first in SIZES if first <= second),
    ]
    assert set(judged(questions)) == {ACCEPTED}


def test_what_was_tampered_with_is_rejected() -> None:
    fine, grown = inclusion(5, 13), consistency(6, 13)
    forged = head(13).replace(b"\n13\n", b"\n14\n")
    questions = [
        replace(fine, leaf=CONTENTS[6]),
        replace(fine, index=6),
        replace(fine, inclusion=[changed(fine.inclusion[0]), *fine.inclusion[1:]]),
        replace(fine, inclusion=fine.inclusion[:-1]),
        replace(fine, note=head(12)),
        replace(fine, note=forged),
        replace(fine, keys=(str(OTHER.public.named(ORIGIN)),)),
        replace(fine, keys=(str(KEY.public),)),
        replace(fine, origin="another/3"),
        replace(grown, earlier=head(5)),
        replace(grown, consistency=[*grown.consistency, changed(grown.consistency[0])]),
        replace(grown, consistency=[changed(one) for one in grown.consistency]),
        replace(grown, note=grown.earlier, earlier=grown.note),
    ]
    assert [one for one, answer in zip(questions, judged(questions), strict=True) if answer == ACCEPTED] == []


def test_statements_and_lists_of_keys_are_notes_that_are_accepted() -> None:
    statement = KEY.note(Statement(head_of(ORIGIN, edge_of([])), 7).text(), ORIGIN)
    *_, last = listed([KEY, OTHER]).split(f"{KEY.public.name}/keys\n")
    entry = f"{KEY.public.name}/keys\n{last}".encode()
    questions = [
        JudgeQuestion("note", KEYS, statement),
        JudgeQuestion("note", (str(KEY.public),), entry),
        JudgeQuestion("note", (str(OTHER.public),), entry),
        JudgeQuestion("note", (str(OTHER.public), str(KEY.public)), entry),
    ]
    assert judged(questions) == [ACCEPTED] * 4
    altered = [replace(one, note=one.note.replace(b"at 7", b"at 8").replace(b"2026", b"2027")) for one in questions]
    assert ACCEPTED not in judged(altered)
