"""Builds what writes the records of shards, a producer for each or one for all of the worker, and reads their logs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.claim_topic import KafkaClaims
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from bridge.adapters.kafka.transactional_writer import KafkaTransactionalWriter
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from bridge.capture.fencing_writer import FencingWriter
from bridge.capture.shard_claims import ShardClaims
from bridge.capture.shared_writer import SharedWriter
from bridge.capture.worker_transactions import WorkerTransactions
from bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.capture.ports import Clock
    from bridge.capture.worker_ports import WritersOfShard
    from bridge.config import Config
    from bridge.facts import Fact

_BITS: Final = 63
_IDS: Final = 4
"""Transactional ids of a worker: each that a partition without a leader holds up leaves it one fewer."""


def ids_of_worker(group: str, worker_id: str) -> list[str]:
    """Return the transactional ids of a worker that commits all its shards in one transaction."""
    # No name of a group or a worker has a colon: an id is no other worker's, and no shard's.
    own = f"{group}-worker:{worker_id}"
    return [own, *(f"{own}:{number}" for number in range(2, _IDS + 1))]


@dataclass(slots=True, frozen=True)
class _FencingWriters:
    storage: Callable[[int], KafkaTransactionalWriter]
    claims: ShardClaims

    def writer(self, partition: int) -> FencingWriter:
        return FencingWriter(partition, self.storage(partition), self.claims)

    async def release(self, partition: int) -> None:
        """Do nothing: the next owner initialises the shard's transactional id, and fences nobody else with that."""


@dataclass(slots=True, frozen=True, eq=False)
class _SharedWriters:
    """These are the `owner` of what they claim."""

    storage: Callable[[int], KafkaTransactionalWriter]
    transactions: WorkerTransactions

    def writer(self, partition: int) -> SharedWriter:
        return SharedWriter(partition, self, self.transactions, self.storage(partition))

    async def release(self, partition: int) -> None:
        with contextlib.suppress(BridgeError):  # the claim may stay: then the next owner fences this worker
            await self.transactions.release(partition, self)


class ShardWriters:
    """The writers of a worker's shards, as `kafka.transactions` says, and their logs, with one client that asks."""

    def __init__(
        self, config: Config, kafka: KafkaConnection, clock: Clock, rng: Random, tell: Callable[[Fact], None]
    ) -> None:
        """Nothing connects before a writer is opened, or logs are looked at."""
        self._kafka = kafka
        self._questions = questions = asking_client(kafka)
        self._topics: tuple[str, ...] = ()
        self._claims = claims = ShardClaims(
            KafkaClaims(kafka),
            worker=config.worker_id,
            number=lambda: f"{rng.getrandbits(_BITS):x}",
            shard_id=lambda partition: f"{kafka.group}-{partition}",
        )
        self._transactions: WorkerTransactions | None = None
        if config.kafka.transactions == "worker":
            self._transactions = WorkerTransactions(
                ids=ids_of_worker(kafka.group, config.worker_id),
                make_producer=lambda name: KafkaWorkerProducer(kafka, questions, name, self._topics),
                claims=claims,
                most_seconds=kafka.transaction_timeout,
                clock=clock,
                tell=tell,
            )

    def of_shard(self, topics: Iterable[str]) -> WritersOfShard:
        """Return what makes the writers of one shard object; `topics` are those that it writes."""
        written = tuple(topics)

        def storage(partition: int) -> KafkaTransactionalWriter:
            return KafkaTransactionalWriter(self._kafka, self._questions, partition, written)

        if self._transactions is None:
            return _FencingWriters(storage, self._claims)
        self._topics = written
        return _SharedWriters(storage, self._transactions)

    def logs(
        self, partition: int, more: Iterable[str] = (), outputs: Mapping[str, str] = MappingProxyType({})
    ) -> KafkaShardLogs:
        """Return the logs of one shard; the arguments are those of `KafkaShardLogs`."""
        return KafkaShardLogs(self._kafka, self._questions, partition, more, outputs)

    async def close(self) -> None:
        """Close what all shards share; they have ended."""
        try:
            await (self._transactions or self._claims).close()
        finally:
            await self._questions.close()
