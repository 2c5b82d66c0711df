"""The checkpoint of a chat: which of its records a transaction writes or deletes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.announcement import Announcement, encode
from bridge.capture.chat import GIVEN_UP, OVER, STORED
from bridge.capture.outputs import chains_of, gaps_of, numbers_of, offsets_of
from bridge.records.checkpoint import CheckpointHead
from bridge.records.checkpoint_keys import head_key
from bridge.records.checkpoint_parts import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.capture.chat import Chat
    from bridge.records.checkpoint import BatchStamp


def checkpoint_of(
    chat: Chat, now: int, stamp: BatchStamp, *, again: bool = False
) -> Sequence[tuple[str, bytes | None]]:
    """Return (key, payload) of the records to write in the batch of `stamp`; None: to delete. `now` in us since 1970.

    They are taken for written: called once per transaction. `again`: nothing counts as written before. A chat that is
    STORED is written as one that was given up, which version 0.1.0 follows when it is announced, too.
    """
    transcript, output_gaps = chat.transcript, gaps_of(chat.outputs)
    seldom = transcript.seldom()
    chain_head, chains = chains_of(chat.outputs)
    head = CheckpointHead(
        state=GIVEN_UP if chat.state == STORED else chat.state,
        sequence=transcript.sequence,
        epoch=seldom.epoch,
        chain_head=chain_head,
        counts=transcript.counts,
        absence=seldom.absence,
        observed_at=chat.closed_at or now,
        stamp=stamp,
        chains=chains,
        stored=chat.state == STORED,
        outlined=chat.whole and seldom.outlines is not None,
        away=seldom.away,
        offsets=offsets_of(chat.outputs),
        numbers=numbers_of(chat.outputs) if chat.whole else {},
    )
    chat.checkpointed(head.observed_at)
    if not chat.whole:
        deleted = [(key, None) for key in chat.parts.forgotten()]
        if not chat.addressable:
            return [*deleted, chat.parts.head(replace(head, counts={}))]
        return [*deleted, chat.parts.closed(head, seldom, transcript.delivered.pairs(), output_gaps)]
    head.ids, closed = transcript.take_blocks(again=again)
    return chat.parts.changed(Checkpoint(head, _announced(chat), seldom, closed, output_gaps), again=again)


def checkpoint_keys(session_id: str, chat: Chat | None) -> list[str]:
    """Return the keys of all records of a chat's checkpoint; None stands for a chat that has no segments."""
    return [*(chat.parts.forgotten() if chat is not None else ()), head_key(session_id)]


def _announced(chat: Chat) -> bytes:
    """Return what is kept of the announcement: of a chat that is over, only that it is there (P5)."""
    if chat.state != OVER:
        return chat.announced
    told = chat.announcement
    return encode(Announcement(session_id=told.session_id, host=told.host, port=told.port))
