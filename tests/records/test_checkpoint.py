from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastavro.schema import load_schema
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import VerificationFailed
from bridge.records.avro import SESSION_CHECKPOINT, Schemas, schema_folder
from bridge.records.checkpoint import BatchStamp, Checkpoint, CheckpointEncoder, decode_checkpoint
from bridge.records.payload_framing import single_object
from bridge.records.writer_schemas import WriterSchemas
from bridge.transcript.entries import Gap, Party, SessionFacts
from bridge.transcript.holes import Absence
from bridge.transcript.parties import SetBy
from bridge.transcript.state import TranscriptState
from tests.records import reference
from tests.records.record_strategies import SESSION, folds

SCHEMAS = Schemas(schema_folder())
WRITERS = WriterSchemas(SCHEMAS)
HEADER = single_object(SCHEMAS.fingerprint(SESSION_CHECKPOINT))
SCHEMA = load_schema(str(reference.FOLDER / f"{SESSION_CHECKPOINT}.avsc"))

SITE = "north"

longs = st.integers(-(2**63), 2**63 - 1)
stamps = st.builds(BatchStamp, longs, longs, st.lists(st.tuples(longs, longs), max_size=8).map(tuple))
checkpoints = st.builds(
    Checkpoint,
    state=st.sampled_from(["followed", "given up", "over"]),
    announcement=st.binary(max_size=60),
    transcript=folds,
    head=st.binary(min_size=32, max_size=32),
    observed_at=st.integers(0, 2**55),
    stamp=stamps,
)


def expected(checkpoint: Checkpoint) -> bytes:
    fold = checkpoint.transcript
    return reference.encoded(
        SCHEMA,
        {
            "sessionId": fold.facts.session_id,
            "announcement": checkpoint.announcement,
            "state": checkpoint.state,
            "session": reference.session(fold.facts, SITE),
            "epoch": fold.epoch,
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
            "awaySince": fold.absence.since if fold.absence else None,
            "awayAfter": fold.absence.after if fold.absence else None,
            "sequence": fold.sequence,
            "head": checkpoint.head,
            "counts": fold.counts,
            "idRanges": [edge for pair in fold.id_ranges for edge in pair],
            "prints": fold.prints,
            "printsVersion": fold.print_layout.version,
            "printsTable": fold.print_layout.table,
            "observedAt": checkpoint.observed_at,
            "owner": checkpoint.stamp.owner,
            "batch": checkpoint.stamp.number,
            "owners": [number for pair in checkpoint.stamp.owners for number in pair],
        },
    )


@given(st.lists(checkpoints, min_size=1, max_size=4))
def test_checkpoints_of_a_chat_are_byte_for_byte_what_fastavro_writes(made: list[Checkpoint]) -> None:
    encoder = CheckpointEncoder(SITE)
    for one in [*made, *made]:
        assert encoder.encode(one) == expected(one)


@given(checkpoints)
def test_a_checkpoint_that_is_read_back_is_the_one_that_was_written(checkpoint: Checkpoint) -> None:
    assert decode_checkpoint(WRITERS, HEADER + CheckpointEncoder(SITE).encode(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "changed",
    [
        {"parties": [Party("00A1")], "parties_set_by": [SetBy(2, 1)]},
        {"amendments": {3: 1}},
        {"amended": 1},
        {"reused": 1},
        {"gaps": [Gap(1, 2, None, "A_LATER_CODE", "a sentence")], "gap_sequences": [4]},
        {"epoch": 1},
        {"filled": [Gap(None, None, None, "NEVER_JOINED", "no server")]},
        {"absence": Absence(7, None)},
        {"absence": Absence(7, 8)},
    ],
)
def test_what_seldom_changes_is_in_the_next_checkpoint_when_it_does(changed: dict[str, Any]) -> None:
    fold = TranscriptState(SessionFacts(SESSION))
    encoder = CheckpointEncoder(SITE)
    encoder.encode(Checkpoint("followed", b"{}", fold, bytes(32), 1, BatchStamp(5, 6)))
    after = replace(fold, **changed)
    again = encoder.encode(Checkpoint("followed", b"{}", after, bytes(32), 1, BatchStamp(5, 6)))
    assert decode_checkpoint(WRITERS, HEADER + again).transcript == after


def test_a_checkpoint_that_does_not_say_who_named_its_parties_is_refused() -> None:
    checkpoint = Checkpoint("followed", b"{}", TranscriptState(SessionFacts(SESSION)), bytes(32), 1, BatchStamp(5, 6))
    record = SCHEMAS.decode(SESSION_CHECKPOINT, CheckpointEncoder(SITE).encode(checkpoint))
    with pytest.raises(VerificationFailed, match="parties"):
        decode_checkpoint(WRITERS, HEADER + SCHEMAS.encode(SESSION_CHECKPOINT, {**record, "partiesSetBy": [1, 2]}))


def test_a_checkpoint_that_does_not_say_which_records_told_its_gaps_is_refused() -> None:
    state = TranscriptState(
        SessionFacts(SESSION), gaps=[Gap(1, 2, None, "UNREADABLE", "a sentence")], gap_sequences=[3]
    )
    record = SCHEMAS.decode(
        SESSION_CHECKPOINT,
        CheckpointEncoder(SITE).encode(Checkpoint("followed", b"{}", state, bytes(32), 1, BatchStamp(5, 6))),
    )
    with pytest.raises(VerificationFailed, match="gaps"):
        decode_checkpoint(WRITERS, HEADER + SCHEMAS.encode(SESSION_CHECKPOINT, {**record, "gapSequences": []}))


def test_a_checkpoint_does_not_show_the_announcement() -> None:
    checkpoint = Checkpoint(
        "followed", b'{"password":"Zx9hidden"}', TranscriptState(SessionFacts(SESSION)), b"", 1, BatchStamp(5, 6)
    )
    assert "Zx9" not in repr(checkpoint)
    assert "Zx9" not in repr(replace(checkpoint, announcement=b"Zx9"))


def test_a_checkpoint_with_half_a_range_is_refused() -> None:
    checkpoint = Checkpoint("followed", b"{}", TranscriptState(SessionFacts(SESSION)), bytes(32), 1, BatchStamp(5, 6))
    record = SCHEMAS.decode(SESSION_CHECKPOINT, CheckpointEncoder(SITE).encode(checkpoint))
    with pytest.raises(VerificationFailed, match="no end"):
        decode_checkpoint(WRITERS, HEADER + SCHEMAS.encode(SESSION_CHECKPOINT, {**record, "idRanges": [1, 2, 5]}))


def test_a_checkpoint_with_an_owner_without_a_batch_is_refused() -> None:
    checkpoint = Checkpoint("SHARD", b"", TranscriptState(SessionFacts(SESSION)), b"", 1, BatchStamp(5, 6, ((5, 6),)))
    record = SCHEMAS.decode(SESSION_CHECKPOINT, CheckpointEncoder(SITE).encode(checkpoint))
    with pytest.raises(VerificationFailed, match="last batch"):
        decode_checkpoint(WRITERS, HEADER + SCHEMAS.encode(SESSION_CHECKPOINT, {**record, "owners": [5, 6, 7]}))
