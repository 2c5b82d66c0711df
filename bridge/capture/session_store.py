"""The chats of one shard, and what inputs make of them: the batch of the next transaction.

Nothing here does I/O or looks at a clock. `fold` changes the chats in memory and returns the plan of a transaction;
when the commit fails, the shard drops the store, restores another one from the checkpoints, and folds the same inputs
again (P3).

An input is folded whole or not at all (P2). One that a defect of ours breaks is quarantined, and a GAP stands for it.
What comes for a chat that is closed but still known is folded into it; anything else is quarantined, never dropped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.capture.announced_chats import AnnouncedChats
from bridge.capture.batch_builder import BatchBuilder, TransactionPlan
from bridge.capture.batch_numbers import BatchNumbers
from bridge.capture.chat import FOLLOWED, GIVEN_UP, OPEN, OVER, STORED, Chat
from bridge.capture.chat_checkpoints import checkpoint_of
from bridge.capture.chat_closing import close, close_refused, end_with_gap, settle
from bridge.capture.chat_facts import ChatFailed
from bridge.capture.chat_retention import ChatRetention
from bridge.capture.chat_routes import ChatRoutes
from bridge.capture.chat_subjects import learn_subjects
from bridge.capture.closed_chats import ClosedChats
from bridge.capture.erasing import Erasing
from bridge.capture.inbox import Announced, Forgotten, Input, PassedOver, StillWatched
from bridge.capture.look_ahead import Behind, later_texts
from bridge.capture.shard_evidence import ShardEvidence
from bridge.capture.shard_positions import ShardPositions
from bridge.capture.stored_chats import StoredShard, stored_chat
from bridge.capture.stored_folding import StoredFolding
from bridge.capture.stored_inputs import ErasureRequested, StoredArrived, StoredMissing, StoredRead, StoredRefused
from bridge.capture.told_losses import tell_losses
from bridge.errors import Problem, places
from bridge.records.checkpoint_keys import head_key
from bridge.records.later_texts import NOTHING_LATER
from bridge.transcript import gap_codes, input_codes
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bridge.capture.ports import Limits
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.stored_inputs import StoredInput
    from bridge.records.checkpoint_reader import StoredSession
    from bridge.records.later_texts import LaterTexts
    from bridge.transcript.entries import Entry

_US_PER_MS: Final = 1_000
_CLOSED: Final = Problem(input_codes.CHAT_CLOSED, "the chat is closed")
_NOT_FOLLOWED: Final = Problem(input_codes.NOT_FOLLOWED, "the chat is not followed here")
_OUTGROWN: Final = Problem(gap_codes.OUTGROWN, "more holes, gaps and amendments than can be remembered")
_NO_KEYS: Final[Collection[str]] = ()
_OfOneChat = TranscriptUpdate | LinkDown | JoinRefused | QuarantinedInput | StoredArrived | StoredMissing


class SessionStore:
    """All chats of one shard, and how inputs change them.

    `incomplete` are those of which Kafka has forgotten a part, until `adopt` takes over what was made of them.
    """

    def __init__(self, partition: int, settings: SessionStoreSettings) -> None:
        """Start empty; `restore` fills it from the checkpoints."""
        self._partition = partition
        self._settings = settings
        self._chats: dict[str, Chat] = {}
        self.closed = ClosedChats(settings)
        self._touched: dict[str, Chat] = {}
        self._builder = self._unused = BatchBuilder(partition, settings)
        self.numbers = BatchNumbers(settings.owner)
        self._evidence = ShardEvidence(partition, settings)
        self.incomplete: list[StoredSession] = []
        self._schemas_stored = False
        self._again = False
        self._later: Mapping[str, LaterTexts] = {}
        self._unwanted = self._there = _NO_KEYS
        self.positions = ShardPositions()
        routes = ChatRoutes(partition, settings, self.positions)
        self._announced = AnnouncedChats(partition, settings, self._chats, self.closed, routes)
        self._stored = StoredFolding(settings, self._chats, self.closed, self.positions, routes)
        self._retention = ChatRetention(settings, self._chats, self.closed, self._stored)
        self._erasing = Erasing(
            settings,
            chats=self._chats,
            closed=self.closed,
            remembered=self._retention.remembered,
            positions=self.positions,
            routes=routes,
        )

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def chats(self) -> Mapping[str, Chat]:
        """Chats that are followed, were given up lately, or have just ended."""
        return self._chats

    @property
    def packed(self) -> int:
        """How many chats there are beside `chats` that were given up and may be announced again."""
        return len(self._retention.packed)

    def followed(self) -> list[Chat]:
        """Chats that the source has to watch."""
        return [chat for chat in self._chats.values() if chat.state == FOLLOWED]

    def position(self, session_id: str) -> tuple[int, int]:
        """Return epoch and sequence of the last record of a chat, unless it is packed; (0, 0) of one not here."""
        chat = self._chats.get(session_id) or self.closed.chat(session_id)
        return (0, 0) if chat is None else (chat.transcript.seldom().epoch, chat.transcript.sequence)

    def needing_keys(self, now: int) -> list[str]:
        """Return the chats that a fold at `now` may begin in a sealed output although no input is about them.

        If it writes all again, packed chats are at hand from then on.
        """
        chats = self._retention.unfinished(now)
        if self._again:  # a checkpoint that has become too large ends its chat
            self.unpack()
            chats = [chat for chat in self._chats.values() if chat.state != OVER]
        return [chat.session_id for chat in chats if any(one.needs_key for one in chat.outputs)]

    def limit(self, limits: Limits) -> None:
        """Set the largest records that the topics accept now."""
        self._settings = replace(self._settings, limits=limits)

    # --- restoring -----------------------------------------------------------------------------------------------

    def restore(self, stored: StoredShard) -> None:
        """Fill an empty store from the checkpoints that are whole; others are `incomplete`."""
        self._schemas_stored = stored.schemas_written
        self._unwanted, self._there, self.incomplete = stored.superfluous, stored.keys, stored.incomplete
        for stamp in stored.stamps:
            self.numbers.restored(stamp)
        self.closed.restored(stored.over)
        self.positions.restore(stored.positions)
        for session in stored.sessions:
            self._chats[session.session_id] = stored_chat(session, self._settings)
        self._retention.restore()

    def unpack(self) -> None:
        """Have all packed chats in `chats`."""
        self._retention.unpack(self._retention.packed.all())

    def supersede(self, restored: SessionStore) -> None:
        """Let `adopt` know what is on the topic."""
        self._there = restored._there

    def adopt(self, chats: Iterable[Chat]) -> None:
        """Take over chats; then write all that is here in the next transaction, and delete what else is there."""
        self._chats.update({chat.session_id: chat for chat in chats})
        self._schemas_stored, self._again = False, True
        self._unwanted, self.incomplete = self._there, []
        self.numbers.mark_next()

    # --- folding -------------------------------------------------------------------------------------------------

    def fold(self, inputs: Sequence[Input], now: int, *, mark: bool = False, behind: Behind = None) -> TransactionPlan:
        """Fold inputs in order; `now` in us since 1970 UTC stamps the checkpoints and expires old ones.

        With `mark` there is something to commit in any case: the shard's marker, even if nothing else. `behind` is what
        comes next, as far as it is known: messages are recorded with a view to it. None: to nothing that comes later.
        """
        self._begin(BatchBuilder(self._partition, self._settings))
        if behind is not None:
            self._later = later_texts([*inputs, *behind])
        if self._again:
            self.unpack()
            room = self._builder.room(self._settings.checkpoints)
            others = self.closed.take_others(self._builder.checkpoint_header, room)
            self._chats.update({chat.session_id: chat for chat in others})
            self._touched = dict(sorted(self._chats.items(), key=lambda one: one[1].closed_at or 0))
        else:
            self._retention.pack(self._builder)
        for one in inputs:
            if self.packed:
                self._retention.unpack_for(one)
            self._take(one)
            self._builder.folded(one)
        self._retention.shrink(now, self._touched)
        self._retention.expire(now, self._touched, self._builder)
        self._write_checkpoints(now)
        self._retention.recorded(self._touched)
        self._evidence.add(self._builder.plan, self.numbers, self._chats, self._touched, now)
        if self._settings.keys is not None:
            self._settings.keys.add(self._builder.plan.batch)
        plan = self._builder.finished(self.numbers, now, mark=mark)
        self._schemas_stored = self._schemas_stored or self._builder.schemas_of_shard()
        self._begin(self._unused)
        return plan

    def _begin(self, builder: BatchBuilder) -> None:
        """Begin a batch; of the last one, neither its records nor the chats that it has shrunk are kept."""
        self._builder = builder
        self._touched = {}
        self._later = {}

    def _take(self, one: Input) -> None:
        if isinstance(one, TranscriptUpdate):
            chat = self._chat(session_id := one.session_id)
            if chat is None:
                self._builder.quarantine_update(one, _CLOSED if session_id in self.closed else _NOT_FOLLOWED)
            else:
                self._fold_into(chat, session_id, one)
        elif isinstance(one, Announced | PassedOver | StillWatched):
            self._announced.take(one, self._builder, self._touched)
        elif isinstance(one, StoredRead | StoredRefused | StoredArrived | StoredMissing | ErasureRequested):
            self._take_stored(one)
        elif isinstance(one, Forgotten):
            tell_losses(one, self._chats, self._touched, self._builder)
        elif isinstance(one, QuarantinedInput):
            self._quarantined(one)
        else:
            chat = self._chats.get(one.session_id)
            if chat is not None and chat.state == FOLLOWED:  # nothing is lost with what says that nothing comes
                self._fold_into(chat, one.session_id, one)

    def _take_stored(self, one: StoredRead | StoredInput) -> None:
        if isinstance(one, ErasureRequested):
            if self._erasing.take(one, self._builder, self._touched):
                self.numbers.mark_next()
            return
        chat = self._stored.take(one, self._builder)
        if chat is not None and isinstance(one, StoredArrived | StoredMissing):
            self._fold_into(chat, one.session_id, one)

    def _chat(self, session_id: str) -> Chat | None:
        """Return the chat to fold something into, also one that ended a while ago."""
        chat = self._chats.get(session_id)
        if chat is None and (chat := self.closed.take(session_id)) is not None:
            self._chats[session_id] = chat
        return chat

    def _fold_into(self, chat: Chat, session_id: str, one: _OfOneChat) -> None:
        """Let an input change its chat, whole or not at all: a defect in it costs this input only (P2)."""
        chat.mark()
        self._builder.mark()
        if (later := self._later.get(session_id)) is not None:
            chat.look_ahead(later)
        try:
            if isinstance(one, TranscriptUpdate):
                self._updated(chat, one)
            elif isinstance(one, LinkDown):
                chat.transcript.away(one.observed_at // _US_PER_MS, one.reason.code)
            elif isinstance(one, JoinRefused):
                close_refused(self._builder, chat, one)
            elif isinstance(one, StoredArrived):
                self._stored.fold(chat, one, self._builder)
            elif isinstance(one, StoredMissing):
                self._stored.end(chat, one, self._builder)
            else:
                before = chat.transcript.sequence
                self._publish(chat, chat.transcript.set_aside(None, one.observed_at))
                settle(self._builder, chat, before, one.observed_at)
        except Exception as error:  # noqa: BLE001 - a defect in one chat must not end the others
            self._failed(chat, one, self._undo(chat, error))
        if later is not None:
            chat.look_ahead(NOTHING_LATER)
        self._touched[session_id] = chat

    def _undo(self, chat: Chat, error: Exception) -> Problem:
        chat.undo()
        self._builder.undo()
        failed = ChatFailed(session=chat.session_id, error=type(error).__name__, at=places(error))
        self._builder.plan.facts.append(failed)
        return Problem(gap_codes.INTERNAL, f"a defect of the bridge ({type(error).__name__})")

    def _failed(self, chat: Chat, one: _OfOneChat, why: Problem) -> None:
        """Record an input that could not be folded; if even that fails, close the chat, never to be COMPLETE again."""
        at, before = one.observed_at, chat.transcript.sequence
        told = one.update.update if isinstance(one, StoredArrived) else one
        update = told if isinstance(told, TranscriptUpdate) else None
        over = update is not None and update.over
        if isinstance(one, StoredArrived):
            over = one.update.final and chat.state != FOLLOWED
        try:
            if update is not None:
                self._builder.quarantine_update(update, why, chat)
            self._publish(chat, chat.transcript.failed(update, at, why))
            if isinstance(one, JoinRefused):  # nothing more comes from the source
                close(self._builder, chat, at, GIVEN_UP)
            else:
                settle(self._builder, chat, before, at, over=over)
        except Exception as error:  # noqa: BLE001 - see _fold_into
            why = self._undo(chat, error)
            chat.transcript.doubt()
            last = OVER if chat.state == STORED else GIVEN_UP
            state, supersedes = (last, None) if chat.state in OPEN else (chat.state, before)
            close(self._builder, chat, at, state, why, supersedes=supersedes)

    def _publish(self, chat: Chat, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._builder.publish(chat, entry)

    # --- what the source delivered -------------------------------------------------------------------------------

    def _updated(self, chat: Chat, update: TranscriptUpdate) -> None:
        before = 0 if chat.state in OPEN else chat.transcript.sequence
        if update.transcript.start_at != chat.start_text:
            chat.start_text = update.transcript.start_at
            chat.transcript.learn(start_at=parse_start_at(chat.start_text))
        learn_subjects(chat, self._settings.recording.subjects, update.transcript.chat_event_list)
        self._publish(chat, chat.transcript.apply(update))
        self._builder.damaged(update, chat)
        if update.over or chat.state != FOLLOWED:
            settle(self._builder, chat, before, update.observed_at, over=update.over)

    def _quarantined(self, given: QuarantinedInput) -> None:
        chat = self._chat(given.session_id) if given.session_id and given.attributed else None
        self._builder.quarantine_input(given, chat)
        if chat is not None:
            self._fold_into(chat, chat.session_id, given)
        for session_id in given.followed:
            other = self._chats.get(session_id)
            if other is not None and other.state == FOLLOWED:
                other.transcript.doubt()
                self._touched[session_id] = other

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def _write_checkpoints(self, now: int) -> None:
        room, stamp, again = self._builder.room(self._settings.checkpoints), self.numbers.next(), self._again
        self.positions.write(self._builder, now, stamp, again=again)
        for session_id, value in self.closed if again else ():
            self._builder.checkpoint_value(head_key(session_id), value)
        for session_id, chat in self._touched.items():
            records = checkpoint_of(chat, now, stamp, again=again)
            large = max([len(payload or b"") for _, payload in records]) > room
            if chat.outgrown or large:
                # A refused checkpoint would stop the whole shard, again and again: end one chat instead, with a GAP.
                if chat.state != OVER:
                    end_with_gap(self._builder, chat, _OUTGROWN, now, OVER)
                self._builder.plan.cut |= large
                chat.whole = chat.addressable = False
                deleted = [one for one in records if one[1] is None]
                records = [*deleted, *checkpoint_of(chat, now, stamp)]
            elif chat.whole:
                self._retention.changed(chat)
            written = [self._builder.checkpoint(key, payload) for key, payload in records]
            if not chat.whole:
                self._retention.remembered.drop(session_id)
                self.closed.put(session_id, self._chats.pop(session_id).closed_at or now, written[-1])
        if self._unwanted:
            self._builder.delete_unwritten(self._unwanted)
        self._unwanted, self._there, self._again = _NO_KEYS, _NO_KEYS, False
