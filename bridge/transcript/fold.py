"""The fold: histories and increments of one chat in, each event once and in order out; what is missing is a GAP entry.

`Transcript.apply` takes an update and returns the entries that are new. Duplicates are recognised by the set of
delivered ids and a fingerprint per id, never by a maximum: ids have legitimate holes (withheld or unsaved events), and
a later history may fill one. The caller publishes the entries and keeps `Transcript` only if they were committed (P3);
otherwise it restores the last committed state and folds the same input again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bridge.transcript import entries as kinds
from bridge.transcript import gap_reasons
from bridge.transcript.entries import Certificate, Entry, Gap, Party, SessionFacts
from bridge.transcript.events import MESSAGE, NEW_PARTY, NOTICE, PARTY_LEFT, ChatEvent
from bridge.transcript.fields import EVENT_FIELDS, EventField
from bridge.transcript.fingerprints import Comparison, Fingerprints, carried_groups, compare, fingerprint
from bridge.transcript.parties import Parties
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from bridge.transcript.updates import Damaged, TranscriptUpdate

KIND_OF: Final = {
    NEW_PARTY: kinds.PARTY_JOINED,
    MESSAGE: kinds.MESSAGE,
    NOTICE: kinds.NOTICE,
    PARTY_LEFT: kinds.PARTY_LEFT,
}
MAX_HOLES: Final = 10_000
"""Limit for ranges of ids, for gaps, and for amended ids; a chat with more of them has `outgrown` its checkpoint."""


@dataclass(slots=True)
class TranscriptState:
    """All that a fold remembers, as plain values: what a checkpoint stores. `prints` are the packed fingerprints."""

    facts: SessionFacts
    sequence: int = 0
    id_ranges: list[tuple[int, int]] = field(default_factory=list)
    prints: bytes = b""
    parties: list[Party] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    amendments: dict[int, int] = field(default_factory=dict)
    masked: int = 0
    quarantined: int = 0
    unattributed: int = 0
    rejoins: int = 0
    joined: bool = False
    away_since: int | None = None


class Transcript:
    """One chat."""

    __slots__ = (
        "_amendments",
        "_away_since",
        "_carried",
        "_counts",
        "_delivered",
        "_fields",
        "_fingerprints",
        "_gaps",
        "_joined",
        "_kept",
        "_kept_at",
        "_masked",
        "_parties",
        "_quarantined",
        "_rejoins",
        "_sequence",
        "_slow_changes",
        "_unattributed",
        "_version",
        "facts",
    )

    def __init__(self, state: TranscriptState, fields: tuple[EventField, ...] = EVENT_FIELDS) -> None:
        """Go on from a state: a fresh one holds just the facts, a restored one comes from a checkpoint.

        `fields` says what a source of which version carries.
        """
        self.facts = state.facts
        self._fields = fields
        self._version = state.facts.client_version
        self._carried = carried_groups(self._version, fields)
        self._slow_changes = 0  # of facts, gaps and amendments: with those of the parties, the key of `_kept`
        self._sequence = state.sequence
        self._delivered = IdRanges(state.id_ranges)
        self._fingerprints = Fingerprints(state.prints, len(self._delivered))
        self._parties = Parties(state.parties)
        self._counts = dict(state.counts)
        self._gaps = list(state.gaps)
        self._amendments = dict(state.amendments)
        self._masked = state.masked
        self._quarantined = state.quarantined
        self._unattributed = state.unattributed
        self._rejoins = state.rejoins
        self._joined = state.joined
        self._away_since = state.away_since
        self._kept: tuple[list[Party], list[Gap], dict[int, int]] = ([], [], {})
        self._kept_at = -1

    @property
    def session_id(self) -> str:
        """The chat's id."""
        return self.facts.session_id

    @property
    def sequence(self) -> int:
        """The sequence number of the last entry; 0 before the first."""
        return self._sequence

    @property
    def joined(self) -> bool:
        """Whether the chat was ever joined."""
        return self._joined

    @property
    def delivered(self) -> IdRanges:
        """The ids of all events that were returned so far. Not to be changed by the caller."""
        return self._delivered

    @property
    def parties(self) -> list[Party]:
        """The parties known so far."""
        return self._parties.known()

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries returned so far, per kind. Not to be changed by the caller."""
        return self._counts

    @property
    def outgrown(self) -> bool:
        """Whether there is more to remember than a checkpoint should hold. No real chat gets there."""
        return max(len(self._delivered.pairs()), len(self._gaps), len(self._amendments)) > MAX_HOLES

    def state(self) -> TranscriptState:
        """Return all that is remembered; `Transcript(state)` goes on from there.

        States share their lists until something of them changes: not to be changed by the caller.
        """
        changes = self._slow_changes + self._parties.changes
        if self._kept_at != changes:
            self._kept = (self._parties.known(), list(self._gaps), dict(self._amendments))
            self._kept_at = changes
        parties, gaps, amendments = self._kept
        return TranscriptState(
            facts=self.facts,
            sequence=self._sequence,
            id_ranges=self._delivered.pairs(),
            prints=self._fingerprints.packed(),
            parties=parties,
            counts=self._counts.copy(),
            gaps=gaps,
            amendments=amendments,
            masked=self._masked,
            quarantined=self._quarantined,
            unattributed=self._unattributed,
            rejoins=self._rejoins,
            joined=self._joined,
            away_since=self._away_since,
        )

    def certificate(self, *reasons: str) -> Certificate:
        """Return what can be vouched for. COMPLETE: nothing that a monitor may see is known to be missing."""
        found = [*reasons]
        if self._gaps:
            found += sorted({gap.reason for gap in self._gaps} - set(found))
        if self._unattributed:
            found.append("unreadable input that may have concerned this chat")
        return Certificate(
            verdict=kinds.INCOMPLETE if found else kinds.COMPLETE,
            reasons=found,
            last_sequence=self._sequence,
            counts=dict(self._counts),
            id_ranges=self._delivered.pairs(),
            gaps=list(self._gaps),
            amendments=sum(self._amendments.values()),
            masked=self._masked,
            quarantined=self._quarantined,
            unattributed=self._unattributed,
            rejoins=self._rejoins,
        )

    # --- inputs --------------------------------------------------------------------------------------------------

    def apply(self, update: TranscriptUpdate, *, origin: str | None = None) -> list[Entry]:
        """Fold one history or increment in; return what is new, in publishing order. `origin` overrides LIVE/REPLAY."""
        facts = self.facts.after(update)
        if facts is not self.facts:
            self.facts = facts
            self._slow_changes += 1
        if update.version != self._version:
            self._version = update.version
            self._carried = carried_groups(update.version, self._fields)
        at = update.observed_at
        events = update.transcript.chat_event_list
        if len(events) > 1:
            events = sorted(events, key=_event_id)  # P1: a peer that lists ids out of order does not reorder us
        out: list[Entry] = []
        holes: list[tuple[int, int]] = []
        if update.snapshot:
            if self._joined:
                self._rejoins += 1
                out.append(self._entry(kinds.RESUMED, kinds.LIVE, at))
                holes = self._holes(events, update.damaged)
            self._joined = True
            self._slow_changes += 1
        out += self._fold(events, holes, origin or (kinds.REPLAY if update.snapshot else kinds.LIVE), at)
        for damaged in update.damaged:
            self._quarantined += 1
            out.append(self.gap(damaged.event_id, damaged.event_id, gap_reasons.UNREADABLE, at))
        if update.snapshot:
            self._away_since = None
        return out

    def _fold(self, events: list[ChatEvent], holes: list[tuple[int, int]], origin: str, at: int) -> list[Entry]:
        """Return what is new of `events` (rising ids), each hole before the event that follows it."""
        out: list[Entry] = []
        stored: dict[int, bytes] | None = None
        for event in events:
            while holes and holes[0][0] < event.event_id:
                out.append(self.gap(*holes.pop(0), gap_reasons.NOT_IN_REPLAY, at, since=self._away_since))
            if event.event_id not in self._delivered:
                out.append(self._deliver(event, origin, at))
                if stored is not None:
                    stored[event.event_id] = fingerprint(event, self._carried)
                continue
            if stored is None:
                stored = self._fingerprints.by_id(self._delivered)
            out += self._compare(event, stored, origin, at)
        out += [self.gap(*hole, gap_reasons.NOT_IN_REPLAY, at, since=self._away_since) for hole in holes]
        return out

    def start(self, start_at: int | None) -> None:
        """Set when the session started (ms since 1970 UTC), once it is known."""
        if start_at is not None and start_at != self.facts.start_at:
            self.facts = replace(self.facts, start_at=start_at)
            self._slow_changes += 1

    def away(self, since: int) -> None:
        """Note that nothing arrives from `since` (ms since 1970 UTC) on, until the next snapshot."""
        if self._joined and self._away_since is None:
            self._away_since = since
            self._slow_changes += 1

    def gap(
        self, low: int | None, high: int | None, reason: str, observed_at: int, *, since: int | None = None
    ) -> Entry:
        """Record missing events; `low` and `high` are the first and last missing id as far as they are known."""
        hole = Gap(low, high, since, reason)
        self._gaps.append(hole)
        self._slow_changes += 1
        return self._entry(kinds.GAP, kinds.LIVE, observed_at, gap=hole)

    def set_aside(self, *, attributed: bool, observed_at: int) -> list[Entry]:
        """Record an unreadable input: as a GAP if it was about this chat, as a count if it only may have been."""
        self._slow_changes += 1
        if not attributed:
            self._unattributed += 1
            return []
        self._quarantined += 1
        return [self.gap(None, None, gap_reasons.UNREADABLE, observed_at)]

    def withdraw(self, entry: Entry, reason: str) -> None:
        """Turn an entry that cannot be published into a GAP with the same sequence number."""
        event = entry.event
        hole = Gap(event.event_id if event else None, event.event_id if event else None, None, reason)
        self._counts[entry.kind] -= 1
        self._counts[kinds.GAP] = self._counts.get(kinds.GAP, 0) + 1
        self._gaps.append(hole)
        self._quarantined += 1
        self._slow_changes += 1
        entry.kind, entry.event, entry.party, entry.gap, entry.amendment = kinds.GAP, None, None, hole, 0

    def _holes(self, events: list[ChatEvent], damaged: list[Damaged]) -> list[tuple[int, int]]:
        """Return the ranges of ids that the replay lacks, from the last delivered id to the replay's last."""
        last = self._delivered.maximum or 0
        replayed = IdRanges((event.event_id, event.event_id) for event in events if event.event_id > last)
        for broken in damaged:
            if broken.event_id is not None and broken.event_id > last:
                replayed.add(broken.event_id)
        end = replayed.maximum
        return replayed.missing_between(last + 1, end) if end is not None else []

    def _deliver(self, event: ChatEvent, origin: str, observed_at: int) -> Entry:
        highest = self._delivered.maximum
        new = fingerprint(event, self._carried)
        if highest is None or event.event_id > highest:
            self._fingerprints.append(new)
        else:
            # P1: an id below the highest is late, whatever message brought it, and its record says so.
            origin = kinds.REPLAY if origin == kinds.LIVE else origin
            self._fingerprints.insert(self._delivered.rank(event.event_id), new)
        self._delivered.add(event.event_id)
        return self._event_entry(event, origin, observed_at)

    def _compare(self, event: ChatEvent, stored: dict[int, bytes], origin: str, observed_at: int) -> list[Entry]:
        """Handle an event under an id that was delivered: a duplicate, a masked text, or an amendment."""
        delivered = stored.get(event.event_id)
        if delivered is None:
            return []  # its fingerprint was dropped long ago: taken for a duplicate
        result = compare(delivered, event, self._carried)
        if result is Comparison.SAME:
            return []
        self._slow_changes += 1
        if result is Comparison.MASKED:
            self._masked += 1
            return []
        new = fingerprint(event, self._carried)
        stored[event.event_id] = new
        self._fingerprints.replace(self._delivered.rank(event.event_id), new)
        count = self._amendments.get(event.event_id, 0) + 1
        self._amendments[event.event_id] = count
        return [self._event_entry(event, origin, observed_at, amendment=count)]

    def _event_entry(self, event: ChatEvent, origin: str, observed_at: int, *, amendment: int = 0) -> Entry:
        party = self._parties.party_of(event)
        kind = KIND_OF.get(event.event_type, kinds.UNKNOWN)
        entry = self._entry(kind, origin, observed_at, event=event, party=party, amendment=amendment)
        if event.notice_text is not None:
            self._parties.apply_rename(party, event.notice_text)
        return entry

    def _entry(  # noqa: PLR0913 - the fields of an entry, by name
        self,
        kind: str,
        origin: str,
        observed_at: int,
        *,
        event: ChatEvent | None = None,
        party: Party | None = None,
        amendment: int = 0,
        gap: Gap | None = None,
    ) -> Entry:
        self._sequence += 1
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return Entry(kind, self._sequence, origin, observed_at, event, party, amendment, gap)


def _event_id(event: ChatEvent) -> int:
    return event.event_id
