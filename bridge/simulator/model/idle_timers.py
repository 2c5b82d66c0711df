"""The next idle deadline of every session, in a heap."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from bridge.simulator.model.idle import IdleControl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.simulator.model.idle import IdleAction, IdleTimeouts
    from bridge.simulator.model.session import ChatSession


class IdleTimers:
    """Deadlines by session. Activity is not reported here: an entry that comes up early is put back."""

    def __init__(self, sessions: Mapping[str, ChatSession]) -> None:
        """`sessions` are the open sessions by id; entries of closed ones are dropped when they come up."""
        self._sessions = sessions
        self._deadlines: list[tuple[float, str]] = []

    def start(self, session: ChatSession, timeouts: IdleTimeouts, now: float) -> None:
        """Set inactivity control of a session, replacing what it had."""
        session.idle = IdleControl(timeouts, now, asynchronous=session.asynchronous)
        self.add(session)

    def add(self, session: ChatSession) -> None:
        """Watch a session whose inactivity control is already set, if it has any."""
        if session.idle is not None:
            heappush(self._deadlines, (session.idle.deadline, session.session_id))

    def due(self, now: float) -> Iterator[tuple[ChatSession, IdleAction]]:
        """Yield the sessions whose deadline has passed, with what must be done. The caller does it before the next."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, session_id = heappop(self._deadlines)
            session = self._sessions.get(session_id)
            if session is None or session.idle is None:
                continue
            action = session.idle.due(now)
            if action is not None:
                yield session, action
            self.add(session)
