"""The client's side of the flex protocol: login, join, refresh by position, notify, logout.

Sans-IO like `conversation.py`. A flex client is a visible customer that sees ALL only, so the bridge never monitors
through it; it is here for the simulator's customers and for tests that stand on the customer's side.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from bridge.chat.messages import (
    OVER,
    SUCCESS,
    EventStatus,
    Request,
    RequestJoin,
    RequestLogin,
    RequestLogout,
    RequestNotify,
    RequestRefresh,
)

if TYPE_CHECKING:
    from bridge.chat.events import ChatEvent, Item, MessageText, NoticeText


class FlexPhase(Enum):
    """Where a flex client is in its life."""

    NEW = "new"
    LOGGING_IN = "logging in"
    LOGGED_IN = "logged in"
    JOINED = "joined"
    ENDED = "ended"


class FlexConversation:
    """One flex client. Exactly one request is under way at a time; `receive` takes its answer."""

    def __init__(self, nickname: str, *, client_version: int = 106, time_zone_offset: int = 0) -> None:
        """Nothing is sent before `login`."""
        self._nickname = nickname
        self._version = client_version
        self._offset = time_zone_offset
        self.phase = FlexPhase.NEW
        self.user_id = ""
        self.secure_key = ""
        self.session_id = ""
        self.position = 0
        self.error: tuple[int, str] | None = None

    def login(self, user_data: list[Item]) -> Request:
        """Return the first request."""
        self.phase = FlexPhase.LOGGING_IN
        return RequestLogin(
            user_nickname=self._nickname,
            time_zone_offset=self._offset,
            user_data=user_data,
            client_version=self._version,
        )

    def join(self, *, session_id: str | None = None, queue_key: str | None = None, subject: str = "") -> Request:
        """Join a session, or start one on a queue (`tenant:endpoint`)."""
        return RequestJoin(
            user_id=self.user_id,
            secure_key=self.secure_key,
            session_id=session_id,
            queue_key=queue_key,
            subject=subject or None,
        )

    def refresh(self, message_text: MessageText | None = None) -> Request:
        """Ask for what came after the position, and say something if given."""
        return RequestRefresh(
            user_id=self.user_id, secure_key=self.secure_key, last_position=self.position, message_text=message_text
        )

    def notify(self, notice_text: NoticeText, user_data: list[Item] | None = None) -> Request:
        """Send a notice (typing, URL, system command)."""
        return RequestNotify(
            notice_text=notice_text,
            session_id=self.session_id,
            user_data=user_data or [],
            user_id=self.user_id,
            secure_key=self.secure_key,
            last_position=self.position,
        )

    def logout(self) -> Request:
        """End this client's part in the session."""
        return RequestLogout(user_id=self.user_id, secure_key=self.secure_key, last_position=self.position)

    def receive(self, status: EventStatus) -> list[ChatEvent]:
        """Take the answer to the last request; return the events after the position, in order.

        An error ends the conversation: `error` then holds (error id, description).
        """
        if status.request_result != SUCCESS:
            self.error = (status.error_id, status.description)
            self.phase = FlexPhase.ENDED
            return []
        if self.phase is FlexPhase.LOGGING_IN:
            self.user_id = status.user_id or ""
            self.secure_key = status.secure_key or ""
            self.phase = FlexPhase.LOGGED_IN
        transcript = status.flex_transcript
        events: list[ChatEvent] = []
        if transcript is not None:
            self.session_id = transcript.session_id
            self.position = transcript.last_position
            self.phase = FlexPhase.JOINED
            events = transcript.events
        if status.session_status == OVER:
            self.phase = FlexPhase.ENDED
        return events
