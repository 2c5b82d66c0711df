"""The log of a partition as anybody can check it: what was changed, removed, inserted or swapped in it is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bridge.errors import VerificationFailed
from bridge.evidence.anchors import Statement, head_of, parsed_tree_head
from bridge.evidence.certificate_signature import message_of
from bridge.evidence.log_audit import LogAudit
from bridge.evidence.merkle import edge_of, leaf_hash
from bridge.evidence.proof_bundle import ProofBundle, parsed_bundle
from bridge.evidence.signed_note import parsed_note
from tests.evidence.signing_keys import NAME, ORIGIN, KnownKey, listed, signed_head

if TYPE_CHECKING:
    from collections.abc import Callable

KEY, NEXT, STRANGER = KnownKey(1), KnownKey(2), KnownKey(3)
CONTENTS = [b"certificate %d" % index for index in range(7)]
HASHES = [leaf_hash(one) for one in CONTENTS]
Log = tuple[list[tuple[bytes, bytes]], list[bytes]]
"""Keys and values of leaves; values of anchors."""


def head(size: int, key: KnownKey = KEY) -> bytes:
    return signed_head(key, edge_of(HASHES[:size]))


def whole_log() -> Log:
    leaves = [(b"3/%d" % index, one) for index, one in enumerate(HASHES)]
    statement = KEY.note(Statement(head_of(ORIGIN, edge_of(HASHES[:4])), 7).text(), ORIGIN)
    return leaves, [head(2), head(4), statement, head(6, NEXT), listed([KEY, NEXT]).encode(), head(7, NEXT)]


def audited(log: Log, *keys: KnownKey) -> LogAudit:
    audit = LogAudit(3, NAME, [key.public for key in keys or (KEY,)])
    leaves, anchors = log
    for offset, (key, value) in enumerate(leaves):
        audit.feed_leaf(key, value, offset)
    for offset, anchor in enumerate(anchors):
        audit.feed_anchor(anchor, offset)
    return audit


@pytest.mark.parametrize("known", [KEY, NEXT])
def test_a_log_is_sound_whichever_of_its_keys_is_known(known: KnownKey) -> None:
    audit = audited(whole_log(), known)
    assert audit.findings() == []
    assert (audit.heads, audit.leaves, len(audit.statements)) == (4, 7, 1)


def test_without_a_key_of_it_nothing_is_taken_for_sound() -> None:
    audit = audited(whole_log(), STRANGER)
    assert len(audit.findings()) == 5
    assert audit.heads == 0


def changed_leaf(log: Log) -> None:
    log[0][3] = b"3/3", leaf_hash(b"forged")


def leaf_removed(log: Log) -> None:
    del log[0][3]


def last_leaf_removed(log: Log) -> None:
    del log[0][-1]


def leaves_swapped(log: Log) -> None:
    (first, one), (second, other) = log[0][1:3]
    log[0][1:3] = [(first, other), (second, one)]


def leaf_written_again(log: Log) -> None:
    log[0].append((b"3/2", leaf_hash(b"forged")))


def leaf_of_another_partition(log: Log) -> None:
    log[0].append((b"4/0", HASHES[0]))


def head_forged(log: Log) -> None:
    log[1][1] = log[1][1].replace(b"\n4\n", b"\n5\n")


def head_of_a_stranger(log: Log) -> None:
    log[1][1] = head(4, STRANGER)


def head_of_another_tree(log: Log) -> None:
    log[1][1] = signed_head(KEY, edge_of([*HASHES[:3], leaf_hash(b"forged")]))


def head_of_another_log(log: Log) -> None:
    log[1][1] = signed_head(KEY, edge_of(HASHES[:4]), f"{NAME}/33")


def head_replayed(log: Log) -> None:
    log[1].append(log[1][0])


def list_forged(log: Log) -> None:
    log[1][4] = listed([KEY, STRANGER]).encode().replace(b"2026", b"2027")


def no_note(log: Log) -> None:
    log[1].append(b"something else")


@pytest.mark.parametrize(
    "tamper",
    [
        changed_leaf,
        leaf_removed,
        last_leaf_removed,
        leaves_swapped,
        leaf_written_again,
        leaf_of_another_partition,
        head_forged,
        head_of_a_stranger,
        head_of_another_tree,
        head_of_another_log,
        head_replayed,
        list_forged,
        no_note,
    ],
)
def test_what_was_tampered_with_is_found(tamper: Callable[[Log], None]) -> None:
    log = whole_log()
    tamper(log)
    assert audited(log).findings()


def bundle_of(audit: LogAudit, index: int, earlier: bytes = b"") -> ProofBundle:
    audit.findings()
    found = audit.proof(CONTENTS[index])
    growth = audit.consistency(parsed_tree_head(parsed_note(earlier).text), found.head) if earlier else []
    return ProofBundle(
        CONTENTS[index],
        found.origin,
        found.index,
        found.inclusion,
        found.checkpoint,
        signed_by=KEY.public.key_id,
        signature=KEY.signature(message_of(CONTENTS[index])),
        earlier=earlier,
        consistency=growth,
    )


@pytest.mark.parametrize("index", range(len(CONTENTS)))
def test_each_certificate_has_a_proof_that_stands_by_itself(index: int) -> None:
    bundle = bundle_of(audited(whole_log()), index, earlier=head(2))
    again = parsed_bundle(bundle.text())
    assert again == bundle
    assert again.check([KEY.public, NEXT.public]).size == 7


def test_a_certificate_that_is_not_there_or_not_covered_has_no_proof() -> None:
    leaves, anchors = whole_log()
    audit = audited((leaves, anchors[:2]))
    with pytest.raises(VerificationFailed, match="not covered"):
        audit.proof(CONTENTS[5])
    with pytest.raises(VerificationFailed, match="in no tree"):
        audit.proof(b"another certificate")


@pytest.mark.parametrize(
    "change",
    [
        {"record": CONTENTS[1]},
        {"index": 1},
        {"inclusion": []},
        {"checkpoint": head(7, STRANGER)},
        {"signature": bytes(64)},
        {"signed_by": STRANGER.public.key_id},
        {"origin": f"{NAME}/4"},
        {"earlier": signed_head(KEY, edge_of([leaf_hash(b"forged")] * 2))},
        {"consistency": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_proof_that_was_changed_is_refused(change: dict[str, Any]) -> None:
    bundle = bundle_of(audited(whole_log()), 2, earlier=head(2))
    with pytest.raises(VerificationFailed):
        replace(bundle, **change).check([KEY.public, NEXT.public])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"record": 1}', "null"])
def test_a_file_that_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed):
        parsed_bundle(text)


def test_what_is_signed_of_a_record_is_marked_as_such() -> None:
    assert message_of(b"record") == b"chatbridge/SessionRecord/v1\nrecord"
