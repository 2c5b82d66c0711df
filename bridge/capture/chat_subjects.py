"""Which people a chat is about, as its announcement and its events tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.subjects import together

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.announcement import Announcement
    from bridge.capture.chat import Chat
    from bridge.records.subjects import Subjects
    from bridge.transcript.events import ChatEvent


def announced_subjects(subjects: Subjects, told: Announcement) -> list[str]:
    """Return what an announcement tells; the keys of its user data are taken for paths."""
    return subjects.of_values((path, str(value)) for path, value in told.user_data.items()) if subjects else []


def learn_subjects(chat: Chat, subjects: Subjects, events: Iterable[ChatEvent]) -> None:
    """Take over what events tell, before they are folded: the record that closes the chat has it then."""
    if subjects:
        identify(
            chat,
            (
                one
                for event in events
                for items in (event.user_data, event.event_attributes)
                if items
                for one in subjects.of_items(items)
            ),
        )


def identify(chat: Chat, more: Iterable[str]) -> None:
    """Add subjects to those of a chat."""
    transcript = chat.transcript
    known = transcript.facts.subjects
    found = together(known, more)
    if found is not known:
        transcript.identify(found)
