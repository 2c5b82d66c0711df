"""The topics as they are required: of each output, of the installation, and of the verbs that erase and hold chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_plan import ERASABLE, POLICY, RECORD_LIMIT, RETENTION

if TYPE_CHECKING:
    from bridge.adapters.kafka.topic_manager import TopicNames

_MS: Final = 1000
HEADROOM_BYTES: Final = 256 * 1024
"""What max.message.bytes allows beyond the largest record: key, headers, the batch's own header."""


@dataclass(slots=True, frozen=True)
class TopicShape:
    """The configurable properties of one installation's topics. Times in seconds.

    `replication_factor` None: the broker's default.
    """

    partitions: int
    replication_factor: int | None
    max_record_bytes: int
    retention_seconds: int
    announcement_retention_seconds: int


@dataclass(slots=True, frozen=True)
class Topic:
    """One topic as it is required: partitions and replicas (None: as many as the broker likes) if it is created.

    `sharded`: it has as many partitions as the others, of which a chat has the same one everywhere.
    """

    name: str
    partitions: int
    replication_factor: int | None
    config: dict[str, str]
    sharded: bool = True


def wanted_of_installation(
    names: TopicNames, shape: TopicShape, *, evidence: bool = False, key_compaction: int | None = None
) -> list[Topic]:
    """Return the topics that all outputs share; with `evidence`, those of the logs over certificates, too.

    `key_compaction` says for how many seconds the topic of keys may keep what was destroyed; None: there is none.
    """
    compacted = {
        POLICY: "compact",
        RECORD_LIMIT: _limit(shape),
        # A shard reads its whole partition when it is opened, and the active segment is never compacted: small
        # segments and a low dirty ratio keep that short.
        "segment.bytes": str(16 << 20),
        "min.cleanable.dirty.ratio": "0.1",
        **ERASABLE,
    }
    return [
        _retained(names.announcements, shape, shape.announcement_retention_seconds),
        Topic(names.checkpoints, shape.partitions, shape.replication_factor, compacted),
        _retained(names.stored, shape, shape.announcement_retention_seconds),
        *(_of_logs(names, shape) if evidence else ()),
        *(() if key_compaction is None else (_of_keys(names, shape, key_compaction * _MS),)),
    ]


def _of_keys(names: TopicNames, shape: TopicShape, lag: int) -> Topic:
    """Return the topic of keys: a destroyed key is physically gone soon, within `lag` ms and the cleaner's next run."""
    config = {
        POLICY: "compact",
        RECORD_LIMIT: _limit(shape),
        "max.compaction.lag.ms": str(lag),
        "segment.ms": str(lag),  # the active segment is never compacted
        "min.cleanable.dirty.ratio": "0.01",
        "file.delete.delay.ms": ERASABLE["file.delete.delay.ms"],
    }
    return Topic(names.keys, shape.partitions, shape.replication_factor, config)


def wanted_of_output(names: TopicNames, shape: TopicShape) -> list[Topic]:
    """Return the topics of one output as they are required."""
    return [
        _retained(name, shape, shape.retention_seconds) for name in (names.events, names.sessions, names.quarantine)
    ]


def _limit(shape: TopicShape) -> str:
    return str(shape.max_record_bytes + HEADROOM_BYTES)


def _retained(name: str, shape: TopicShape, seconds: int) -> Topic:
    config = {POLICY: "delete", RETENTION: str(seconds * _MS), RECORD_LIMIT: _limit(shape)}
    return Topic(name, shape.partitions, shape.replication_factor, config)


def _kept(shape: TopicShape) -> dict[str, str]:
    """Return the configuration of a topic from which nothing is deleted."""
    return {POLICY: "delete", RETENTION: "-1", RECORD_LIMIT: _limit(shape)}


def _of_logs(names: TopicNames, shape: TopicShape) -> list[Topic]:
    """Return the topics of the logs over certificates, from which nothing is deleted."""
    leaves = {POLICY: "compact", RECORD_LIMIT: _limit(shape)}
    replicas = shape.replication_factor
    return [
        Topic(names.anchors, shape.partitions, replicas, _kept(shape)),
        Topic(names.leaves, shape.partitions, replicas, leaves),
    ]


def wanted_for_verbs(names: TopicNames, shape: TopicShape) -> list[Topic]:
    """Return the topics as they are required: the audit topic has one partition, whatever the others have."""
    replicas = shape.replication_factor
    return [
        Topic(names.audit, 1, replicas, _kept(shape), sharded=False),
        Topic(names.held, shape.partitions, replicas, _kept(shape)),
    ]
