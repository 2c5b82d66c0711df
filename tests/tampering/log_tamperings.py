"""The ways to tamper with the signed log: its anchors and its leaves. Read with keys only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.capture.shard_evidence import leaf_key
from bridge.evidence.merkle import leaf_hash
from tests.evidence.signing_keys import KnownKey
from tests.tampering.signed_copies import ANCHORS, LEAVES, NAME
from tests.tampering.tamperings import POSITIONS, UNITS, P, Unit, WholePartition, WholeTopic, third
from tests.tampering.topic_copies import PARTITIONS

if TYPE_CHECKING:
    from tests.tampering.topic_copies import CopiedRecord, TopicCopies

_STRANGER: Final = KnownKey(9, NAME)


def _altered(record: CopiedRecord) -> CopiedRecord:
    """Another hash under the key of a leaf; another size in an anchor."""
    if record.topic == LEAVES:
        return replace(record, value=leaf_hash(record.value))
    first, size, rest = record.value.split(b"\n", 2)
    return replace(record, value=b"\n".join((first, b"%d" % (int(size) + 1), rest)))


def _forged(record: CopiedRecord, leaves: int) -> CopiedRecord:
    """One more leaf; an anchor with another size that somebody else has signed."""
    if record.topic == LEAVES:
        return replace(_altered(record), key=leaf_key(str(P), leaves))
    text = _altered(record).value.decode().split("\n\n")[0] + "\n"
    return replace(record, value=_STRANGER.note(text, f"{NAME}/{P}"))


class LogRecord:
    """A record of a log topic: the first, one in the middle, the last."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def _place(self, copies: TopicCopies, position: int) -> tuple[list[CopiedRecord], int]:
        log = copies.log(self._topic, P)
        return log, (0, len(log) // 2, len(log) - 1)[position]

    def changed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        log[at] = _altered(log[at])

    def removed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        del log[at]

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """After it."""
        log, at = self._place(copies, position)
        log.insert(at + 1, _forged(log[at], len(log)))

    def swapped(self, copies: TopicCopies, position: int) -> None:
        """What it holds with the next one, the last with the one before; keys stay, they are the places of leaves."""
        log, at = self._place(copies, position)
        other = at - 1 if position == len(POSITIONS) - 1 else at + 1
        one, two = log[at].value, log[other].value
        log[at], log[other] = replace(log[at], value=two), replace(log[other], value=one)

    def replayed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        log.append(log[at])


class LogPartition(WholePartition):
    """A partition of a log topic: the first, one in the middle, the last."""

    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._topic = topic

    def changed(self, copies: TopicCopies, position: int) -> None:
        """All its records."""
        log = copies.log(self._topic, position)
        log[:] = map(_altered, log)


class LogTopic(WholeTopic):
    """The first, second or last third of each partition of a log topic."""

    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._other = LEAVES if topic == ANCHORS else ANCHORS

    def changed(self, copies: TopicCopies, position: int) -> None:
        for partition in range(PARTITIONS):
            log = copies.log(self._topic, partition)
            part = third(len(log), position)
            log[part] = map(_altered, log[part])

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """The records of the other topic of the log."""
        for partition in range(PARTITIONS):
            log, source = copies.log(self._topic, partition), copies.log(self._other, partition)
            at = (0, len(log) // 2, len(log))[position]
            log[at:at] = [replace(record, topic=self._topic) for record in source]

    def swapped(self, copies: TopicCopies, position: int) -> None:
        """With the same third of the other topic of the log."""
        for partition in range(PARTITIONS):
            one, two = copies.log(self._topic, partition), copies.log(self._other, partition)
            first, second = third(len(one), position), third(len(two), position)
            one[first], two[second] = (
                [replace(record, topic=self._topic) for record in two[second]],
                [replace(record, topic=self._other) for record in one[first]],
            )


LOG_UNITS: Final[dict[str, Unit]] = {
    "record of the anchors topic": LogRecord(ANCHORS),
    "record of the leaves topic": LogRecord(LEAVES),
    "partition of the anchors topic": LogPartition(ANCHORS),
    "partition of the leaves topic": LogPartition(LEAVES),
    "anchors topic": LogTopic(ANCHORS),
    "leaves topic": LogTopic(LEAVES),
}
SIGNED_UNITS: Final[dict[str, Unit]] = UNITS | LOG_UNITS
