"""A message that is longer than a frame: an EventSessionInfo with many events, read while it arrives.

The bytes are kept once, as blocks of events that are known to be readable; the events of a block are decoded again when
it is their turn, and the block is then given up. So the message is known as a whole (which join it answers, whether the
chat is over, which ids it holds, which events are damaged) before its first event is handed on, and the rest of it is
never in memory twice. Only where the ids do not rise are the blocks sorted, which takes as much memory again.

A message of another kind is as unreadable as any line that is too long: only its beginning is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.chatserver import psdk_tolerant
from bridge.chatserver.event_list_scanner import EventListScanner
from bridge.transcript.bounds import outside
from bridge.transcript.events import ChatEvent
from bridge.transcript.input_codes import TOO_LONG
from bridge.transcript.updates import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_BYTES: Final = 256 * 1024
"""Bytes of events that are decoded at a time."""

_LONGEST_BLOCK: Final = 1024 * 1024
"""Bytes to which a block may grow so that one id is in one block."""

_HEAD_BYTES: Final = 64 * 1024
_DAMAGED_BYTES: Final = 4 * 1024 * 1024
_DAMAGED_HEAD: Final = 1024
"""What is kept of each damaged event when there are more than _DAMAGED_BYTES of them."""

_AT: Final = "chatTranscript.chatEventList"
_EVENTS: Final[msgspec.json.Decoder[list[ChatEvent]]] = msgspec.json.Decoder(list[ChatEvent])
_event_id: Final = attrgetter("event_id")


@dataclass(slots=True, frozen=True)
class _Block:
    """The text of some readable events as a JSON list, their number, and their lowest and highest id."""

    text: bytes
    count: int
    lowest: int
    highest: int

    def events(self) -> list[ChatEvent]:
        """Decode it."""
        events = _exact(self.text)
        if events is None:
            read = [psdk_tolerant.read_event(text, "") for text in _texts(self.text)]
            events = [one for one in read if isinstance(one, ChatEvent)]
        return events


class EventBlocks:
    """The events of a long message that are not handed on yet, in the order of their ids: a WaitingEvents."""

    def __init__(self, blocks: Iterable[_Block], block_bytes: int = BLOCK_BYTES) -> None:
        """Take the blocks in any order; where ids do not rise, make others of `block_bytes`."""
        self._blocks = deque(_in_order(list(blocks), block_bytes))
        self.count = sum(block.count for block in self._blocks)
        self.size = sum(len(block.text) for block in self._blocks)

    def each(self) -> Iterator[ChatEvent]:
        """Look at all events that wait, without taking them."""
        for block in self._blocks:
            yield from block.events()

    def next(self) -> tuple[list[ChatEvent], int]:
        """Take the events of the next block, and its size in bytes; none if nothing waits."""
        if not self._blocks:
            return [], 0
        block = self._blocks.popleft()
        self.count -= block.count
        self.size -= len(block.text)
        return block.events(), len(block.text)


class LongMessage:
    """One message; `feed` what arrives of it, in chunks of any size, without its LF.

    `length` is the number of bytes so far. `too_long`: there are more than the limit, or it is no message that may be
    long; then `head`, its beginning, is all that is kept. Otherwise, when it has ended, `around` is the message without
    its events, `damaged` are those that cannot be read, and `waiting` returns the others.
    """

    def __init__(self, limit: int, event_limit: int, block_bytes: int = BLOCK_BYTES) -> None:
        """`limit` is the longest message, `event_limit` the longest event and the longest text around all, in bytes."""
        self._most_bytes = block_bytes
        self.head = b""
        self.length = 0
        self.too_long = False
        self.damaged: list[Damaged] = []
        self._limit = limit
        self._event_limit = event_limit
        self._scanner = EventListScanner()
        self._lists = 0
        self._blocks: list[_Block] = []
        self._texts: list[bytes] = []
        self._begin_list()

    @property
    def held(self) -> int:
        """Bytes held, those of damaged events included."""
        texts = self._block_bytes + self._damaged_bytes + sum(len(block.text) for block in self._blocks)
        return len(self.head) + self._scanner.held + texts

    @property
    def around(self) -> bytes:
        """The text of the message with an empty list in the place of its events."""
        return bytes(self._scanner.around)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.length += len(data)
        if len(self.head) < _HEAD_BYTES:
            self.head += data[: _HEAD_BYTES - len(self.head)]
        if self.too_long:
            return
        texts = self._scanner.feed(data)
        if self.length > self._limit or len(self._scanner.around) > self._event_limit:
            self.too_long = True
            self._scanner = EventListScanner()
            self._begin_list()
            return
        if self._scanner.lists != self._lists:
            self._lists = self._scanner.lists
            self._begin_list()
        for text in texts:
            self._take(text)

    def waiting(self) -> EventBlocks:
        """Return the readable events, once all was fed; they are no longer held here."""
        self._end_block()
        waiting = EventBlocks(self._blocks, self._most_bytes)
        self._blocks = []
        return waiting

    def _begin_list(self) -> None:
        self.damaged = []
        self._damaged_bytes = 0
        self._blocks = []
        self._texts = []
        self._block_bytes = 0
        self._index = 0

    def _take(self, text: bytes) -> None:
        if len(text) > self._event_limit:
            self._end_block()
            detail = f"{_AT}[{self._index}]: longer than {self._event_limit} bytes"
            bad = Damaged(text[:_HEAD_BYTES], detail, psdk_tolerant.event_id_of(text), TOO_LONG, len(text))
            self._set_aside(bad)
            self._index += 1
            return
        self._texts.append(text)
        self._block_bytes += len(text)
        if self._block_bytes >= self._most_bytes:
            self._end_block()

    def _end_block(self) -> None:
        """Find out which of the events of a block can be read, and keep the texts of these."""
        texts, self._texts, self._block_bytes = self._texts, [], 0
        first, self._index = self._index, self._index + len(texts)
        if not texts:
            return
        joined = _joined(texts)
        events = _exact(joined)
        if events is None or len(events) != len(texts):
            texts = [psdk_tolerant.without_lone_surrogates(text) for text in texts]
            events = []
            readable: list[bytes] = []
            for index, text in enumerate(texts, first):
                read = psdk_tolerant.read_event(text, f"{_AT}[{index}]")
                if isinstance(read, Damaged):
                    self._set_aside(read)
                else:
                    events.append(read)
                    readable.append(text)
            joined = _joined(readable)
        if events:
            ids = list(map(_event_id, events))
            self._blocks.append(_Block(joined, len(events), min(ids), max(ids)))

    def _set_aside(self, bad: Damaged) -> None:
        if self._damaged_bytes > _DAMAGED_BYTES and len(bad.raw) > _DAMAGED_HEAD:
            bad = Damaged(bad.raw[:_DAMAGED_HEAD], bad.detail, bad.event_id, bad.code, bad.length or len(bad.raw))
        self._damaged_bytes += len(bad.raw)
        self.damaged.append(bad)


def _exact(text: bytes) -> list[ChatEvent] | None:
    """Decode a list of events with the exact types; None if one of them needs the tolerant decoding."""
    try:
        events = _EVENTS.decode(text)
    except psdk_tolerant.UNREADABLE:
        return None
    return None if any(map(outside, events)) else events


def _joined(texts: list[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def _texts(joined: bytes) -> list[bytes]:
    return [bytes(text) for text in msgspec.json.decode(joined, type=list[msgspec.Raw])]


def _in_order(blocks: list[_Block], block_bytes: int) -> list[_Block]:
    """Return blocks of which each has higher ids than the one before."""
    if all(before.highest < after.lowest for before, after in pairwise(blocks)):
        return blocks
    by_id = [
        (event.event_id, text)
        for block in blocks
        for event, text in zip(block.events(), _texts(block.text), strict=True)
    ]
    by_id.sort(key=itemgetter(0))
    ordered: list[_Block] = []
    ids: list[int] = []
    texts: list[bytes] = []
    size = 0
    for event_id, text in by_id:
        if (size >= block_bytes and event_id != ids[-1]) or size >= _LONGEST_BLOCK:
            ordered.append(_Block(_joined(texts), len(ids), ids[0], ids[-1]))
            ids, texts, size = [], [], 0
        ids.append(event_id)
        texts.append(text)
        size += len(text)
    ordered.append(_Block(_joined(texts), len(ids), ids[0], ids[-1]))
    return ordered
