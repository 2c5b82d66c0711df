"""A virtual Chat Server that remembers what it said of its chats, and tells it to whoever joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.chatserver.messages import NO_SUCH_USER
from tests.capture.virtual_servers import Server

if TYPE_CHECKING:
    from tests.capture.virtual_servers import VirtualTransport


class ChatHistories:
    """What the servers know of their chats, all of them of all chats."""

    def __init__(self) -> None:
        self.said: dict[str, int] = {}  #: chat -> its last event id
        self.over: set[str] = set()


class TellingServer(Server):
    """Tells the whole history of a chat to whoever joins it. `parties` are the connections that are in a chat."""

    def __init__(self, chats: ChatHistories) -> None:
        super().__init__()
        self.chats = chats
        self.in_chat: dict[str, list[VirtualTransport]] = {}

    def hears(self, wire: VirtualTransport, request: dict[str, Any]) -> None:
        chat = request.get("sessionId", "")
        if request["messageName"] == "RequestReleaseParty":
            self.in_chat[chat] = [one for one in self.in_chat.get(chat, []) if one is not wire]
        if request["messageName"] != "RequestJoin" or self.mute:
            super().hears(wire, request)
        elif chat in self.chats.over:
            error = {"errorId": NO_SUCH_USER, "description": "no such session"}
            wire.says(messageName="EventError", referenceId=request.get("referenceId"), **error)
        else:
            self.in_chat.setdefault(chat, []).append(wire)
            history = [self.message(number + 1, "text") for number in range(self.chats.said[chat])]
            wire.says(**self.info(chat, "Alive", *history), referenceId=request.get("referenceId"))

    def parties(self, chat: str) -> list[VirtualTransport]:
        return [wire for wire in self.in_chat.get(chat, []) if not wire.closed]
