"""How many of the announced chats were joined, and certified as complete, as announcements and session records tell.

Feed announcements and session records in any order of the two, each partition in the order of its offsets; then ask for
the result. Pure; holds a few hundred bytes per chat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.records.session_records import CLOSED
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_OPENED: Final = "NOT_OPENED"
UNREAD: Final = "UNREAD"

COVERAGE_CODES: Final = {
    NOT_OPENED: (
        "The chat was announced, and no session record tells that a worker took it.",
        "Check that the workers run, and read the announcements; if it is new, ask again.",
    ),
    UNREAD: (
        "A session record of the chat was written with a schema that is not known.",
        "Set `schema_registry.url` to the registry whose id it has, or use the version of the bridge that wrote it.",
    ),
}
"""Why a chat is not covered, beside the codes of its certificate -> what it means, and what to do."""

_COVERED: Final = frozenset((COMPLETE, COMPLETE_WITH_EXPECTED_HOLES))


@dataclass(slots=True)
class _ReadChat:
    first_seen: int | None = None
    announced: bool = False
    opened: bool = False
    unread: bool = False
    certificate: tuple[str, bool, tuple[str, ...]] | None = None
    """Verdict, whether the chat was joined, and the reasons, of the last session record if that is a certificate."""


@dataclass(slots=True, frozen=True)
class Uncovered:
    """A chat that has ended, or was never taken, and is not certified as complete. `codes` say why, rising."""

    session_id: str
    verdict: str | None
    codes: tuple[str, ...]


@dataclass(slots=True)
class CoverageResult:
    """`chats` are those that were announced or opened; `open` of them have no certificate yet and count as neither.

    `verdicts` counts certificates; `joined` those of chats that had been joined.
    """

    chats: int = 0
    announced: int = 0
    open: int = 0
    joined: int = 0
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*sorted(_COVERED), INCOMPLETE), 0))
    uncovered: list[Uncovered] = field(default_factory=list)

    @property
    def due(self) -> int:
        """How many chats should be covered: all but those that are open."""
        return self.chats - self.open

    @property
    def covered(self) -> int:
        """How many are."""
        return self.due - len(self.uncovered)


class CoverageCounts:
    """The chats that were announced or opened from `since` on and before `until`, in us since 1970 UTC; None: any.

    A chat belongs to the time of its first announcement; without one that is left, to that of its first session record.
    """

    def __init__(self, since: int | None = None, until: int | None = None) -> None:
        self._since = since
        self._until = until
        self._chats: dict[str, _ReadChat] = {}

    def announce(self, session_id: str, at: int) -> None:
        """Take an announcement, with its Kafka time in us since 1970 UTC."""
        chat = self._chats.setdefault(session_id, _ReadChat())
        if not chat.announced or chat.first_seen is None or at < chat.first_seen:
            chat.first_seen = at
        chat.announced = True

    def session(self, record: dict[str, Any]) -> None:
        """Take the next session record, decoded."""
        chat = self._chats.setdefault(record["sessionId"], _ReadChat())
        if chat.first_seen is None:
            chat.first_seen = record["at"]
        chat.opened = True
        told = record["certificate"] if record["state"] == CLOSED else None
        # 0.1.0 did not say how often it joined; a chat of which it saw anything had been joined.
        joined = told is not None and bool(told["idRanges"] if told["joins"] is None else told["joins"])
        chat.certificate = None if told is None else (told["verdict"], joined, tuple(told["reasons"]))

    def leave_unread(self, session_id: str) -> None:
        """Take the key of a session record that cannot be read: what wrote it is not known."""
        self._chats.setdefault(session_id, _ReadChat()).unread = True

    def result(self) -> CoverageResult:
        """Return what was counted."""
        result = CoverageResult()
        for session_id, chat in self._within():
            result.chats += 1
            result.announced += chat.announced
            if chat.unread:
                result.uncovered.append(Uncovered(session_id, None, (UNREAD,)))
            elif not chat.opened:
                result.uncovered.append(Uncovered(session_id, None, (NOT_OPENED,)))
            elif chat.certificate is None:
                result.open += 1
            else:
                verdict, joined, reasons = chat.certificate
                result.joined += joined
                result.verdicts[verdict] = result.verdicts.get(verdict, 0) + 1
                if verdict not in _COVERED:
                    result.uncovered.append(Uncovered(session_id, verdict, reasons))
        return result

    def _within(self) -> Iterator[tuple[str, _ReadChat]]:
        for session_id, chat in self._chats.items():
            at = chat.first_seen
            late = self._until is not None and at is not None and at >= self._until
            if not late and (self._since is None or at is None or at >= self._since):
                yield session_id, chat
