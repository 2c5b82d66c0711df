"""Time stamps in a log: each is of a head that is there; a certificate is proved by the earliest that covers it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.timestamping.stamp_checks import StampChecks
from bridge.errors import VerificationFailed
from bridge.evidence.anchors import Statement, head_of
from bridge.evidence.log_audit import LogAudit
from bridge.evidence.log_stamps import STAMP
from bridge.evidence.merkle import edge_of, leaf_hash
from bridge.evidence.proof_bundle import ProofBundle, StampProof, parsed_bundle
from tests.evidence.signing_keys import NAME, ORIGIN, KnownKey, signed_head
from tests.evidence.time_stamp_authority import TimeStampAuthority

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = KnownKey(1)
RECORDS = [b"certificate %d" % number for number in range(3)]
LEAVES = [leaf_hash(one) for one in RECORDS]
EDGES = [edge_of(LEAVES[:size]) for size in (1, 2, 3)]
HEADS = [signed_head(KEY, edge) for edge in EDGES]
STATEMENTS = {
    head: KEY.note(Statement(head_of(ORIGIN, edge), edge.size).text(), ORIGIN)
    for head, edge in zip(HEADS, EDGES, strict=True)
}


class NumberedStamps:
    """A `StampCheck` whose replies are a time and the digest of a head."""

    @staticmethod
    def reply(head: bytes, at: int) -> bytes:
        return b"%06d" % at + sha256(head).digest()

    def imprint(self, reply: bytes) -> bytes:
        return reply[6:]

    def __call__(self, reply: bytes, stamped: bytes) -> int:
        if reply[6:] != sha256(stamped).digest() or not int(reply[:6]):
            raise VerificationFailed("scripted: no stamp")
        return int(reply[:6])


def audited(stamps: Sequence[bytes], heads: Sequence[bytes] = HEADS, first: int = 0) -> LogAudit:
    audit = LogAudit(3, NAME, [KEY.public], NumberedStamps())
    for number, leaf in enumerate(LEAVES):
        audit.feed_leaf(b"3/%d" % number, leaf, number)
    anchors = [note for head in heads for note in ((head, b"checkpoint"), (STATEMENTS[head], b"statement"))]
    fed = [*anchors, *((one, STAMP) for one in stamps)]
    for offset, (value, kind) in enumerate(fed, first):
        audit.feed_anchor(value, offset, kind)
    return audit


def found(audit: LogAudit) -> list[str]:
    return [each.message for each in audit.findings()]


def test_a_certificate_has_the_earliest_stamp_that_covers_it() -> None:
    audit = audited([NumberedStamps.reply(HEADS[at], when) for at, when in ((0, 1), (2, 40), (1, 20), (1, 30))])
    assert found(audit) == []
    proofs = [audit.proof(one).stamped for one in RECORDS]
    assert [(one.at, one.checkpoint) for one in proofs if one] == [(1, HEADS[0]), (20, HEADS[1]), (40, HEADS[2])]


def test_what_no_stamp_covers_has_none() -> None:
    audit = audited([NumberedStamps.reply(HEADS[0], 1)])
    assert found(audit) == []
    assert audit.proof(RECORDS[2]).stamped is None


def test_a_false_stamp_is_found_and_proves_nothing() -> None:
    audit = audited([NumberedStamps.reply(HEADS[0], 0)])
    assert found(audit) == ["partition 3: time stamp at offset 6: scripted: no stamp"]
    assert audit.proof(RECORDS[0]).stamped is None


def test_a_stamp_of_a_head_that_is_not_there_is_found_unless_retention_may_have_deleted_it() -> None:
    stamps = [NumberedStamps.reply(HEADS[0], 1)]
    (message,) = found(audited(stamps, HEADS[1:]))
    assert "of a head that is not there" in message
    assert found(audited(stamps, HEADS[1:], first=7)) == []


def test_without_certificates_of_authorities_stamps_are_counted_only() -> None:
    audit = LogAudit(3, NAME, [KEY.public])
    audit.feed_anchor(b"no stamp", 0, STAMP)
    assert found(audit) == []
    assert audit.stamps.count == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeStampAuthority:
    return TimeStampAuthority(tmp_path_factory.mktemp("tsa") / "one")


def bundle(stamped: StampProof | None) -> ProofBundle:
    return ProofBundle(RECORDS[0], ORIGIN, 0, [], HEADS[0], stamped=stamped)


def test_a_proof_in_a_file_keeps_its_stamp(authority: TimeStampAuthority) -> None:
    reply = authority.stamp(HEADS[0])
    check = StampChecks.with_file(authority.ca_file, "--timestamp-ca")
    assert check.imprint(reply) == sha256(HEADS[0]).digest()
    read = parsed_bundle(bundle(StampProof(HEADS[0], [], reply)).text())
    read.check([KEY.public])
    assert read.stamped_at(check) == check(reply, HEADS[0])
    assert parsed_bundle(bundle(None).text()).stamped_at(check) is None
    with pytest.raises(VerificationFailed):
        bundle(StampProof(HEADS[1], [], reply)).stamped_at(check)
    with pytest.raises(VerificationFailed):
        bundle(StampProof(HEADS[1], [], reply)).check([KEY.public])


def test_anything_else_is_no_reply(authority: TimeStampAuthority) -> None:
    with pytest.raises(VerificationFailed):
        StampChecks.with_file(authority.ca_file, "--timestamp-ca").imprint(b"no stamp")
