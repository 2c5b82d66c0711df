"""SessionCheckpoints read back, in this version's form, whatever version wrote them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.checkpoint import BatchStamp, CheckpointHead
from bridge.records.checkpoint_keys import ANNOUNCEMENT, MARKER_KEY, SELDOM, parsed_key
from bridge.records.output_chains import OutputGap, decoded_chain
from bridge.records.payload_framing import unframe
from bridge.records.shard_facts import shard_facts
from bridge.records.split_blocks import decoded_split
from bridge.records.tree_state import tree_state
from bridge.records.watch_blocks import decoded_offsets, decoded_watch
from bridge.transcript.entries import Gap, Party, SessionFacts
from bridge.transcript.fingerprints import PrintLayout
from bridge.transcript.holes import Absence
from bridge.transcript.id_blocks import IdBlock, Prints
from bridge.transcript.parties import set_by_events
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState
from bridge.transcript.watch import Unwatched
from bridge.transcript.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records.checkpoint_keys import Segment
    from bridge.records.writer_schemas import WriterSchemas


@dataclass(slots=True)
class StoredSession:
    """What a topic holds of one chat's checkpoint. What it lacks is None, or not among the blocks.

    Of a chat that ended a while ago, only the head is kept: `remembered` is what it says beside, `value` the record.
    """

    session_id: str
    head: CheckpointHead | None = None
    announcement: bytes | None = field(default=None, repr=False)  # P5
    seldom: TranscriptState | None = None
    blocks: dict[int, IdBlock] = field(default_factory=dict)
    remembered: TranscriptState | None = None
    output_gaps: list[OutputGap] = field(default_factory=list)
    value: bytes = field(default=b"", repr=False)

    @property
    def missing(self) -> str:
        """What is missing although it was written, in a few words; the empty text when all is there."""
        if self.head is None:
            return "the head"
        if not self.head.segments:
            return ""
        found = len(self.segments())
        if found != self.head.segments:
            return f"all but {found} of {self.head.segments} segments"
        return "" if self.announcement is not None and self.seldom is not None else "the announcement or the facts"

    def segments(self) -> list[Segment]:
        """Return which segments there are."""
        own: list[Segment] = [ANNOUNCEMENT] if self.announcement is not None else []
        return [*own, *([SELDOM] if self.seldom is not None else []), *self.blocks]

    def known_ids(self) -> list[tuple[int, int]]:
        """Return ranges of delivered ids, which may overlap: those that are there, whatever is missing."""
        ids = [] if self.seldom is None else [*self.seldom.unprinted]
        if self.head is not None and self.head.ids is not None:
            ids += self.head.ids.ranges
        return ids + [pair for block in self.blocks.values() for pair in block.ranges]

    def transcript(self) -> TranscriptState:
        """Return the state of the chat's fold. Raises VerificationFailed when something is missing."""
        head, seldom = self.head, self.seldom or self.remembered
        if self.missing or head is None or seldom is None:
            raise VerificationFailed("a checkpoint that is not whole")
        ids, blocks = self._ids(seldom.unprinted)
        outlined = {number: block.outlines for number, block in (blocks or {}).items() if block.outlines}
        return replace(
            seldom,
            sequence=head.sequence,
            epoch=head.epoch,
            counts=head.counts,
            absence=head.absence,
            away=head.away,
            seen_at=head.observed_at,
            id_ranges=IdRanges(ids).pairs(),
            prints=None if blocks is None else {number: block.prints for number, block in blocks.items()},
            outlines=outlined if head.outlined and blocks is not None else None,
        )

    def _ids(self, unprinted: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], dict[int, IdBlock] | None]:
        head = self.head
        if head is None or self.remembered is not None:
            return [] if head is None or head.ids is None else head.ids.ranges, None
        # What the head holds is newer than a segment of the same block.
        still_open = head.ids if head.ids is not None and head.ids.ranges else None
        blocks = self.blocks if still_open is None else {**self.blocks, still_open.number: still_open}
        ranges = [pair for block in blocks.values() for pair in block.ranges]
        return [*unprinted, *ranges], blocks


def read_checkpoints(
    writers: WriterSchemas, records: Iterable[tuple[str, bytes]]
) -> tuple[BatchStamp | None, dict[str, StoredSession]]:
    """Return the stamp of the marker, if it is there, and what is there of each chat, from (key, value).

    A value is framed, of this version or another one. Raises VerificationFailed when one is no checkpoint,
    SchemaUnknown when what wrote it is not known.
    """
    marker: BatchStamp | None = None
    found: dict[str, StoredSession] = {}
    for key, value in records:
        record = _decoded(writers, value)
        if key == MARKER_KEY:
            marker = _head(record).stamp
            continue
        session_id, segment = parsed_key(key)
        session = found.setdefault(session_id, StoredSession(session_id))
        _take(session, segment, record)
        if segment is None and record["head"]["segments"] == 0:
            session.value = value
    return marker, found


def read_position(writers: WriterSchemas, value: bytes) -> tuple[bytes | None, BatchStamp]:
    """Return a position, and the stamp of its record; None: a version that knows no positions has written it again.

    Raises what `read_checkpoints` raises.
    """
    record = _decoded(writers, value)
    head = _head(record)
    return head.position, head.stamp


def _decoded(writers: WriterSchemas, value: bytes) -> dict[str, Any]:
    writer, payload = unframe(value)
    try:
        return writers.decode(SESSION_CHECKPOINT, payload, writer)
    except SchemaUnknown as error:
        raise SchemaUnknown(f"a checkpoint cannot be read: {error.message}", next_step=error.next_step) from error


def _take(session: StoredSession, segment: Segment | None, record: dict[str, Any]) -> None:
    if segment is None:
        session.head = _head(record)
        if record["seldom"] is not None:
            session.remembered = _seldom(session.session_id, record["seldom"])
            session.output_gaps = _output_gaps(record["seldom"])
    elif segment == ANNOUNCEMENT:
        session.announcement = _part(record, "announcement")
    elif segment == SELDOM:
        session.seldom = _seldom(session.session_id, _part(record, "seldom"))
        session.output_gaps = _output_gaps(record["seldom"])
    else:
        block = _ids(_part(record, "ids"))
        if not block.ranges or block.number != segment:
            raise VerificationFailed("a checkpoint with another block of ids than its key says")
        session.blocks[block.number] = block


def _part(record: dict[str, Any], name: str) -> Any:
    """Return the part of a record that its key speaks of."""
    if record[name] is None:
        raise VerificationFailed(f"a checkpoint without the part that its key speaks of: {name}")
    return record[name]


def _head(record: dict[str, Any]) -> CheckpointHead:
    head, ids = _part(record, "head"), record["ids"]
    owners, after = head["owners"], head["awayAfter"]
    if len(owners) % 2:
        raise VerificationFailed("a checkpoint with an owner whose last batch it does not say")
    chains = [decoded_chain(one) for one in head["outputs"]]
    extra = head["extra"] or {}
    since, code = extra.get("unwatchedSince"), extra.get("unwatchedCode")
    return CheckpointHead(
        state=head["state"],
        sequence=head["sequence"],
        epoch=head["epoch"],
        chain_head=head["chainHead"],
        counts={WORDS.get(kind, kind): count for kind, count in head["counts"].items()},
        absence=None if after is None else Absence(after, head["awaySince"]),
        observed_at=head["observedAt"],
        stamp=BatchStamp(
            head["owner"],
            head["batch"],
            tuple(zip(owners[::2], owners[1::2], strict=True)),
            shard_facts(head["shard"]),
            tree_state(extra.get("tree")),
        ),
        segments=head["segments"],
        ids=None if ids is None else _ids(ids),
        chains=chains,
        stored=extra.get("stored", False),
        outlined=head["outlined"],
        away=None if since is None or code is None else Unwatched(since, None, WORDS.get(code, code)),
        offsets=decoded_offsets(head["offsets"], len(chains) + bool(head["chainHead"])),
        position=extra.get("position"),
        numbers=decoded_split(extra.get("splitNumbers", ())),
    )


def _output_gaps(seldom: dict[str, Any]) -> list[OutputGap]:
    return [
        OutputGap(one["output"], one["sequence"], one["kind"], one["amendment"], decoded_gap(one["gap"]))
        for one in seldom["outputGaps"]
    ]


def _ids(ids: dict[str, Any]) -> IdBlock:
    layout = PrintLayout(ids["printsVersion"], ids["printsTable"])
    return IdBlock(_ranges(ids["idRanges"]), Prints(ids["prints"], layout), ids["outlines"])


def _ranges(edges: list[int]) -> list[tuple[int, int]]:
    if len(edges) % 2:
        raise VerificationFailed("a checkpoint with a range of ids that has no end")
    return list(zip(edges[::2], edges[1::2], strict=True))


def _seldom(session_id: str, seldom: dict[str, Any]) -> TranscriptState:
    set_by, extra = seldom["partiesSetBy"], seldom["extra"] or {}
    if len(seldom["gapSequences"]) != len(seldom["gaps"]):
        raise VerificationFailed("a checkpoint that does not say which records told its gaps")
    if len(set_by) != 2 * len(seldom["parties"]):
        raise VerificationFailed("a checkpoint that does not say which events set what is known of its parties")
    return TranscriptState(
        facts=replace(decoded_facts(session_id, seldom["session"]), subjects=tuple(extra.get("subjects", ()))),
        parties=[_party(party) for party in seldom["parties"]],
        gaps=[decoded_gap(gap) for gap in seldom["gaps"]],
        amendments={counter["eventId"]: counter["count"] for counter in seldom["amendments"]},
        masked=seldom["masked"],
        quarantined=seldom["quarantined"],
        unattributed=seldom["unattributed"],
        rejoins=seldom["rejoins"],
        joined=seldom["joined"],
        parties_set_by=[set_by_events(*pair) for pair in zip(set_by[::2], set_by[1::2], strict=True)],
        filled=[decoded_gap(gap) for gap in seldom["filled"]],
        amended=seldom["amended"],
        reused=seldom["idsReused"],
        gap_sequences=seldom["gapSequences"],
        unprinted=_ranges(seldom["unprintedIds"]),
        filled_sequences=extra.get("filledSequences", []),
        archived=extra.get("archived", False),
        watch=decoded_watch(extra.get("watch")),
    )


def decoded_facts(session_id: str, session: dict[str, Any]) -> SessionFacts:
    """Return decoded SessionFacts as the fold has them."""
    return SessionFacts(
        session_id=session_id,
        start_at=session["startAt"],
        tenant=session["tenant"],
        monitored=session["monitored"],
        idle_time_expire=session["idleTimeExpire"],
        server=_same_server(session["server"]),
        client_version=session["clientVersion"],
        source=WORDS.get(session["source"], session["source"]),
    )


@lru_cache(maxsize=1024)  # as of those that were not stored: all chats of a server share one text
def _same_server(address: str | None) -> str | None:
    return address


def decoded_gap(gap: dict[str, Any]) -> Gap:
    """Return a decoded Gap as the fold has it."""
    return Gap(gap["fromEventId"], gap["toEventId"], gap["since"], WORDS.get(gap["code"], gap["code"]), gap["detail"])


def _party(party: dict[str, Any]) -> Party:
    return Party(
        user_id=party["userId"],
        nickname=party["nickname"],
        user_type=WORDS.get(party["userType"], party["userType"]),
        protocol_type=WORDS.get(party["protocolType"], party["protocolType"]),
        person_id=party["personId"],
        time_zone_offset=party["timeZoneOffset"],
        client_version=party["clientVersion"],
        bot=party["bot"],
    )
