"""A consumer that belongs to no group: it reads the partitions that it is told to, from the offsets that it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from aiokafka import AIOKafkaConsumer

from bridge.adapters.kafka.aiokafka_internals import pause_between_updates

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection

_FETCH_BYTES: Final = 4 * 1024 * 1024


def partition_consumer(
    settings: KafkaConnection, name: str, isolation: Literal["read_committed", "read_uncommitted"]
) -> AIOKafkaConsumer:
    """Return one that is not started. `name` ends its client id, after the group."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": f"chatbridge-{settings.group}-{name}",
        **settings.client,
        "group_id": None,
        "enable_auto_commit": False,
        "isolation_level": isolation,
        "auto_offset_reset": "earliest",
        "max_partition_fetch_bytes": _FETCH_BYTES,
    }
    consumer = AIOKafkaConsumer(**arguments)
    pause_between_updates(consumer)
    return consumer
