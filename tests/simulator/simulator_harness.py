"""A model with people in it, for tests that need no sockets. Time stands still unless a test moves it."""

from __future__ import annotations

import random

from bridge.chatserver.messages import EventSessionInfo
from bridge.simulator.model.effects import Effect, EventAdded, Push, SessionClosed
from bridge.simulator.model.parties import BASIC, ESP, FLEX, PartySpec
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.model.settings import ModelSettings
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
    """One chat with a customer `C` in it; further people by `enter`. `received` collects pushes by connection."""

    def __init__(self, settings: ModelSettings | None = None, *data: Item) -> None:
        self.now = START
        self.sessions = Sessions(settings or ModelSettings(), random.Random(1))
        self.said: list[ChatEvent] = []
        self.closed = False
        self.received: dict[int, list[EventSessionInfo]] = {}
        self.do(self.sessions.open(person("C", CLIENT, ALL, 106, *data), self.now, session_id=CHAT))

    def do(self, effects: list[Effect]) -> list[ChatEvent]:
        for effect in effects:
            if isinstance(effect, Push) and isinstance(effect.message, EventSessionInfo):
                self.received.setdefault(effect.connection, []).append(effect.message)
        said = [effect.event for effect in effects if isinstance(effect, EventAdded)]
        self.said += said
        self.closed |= any(isinstance(effect, SessionClosed) for effect in effects)
        return said

    def enter(self, spec: PartySpec, connection: int | None = None) -> list[ChatEvent]:
        return self.do(self.sessions.join(CHAT, spec, self.now, connection=connection, trusted=True))

    def monitor(self, connection: int = 9, version: int = 106, user_id: str = "M") -> None:
        self.enter(person(user_id, SUPERVISOR, "VIP", version), connection)

    def say(self, user_id: str, visibility: str = ALL, receiver_id: str | None = None) -> ChatEvent:
        text = MessageText("hello")
        return self.do(
            self.sessions.send_message(CHAT, user_id, text, self.now, visibility=visibility, receiver_id=receiver_id)
        )[0]

    def notify(self, user_id: str, notice_type: str, text: str = "", *data: Item) -> ChatEvent:
        notice = NoticeText(notice_type, text)
        return self.do(self.sessions.send_notice(CHAT, user_id, notice, self.now, user_data=list(data)))[0]

    def seen_by(self, connection: int) -> list[int]:
        """Event ids that a connection was given, history and pushes together."""
        return [
            event.event_id
            for message in self.received.get(connection, [])
            for event in message.chat_transcript.chat_event_list
        ]
