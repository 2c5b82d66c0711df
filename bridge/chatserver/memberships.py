"""The chats of one connection: their states, and the joins and releases whose answers are outstanding.

Chats that were left or have ended are remembered, because their last events may still be on the way: the 1,000 latest
of one connection. Releases are remembered until they are answered, the 1,000 latest as well. What is forgotten costs
nothing but its name: a push for such a chat is reported as one for a chat that was not joined.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

from bridge.chatserver.connection_state import CHAT_TRANSITIONS, ChatInput, ChatState, next_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.transcript.updates import TranscriptUpdate

REMEMBERED: Final = 1_000
"""Chats that were left or have ended, and releases without an answer: the oldest beyond it are forgotten."""

HELD_BYTES: Final = 4 * 1024 * 1024
"""Limit for pushes that overtake the answers to the joins of one connection, in bytes on the wire."""

_PAST: Final = (ChatState.LEFT, ChatState.ENDED)


@dataclass(slots=True)
class PendingJoin:
    """A join without an answer so far. `held` are pushes that overtook the answer, of `held_bytes` on the wire."""

    session_id: str
    deadline: float
    held: list[TranscriptUpdate] = field(default_factory=list)
    held_bytes: int = 0


class Memberships:
    """What a conversation knows of its chats. Every method that changes a state raises IllegalTransition."""

    def __init__(self) -> None:
        """Start without chats."""
        self._present: dict[str, ChatState] = {}  # JOINING, JOINED
        self._past: dict[str, ChatState] = {}  # LEFT, ENDED; the latest last. NOT_JOINED is the absence from both
        self._pending: dict[int, PendingJoin] = {}
        self._reference_of: dict[str, int] = {}
        self._answered: dict[str, int] = {}  # of JOINED chats only: the reference of the join
        self._releases: dict[int, str] = {}

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def joined(self) -> frozenset[str]:
        """The chats that are joined."""
        return frozenset(session for session, state in self._present.items() if state is ChatState.JOINED)

    @property
    def load(self) -> int:
        """Number of chats that are joined or being joined."""
        return len(self._present)

    @property
    def remembered(self) -> int:
        """Number of chats that were left or have ended, and of releases without an answer: what the limits are for."""
        return max(len(self._past), len(self._releases))

    @property
    def joins(self) -> Iterable[PendingJoin]:
        """The joins without an answer."""
        return self._pending.values()

    @property
    def next_deadline(self) -> float:
        """The first time at which one of them is to be answered; infinite when there are none."""
        return min([join.deadline for join in self._pending.values()]) if self._pending else inf

    def state(self, session_id: str) -> ChatState:
        """Return where a chat is in its life on this connection."""
        return self._present.get(session_id) or self._past.get(session_id, ChatState.NOT_JOINED)

    def is_present(self, session_id: str) -> bool:
        """Tell whether a chat is joined or being joined."""
        return session_id in self._present

    def join_with(self, reference: int) -> PendingJoin | None:
        """Return the join that waits for an answer with this reference, if any."""
        return self._pending.get(reference)

    def joined_with(self, reference: int) -> str | None:
        """Return the chat that is joined and whose join had this reference, if any."""
        return next((session_id for session_id, of in self._answered.items() if of == reference), None)

    # --- what happens to a chat ----------------------------------------------------------------------------------

    def joining(self, session_id: str, reference: int, deadline: float) -> None:
        """A join was sent under this reference."""
        self._move(session_id, ChatInput.JOIN)
        self._pending[reference] = PendingJoin(session_id, deadline)
        self._reference_of[session_id] = reference

    def answered(self, snapshot: TranscriptUpdate) -> list[TranscriptUpdate]:
        """The history is there. Return it and the pushes that were held for it, in order.

        If any of them ends the chat it has ended, and only the last one says so: nothing comes after the end.
        """
        session_id = snapshot.session_id
        self._move(session_id, ChatInput.SNAPSHOT)
        self._answered[session_id] = self._reference_of[session_id]
        snapshot.snapshot = True
        updates = [snapshot, *self._take_join(session_id)]
        if any(update.over for update in updates):
            self.over(session_id)
            for update in updates:
                update.over = update is updates[-1]
        return updates

    def hold(self, update: TranscriptUpdate) -> str | None:
        """Keep a push for a chat that is JOINING until the answer is there.

        Return None, or, if too much is held by now, the chat for which the most is held.
        """
        join = self._pending[self._reference_of[update.session_id]]
        join.held.append(update)
        join.held_bytes += update.size
        if sum(each.held_bytes for each in self._pending.values()) <= HELD_BYTES:
            return None
        return max(self._pending.values(), key=lambda each: each.held_bytes).session_id

    def refused(self, session_id: str) -> list[TranscriptUpdate]:
        """The join was refused, or could not be sent. Return the pushes that were held for it, none with an Over."""
        self._move(session_id, ChatInput.REFUSED)
        return _not_over(self._take_join(session_id))

    def left(self, session_id: str, reference: int) -> list[TranscriptUpdate]:
        """A release was sent under this reference. Return the pushes that were held for a join, none with an Over."""
        self._move(session_id, ChatInput.LEAVE)
        self._releases[reference] = session_id
        _forget_oldest(self._releases)
        return _not_over(self._take_join(session_id))

    def abandoned(self) -> list[TranscriptUpdate]:
        """The connection is gone. Return the pushes that were held for its joins, none with an Over."""
        held = [update for session_id in list(self._reference_of) for update in self._take_join(session_id)]
        return _not_over(held)

    def over(self, session_id: str) -> None:
        """The server said that the chat ended."""
        self._move(session_id, ChatInput.OVER)

    def released(self, reference: int, session_id: str | None = None) -> bool:
        """Tell whether this answers a release (of this chat, if one is named), which is then no longer remembered."""
        if reference not in self._releases or session_id not in (None, self._releases[reference]):
            return False
        del self._releases[reference]
        return True

    # --- inside --------------------------------------------------------------------------------------------------

    def _move(self, session_id: str, given: ChatInput) -> None:
        after = next_state(CHAT_TRANSITIONS, self.state(session_id), given)
        self._present.pop(session_id, None)
        self._past.pop(session_id, None)
        self._answered.pop(session_id, None)
        if after in _PAST:
            self._past[session_id] = after
            _forget_oldest(self._past)
        elif after is not ChatState.NOT_JOINED:
            self._present[session_id] = after

    def _take_join(self, session_id: str) -> list[TranscriptUpdate]:
        reference = self._reference_of.pop(session_id, None)
        return [] if reference is None else self._pending.pop(reference).held


def _not_over(held: list[TranscriptUpdate]) -> list[TranscriptUpdate]:
    for update in held:  # without the history nobody can say that the chat is complete
        update.over = False
    return held


def _forget_oldest(remembered: dict[int, str] | dict[str, ChatState]) -> None:
    if len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]  # type: ignore[arg-type]  # of either dict, its own key
