"""The fold: history plus increments of one chat -> each event once, in order, and what is missing said aloud.

`Transcript.see` takes what a link saw and returns the entries that are new. Duplicates are recognised by the set of
delivered ids and a fingerprint per id, never by a maximum: ids have legitimate holes (withheld or unsaved events),
and a later history may fill one. The caller publishes the entries and keeps `Transcript` only if they were committed
(P3); otherwise it restores the last committed state and folds the same input again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bridge.transcript import entries as kinds
from bridge.transcript import gap_reasons
from bridge.transcript.entries import Certificate, Entry, Gap, Party, SessionFacts
from bridge.transcript.events import MESSAGE, NEW_PARTY, NOTICE, PARTY_LEFT, USER_UPDATE_NICK, ChatEvent, is_marked_bot
from bridge.transcript.fingerprints import Comparison, Fingerprints, compare, fingerprint
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from bridge.transcript.updates import Damaged, TranscriptUpdate

KIND_OF: Final = {
    NEW_PARTY: kinds.PARTY_JOINED,
    MESSAGE: kinds.MESSAGE,
    NOTICE: kinds.NOTICE,
    PARTY_LEFT: kinds.PARTY_LEFT,
}
MAX_PARTIES: Final = 512
"""Parties remembered per chat; beyond it an event carries its own userId only, so that a flood stays bounded."""
MAX_PARTY_CHARACTERS: Final = 100_000
"""Of the texts of all of them together; a party that does not fit is not remembered either."""
MAX_FACT_CHARACTERS: Final = 256
"""Of an attribute of the session; it stands on every record."""
MAX_HOLES: Final = 10_000
"""Ranges of ids, and gaps, and amended ids; a chat with more cannot be remembered (`outgrown`)."""


_WITHHOLDS_NOTHING: Final = 2**31 - 1
"""Version of a source that has none: above all versions of the field table."""


@dataclass(slots=True)
class TranscriptState:
    """All that a fold remembers, as plain values: what a checkpoint stores."""

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
    """One chat. `slow_changes` counts changes of what seldom changes (facts, parties, gaps): a cache key."""

    __slots__ = (
        "_amendments",
        "_away_since",
        "_counts",
        "_delivered",
        "_gaps",
        "_joined",
        "_kept",
        "_kept_at",
        "_masked",
        "_parties",
        "_party_characters",
        "_prints",
        "_quarantined",
        "_rejoins",
        "_sequence",
        "_unattributed",
        "facts",
        "slow_changes",
    )

    def __init__(self, state: TranscriptState) -> None:
        """Go on from a state: a fresh one holds just the facts, a restored one comes from a checkpoint."""
        self.facts = state.facts
        self.slow_changes = 0
        self._sequence = state.sequence
        self._delivered = IdRanges(state.id_ranges)
        self._prints = Fingerprints(state.prints, len(self._delivered))
        self._parties = {party.user_id: party for party in state.parties}
        self._party_characters = sum(party.characters for party in state.parties)
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

    # --- what can be asked ---------------------------------------------------------------------------------------

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
        """The ids of all events that were put out. Not to be changed by the caller."""
        return self._delivered

    @property
    def parties(self) -> list[Party]:
        """The parties known so far."""
        return list(self._parties.values())

    @property
    def counts(self) -> dict[str, int]:
        """Entries put out so far, per kind. Not to be changed by the caller."""
        return self._counts

    @property
    def outgrown(self) -> bool:
        """Whether there is more to remember than a checkpoint should hold: nobody chats like this."""
        return max(len(self._delivered.pairs()), len(self._gaps), len(self._amendments)) > MAX_HOLES

    def state(self) -> TranscriptState:
        """Return all that is remembered; `Transcript(state)` goes on from there.

        States share their lists until something of them changes: not to be changed by the caller.
        """
        if self._kept_at != self.slow_changes:
            self._kept = (list(self._parties.values()), list(self._gaps), dict(self._amendments))
            self._kept_at = self.slow_changes
        parties, gaps, amendments = self._kept
        return TranscriptState(
            facts=self.facts,
            sequence=self._sequence,
            id_ranges=self._delivered.pairs(),
            prints=self._prints.packed(),
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
        """Say what can be vouched for. COMPLETE means: nothing that a monitor may see is known to be missing."""
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

    # --- what can happen -----------------------------------------------------------------------------------------

    def apply(self, seen: TranscriptUpdate, *, origin: str | None = None) -> list[Entry]:
        """Fold one history or increment in; return what is new, in the order in which it is to be published.

        `origin` overrides LIVE/REPLAY (a stored transcript is ARCHIVE).
        """
        self._learn(seen)
        events = seen.transcript.chat_event_list
        if len(events) > 1:
            events = sorted(events, key=_event_id)  # P1: a peer that lists ids out of order does not reorder us
        out: list[Entry] = []
        holes: list[tuple[int, int]] = []
        if seen.snapshot:
            if self._joined:
                self._rejoins += 1
                out.append(self._entry(kinds.RESUMED, kinds.LIVE, seen.observed_at))
                holes = self._holes(events, seen.damaged)
            self._joined = True
            self.slow_changes += 1
        self._fold(events, holes, origin or (kinds.REPLAY if seen.snapshot else kinds.LIVE), seen, out)
        for damaged in seen.damaged:
            self._quarantined += 1
            out.append(self.gap(damaged.event_id, damaged.event_id, gap_reasons.UNREADABLE, seen.observed_at))
        if seen.snapshot:
            self._away_since = None
        return out

    def _fold(
        self,
        events: list[ChatEvent],
        holes: list[tuple[int, int]],
        origin: str,
        seen: TranscriptUpdate,
        out: list[Entry],
    ) -> None:
        """Put out what is new of `events` (rising ids), each hole of a replay before the event that follows it."""
        known: dict[int, bytes] | None = None
        for event in events:
            while holes and holes[0][0] < event.event_id:
                out.append(self.gap(*holes.pop(0), gap_reasons.NOT_IN_REPLAY, seen.observed_at, since=self._away_since))
            if event.event_id not in self._delivered:
                out.append(self._deliver(event, origin, seen))
                if known is not None:
                    known[event.event_id] = fingerprint(event, _version_of(seen))
                continue
            if known is None:
                known = self._prints.by_id(self._delivered)
            self._again(event, known, seen, origin, out)
        out += [self.gap(*hole, gap_reasons.NOT_IN_REPLAY, seen.observed_at, since=self._away_since) for hole in holes]

    def away(self, since: int) -> None:
        """Note that nothing is seen from `since` (ms since 1970 UTC) on, until the next snapshot."""
        if self._joined and self._away_since is None:
            self._away_since = since
            self.slow_changes += 1

    def gap(
        self, low: int | None, high: int | None, reason: str, observed_at: int, *, since: int | None = None
    ) -> Entry:
        """Record a hole; ids from..to when they are known."""
        hole = Gap(low, high, since, reason)
        self._gaps.append(hole)
        self.slow_changes += 1
        return self._entry(kinds.GAP, kinds.LIVE, observed_at, gap=hole)

    def set_aside(self, *, attributed: bool, observed_at: int) -> list[Entry]:
        """Note an unreadable input: a GAP when it was about this chat, a count when it only may have been."""
        self.slow_changes += 1
        if not attributed:
            self._unattributed += 1
            return []
        self._quarantined += 1
        return [self.gap(None, None, gap_reasons.UNREADABLE, observed_at)]

    def withdraw(self, entry: Entry, reason: str) -> None:
        """Turn an entry that cannot be published into a GAP in its place, keeping its sequence number."""
        event = entry.event
        hole = Gap(event.event_id if event else None, event.event_id if event else None, None, reason)
        self._counts[entry.kind] -= 1
        self._counts[kinds.GAP] = self._counts.get(kinds.GAP, 0) + 1
        self._gaps.append(hole)
        self._quarantined += 1
        self.slow_changes += 1
        entry.kind, entry.event, entry.party, entry.gap = kinds.GAP, None, None, hole
        entry.amendment = 0

    # --- inside --------------------------------------------------------------------------------------------------

    def _learn(self, seen: TranscriptUpdate) -> None:
        """Take over what the update says of the session; an absent attribute keeps what was known."""
        told, facts = seen.transcript, self.facts
        monitored = facts.monitored if told.monitored is None else told.monitored not in (False, "false")
        idle = told.idle_time_expire
        idle = facts.idle_time_expire if idle is None else str(idle)[:MAX_FACT_CHARACTERS]
        server = seen.server or facts.server
        version = facts.client_version if seen.version is None else seen.version
        if (
            monitored != facts.monitored
            or idle != facts.idle_time_expire
            or server != facts.server
            or version != facts.client_version
        ):
            self.facts = replace(
                facts, monitored=monitored, idle_time_expire=idle, server=server, client_version=version
            )
            self.slow_changes += 1

    def start(self, start_at: int | None) -> None:
        """Set when the session started (ms since 1970 UTC), once it is known."""
        if start_at is not None and start_at != self.facts.start_at:
            self.facts = replace(self.facts, start_at=start_at)
            self.slow_changes += 1

    def _holes(self, events: list[ChatEvent], damaged: list[Damaged]) -> list[tuple[int, int]]:
        """Return the id ranges after what we had, up to the replay's end, that the replay does not hold."""
        last = self._delivered.maximum or 0
        replayed = IdRanges((event.event_id, event.event_id) for event in events if event.event_id > last)
        for broken in damaged:
            if broken.event_id is not None and broken.event_id > last:
                replayed.add(broken.event_id)
        end = replayed.maximum
        return replayed.missing_between(last + 1, end) if end is not None else []

    def _deliver(self, event: ChatEvent, origin: str, seen: TranscriptUpdate) -> Entry:
        highest = self._delivered.maximum
        taken = fingerprint(event, _version_of(seen))
        if highest is None or event.event_id > highest:
            self._prints.append(taken)
        else:
            # P1: below the highest id means late; say so, whatever message brought it.
            origin = kinds.REPLAY if origin == kinds.LIVE else origin
            self._prints.insert(self._delivered.rank(event.event_id), taken)
        self._delivered.add(event.event_id)
        return self._event_entry(event, origin, seen.observed_at)

    def _again(
        self, event: ChatEvent, known: dict[int, bytes], seen: TranscriptUpdate, origin: str, out: list[Entry]
    ) -> None:
        """Handle an event under an id that was delivered: duplicate, masked, or amendment."""
        before = known.get(event.event_id)
        if before is None:
            return  # so far back that its print is forgotten: taken for what it was
        likeness = compare(before, event, _version_of(seen))
        if likeness is Comparison.MASKED:
            self._masked += 1
            self.slow_changes += 1
        elif likeness is Comparison.DIFFERENT:
            taken = fingerprint(event, _version_of(seen))
            known[event.event_id] = taken
            self._prints.replace(self._delivered.rank(event.event_id), taken)
            count = self._amendments.get(event.event_id, 0) + 1
            self._amendments[event.event_id] = count
            self.slow_changes += 1
            out.append(self._event_entry(event, origin, seen.observed_at, amendment=count))

    def _event_entry(self, event: ChatEvent, origin: str, observed_at: int, *, amendment: int = 0) -> Entry:
        party = self._party(event)
        kind = KIND_OF.get(event.event_type, kinds.UNKNOWN)
        entry = self._entry(kind, origin, observed_at, event=event, party=party, amendment=amendment)
        notice = event.notice_text
        if notice is not None and notice.notice_type == USER_UPDATE_NICK and notice.text:
            self._remember(replace(party, nickname=notice.text))
        return entry

    def _party(self, event: ChatEvent) -> Party:
        info = event.user_info
        if event.event_type == NEW_PARTY and info is not None:
            party = Party(
                user_id=event.user_id,
                nickname=info.user_nickname,
                user_type=info.user_type,
                protocol_type=info.protocol_type,
                person_id=info.person_id,
                time_zone_offset=info.time_zone_offset,
                client_version=info.client_version,
                bot=True if is_marked_bot(event) else None,
            )
            self._remember(party)
            return party
        known = self._parties.get(event.user_id)
        if known is None:  # a party that was never announced: its id is all that is certain
            known = Party(user_id=event.user_id)
            self._remember(known)
        return known

    def _remember(self, party: Party) -> None:
        before = self._parties.get(party.user_id)
        characters = self._party_characters + party.characters - (0 if before is None else before.characters)
        if characters <= MAX_PARTY_CHARACTERS and (before is not None or len(self._parties) < MAX_PARTIES):
            self._parties[party.user_id] = party
            self._party_characters = characters
            self.slow_changes += 1

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


def _version_of(update: TranscriptUpdate) -> int:
    return _WITHHOLDS_NOTHING if update.version is None else update.version


def _event_id(event: ChatEvent) -> int:
    return event.event_id
