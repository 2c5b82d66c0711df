"""`KafkaConnection`: the connection parameters that all Kafka adapters share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.adapters.kafka.member_place import MemberPlace
from bridge.adapters.kafka.open_clients import OpenClients
from bridge.adapters.kafka.record_times import RecordTimes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.adapters.kafka.topic_manager import TopicNames


@dataclass(slots=True, frozen=True)
class KafkaConnection:
    """Addresses, group, topic names, client arguments and limits of one installation; what this process is in it.

    `times` are those of what it writes, `place` is its place in the group.
    `client` is passed to aiokafka's clients unchanged (SASL, TLS); each reads it when it is made, and
    `open_clients` are those that have to be told when a password changes. `transaction_timeout` in seconds: the broker
    aborts older transactions. `max_record_bytes` is the largest record that is written, headers included;
    `record_limits` are smaller ones, by topic.
    """

    bootstrap_servers: str
    group: str
    topics: TopicNames
    client: Mapping[str, object] = field(default_factory=dict)
    compression: str | None = "zstd"
    transaction_timeout: float = 60.0
    max_record_bytes: int = 1_000_000
    record_limits: Mapping[str, int] = field(default_factory=dict)
    times: RecordTimes = field(default_factory=RecordTimes)
    place: MemberPlace = field(default_factory=MemberPlace)
    open_clients: OpenClients = field(default_factory=OpenClients)
