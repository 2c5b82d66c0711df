"""A session's second life, on a restarted server or on another one. Pure.

What is known (5.5: D4, D7): the transcript is normalised, parties that did not return are marked as removed with code
8, and what happened after the last save is lost. That ids go on is not known; both ways can be played.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.simulator.model.departures import NOT_RETURNED
from bridge.simulator.model.effects import Effect, Restored, Said
from bridge.simulator.model.idle import IdleControl, IdleTimeouts
from bridge.simulator.model.parties import BASIC, ESP, NONE, SessionParty
from bridge.simulator.model.session import ChatSession, rename_if_asked
from bridge.transcript.events import MESSAGE, NEW_PARTY, NOTICE, PARTY_LEFT, ChatEvent

if TYPE_CHECKING:
    from bridge.simulator.model.sessions import Sessions

_DIGIT: Final = re.compile(r"\d")


class SessionDump(msgspec.Struct):
    """All that outlives a server, as data. `present` are the userIds in the session, `connected` those by a socket."""

    session_id: str
    start: int
    password: str | None
    asynchronous: bool
    tenant: str
    next_id: int
    next_file: int
    events: list[ChatEvent]
    present: list[str]
    connected: list[str]
    idle: IdleTimeouts | None = None


@dataclass(slots=True, frozen=True)
class RestorePlan:
    """How a restoration goes.

    `lose_last` events of every session were not saved. `continue_ids`: whether ids go on where the old life was, or
    after the last saved event (then the same ids come again). `agents_return`: whether agents and bots are still there
    for the server, or come back as newcomers after having been marked as gone. `mask`: restored text has its digits
    masked, as under apply-area=history-all (D12).
    """

    lose_last: int = 0
    continue_ids: bool = True
    agents_return: bool = True
    mask: bool = False


def dump(session: ChatSession) -> SessionDump:
    """Return what is needed to restore a session."""
    return SessionDump(
        session.session_id,
        session.start,
        session.password,
        session.asynchronous,
        session.tenant,
        session.next_id,
        session.next_file,
        list(session.events),
        list(session.parties),
        [party.user_id for party in session.listeners()],
        session.idle.timeouts if session.idle is not None else None,
    )


def restore(saved: SessionDump, plan: RestorePlan, now: float) -> tuple[ChatSession, list[Effect]]:
    """Return the session in its next life, nobody connected, and what happened to it by being restored."""
    session = ChatSession(
        saved.session_id,
        saved.start,
        password=saved.password,
        asynchronous=saved.asynchronous,
        tenant=saved.tenant,
    )
    kept = max(1, len(saved.events) - plan.lose_last)
    session.events = [_masked(event) if plan.mask else event for event in saved.events[:kept]]
    last = max(event.event_id for event in session.events)
    session.next_id = saved.next_id if plan.continue_ids else last + 1
    session.next_file = saved.next_file
    former = parties_of(session.events)
    session.parties = dict(former)
    returning = set(saved.present) - set(saved.connected)
    effects: list[Effect] = [
        Restored(saved.session_id, [event.event_id for event in saved.events[kept:]], session.next_id)
    ]
    for party in former.values():
        kind = party.info.protocol_type
        gone = party.user_id not in returning or (kind == BASIC and not plan.agents_return)
        if gone and kind not in {ESP, NONE}:  # the workflow has no partyLeft, ever (3.3)
            left = session.drop_party(party, NOT_RETURNED, party.user_id, now)
            effects.append(Said(saved.session_id, left))
    if saved.idle is not None:
        session.idle = IdleControl(saved.idle, now, asynchronous=saved.asynchronous)
    return session, effects


def parties_of(events: list[ChatEvent]) -> dict[str, SessionParty]:
    """Return who is in a session after these events, by userId, under their last nickname."""
    parties: dict[str, SessionParty] = {}
    for event in events:
        if event.event_type == NEW_PARTY and event.user_info is not None:
            parties[event.user_id] = SessionParty(event.user_id, event.user_info, event.visibility)
        elif event.event_type == PARTY_LEFT:
            parties.pop(event.user_id, None)
        elif event.event_type == NOTICE and event.notice_text is not None and event.user_id in parties:
            rename_if_asked(parties[event.user_id], event.notice_text)
    return parties


def take_over(sessions: Sessions, saved: list[SessionDump], plan: RestorePlan, now: float) -> list[Effect]:
    """Restore sessions on a server; in-process agents that were marked as gone come in again."""
    effects: list[Effect] = []
    for one in saved:
        session, happened = restore(one, plan, now)
        sessions.adopt(session)
        effects += happened
        came_back = parties_of(one.events)
        for user_id in one.present:
            if user_id not in session.parties and user_id not in one.connected and user_id in came_back:
                effects += sessions.readmit(one.session_id, came_back[user_id], now)
        if not session.is_kept_open:
            effects += sessions.stop(one.session_id, now)
    return effects


def _masked(event: ChatEvent) -> ChatEvent:
    if event.event_type != MESSAGE or event.message_text is None:
        return event
    text = msgspec.structs.replace(event.message_text, text=_DIGIT.sub("*", event.message_text.text))
    return msgspec.structs.replace(event, message_text=text)
