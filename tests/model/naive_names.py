"""Which names the events of a chat told of its parties, in the order in which they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent


class ToldNames(list[tuple[int, str, str]]):
    """All names that were told: that of the highest event id counts, and of one id the last."""

    def of(self, user_id: str) -> str | None:
        told = [(number, at, name) for at, (number, user, name) in enumerate(self) if user == user_id]
        return max(told)[2] if told else None

    def after(self, event: ChatEvent) -> str | None:
        """Note whom an event names, and return the name that its own record carries.

        That of a newParty is its own: it stands nowhere else. That of a rename is the one before.
        """
        if event.user_info is not None:
            self.append((event.event_id, event.user_id, event.user_info.user_nickname))
            return event.user_info.user_nickname
        before = self.of(event.user_id)
        notice = event.notice_text
        if event.event_type == "notice" and notice is not None and notice.notice_type == "USER_UPDATE_NICK":
            self.append((event.event_id, event.user_id, notice.text))
        return before
