"""The outputs of the settings, and the names of their topics.

Events, sessions and quarantine exist once for each output; all other topics are those of the installation, whose names
begin with `kafka.topic_prefix`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.config import OutputSettings
from bridge.errors import UsageError
from bridge.records.output_chains import DEFAULT_OUTPUT

if TYPE_CHECKING:
    from bridge.config import Config


def output_settings_of(config: Config) -> tuple[OutputSettings, ...]:
    """Return the outputs; without any in the settings, the one that has everything."""
    return config.outputs or (OutputSettings(name=DEFAULT_OUTPUT),)


def names_by_output(config: Config) -> dict[str, TopicNames]:
    """Return name of an output -> names of the topics, those of its records among them; in the order of settings."""
    prefix = config.kafka.topic_prefix
    return {one.name: TopicNames(prefix, one.topic_prefix) for one in output_settings_of(config)}


def with_first(config: Config, name: str) -> Config:
    """Return the settings with this output before the others, so that it is the one that is read. Raises UsageError."""
    outputs = output_settings_of(config)
    names = [one.name for one in outputs]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"the outputs are {', '.join(names)}"
        raise UsageError(f"--output {name}: there is no such output", next_step=hint)
    first = [one for one in outputs if one.name == name]
    return config.model_copy(update={"outputs": (*first, *(one for one in outputs if one.name != name))})
