"""SessionCheckpoints: the state of a chat on the compacted topic, from which any worker can continue the chat.

One is written per touched chat and transaction, so the encoding of fields that seldom change (they come first in the
schema) is cached from one to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.binary import EMPTY, array, data, long, long_map, optional_long, text
from bridge.records.blocks import gap_block, party_block, session_block
from bridge.records.payload_framing import unframe
from bridge.records.shard_facts import shard_block, shard_facts
from bridge.transcript.entries import Gap, Party, SessionFacts
from bridge.transcript.fingerprints import PrintLayout
from bridge.transcript.holes import Absence
from bridge.transcript.parties import SetBy
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from bridge.records.shard_facts import ShardFacts
    from bridge.records.writer_schemas import WriterSchemas


@dataclass(slots=True)
class BatchStamp:
    """Which transaction wrote a checkpoint: the shard's owner at that time, and the number of the batch.

    `owners` are pairs of an owner and the number of its last batch; of a chat's checkpoint there are none. `encoded`
    is the stamp as the last fields of a SessionCheckpoint: one stamp serves all checkpoints of a batch. It is not
    changed. `shard` is in the marker only.
    """

    owner: int
    number: int
    owners: tuple[tuple[int, int], ...] = ()
    shard: ShardFacts | None = None
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
class Checkpoint:
    """A chat as of its last committed record.

    `state` is the engine's word for the chat's state; `announcement` is the JSON of its announcement, which may hold
    the session's password (P5: never shown); `head` is the chain's head; `observed_at` in us since 1970 UTC; `stamp`
    names the transaction that writes it.
    """

    state: str
    announcement: bytes
    transcript: TranscriptState
    head: bytes
    observed_at: int
    stamp: BatchStamp

    def __repr__(self) -> str:
        """Show the chat and the state only (P5)."""
        return f"Checkpoint({self.transcript.facts.session_id!r}, {self.state!r})"


class CheckpointEncoder:
    """Encodes the checkpoints of one chat."""

    __slots__ = ("_seldom", "_seldom_bytes", "_site")

    def __init__(self, site: str) -> None:
        """`site` is the bridge's own."""
        self._site = site
        self._seldom: tuple[object, ...] = ()
        self._seldom_bytes = b""

    def encode(self, checkpoint: Checkpoint) -> bytes:
        """Return the payload of a SessionCheckpoint. Lists in its transcript are not changed later, but replaced."""
        fold = checkpoint.transcript
        # Compared by value, not by a counter of changes: a restored fold restarts its counter.
        seldom = (
            checkpoint.announcement,
            checkpoint.state,
            fold.facts,
            fold.parties,
            fold.gaps,
            fold.amendments,
            fold.rejoins,
            fold.masked,
            fold.quarantined,
            fold.unattributed,
            fold.joined,
            fold.absence,
            fold.parties_set_by,
            fold.filled,
            fold.amended,
            fold.reused,
            fold.gap_sequences,
            fold.epoch,
        )
        if seldom != self._seldom:
            self._seldom_bytes = _seldom_fields(checkpoint, self._site)
            self._seldom = seldom
        return b"".join(
            (
                self._seldom_bytes,
                long(fold.sequence),
                data(checkpoint.head),
                long_map(fold.counts),
                array(map(long, chain.from_iterable(fold.id_ranges))),
                data(fold.prints),
                long(fold.print_layout.version),
                long(fold.print_layout.table),
                long(checkpoint.observed_at),
                checkpoint.stamp.encoded,
            )
        )


def _seldom_fields(checkpoint: Checkpoint, site: str) -> bytes:
    fold = checkpoint.transcript
    return b"".join(
        (
            text(fold.facts.session_id),
            data(checkpoint.announcement),
            text(checkpoint.state),
            session_block(fold.facts, site),
            long(fold.epoch),
            array(map(party_block, fold.parties)),
            array(map(long, chain.from_iterable(fold.parties_set_by))),
            array(map(gap_block, fold.gaps)),
            array(map(long, fold.gap_sequences)),
            array(long(event_id) + long(count) for event_id, count in fold.amendments.items()),
            array(map(gap_block, fold.filled)),
            long(fold.amended),
            long(fold.reused),
            long(fold.rejoins),
            long(fold.masked),
            long(fold.quarantined),
            long(fold.unattributed),
            b"\1" if fold.joined else b"\0",
            optional_long(None if fold.absence is None else fold.absence.since),
            optional_long(None if fold.absence is None else fold.absence.after),
        )
    )


def decode_checkpoint(writers: WriterSchemas, value: bytes) -> Checkpoint:
    """Return what `ChatRecorder.checkpoint` encoded, in this version or another one, from the value with its header.

    Raises VerificationFailed when the value is no checkpoint, SchemaUnknown when what wrote it is not known.
    """
    writer, payload = unframe(value)
    try:
        record = writers.decode(SESSION_CHECKPOINT, payload, writer)
    except SchemaUnknown as error:
        raise SchemaUnknown(f"a checkpoint cannot be read: {error.message}", next_step=error.next_step) from error
    edges, set_by, owners = record["idRanges"], record["partiesSetBy"], record["owners"]
    if len(edges) % 2:
        raise VerificationFailed("a checkpoint with a range of ids that has no end")
    if len(record["gapSequences"]) != len(record["gaps"]):
        raise VerificationFailed("a checkpoint that does not say which records told its gaps")
    if len(set_by) != 2 * len(record["parties"]):
        raise VerificationFailed("a checkpoint that does not say which events set what is known of its parties")
    if len(owners) % 2:
        raise VerificationFailed("a checkpoint with an owner whose last batch it does not say")
    after = record["awayAfter"]
    return Checkpoint(
        state=record["state"],
        announcement=record["announcement"],
        transcript=TranscriptState(
            facts=decoded_facts(record["sessionId"], record["session"]),
            sequence=record["sequence"],
            id_ranges=list(zip(edges[::2], edges[1::2], strict=True)),
            prints=record["prints"],
            parties=[_party(party) for party in record["parties"]],
            counts=record["counts"],
            gaps=[decoded_gap(gap) for gap in record["gaps"]],
            amendments={counter["eventId"]: counter["count"] for counter in record["amendments"]},
            masked=record["masked"],
            quarantined=record["quarantined"],
            unattributed=record["unattributed"],
            rejoins=record["rejoins"],
            joined=record["joined"],
            absence=None if after is None else Absence(after, record["awaySince"]),
            parties_set_by=[SetBy(*pair) for pair in zip(set_by[::2], set_by[1::2], strict=True)],
            filled=[decoded_gap(gap) for gap in record["filled"]],
            amended=record["amended"],
            reused=record["idsReused"],
            gap_sequences=record["gapSequences"],
            epoch=record["epoch"],
            print_layout=PrintLayout(record["printsVersion"], record["printsTable"]),
        ),
        head=record["head"],
        observed_at=record["observedAt"],
        stamp=BatchStamp(
            record["owner"],
            record["batch"],
            tuple(zip(owners[::2], owners[1::2], strict=True)),
            shard_facts(record["shard"]),
        ),
    )


def decoded_facts(session_id: str, session: dict[str, Any]) -> SessionFacts:
    """Return decoded SessionFacts as the fold has them."""
    return SessionFacts(
        session_id=session_id,
        start_at=session["startAt"],
        tenant=session["tenant"],
        monitored=session["monitored"],
        idle_time_expire=session["idleTimeExpire"],
        server=session["server"],
        client_version=session["clientVersion"],
        source=session["source"],
    )


def decoded_gap(gap: dict[str, Any]) -> Gap:
    """Return a decoded Gap as the fold has it."""
    return Gap(gap["fromEventId"], gap["toEventId"], gap["since"], gap["code"], gap["detail"])


def _party(party: dict[str, Any]) -> Party:
    return Party(
        user_id=party["userId"],
        nickname=party["nickname"],
        user_type=party["userType"],
        protocol_type=party["protocolType"],
        person_id=party["personId"],
        time_zone_offset=party["timeZoneOffset"],
        client_version=party["clientVersion"],
        bot=party["bot"],
    )
