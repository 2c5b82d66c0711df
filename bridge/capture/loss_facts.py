"""Telemetry events about what Kafka has forgotten."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bridge.facts import Fact
from bridge.meters import FORGETTABLE, OTHER

if TYPE_CHECKING:
    from bridge.meters import Meters


@dataclass(slots=True, frozen=True, kw_only=True)
class KafkaForgot(Fact):
    """Kafka has forgotten records of a shard, or holds others than its checkpoints say. `code`: one of FORGOTTEN_CODES.

    `kind` is the kind of the topic, `topic` its name, `offsets` how many are gone as far as that is known.
    """

    level: ClassVar[int] = logging.ERROR

    shard: int
    code: str
    kind: str
    topic: str
    offsets: int

    def count(self, meters: Meters) -> None:
        """Count it by topic."""
        meters.forgotten.labels(self.kind if self.kind in FORGETTABLE else OTHER).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class StateRebuilt(Fact):
    """The chats of a shard were compared with their records: what became of them.

    `events` were read; `chats` were made again or corrected, `ended` are over, `without_place` wait for an announcement
    and get a GAP if there is none, `without_records` get a GAP because events are gone.
    """

    level: ClassVar[int] = logging.WARNING

    shard: int
    events: int
    chats: int
    ended: int
    without_place: int
    without_records: int
