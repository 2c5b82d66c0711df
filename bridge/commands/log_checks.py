"""What signatures and logs prove of session records: who signed them, that their certificates are in the log, and all.

Feed the anchors first, then session records, then the leaves; each thing that a signed statement names was committed
before what is fed after it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bridge.errors import VerificationFailed
from bridge.evidence.certificate_signature import check_signature, split_signature
from bridge.evidence.log_audit import LEAF_OUTPUT, LogAudit
from bridge.evidence.merkle import leaf_hash
from bridge.records.epoch_claims import AnchoredHead
from bridge.records.findings import ANCHOR, PARTITION, Finding
from bridge.records.output_chains import DEFAULT_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bridge.evidence.log_stamps import StampCheck
    from bridge.evidence.signed_note import PublicKey

    Place = tuple[str, int]


class LogChecks:
    """Called with each session record; `signed` counts those that a known key has signed.

    `name` is that of the keys, with which the origins of the logs begin. `output` is the one whose topics are read.
    """

    def __init__(
        self, name: str, keys: Sequence[PublicKey], output: str, check_stamp: StampCheck | None = None
    ) -> None:
        """Begin with nothing read. Without `check_stamp`, time stamps are counted, and not checked."""
        self._check_stamp = check_stamp
        self.signed = 0
        self.heads = 0
        self._signed: Counter[int | None] = Counter()
        self._name = name
        self._keys = keys
        self._output = output
        self._audits: dict[int, LogAudit] = {}
        self._leaves: dict[int, dict[bytes, str]] = {}
        self._late: set[bytes] = set()
        self._settled: Mapping[int, int] = {}
        self._certificates: dict[int, dict[bytes, str]] = {}

    def __call__(self, payload: bytes, record: dict[str, Any], partition: int | None) -> str | None:
        """Return what is wrong with the signature of a session record; None when nothing is."""
        audit = None if partition is None else self._audits.get(partition)
        try:
            check_signature(payload, record["signature"], self._keys if audit is None else audit.keys)
            self.signed += 1
            self._signed[partition] += 1
        except VerificationFailed as error:
            return error.message
        finally:
            if partition is not None and record["certificate"] is not None:
                self._certificate(partition, payload, record)
        return None

    def _certificate(self, partition: int, payload: bytes, record: dict[str, Any]) -> None:
        try:
            leaf = leaf_hash(split_signature(payload, record["signature"]))
        except VerificationFailed:
            return  # of an earlier schema, which the check of its signature has told
        self._certificates.setdefault(partition, {})[leaf] = record["sessionId"]

    def feed_anchor(self, partition: int, value: bytes | None, offset: int, kind: bytes | None = None) -> None:
        """Take a record of the anchors topic; `kind` is its header of that name."""
        self._audit(partition).feed_anchor(value, offset, kind)

    def settle(self, ends: Mapping[int, int]) -> None:
        """Take where each partition of the leaves topic ended before session records were read: later ones are new."""
        self._settled = ends

    def feed_leaf(
        self,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        offset: int,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        """Take a record of the leaves topic."""
        self._audit(partition).feed_leaf(key, value, offset)
        output = (dict(headers).get(LEAF_OUTPUT) or DEFAULT_OUTPUT.encode()).decode("utf-8", "replace")
        leaves, leaf = self._leaves.setdefault(partition, {}), value or b""
        if leaf not in leaves and offset >= self._settled.get(partition, offset + 1):
            self._late.add(leaf)
        leaves[leaf] = output

    def _audit(self, partition: int) -> LogAudit:
        if partition not in self._audits:
            self._audits[partition] = LogAudit(partition, self._name, self._keys, self._check_stamp)
        return self._audits[partition]

    def of_logs(self, ends: Mapping[Place, int], *, anchors: bool = True, leaves: bool = True) -> Iterator[Finding]:
        """Yield what is wrong with the logs, once they are read; `ends` are those of topics and partitions by now.

        `anchors`, `leaves`: whether that topic was read.
        """
        if anchors:
            yield from self._without_anchors()
        for audit in self._audits.values():
            yield from audit.findings(anchors=anchors, leaves=leaves)
            self.heads += audit.heads
            committed = {(one.topic, one.partition): one.next for told in audit.statements for one in told.committed}
            for place, after in committed.items():
                if after > ends.get(place, after):
                    what = f"{place[0]}-{place[1]} was committed up to offset {after}, and ends at {ends[place]}"
                    yield Finding("", PARTITION, f"{what}: it was cut off, or made again")

    def _without_anchors(self) -> Iterator[Finding]:
        """Yield where records are signed and nothing is anchored: the first transaction of an owner has an anchor."""
        for partition, count in self._signed.items():
            audit = None if partition is None else self._audits.get(partition)
            if partition is not None and (audit is None or not (audit.heads or audit.leaves)):
                what = f"partition {partition}: {count} signed session records, and no signed head"
                yield Finding("", ANCHOR, f"{what} is on the anchors topic")

    def of_uncovered(self) -> str | None:
        """Return the sentence about certificates that no head covers yet, or None."""
        count = sum(audit.uncovered for audit in self._audits.values())
        return f"that {count} certificates stay in the log: they came after the last signed head" if count else None

    def of_stamps(self) -> str | None:
        """Return the sentence about time stamps that were not checked, or None."""
        count = sum(audit.stamps.count for audit in self._audits.values())
        return f"{count} time stamps of heads (--timestamp-ca)" if count and self._check_stamp is None else None

    def expectations(self, expect: Callable[[str, AnchoredHead], None], chat: str | None = None) -> None:
        """Tell what signed statements say of open chats, or of one chat only."""
        for partition, audit in self._audits.items():
            for told in audit.statements:
                for one in told.chats:
                    if one.output == self._output and chat in {None, one.session_id}:
                        where = f"the anchor of partition {partition} over {told.head.size} certificates"
                        expect(one.session_id, AnchoredHead(one.epoch, one.sequence, one.head, told.at, where))

    def of_certificates(self, whole: Mapping[int, bool], *, one_chat: bool) -> Iterator[Finding]:
        """Yield which certificates are in no log, and which of the log are nowhere.

        `whole`: of which partitions of the sessions topic nothing was deleted. `one_chat`: others were not read.
        """
        for partition, certificates in self._certificates.items():
            leaves = self._leaves.get(partition, {})
            for leaf, session_id in certificates.items():
                if leaf not in leaves:
                    yield Finding(session_id, ANCHOR, "a certificate of it is not in the log of its partition")
        for partition, leaves in self._leaves.items():
            ours = {leaf for leaf, output in leaves.items() if output == self._output}
            missing = len(ours - self._late - self._certificates.get(partition, {}).keys())
            if missing and whole.get(partition) and not one_chat:
                what = f"partition {partition}: {missing} certificates of the log are not on the sessions topic"
                yield Finding("", ANCHOR, f"{what}, from which nothing was deleted")
