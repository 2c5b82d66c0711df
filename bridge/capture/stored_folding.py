"""What stored transcripts make of the chats of a shard, and what a feeder has read makes of their topic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.announcement import UNKNOWN_HOST, Announcement, encode
from bridge.capture.chat import OPEN, OVER, STORED, Chat
from bridge.capture.chat_closing import close, end_with_gap
from bridge.capture.chat_facts import ChatOpened, StoredRepaired
from bridge.capture.chat_subjects import learn_subjects
from bridge.capture.output_sessions import opened
from bridge.capture.outputs import outputs_of_new_chat
from bridge.capture.partition_numbers import asked_number
from bridge.capture.ports import Outgoing
from bridge.capture.stored_inputs import STORED_POSITION, StoredMissing, StoredRead, StoredRefused
from bridge.capture.stored_texts import MAX_TEXT_BYTES, records_of
from bridge.errors import Problem
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.transcript import gap_codes, input_codes
from bridge.transcript.entries import UCS, SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.times import occurred_at, parse_start_at

if TYPE_CHECKING:
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat_routes import ChatRoutes
    from bridge.capture.closed_chats import ClosedChats
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard_positions import ShardPositions
    from bridge.capture.stored_inputs import StoredArrived
    from bridge.capture.stored_texts import StoredText
    from bridge.transcript.entries import Certificate, Gap
    from bridge.transcript.stored_updates import StoredUpdate

RECORD_BYTES: Final = 512 * 1024
"""Size of a part of a stored transcript on its topic: well below Kafka's default limit of a record."""
_US_PER_MS: Final = 1_000
_CLOSED: Final = Problem(input_codes.CHAT_CLOSED, "the chat is closed")
_UNFINISHED: Final = Problem(gap_codes.UNFINISHED, "no last stored transcript came")


class StoredFolding:
    """Folds what concerns stored transcripts into the chats of one store."""

    def __init__(
        self,
        settings: SessionStoreSettings,
        chats: dict[str, Chat],
        closed: ClosedChats,
        positions: ShardPositions,
        routes: ChatRoutes,
    ) -> None:
        """All but the settings are the store's own, which it goes on changing."""
        self._settings = settings
        self._chats = chats
        self._closed = closed
        self._positions = positions
        self._routes = routes
        self._passing: StoredText | None = None

    def take(
        self, one: StoredArrived | StoredMissing | StoredRefused | StoredRead, builder: BatchBuilder
    ) -> Chat | None:
        """Remember the position that an input has; return the chat to `fold` it into, None if that is all.

        What a feeder has read is written to the topic. What holds no stored transcript is set aside: nothing that a
        chat vouches for depends on it. That no text of a chat will come matters if nothing else is known of it.
        """
        if isinstance(one, StoredRead):
            for text in one.texts:
                self._write(text, one.observed_at, builder)
            for bad in one.unreadable:
                builder.quarantine(bad.place, bad.session_id, one.observed_at, bad.reason, bad.session_id.encode())
            for name, position in one.positions.items():
                self._positions.set(name, position)
            return None
        self._positions.set(STORED_POSITION, one.place.encode())
        if isinstance(one, StoredRefused):
            builder.quarantine(one.source, one.session_id, one.observed_at, one.reason, one.raw)
            return None
        session_id = one.session_id
        if self._passed_on(one, builder):
            return None
        if isinstance(one, StoredMissing):
            chat = self._chats.get(session_id)
            if chat is None and session_id not in self._closed:
                return self._opened(session_id, one.observed_at, builder)
            return chat if chat is not None and chat.state == STORED else None
        return self._chat(one, builder)

    def _passed_on(self, one: StoredArrived | StoredMissing, builder: BatchBuilder) -> bool:
        """Pass a text on whose chat is not known here, and may be known to another shard; return whether it was.

        One in parts is judged, and written as a whole, with its first part: the chat may be opened here before the
        last. A store that is restored in between judges once more. What is passed on twice, or folded in part, does no
        harm: the whole text comes back, and what was delivered is recognised.
        """
        passing, last = self._passing is one.text, isinstance(one, StoredMissing) or one.last
        self._passing = None
        if not passing:
            if one.session_id in self._chats or one.session_id in self._closed:
                return False
            other = self._routes.elsewhere(one.session_id.encode(), one.text.asked)
            if other is None:
                return False
            text = replace(one.text, asked=asked_number(other.headers))
            self._write(text, one.observed_at, builder, other.partition)
        self._passing = None if last else one.text
        return True

    def _chat(self, one: StoredArrived, builder: BatchBuilder) -> Chat | None:
        """Return a chat, which may be a new one; None: the text was set aside."""
        session_id = one.session_id
        chat = self._chats.get(session_id) or self._closed.take(session_id)
        if chat is None and session_id in self._closed:
            if one.last:
                builder.quarantine(one.text.place, session_id, one.observed_at, _CLOSED, one.text.text)
            return None
        if chat is None:
            return self._opened(session_id, one.observed_at, builder)
        self._chats[session_id] = chat
        if chat.state == STORED:
            chat.closed_at = one.observed_at  # something of it came, whatever becomes of it
        return chat

    def _opened(self, session_id: str, at: int, builder: BatchBuilder) -> Chat:
        chat = self._chats[session_id] = self._new_chat(session_id)
        opened(builder, chat, at)
        builder.plan.facts.append(ChatOpened(session=session_id))
        chat.closed_at = at
        return chat

    def fold(self, chat: Chat, one: StoredArrived, builder: BatchBuilder) -> None:
        """Fold a text into its chat: one that is followed stays so, any other one is closed with its last text.

        One that was closed is closed again if there is more to vouch for.
        """
        transcript, at = chat.transcript, one.observed_at
        before = None if chat.state in OPEN else (transcript.sequence, _vouched(transcript.certificate()))
        start_at = one.update.update.transcript.start_at
        if start_at != chat.start_text:
            chat.start_text = start_at
            transcript.learn(start_at=parse_start_at(start_at))
        learn_subjects(chat, self._settings.recording.subjects, one.update.update.transcript.chat_event_list)
        for entry in transcript.apply_stored(one.update):
            builder.publish(chat, entry)
        if one.repairs:
            builder.fact(StoredRepaired(session=chat.session_id, repairs=dict(one.repairs)))
        if chat.state == STORED:
            if one.update.final:
                close(builder, chat, at, OVER)
                chat.ended_at = _last_at(chat.transcript.facts, one.update)
        elif before is not None:
            state = OVER if one.update.final else chat.state
            if state != chat.state or before != (transcript.sequence, _vouched(transcript.certificate())):
                close(builder, chat, at, state, supersedes=before[0])

    def end(self, chat: Chat, one: StoredMissing, builder: BatchBuilder) -> None:
        """Close a chat that is known from UCS only, and of which no last text will come."""
        why = Problem(gap_codes.NO_STORED_TEXT, one.text.missing)
        end_with_gap(builder, chat, why, one.observed_at, OVER)

    def expire(self, chat: Chat, at: int, builder: BatchBuilder) -> None:
        """Close a chat whose last stored transcript did not come; `at` in us since 1970 UTC."""
        end_with_gap(builder, chat, _UNFINISHED, at, OVER)

    def _new_chat(self, session_id: str) -> Chat:
        facts = SessionFacts(session_id, source=UCS)
        told = Announcement(session_id=session_id, host=UNKNOWN_HOST, port=1)
        outputs = outputs_of_new_chat(session_id, self._settings.outputs)
        parts = CheckpointParts(session_id, self._settings.recording.site)
        return Chat(Transcript(TranscriptState(facts)), outputs, parts, told, encode(told), STORED)

    def _write(self, text: StoredText, at: int, builder: BatchBuilder, partition: int | None = None) -> None:
        """Write a text to the topic, on a partition; None: that of its chat."""
        key = text.session_id.encode()
        if text.size > MAX_TEXT_BYTES:
            why = Problem(input_codes.TOO_LONG, f"{text.size} bytes; at most {MAX_TEXT_BYTES} are read")
            builder.quarantine(text.place, text.session_id, at, why, text.text[:RECORD_BYTES], total_bytes=text.size)
            return
        partition = self._routes.newest(key) if partition is None else partition
        builder.plan.batch.records += [
            Outgoing(self._settings.stored.topic, partition, key, value, headers)
            for headers, value in records_of(text, RECORD_BYTES)
        ]


def _last_at(facts: SessionFacts, update: StoredUpdate) -> int | None:
    """Return when the last event of a stored transcript happened, in us since 1970 UTC; None: not known."""
    at = occurred_at(facts.start_at, max((event.time_shift for event in update.events), default=0))
    return None if at is None else at * _US_PER_MS


def _vouched(certificate: Certificate) -> tuple[list[str], list[Gap], list[Gap]]:
    """Return what a stored transcript may change in a certificate although it brings no event."""
    return certificate.reasons, certificate.gaps, certificate.filled
