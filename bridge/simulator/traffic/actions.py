"""The actions of scenarios, and `perform`, which applies them to the model. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatch
from typing import TYPE_CHECKING

from bridge.chatserver.messages import KEEP_ALIVE
from bridge.simulator.model.effects import Effect
from bridge.simulator.model.sessions import Sessions
from bridge.transcript.events import ALL, ChatEvent, Items, MessageText, NoticeText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.simulator.model.departures import Departure
    from bridge.simulator.model.idle import IdleTimeouts
    from bridge.simulator.model.session_parties import PartySpec


@dataclass(slots=True, frozen=True)
class OpenSession:
    """Open the session with its creator."""

    creator: PartySpec
    tenant: str = ""


@dataclass(slots=True, frozen=True)
class JoinSession:
    """Add a party."""

    spec: PartySpec


@dataclass(slots=True, frozen=True)
class SendMessage:
    """Send a message, to all who may see it or to `receiver_id` only."""

    user_id: str
    text: MessageText
    visibility: str = ALL
    receiver_id: str | None = None


@dataclass(slots=True, frozen=True)
class SendNotice:
    """Send a notice."""

    user_id: str
    notice: NoticeText
    visibility: str = ALL
    receiver_id: str | None = None
    user_data: Items = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class LeaveSession:
    """Leave with an after-action, or remove another party (`asker_id` releases `user_id`)."""

    asker_id: str
    after_action: int = KEEP_ALIVE
    user_id: str | None = None


@dataclass(slots=True, frozen=True)
class DepartSession:
    """Remove a party that did not request to leave: lost connection, flex timeout, wrong key."""

    user_id: str
    departure: Departure


@dataclass(slots=True, frozen=True)
class StopSession:
    """The workflow stops the interaction: every party is removed (code 5)."""


@dataclass(slots=True, frozen=True)
class SetIdle:
    """Set inactivity control of this session."""

    timeouts: IdleTimeouts


@dataclass(slots=True, frozen=True)
class ConsumeIds:
    """Use up event ids without events."""

    count: int


@dataclass(slots=True, frozen=True)
class OpenRecorded:
    """Open an empty session for replay; its events follow, the creator's newParty among them."""

    user_data: Items


@dataclass(slots=True, frozen=True)
class AddRecordedEvent:
    """Add an event of a stored transcript."""

    event: ChatEvent


@dataclass(slots=True, frozen=True)
class CloseRecorded:
    """Close a replayed session without a further event."""


Action = (
    OpenSession
    | JoinSession
    | SendMessage
    | SendNotice
    | LeaveSession
    | DepartSession
    | StopSession
    | SetIdle
    | ConsumeIds
    | OpenRecorded
    | AddRecordedEvent
    | CloseRecorded
)


@dataclass(slots=True, frozen=True)
class Scenario:
    """One chat: pairs of seconds to wait and the action that follows. `steps` can be iterated only once."""

    session_id: str
    steps: Iterator[tuple[float, Action]]


@singledispatch
def perform(action: object, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    """Apply one action to a session. Raises RequestRefused, for example when the session is closed."""
    del sessions, session_id, now
    raise TypeError(f"{type(action).__name__} is not an action")


@perform.register
def _(action: OpenSession, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.open(action.creator, now, session_id=session_id, tenant=action.tenant)


@perform.register
def _(action: JoinSession, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.join(session_id, action.spec, now, trusted=True)


@perform.register
def _(action: SendMessage, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.send_message(
        session_id, action.user_id, action.text, now, visibility=action.visibility, receiver_id=action.receiver_id
    )


@perform.register
def _(action: SendNotice, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.send_notice(
        session_id,
        action.user_id,
        action.notice,
        now,
        visibility=action.visibility,
        receiver_id=action.receiver_id,
        user_data=action.user_data,
    )


@perform.register
def _(action: LeaveSession, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.release(session_id, action.asker_id, now, user_id=action.user_id, after_action=action.after_action)


@perform.register
def _(action: DepartSession, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.depart(session_id, action.user_id, action.departure, now)


@perform.register
def _(action: StopSession, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    del action
    return sessions.stop(session_id, now)


@perform.register
def _(action: SetIdle, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.set_idle(session_id, action.timeouts, now)


@perform.register
def _(action: ConsumeIds, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    del now
    sessions.consume_ids(session_id, action.count)
    return []


@perform.register
def _(action: OpenRecorded, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.open_recorded(session_id, action.user_data, now)


@perform.register
def _(action: AddRecordedEvent, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.add_recorded_event(session_id, action.event, now)


@perform.register
def _(action: CloseRecorded, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    del action
    return sessions.close_recorded(session_id, now)
