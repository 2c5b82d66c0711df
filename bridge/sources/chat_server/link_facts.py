"""What can happen to links and joins, each as one dataclass that knows its log line and its metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Final

from bridge.facts import Fact
from bridge.meters import LOSS_REASONS, OTHER, Meters, label
from bridge.transcript.updates import Verdict

_JOIN_RESULTS: Final = {
    Verdict.RETRY.value: "refused",
    Verdict.GONE.value: "given_up",
    Verdict.NEVER.value: "given_up",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkOpened(Fact):
    """A connection is registered; `version` is the ClientVersion in force, `assumed` if the server did not say it."""

    server: str
    version: int
    assumed: bool

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.links_opened.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkLost(Fact):
    """A connection ended, or (`registered` false) never came up."""

    level: ClassVar[int] = logging.WARNING

    server: str
    reason: str
    registered: bool

    def count(self, meters: Meters) -> None:
        """Count it by reason."""
        meters.links_lost.labels(label(self.reason, LOSS_REASONS)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkFailed(Fact):
    """A defect of the bridge ends a connection, whose chats are joined again. `error`: class name, `at`: stack frames.

    What the server sent is never quoted (P5). The end itself is a LinkLost with the reason "internal error".
    """

    level: ClassVar[int] = logging.ERROR

    server: str
    error: str
    at: tuple[str, ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinAnswered(Fact):
    """A chat is joined; its history had `events` events."""

    level: ClassVar[int] = logging.DEBUG

    events: int

    def count(self, meters: Meters) -> None:
        """Count the join and its history."""
        meters.joins.labels("answered").inc()
        meters.replayed.inc(self.events)


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinRefusal(Fact):
    """A server refused a join. `verdict` (the value of a Verdict) tells whether another attempt may succeed.

    `unreadable`: it was not refused, but the history that answered it could not be read.
    """

    error_id: int
    verdict: str
    unreadable: bool = False

    def count(self, meters: Meters) -> None:
        """Count it by verdict."""
        meters.joins.labels(_JOIN_RESULTS.get(self.verdict, OTHER)).inc()
