"""The topics of an installation with one output, which most tests of topics have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adapters.kafka.required_topics import Topic, TopicShape, wanted_of_installation, wanted_of_output

if TYPE_CHECKING:
    from bridge.adapters.kafka.topic_manager import TopicNames


def wanted(names: TopicNames, shape: TopicShape, *, evidence: bool = False) -> list[Topic]:
    """Return them as they are required, those of the output first."""
    return [*wanted_of_output(names, shape), *wanted_of_installation(names, shape, evidence=evidence)]
