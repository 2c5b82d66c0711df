"""How every part of the bridge reaches Kafka."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.adapters.kafka.topic_manager import TopicNames


@dataclass(slots=True, frozen=True)
class KafkaConnection:
    """Where Kafka is, and the limits of one installation.

    `client` is passed to aiokafka's clients as it is (SASL, TLS). `transaction_timeout` in seconds: after it the
    broker aborts a transaction. `max_record_bytes` is the largest record, headers included, that is written.
    """

    bootstrap_servers: str
    group: str
    topics: TopicNames
    client: Mapping[str, object] = field(default_factory=dict)
    compression: str | None = "zstd"
    transaction_timeout: float = 60.0
    max_record_bytes: int = 1_000_000
