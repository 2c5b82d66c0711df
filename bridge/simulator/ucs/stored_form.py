"""The stored side of a chat: what Universal Contact Server keeps of the events that Chat Server sent. Pure.

The differences are those of the protocol facts, section 3.9: typing notices are not stored, sensitive data may be
masked, an earlier file-uploaded notice is amended when the file is deleted, and older servers leave attributes out.
Direct messages, which a monitor is not sent, are stored (an assumption of that section).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bridge.archive import ucs_xml
from bridge.transcript.events import (
    MESSAGE,
    NOTICE,
    SYS_COMMAND,
    TYPING_STARTED,
    TYPING_STOPPED,
    ChatTranscript,
    Item,
    find,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.transcript.events import ChatEvent

Masking = Literal["none", "history-final", "history-all"]
MASKINGS: Final[tuple[Masking, ...]] = ("none", "history-final", "history-all")
_TYPING: Final = frozenset((TYPING_STARTED, TYPING_STOPPED))
_DIGIT: Final = re.compile(r"\d")
_ITEM_TYPE: Final = re.compile(rb'(<item key="[^"]*") type="[^"]*"')


@dataclass(slots=True, frozen=True)
class StoredForm:
    """How a site stores transcripts.

    `save_typing`: as option transcript-save-notices may demand. `masking`: the apply-area of the masking (D12);
    digits of messages are masked at the end only, or at every save. `old_server`: items have no type word, newParty no
    clientVersion and messages no treatAs, as in the oldest samples (R1 to R3).
    """

    save_typing: bool = False
    masking: Masking = "none"
    old_server: bool = False

    def text_of(self, session_id: str, start_at: str, events: Sequence[ChatEvent], *, final: bool) -> str:
        """Return STRUCTUREDTEXT of a chat with these events; `final`: it is the save at the chat's end."""
        kept = [event for event in events if self.save_typing or not _is_typing(event)]
        masked = self.masking == "history-all" or (final and self.masking == "history-final")
        deleted = _deleted_files(events)
        kept = [self._stored(_with_deletion(event, deleted), masked=masked) for event in kept]
        document = ucs_xml.write(ChatTranscript(session_id, start_at, chat_event_list=kept))
        return (_ITEM_TYPE.sub(rb"\1", document) if self.old_server else document).decode()

    def _stored(self, event: ChatEvent, *, masked: bool) -> ChatEvent:
        text, info = event.message_text, event.user_info
        if masked and text is not None and event.event_type == MESSAGE:
            text = msgspec.structs.replace(text, text=_DIGIT.sub("*", text.text))
        if self.old_server:
            text = None if text is None else msgspec.structs.replace(text, treat_as=None)
            info = None if info is None else msgspec.structs.replace(info, client_version=None)
        if text is event.message_text and info is event.user_info:
            return event
        return msgspec.structs.replace(event, message_text=text, user_info=info)


def _is_typing(event: ChatEvent) -> bool:
    return event.notice_text is not None and event.notice_text.notice_type in _TYPING


def _command(event: ChatEvent) -> str:
    notice = event.notice_text
    return notice.text if event.event_type == NOTICE and notice and notice.notice_type == SYS_COMMAND else ""


def _deleted_files(events: Sequence[ChatEvent]) -> set[str]:
    return {find(event.user_data, "file-id") or "" for event in events if _command(event) == "file-deleted"}


def _with_deletion(event: ChatEvent, deleted: set[str]) -> ChatEvent:
    """Return a file-uploaded notice as it is once its file is deleted; any other event as it is (R5)."""
    if _command(event) != "file-uploaded" or find(event.user_data, "file-id") not in deleted:
        return event
    return msgspec.structs.replace(event, user_data=[*event.user_data, Item("file-deleted", value="true")])
