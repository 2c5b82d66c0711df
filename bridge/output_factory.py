"""Builds the outputs of a worker from the settings: topics, rules, framing and part of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adapters.schema_registry import SchemaRegistry
from bridge.capture.outputs import RECORD_KINDS, Output
from bridge.output_topics import names_by_output, output_settings_of
from bridge.records.avro import QUARANTINED_INPUT, SESSION_CHECKPOINT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.normalise import Recording
from bridge.records.payload_framing import confluent, single_object
from bridge.records.selection import Where
from bridge.redactor_factory import redactor_with
from bridge.subject_factory import recognised_subjects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.adapters.kafka.topic_manager import TopicNames
    from bridge.config import Config, OutputSettings, PrivacyRule, WhereSettings
    from bridge.records.avro import Schemas
    from bridge.records.redactor import Redactor

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


def rules_of(config: Config, output: OutputSettings) -> list[PrivacyRule]:
    """Return the rules that apply in an output, in the order of `privacy.rules`."""
    rules = config.privacy.rules
    return [rule for rule in rules if output.rules is None or rule.name in output.rules]


def redactor_of(config: Config, output: OutputSettings | None = None) -> Redactor:
    """Return the redactor of an output, by default of the first.

    Raises ConfigError naming every invalid rule, OSError or ValueError when the file of a key cannot be read now.
    """
    own = output or output_settings_of(config)[0]
    return redactor_with(config.privacy, rules_of(config, own), typing_previews=keeps_typing_previews(config, own))


def recordings_of(config: Config, schemas: Schemas) -> dict[str, Recording]:
    """Return name of an output -> what its records are made with. Raises ConfigError naming every invalid rule."""
    people = recognised_subjects(config)
    return {
        one.name: Recording(schemas, redactor_of(config, one), config.site, config.kafka.group, subjects=people)
        for one in output_settings_of(config)
    }


def outputs_of(config: Config, recordings: Mapping[str, Recording], headers: Headers) -> tuple[Output, ...]:
    """Return the outputs in the order of the settings."""
    names = names_by_output(config)
    return tuple(
        Output(
            recordings[one.name],
            {kind: getattr(names[one.name], kind) for kind in RECORD_KINDS},
            headers[one.name],
            one.name,
            where=_where(one.where),
            ended=one.ended,
        )
        for one in output_settings_of(config)
    )


def _where(section: WhereSettings) -> Where | None:
    """Return the part of an output, None if it has everything."""
    if section.anything:
        return None
    return Where(
        tenant=section.tenant,
        attribute=section.attribute,
        kind=section.kind,
        visibility=section.visibility,
        user_type=section.user_type,
    )


def keeps_typing_previews(config: Config, output: OutputSettings) -> bool:
    """Return whether an output has the texts of typing notices: half a card number passes every detector."""
    if output.typing_previews is not None:
        return output.typing_previews == "keep"
    return all(rule.detector is None for rule in rules_of(config, output))


# --- schemas -------------------------------------------------------------------------------------------------------


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
