"""Which records name their schemas by ids of a registry, and what stands before the payloads of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adapters.schema_registry import SchemaRegistry
from bridge.capture.outputs import RECORD_KINDS
from bridge.output_topics import names_by_output, output_settings_of
from bridge.records.avro import QUARANTINED_INPUT, SESSION_CHECKPOINT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.payload_framing import confluent, single_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.adapters.kafka.topic_manager import TopicNames
    from bridge.config import Config, OutputSettings
    from bridge.records.avro import Schemas

    Headers = Mapping[str, Mapping[str, bytes]]
    """Name of an output -> kind of topic -> bytes before the Avro payload."""

SCHEMA_BY_TOPIC: Final = {
    "events": TRANSCRIPT_EVENT,
    "sessions": SESSION_RECORD,
    "quarantine": QUARANTINED_INPUT,
    "checkpoints": SESSION_CHECKPOINT,
}
"""Kind of topic -> full name of the Avro type that its values have."""

REGISTERED: Final = RECORD_KINDS
"""Kinds of topics whose schemas a registry has; the others are for the bridge alone and carry their schemas."""


def uses_registry(config: Config, output: OutputSettings) -> bool:
    """Return whether the records of an output name their schemas by ids of the registry."""
    if output.framing is not None:
        return output.framing == "registry"
    return bool(config.schema_registry.urls)


def subjects_of(names: Iterable[TopicNames]) -> dict[str, str]:
    """Return subject of a registry -> full name of the Avro type of its values, for outputs with these topics."""
    return {f"{getattr(one, kind)}-value": SCHEMA_BY_TOPIC[kind] for one in names for kind in REGISTERED}


def registered_subjects_of(config: Config) -> dict[str, str]:
    """Return the subjects of those outputs that use the registry, as `subjects_of` does."""
    names = names_by_output(config)
    return subjects_of(names[one.name] for one in output_settings_of(config) if uses_registry(config, one))


async def registered_headers(config: Config, schemas: Schemas) -> Headers:
    """Register the schemas of outputs that use the registry; return what stands before the payloads of all.

    Confluent framing with the registry, single-object encoding without. Raises RegistryUnavailable, RegistryRefused.
    """
    single = {kind: single_object(schemas.fingerprint(SCHEMA_BY_TOPIC[kind])) for kind in REGISTERED}
    headers: dict[str, Mapping[str, bytes]] = {one.name: single for one in output_settings_of(config)}
    registering = [one.name for one in output_settings_of(config) if uses_registry(config, one)]
    if not registering:
        return headers
    names = names_by_output(config)
    async with SchemaRegistry.from_settings(config.schema_registry) as client:
        for output in registering:
            texts = {kind: schemas.text(SCHEMA_BY_TOPIC[kind]) for kind in REGISTERED}
            headers[output] = {
                kind: confluent(await client.register(f"{getattr(names[output], kind)}-value", text))
                for kind, text in texts.items()
            }
    return headers
