"""The chats of one shard, and what inputs make of them: the batch of the next transaction.

Nothing here does I/O or looks at a clock. `fold` changes the chats in memory and returns the plan of a transaction;
when the commit fails, the shard drops the store, restores another one from the checkpoints, and folds the same inputs
again (P3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from bridge.announcement import merged, parse, rewritten
from bridge.capture.batch_builder import BatchBuilder, SessionStoreSettings, TransactionPlan, checkpoint_of
from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER, Chat
from bridge.capture.inbox import Announced, Input
from bridge.capture.ports import Outgoing
from bridge.errors import EnvironmentFault, places
from bridge.facts import AnnouncementForwarded, AnnouncementRejected, ChatClosed, ChatFailed, ChatOpened
from bridge.records.checkpoint import decode_checkpoint
from bridge.records.normalise import ChatRecorder
from bridge.records.payload_framing import unframe
from bridge.records.session_records import CLOSED, OPENED, json_of
from bridge.transcript import gap_reasons
from bridge.transcript.entries import SessionFacts
from bridge.transcript.fold import Transcript, TranscriptState
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bridge.announcement import Announcement

_US_PER_MS: Final = 1_000
_HOUSEKEEPING_US: Final = 30_000_000
_LAST_ID: Final = 2**63 - 1
_U = TypeVar("_U", TranscriptUpdate, LinkDown, JoinRefused)


class SessionStore:
    """All chats of one shard, and how inputs change them."""

    def __init__(self, partition: int, settings: SessionStoreSettings) -> None:
        """Start empty; `restore` fills it from the checkpoints."""
        self._partition = partition
        self._settings = settings
        self._chats: dict[str, Chat] = {}
        self._over: dict[str, int] = {}
        self._touched: dict[str, Chat] = {}
        self._builder = BatchBuilder(settings)
        self._expire_at = 0

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def chats(self) -> Mapping[str, Chat]:
        """Chats that are followed, or were given up and may be announced again."""
        return self._chats

    def followed(self) -> list[Chat]:
        """Chats that the source has to watch."""
        return [chat for chat in self._chats.values() if chat.state == FOLLOWED]

    # --- restoring -----------------------------------------------------------------------------------------------

    def restore(self, checkpoints: Iterable[tuple[str, bytes]]) -> None:
        """Fill an empty store from (session id, checkpoint value).

        Raises EnvironmentFault on one that another schema wrote, VerificationFailed on an unreadable one.
        """
        for session_id, value in checkpoints:
            writer_schema_id, payload = unframe(value)
            if writer_schema_id not in self._settings.checkpoint_schema_ids:
                raise EnvironmentFault(
                    f"the checkpoint of a chat on shard {self._partition} was written with another schema",
                    next_step="run with the schema registry and the version of the bridge that wrote it",
                )
            stored = decode_checkpoint(self._settings.recording.schemas, payload)
            if stored.state == OVER:
                self._over[session_id] = stored.observed_at
                continue
            recorder = ChatRecorder(session_id, self._settings.recording, stored.head)
            self._chats[session_id] = Chat(
                Transcript(stored.transcript),
                recorder,
                parse(stored.announcement),
                stored.announcement,
                stored.state,
                None if stored.state == FOLLOWED else stored.observed_at,
            )

    # --- folding -------------------------------------------------------------------------------------------------

    def fold(self, inputs: Sequence[Input], now: int) -> TransactionPlan:
        """Fold inputs in order; `now` in us since 1970 UTC stamps the checkpoints and expires old ones."""
        self._builder = BatchBuilder(self._settings)
        self._touched = {}
        for one in inputs:
            if isinstance(one, TranscriptUpdate):
                self._guarded(one.session_id, one, self._updated)
            elif isinstance(one, Announced):
                self._announced(one)
            elif isinstance(one, LinkDown):
                self._guarded(one.session_id, one, self._link_down)
            elif isinstance(one, JoinRefused):
                self._guarded(one.session_id, one, self._refused)
            else:
                self._quarantined(one)
        if now >= self._expire_at:
            self._expire(now)
            self._expire_at = now + _HOUSEKEEPING_US
        self._write_checkpoints(now)
        return self._builder.plan

    def _guarded(self, session_id: str, update: _U, act: Callable[[Chat, _U], None]) -> None:
        """Let a defect in one chat end that chat only, and record it."""
        chat = self._chats.get(session_id)
        if chat is None or chat.state != FOLLOWED:
            return  # closed or moved meanwhile: what is still in flight is not ours
        try:
            act(chat, update)
        except Exception as error:  # noqa: BLE001 - a defect in one chat must not end the others
            self._builder.plan.facts.append(ChatFailed(error=type(error).__name__, at=places(error)))
            if isinstance(update, TranscriptUpdate):
                self._builder.quarantine(
                    update.server, session_id, update.observed_at, "internal error", json_of(update.transcript)
                )
            self._close(chat, update.observed_at, GIVEN_UP, gap_reasons.INTERNAL)
        self._touched[session_id] = chat

    # --- announcements -------------------------------------------------------------------------------------------

    def _announced(self, one: Announced) -> None:
        plan = self._builder.plan
        plan.batch.announcement_offset = one.offset + 1
        told = one.announcement
        if told is None:
            plan.facts.append(AnnouncementRejected())
            source = f"announcements-{self._partition}@{one.offset}"
            self._builder.quarantine(source, None, one.observed_at, one.problem, one.raw)
            return
        key = told.session_id.encode()
        partition = self._settings.partition_of(key)
        if partition != self._partition:
            # Two owners of one chat must be impossible: forward it to where every client's murmur2 would write it.
            plan.batch.forwards.append((partition, Outgoing(key, one.raw)))
            plan.facts.append(AnnouncementForwarded())
            return
        if told.session_id in self._over:
            return  # announced again after its end
        chat = self._chats.get(told.session_id)
        if chat is None:
            chat = self._chats[told.session_id] = self._new_chat(told, rewritten(told, one.raw))
            self._opened(chat, one.observed_at)
        else:
            told = merged(chat.announcement, told)
            chat.announcement, chat.announced = told, rewritten(told, one.raw)
            if told.tenant != chat.transcript.facts.tenant:
                chat.transcript.facts = replace(chat.transcript.facts, tenant=told.tenant)
            if chat.state == GIVEN_UP:
                chat.follow_again()
                self._opened(chat, one.observed_at)
        plan.follow.append(chat)
        self._touched[told.session_id] = chat

    def _new_chat(self, told: Announcement, announced: bytes) -> Chat:
        facts = SessionFacts(told.session_id, tenant=told.tenant, server=told.places()[0])
        recorder = ChatRecorder(told.session_id, self._settings.recording)
        return Chat(Transcript(TranscriptState(facts)), recorder, told, announced)

    def _opened(self, chat: Chat, at: int) -> None:
        self._builder.session_record(chat, OPENED, at, None)
        self._builder.plan.facts.append(ChatOpened())

    # --- what the source delivered -------------------------------------------------------------------------------

    def _updated(self, chat: Chat, update: TranscriptUpdate) -> None:
        if update.transcript.start_at != chat.start_text:
            chat.start_text = update.transcript.start_at
            chat.transcript.start(parse_start_at(chat.start_text))
        for entry in chat.transcript.apply(update):
            self._builder.publish(chat, entry)
        for damaged in update.damaged:
            self._builder.quarantine(update.server, update.session_id, update.observed_at, damaged.reason, damaged.raw)
        if update.over:
            self._close(chat, update.observed_at, OVER)

    def _link_down(self, chat: Chat, down: LinkDown) -> None:
        chat.transcript.away(down.observed_at // _US_PER_MS)

    def _refused(self, chat: Chat, refused: JoinRefused) -> None:
        if refused.verdict is Verdict.RETRY:
            return
        if not chat.transcript.joined:
            reason = gap_reasons.NEVER_JOINED
        elif refused.verdict is Verdict.GONE:
            reason = gap_reasons.OVER_WHILE_AWAY
        else:
            reason = gap_reasons.OUT_OF_REACH
        self._end_with_gap(chat, reason, refused.observed_at, GIVEN_UP)

    def _quarantined(self, given: QuarantinedInput) -> None:
        self._builder.quarantine(
            given.source, given.session_id, given.observed_at, given.reason, given.raw, total_bytes=given.total_bytes
        )
        chat = self._chats.get(given.session_id) if given.session_id else None
        if chat is not None and chat.state == FOLLOWED and given.attributed:
            for entry in chat.transcript.set_aside(attributed=True, observed_at=given.observed_at):
                self._builder.publish(chat, entry)
            self._touched[chat.session_id] = chat
        for session_id in given.followed:
            other = self._chats.get(session_id)
            if other is not None and other.state == FOLLOWED:
                other.transcript.set_aside(attributed=False, observed_at=given.observed_at)
                self._touched[session_id] = other

    # --- closing -------------------------------------------------------------------------------------------------

    def _end_with_gap(self, chat: Chat, reason: str, at: int, state: str) -> None:
        last = chat.transcript.delivered.maximum
        after = None if last is None or last == _LAST_ID else last + 1
        self._builder.publish(chat, chat.transcript.gap(after, None, reason, at))
        self._close(chat, at, state)

    def _close(self, chat: Chat, at: int, state: str, *because: str) -> None:
        certificate = chat.transcript.certificate(*because)
        chat.close(state, at)
        self._builder.session_record(chat, CLOSED, at, certificate)
        plan, session_id = self._builder.plan, chat.session_id
        plan.facts.append(ChatClosed(verdict=certificate.verdict))
        plan.forget.append(session_id)
        if state == OVER:
            del self._chats[session_id]
            self._over[session_id] = at

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def _write_checkpoints(self, now: int) -> None:
        room = self._builder.room("checkpoints")
        for session_id, chat in self._touched.items():
            value = checkpoint_of(chat, now)
            large = len(value) > room
            if chat.state != OVER and (chat.transcript.outgrown or large):
                # A refused checkpoint would stop the whole shard, again and again: end one chat instead, with a GAP.
                self._end_with_gap(chat, gap_reasons.OUTGROWN, now, OVER)
                self._builder.plan.cut |= large
                value = checkpoint_of(chat, now)
            self._builder.checkpoint(session_id, value)

    def _expire(self, now: int) -> None:
        """Delete the checkpoints of chats that were closed long ago."""
        if self._settings.closed_retention_us is None:
            return
        before = now - self._settings.closed_retention_us
        for session_id in _older(self._over, before):
            del self._over[session_id]
            self._builder.tombstone(session_id)
        given_up = {name: chat.closed_at for name, chat in self._chats.items() if chat.closed_at is not None}
        for session_id in _older(given_up, before):
            del self._chats[session_id]
            self._touched.pop(session_id, None)
            self._builder.tombstone(session_id)


def _older(closed: Mapping[str, int], before: int) -> list[str]:
    return [session_id for session_id, at in closed.items() if at < before]
