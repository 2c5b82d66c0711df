"""Checkpoints: each record as fastavro writes it, whole ones read back; what is missing or damaged is told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fastavro.schema import load_schema
from hypothesis import given
from hypothesis import strategies as st

from bridge.announcement import session_id_problem
from bridge.errors import VerificationFailed
from bridge.records.avro import SESSION_CHECKPOINT, Schemas, schema_folder
from bridge.records.checkpoint import (
    BatchStamp,
    CheckpointHead,
    encode_announcement,
    encode_head,
    encode_ids,
    encode_seldom,
)
from bridge.records.checkpoint_keys import ANNOUNCEMENT, MARKER_KEY, SELDOM, head_key, parsed_key, segment_key
from bridge.records.checkpoint_parts import Checkpoint, CheckpointParts
from bridge.records.checkpoint_reader import StoredSession, read_checkpoints
from bridge.records.payload_framing import single_object
from bridge.records.writer_schemas import WriterSchemas
from bridge.transcript.entries import Gap, Party, SessionFacts
from bridge.transcript.fingerprints import PrintLayout
from bridge.transcript.holes import Absence
from bridge.transcript.id_blocks import BLOCK_IDS, IdBlock, Prints
from bridge.transcript.parties import SetBy
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState
from tests.records import reference
from tests.records.checkpoint_records import head_record, watch_record
from tests.records.record_strategies import SESSION, folds, heads, id_blocks, output_gaps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records.output_chains import OutputGap

SCHEMAS = Schemas(schema_folder())
WRITERS = WriterSchemas(SCHEMAS)
HEADER = single_object(SCHEMAS.fingerprint(SESSION_CHECKPOINT))
SCHEMA = load_schema(str(reference.FOLDER / f"{SESSION_CHECKPOINT}.avsc"))
SITE = "north"
STAMP = BatchStamp(5, 6)


def whole(**parts: Any) -> dict[str, Any]:
    return {"head": None, "announcement": None, "seldom": None, "ids": None, **parts}


def ids_record(block: IdBlock) -> dict[str, Any]:
    return {
        "idRanges": [edge for pair in block.ranges for edge in pair],
        "prints": block.prints.packed,
        "printsVersion": block.prints.layout.version,
        "printsTable": block.prints.layout.table,
        "outlines": block.outlines,
    }


def seldom_record(fold: TranscriptState, own: Iterable[OutputGap] = ()) -> dict[str, Any]:
    return {
        "session": reference.session(fold.facts, SITE),
        "parties": [reference.party(party) for party in fold.parties],
        "partiesSetBy": [event_id for set_by in fold.parties_set_by for event_id in set_by],
        "gaps": [reference.gap(gap) for gap in fold.gaps],
        "gapSequences": fold.gap_sequences,
        "amendments": [{"eventId": event_id, "count": count} for event_id, count in fold.amendments.items()],
        "filled": [reference.gap(gap) for gap in fold.filled],
        "amended": fold.amended,
        "idsReused": fold.reused,
        "rejoins": fold.rejoins,
        "masked": fold.masked,
        "quarantined": fold.quarantined,
        "unattributed": fold.unattributed,
        "joined": fold.joined,
        "outputGaps": [
            {
                "output": one.output,
                "sequence": one.sequence,
                "kind": one.kind,
                "amendment": one.amendment,
                "gap": reference.gap(one.gap),
            }
            for one in own
        ],
        "extra": seldom_extra(fold),
    }


def seldom_extra(fold: TranscriptState) -> dict[str, Any] | None:
    watch = watch_record(fold.watch)
    if watch is None and not fold.archived and not fold.filled_sequences:
        return None
    return {"filledSequences": fold.filled_sequences, "archived": fold.archived, "watch": watch}


@given(heads, id_blocks(), st.binary(max_size=60), folds, output_gaps)
def test_the_records_of_a_checkpoint_are_byte_for_byte_what_fastavro_writes(
    head: CheckpointHead, blocks: list[IdBlock], announcement: bytes, fold: TranscriptState, own: list[OutputGap]
) -> None:
    head.ids = blocks[-1] if blocks else None
    for payload, record in (
        (encode_head(head), whole(head=head_record(head), ids=ids_record(blocks[-1]) if blocks else None)),
        (encode_announcement(announcement), whole(announcement=announcement)),
        (encode_seldom(fold, own, SITE), whole(seldom=seldom_record(fold, own))),
        *((encode_ids(block), whole(ids=ids_record(block))) for block in blocks),
    ):
        assert payload == reference.encoded(SCHEMA, record)


def read(records: Iterable[tuple[str, bytes]]) -> StoredSession:
    """Read what belongs to one chat; values without their header."""
    marker, found = read_checkpoints(WRITERS, [(key, HEADER + value) for key, value in records])
    assert marker is None
    [session] = found.values()
    return session


def written(
    head: CheckpointHead, fold: TranscriptState, blocks: list[IdBlock], own: Iterable[OutputGap] = ()
) -> list[tuple[str, bytes]]:
    """The first checkpoint of a chat."""
    head.ids = blocks[-1] if blocks else None
    return CheckpointParts(SESSION, SITE).changed(Checkpoint(head, b"{}", fold, blocks[:-1], tuple(own)))


@given(heads, folds, id_blocks(), output_gaps, st.randoms())
def test_a_checkpoint_that_is_read_back_in_any_order_is_the_one_that_was_written(
    head: CheckpointHead, fold: TranscriptState, blocks: list[IdBlock], own: list[OutputGap], order: Any
) -> None:
    records = written(head, fold, blocks, own)
    assert records[-1][0] == SESSION
    order.shuffle(records)
    session = read(records)
    assert (session.head, session.announcement, session.missing) == (head, b"{}", "")
    assert session.output_gaps == own
    assert session.transcript() == replace(
        fold,
        sequence=head.sequence,
        epoch=head.epoch,
        counts=head.counts,
        absence=head.absence,
        away=head.away,
        id_ranges=IdRanges(pair for block in blocks for pair in block.ranges).pairs(),
        prints={block.number: block.prints for block in blocks},
        outlines={one.number: one.outlines for one in blocks if one.outlines} if head.outlined else None,
    )


@given(heads, folds, id_blocks(), st.data())
def test_whichever_record_is_gone_is_missed_and_never_taken_for_an_empty_state(
    head: CheckpointHead, fold: TranscriptState, blocks: list[IdBlock], data: st.DataObject
) -> None:
    records = written(head, fold, blocks)
    gone = data.draw(st.sets(st.sampled_from(range(len(records))), min_size=1, max_size=len(records) - 1))
    session = read([record for at, record in enumerate(records) if at not in gone])
    assert session.missing == (
        "the head"
        if len(records) - 1 in gone
        else f"all but {len(records) - 1 - len(gone)} of {head.segments} segments"
    )
    with pytest.raises(VerificationFailed, match="not whole"):
        session.transcript()


def block_with(first: int, packed: bytes = b"\xff") -> IdBlock:
    return IdBlock([(first, first)], Prints(packed, PrintLayout(1, 2)))


class TopicOfAChat:
    """The records of one chat, and which of them the last checkpoint wrote."""

    def __init__(self) -> None:
        self.parts = CheckpointParts(SESSION, SITE)
        self.values: dict[str, bytes] = {}

    def write(
        self,
        fold: TranscriptState,
        *closed: IdBlock,
        announcement: bytes = b"{}",
        still_open: IdBlock | None = None,
        output_gaps: Iterable[OutputGap] = (),
    ) -> list[str]:
        head = CheckpointHead("FOLLOWED", 1, 0, bytes(32), {}, fold.absence, 1, STAMP, ids=still_open)
        changed = self.parts.changed(Checkpoint(head, announcement, fold, list(closed), tuple(output_gaps)))
        self.values |= dict(changed)
        return [key.removeprefix(SESSION) for key, _ in changed]

    def restarted(self) -> TopicOfAChat:
        session = read(self.values.items())
        assert session.announcement is not None
        assert session.seldom is not None
        self.parts = CheckpointParts(SESSION, SITE)
        self.parts.restored(session.announcement, session.seldom, session.blocks, session.output_gaps)
        return self


FOLD = TranscriptState(SessionFacts(SESSION))


@pytest.mark.parametrize("restarts", [False, True])
def test_only_what_changed_is_written_again_and_the_head_with_it(restarts: bool) -> None:
    topic = TopicOfAChat()

    def again() -> TopicOfAChat:
        return topic.restarted() if restarts else topic

    assert topic.write(FOLD) == ["#a", "#s", ""]
    assert again().write(FOLD) == [""]
    assert again().write(replace(FOLD, absence=Absence(7, 8), epoch=2)) == [""]
    assert again().write(FOLD, block_with(3), still_open=block_with(BLOCK_IDS)) == ["#0", ""]
    assert again().write(FOLD, still_open=block_with(BLOCK_IDS)) == [""]
    assert again().write(FOLD, block_with(3, b"\xff\xff"), announcement=b"{ }") == ["#a", "#0", ""]
    assert again().write(replace(FOLD, rejoins=1), announcement=b"{ }") == ["#s", ""]
    assert read(topic.values.items()).missing == ""


def test_a_block_that_is_open_again_is_as_the_head_has_it() -> None:
    topic = TopicOfAChat()
    topic.write(FOLD, block_with(1), block_with(9), still_open=block_with(17))
    topic.write(FOLD, still_open=block_with(10, b"\xff\xff"))
    assert read(topic.values.items()).transcript().id_ranges == [(1, 1), (10, 10)]
    topic.restarted().write(FOLD, block_with(11), still_open=block_with(17))
    assert read(topic.values.items()).transcript().id_ranges == [(1, 1), (11, 11), (17, 17)]


@given(heads, folds, id_blocks())
def test_what_is_kept_of_a_chat_that_ended_is_read_back_from_its_head(
    head: CheckpointHead, fold: TranscriptState, blocks: list[IdBlock]
) -> None:
    ids = IdRanges(pair for block in blocks for pair in block.ranges).pairs()
    session = read([CheckpointParts(SESSION, SITE).closed(head, fold, ids)])
    kept = session.transcript()
    assert (session.missing, kept.id_ranges, kept.prints) == ("", ids, None)
    assert (kept.sequence, kept.epoch, kept.counts, kept.absence) == (
        head.sequence,
        head.epoch,
        head.counts,
        head.absence,
    )
    assert [replace(gap, detail=None) for gap in fold.gaps] == kept.gaps
    assert (kept.gap_sequences, kept.amended, kept.reused) == (fold.gap_sequences, fold.amended, fold.reused)
    assert (kept.facts.start_at, kept.facts.tenant) == (fold.facts.start_at, fold.facts.tenant)
    assert (kept.parties, kept.amendments) == ([], {})


def test_of_a_chat_that_is_forgotten_only_the_head_is_left() -> None:
    topic = TopicOfAChat()
    topic.write(FOLD, block_with(1), block_with(-5), still_open=block_with(17))
    for key in topic.parts.forgotten():
        del topic.values[key]
    assert list(topic.values) == [SESSION]
    key, head = topic.parts.head(CheckpointHead("OVER", 3, 0, bytes(32), {}, None, 1, STAMP))
    assert topic.parts.forgotten() == []
    session = read([(key, head)])
    assert (session.missing, session.head and session.head.segments) == ("", 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"parties": [Party("00A1")], "parties_set_by": [SetBy(2, 1)]},
        {"amendments": {3: 1}},
        {"amended": 1},
        {"reused": 1},
        {"gaps": [Gap(1, 2, None, "A_LATER_CODE", "a sentence")], "gap_sequences": [4]},
        {"filled": [Gap(None, None, None, "NEVER_JOINED", "no server")]},
    ],
)
def test_what_seldom_changes_is_in_the_next_checkpoint_when_it_does(changed: dict[str, Any]) -> None:
    topic = TopicOfAChat()
    topic.write(FOLD)
    after = replace(FOLD, **changed)
    assert topic.write(after) == ["#s", ""]
    assert read(topic.values.items()).seldom == after


# --- keys ------------------------------------------------------------------------------------------------------------

names = st.text("AZ09_.:~-%#/", min_size=1, max_size=12)
segments = st.sampled_from([ANNOUNCEMENT, SELDOM]) | st.integers(-(2**63), 2**63)


@given(names, names, segments, segments)
def test_no_two_chats_and_no_two_segments_have_the_same_key(
    one: str, other: str, first: int | str, second: int | str
) -> None:
    assert (segment_key(one, first) == segment_key(other, second)) == ((one, first) == (other, second))
    assert segment_key(one, first) != head_key(other)
    assert parsed_key(segment_key(one, first)) == (one, first)
    assert parsed_key(head_key(one)) == (one, None)


def test_the_key_of_the_marker_is_no_session_id() -> None:
    assert session_id_problem(MARKER_KEY)


@pytest.mark.parametrize("key", ["A#", "A#b", "A#1#2", "A#²", "A:1", "A#--1", "A%41"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(VerificationFailed, match="key"):
        parsed_key(key)


# --- damage ----------------------------------------------------------------------------------------------------------


def refused(segment: str, match: str, **parts: Any) -> None:
    with pytest.raises(VerificationFailed, match=match):
        read([(SESSION + segment, SCHEMAS.encode(SESSION_CHECKPOINT, whole(**parts)))])


def test_a_checkpoint_that_contradicts_itself_is_refused() -> None:
    head = head_record(CheckpointHead("FOLLOWED", 1, 0, bytes(32), {}, None, 1, STAMP))
    refused("", "last batch", head={**head, "owners": [5, 6, 7]})
    refused("", "no end", head=head, ids={**ids_record(block_with(1)), "idRanges": [1, 2, 5]})
    refused("#0", "another block", ids={**ids_record(block_with(1)), "idRanges": []})
    refused("#s", "parties", seldom={**seldom_record(FOLD), "partiesSetBy": [1, 2]})
    refused("#s", "gaps", seldom=seldom_record(replace(FOLD, gaps=[Gap(1, 2, None, "UNREADABLE")])))
    refused("#1", "another block", ids=ids_record(block_with(1)))


@pytest.mark.parametrize(("segment", "part"), [("", "head"), ("#a", "announcement"), ("#s", "seldom"), ("#1", "ids")])
def test_a_checkpoint_without_the_part_that_its_key_speaks_of_is_refused(segment: str, part: str) -> None:
    refused(segment, f"key speaks of: {part}")


def test_a_checkpoint_does_not_show_the_announcement() -> None:
    head = CheckpointHead("FOLLOWED", 1, 0, bytes(32), {}, None, 1, STAMP)
    secret = b'{"password":"Zx9hidden"}'
    assert "Zx9" not in repr(Checkpoint(head, secret, FOLD, []))
    session = read([(f"{SESSION}#a", encode_announcement(secret))])
    assert session.announcement == secret
    assert "Zx9" not in repr(session)
