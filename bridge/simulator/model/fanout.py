"""The common ends of what happens in a session: who is told, who is removed when it closes, what the server says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.chatserver.messages import ALIVE
from bridge.simulator.model.effects import Effect, Said
from bridge.simulator.model.parties import ESP, NONE, PartySpec
from bridge.transcript.events import ALL, CLIENT, SYSTEM, ChatEvent, NoticeText, UserInfo

if TYPE_CHECKING:
    from bridge.simulator.model.departures import Departure
    from bridge.simulator.model.parties import SessionParty
    from bridge.simulator.model.session import ChatSession


@dataclass(slots=True, frozen=True)
class Answer:
    """Who asked, on which connection, under which reference: that client's push is its answer."""

    connection: int
    reference_id: int | None


def tell(  # noqa: PLR0913 - what, to whom, when, how it stands, who asked
    session: ChatSession,
    events: list[ChatEvent],
    audience: list[SessionParty],
    now: float,
    *,
    status: str = ALIVE,
    answer: Answer | None = None,
) -> list[Effect]:
    """Return the effects of events that have happened. Nothing is pushed to whom there is nothing to show."""
    session_id = session.session_id
    effects: list[Effect] = [Said(session_id, event) for event in events]
    for party in audience:
        asked = answer is not None and party.connection == answer.connection
        reference_id = answer.reference_id if asked and answer is not None else None
        push = session.push_to(party, events, now, status=status, reference_id=reference_id)
        if push is not None:
            effects.append(push)
    return effects


def remove_all(session: ChatSession, departure: Departure, asker_id: str, now: float) -> list[ChatEvent]:
    """Remove who remains when a session closes, customers first.

    The server adds a partyLeft for each, none for the workflow (3.9: R1-R3 for customers, others by 4.6).
    """
    remaining = [party for party in session.parties.values() if party.info.protocol_type not in {ESP, NONE}]
    remaining.sort(key=lambda party: party.info.user_type != CLIENT)
    return [session.drop_party(party, departure, asker_id or party.user_id, now) for party in remaining]


def system_notice(session: ChatSession, notice: NoticeText, user_id: str, now: float) -> tuple[str, list[ChatEvent]]:
    """Let the server itself say something; return its userId and the events.

    Its party comes in with the first notice (`user_id` is for it then). What the server says is no activity.
    """
    idle, session.idle = session.idle, None
    events: list[ChatEvent] = []
    system = next((party for party in session.parties.values() if party.info.user_type == SYSTEM), None)
    if system is None:
        info = UserInfo("system", SYSTEM, protocol_type=NONE, time_zone_offset=0, client_version=0)
        events.append(session.add_party(PartySpec(info, user_id), user_id, None, now))
        system = session.parties[user_id]
    events.append(session.add_notice(system, notice, ALL, now))
    session.idle = idle
    return system.user_id, events
