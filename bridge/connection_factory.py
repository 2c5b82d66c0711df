"""Builds what the Kafka clients of a process have in common, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adapters.kafka.connection import KafkaConnection
from bridge.capture.outputs import RECORD_KINDS
from bridge.factories import kafka_arguments, names_of
from bridge.output_topics import names_by_output, output_settings_of

if TYPE_CHECKING:
    from bridge.config import Config
    from bridge.config.security import ClientArguments


def connection_of(config: Config, arguments: ClientArguments | None = None) -> KafkaConnection:
    """Return what the Kafka clients of a process have in common; `arguments` are those of each. To be called in a loop.

    Raises as `kafka_arguments`.
    """
    kafka = config.kafka
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        group=kafka.group,
        topics=names_of(config),
        client=kafka_arguments(config) if arguments is None else arguments,
        compression=None if kafka.compression == "none" else kafka.compression,
        transaction_timeout=kafka.transaction_timeout_seconds,
        max_record_bytes=kafka.max_record_bytes,
        record_limits=record_limits_of(config),
    )


def record_limits_of(config: Config) -> dict[str, int]:
    """Return topic -> largest record in bytes, of the topics of outputs that have such a setting."""
    names = names_by_output(config)
    return {
        getattr(names[one.name], kind): one.max_record_bytes
        for one in output_settings_of(config)
        if one.max_record_bytes is not None
        for kind in RECORD_KINDS
    }
