"""A model with one chat, for tests without sockets. Time does not pass unless a test advances it."""

from __future__ import annotations

import random

from bridge.chatserver.messages import EventSessionInfo
from bridge.simulator.model.effects import Effect, EventAdded, Push, SessionClosed
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.model.session_parties import BASIC, ESP, FLEX, PartySpec
from bridge.simulator.model.sessions import Sessions
from bridge.transcript.events import (
    ALL,
    CLIENT,
    EXTERNAL,
    SUPERVISOR,
    ChatEvent,
    Item,
    MessageText,
    NoticeText,
    UserInfo,
)

START = 1_900_000_000.0
CHAT = "0000SIMTEST00001"


def person(user_id: str, user_type: str, visibility: str = ALL, version: int = 106, *data: Item) -> PartySpec:
    protocol = {CLIENT: FLEX, EXTERNAL: ESP}.get(user_type, BASIC)
    info = UserInfo(f"{user_type.title()} 1", user_type, "", protocol, 0, version)
    return PartySpec(info, user_id, visibility, list(data))


class ServerHarness:
    """One chat with a customer `C`; `join` adds parties. `received` has the pushes by connection."""

    def __init__(self, settings: ModelSettings | None = None, *data: Item) -> None:
        self.now = START
        self.sessions = Sessions(settings or ModelSettings(), random.Random(1))
        self.events: list[ChatEvent] = []
        self.closed = False
        self.received: dict[int, list[EventSessionInfo]] = {}
        self.apply(self.sessions.open(person("C", CLIENT, ALL, 106, *data), self.now, session_id=CHAT))

    def apply(self, effects: list[Effect]) -> list[ChatEvent]:
        for effect in effects:
            if isinstance(effect, Push) and isinstance(effect.message, EventSessionInfo):
                self.received.setdefault(effect.connection, []).append(effect.message)
        added = [effect.event for effect in effects if isinstance(effect, EventAdded)]
        self.events += added
        self.closed |= any(isinstance(effect, SessionClosed) for effect in effects)
        return added

    def join(self, spec: PartySpec, connection: int | None = None) -> list[ChatEvent]:
        return self.apply(self.sessions.join(CHAT, spec, self.now, connection=connection, trusted=True))

    def monitor(self, connection: int = 9, version: int = 106, user_id: str = "M") -> None:
        self.join(person(user_id, SUPERVISOR, "VIP", version), connection)

    def send_text(self, user_id: str, visibility: str = ALL, receiver_id: str | None = None) -> ChatEvent:
        text = MessageText("hello")
        return self.apply(
            self.sessions.send_message(CHAT, user_id, text, self.now, visibility=visibility, receiver_id=receiver_id)
        )[0]

    def send_notice(self, user_id: str, notice_type: str, text: str = "", *data: Item) -> ChatEvent:
        notice = NoticeText(notice_type, text)
        return self.apply(self.sessions.send_notice(CHAT, user_id, notice, self.now, user_data=list(data)))[0]

    def received_ids(self, connection: int) -> list[int]:
        """Return the event ids that a connection received, in histories and pushes."""
        return [
            event.event_id
            for message in self.received.get(connection, [])
            for event in message.chat_transcript.chat_event_list
        ]
