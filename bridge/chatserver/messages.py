"""Requests and events of the basic and the flex protocol, as typed values.

Names are those of the vendor's SDK (`messageName` on the wire); `RequestRegister` is an assumption, because public
clients always let the SDK register. `Ping` and `Pong` stand for ADDP between the bridge and its peer. A message of
another name becomes an `UnknownMessage`, an unknown attribute of an event is kept in `ChatEvent.unknown_attributes`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, NoticeText

KEEP_ALIVE: Final = 0
CLOSE_IF_NO_AGENTS: Final = 1
FORCE_CLOSE: Final = 2

ALIVE: Final = "Alive"
OVER: Final = "Over"

SUCCESS: Final = 0
ERROR: Final = 1

# Support reply on error codes: the only three that are public.
NO_SUCH_USER: Final = 8201
LOGGED_OUT: Final = 8209
WRONG_SECURE_KEY: Final = 8210

SESSION_PASSWORD_KEY: Final = "GCTI_Chat_SessionPassword"  # noqa: S105 - the key's public name, not a password


class _Message(
    msgspec.Struct, frozen=True, rename="camel", tag_field="messageName", omit_defaults=True, forbid_unknown_fields=True
):
    """Base of all messages: field names in lower camel case, the type in `messageName`."""


# --- requests, basic -------------------------------------------------------------------------------------------------


class RequestRegister(_Message, frozen=True, tag=True):
    """Register the party of this connection. `target` (host:port) is the Chat Server if the peer is a gateway."""

    user_nickname: str
    user_type: str
    person_id: str = ""
    user_data: list[Item] = []
    client_version: int = 101
    target: str | None = None
    reference_id: int | None = None


class RequestJoin(_Message, frozen=True, tag=True):
    """Join an existing session (`session_id`), or start one (`queue_key`). Basic and flex share the name.

    On flex `user_id` and `secure_key` identify the client; on basic the connection does.
    """

    reference_id: int | None = None
    session_id: str | None = None
    visibility: str = "ALL"
    user_data: list[Item] = []
    message_text: MessageText | None = None
    queue_key: str | None = None
    subject: str | None = None
    user_id: str | None = None
    secure_key: str | None = None


class RequestMessage(_Message, frozen=True, tag=True):
    """Send a message; `receiver_id` makes it a direct one."""

    session_id: str
    message_text: MessageText
    visibility: str = "ALL"
    receiver_id: str | None = None
    reference_id: int | None = None


class RequestNotify(_Message, frozen=True, tag=True):
    """Send a notice (typing, URL, custom, system command). Flex gives user_id, secure_key and last_position."""

    notice_text: NoticeText
    session_id: str | None = None
    visibility: str = "ALL"
    message_text: MessageText | None = None
    user_data: list[Item] = []
    receiver_id: str | None = None
    reference_id: int | None = None
    user_id: str | None = None
    secure_key: str | None = None
    last_position: int | None = None


class RequestReleaseParty(_Message, frozen=True, tag=True):
    """Remove a party, oneself or another. `after_action`: KEEP_ALIVE, CLOSE_IF_NO_AGENTS or FORCE_CLOSE."""

    session_id: str
    user_id: str | None = None
    after_action: int = KEEP_ALIVE
    message_text: MessageText | None = None
    reference_id: int | None = None


# --- requests, flex --------------------------------------------------------------------------------------------------


class RequestLogin(_Message, frozen=True, tag=True):
    """Log a flex client in. `time_zone_offset` in minutes."""

    user_nickname: str
    time_zone_offset: int = 0
    user_data: list[Item] = []
    client_version: int = 101
    target: str | None = None
    reference_id: int | None = None


class RequestRefresh(_Message, frozen=True, tag=True):
    """Poll for events after `last_position`; with `message_text`, send a message as well."""

    user_id: str
    secure_key: str
    last_position: int = 0
    message_text: MessageText | None = None
    reference_id: int | None = None


class RequestLogout(_Message, frozen=True, tag=True):
    """End the participation of a flex client in its session."""

    user_id: str
    secure_key: str
    last_position: int = 0
    message_text: MessageText | None = None
    reference_id: int | None = None


# --- keep-alive ------------------------------------------------------------------------------------------------------


class Ping(_Message, frozen=True, tag=True):
    """Ask the peer for a Pong."""

    reference_id: int | None = None


class Pong(_Message, frozen=True, tag=True):
    """Answer to a Ping."""

    reference_id: int | None = None


# --- events ----------------------------------------------------------------------------------------------------------


class EventRegistered(_Message, frozen=True, tag=True):
    """Registration accepted. `client_version` is the negotiated one: the lower of the two.

    It is not known whether servers say it (protocol facts 1.5); None stands for one that does not.
    """

    user_id: str = ""
    client_version: int | None = None
    reference_id: int | None = None


class EventSessionInfo(_Message, frozen=True, tag=True):
    """Answer to a join, and every later push. An instance with a `reference_id` is an answer; others are pushes.

    `session_status` is ALIVE or OVER in any case of letters, or a word that is not known.
    """

    chat_transcript: ChatTranscript
    session_status: str = ALIVE
    reference_id: int | None = None
    user_status: int | str | None = None


def is_over(status: str) -> bool:
    """Tell whether a status says that the session ended. An unknown word does not say so."""
    return status.casefold() == OVER.casefold()


def is_known_status(status: str) -> bool:
    """Tell whether a status is one of the words that are known, in any case of letters."""
    return is_over(status) or status.casefold() == ALIVE.casefold()


class EventError(_Message, frozen=True, tag=True):
    """A request was refused; or, without one, our part in a chat or on the connection has ended.

    Public sources show no attribute for a chat (protocol facts 1.5); `session_id` is for peers that name it. What is no
    plain text is in `description` as JSON: in the SDK it is an object.
    """

    error_id: int = 0
    description: str = ""
    reference_id: int | None = None
    session_id: str | None = None


class FlexTranscript(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """The events after the position that a flex client gave, and its new position."""

    session_id: str
    last_position: int = 0
    start_at: str = ""
    events: list[ChatEvent] = []


class EventStatus(_Message, frozen=True, tag=True):
    """Answer to every flex request. `request_result` is SUCCESS or ERROR (`error_id`, `description`)."""

    request_result: int = SUCCESS
    user_id: str | None = None
    secure_key: str | None = None
    error_id: int = 0
    description: str = ""
    session_status: str = ALIVE
    flex_transcript: FlexTranscript | None = None
    reference_id: int | None = None


class UnknownMessage(msgspec.Struct, frozen=True):
    """A message of an unknown name: data, not an error. `fields` is its JSON object without the name.

    So is an EventSessionInfo without a chat and without events (`is_chatless`): no public source says what answers
    a RequestReleaseParty (protocol facts 1.4: an assumption).
    """

    name: str
    fields: dict[str, object]

    @property
    def is_chatless(self) -> bool:
        """Whether it is an EventSessionInfo."""
        return self.name == EventSessionInfo.__name__

    @property
    def reference(self) -> int:
        """The reference of what it answers; 0 if it says none."""
        reference = self.fields.get("referenceId")
        return reference if isinstance(reference, int) else 0

    @property
    def session_id(self) -> str | None:
        """The chat that it is about, as far as it says so: in its own `sessionId` or in that of its transcript."""
        transcript = self.fields.get("chatTranscript")
        inner = transcript.get("sessionId") if isinstance(transcript, dict) else None
        named = self.fields.get("sessionId", inner)
        return named if isinstance(named, str) else None


Request = (
    RequestRegister
    | RequestJoin
    | RequestMessage
    | RequestNotify
    | RequestReleaseParty
    | RequestLogin
    | RequestRefresh
    | RequestLogout
    | Ping
    | Pong
)
"""What a client may send."""

Event = EventRegistered | EventSessionInfo | EventError | EventStatus | Ping | Pong
"""What a server may send, as far as it is known."""

Message = Request | Event | UnknownMessage
