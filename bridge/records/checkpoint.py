"""SessionCheckpoints: the state of a chat on the compacted topic, from which any worker can continue the chat.

A checkpoint consists of records with a key each (`checkpoint_keys.py`): the head, which is written with every
transaction that touches the chat, and segments, which are written when they changed. All are of one Avro type whose
parts are nullable, so that one schema tells of all of them, and only the key says which record it is.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the compiled form looks it up
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from bridge.records.binary import (
    EMPTY,
    NULL,
    SOME,
    array,
    data,
    long,
    long_map,
    optional_long,
    optional_text,
    pairs,
    text,
    word,
)
from bridge.records.blocks import gap_block, party_block, session_block
from bridge.records.output_chains import DEFAULT_OUTPUT, OutputChain, chain_block
from bridge.records.shard_facts import shard_block
from bridge.records.split_blocks import split_block
from bridge.records.tree_state import tree_block
from bridge.records.watch_blocks import offsets_block, watch_block

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records.output_chains import OutputGap
    from bridge.records.shard_facts import ShardFacts
    from bridge.records.split_numbers import SplitNumbers
    from bridge.records.tree_state import TreeState
    from bridge.records.watch_blocks import ChainOffsets
    from bridge.transcript.fingerprints import PrintLayout
    from bridge.transcript.holes import Absence
    from bridge.transcript.id_blocks import IdBlock
    from bridge.transcript.state import TranscriptState
    from bridge.transcript.watch import Unwatched

POSITION_STATE: Final = "POSITION"
"""The state in the head of a position."""


@dataclass(slots=True)
class BatchStamp:
    """Which transaction wrote a checkpoint: the shard's owner at that time, and the number of the batch.

    `owners` are pairs of an owner and the number of its last batch; of a chat's checkpoint there are none. `encoded`
    is the stamp as fields of a CheckpointHead, but for the tree: one stamp serves all checkpoints of a batch. It is not
    changed. `shard` and `tree` are in the marker only.
    """

    owner: int
    number: int
    owners: tuple[tuple[int, int], ...] = ()
    shard: ShardFacts | None = None
    tree: TreeState | None = None
    encoded: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Encode it. Raises OverflowError for a number beyond 64 bits."""
        owners = array(map(long, chain.from_iterable(self.owners))) if self.owners else EMPTY
        self.encoded = _encoded_owner(self.owner) + long(self.number) + owners + shard_block(self.shard)


@lru_cache(maxsize=64)
def _encoded_owner(owner: int) -> bytes:
    """Encode an owner. There is one per shard, and it takes longer than all else in a stamp."""
    return long(owner)


@dataclass(slots=True)
class CheckpointHead:
    """What of a chat changes with every record, as of its last committed one.

    `state` is the engine's word for the chat's state; `chain_head` the head of the chain in the output `default`, if
    that began with the chat, else empty; `chains` are all others. `observed_at` in us since 1970 UTC; `stamp` names the
    transaction that writes it. `segments` is the number of the chat's segments once this transaction is committed: with
    none, only the head is remembered. `ids` is the open block. `stored`: the chat is open, and known from stored
    transcripts only. `outlined` says that all blocks have their outlines. `away` is the interval in which nobody is
    watching, if there is one; `offsets` are those of `all_chains`, or none. `position` is in that of a position only.
    `numbers` are those that may have begun in each output, by its name.
    """

    state: str
    sequence: int
    epoch: int
    chain_head: bytes
    counts: dict[str, int]
    absence: Absence | None
    observed_at: int
    stamp: BatchStamp
    segments: int = 0
    ids: IdBlock | None = None
    chains: list[OutputChain] = field(default_factory=list)
    stored: bool = False
    outlined: bool = False
    away: Unwatched | None = None
    offsets: list[ChainOffsets] = field(default_factory=list)
    position: bytes | None = None
    numbers: Mapping[str, SplitNumbers] = field(default_factory=dict)

    def all_chains(self) -> list[OutputChain]:
        """Return the chain in each output."""
        began = [OutputChain(DEFAULT_OUTPUT, 1, self.chain_head)] if self.chain_head else []
        return [*began, *self.chains]


def encode_head(head: CheckpointHead) -> bytes:
    """Return the payload of a head."""
    return payload(SOME + _head(head), NULL, NULL, NULL if head.ids is None else SOME + _ids(head.ids))


def encode_closed(
    head: CheckpointHead, seldom: TranscriptState, output_gaps: Iterable[OutputGap], ids: IdBlock
) -> bytes:
    """Return the payload of the head of a chat that ended a while ago, with all of its ids and what is kept beside.

    Its site is left out: that of the bridge's settings holds for whatever is read back.
    """
    return payload(SOME + _head(head), NULL, SOME + _seldom(seldom, output_gaps, ""), SOME + _ids(ids))


def _head(head: CheckpointHead) -> bytes:
    absence = head.absence
    return b"".join(
        (
            word(head.state),
            long(head.sequence),
            long(head.epoch),
            data(head.chain_head),
            array(map(chain_block, head.chains)) if head.chains else EMPTY,
            long_map(head.counts),
            optional_long(None if absence is None else absence.since),
            optional_long(None if absence is None else absence.after),
            long(head.observed_at),
            long(head.segments),
            _head_extra(head),
            offsets_block(head.offsets),
            head.stamp.encoded,
            b"\1" if head.outlined else b"\0",
        )
    )


def _head_extra(head: CheckpointHead) -> bytes:
    """Encode what few heads have: in each of the others it costs one byte."""
    away, tree, position = head.away, head.stamp.tree, head.position
    if not head.stored and away is None and tree is None and position is None and not head.numbers:
        return NULL
    return b"".join(
        (
            SOME,
            b"\1" if head.stored else b"\0",
            optional_long(None if away is None else away.since),
            optional_text(None if away is None else away.code),
            tree_block(tree),
            NULL if position is None else SOME + data(position),
            split_block(head.numbers),
        )
    )


def encode_announcement(announcement: bytes) -> bytes:
    """Return the payload of the segment with the announcement's JSON."""
    return payload(NULL, SOME + data(announcement), NULL, NULL)


def encode_seldom(state: TranscriptState, output_gaps: Iterable[OutputGap], site: str) -> bytes:
    """Return the payload of the segment with what seldom changes. `site` is the bridge's own."""
    return payload(NULL, NULL, SOME + _seldom(state, output_gaps, site), NULL)


def _seldom(state: TranscriptState, output_gaps: Iterable[OutputGap], site: str) -> bytes:
    return b"".join(
        (
            session_block(state.facts, site),
            array(map(party_block, state.parties)),
            array(map(long, chain.from_iterable(state.parties_set_by))),
            array(map(gap_block, state.gaps)),
            array(map(long, state.gap_sequences)),
            array(long(event_id) + long(count) for event_id, count in state.amendments.items()),
            array(map(gap_block, state.filled)),
            long(state.amended),
            long(state.reused),
            long(state.rejoins),
            long(state.masked),
            long(state.quarantined),
            long(state.unattributed),
            b"\1" if state.joined else b"\0",
            pairs(state.unprinted),
            array(map(_output_gap, output_gaps)),
            _seldom_extra(state),
        )
    )


def _seldom_extra(state: TranscriptState) -> bytes:
    """Encode what is not known of every chat: in a record of each of the others it costs one byte."""
    watch, subjects = watch_block(state.watch), state.facts.subjects
    if not state.filled_sequences and not state.archived and watch == NULL and not subjects:
        return NULL
    archived = b"\1" if state.archived else b"\0"
    return SOME + array(map(long, state.filled_sequences)) + archived + watch + array(map(text, subjects))


def _output_gap(own: OutputGap) -> bytes:
    return b"".join(
        (
            text(own.output),
            long(own.sequence),
            text(own.kind),
            optional_text(own.amendment),
            gap_block(own.gap),
        )
    )


def encode_ids(block: IdBlock) -> bytes:
    """Return the payload of the segment with a block of ids."""
    return payload(NULL, NULL, NULL, SOME + _ids(block))


def _ids(block: IdBlock) -> bytes:
    prints, layout = block.prints
    return b"".join(
        (
            pairs(block.ranges),
            data(prints),
            _encoded_layout(layout),
            data(block.outlines),
        )
    )


@lru_cache(maxsize=64)
def _encoded_layout(layout: PrintLayout) -> bytes:
    """Encode a layout. There is one per version, and it takes longer than the ranges."""
    return long(layout.version) + long(layout.table)


def encode_position(position: bytes, at: int, stamp: BatchStamp) -> bytes:
    """Return the payload of a position; `at` in us since 1970 UTC.

    It has a head: a version that knows no positions takes it for a chat that ended a while ago, and forgets it.
    """
    return encode_head(CheckpointHead(POSITION_STATE, 0, 0, b"", {}, None, at, stamp, position=position))


def payload(head: bytes, announcement: bytes, seldom: bytes, ids: bytes) -> bytes:
    """Return a SessionCheckpoint, from its nullable fields."""
    return head + announcement + seldom + ids
