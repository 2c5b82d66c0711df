"""What the records of chats say about losses of Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.chat import GIVEN_UP
from bridge.capture.chat_closing import close, settle
from bridge.errors import Problem
from bridge.transcript import gap_codes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat import Chat
    from bridge.capture.inbox import Forgotten

_EVENTS_LOST: Final = Problem(gap_codes.EVENTS_LOST, "records of this chat have gone from their topic")
_STATE_LOST: Final = Problem(gap_codes.STATE_LOST, "its checkpoint is gone, and no announcement tells its place")


def tell_losses(
    forgotten: Forgotten, chats: Mapping[str, Chat], touched: dict[str, Chat], builder: BatchBuilder
) -> None:
    """Record in the chats what Kafka has forgotten of them, and add these to `touched`."""
    at = forgotten.observed_at
    if forgotten.next_announcement is not None:
        builder.plan.batch.announcement_offset = forgotten.next_announcement
    for session_id in sorted(forgotten.without_records & chats.keys()):
        chat = touched[session_id] = chats[session_id]
        before = chat.transcript.sequence
        builder.publish(chat, chat.records_lost(_EVENTS_LOST, at))
        settle(builder, chat, before, at)
    for session_id in sorted(forgotten.without_place & chats.keys()):
        chat = touched[session_id] = chats[session_id]
        if chat.state == GIVEN_UP:  # not announced again
            builder.publish(chat, chat.transcript.end(_STATE_LOST, at))
            close(builder, chat, at, GIVEN_UP)
