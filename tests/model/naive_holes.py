"""Why ids are missing, as plainly as it can be said: what the reasons of a certificate say of holes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.transcript.updates import TranscriptUpdate
    from tests.model.expected_records import ExpectedHole

EXPECTED: Final = {"BEFORE_JOIN", "DIRECT_MESSAGE_SUSPECTED", "WITHHELD_BY_VERSION", "NOT_CLASSIFIED"}
_ALL_EVENTS_FROM: Final = 104


@dataclass
class ChatSight:
    """How the chat was seen. `shown` is the highest id of the first history; `known_before` counts forgotten users.

    `only_expected`: all that is remembered of it is that whatever is missing has to be expected.
    """

    first_history: bool = False
    shown: int = 0
    versions: set[int] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    known_before: int = 0
    only_expected: bool = False

    def given(self, told: TranscriptUpdate, *, first: bool) -> None:
        if told.version is not None:
            self.versions = self.versions | {told.version}
        if first:
            self.first_history = True
            self.shown = max([self.shown, *told.ids])

    def met(self, user_id: str) -> None:
        self.users = self.users | {user_id}

    def forget_users(self) -> None:
        self.known_before = max(self.known_before, len(self.users))
        self.users = set()
        if self.first_history and self.known_before > 1 and min(self.versions) >= _ALL_EVENTS_FROM:
            self.only_expected = True

    def reasons(self, on_topic: list[int], holes: list[ExpectedHole], highest: int) -> set[str]:
        """Return what the ids say that no open hole of `holes` names; `highest` is the highest one told."""
        named = [(hole.low, hole.high) for hole in holes if hole.low is not None and hole.high is not None]
        found = set()
        for number in range(1, highest + 1):
            if number not in on_topic and not [1 for low, high in named if low <= number <= high]:
                found.add(self._of(number))
        return found

    def _of(self, number: int) -> str:
        if self.only_expected:
            return "NOT_CLASSIFIED"
        if self.first_history and number <= self.shown:
            return "BEFORE_JOIN"
        if not self.first_history:
            return "UNEXPLAINED_IDS"
        if min(self.versions) < _ALL_EVENTS_FROM:
            return "WITHHELD_BY_VERSION"
        able = max(len(self.users), self.known_before)
        return "DIRECT_MESSAGE_SUSPECTED" if able > 1 else "UNEXPLAINED_IDS"


def verdict(reasons: set[str]) -> str:
    if not reasons:
        return "COMPLETE"
    return "COMPLETE_WITH_EXPECTED_HOLES" if reasons <= EXPECTED else "INCOMPLETE"
