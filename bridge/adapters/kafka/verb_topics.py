"""The topics that the verbs write which erase, hold and export chats. Nothing is deleted from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adapters.kafka.topic_manager import HEADROOM_BYTES, Topic
from bridge.adapters.kafka.topic_plan import POLICY, RECORD_LIMIT, RETENTION

if TYPE_CHECKING:
    from bridge.adapters.kafka.topic_manager import TopicNames, TopicShape


def wanted_for_verbs(names: TopicNames, shape: TopicShape) -> list[Topic]:
    """Return the topics as they are required: the audit topic has one partition, whatever the others have."""
    config = {POLICY: "delete", RETENTION: "-1", RECORD_LIMIT: str(shape.max_record_bytes + HEADROOM_BYTES)}
    replicas = shape.replication_factor
    return [
        Topic(names.audit, 1, replicas, config, sharded=False),
        Topic(names.held, shape.partitions, replicas, config),
    ]
