"""What the records of a shard make of its chats, where they and the checkpoints are not of the same moment.

Pure: chats, what is left of others, and records in; chats out. They take the place of those in the store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bridge.announcement import UNKNOWN_HOST, Announcement, encode, parse
from bridge.capture.chat import FOLLOWED, GIVEN_UP, OPEN, OVER, STORED, Chat
from bridge.capture.outputs import outputs_of_stored_chat
from bridge.records.certificate_checks import least_quarantined
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript.entries import CHANGED, ID_REUSED, RESUMED, SessionFacts
from bridge.transcript.events import FIRST_ID
from bridge.transcript.fold import Transcript
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.capture.closed_chats import ClosedChats
    from bridge.capture.outputs import ChatOutput
    from bridge.capture.published_chats import PublishedChat
    from bridge.capture.published_outputs import PublishedOutputs
    from bridge.records.checkpoint_reader import StoredSession


@dataclass(slots=True)
class Rebuilt:
    """What records make of a store.

    `chats` take the place of those in the store, or are new; so do those that are `over`, of which less is kept.
    `without_records` are chats of which the topic lacks records, `without_place` open ones that wait for an
    announcement.
    """

    chats: list[Chat] = field(default_factory=list)
    over: list[Chat] = field(default_factory=list)
    without_records: set[str] = field(default_factory=set)
    without_place: set[str] = field(default_factory=set)


@dataclass(slots=True, frozen=True)
class RecordComparison:
    """What was read. `whole`: all that is on the topics, not only their ends."""

    published: PublishedOutputs
    whole: bool

    def with_store(
        self, stored: Mapping[str, Chat], closed: ClosedChats, incomplete: Iterable[StoredSession] = ()
    ) -> Rebuilt:
        """Compare with the chats of a store, those that are closed, and those of which checkpoints lack a part."""
        found = Rebuilt()
        for chat in stored.values():
            self._known(chat, found)
        known = set(stored)
        for rest in incomplete:
            known.add(rest.session_id)
            self._incomplete(rest, found)
        for session_id, there in self.published.together.chats.items():
            if session_id in closed:
                self._closed(closed, there, found)
            elif self.whole and session_id not in known:
                self._unknown(there, found)
        return found

    def _known(self, chat: Chat, found: Rebuilt) -> None:
        session_id, own = chat.session_id, chat.transcript.state()
        there = self.published.chat(session_id)
        if chat.state == GIVEN_UP and there.state == OPENED and not self.whole:
            found.without_place.add(session_id)  # it was announced again, and the checkpoint does not say where
        recorded = max((one.last for one in chat.outputs), default=0)  # no output need have what came after
        expired = bool(self.published.truncated)
        if self.whole and not expired and not there.whole and (recorded or there.first):
            found.without_records.add(session_id)
        if there.first and (there.epoch, there.sequence) > (own.epoch, own.sequence):
            state = _ahead(own, there)
        elif self.whole and there.whole and there.epoch == own.epoch and there.sequence < recorded:
            state = _behind(own, there)
            if chat.state != FOLLOWED:  # it is not joined any more, to fetch the rest
                found.without_records.add(session_id)
        else:
            if self.whole and self.published.lacks_records(chat, own.epoch):
                found.without_records.add(session_id)
            ended = there.ends(own.epoch, recorded) and chat.state in OPEN
            if not ended and not self.published.comes_back(chat, own.epoch):
                return
            state = own
        found.chats.append(self._continued(chat, state, there))

    def _continued(self, chat: Chat, state: TranscriptState, there: PublishedChat) -> Chat:
        """Return a chat that goes on after its last record, in `state`."""
        place, at, outputs = chat.state, chat.closed_at, chat.outputs
        if there.ended and chat.state in OPEN:
            place = OVER if there.over or chat.state == STORED else GIVEN_UP
            at = there.at
        own = chat.transcript.state()
        if (state.epoch, state.sequence) >= (own.epoch, own.sequence) and state.epoch == own.epoch:
            outputs = self.published.outputs_beyond(chat, own.epoch)
        else:
            outputs = self.published.outputs_of(chat.session_id, state.epoch)
        return replace(
            chat,
            transcript=Transcript(state),
            outputs=outputs,
            parts=CheckpointParts(chat.session_id, self.published.outputs[0].recording.site),
            state=place,
            closed_at=at,
        )

    def _closed(self, closed: ClosedChats, there: PublishedChat, found: Rebuilt) -> None:
        """Look whether something was published of a chat that ended, and its checkpoint does not say so."""
        if there.newer.total():
            chat = closed.chat(there.session_id)
            if chat is not None and chat.addressable:
                found.over.append(self._continued(chat, _ahead(chat.transcript.state(), there), there))

    def _unknown(self, there: PublishedChat, found: Rebuilt) -> None:
        session_id = there.session_id
        if there.over:
            found.over.append(self._ended(there))
            return
        found.chats.append(self._waiting(there))
        if there.state != CLOSED:
            found.without_place.add(session_id)
        if there.first and not there.whole:
            found.without_records.add(session_id)

    def _ended(self, there: PublishedChat) -> Chat:
        """Return a chat that is over: with its place in the chain and its ids, if all of its records are there."""
        state = there.closed() if there.whole else there.transcript()
        chat = self._made(state, OVER, there.at)
        return replace(chat, whole=False, addressable=there.whole)

    def _waiting(self, there: PublishedChat) -> Chat:
        """Return a chat that goes on when it is announced again."""
        state = there.transcript()
        if not there.first and there.state:  # opened, and no record of it is there: the chain begins again
            state = replace(state, epoch=there.epoch + 1)
        chat = self._made(state, GIVEN_UP, there.at)
        return chat if there.state == CLOSED else _uncertified(chat)

    def _made(
        self,
        state: TranscriptState,
        place: str,
        at: int | None,
        announced: bytes = b"",
        outputs: list[ChatOutput] | None = None,
    ) -> Chat:
        session_id = state.facts.session_id
        told = Announcement(session_id=session_id, host=UNKNOWN_HOST, port=1, tenant=state.facts.tenant)
        return Chat(
            Transcript(state),
            self.published.outputs_of(session_id, state.epoch) if outputs is None else outputs,
            CheckpointParts(session_id, self.published.outputs[0].recording.site),
            parse(announced) if announced else told,
            announced or encode(told),
            place,
            at,
        )

    # --- chats of whose checkpoint Kafka has kept a part ----------------------------------------------------------

    def _incomplete(self, rest: StoredSession, found: Rebuilt) -> None:
        """Make a chat again from what is left of its checkpoint, and from its records.

        What is in neither of them is told: as records that are gone, or as a place that is not known.
        """
        session_id, head = rest.session_id, rest.head
        there = self.published.chat(session_id)
        if there.over or (head is not None and head.state == OVER and there.whole):
            found.over.append(self._ended(there))
            return
        outputs = None
        further = head is not None and (head.epoch, head.sequence) > (there.epoch, there.sequence)
        if there.whole and not further:
            state = there.transcript()
            if rest.seldom is not None:
                state = _with_what_no_record_tells(state, rest.seldom)
        else:
            state = _what_is_left(rest, there)
            if state.sequence or state.id_ranges:
                found.without_records.add(session_id)
            if head is not None and (head.epoch, head.sequence) == (state.epoch, state.sequence):
                outputs = outputs_of_stored_chat(rest, head, self.published.outputs)
        is_open = there.state != CLOSED if head is None else head.state == FOLLOWED
        if head is not None and head.stored and rest.announcement:
            found.chats.append(self._made(state, STORED, head.observed_at, rest.announcement, outputs))
            return
        if is_open and rest.announcement:
            found.chats.append(self._made(state, FOLLOWED, None, rest.announcement, outputs))
            return
        if is_open:
            found.without_place.add(session_id)
        place = OVER if head is not None and head.state == OVER else GIVEN_UP
        at = there.at if head is None else head.observed_at
        chat = self._made(state, place, at, rest.announcement or b"", outputs)
        found.chats.append(_uncertified(chat) if is_open else chat)


def _uncertified(chat: Chat) -> Chat:
    """Return a chat that is open, although it waits for its place: its next certificate supersedes none."""
    for one in chat.outputs:
        one.certified = False
    return chat


def _what_is_left(rest: StoredSession, there: PublishedChat) -> TranscriptState:
    """Return the state of a chat of which neither checkpoint nor records have all.

    All ids up to the highest one known count as published: what is published twice is worse than a GAP (P1).
    """
    published, head = there.transcript(), rest.head
    state = rest.seldom or replace(published, facts=there.announced or SessionFacts(rest.session_id))
    ids = [*published.id_ranges, *rest.known_ids()]
    if ids:
        ids = [(min(FIRST_ID, *(low for low, _ in ids)), max(high for _, high in ids))]
    state = replace(state, prints={}, id_ranges=ids, unprinted=ids, joined=state.joined or bool(ids))
    if head is not None and (head.epoch, head.sequence) >= (there.epoch, there.sequence):
        return replace(state, sequence=head.sequence, epoch=head.epoch, counts=dict(head.counts), absence=head.absence)
    if there.first:
        return replace(state, sequence=there.sequence, epoch=there.epoch, counts=published.counts)
    fresh = TranscriptState(state.facts, epoch=there.epoch + 1)  # what is counted is counted in an epoch
    return replace(_with_what_no_record_tells(fresh, state), id_ranges=ids, unprinted=ids, joined=state.joined)


def _ahead(own: TranscriptState, there: PublishedChat) -> TranscriptState:
    """Return the state of a chat of which more was published than its checkpoint says."""
    if there.epoch > own.epoch:
        return there.transcript()
    counts = Counter(own.counts)
    counts.update(there.newer)
    beyond = [at for at in range(len(there.gaps)) if there.gap_sequences[at] > own.sequence]
    gaps = [there.gaps[at] for at in beyond]
    ids = IdRanges([*own.id_ranges, *there.ids.pairs()]).pairs()
    told = replace(
        own,
        sequence=there.sequence,
        id_ranges=ids,
        unprinted=ids,
        prints=None if own.prints is None else {},
        counts=dict(counts),
        gaps=[*own.gaps, *gaps],
        gap_sequences=[*own.gap_sequences, *(there.gap_sequences[at] for at in beyond)],
        amendments={**own.amendments, **there.amendments},
        amended=own.amended + there.newer_amended[CHANGED],
        reused=own.reused + there.newer_amended[ID_REUSED],
        rejoins=own.rejoins + there.newer[RESUMED],
        quarantined=own.quarantined + least_quarantined(gaps),
        joined=True,
        watch=replace(own.watch, since_opening=False),
        away=None if there.newer[RESUMED] else own.away,
    )
    return there.with_filled(told)


def _behind(own: TranscriptState, there: PublishedChat) -> TranscriptState:
    """Return the state of a chat of which the topic has only the beginning: what is missing is published again."""
    return replace(_with_what_no_record_tells(there.transcript(), own), facts=own.facts, watch=own.watch.in_short())


def _with_what_no_record_tells(published: TranscriptState, own: TranscriptState) -> TranscriptState:
    """Add what `own` has beside its events: a certificate may depend on it."""
    return replace(
        published,
        parties=own.parties,
        parties_set_by=own.parties_set_by,
        masked=own.masked,
        quarantined=max(own.quarantined, published.quarantined),
        unattributed=own.unattributed,
    )
