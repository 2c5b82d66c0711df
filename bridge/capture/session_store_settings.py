"""What the stores of all shards of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.capture.ports import Limits  # noqa: TC001 - the compiled form looks it up
from bridge.capture.stored_settings import StoredSettings
from bridge.records.writer_schemas import WriterSchemas  # noqa: TC001 - the compiled form looks it up

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.outputs import Output
    from bridge.capture.shard_evidence import EvidenceSettings
    from bridge.capture.shard_keys import ShardKeys
    from bridge.records.normalise import Recording


@dataclass(slots=True, frozen=True)
class SessionStoreSettings:
    """What all shards of a process share. Every event is recorded in each of `outputs`; there is one at least.

    `checkpoints` and `announcements` are names of topics, `stored` is about stored transcripts. Checkpoints are single
    objects, whatever registry there is; `writers` reads them back. `partition_of` tells the partition of a key where
    the topics have had one number of partitions, `partition_under` that under any number; -1: not known.
    `closed_retention_us` says how long closed chats are remembered; None is for ever. `limits` and `owner` are a
    shard's own: `limits` as the topics say, where they do; the owner in the stamps of its checkpoints, 0 where nobody
    has to recognise its batches. `given_up_chats` is how many chats of a shard that were given up are at hand, at most:
    whoever looks at the worker's chats sees these, and others are packed (`packed_chats.py`). `encoded_chats`
    is how many chats of a shard, those that had records last, keep encoded what their records have alike. `evidence` is
    None where nothing is signed. `keys` are the shard's own, with which the outputs that are sealed are; None: none is.
    """

    outputs: tuple[Output, ...]
    checkpoints: str
    announcements: str
    writers: WriterSchemas
    partition_of: Callable[[bytes], int]
    partition_under: Callable[[bytes, int], int] = lambda _, __: -1
    limits: Limits = field(default_factory=dict)
    closed_retention_us: int | None = 86_400_000_000
    owner: int = 0
    stored: StoredSettings = field(default_factory=StoredSettings)
    given_up_chats: int = 64
    encoded_chats: int = 512
    evidence: EvidenceSettings | None = None
    keys: ShardKeys | None = None

    @property
    def recording(self) -> Recording:
        """That of the first output. Schemas, site and group are the same in all."""
        return self.outputs[0].recording

    @property
    def written_topics(self) -> tuple[str, ...]:
        """The topics whose limits count: those of the outputs, the checkpoints, the keys and the evidence."""
        keys = () if self.keys is None else (self.keys.topic,)
        more = (self.checkpoints, *keys, *(self.evidence.topics if self.evidence else ()))
        return (*(topic for output in self.outputs for topic in output.topics.values()), *more)
