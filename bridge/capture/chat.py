r"""One chat of a shard, and the states that it can be in.

    FOLLOWED --> OVER         the source said that the chat ended
        ^  \--> GIVEN_UP      it could not be joined (again)
        |          |   \--> OVER   (it ended after all, or its checkpoint has become too large)
        +----------+          announced again
    STORED ----> OVER         its last stored transcript came; known from such only, it is followed when it is announced
        \------> FOLLOWED

OVER and GIVEN_UP chats are remembered until their checkpoint expires. An announcement of a chat that is OVER changes
nothing; one of a chat that was GIVEN_UP makes it FOLLOWED again. What still comes for a closed chat is folded into it,
and it is closed again in the same state, with a certificate that supersedes the former one. Of a chat that is OVER,
less is remembered after a time (`closed_chats.py`): `whole` is False then. Of one that has outgrown its checkpoints,
only that it is over: `addressable` is False then, and nothing can be folded into it any more.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bridge.announcement import UNKNOWN_HOST, Announcement, attributes_of, encode, merged, parse, rewritten
from bridge.capture.outputs import ChatOutput, gaps_of
from bridge.errors import AttributesTooDeep, IllegalTransition, Problem, UnreadableAnnouncement
from bridge.records.checkpoint_parts import CheckpointParts  # noqa: TC001 - the compiled form looks it up
from bridge.records.secret_names import names_secret
from bridge.transcript.attributes import flatten
from bridge.transcript.fold import MAX_HOLES, Transcript

if TYPE_CHECKING:
    from bridge.records.later_texts import LaterTexts
    from bridge.transcript.entries import Entry
    from bridge.transcript.events import ChatEvent

FOLLOWED: Final = "FOLLOWED"
OVER: Final = "OVER"
GIVEN_UP: Final = "GIVEN_UP"
STORED: Final = "STORED"
OPEN: Final = frozenset({FOLLOWED, STORED})
"""States of a chat whose last certificate, if it has one, is not about what came since."""

TRANSITIONS: Final = {
    FOLLOWED: frozenset({OVER, GIVEN_UP}),
    GIVEN_UP: frozenset({FOLLOWED, OVER, GIVEN_UP}),
    OVER: frozenset({OVER}),
    STORED: frozenset({FOLLOWED, OVER}),
}
"""State -> the states that may follow. The names stand in checkpoints, but for STORED (`chat_checkpoints.py`)."""


@dataclass(slots=True)
class Chat:
    """One chat of the shard.

    `closed_at` in us since 1970 UTC, None while it is followed; of one that is STORED, when something of it came last.
    `ended_at` is the time of the last event of one that was never followed, None where it is not known; same unit.
    `outputs` are where its records go; `parts` says what of its checkpoint is written. `announced` is the JSON of its
    announcement, `told` what `parse` returns for it, which is kept only as long as it is needed often, or there is no
    JSON; `start_text` the session's start as the source last wrote it. `decisive` are the paths of user data
    that decide which outputs take it. `missing_outputs` are names of others in which it has records and no last one, as
    of its checkpoint when it was restored: the settings lack them.
    """

    transcript: Transcript
    outputs: list[ChatOutput]
    parts: CheckpointParts
    told: Announcement | None
    announced: bytes = field(repr=False)
    state: str = FOLLOWED
    closed_at: int | None = None
    start_text: str = ""
    whole: bool = True
    addressable: bool = True
    ended_at: int | None = None
    decisive: tuple[str, ...] = ()
    missing_outputs: tuple[str, ...] = ()
    _marked: tuple[str, int | None, str, Announcement | None, bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Find out which outputs take it; those that take a part since a restart remember what they hold."""
        parts = [one.output.where for one in self.outputs if one.output.where is not None]
        self.decisive = tuple(path for where in parts for path in where.attribute)
        self.select()
        for one in self.outputs:
            if one.first and one.held is None and (one.output.where is not None or one.output.ended):
                certified = None if self.state in OPEN else self.transcript.sequence
                one.hold(self.transcript.certificate(), certified=certified)
        self._forget_told()

    @property
    def session_id(self) -> str:
        """The chat's id."""
        return self.transcript.session_id

    @property
    def announcement(self) -> Announcement:
        """What was announced, all announcements taken together. Takes some microseconds."""
        return parse(self.announced) if self.told is None else self.told

    def _forget_told(self) -> None:
        """Keep only the JSON of the announcement, unless events are compared with it."""
        if self.announced and not self.decisive:
            self.told = None

    @property
    def outgrown(self) -> bool:
        """Whether there is more to remember than a checkpoint should hold. No real chat gets there."""
        most = len(gaps_of(self.outputs))
        for one in self.outputs:
            if one.held is not None:
                most = max(most, one.held.ids.ranges)
        return self.transcript.outgrown or most > MAX_HOLES

    def select(self) -> None:
        """Find out again which outputs take it.

        User data of a chat that is over are forgotten; those of one whose announcement is awaited are not known.
        """
        told: dict[str, str] | None = None
        if self.state != OVER and any(one.output.where is not None for one in self.outputs):
            announcement = self.announcement
            told = attributes_of(announcement)
            if not told and announcement.host == UNKNOWN_HOST:
                told = None
        for one in self.outputs:
            one.select(self.transcript.facts.tenant, told)

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        self.transcript.mark()
        self._marked = (self.state, self.closed_at, self.start_text, self.told, self.announced)
        for one in self.outputs:
            one.mark()

    def checkpointed(self, at: int | None) -> None:
        """Remember the time of its last checkpoint, in us since 1970 UTC; there is no `undo` behind it."""
        self.transcript.checkpointed(at)
        self._marked = None
        for one in self.outputs:
            one.checkpointed()

    def undo(self) -> None:
        """Go back to the last `mark`: what was made of an input that failed half-way is forgotten."""
        self.transcript.undo()  # raises if there is no mark
        if self._marked is None:
            return
        self.state, self.closed_at, self.start_text, told, announced = self._marked
        for one in self.outputs:
            one.undo()
        if announced is not self.announced:
            self.told, self.announced = told, announced
            self.select()

    def announced_again(self, newer: Announcement, raw: bytes) -> None:
        """Take over what a newer announcement, parsed from `raw`, says; the rest stays as it was announced before."""
        self.told = both = merged(self.announcement, newer)
        self.announced = rewritten(both, raw)
        self.transcript.learn(tenant=both.tenant)
        self.select()
        self._forget_told()

    def learn_user_data(self, event: ChatEvent) -> None:
        """Take over what an event says of the user data that decide which outputs take the chat: the last value counts.

        They are kept with what was announced, as long as there is room.
        """
        if self.state == OVER:
            return
        try:
            values, _ = flatten(event.user_data)
        except AttributesTooDeep:  # its record says so
            return
        announcement = self.announcement
        known = announcement.user_data
        told = {
            name: value
            for name, value in values.items()
            if any(fnmatchcase(name, path) for path in self.decisive) and not names_secret(name)
        }
        if told.items() <= known.items():
            return
        newer = structs.replace(announcement, user_data={**known, **told})
        with contextlib.suppress(UnreadableAnnouncement):
            self.told, self.announced = newer, encode(newer)
            self.select()

    def forget_encoded(self) -> None:
        """Encode again what its next records have like the ones before."""
        for one in self.outputs:
            one.recorder.forget_encoded()

    def look_ahead(self, later: LaterTexts) -> None:
        """Record the next messages with a view to later ones."""
        for one in self.outputs:
            one.recorder.later = later

    def records_lost(self, reason: Problem, at: int) -> Entry:
        """Return the GAP that says that Kafka has lost records of the chat, `at` in us since 1970 UTC."""
        for one in self.outputs:
            one.offsets.forgotten()
        return self.transcript.gone(reason, at)

    def close(self, state: str, at: int) -> None:
        """Go to OVER or GIVEN_UP. Raises IllegalTransition, a defect of the caller."""
        self._move(state)
        self.closed_at = at

    def follow_again(self) -> None:
        """Go back to FOLLOWED. Raises IllegalTransition, a defect of the caller."""
        self._move(FOLLOWED)
        self.closed_at = None

    def _move(self, state: str) -> None:
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"a chat that is {self.state} cannot become {state}")
        self.state = state
