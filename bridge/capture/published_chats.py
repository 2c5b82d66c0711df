"""What the events and sessions topics say of chats, for a shard whose checkpoints are gone or do not belong to them.

Pure: records in, states out. Ids, sequence, head and counts of a chat are on its records; fingerprints are not, so that
what was published before is taken for unchanged. Its place is in its announcement only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.announcement import Announcement, encode
from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER, Chat
from bridge.records.checkpoint import decoded_facts, decoded_gap
from bridge.records.normalise import ChatRecorder
from bridge.records.session_records import CLOSED
from bridge.transcript.entries import CHANGED, RESUMED, Gap, SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.gap_codes import UNTIL_JOINED
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.records.normalise import Recording

_NO_PLACE: Final = ("unknown.invalid", 1)
"""The address of a chat that waits for its announcement: no name ends in .invalid (RFC 2606)."""


@dataclass(slots=True)
class PublishedChat:
    """One chat as its records tell it: those from sequence `first` to `sequence`, of one epoch.

    `newer` counts by kind those beyond what the store knows. `session` is the decoded one of the last event record,
    `announced` what the first session record says. `state` and `at` are those of the last session record.
    """

    session_id: str
    epoch: int = 0
    first: int = 0
    sequence: int = 0
    head: bytes = b""
    ids: IdRanges = field(default_factory=IdRanges)
    counts: Counter[str] = field(default_factory=Counter)
    newer: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    gap_sequences: list[int] = field(default_factory=list)
    amendments: Counter[int] = field(default_factory=Counter)
    changed: int = 0
    session: dict[str, Any] | None = None
    announced: SessionFacts | None = None
    state: str = ""
    at: int = 0
    last_sequence: int = 0
    given_up: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of its records are there."""
        return self.first == 1

    @property
    def over(self) -> bool:
        """Whether its last certificate is about all of its records, and says that it has ended."""
        return self.state == CLOSED and not self.given_up and self.last_sequence >= self.sequence

    def take(self, record: dict[str, Any], known: tuple[int, int]) -> None:
        """Take the next event record, decoded; `known` is the (epoch, sequence) that the store has."""
        epoch, sequence, kind = record["epoch"], record["sequence"], record["kind"]
        if epoch != self.epoch or not self.first:
            self._begin(epoch, sequence)
        self.sequence, self.head = sequence, record["integrity"]["hash"]
        self.counts[kind] += 1
        self.newer[kind] += (epoch, sequence) > known
        self.session = record["session"]
        event_id = record["eventId"]
        if record["gap"] is not None:
            self.gaps.append(decoded_gap(record["gap"]))
            self.gap_sequences.append(sequence)
        elif event_id is not None and record["amendment"]:
            self.amendments[event_id] += 1
            self.changed += record["amendment"] == CHANGED
        elif event_id is not None:
            self.ids.add(event_id)

    def _begin(self, epoch: int, sequence: int) -> None:
        self.epoch, self.first = epoch, sequence
        self.ids, self.counts, self.newer, self.amendments = IdRanges(), Counter(), Counter(), Counter()
        self.gaps, self.gap_sequences, self.changed = [], [], 0

    def take_session(self, record: dict[str, Any]) -> None:
        """Take the next session record, decoded."""
        certificate = record["certificate"]
        self.state, self.at = record["state"], record["at"]
        self.epoch = max(self.epoch, record["epoch"])
        self.given_up = bool(UNTIL_JOINED & set(certificate["reasons"])) if certificate else False
        self.last_sequence = certificate["lastSequence"] if certificate else 0
        if self.announced is None:
            self.announced = SessionFacts(self.session_id, tenant=record["tenant"], server=record["server"])

    def transcript(self) -> TranscriptState:
        """Return what the records tell, as the fold goes on from it."""
        ids, facts = self.ids, self.announced or SessionFacts(self.session_id)
        if self.session is not None:
            facts = decoded_facts(self.session_id, self.session)
        if self.first > 1 and ids.maximum is not None:
            # What came before has expired: all ids below count as delivered, so that nothing is published twice.
            ids = IdRanges([(0, ids.pairs()[0][0]), *ids.pairs()])
        return TranscriptState(
            facts,
            sequence=self.sequence,
            id_ranges=ids.pairs(),
            counts={kind: count for kind, count in self.counts.items() if count},
            gaps=list(self.gaps),
            gap_sequences=list(self.gap_sequences),
            amendments=dict(self.amendments),
            amended=self.changed,
            reused=sum(self.amendments.values()) - self.changed,
            rejoins=self.counts[RESUMED],
            joined=self.ids.maximum is not None,
            epoch=self.epoch,
        )


class PublishedChats:
    """The chats of one partition, from its records in order."""

    def __init__(self, known: Callable[[str], tuple[int, int]]) -> None:
        """`known` returns the (epoch, sequence) of a chat in the store, (0, 0) of another one."""
        self._known = known
        self.chats: dict[str, PublishedChat] = {}
        self.events = 0

    def _chat(self, session_id: str) -> PublishedChat:
        chat = self.chats.get(session_id)
        if chat is None:
            chat = self.chats[session_id] = PublishedChat(session_id)
        return chat

    def event(self, record: dict[str, Any]) -> None:
        """Take an event record, decoded."""
        session_id = record["sessionId"]
        self.events += 1
        self._chat(session_id).take(record, self._known(session_id))

    def session(self, record: dict[str, Any]) -> None:
        """Take a session record, decoded, once all events were taken."""
        self._chat(record["sessionId"]).take_session(record)


@dataclass(slots=True)
class Rebuilt:
    """What records make of a store.

    `chats` take the place of those in the store, or are new; `over` have ended. `without_records` are chats of which
    the topic lacks records, `without_place` open ones that wait for an announcement.
    """

    chats: list[Chat] = field(default_factory=list)
    over: dict[str, int] = field(default_factory=dict)
    without_records: set[str] = field(default_factory=set)
    without_place: set[str] = field(default_factory=set)


@dataclass(slots=True, frozen=True)
class RecordComparison:
    """What was read. `whole`: all that is on the topic, not only its end. `truncated`: it begins above offset 0.

    Records may have expired in order, then.
    """

    published: PublishedChats
    recording: Recording
    whole: bool
    truncated: bool

    def with_store(self, stored: Mapping[str, Chat], ended: Iterable[str]) -> Rebuilt:
        """Compare with the chats of a store; of those `ended` it knows only that they are over."""
        found = Rebuilt()
        for chat in stored.values():
            self._known(chat, found)
        known = {*stored, *ended}
        for session_id, there in self.published.chats.items() if self.whole else ():
            if session_id not in known:
                self._unknown(there, found)
        return found

    def _known(self, chat: Chat, found: Rebuilt) -> None:
        session_id, own = chat.session_id, chat.transcript.state()
        there = self.published.chats.get(session_id)
        if there is None or not there.first:
            if self.whole and own.sequence and not self.truncated:
                found.without_records.add(session_id)
            return
        if self.whole and not self.truncated and not there.whole:
            found.without_records.add(session_id)
        if (there.epoch, there.sequence) > (own.epoch, own.sequence):
            state = _ahead(own, there)
        elif self.whole and there.whole and there.epoch == own.epoch and there.sequence < own.sequence:
            state = _behind(own, there)
            if chat.state != FOLLOWED:  # it is not joined any more, to fetch the rest
                found.without_records.add(session_id)
        elif there.over and chat.state == FOLLOWED and there.sequence == own.sequence:
            state = own
        else:
            return
        recorder = ChatRecorder(session_id, self.recording, there.head, state.epoch)
        place, at = chat.state, chat.closed_at
        if there.over and chat.state == FOLLOWED:
            place, at = OVER, there.at
        found.chats.append(Chat(Transcript(state), recorder, chat.announcement, chat.announced, place, at))

    def _unknown(self, there: PublishedChat, found: Rebuilt) -> None:
        session_id = there.session_id
        if there.over:
            found.over[session_id] = there.at
            return
        found.chats.append(_waiting(there, self.recording))
        if there.state != CLOSED:
            found.without_place.add(session_id)
        if there.first > 1:
            found.without_records.add(session_id)


def _ahead(own: TranscriptState, there: PublishedChat) -> TranscriptState:
    """Return the state of a chat of which more was published than its checkpoint says."""
    published = there.transcript()
    if there.epoch > own.epoch:
        return published
    counts = Counter(own.counts)
    counts.update(there.newer)
    beyond = [at for at in range(len(there.gaps)) if there.gap_sequences[at] > own.sequence]
    return replace(
        own,
        sequence=there.sequence,
        id_ranges=IdRanges([*own.id_ranges, *there.ids.pairs()]).pairs(),
        prints=b"",
        counts=dict(counts),
        gaps=[*own.gaps, *(there.gaps[at] for at in beyond)],
        gap_sequences=[*own.gap_sequences, *(there.gap_sequences[at] for at in beyond)],
        amendments={**own.amendments, **published.amendments} if there.whole else own.amendments,
        joined=True,
    )


def _behind(own: TranscriptState, there: PublishedChat) -> TranscriptState:
    """Return the state of a chat of which the topic has only the beginning: what is missing is published again."""
    published = there.transcript()
    return replace(published, facts=own.facts, parties=own.parties, parties_set_by=own.parties_set_by)


def _waiting(there: PublishedChat, recording: Recording) -> Chat:
    """Return a chat that goes on when it is announced again."""
    state = there.transcript()
    if not there.first and there.state:  # opened, and no record of it is there: the chain begins again
        state = replace(state, epoch=there.epoch + 1)
    host, port = _NO_PLACE
    announcement = Announcement(session_id=there.session_id, host=host, port=port, tenant=state.facts.tenant)
    recorder = ChatRecorder(there.session_id, recording, there.head or None, state.epoch)
    return Chat(Transcript(state), recorder, announcement, encode(announcement), GIVEN_UP, there.at)
