"""Who wrote the shards of a run, by Kafka's logs of their checkpoints, which are read while it goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from bridge.adapters.kafka.topic_manager import TopicNames
from tests.chaos.cluster import READY_SECONDS
from tests.chaos.plan import SHARDS
from tests.handover.checkpoint_logs import CheckpointLogs

if TYPE_CHECKING:
    from tests.chaos.cluster import ChaosCluster
    from tests.handover.writer_order import JudgedWriters


def logs_of(cluster: ChaosCluster) -> CheckpointLogs:
    """Return the logs of a cluster that is started, of which nothing is read yet."""
    topic = TopicNames(cluster.prefix).checkpoints
    return CheckpointLogs(cluster.kafka.bootstrap_servers, topic, cluster.group, SHARDS)


def read_on(logs: CheckpointLogs) -> None:
    """Read on, ahead of compaction; if a partition has no leader just now, the next time."""
    with suppress(KafkaError):
        logs.read_on()


def writers_of(logs: CheckpointLogs, patience: float) -> JudgedWriters:
    """Judge; on a machine with other work Kafka may not answer in its time. Raises KafkaError."""
    deadline = time.monotonic() + patience * READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(KafkaError):
            return logs.judge()
    return logs.judge()
