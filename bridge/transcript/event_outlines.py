"""What a summary needs of the events of a chat, some four bytes for each, in blocks of ids as checkpoints store them.

Kept by event id, so that the figures depend on which events were delivered, and not on when or in which order they
came. Typing notices, changes of nickname, custom notices and events of unknown types leave no outline.

An outline begins with a byte: the place of the id in its block, and the shape. Then come numbers, seven bits per byte,
lowest first: the time as the difference to the outline before it in the block (zigzag), the party (`Parties.place`),
and what `_FURTHER` says. Outlines stand in the order in which they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.events import (
    ALL,
    IDLE_CONTROL_CLOSE,
    INT,
    MESSAGE,
    NEW_PARTY,
    NOTICE,
    PARTY_LEFT,
    SYS_COMMAND,
    SYSTEM,
    USER_PUSHED_URL,
    find,
)
from bridge.transcript.id_blocks import BLOCK_IDS, block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.transcript.events import ChatEvent
    from bridge.transcript.parties import Parties

# Shapes; stored checkpoints depend on these numbers.
SAID: Final = 0
"""A message that the customer sees, or wrote."""
NOTED: Final = 1
"""A message that the customer does not see, a direct one, or one that nobody typed (treatAs SYSTEM)."""
SHOWN: Final = 2
"""A pushed URL that the customer sees."""
UPLOADED: Final = 3
UPLOADED_INSIDE: Final = 4
"""A file that the customer does not see."""
DELETED: Final = 5
IDLE_CLOSE: Final = 6
JOINED: Final = 7
"""A party that the customer sees."""
JOINED_ASYNC: Final = 8
"""The same, of an asynchronous chat."""
JOINED_INSIDE: Final = 9
"""A party with visibility INT."""
JOINED_HIDDEN: Final = 10
"""A party with any other visibility."""
LEFT: Final = 11
"""A party that left by itself, without a reason code and without a text."""
LEFT_BECAUSE: Final = 12

_FURTHER: Final = (1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 3)
"""Shape -> how many numbers follow: characters of the text; of LEFT_BECAUSE asker, reason code and characters."""
JOINS: Final = {ALL: JOINED, INT: JOINED_INSIDE}
_FILES: Final = {"file-uploaded": UPLOADED, "file-deleted": DELETED}
ASYNC_MODE: Final = "GCTI_Chat_AsyncMode"  # D8
_PLACE_BITS: Final = BLOCK_IDS.bit_length() - 1
_MORE: Final = 128


class Outline(NamedTuple):
    """An event as a summary sees it.

    `at` in seconds since the session's start; `party` and `asker` as in `Parties.place`, 0 for one that is not
    remembered. `code` is that of a departure's reason, None without one.
    """

    event_id: int
    shape: int
    at: int
    party: int
    characters: int = 0
    asker: int = 0
    code: int | None = None


class Outlines:
    """The outlines of the delivered events of a chat; or none is kept at all."""

    __slots__ = ("_blocks", "_last_at", "_last_block", "_marked", "kept")

    def __init__(self, stored: Mapping[int, bytes] | None = None) -> None:
        """Start from what `stored` returned; None: keep none."""
        self.kept = stored is not None
        self._blocks = dict(stored or {})
        self._marked: dict[int, bytes] | None = None  # None: nothing has changed since then
        self._last_block: int | None = None
        self._last_at = 0

    def stored(self) -> dict[int, bytes] | None:
        """Return all of them, packed, by block; None when none is kept."""
        return self._blocks.copy() if self.kept else None

    def packed(self, block: int) -> bytes:
        """Return those of one block, packed."""
        return self._blocks.get(block, b"")

    def each(self) -> list[Outline]:
        """Return them in the order of their ids."""
        return [
            outline for block in sorted(self._blocks) for outline in sorted(each_outline(block, self._blocks[block]))
        ]

    def put(self, event: ChatEvent, parties: Parties, *, again: bool = False) -> None:
        """Add the outline of an event whose author is remembered; with `again` in place of the one under its id."""
        if not self.kept:
            return
        if again:
            self.remove(event.event_id)
        outline = _outline_of(event, parties)
        if outline is not None:
            shape, further = outline
            at = event.time_shift
            self._append(event.event_id, shape, max(at, 0), (parties.place(event.user_id), *further))

    def remove(self, event_id: int) -> None:
        """Remove the outline of an event, if it has one."""
        block = block_of(event_id)
        packed = self._blocks.get(block)
        if packed is None:
            return
        outlines = list(each_outline(block, packed))
        others = [one for one in outlines if one.event_id != event_id]
        if len(others) < len(outlines):
            if self._marked is None:
                self._marked = {}
            self._marked.setdefault(block, packed)
            del self._blocks[block]
            self._last_block = None
            for one in others:
                self._append(one.event_id, one.shape, one.at, _numbers_of(one))

    def _append(self, event_id: int, shape: int, at: int, numbers: tuple[int, ...]) -> None:
        block, place = divmod(event_id, BLOCK_IDS)
        packed = self._blocks.get(block, b"")
        if self._marked is None:
            self._marked = {block: packed}
        elif block not in self._marked:
            self._marked[block] = packed
        if block != self._last_block:
            self._last_block, self._last_at = block, 0
            for one in each_outline(block, packed) if packed else ():
                self._last_at = one.at
        later = at - self._last_at
        self._last_at = at
        whole = (place | shape << _PLACE_BITS, later << 1 if later >= 0 else ~(later << 1), *numbers)
        self._blocks[block] = packed + (bytes(whole) if max(whole) < _MORE else b"".join(map(_number, whole)))

    # --- all or nothing ------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        self._marked = None

    def undo(self) -> None:
        """Go back to the last `mark`."""
        for block, packed in (self._marked or {}).items():
            self._blocks[block] = packed
            if not packed:
                del self._blocks[block]
        self._last_block = None
        self.mark()


def _outline_of(event: ChatEvent, parties: Parties) -> tuple[int, tuple[int, ...]] | None:
    """Return shape and further numbers of an event, None when it leaves no outline."""
    kind = event.event_type
    if kind == MESSAGE:
        message = event.message_text
        seen = event.visibility == ALL and event.receiver_id is None
        if message is None:
            return (SAID if seen else NOTED), (0,)
        return (SAID if seen and message.treat_as != SYSTEM else NOTED), (len(message.text),)
    if kind == NOTICE:
        notice, seen = event.notice_text, event.visibility == ALL and event.receiver_id is None
        shape = None if notice is None else shape_of_notice(notice.notice_type, notice.text, seen=seen)
        return None if shape is None else (shape, ())
    if kind == NEW_PARTY:
        shape = JOINS.get(event.visibility, JOINED_HIDDEN)
        if shape == JOINED and find(event.user_data, ASYNC_MODE) == "true":
            shape = JOINED_ASYNC
        return shape, (_characters(event),)
    return _departure(event, parties) if kind == PARTY_LEFT else None


def _departure(event: ChatEvent, parties: Parties) -> tuple[int, tuple[int, ...]]:
    asker = event.asker_id or event.user_id
    code, characters = _code_of(event), _characters(event)
    if asker == event.user_id and code is None and not characters:
        return LEFT, ()
    return LEFT_BECAUSE, (parties.place_of_mentioned(asker), 0 if code is None else _zigzag(code) + 1, characters)


def shape_of_notice(word: str, text: str, *, seen: bool) -> int | None:
    """Return the shape of a notice with this type and text, None if a summary does not see it.

    `seen`: every party sees the notice.
    """
    if word == USER_PUSHED_URL:
        return SHOWN if seen else None
    if word == IDLE_CONTROL_CLOSE:
        return IDLE_CLOSE
    shape = _FILES.get(text) if word == SYS_COMMAND else None
    return UPLOADED_INSIDE if shape == UPLOADED and not seen else shape


def _characters(event: ChatEvent) -> int:
    return 0 if event.message_text is None else len(event.message_text.text)


def _code_of(event: ChatEvent) -> int | None:
    """Return the code of a departure: that of the reason, else the quit-reason-code (one space of numbers, D4)."""
    if event.reason is not None and event.reason.code is not None:
        return event.reason.code
    told = find(event.event_attributes, "GCTI_SYSTEM", "quit-reason-code")
    return int(told) if told is not None and len(told) == 1 and told in "0123456789" else None


def _numbers_of(one: Outline) -> tuple[int, ...]:
    if one.shape == LEFT_BECAUSE:
        return (one.party, one.asker, 0 if one.code is None else _zigzag(one.code) + 1, one.characters)
    return (one.party, one.characters)[: 1 + _FURTHER[one.shape]]


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else ~(value << 1)


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= _MORE:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def each_outline(block: int, packed: bytes) -> Iterator[Outline]:
    """Yield the outlines of a block, in the order in which they came."""
    last = 0
    numbers = _each_number(packed)
    for head in numbers:
        shape = head >> _PLACE_BITS
        later = next(numbers)
        last += later >> 1 ^ -(later & 1)
        event_id, party = block * BLOCK_IDS + head % BLOCK_IDS, next(numbers)
        if shape == LEFT_BECAUSE:
            asker, code, characters = next(numbers), next(numbers), next(numbers)
            why = None if code == 0 else (code - 1) >> 1 ^ -((code - 1) & 1)
            yield Outline(event_id, shape, last, party, characters, asker, why)
        else:
            yield Outline(event_id, shape, last, party, next(numbers) if _FURTHER[shape] else 0)


def _each_number(packed: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in packed:
        value |= (byte & 127) << shift
        if byte < _MORE:
            yield value
            value = shift = 0
        else:
            shift += 7
