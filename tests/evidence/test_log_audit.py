"""The log of a partition as anybody can check it: what was changed, removed, inserted or swapped in it is found."""

from __future__ import annotations

import json
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


def statement(size: int, key: KnownKey = KEY, part: int = 1, parts: int = 1) -> bytes:
    return key.note(Statement(head_of(ORIGIN, edge_of(HASHES[:size])), size, part, parts).text(), ORIGIN)


def whole_log() -> Log:
    leaves = [(b"3/%d" % index, one) for index, one in enumerate(HASHES)]
    anchors = [head(2), statement(2), head(4), statement(4, part=1, parts=2), statement(4, part=2, parts=2)]
    later = [head(6, NEXT), statement(6, NEXT), listed([KEY, NEXT]).encode(), head(7, NEXT), statement(7, NEXT)]
    return leaves, anchors + later


def audited(log: Log, *keys: KnownKey, first: int = 0) -> LogAudit:
    audit = LogAudit(3, NAME, [key.public for key in keys or (KEY,)])
    leaves, anchors = log
    for offset, (key, value) in enumerate(leaves):
        audit.feed_leaf(key, value, offset)
    for offset, anchor in enumerate(anchors, first):
        audit.feed_anchor(anchor, offset)
    return audit


@pytest.mark.parametrize("known", [KEY, NEXT])
def test_a_log_is_sound_whichever_of_its_keys_is_known(known: KnownKey) -> None:
    audit = audited(whole_log(), known)
    assert audit.findings() == []
    assert (audit.heads, audit.leaves, len(audit.statements), audit.uncovered) == (4, 7, 5, 0)


def test_without_a_key_of_it_nothing_is_taken_for_sound() -> None:
    audit = audited(whole_log(), STRANGER)
    assert len(audit.findings()) == 10  # each note, and that the leaves have no head
    assert audit.heads == 0


def test_leaves_without_any_head_are_found_where_the_anchors_were_read() -> None:
    audit = audited((whole_log()[0], []))
    assert audit.uncovered == 7
    assert audit.findings(anchors=False) == []
    assert [one.message for one in audit.findings()] == [
        f"partition 3: {ORIGIN}: 7 leaves, and no signed head of them is on the anchors topic"
    ]


def test_heads_are_not_compared_with_leaves_that_may_not_be_read() -> None:
    _, anchors = whole_log()
    assert audited(([], anchors)).findings(leaves=False) == []
    assert audited(([], anchors[:-1])).findings(leaves=False)
    assert audited(([], anchors)).findings()


def test_leaves_after_the_last_head_are_counted() -> None:
    leaves, anchors = whole_log()
    audit = audited((leaves, anchors[:5]))
    assert audit.findings() == []
    assert audit.uncovered == 3


def test_what_retention_left_of_the_first_anchor_is_no_finding() -> None:
    leaves, anchors = whole_log()
    assert audited((leaves, anchors[1:]), first=1).findings() == []
    assert audited((leaves, anchors[1:])).findings()


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
    log[1][2] = log[1][2].replace(b"\n4\n", b"\n5\n")


def head_of_a_stranger(log: Log) -> None:
    log[1][2] = head(4, STRANGER)


def head_of_another_tree(log: Log) -> None:
    log[1][2] = signed_head(KEY, edge_of([*HASHES[:3], leaf_hash(b"forged")]))


def head_of_another_log(log: Log) -> None:
    log[1][2] = signed_head(KEY, edge_of(HASHES[:4]), f"{NAME}/33")


def head_replayed(log: Log) -> None:
    log[1].append(log[1][0])


def anchor_replayed(log: Log) -> None:
    log[1].extend(log[1][-2:])


def last_statement_removed(log: Log) -> None:
    del log[1][-1]


def statement_replayed(log: Log) -> None:
    log[1].append(log[1][-1])


def head_and_statement_swapped(log: Log) -> None:
    log[1][:2] = reversed(log[1][:2])


def part_removed(log: Log) -> None:
    del log[1][3]


def last_part_removed(log: Log) -> None:
    del log[1][4]


def list_forged(log: Log) -> None:
    log[1][7] = listed([KEY, STRANGER]).encode().replace(b"2026", b"2027")


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
        anchor_replayed,
        last_statement_removed,
        statement_replayed,
        head_and_statement_swapped,
        part_removed,
        last_part_removed,
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
    audit = audited((leaves, anchors[:5]))
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


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"record": 1}', "null", "[" * 200_000])
def test_a_file_that_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed):
        parsed_bundle(text)


@pytest.mark.parametrize("change", [{"index": float("inf")}, {"stamped": 0}, {"stamped": {}}, {"stamped": ""}])
def test_a_proof_with_a_value_that_is_none_is_refused(change: dict[str, Any]) -> None:
    plain = json.loads(bundle_of(audited(whole_log()), 2).text())
    with pytest.raises(VerificationFailed):
        parsed_bundle(json.dumps({**plain, **change}))


@pytest.mark.parametrize("name", ["", "3/a b", "a+b", "\ud800"])
def test_a_proof_of_a_log_whose_name_no_key_can_have_is_refused(name: str) -> None:
    bundle = replace(bundle_of(audited(whole_log()), 2), origin=name)
    with pytest.raises(VerificationFailed, match="no key can have"):
        bundle.check([KEY.public])


def test_an_anchor_of_a_log_whose_name_no_key_can_have_is_found() -> None:
    leaves, anchors = whole_log()
    forged = anchors[0].replace(ORIGIN.encode(), f"{ORIGIN}~a b".encode(), 1)
    found = audited((leaves, [*anchors, forged])).findings()
    assert ["no key can have" in one.message for one in found] == [True]


def test_what_is_signed_of_a_record_is_marked_as_such() -> None:
    assert message_of(b"record") == b"chatbridge/SessionRecord/v1\nrecord"
