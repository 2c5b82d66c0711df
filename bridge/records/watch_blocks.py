"""CheckpointWatch and offsets in a checkpoint, encoded and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.errors import VerificationFailed
from bridge.records.binary import EMPTY, NULL, SOME, array, long, optional_long, optional_text, text
from bridge.transcript.endings import ChatEnd
from bridge.transcript.watch import UNKNOWN_WATCH, Unwatched, Watch
from bridge.transcript.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

_NONE = -1
_NUMBERS = 4


class ChainOffsets(NamedTuple):
    """Offsets of one chat in one output that Kafka has acknowledged; None: not known.

    `first_event` and `first_session` are those of the first records on the two topics, the others the highest ones.
    """

    first_event: int | None = None
    last_event: int | None = None
    first_session: int | None = None
    last_session: int | None = None


NO_OFFSETS = ChainOffsets()


def watch_block(watch: Watch) -> bytes:
    """Encode a nullable CheckpointWatch; null when nothing is known."""
    if watch == UNKNOWN_WATCH:
        return NULL
    closing = watch.closing
    return b"".join(
        (
            SOME,
            b"\1" if watch.since_opening else b"\0",
            optional_long(watch.joined_at),
            optional_long(watch.history_to),
            optional_long(watch.lowest_version),
            optional_long(watch.highest_version),
            optional_text(watch.visibility),
            array(map(text, watch.sources)),
            array(long(one.since) + optional_long(one.until) + text(one.code) for one in watch.unwatched),
            long(watch.unwatched_more),
            NULL if closing is None else SOME + _closing(closing),
            long(watch.direct_messages),
        )
    )


def _closing(closing: ChatEnd) -> bytes:
    return (
        long(closing.event_id)
        + text(closing.ending)
        + optional_text(closing.user_id)
        + optional_text(closing.user_type)
    )


def decoded_watch(record: dict[str, Any] | None) -> Watch:
    """Return a decoded CheckpointWatch; None, as 0.1.0 leaves it out, is one of which nothing is known."""
    if record is None:
        return UNKNOWN_WATCH
    closing = record["closing"]
    return Watch(
        since_opening=record["sinceOpening"],
        joined_at=record["joinedAt"],
        history_to=record["historyTo"],
        lowest_version=record["lowestVersion"],
        highest_version=record["highestVersion"],
        visibility=WORDS.get(record["visibility"], record["visibility"]),
        sources=tuple(WORDS.get(one, one) for one in record["sources"]),
        unwatched=tuple(_unwatched(one) for one in record["unwatched"]),
        unwatched_more=record["unwatchedMore"],
        closing=None
        if closing is None
        else ChatEnd(closing["eventId"], closing["ending"], closing["userId"], closing["userType"]),
        direct_messages=record["directMessages"],
    )


def _unwatched(one: dict[str, Any]) -> Unwatched:
    return Unwatched(one["from"], one["to"], WORDS.get(one["code"], one["code"]))


def offsets_block(offsets: Sequence[ChainOffsets]) -> bytes:
    """Encode the offsets of the chains of a chat: of each topic the first, then how much higher the last one is."""
    known = False
    numbers = [long(_NUMBERS * len(offsets))]
    for one in offsets:
        first_event, last_event, first_session, last_session = one
        known = known or one != NO_OFFSETS
        base = _NONE if first_event is None else first_event
        numbers += (long(base), long(0 if last_event is None else last_event - base))
        base = _NONE if first_session is None else first_session
        numbers += (long(base), long(0 if last_session is None else last_session - base))
    numbers.append(EMPTY)
    return b"".join(numbers) if known else EMPTY


def decoded_offsets(numbers: list[int], chains: int) -> list[ChainOffsets]:
    """Return the offsets of so many chains, or none. Raises VerificationFailed when they are of another number."""
    if not numbers:
        return []
    if len(numbers) != _NUMBERS * chains:
        raise VerificationFailed("a checkpoint with the offsets of other chains than it has")
    found = []
    for at in range(0, len(numbers), _NUMBERS):
        known = [
            value for base, more in (numbers[at : at + 2], numbers[at + 2 : at + 4]) for value in (base, base + more)
        ]
        found.append(ChainOffsets(*(None if value == _NONE else value for value in known)))
    return found
