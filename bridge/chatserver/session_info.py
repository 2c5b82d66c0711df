"""What an EventSessionInfo says of its chat, as an update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from bridge.chatserver.messages import ALIVE, is_known_status, is_over
from bridge.transcript.events import VIP
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.chatserver.messages import EventSessionInfo
    from bridge.transcript.updates import Damaged, WaitingEvents

_STATUS_CHARACTERS: Final = 64


def update_of(  # noqa: PLR0913 - the fields of a Decoded, and of the connection
    message: EventSessionInfo,
    damaged: Sequence[Damaged],
    size: int,
    waiting: WaitingEvents | None,
    *,
    server: str,
    version: int,
) -> TranscriptUpdate:
    """Return the message as an increment; the first arguments are the fields of a `Decoded`."""
    status = message.session_status
    over, unknown = False, None
    if status != ALIVE:  # nearly all say just that
        over, unknown = is_over(status), None if is_known_status(status) else status[:_STATUS_CHARACTERS]
    return TranscriptUpdate(
        message.chat_transcript,
        over,
        snapshot=False,
        server=server,
        version=version,
        size=size,
        damaged=list(damaged),
        unknown_status=unknown,
        visibility=VIP,
        waiting=waiting,
    )


def beginning(message: EventSessionInfo, waiting: WaitingEvents | None) -> EventSessionInfo:
    """Return a message with the first of its events that wait: what is kept of a long one that is no update."""
    if waiting is None:
        return message
    transcript = msgspec.structs.replace(message.chat_transcript, chat_event_list=waiting.next()[0])
    return msgspec.structs.replace(message, chat_transcript=transcript)
