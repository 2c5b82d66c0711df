"""Typing previews: what people have typed and not sent. Half a card's number passes every detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from bridge.records.redactor import Redaction
from bridge.records.rules import TYPING_PREVIEW

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

_TYPING: Final = "typing"


def names_typing(text: str) -> bool:
    """Tell whether a text has the word of all typing notices: their spellings are an assumption."""
    return _TYPING in text.casefold()


def is_typing(event: ChatEvent) -> bool:
    """Tell whether an event says that somebody types."""
    notice = event.notice_text
    return (notice is not None and names_typing(notice.notice_type)) or names_typing(event.event_type)


def without_preview(event: ChatEvent, done: list[Redaction]) -> ChatEvent:
    """Return a typing notice that says who types and when, and nothing else; append to `done` what was dropped."""
    message, notice, reason = event.message_text, event.notice_text, event.reason
    if message is not None and message.text:
        done.append(Redaction("message.text", TYPING_PREVIEW, 1))
        message = replace(message, text="")
    if notice is not None and notice.text:
        done.append(Redaction("notice.text", TYPING_PREVIEW, 1))
        notice = replace(notice, text="")
    if reason is not None and reason.text:
        done.append(Redaction("departure.reasonText", TYPING_PREVIEW, 1))
        reason = replace(reason, text="")
    for field, values in (
        ("userData", event.user_data),
        ("eventAttributes", event.event_attributes),
        ("unknownAttributes", event.unknown_attributes),
    ):
        if values:
            done.append(Redaction(field, TYPING_PREVIEW, len(values)))
    return replace(
        event,
        message_text=message,
        notice_text=notice,
        reason=reason,
        user_data=[],
        event_attributes=[],
        unknown_attributes={},
    )
