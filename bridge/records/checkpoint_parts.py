"""Which records of a chat's checkpoint are on the topic, and which of them a transaction has to write again."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.records.checkpoint import (
    CheckpointHead,
    encode_announcement,
    encode_closed,
    encode_head,
    encode_ids,
    encode_seldom,
)
from bridge.records.checkpoint_keys import ANNOUNCEMENT, SELDOM, head_key, segment_key
from bridge.transcript.fingerprints import PrintLayout
from bridge.transcript.id_blocks import IdBlock, Prints
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records.checkpoint_keys import Segment
    from bridge.records.output_chains import OutputGap

_NAMED_SEGMENTS: Final = 2
"""A chat that has a head has these: the announcement, and what seldom changes."""
_NO_PRINTS: Final = Prints(b"", PrintLayout(0, 0))
_OF_HEAD: Final = frozenset({"absence", "epoch", "away", "outlines"})
"""What of the state that seldom changes is in the head."""
_stored: Final = attrgetter(*(one.name for one in fields(TranscriptState) if one.compare and one.name not in _OF_HEAD))


@dataclass(slots=True)
class Checkpoint:
    """A chat as of its last committed record, as far as it may have to be written.

    `announcement` is the JSON of its announcement, which may hold the session's password (P5: never shown); `seldom`
    is `Transcript.seldom`, `closed` are the closed blocks of ids that changed, `output_gaps` gaps of one output only.
    """

    head: CheckpointHead
    announcement: bytes
    seldom: TranscriptState
    closed: list[IdBlock]
    output_gaps: tuple[OutputGap, ...] = ()

    def __repr__(self) -> str:
        """Show the chat and the state only (P5)."""
        return f"Checkpoint({self.seldom.facts.session_id!r}, {self.head.state!r})"


class CheckpointParts:
    """The checkpoint of one chat. Takes what it returned for written: after a failed commit it is not used any more."""

    # There is one for each chat that is followed: a sorted list takes a third of the memory of a dictionary.
    __slots__ = ("_announcement", "_blocks", "_output_gaps", "_seldom", "_session_id", "_site")

    def __init__(self, session_id: str, site: str) -> None:
        """Begin with nothing written; `site` is the bridge's own."""
        self._session_id = session_id
        self._site = site
        self._blocks: list[int] = []  # rising; the other segments are on the topic once they are known here
        self._announcement: bytes | None = None
        self._seldom: TranscriptState | None = None
        self._output_gaps: tuple[OutputGap, ...] = ()

    def restored(
        self,
        announcement: bytes,
        seldom: TranscriptState,
        blocks: Iterable[int],
        output_gaps: Iterable[OutputGap] = (),
    ) -> None:
        """Learn what is on the topic; `seldom` as `Transcript.seldom` returns it."""
        self._announcement = announcement
        self._output_gaps = tuple(output_gaps)
        self._seldom = seldom
        self._blocks = sorted(blocks)

    def share(self, seldom: TranscriptState) -> None:
        """Keep this state of `Transcript.seldom`, if it says what is on the topic: it is in memory anyhow."""
        if self._seldom is not None and _stored(seldom) == _stored(self._seldom):
            self._seldom = seldom

    def segments(self) -> list[Segment]:
        """Return which segments are on the topic."""
        named = ((ANNOUNCEMENT, self._announcement), (SELDOM, self._seldom))
        return [*(segment for segment, known in named if known is not None), *self._blocks]

    def also_written(self, segments: Iterable[Segment]) -> None:
        """Learn that there are these segments, too: of a block that is open again, what is there is out of date."""
        blocks = self._blocks
        for segment in segments:
            if isinstance(segment, str):
                continue
            if not blocks or segment > blocks[-1]:  # as nearly always: blocks are closed one after the other
                blocks.append(segment)
            elif blocks[at := bisect_left(blocks, segment)] != segment:
                blocks.insert(at, segment)

    def _forget(self) -> None:
        self._blocks, self._announcement, self._seldom = [], None, None

    def changed(self, checkpoint: Checkpoint, *, again: bool = False) -> list[tuple[str, bytes]]:
        """Return (key, payload) of what is to be written in one transaction: segments that changed, then the head.

        The head comes last: a log that has lost its beginning never has a segment whose head is gone. Sets the number
        of segments in it. With `again` there are no segments but those of `checkpoint`.
        """
        if again:
            self._forget()
        segments: list[tuple[Segment, bytes]] = []
        if checkpoint.announcement != self._announcement:
            self._announcement = checkpoint.announcement
            segments.append((ANNOUNCEMENT, encode_announcement(checkpoint.announcement)))
        changed = checkpoint.output_gaps != self._output_gaps
        # Compared by value, not by a counter of changes: a restored fold restarts its counter.
        if checkpoint.seldom is not self._seldom:
            changed |= self._seldom is None or _stored(checkpoint.seldom) != _stored(self._seldom)
            self._seldom = checkpoint.seldom
        if changed:
            self._output_gaps = checkpoint.output_gaps
            seldom = encode_seldom(checkpoint.seldom, checkpoint.output_gaps, self._site)
            segments.append((SELDOM, seldom))
        segments += [(block.number, encode_ids(block)) for block in checkpoint.closed]
        self.also_written(block.number for block in checkpoint.closed)
        records = [(segment_key(self._session_id, segment), value) for segment, value in segments]
        checkpoint.head.segments = _NAMED_SEGMENTS + len(self._blocks)
        records.append(self.head(checkpoint.head))
        return records

    def head(self, head: CheckpointHead) -> tuple[str, bytes]:
        """Return key and payload of the head alone."""
        return head_key(self._session_id), encode_head(head)

    def closed(
        self,
        head: CheckpointHead,
        seldom: TranscriptState,
        ids: list[tuple[int, int]],
        output_gaps: Iterable[OutputGap] = (),
    ) -> tuple[str, bytes]:
        """Return key and payload of the head of a chat that ended a while ago, with the ranges of all of its ids."""
        own = [replace(one, gap=replace(one.gap, detail=None)) for one in output_gaps]
        return head_key(self._session_id), encode_closed(head, _remembered(seldom), own, IdBlock(ids, _NO_PRINTS))

    def forgotten(self) -> list[str]:
        """Return the keys of all segments, which are to be deleted: after that there are none."""
        keys = [segment_key(self._session_id, segment) for segment in self.segments()]
        self._forget()
        return keys


def _remembered(seldom: TranscriptState) -> TranscriptState:
    """Leave out what a chat that ended a while ago can do without: that it is short matters, there are many."""
    facts = seldom.facts
    return replace(
        seldom,
        facts=replace(facts, monitored=None, idle_time_expire=None, client_version=None),
        parties=[],
        parties_set_by=[],
        amendments={},
        unprinted=[],
        outlines=None,
        watch=seldom.watch.in_short(),
        gaps=[replace(gap, detail=None) for gap in seldom.gaps],
        filled=[replace(gap, detail=None) for gap in seldom.filled],
    )
