"""From a stored transcript, as it lies on its topic, to the inputs of its shard. Pure.

This takes time in proportion to the text (0.04 s for 1 MiB, 0.3 s if it is damaged), so that whoever calls it does so
beside the event loop. A long one becomes several inputs: a transaction is not longer than a few of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.archive.merging import merged
from bridge.archive.repaired_xml import read_repaired
from bridge.capture.stored_inputs import StoredArrived, StoredMissing, StoredRefused
from bridge.errors import Problem, UnreadableTranscript
from bridge.transcript import input_codes
from bridge.transcript.entries import Gap
from bridge.transcript.stored_updates import StoredUpdate
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.archive.stored_documents import ReadDocuments
    from bridge.capture.stored_inputs import StoredInput, StoredPlace
    from bridge.capture.stored_texts import StoredText

MOST_EVENTS: Final = 500
"""Events of one input at most: they are folded and encoded in 15 ms."""


def inputs_of(text: StoredText, observed_at: int, before: StoredPlace, after: StoredPlace) -> list[StoredInput]:
    """Return the inputs that a text becomes, in order; at least one. `observed_at` in us since 1970 UTC.

    `before` is where to begin again as long as not all of it is committed, `after` where to go on then.
    """

    def refused(reason: Problem) -> list[StoredInput]:
        return [StoredRefused(text.session_id, after, text.place, reason, text.text, observed_at)]

    if text.missing:
        return [StoredMissing(text.session_id, after, text, observed_at)]
    try:
        read = read_repaired(text.text, text.place, session_id=text.session_id)
        found = _told(read, text, observed_at)
    except UnreadableTranscript as error:
        return refused(Problem(error.code, error.message))
    except Exception as error:  # noqa: BLE001 - a defect in one text must not end the others
        return refused(Problem(input_codes.INTERNAL, f"a defect of the bridge ({type(error).__name__})"))
    if found is None:
        return refused(Problem(input_codes.OTHER_CHAT, "the transcript is of another chat"))
    repairs = Counter[str]()
    for repair in read.repairs:
        repairs[repair.code] += repair.count
    *parts, last = _parts(found)
    return [
        *(StoredArrived(text.session_id, before, text, observed_at, part, last=False) for part in parts),
        StoredArrived(text.session_id, after, text, observed_at, last, repairs=repairs),
    ]


def _told(read: ReadDocuments, text: StoredText, observed_at: int) -> StoredUpdate | None:
    """Return what the copies of the chat in a document say together; None if it is of other chats."""
    copies = [document for document in read.documents if document.session_id == text.session_id]
    if not copies:
        return None
    told = merged(copies, observed_at, None)
    updates = [one for one in told if isinstance(one, TranscriptUpdate)]
    events = [event for update in updates for event in update.transcript.chat_event_list]
    whole = msgspec.structs.replace(updates[0].transcript, chat_event_list=events)
    return StoredUpdate(
        replace(updates[0], transcript=whole, size=text.size, over=False, snapshot=False),
        text.final,
        [one for one in told if isinstance(one, Gap)],
        max((event.event_id for event in events), default=-1),
    )


def _parts(told: StoredUpdate) -> Iterator[StoredUpdate]:
    """Yield it in parts; only the last one is final, if it is."""
    events = told.events
    for begin in range(0, max(len(events), 1), MOST_EVENTS):
        some = msgspec.structs.replace(told.update.transcript, chat_event_list=events[begin : begin + MOST_EVENTS])
        last = begin + MOST_EVENTS >= len(events)
        yield replace(told, update=replace(told.update, transcript=some), final=told.final and last)
