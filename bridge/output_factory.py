"""Builds the outputs of a worker from the settings: topics, rules, framing and part of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.outputs import RECORD_KINDS, Output
from bridge.output_topics import names_by_output, output_settings_of
from bridge.records.normalise import Recording
from bridge.records.selection import Where
from bridge.redactor_factory import redactor_with
from bridge.subject_factory import recognised_subjects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.config import Config, OutputSettings, PrivacyRule, WhereSettings
    from bridge.records.avro import Schemas
    from bridge.records.redactor import Redactor
    from bridge.registry_factory import Headers


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
