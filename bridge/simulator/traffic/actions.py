"""What the people of a scenario do, as values, and `perform`, which lets the model do it. Pure."""

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
    from bridge.simulator.model.parties import PartySpec


@dataclass(slots=True, frozen=True)
class Open:
    """Start the chat, with its creator in it."""

    creator: PartySpec
    tenant: str = ""


@dataclass(slots=True, frozen=True)
class Join:
    """Come in."""

    spec: PartySpec


@dataclass(slots=True, frozen=True)
class Say:
    """Say something, to all who may see it or to one."""

    user_id: str
    text: MessageText
    visibility: str = ALL
    receiver_id: str | None = None


@dataclass(slots=True, frozen=True)
class Notify:
    """Give notice of something."""

    user_id: str
    notice: NoticeText
    visibility: str = ALL
    receiver_id: str | None = None
    user_data: Items = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Leave:
    """Leave with an after-action, or remove somebody (`asker_id` releases `user_id`)."""

    asker_id: str
    after_action: int = KEEP_ALIVE
    user_id: str | None = None


@dataclass(slots=True, frozen=True)
class Depart:
    """Leave by something that happens: a lost connection, silence on flex, a wrong key."""

    user_id: str
    departure: Departure


@dataclass(slots=True, frozen=True)
class Stop:
    """The workflow stops the interaction: everyone is removed (code 5)."""


@dataclass(slots=True, frozen=True)
class SetIdle:
    """Switch inactivity control on for this chat."""

    timeouts: IdleTimeouts


@dataclass(slots=True, frozen=True)
class SpendIds:
    """Consume event ids for things that nobody is told of."""

    count: int


@dataclass(slots=True, frozen=True)
class OpenRecorded:
    """Start a chat that was recorded; its events follow, the creator's arrival among them."""

    user_data: Items


@dataclass(slots=True, frozen=True)
class Record:
    """An event happens as it was recorded."""

    event: ChatEvent


@dataclass(slots=True, frozen=True)
class End:
    """The chat is over, without another event."""


Action = Open | Join | Say | Notify | Leave | Depart | Stop | SetIdle | SpendIds | OpenRecorded | Record | End


@dataclass(slots=True, frozen=True)
class Scenario:
    """One chat to be played: seconds to wait before each action, and the action. `steps` may be read once only."""

    session_id: str
    steps: Iterator[tuple[float, Action]]


@singledispatch
def perform(action: object, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    """Do one action in a session. Raises Refused when the server says no (the chat may be over by now)."""
    del sessions, session_id, now
    raise TypeError(f"{type(action).__name__} is no action")


@perform.register
def _(action: Open, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.open(action.creator, now, session_id=session_id, tenant=action.tenant)


@perform.register
def _(action: Join, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.join(session_id, action.spec, now, trusted=True)


@perform.register
def _(action: Say, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.say(
        session_id, action.user_id, action.text, now, visibility=action.visibility, receiver_id=action.receiver_id
    )


@perform.register
def _(action: Notify, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.notify(
        session_id,
        action.user_id,
        action.notice,
        now,
        visibility=action.visibility,
        receiver_id=action.receiver_id,
        user_data=action.user_data,
    )


@perform.register
def _(action: Leave, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.release(session_id, action.asker_id, now, user_id=action.user_id, after_action=action.after_action)


@perform.register
def _(action: Depart, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.depart(session_id, action.user_id, action.departure, now)


@perform.register
def _(action: Stop, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    del action
    return sessions.stop(session_id, now)


@perform.register
def _(action: SetIdle, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.set_idle(session_id, action.timeouts, now)


@perform.register
def _(action: SpendIds, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    del now
    sessions.spend_ids(session_id, action.count)
    return []


@perform.register
def _(action: OpenRecorded, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.open_recorded(session_id, action.user_data, now)


@perform.register
def _(action: Record, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    return sessions.record(session_id, action.event, now)


@perform.register
def _(action: End, sessions: Sessions, session_id: str, now: float) -> list[Effect]:
    del action
    return sessions.end(session_id, now)
