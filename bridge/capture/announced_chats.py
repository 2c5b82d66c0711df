"""What announcements make of the chats of a shard: new ones, ones that are followed again, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.announcement import rewritten
from bridge.capture.announcement_facts import AnnouncementForwarded, AnnouncementRejected, AnnouncementTaken
from bridge.capture.chat import GIVEN_UP, OVER, STORED, Chat
from bridge.capture.chat_facts import ChatOpened
from bridge.capture.chat_subjects import announced_subjects, identify
from bridge.capture.inbox import PassedOver, StillWatched
from bridge.capture.output_sessions import end_where_not_taken, opened
from bridge.capture.outputs import outputs_of_new_chat
from bridge.errors import Problem
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.records.subjects import together
from bridge.transcript import input_codes
from bridge.transcript.entries import SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from bridge.announcement import Announcement
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat_routes import ChatRoutes
    from bridge.capture.closed_chats import ClosedChats
    from bridge.capture.inbox import Announced
    from bridge.capture.session_store_settings import SessionStoreSettings


class AnnouncedChats:
    """Folds announcements into the chats of one store."""

    def __init__(
        self,
        partition: int,
        settings: SessionStoreSettings,
        chats: dict[str, Chat],
        closed: ClosedChats,
        routes: ChatRoutes,
    ) -> None:
        """`chats` and `closed` are the store's own, which it goes on changing, as what `routes` goes by."""
        self._partition = partition
        self._settings = settings
        self._routes = routes
        self._chats = chats
        self._closed = closed

    def take(self, one: Announced | PassedOver | StillWatched, builder: BatchBuilder, touched: dict[str, Chat]) -> None:
        """Fold an announcement, what lies in its place, or what counts as one; a chat that it changes is `touched`."""
        plan = builder.plan
        if isinstance(one, StillWatched):
            given_up = self._chats.get(one.session_id)
            if given_up is not None and given_up.state == GIVEN_UP:
                given_up.follow_again()
                _opened(given_up, one.observed_at, builder)
                touched[one.session_id] = given_up
            return
        if isinstance(one, PassedOver):
            plan.batch.announcement_offset = one.offset
            return
        plan.batch.announcement_offset = one.offset + 1
        told = one.announcement
        if told is None:
            plan.facts.append(AnnouncementRejected())
            source = f"announcements-{self._partition}@{one.offset}"
            why = Problem(input_codes.ANNOUNCEMENT, one.problem)
            builder.quarantine(source, None, one.observed_at, why, one.raw)
            return
        key = told.session_id.encode()
        chat = self._chats.get(told.session_id)
        known = chat is not None or told.session_id in self._closed
        # Two owners of one chat must be impossible: those are asked first who may know it.
        if not known and (other := self._routes.elsewhere(key, one.asked)) is not None:
            builder.forward(other.partition, key, one.raw, other.headers)
            plan.facts.append(AnnouncementForwarded())
            return
        plan.facts.append(AnnouncementTaken())
        if told.session_id in self._closed or (chat is not None and chat.state == OVER):
            return  # announced again after its end
        if chat is None:
            chat = self._chats[told.session_id] = self._new_chat(told, rewritten(told, one.raw))
            _opened(chat, one.observed_at, builder)
        else:
            before = chat.transcript.facts
            chat.announced_again(told, one.raw)
            identify(chat, announced_subjects(self._settings.recording.subjects, told))
            end_where_not_taken(builder, chat, before, one.observed_at)
            if chat.state == GIVEN_UP:
                chat.follow_again()
                _opened(chat, one.observed_at, builder)
            elif chat.state == STORED:  # it was opened then
                chat.follow_again()
        builder.follow(chat)
        touched[told.session_id] = chat

    def _new_chat(self, told: Announcement, announced: bytes) -> Chat:
        people = together((), announced_subjects(self._settings.recording.subjects, told))
        facts = SessionFacts(told.session_id, tenant=told.tenant, server=told.places()[0], subjects=people)
        outputs = outputs_of_new_chat(told.session_id, self._settings.outputs)
        parts = CheckpointParts(told.session_id, self._settings.recording.site)
        return Chat(Transcript(TranscriptState(facts)), outputs, parts, told, announced)


def _opened(chat: Chat, at: int, builder: BatchBuilder) -> None:
    opened(builder, chat, at)
    builder.plan.facts.append(ChatOpened(session=chat.session_id))
