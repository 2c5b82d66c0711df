"""The summary of a chat: figures from the outlines of its events, as docs/summary-of-a-chat.md defines them.

A pure function of the set of outlines and of what is known of the parties: neither the order in which events came nor
the door that they came through changes a figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.transcript import event_outlines as shapes
from bridge.transcript.events import CLIENT
from bridge.transcript.response_times import TimeSketch
from bridge.transcript.summary_closing import IDLE, ChatEnding
from bridge.transcript.summary_codes import (
    BOTS_GUESSED,
    EVENTS_MISSING,
    FORGOTTEN,
    FORMER_VERSION,
    IDS_REUSED,
    NOTHING_SEEN,
    PARTIES_UNKNOWN,
)
from bridge.transcript.summary_members import BOT, UNKNOWN, members
from bridge.transcript.summary_service import Service
from bridge.transcript.summary_talk import TalkTimes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.transcript.entries import Party
    from bridge.transcript.event_outlines import Outline
    from bridge.transcript.fingerprint_store import Fingerprints
    from bridge.transcript.state import SlowMemory
    from bridge.transcript.summary_members import ChatMember

DEFINITIONS: Final = 1
"""Version of the definitions; to be raised with each change of one."""

_UTTERANCES: Final = frozenset((shapes.SAID, shapes.SHOWN, shapes.UPLOADED))
_SEEN_JOINS: Final = frozenset((shapes.JOINED, shapes.JOINED_ASYNC))
_JOINS: Final = frozenset((*_SEEN_JOINS, shapes.JOINED_INSIDE, shapes.JOINED_HIDDEN))
_DEPARTURES: Final = frozenset((shapes.LEFT, shapes.LEFT_BECAUSE))
_MESSAGES: Final = frozenset((shapes.SAID, shapes.NOTED))


@dataclass(slots=True)
class WrittenMessages:
    """What the parties of one user type wrote: number of messages, Unicode code points of their texts."""

    messages: int = 0
    characters: int = 0


@dataclass(slots=True)
class Summary:
    """The figures of one chat; times in seconds. Each field is one of the record Summary, and documented there."""

    approximate_reasons: list[str] = field(default_factory=list)
    duration: int = 0
    wait: int | None = None
    first_response: int | None = None
    responses: TimeSketch = field(default_factory=TimeSketch)
    longest_silence: int | None = None
    by_user_type: dict[str, WrittenMessages] = field(default_factory=dict)
    agents: int = 0
    transfers: int = 0
    conferences: int = 0
    coachings: int = 0
    bot_handled: bool = False
    bot_handed_over: bool = False
    files_uploaded: int = 0
    files_deleted: int = 0
    close_reason: str | None = None
    closed_by_user_type: str | None = None
    closed_by_user_id: str | None = None
    abandoned: bool = False
    idle_closed: bool = False
    asynchronous: bool | None = None


class _Account:
    """Takes the outlines of a chat one by one, in the order of their ids."""

    def __init__(self, known: Sequence[ChatMember]) -> None:
        self.told = Summary()
        self._known = known
        self._talk, self._service, self._closing = TalkTimes(), Service(), ChatEnding()
        self._first_customer: int | None = None
        self._first_agent: int | None = None
        self._places: set[int] = set()

    def take(self, one: Outline) -> None:
        told, member, shape = self.told, self._known[one.party], one.shape
        self._places.add(one.party)
        told.duration = max(told.duration, one.at)
        if shape in _MESSAGES or one.characters:
            figures = told.by_user_type.get(member.role)
            if figures is None:
                figures = told.by_user_type[member.role] = WrittenMessages()
            figures.messages += 1
            figures.characters += one.characters
            if shape == shapes.SAID:  # most events are: nothing of the below but an utterance
                self._uttered(one, member)
                return
        if shape in _JOINS:
            self._joined(one, member)
        elif one.shape in _DEPARTURES:
            self._left(one, member)
        elif one.shape == shapes.IDLE_CLOSE:
            self._closing.idle_closed(one)
        if one.shape in _UTTERANCES or (one.shape in _SEEN_JOINS and one.characters):
            self._uttered(one, member)
        told.files_uploaded += one.shape in (shapes.UPLOADED, shapes.UPLOADED_INSIDE)
        told.files_deleted += one.shape == shapes.DELETED

    def _joined(self, one: Outline, member: ChatMember) -> None:
        told = self.told
        if member.role == CLIENT:
            told.asynchronous = bool(told.asynchronous) or one.shape == shapes.JOINED_ASYNC
            if self._first_customer is None:
                self._first_customer = one.at
            self._talk.customer_joined(one.party, one.at)
        if one.shape in _SEEN_JOINS:
            self._closing.went_on(customer=member.role == CLIENT)
            if member.human:
                self._agent_joined(one, member)
            told.bot_handled |= member.role == BOT
        elif one.shape == shapes.JOINED_INSIDE:
            told.coachings += member.human

    def _agent_joined(self, one: Outline, member: ChatMember) -> None:
        told, before = self.told, self._service.staffed
        if self._first_agent is None:
            self._first_agent = one.at
            told.abandoned = self._closing.customer_left_alone
        told.bot_handed_over |= told.bot_handled
        self._service.joined(member.person, one.party)
        self._talk.agents_changed(one.at, before=before, now=True)

    def _left(self, one: Outline, member: ChatMember) -> None:
        customer = member.role == CLIENT
        self._closing.left(one, customer=customer)
        if customer:
            self._talk.customer_left(one.party, one.at)
        elif member.human:
            before = self._service.staffed
            self._service.left(member.person, one.party)
            self._talk.agents_changed(one.at, before=before, now=self._service.staffed)

    def _uttered(self, one: Outline, member: ChatMember) -> None:
        if not member.speaks:
            return
        self._closing.went_on()
        if member.human:
            self._service.uttered(member.person)
        self._talk.uttered(member, one.at, served=self._service.staffed)

    def finished(self) -> Summary:
        """Return the figures, all outlines taken."""
        told, talk, service = self.told, self._talk, self._service
        talk.ended(told.duration)
        if self._first_customer is not None:
            if self._first_agent is not None:
                told.wait = max(self._first_agent - self._first_customer, 0)
            if talk.first_spoken is not None:
                told.first_response = max(talk.first_spoken - self._first_customer, 0)
        if self._first_agent is None:
            told.abandoned = self._closing.customer_left_alone
        told.responses, told.longest_silence = talk.responses, talk.longest_silence
        told.agents, told.transfers, told.conferences = len(service.persons), service.transfers, service.conferences
        ending = self._closing.ending()
        if ending is not None:
            by = self._known[ending.place]
            told.close_reason, told.closed_by_user_type, told.closed_by_user_id = ending.reason, by.role, by.user_id
            told.idle_closed = ending.reason == IDLE
        seen = [self._known[place] for place in self._places]
        if any(one.role == UNKNOWN for one in seen):
            told.approximate_reasons.append(PARTIES_UNKNOWN)
        if any(one.guessed for one in seen):
            told.approximate_reasons.append(BOTS_GUESSED)
        return told


def summarised(outlines: Sequence[Outline], parties: Sequence[Party]) -> Summary:
    """Return the figures of a chat from the outlines of its events, in the order of their ids.

    `parties` are those known, by their place; each place in an outline is among them, or 0.
    """
    account = _Account(members(parties))
    for one in outlines:
        account.take(one)
    return account.finished()


def summary_of(remembered: Fingerprints, memory: SlowMemory, *, missing: bool) -> Summary | str:
    """Return the figures of a chat, or one of NO_SUMMARY_CODES. `missing`: events of it are known to be missing."""
    if memory.unprinted or not remembered.kept:
        return FORGOTTEN
    if not remembered.outlines.kept:
        return FORMER_VERSION
    outlines = remembered.outlines.each()
    if not outlines:
        return NOTHING_SEEN
    told = summarised(outlines, memory.parties.known())
    told.approximate_reasons += [EVENTS_MISSING] if missing else []
    told.approximate_reasons += [IDS_REUSED] if memory.reused else []
    told.approximate_reasons.sort()
    return told
