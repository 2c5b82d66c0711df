"""Delivery of new events to the parties of a session, and the events that the server itself adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.chatserver.messages import ALIVE
from bridge.simulator.model.effects import Effect, EventAdded
from bridge.simulator.model.session_parties import ESP, NONE, PartySpec
from bridge.transcript.events import ALL, CLIENT, SYSTEM, ChatEvent, NoticeText, UserInfo

if TYPE_CHECKING:
    from bridge.simulator.model.departures import Departure
    from bridge.simulator.model.session import ChatSession
    from bridge.simulator.model.session_parties import SessionParty


@dataclass(slots=True, frozen=True)
class ReplyTo:
    """The request being answered: the push on `connection` carries its `reference_id`."""

    connection: int
    reference_id: int | None


def fan_out(  # noqa: PLR0913 - events, recipients and the state that goes with them
    session: ChatSession,
    events: list[ChatEvent],
    audience: list[SessionParty],
    now: float,
    *,
    status: str = ALIVE,
    answer: ReplyTo | None = None,
) -> list[Effect]:
    """Return the effects of new events: one `EventAdded` each, and a push to every party that may see any of them."""
    session_id = session.session_id
    effects: list[Effect] = [EventAdded(session_id, event) for event in events]
    for party in audience:
        asked = answer is not None and party.connection == answer.connection
        reference_id = answer.reference_id if asked and answer is not None else None
        push = session.push_to(party, events, now, status=status, reference_id=reference_id)
        if push is not None:
            effects.append(push)
    return effects


def remove_remaining(session: ChatSession, departure: Departure, asker_id: str, now: float) -> list[ChatEvent]:
    """Remove the remaining parties of a session that closes, customers first; return their partyLeft events.

    The workflow gets none (3.9: R1-R3 for customers, others by 4.6).
    """
    remaining = [party for party in session.parties.values() if party.info.protocol_type not in {ESP, NONE}]
    remaining.sort(key=lambda party: party.info.user_type != CLIENT)
    return [session.remove_party(party, departure, asker_id or party.user_id, now) for party in remaining]


def add_system_notice(
    session: ChatSession, notice: NoticeText, user_id: str, now: float
) -> tuple[str, list[ChatEvent]]:
    """Add a notice by the server's own SYSTEM party; return that party's userId and the events.

    The first notice also adds the party, as `user_id`. These events do not count as activity.
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
