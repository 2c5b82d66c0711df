"""ClientVersion 101..106 as one table, and the only place where versions are compared.

The server withholds what a client's version does not know and never renumbers what is left. Sources: D1 is the
vendor's page on client versions (ChatSrvAPINoTo); ASM marks an inference (see the protocol facts, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bridge.transcript.events import (
    IDLE_CONTROL_ALERT,
    IDLE_CONTROL_CLOSE,
    IDLE_CONTROL_SET,
    NEW_PARTY,
    NOTICE,
    SYS_COMMAND,
    SYSTEM,
    USER_UPDATE_NICK,
)

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent, ChatTranscript

LOWEST: Final = 101
HIGHEST: Final = 106

Feature = Literal["notice type", "user type", "protocol type", "transcript attribute", "event attribute"]


@dataclass(slots=True, frozen=True)
class Row:
    """From `version` on, clients get `name`, which is a `feature`."""

    version: int
    feature: Feature
    name: str
    source: str


TABLE: Final = (
    Row(101, "user type", "CLIENT", "D1 row 101; content R2, R3 OBS, ASM"),
    Row(101, "user type", "AGENT", "D1 row 101; content R2, R3 OBS, ASM"),
    Row(101, "user type", "SUPERVISOR", "D1 row 101; ASM"),
    Row(101, "user type", "EXTERNAL", "D1 row 101; content R2, R3 OBS, ASM"),
    Row(101, "protocol type", "BASIC", "D1 row 101; content R2, R3 OBS, ASM"),
    Row(101, "protocol type", "FLEX", "D1 row 101; content R2, R3 OBS, ASM"),
    Row(101, "protocol type", "ESP", "D1 row 101; content R2, R3 OBS, ASM"),
    Row(101, "notice type", "TYPING_STARTED", "D1 row 101; the stored name is ASM"),
    Row(101, "notice type", "TYPING_STOPPED", "D1 row 101; the stored name is ASM"),
    Row(101, "notice type", "USER_PUSHED_URL", "D1 row 101; R5 OBS"),
    Row(101, "notice type", "USER_CUSTOM", "D1 row 101; R1-R3 OBS"),
    Row(102, "notice type", USER_UPDATE_NICK, "D1 row 102 (server 8.1.000.33)"),
    Row(103, "notice type", IDLE_CONTROL_ALERT, "D1 row 103 (server 8.5.102.06)"),
    Row(103, "notice type", IDLE_CONTROL_CLOSE, "D1 row 103"),
    Row(103, "notice type", IDLE_CONTROL_SET, "D1 row 103"),
    Row(103, "transcript attribute", "idleTimeExpire", "D1 row 103"),
    Row(103, "user type", SYSTEM, "D1 row 103; that the party is suppressed below is ASM"),
    Row(103, "protocol type", "NONE", "D1 row 103"),
    Row(104, "notice type", SYS_COMMAND, "D1 row 104 (server 8.5.104.07)"),
    Row(104, "event attribute", "userData on notices", "D1 row 104 (stated for flex; basic likewise is ASM)"),
    Row(105, "transcript attribute", "monitored", "D1 row 105 (server 8.5.105.04)"),
    Row(106, "event attribute", "eventAttributes", "D1 row 106 (server 8.5.109.06)"),
)

_SINCE: Final = {(row.feature, row.name): row.version for row in TABLE}


def since(feature: Feature, name: str) -> int:
    """Return the first version that knows `name`; LOWEST for what the table does not hold (unknown passes as data)."""
    return _SINCE.get((feature, name), LOWEST)


def negotiate(declared: int, known: int) -> int:
    """Return the version both sides speak: the lower of what the client declares and the server knows."""
    return min(declared, known)


def carries_event(event: ChatEvent, version: int) -> bool:
    """Tell whether a client of `version` is sent this event at all."""
    if event.event_type == NOTICE and event.notice_text is not None:
        return version >= since("notice type", event.notice_text.notice_type)
    if event.event_type == NEW_PARTY and event.user_info is not None:
        info = event.user_info
        return version >= max(since("user type", info.user_type), since("protocol type", info.protocol_type))
    return True


_USER_DATA_ON_NOTICES: Final = since("event attribute", "userData on notices")
_EVENT_ATTRIBUTES: Final = since("event attribute", "eventAttributes")


def carries_user_data(event_type: str, version: int) -> bool:
    """Tell whether userData of an event of this type is sent to `version`."""
    return event_type != NOTICE or version >= _USER_DATA_ON_NOTICES


def carries_event_attributes(version: int) -> bool:
    """Tell whether eventAttributes are sent to `version`."""
    return version >= _EVENT_ATTRIBUTES


def withhold(event: ChatEvent, version: int) -> ChatEvent | None:
    """Return the event as a client of `version` gets it, or None when it does not get it. Ids stay as they are."""
    if not carries_event(event, version):
        return None
    user_data = event.user_data if carries_user_data(event.event_type, version) else []
    attributes = event.event_attributes if carries_event_attributes(version) else []
    if user_data is event.user_data and attributes is event.event_attributes:
        return event
    return msgspec.structs.replace(event, user_data=user_data, event_attributes=attributes)


def withhold_from_transcript(transcript: ChatTranscript, version: int) -> ChatTranscript:
    """Return the transcript as a client of `version` gets it: events and transcript attributes it knows."""
    kept = [shown for event in transcript.chat_event_list if (shown := withhold(event, version)) is not None]
    idle = transcript.idle_time_expire if version >= since("transcript attribute", "idleTimeExpire") else None
    monitored = transcript.monitored if version >= since("transcript attribute", "monitored") else None
    return msgspec.structs.replace(transcript, idle_time_expire=idle, monitored=monitored, chat_event_list=kept)
