"""The fold: histories and increments of one chat in, each event once and in order out; what is missing is a GAP entry.

`Transcript.apply` takes an update and returns the entries that are new. Duplicates are recognised by the delivered ids
and a fingerprint per id, never by a maximum: ids have legitimate holes, and a later history may fill one. The caller
publishes the entries and keeps `Transcript` only if they were committed (P3); otherwise it restores the last committed
state and folds the same input again. An input that fails half-way is undone with `mark` and `undo`.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.transcript import entries as kinds
from bridge.transcript import gap_codes
from bridge.transcript.entries import Entry, Gap
from bridge.transcript.fields import EVENT_FIELDS, EventField
from bridge.transcript.fingerprint_store import MAX_BLOCKS, Fingerprints
from bridge.transcript.fingerprints import carried_groups, fingerprint, print_layout
from bridge.transcript.print_comparison import Comparison, compare
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import SlowMemory, TranscriptState
from bridge.transcript.stored_fold import StoredFold
from bridge.transcript.summary import summary_of
from bridge.transcript.watching import NOT_TOLD

if TYPE_CHECKING:
    from bridge.errors import Problem
    from bridge.transcript.entries import Certificate, SessionFacts
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.id_blocks import IdBlock
    from bridge.transcript.summary import Summary
    from bridge.transcript.updates import TranscriptUpdate

_Mark = tuple[TranscriptState, int, dict[str, int], tuple[list[int], list[int]]]
_event_id: Final = attrgetter("event_id")
MAX_HOLES: Final = 10_000
"""Limit for ranges of ids, for gaps, and for amended ids; a chat with more of them has `outgrown` its checkpoints."""


class Transcript(StoredFold):
    """One chat."""

    __slots__ = ("_counts", "_fields", "_fingerprints", "_marked", "_parties", "_sequence", "_version")

    def __init__(self, state: TranscriptState, fields: tuple[EventField, ...] = EVENT_FIELDS) -> None:
        """Go on from a state: a fresh one holds just the facts, a restored one comes from a checkpoint.

        `fields` says what a source of which version carries.
        """
        self._fields = fields
        self._delivered = IdRanges(state.id_ranges)
        self._fingerprints = Fingerprints(self._delivered, state.prints, print_layout(fields), state.outlines)
        self._sequence = state.sequence
        self._counts = dict(state.counts)
        self._remember(state)
        self._marked: _Mark | None = None
        self.mark()

    def _remember(self, state: TranscriptState) -> None:
        """Take over from `state` what changes seldom."""
        self._memory = SlowMemory(state)
        self._holes = self._memory.holes
        self._parties = self._memory.parties
        self._version = state.facts.client_version
        self._carried = carried_groups(self._version, self._fields)

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def facts(self) -> SessionFacts:
        """What is known of the session."""
        return self._memory.facts

    @property
    def session_id(self) -> str:
        """The chat's id."""
        return self._memory.facts.session_id

    @property
    def sequence(self) -> int:
        """The sequence number of the last entry; 0 before the first."""
        return self._sequence

    @property
    def joined(self) -> bool:
        """Whether the chat was ever joined: something of it was seen, if only a part of its first history."""
        return self._memory.joined or self._delivered.ranges > 0

    @property
    def delivered(self) -> IdRanges:
        """The ids of all events that were returned and not withdrawn. Not to be changed by the caller."""
        return self._delivered

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries returned so far, per kind. Not to be changed by the caller."""
        return self._counts

    @property
    def outgrown(self) -> bool:
        """Whether there is more to remember than there should be of one chat. No real chat gets there."""
        most = max(self._delivered.ranges, len(self._holes), len(self._memory.amendments))
        return most > MAX_HOLES or len(self._fingerprints) > MAX_BLOCKS

    def state(self) -> TranscriptState:
        """Return what `Transcript(state)` goes on from. States share their lists: not to be changed by the caller."""
        return self._memory.state(self._delivered, self._fingerprints, self._sequence, self._counts.copy())

    def seldom(self) -> TranscriptState:
        """Return it without sequence, ids, fingerprints, counts: the same object until something of it changes."""
        return self._memory.kept()

    def checkpointed(self, at: int | None) -> None:
        """Remember the time of the chat's last checkpoint, in us since 1970 UTC; there is no `undo` behind it."""
        self._memory.watching.seen_at = at
        self._marked = None
        self._fingerprints.mark()

    def take_blocks(self, *, again: bool = False) -> tuple[IdBlock | None, list[IdBlock]]:
        """Return the open block of ids, if it is there; of others what changed since the last call, or all `again`."""
        return self._fingerprints.take_changed(again=again)

    def certificate(self, *reasons: Problem, over: bool = True, supersedes: int | None = None) -> Certificate:
        """Return what can be vouched for. `reasons` are those of the caller; `over`: the source said that the chat is.

        `supersedes` is the last sequence of the certificate that this one replaces.
        """
        return self._memory.certificate(
            self._delivered, self._sequence, self._counts, reasons=reasons, over=over, supersedes=supersedes
        )

    def summary(self, *, missing: bool) -> Summary | str:
        """Return the figures of the chat, or why there are none; `missing`: events are known to be missing."""
        return summary_of(self._fingerprints, self._memory, missing=missing)

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        self._fingerprints.mark()
        self._marked = (self._memory.kept(), self._sequence, self._counts.copy(), self._delivered.edges())

    def undo(self) -> None:
        """Go back to the last `mark`, whatever an exception has left behind; to be called after one only."""
        if self._marked is None:
            raise RuntimeError("there is no mark to go back to")
        state, self._sequence, counts, edges = self._marked
        state.seen_at = self._memory.watching.seen_at  # no input changes it
        self._counts = counts.copy()
        self._delivered.reset(edges)
        self._fingerprints.undo()
        self._remember(state)

    # --- inputs --------------------------------------------------------------------------------------------------

    def apply(self, update: TranscriptUpdate, *, origin: str | None = None) -> list[Entry]:
        """Fold a history, increment or part of one in; return what is new, in order. `origin` overrides LIVE/REPLAY."""
        memory, part = self._memory, update.part
        memory.take(update)
        if update.version != self._version:
            self._version = update.version
            self._carried = carried_groups(update.version, self._fields)
        at = update.observed_at
        events = update.transcript.chat_event_list
        if len(events) > 1:
            events = sorted(events, key=_event_id)  # P1: a peer that lists ids out of order does not reorder us
        out: list[Entry] = []
        missed: list[Gap] = []
        ended: list[tuple[int, int]] = []
        if update.snapshot:
            ended = self._holes.rejoined(last=part.last)
            if not memory.joined:
                memory.watching.first_history(update)
            elif part.first:
                out.append(self._rejoined(at))
            memory.joined |= part.last  # only then all of the history was seen
            memory.changes += 1
        if self._holes.absence is not None:
            missed = self._holes.missed(update.told_ids, self._delivered, snapshot=update.snapshot, last=part.last)
            memory.changes += 1
        out += self._fold(events, missed, origin or (kinds.REPLAY if update.snapshot else kinds.LIVE), at)
        self._holes.name_filled(out, ended)
        for damaged in update.damaged:
            out += self.set_aside(damaged.event_id, at)
        return out

    def _rejoined(self, at: int) -> Entry:
        """Note that a further snapshot came, which ends an absence."""
        self._memory.rejoins += 1
        self._memory.watching.resumed(at)
        self._holes.lost_sight(max(self._told, 0))
        return self._entry_without_event(kinds.RESUMED, at)

    def _fold(self, events: list[ChatEvent], missed: list[Gap], origin: str, at: int) -> list[Entry]:
        """Return what is new of `events` (rising ids), each gap before the event that follows it."""
        out: list[Entry] = []
        waiting = missed[::-1] if missed else missed
        delivered, withdrawn, told = self._delivered, self._holes.withdrawn, self._told
        # P1: an id that is not above all that was told is late, whatever message brought it; its record says so.
        late = kinds.REPLAY if origin == kinds.LIVE else origin
        for event in events:
            event_id = event.event_id
            while waiting and (waiting[-1].from_event_id or 0) < event_id:
                out.append(self._gap_entry(waiting.pop(), at))
                told = self._told
            if event_id > told:
                told = event_id
                out.append(self._deliver(event, origin, at))
            elif event_id in delivered:
                out += self._compare(event, origin, at)
            elif event_id not in withdrawn:  # else its content is in the quarantine
                out.append(self._deliver(event, late, at))
        if waiting:
            out += [self._gap_entry(gap, at) for gap in reversed(waiting)]
        return out

    def learn(self, *, start_at: int | None = None, tenant: str | None = None) -> None:
        """Set when the session started (ms since 1970 UTC), or its tenant; None leaves what is known."""
        self._memory.learn(start_at, tenant)

    def identify(self, subjects: tuple[str, ...]) -> None:
        """Replace the keyed hashes of what identifies the people of the chat."""
        self._memory.identify(subjects)

    def away(self, since: int, code: str = NOT_TOLD) -> None:
        """Note that nothing arrives from `since` (ms since 1970 UTC) on, until the next snapshot.

        `code` is one of watching.UNWATCHED_CODES.
        """
        self._memory.away(max(self._told, 0), since, code)

    def end(self, reason: Problem, observed_at: int) -> Entry:
        """Record that all events after those that were told may be missing."""
        self._memory.given_up(observed_at)
        return self._gap_entry(self._holes.rest(self._told, reason), observed_at)

    def gone(self, reason: Problem, observed_at: int, low: int | None = None, high: int | None = None) -> Entry:
        """Record that readers lack the events with ids from `low` to `high`; None: may lack any, or any from there."""
        return self._gap_entry(Gap(low, high, None, reason.code, reason.detail or None), observed_at)

    def failed(self, update: TranscriptUpdate | None, observed_at: int, reason: Problem) -> list[Entry]:
        """Record an input that could not be folded, after `undo`: what an update held is missing until it comes again.

        None stands for any other input.
        """
        self._memory.changes += 1
        ids = [] if update is None else update.ids
        if update is not None:
            self._memory.quarantined += bool(update.transcript.chat_event_list) + len(update.damaged)
            if update.snapshot and self._memory.joined:
                self._holes.lost_sight(max(self._told, 0))
            self._memory.joined |= update.snapshot and update.part.last
            if update.snapshot and update.part.last and not update.part.first:
                self._holes.rejoined()  # the parts before it said so: all of the history was seen, but for these ids
        lost = self._holes.lost(ids, self._delivered, reason)
        return [self._gap_entry(gap, observed_at) for gap in lost]

    def set_aside(self, event_id: int | None, observed_at: int) -> list[Entry]:
        """Record unreadable content of this chat; nothing new is missing if its event is there, or told as missing."""
        self._memory.set_aside()
        if event_id is not None and (event_id in self._delivered or event_id in self._holes):
            return []
        return [self._gap_entry(Gap(event_id, event_id, None, gap_codes.UNREADABLE), observed_at)]

    def doubt(self) -> None:
        """Count an input that was lost and may have concerned this chat: nothing can be said to be missing."""
        self._memory.doubt()

    def withdraw(self, entry: Entry, reason: Problem) -> None:
        """Turn an entry that cannot be published into a GAP, one of WITHDRAWN, with the same sequence number."""
        event = entry.event
        event_id = event.event_id if event else None
        counts = self._counts
        counts[entry.kind] -= 1
        counts[kinds.GAP] = counts.get(kinds.GAP, 0) + 1
        self._counts = {kind: count for kind, count in counts.items() if count}
        if entry.reused:
            self._memory.reused -= 1
        elif entry.amendment:
            self._memory.amended -= 1
        elif event is not None:
            self._fingerprints.remove(event.event_id)
            self._delivered.remove(event.event_id)
        gap = Gap(event_id, event_id, None, reason.code, reason.detail)
        self._holes.add(gap, entry.sequence)
        self._memory.set_aside()
        entry.kind, entry.event, entry.party, entry.gap = kinds.GAP, None, None, gap
        entry.amendment, entry.reused, entry.fills = 0, False, None

    @property
    def _told(self) -> int:
        """The highest id that was delivered or told as missing; -1 when there is none."""
        highest = self._delivered.maximum
        return self._holes.highest if highest is None else max(highest, self._holes.highest)

    def _deliver(self, event: ChatEvent, origin: str, observed_at: int) -> Entry:
        event_id = event.event_id
        self._fingerprints.add(event_id, fingerprint(event, self._carried))
        self._delivered.add(event_id)
        return self._event_entry(event, origin, observed_at)

    def _compare(self, event: ChatEvent, origin: str, observed_at: int) -> list[Entry]:
        """Handle an event under an id that was delivered: a duplicate, a masked text, an amendment, another event."""
        delivered = self._fingerprints.get(event.event_id)
        if delivered is None:
            self._parties.learn(event)  # of a chat whose checkpoint was lost, only the records are known
            return []  # what was delivered under this id is not known: taken for a duplicate
        result, kept = compare(delivered, event, self._carried)
        if kept is not None:
            self._fingerprints.replace(event.event_id, kept)
        if result is Comparison.SAME:
            return []
        self._memory.changes += 1
        if result is Comparison.MASKED:
            self._memory.masked += 1
            return []
        count = self._memory.amendments.get(event.event_id, 0) + 1
        self._memory.amendments = {**self._memory.amendments, event.event_id: count}
        reused = result is Comparison.ANOTHER
        self._memory.reused += reused
        self._memory.amended += not reused
        return [self._event_entry(event, origin, observed_at, amendment=count, reused=reused)]

    def _event_entry(
        self, event: ChatEvent, origin: str, observed_at: int, *, amendment: int = 0, reused: bool = False
    ) -> Entry:
        party = self._parties.party_of(event)
        if not reused:
            self._fingerprints.outlines.put(event, self._parties, again=amendment > 0)
        kind = kinds.KIND_OF.get(event.event_type, kinds.UNKNOWN)
        self._sequence += 1
        self._counts[kind] = self._counts.get(kind, 0) + 1
        entry = Entry(kind, self._sequence, origin, observed_at, event, party, amendment, None, reused)
        self._memory.watching.told(event, self._parties)
        if event.notice_text is not None:
            self._parties.apply_rename(event, event.notice_text)
        return entry

    def _gap_entry(self, gap: Gap, observed_at: int) -> Entry:
        entry = self._entry_without_event(kinds.GAP, observed_at, gap)
        self._holes.add(gap, entry.sequence)
        self._memory.changes += 1
        return entry

    def _entry_without_event(self, kind: str, observed_at: int, gap: Gap | None = None) -> Entry:
        self._sequence += 1
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return Entry(kind, self._sequence, kinds.LIVE, observed_at, gap=gap)
