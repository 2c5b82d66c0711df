"""What can happen to links and joins, each as one dataclass that knows its log line and its metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from bridge.facts import Fact, ToldSpan
from bridge.meters import OTHER, Meters, label
from bridge.transcript.link_codes import LINK_CODES
from bridge.transcript.updates import Verdict

if TYPE_CHECKING:
    from bridge.errors import Problem
    from bridge.transcript.updates import JoinRefused, TranscriptUpdate

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
    """A connection ended, or (`registered` false) never came up. `code` is one of link_codes.LINK_CODES."""

    level: ClassVar[int] = logging.WARNING

    server: str
    code: str
    detail: str
    registered: bool

    @classmethod
    def of(cls, server: str, reason: Problem, *, registered: bool) -> LinkLost:
        """Return the loss of a connection to `server`."""
        return cls(server=server, code=reason.code, detail=reason.detail, registered=registered)

    def count(self, meters: Meters) -> None:
        """Count it by code."""
        meters.links_lost.labels(label(self.code, LINK_CODES)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkFailed(Fact):
    """A defect of the bridge ends a connection, whose chats are joined again. `error`: class name, `at`: stack frames.

    What the server sent is never quoted (P5). The end itself is a LinkLost with the code INTERNAL.
    """

    level: ClassVar[int] = logging.ERROR

    server: str
    error: str
    at: tuple[str, ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinAnswered(Fact):
    """A chat is joined, `seconds` after that was asked for; its history had `events` events."""

    level: ClassVar[int] = logging.DEBUG

    session: str
    server: str
    events: int
    seconds: float

    @classmethod
    def of(cls, answer: TranscriptUpdate, server: str, seconds: float) -> JoinAnswered:
        """Return the success of a join at a server, with the history that was its answer."""
        return cls(session=answer.session_id, server=server, events=answer.count, seconds=seconds)

    def count(self, meters: Meters) -> None:
        """Count the join and its history."""
        meters.joins.labels("answered").inc()
        meters.replayed.inc(self.events)

    def span(self) -> ToldSpan:
        """Return the join's."""
        return ToldSpan(name="join", seconds=self.seconds, attributes={"server": self.server, "events": self.events})


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinRefusal(Fact):
    """A join failed on its connection, `seconds` after it was asked for.

    `verdict` (the value of a Verdict) tells whether another attempt may succeed.
    `code` is one of link_codes.JOIN_CODES; `error_id` that of the server, 0 without one.
    """

    session: str
    server: str
    error_id: int
    code: str
    detail: str
    verdict: str
    seconds: float

    @classmethod
    def of(cls, refused: JoinRefused, server: str, seconds: float) -> JoinRefusal:
        """Return the failure of a join at a server."""
        code, detail = refused.reason.code, refused.reason.detail
        return cls(
            session=refused.session_id,
            server=server,
            error_id=refused.error_id,
            code=code,
            detail=detail,
            verdict=refused.verdict.value,
            seconds=seconds,
        )

    def span(self) -> ToldSpan:
        """Return the join's."""
        attributes = {"server": self.server, "code": self.code}
        return ToldSpan(name="join", seconds=self.seconds, attributes=attributes, failed=True)

    def count(self, meters: Meters) -> None:
        """Count it by verdict."""
        meters.joins.labels(_JOIN_RESULTS.get(self.verdict, OTHER)).inc()
