"""Inputs of a shard that concern stored transcripts: what a feeder has read, and what lies on their topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.capture.stored_texts import StoredText
    from bridge.errors import Problem

STORED_POSITION: Final = "stored"
"""The name of the position up to which a shard has folded its partition of the topic."""


@dataclass(slots=True, frozen=True)
class StoredRead:
    """What a feeder has read: the shard writes the texts to their topic, and remembers the positions, or neither.

    `positions`: name -> what the feeder is to begin with after a restart; None deletes it. A name is 1 to 64 of the
    characters a-z, 0-9, `.`, `-` and `_`, and not STORED_POSITION.
    """

    texts: tuple[StoredText, ...]
    positions: Mapping[str, bytes | None]
    observed_at: int


@dataclass(slots=True, frozen=True)
class StoredArrived:
    """A stored transcript of a chat of this shard, whole. `observed_at` in us since 1970 UTC.

    `offset` is the next offset of the topic to be read if the shard is opened again after this was committed.
    """

    session_id: str
    offset: int
    text: StoredText
    observed_at: int


@dataclass(slots=True, frozen=True)
class StoredRefused:
    """A record of the topic that holds no stored transcript: its value, and why; `session_id` None: of no chat.

    `offset` as in StoredArrived.
    """

    session_id: str | None
    offset: int
    reason: Problem
    raw: bytes
    observed_at: int
