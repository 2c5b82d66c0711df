"""A source without servers: it says what the test lets it say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.capture.ports import PlaceUse
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.capture.ports import Deliver, Failed

_CLOSE_SECONDS = 0.01


class ScriptedSource:
    """Delivers a history for its chat as soon as that is followed. It is in `opened` until it is closed."""

    def __init__(self, opened: set[object], deliver: Deliver, failed: Failed) -> None:
        self.fails = failed
        self.closes_after = _CLOSE_SECONDS
        self.left: list[str] = []
        self.unstable: dict[str, int] = {}
        self.unreachable: dict[str, str] = {}
        self.has_link = False
        self._open = opened
        self._deliver = deliver
        self._followed: set[str] = set()
        self._closing = False
        self._last = 2
        opened.add(self)

    @property
    def connections(self) -> int:
        return 0

    @property
    def followed(self) -> Collection[str]:
        return self._followed

    @property
    def places(self) -> dict[str, PlaceUse]:
        return {"chat-1:4800": PlaceUse(joined=len(self._followed))}

    @property
    def chats_joined(self) -> int:
        return len(self._followed)

    def joined_at(self, session_id: str) -> str | None:
        return "chat-1:4800" if session_id in self._followed else None

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        assert (session_id, places, secret) == (CHAT, ("chat-1:4800",), None)
        if session_id not in self._followed and not self._closing:
            self._followed.add(session_id)
            self._deliver(history(joined(1), said(2)), 100)

    def says(self, *, over: bool = False) -> None:
        if not self._closing:
            self._last += 1
            self._deliver(push(said(self._last), over=over), 100)

    def forget(self, session_id: str) -> None:
        assert session_id == CHAT
        self._followed.discard(session_id)

    def acknowledge(self, session_id: str) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    async def close(self, *, leave: bool) -> None:
        assert leave
        self._closing = True
        self.left += self._followed
        self._followed.clear()
        try:
            if self in self._open:
                await asyncio.sleep(self.closes_after)
        finally:
            self._open.discard(self)
