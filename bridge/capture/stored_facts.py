"""What happens to the topic of stored transcripts, each as one dataclass that knows its log line."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from bridge.facts import Fact


@dataclass(slots=True, frozen=True, kw_only=True)
class StoredTopicUnread(Fact):
    """Stored transcripts cannot be read from their topic; live chats are captured all the same.

    `code` is one of the reasons of /readyz.
    """

    level: ClassVar[int] = logging.WARNING

    code: str
    detail: str


@dataclass(slots=True, frozen=True, kw_only=True)
class StoredPlaceGone(Fact):
    """The place up to which a shard had read its stored transcripts is not on their topic any more.

    It goes on with the offset `first`. `lost` counts the offsets that were not read and are gone; 0 when the topic is
    another one than before: then all of it is read.
    """

    level: ClassVar[int] = logging.WARNING

    shard: int
    offset: int
    first: int
    lost: int
