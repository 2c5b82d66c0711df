"""What a fold remembers: as plain values for a checkpoint, and the part of it that seldom changes as it is used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.transcript import gap_codes
from bridge.transcript.blind_spots import blind_spots
from bridge.transcript.completeness import due_reasons, holes_of, verdict_of
from bridge.transcript.endings import ending_of
from bridge.transcript.entries import Certificate, SessionFacts
from bridge.transcript.holes import Absence, Holes
from bridge.transcript.parties import Parties, SetBy
from bridge.transcript.watch import Unwatched, Watch
from bridge.transcript.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.errors import Problem
    from bridge.transcript.entries import Gap, Party
    from bridge.transcript.fingerprint_store import Fingerprints
    from bridge.transcript.id_blocks import Prints
    from bridge.transcript.ranges import IdRanges
    from bridge.transcript.updates import TranscriptUpdate


# Of most chats the same is empty: one object for all of them, which nobody changes.
_NO_AMENDMENTS: Final[dict[int, int]] = {}
_NO_COUNTS: Final[dict[str, int]] = {}
_NO_OUTLINES: Final[dict[int, bytes]] = {}
_NOTHING_KEPT: Final[dict[int, Prints]] = {}
_NO_RANGES: Final[list[tuple[int, int]]] = []

_Said = tuple[str, int | None, str | None, str, bool | str | None, str | int | None]


@lru_cache(maxsize=1024)
def _same(said: _Said) -> _Said:
    """Return what other chats have, too, where that is equal: source, version, server and so on are those of many."""
    return said


@dataclass(slots=True)
class TranscriptState:
    """All that a fold remembers, as plain values: what a checkpoint stores.

    `prints` are the fingerprints by block of ids (`id_blocks.py`), None when none is kept. What is in no block is in
    `unprinted`, ranges of delivered ids of which no fingerprint is known; blocks may hold ids of these ranges, too.
    `gaps` are all that were told but for those in `filled`, which a snapshot has filled. `amendments` counts, per event
    id, the records after the first one; `amended` and `reused` those of them that were published, by what they are.
    `gap_sequences` are the sequences of the records of `gaps`, `filled_sequences` those of `filled`, 0 where one is not
    known. `epoch` says how often the chat's chain began again. `archived`: the last stored transcript was folded in.
    `outlines` are what the summary needs of the events, by block of ids; None: not kept from the first event on.
    `away` and `seen_at` are those of `Watching`.
    """

    facts: SessionFacts
    sequence: int = 0
    id_ranges: list[tuple[int, int]] = field(default_factory=list)
    prints: dict[int, Prints] | None = field(default_factory=dict)
    parties: list[Party] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    amendments: dict[int, int] = field(default_factory=dict)
    masked: int = 0
    quarantined: int = 0
    unattributed: int = 0
    rejoins: int = 0
    joined: bool = False
    absence: Absence | None = None
    parties_set_by: list[SetBy] = field(default_factory=list)
    filled: list[Gap] = field(default_factory=list)
    amended: int = 0
    reused: int = 0
    gap_sequences: list[int] = field(default_factory=list)
    epoch: int = 0
    unprinted: list[tuple[int, int]] = field(default_factory=list)
    filled_sequences: list[int] = field(default_factory=list)
    archived: bool = False
    outlines: dict[int, bytes] | None = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    away: Unwatched | None = None
    seen_at: int | None = field(default=None, compare=False)


class SlowMemory:
    """What of a chat changes seldom: the facts, the parties, the holes and the counters of what is rare.

    `changes` is to be raised with every change of it, but for the parties and the watching, which count their own.
    `joined` says whether the chat was ever joined. `amendments` is not to be changed in place.
    """

    __slots__ = (
        "_kept",
        "_kept_at",
        "_taken",
        "amended",
        "amendments",
        "archived",
        "changes",
        "epoch",
        "facts",
        "holes",
        "joined",
        "masked",
        "outlined",
        "parties",
        "quarantined",
        "rejoins",
        "reused",
        "unattributed",
        "unprinted",
        "watching",
    )

    def __init__(self, state: TranscriptState) -> None:
        """Start from a state; it is not changed."""
        self.facts = state.facts
        self.parties = Parties(state.parties, state.parties_set_by)
        self.holes = Holes(state.gaps, state.gap_sequences, state.filled, state.absence, state.filled_sequences)
        self.epoch = state.epoch
        self.amendments = state.amendments or _NO_AMENDMENTS
        self.amended = state.amended
        self.reused = state.reused
        self.masked = state.masked
        self.quarantined = state.quarantined
        self.unattributed = state.unattributed
        self.rejoins = state.rejoins
        self.joined = state.joined
        self.unprinted = state.unprinted or _NO_RANGES
        self.archived = state.archived
        self.outlined = state.outlines is not None
        self.watching = Watching(state.watch, state.away, state.seen_at)
        self.changes = 0
        self._kept = state
        self._kept_at = -1
        self._taken: _Said | None = None

    def take(self, update: TranscriptUpdate) -> None:
        """Take note of what an update says of the session, and how it came."""
        monitored, idle = update.transcript.monitored, update.transcript.idle_time_expire
        said = (update.source, update.version, update.visibility, update.server, monitored, idle)
        if said == self._taken:  # as nearly always
            return
        texts = isinstance(monitored, str) or isinstance(idle, str)  # of any length, so they are not kept (P6)
        self._taken = None if texts else _same(said)
        self.watching.take(update)
        facts = self.facts.after(update)
        if facts is not self.facts:
            self.facts = facts
            self.changes += 1

    def learn(self, start_at: int | None, tenant: str | None) -> None:
        """Set when the session started (ms since 1970 UTC), or its tenant; None leaves what is known."""
        facts = replace(self.facts, start_at=start_at or self.facts.start_at, tenant=tenant or self.facts.tenant)
        self.changes += facts != self.facts
        self.facts = facts

    def identify(self, subjects: tuple[str, ...]) -> None:
        """Replace the keyed hashes of what identifies the people of the chat."""
        self.facts = replace(self.facts, subjects=subjects)
        self.changes += 1

    def away(self, told: int, since: int, code: str) -> None:
        """Note that nobody watches the chat from `since` (ms since 1970 UTC) on; `told` is the highest id so far."""
        if self.joined:
            self.holes.lost_sight(told, self.watching.lost(since * 1000, code) // 1000)
            self.changes += 1

    def given_up(self, at: int) -> None:
        """Note that nobody will watch the chat any more, as of `at` (us since 1970 UTC)."""
        if self.joined:
            self.watching.given_up(at)

    def doubt(self) -> None:
        """Count an input that was lost and may have concerned this chat."""
        self.unattributed += 1
        self.changes += 1

    def set_aside(self) -> None:
        """Count content of this chat that went to the quarantine."""
        self.quarantined += 1
        self.changes += 1

    def kept(self) -> TranscriptState:
        """Return it as a state without sequence, ids, fingerprints, outlines, counts; copied only after a change."""
        watching = self.watching
        changes = self.changes + self.parties.changes + watching.changes
        if self._kept_at != changes:
            watching.count_parties(self.parties.able_to_whisper())
            self._kept = TranscriptState(
                facts=self.facts,
                id_ranges=_NO_RANGES,
                prints=_NOTHING_KEPT,
                parties=self.parties.known(),
                counts=_NO_COUNTS,
                gaps=self.holes.gaps,
                amendments=self.amendments,
                masked=self.masked,
                quarantined=self.quarantined,
                unattributed=self.unattributed,
                rejoins=self.rejoins,
                joined=self.joined,
                absence=self.holes.absence,
                parties_set_by=self.parties.set_by(),
                filled=self.holes.filled,
                amended=self.amended,
                reused=self.reused,
                gap_sequences=self.holes.sequences,
                epoch=self.epoch,
                unprinted=self.unprinted,
                filled_sequences=self.holes.filled_sequences,
                archived=self.archived,
                outlines=_NO_OUTLINES if self.outlined else None,
                watch=watching.watch,
                away=watching.away,
            )
            self._kept_at = self.changes + self.parties.changes + watching.changes
        return self._kept

    def state(
        self,
        delivered: IdRanges,
        remembered: Fingerprints,
        sequence: int,
        counts: dict[str, int],
    ) -> TranscriptState:
        """Return all that a fold remembers, given what changes with every event."""
        kept = self.kept()
        return TranscriptState(
            kept.facts,
            sequence,
            delivered.pairs(),
            remembered.stored(),
            kept.parties,
            counts,
            kept.gaps,
            kept.amendments,
            kept.masked,
            kept.quarantined,
            kept.unattributed,
            kept.rejoins,
            kept.joined,
            kept.absence,
            kept.parties_set_by,
            kept.filled,
            kept.amended,
            kept.reused,
            kept.gap_sequences,
            kept.epoch,
            kept.unprinted,
            kept.filled_sequences,
            kept.archived,
            remembered.outlines.stored(),
            kept.watch,
            kept.away,
            self.watching.seen_at,
        )

    def certificate(  # noqa: PLR0913 - what a fold has beside this memory, and what its caller says
        self,
        delivered: IdRanges,
        sequence: int,
        counts: dict[str, int],
        *,
        reasons: Iterable[Problem],
        over: bool,
        supersedes: int | None,
    ) -> Certificate:
        """Return what can be vouched for, given what was delivered; `over`: the source said that the chat is."""
        watch, unwatched = self.kept().watch, self.watching.intervals()
        gaps, filled = self.holes.sorted_out(delivered)
        holes = holes_of(delivered, gaps, watch, archived=self.archived)
        details = {reason.code: reason.detail for reason in reasons}
        ending, ended_by, ended_by_type = ending_of(
            over=over,
            closing=watch.closing,
            away=None if self.watching.away is None else self.watching.away.code,
            reasons={*details, *(gap.code for gap in gaps)},
        )
        found = {*details, *due_reasons(gaps, holes)}
        if self.unattributed and not self.archived:  # what it may have held is stored, or was never to be
            found.add(gap_codes.UNATTRIBUTED)
        if self.reused:
            found.add(gap_codes.IDS_REUSED)
        return Certificate(
            verdict=verdict_of(found),
            reasons=sorted(found),
            details=details,
            last_sequence=sequence,
            counts=dict(counts),
            id_ranges=delivered.pairs(),
            gaps=gaps,
            filled=filled,
            amendments=self.amended,
            ids_reused=self.reused,
            masked=self.masked,
            quarantined=self.quarantined,
            unattributed=self.unattributed,
            rejoins=self.rejoins,
            supersedes=supersedes,
            epoch=self.epoch,
            ending=ending,
            ended_by=ended_by,
            ended_by_type=ended_by_type,
            holes=holes,
            archived=self.archived,
            joins=self.rejoins + (self.joined or watch.joined_at is not None),
            watch=watch,
            unwatched=unwatched,
            blind_spots=blind_spots(watch.sources, watch.lowest_version),
        )
