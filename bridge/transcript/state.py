"""What a fold remembers: as plain values for a checkpoint, and the part of it that seldom changes as it is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.transcript import gap_codes
from bridge.transcript.entries import COMPLETE, INCOMPLETE, Certificate
from bridge.transcript.holes import Absence, Holes
from bridge.transcript.parties import Parties, SetBy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.errors import Problem
    from bridge.transcript.entries import Gap, Party, SessionFacts
    from bridge.transcript.id_blocks import Prints
    from bridge.transcript.ranges import IdRanges


@dataclass(slots=True)
class TranscriptState:
    """All that a fold remembers, as plain values: what a checkpoint stores.

    `prints` are the fingerprints by block of ids (`id_blocks.py`), None when none is kept. What is in no block is in
    `unprinted`, ranges of delivered ids of which no fingerprint is known; blocks may hold ids of these ranges, too.
    `gaps` are all that were told but for those in `filled`, which a snapshot has filled. `amendments` counts, per event
    id, the records after the first one; `amended` and `reused` those of them that were published, by what they are.
    `gap_sequences` are the sequences of the records of `gaps`, `filled_sequences` those of `filled`, 0 where one is not
    known. `epoch` says how often the chat's chain began again. `archived`: the last stored transcript was folded in.
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


class SlowMemory:
    """What of a chat changes seldom: the facts, the parties, the holes and the counters of what is rare.

    `changes` is to be raised with every change of it, but for the parties, which count their own. `joined` says whether
    the chat was ever joined.
    """

    __slots__ = (
        "_kept",
        "_kept_at",
        "amended",
        "amendments",
        "archived",
        "changes",
        "epoch",
        "facts",
        "holes",
        "joined",
        "masked",
        "parties",
        "quarantined",
        "rejoins",
        "reused",
        "unattributed",
        "unprinted",
    )

    def __init__(self, state: TranscriptState) -> None:
        """Start from a state; it is not changed."""
        self.facts = state.facts
        self.parties = Parties(state.parties, state.parties_set_by)
        self.holes = Holes(state.gaps, state.gap_sequences, state.filled, state.absence, state.filled_sequences)
        self.epoch = state.epoch
        self.amendments = dict(state.amendments)
        self.amended = state.amended
        self.reused = state.reused
        self.masked = state.masked
        self.quarantined = state.quarantined
        self.unattributed = state.unattributed
        self.rejoins = state.rejoins
        self.joined = state.joined
        self.unprinted = state.unprinted
        self.archived = state.archived
        self.changes = 0
        self._kept = state
        self._kept_at = -1

    def learn(self, facts: SessionFacts) -> None:
        """Replace the facts."""
        if facts is not self.facts:
            self.changes += facts != self.facts
            self.facts = facts

    def kept(self) -> TranscriptState:
        """Return it as a state without sequence, ids, fingerprints and counts; copied only after a change."""
        changes = self.changes + self.parties.changes
        if self._kept_at != changes:
            self._kept = TranscriptState(
                facts=self.facts,
                parties=self.parties.known(),
                gaps=list(self.holes.gaps),
                amendments=dict(self.amendments),
                masked=self.masked,
                quarantined=self.quarantined,
                unattributed=self.unattributed,
                rejoins=self.rejoins,
                joined=self.joined,
                absence=self.holes.absence,
                parties_set_by=self.parties.set_by(),
                filled=list(self.holes.filled),
                amended=self.amended,
                reused=self.reused,
                gap_sequences=list(self.holes.sequences),
                epoch=self.epoch,
                unprinted=self.unprinted,
                filled_sequences=list(self.holes.filled_sequences),
                archived=self.archived,
            )
            self._kept_at = changes
        return self._kept

    def state(
        self, sequence: int, id_ranges: list[tuple[int, int]], prints: dict[int, Prints] | None, counts: dict[str, int]
    ) -> TranscriptState:
        """Return all that a fold remembers, given what changes with every event."""
        kept = self.kept()
        return TranscriptState(
            kept.facts,
            sequence,
            id_ranges,
            prints,
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
        )

    def certificate(
        self,
        delivered: IdRanges,
        sequence: int,
        counts: dict[str, int],
        *,
        reasons: Iterable[Problem],
        supersedes: int | None,
    ) -> Certificate:
        """Return what can be vouched for, given what was delivered."""
        gaps, filled = self.holes.sorted_out(delivered)
        details = {reason.code: reason.detail for reason in reasons}
        found = {*details, *(gap.code for gap in gaps)}
        if self.unattributed and not self.archived:  # what it may have held is stored, or was never to be
            found.add(gap_codes.UNATTRIBUTED)
        verdict = INCOMPLETE if found else COMPLETE
        if self.reused:
            found.add(gap_codes.IDS_REUSED)
        return Certificate(
            verdict=verdict,
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
            archived=self.archived,
        )
