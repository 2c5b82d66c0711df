"""Transcript events as Chat Server sends and stores them, as typed values.

Shapes and names follow the public description of EventSessionInfo and of the stored `chatTranscript`; the JSON
spelling is lower camel case (`event_id` here is `eventId` on the wire). Enumerations stay strings: every ClientVersion
so far brought new values, and an unknown one is data, not an error.
"""

from __future__ import annotations

from typing import Final

import msgspec

NEW_PARTY: Final = "newParty"
MESSAGE: Final = "message"
NOTICE: Final = "notice"
PARTY_LEFT: Final = "partyLeft"

FIRST_ID: Final = 1
"""Event ids of a session start here, with the customer's newParty (seen in stored transcripts)."""

# Notice types (the stored names; typing names are an assumption, unknown ones pass).
TYPING_STARTED: Final = "TYPING_STARTED"
TYPING_STOPPED: Final = "TYPING_STOPPED"
USER_PUSHED_URL: Final = "USER_PUSHED_URL"
USER_CUSTOM: Final = "USER_CUSTOM"
USER_UPDATE_NICK: Final = "USER_UPDATE_NICK"
IDLE_CONTROL_ALERT: Final = "IDLE_CONTROL_ALERT"
IDLE_CONTROL_CLOSE: Final = "IDLE_CONTROL_CLOSE"
IDLE_CONTROL_SET: Final = "IDLE_CONTROL_SET"
SYS_COMMAND: Final = "SYS_COMMAND"
NOTICE_TYPES: Final = frozenset(
    (
        TYPING_STARTED,
        TYPING_STOPPED,
        USER_PUSHED_URL,
        USER_CUSTOM,
        USER_UPDATE_NICK,
        IDLE_CONTROL_ALERT,
        IDLE_CONTROL_CLOSE,
        IDLE_CONTROL_SET,
        SYS_COMMAND,
    )
)

# Visibility of an event, and of a party.
ALL: Final = "ALL"
INT: Final = "INT"
VIP: Final = "VIP"

CLIENT: Final = "CLIENT"
AGENT: Final = "AGENT"
SUPERVISOR: Final = "SUPERVISOR"
EXTERNAL: Final = "EXTERNAL"
SYSTEM: Final = "SYSTEM"
USER_TYPES: Final = frozenset((CLIENT, AGENT, SUPERVISOR, EXTERNAL, SYSTEM))
BASIC: Final = "BASIC"
"""The protocol of parties that have connections of their own; it alone has direct messages (D2)."""
PROTOCOL_TYPES: Final = frozenset((BASIC, "FLEX", "ESP", "NONE"))
TREATMENTS: Final = frozenset(("NORMAL", "SYSTEM"))

KVLIST: Final = "kvlist"
STRING: Final = "string"
TYPE_WORDS: Final = frozenset((STRING, "int", "long", "float", "binary", KVLIST))


class Item(msgspec.Struct, frozen=True, gc=False):
    """One entry of a KeyValueCollection; order and repeats of keys are part of the value.

    `type` is the item's type word (`string`, `int`, `long`, `float`, `binary`, `kvlist`, or an unknown one).
    `value` is text, a number, base64 text for `binary`, or the nested items for `kvlist`.
    """

    key: str
    type: str = STRING
    value: str | int | float | list[Item] = ""


Items = list[Item]


class _Part(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Base of an event's parts. Unknown attributes are refused here and kept by the tolerant decoding."""


class UserInfo(_Part, frozen=True, gc=False):
    """A party, from its newParty. `time_zone_offset` in minutes, signed."""

    user_nickname: str = ""
    user_type: str = ""
    person_id: str = ""
    protocol_type: str = ""
    time_zone_offset: int | None = None
    client_version: int | None = None


class MessageText(_Part, frozen=True, gc=False):
    """Text of a message, or of a greeting that came with a join."""

    text: str = ""
    message_type: str | None = None
    treat_as: str | None = None


class NoticeText(_Part, frozen=True, gc=False):
    """Type and content of a notice: a URL, a command word, a new nickname, free text."""

    notice_type: str = ""
    text: str = ""


class Reason(_Part, frozen=True, gc=False):
    """Why a party left. `code` is absent for an ordinary departure."""

    code: int | None = None
    text: str = ""


class ChatEvent(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """One event of a transcript.

    `event_type` is newParty, message, notice, partyLeft, or an unknown word (which passes as data).
    `time_shift` is in whole seconds since the session's start; several events may share one.
    `unknown_attributes` holds what the event carried beyond the other fields: name -> text (JSON for structures).
    Every field and every field of a part has a row in `fields.EVENT_FIELDS`.
    """

    event_type: str
    event_id: int
    user_id: str = ""
    time_shift: int = 0
    visibility: str = ALL
    receiver_id: str | None = None
    user_info: UserInfo | None = None
    message_text: MessageText | None = None
    notice_text: NoticeText | None = None
    asker_id: str | None = None
    reason: Reason | None = None
    user_data: list[Item] = []
    event_attributes: list[Item] = []
    unknown_attributes: dict[str, str] = {}


class ChatTranscript(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """The transcript part of EventSessionInfo: all of it after a join, later only what is new.

    `start_at` is ISO-8601 UTC to the second. `idle_time_expire` (v103) and `monitored` (v105) have no published type.
    """

    session_id: str
    start_at: str = ""
    idle_time_expire: str | int | None = None
    monitored: bool | str | None = None
    chat_event_list: list[ChatEvent] = []


def find(items: Items, *path: str) -> str | None:
    """Return the text at a path of keys (first match on each level), or None when there is none."""
    here: Items = items
    for depth, key in enumerate(path):
        for item in here:
            if item.key == key:
                if depth == len(path) - 1:
                    return None if isinstance(item.value, list) else str(item.value)
                if isinstance(item.value, list):
                    here = item.value
                    break
                return None
        else:
            return None
    return None


def is_marked_bot(event: ChatEvent) -> bool:
    """Tell whether a newParty carries one of the two marks a bot may have (many bots carry none)."""
    return (
        find(event.event_attributes, "GCTI_SYSTEM", "party-info", "style") == "BOT"
        or find(event.user_data, "GCTI_Chat_PartyStyle") == "BOT"
    )
