"""Inputs of a shard that concern stored transcripts: what a feeder has read, and what lies on their topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.capture.stored_texts import StoredText
    from bridge.errors import Problem
    from bridge.transcript.stored_updates import StoredUpdate

STORED_POSITION: Final = "stored"
"""The name of the position up to which a shard has folded its partition of the topic."""


@dataclass(slots=True, frozen=True)
class StoredUnreadable:
    """A stored transcript that a feeder cannot read where it lies, or waits for no longer: its id there, and why."""

    session_id: str
    place: str
    reason: Problem


@dataclass(slots=True, frozen=True)
class StoredRead:
    """What a feeder has read: the shard writes the texts to their topic, and remembers the positions, or neither.

    What the feeder could not read is set aside.

    `positions`: name -> what the feeder is to begin with after a restart; None deletes it. A name is 1 to 64 of the
    characters a-z, 0-9, `.`, `-` and `_`, and neither STORED_POSITION nor PARTITIONS_POSITION.
    """

    texts: tuple[StoredText, ...]
    positions: Mapping[str, bytes | None]
    observed_at: int
    unreadable: tuple[StoredUnreadable, ...] = ()


@dataclass(slots=True, frozen=True)
class StoredPlace:
    """Where to go on reading the topic if the shard is opened again after an input was committed.

    `offset` is the next one, of the topic with Kafka's id `topic_id`, in hexadecimal digits; empty: it gives none.
    """

    offset: int
    topic_id: str = ""

    def encode(self) -> bytes:
        """Return it as the position in checkpoints."""
        return f"{self.offset}@{self.topic_id}".encode()

    @classmethod
    def decode(cls, position: bytes) -> StoredPlace:
        """Return what `encode` made. Raises ValueError."""
        offset, _, topic_id = position.decode().partition("@")
        return cls(int(offset), topic_id)


@dataclass(slots=True, frozen=True)
class StoredArrived:
    """A stored transcript of one chat, or a part of its events. `observed_at` in us since 1970 UTC.

    `update` is what the text says; of one in parts, only the `last` says `final`. `repairs`: code of a repair of the
    text -> how often it was made, in the last part.
    """

    session_id: str
    place: StoredPlace
    text: StoredText
    observed_at: int
    update: StoredUpdate
    last: bool = True
    repairs: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class StoredRefused:
    """A record of the topic, or a text on it, that holds no stored transcript of its chat: the bytes, and why.

    `session_id` None: no chat can be named. `source` says where it was read.
    """

    session_id: str | None
    place: StoredPlace
    source: str
    reason: Problem
    raw: bytes
    observed_at: int


@dataclass(slots=True, frozen=True)
class ErasureRequested:
    """A request to forget a chat. `request` names it in log lines; `observed_at` in us since 1970 UTC.

    `again`: it was forgotten already, and is not meant if it has begun again since.
    """

    session_id: str
    place: StoredPlace
    request: str
    observed_at: int
    again: bool = False


@dataclass(slots=True, frozen=True)
class StoredMissing:
    """No stored transcript of a chat will come, as far as is known: `text.missing` is the code of the reason."""

    session_id: str
    place: StoredPlace
    text: StoredText
    observed_at: int


StoredInput = StoredArrived | StoredRefused | StoredMissing | ErasureRequested
"""What comes from the topic."""
