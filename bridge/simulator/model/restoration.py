"""Restoration of sessions on a restarted server or on another one. Pure.

Known (5.5: D4, D7): the transcript is normalised, parties that did not return are removed with code 8, and events after
the last save are lost. Whether event ids continue or are reused is not known; both can be simulated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.simulator.model.departures import NOT_RETURNED
from bridge.simulator.model.effects import Effect, EventAdded, SessionRestored
from bridge.simulator.model.idle import IdleControl, IdleTimeouts
from bridge.simulator.model.session import ChatSession, apply_nickname_update
from bridge.simulator.model.session_parties import BASIC, ESP, NONE, SessionParty
from bridge.transcript.events import MESSAGE, NEW_PARTY, NOTICE, PARTY_LEFT, ChatEvent

if TYPE_CHECKING:
    from bridge.simulator.model.sessions import Sessions

_DIGIT: Final = re.compile(r"\d")


class SessionDump(msgspec.Struct):
    """The saved state of a session. `present` are the userIds in it, `connected` those of them that had a socket."""

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
    """Options of a restoration.

    `lose_last` events of every session were not saved. `continue_ids`: event ids continue where the server stopped;
    otherwise after the last saved event, so that ids are reused. `agents_return`: agents and bots are still in the
    session; otherwise they are removed and join again. `mask`: digits of restored text are masked, as under
    apply-area=history-all (D12).
    """

    lose_last: int = 0
    continue_ids: bool = True
    agents_return: bool = True
    mask: bool = False


def dump(session: ChatSession) -> SessionDump:
    """Return the state from which `restore` makes the session again."""
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
        [party.user_id for party in session.connected_parties()],
        session.idle.timeouts if session.idle is not None else None,
    )


def restore(saved: SessionDump, plan: RestorePlan, now: float) -> tuple[ChatSession, list[Effect]]:
    """Return the restored session, without connections, and the effects of the restoration."""
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
    saved_parties = parties_of(session.events)
    session.parties = dict(saved_parties)
    returning = set(saved.present) - set(saved.connected)
    effects: list[Effect] = [
        SessionRestored(saved.session_id, [event.event_id for event in saved.events[kept:]], session.next_id)
    ]
    for party in saved_parties.values():
        kind = party.info.protocol_type
        gone = party.user_id not in returning or (kind == BASIC and not plan.agents_return)
        if gone and kind not in {ESP, NONE}:  # the workflow never has a partyLeft (3.3)
            left = session.remove_party(party, NOT_RETURNED, party.user_id, now)
            effects.append(EventAdded(saved.session_id, left))
    if saved.idle is not None:
        session.idle = IdleControl(saved.idle, now, asynchronous=saved.asynchronous)
    return session, effects


def parties_of(events: list[ChatEvent]) -> dict[str, SessionParty]:
    """Return the parties in a session after these events, by userId, with their last nickname."""
    parties: dict[str, SessionParty] = {}
    for event in events:
        if event.event_type == NEW_PARTY and event.user_info is not None:
            parties[event.user_id] = SessionParty(event.user_id, event.user_info, event.visibility)
        elif event.event_type == PARTY_LEFT:
            parties.pop(event.user_id, None)
        elif event.event_type == NOTICE and event.notice_text is not None and event.user_id in parties:
            apply_nickname_update(parties[event.user_id], event.notice_text)
    return parties


def restore_all(sessions: Sessions, saved: list[SessionDump], plan: RestorePlan, now: float) -> list[Effect]:
    """Restore sessions on a server; in-process agents that the restoration removed join again."""
    effects: list[Effect] = []
    for state in saved:
        session, restored = restore(state, plan, now)
        sessions.add_restored(session)
        effects += restored
        former_parties = parties_of(state.events)
        for user_id in state.present:
            if user_id not in session.parties and user_id not in state.connected and user_id in former_parties:
                effects += sessions.rejoin(state.session_id, former_parties[user_id], now)
        if not session.is_kept_open:
            effects += sessions.stop(state.session_id, now)
    return effects


def _masked(event: ChatEvent) -> ChatEvent:
    if event.event_type != MESSAGE or event.message_text is None:
        return event
    text = msgspec.structs.replace(event.message_text, text=_DIGIT.sub("*", event.message_text.text))
    return msgspec.structs.replace(event, message_text=text)
