"""The messages of a batch, and of what waits behind it, for those that are recorded before them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.capture.inbox import Input
from bridge.capture.stored_inputs import StoredArrived
from bridge.records.later_texts import texts_of
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records.later_texts import LaterTexts
    from bridge.transcript.events import ChatEvent

Behind = Sequence[Input] | None
"""What is known already and comes after a batch; None: nobody looks at it."""


def later_texts(inputs: Iterable[Input]) -> dict[str, LaterTexts]:
    """Return the messages in inputs, of each chat in which there are any: session id -> its messages."""
    found: dict[str, list[ChatEvent]] = {}
    for one in inputs:
        update = one.update.update if isinstance(one, StoredArrived) else one
        if isinstance(update, TranscriptUpdate):
            found.setdefault(update.session_id, []).extend(update.transcript.chat_event_list)
    return {session_id: said for session_id, events in found.items() if (said := texts_of(events))}
