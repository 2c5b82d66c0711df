"""From settings to plain values and parts, for the daemon and the commands alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames, TopicShape, wanted
from bridge.records.avro import QUARANTINED_INPUT, SESSION_CHECKPOINT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.redact import Redactor, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.config import Config

SCHEMA_BY_TOPIC: Final = {
    "events": TRANSCRIPT_EVENT,
    "sessions": SESSION_RECORD,
    "quarantine": QUARANTINED_INPUT,
    "checkpoints": SESSION_CHECKPOINT,
}
"""Kind of topic -> full name of the Avro type that its values have."""


def topics_of(config: Config) -> TopicManager:
    """Return the topics of an installation, to look at or to bring into shape."""
    kafka = config.kafka
    shape = TopicShape(
        partitions=kafka.partitions,
        replication_factor=kafka.replication_factor,
        max_record_bytes=kafka.max_record_bytes,
        retention_seconds=kafka.retention_seconds,
        announcement_retention_seconds=kafka.announcement_retention_seconds,
    )
    return TopicManager(kafka.bootstrap_servers, kafka.client_arguments(), wanted(names_of(config), shape))


def names_of(config: Config) -> TopicNames:
    """Return the topics' names."""
    return TopicNames(config.kafka.topic_prefix)


def redactor_of(config: Config) -> Redactor:
    """Return what the privacy rules do."""
    key = config.privacy.hash_key.get_secret_value().encode() if config.privacy.hash_key else None
    return Redactor(
        [
            Rule(
                name=rule.name,
                attribute=rule.attribute,
                detector=rule.detector,
                pattern=rule.pattern,
                action=rule.action,
                key=key,
            )
            for rule in config.privacy.rules
        ]
    )


def client_of(config: Config) -> dict[str, Any]:
    """Return the arguments that every aiokafka client needs."""
    return {"bootstrap_servers": config.kafka.bootstrap_servers, **config.kafka.client_arguments()}


def topic_values(names: TopicNames) -> Mapping[str, str]:
    """Return topic name -> full name of the Avro type that its values have."""
    return {getattr(names, kind): name for kind, name in SCHEMA_BY_TOPIC.items()}
