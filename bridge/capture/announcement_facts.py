"""What becomes of announcements, each as one dataclass that knows its log line and its metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bridge.facts import Fact

if TYPE_CHECKING:
    from bridge.meters import Meters


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementTaken(Fact):
    """A shard has an announcement of one of its chats: of a new one, one that it follows, or one that is over."""

    level: ClassVar[int] = logging.DEBUG

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("taken").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementForwarded(Fact):
    """An announcement was on the wrong partition and was forwarded to the right one."""

    level: ClassVar[int] = logging.DEBUG

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("forwarded").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementRejected(Fact):
    """An announcement could not be read and was quarantined."""

    level: ClassVar[int] = logging.WARNING

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("rejected").inc()
