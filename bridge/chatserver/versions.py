"""ClientVersion 101 to 106 as one table, and what the server withholds from a client of each.

The server withholds what a client's version does not know and never renumbers what is left. The field table
(`transcript.fields`) has the first version of each attribute of an event; values are listed here. Sources: D1 is the
vendor's page on client versions (ChatSrvAPINoTo); ASM marks an inference (see the protocol facts, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the compiled form looks it up
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

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
    ChatEvent,
)
from bridge.transcript.fields import EVENT_FIELDS, EventField

if TYPE_CHECKING:
    from bridge.transcript.events import ChatTranscript

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


def event_attribute_rows(fields: tuple[EventField, ...]) -> list[Row]:
    """Return the rows of the attributes of events that were not there from the lowest version on."""
    rows: list[Row] = []
    for field in fields:
        if field.on_notices_since is not None:
            rows.append(Row(field.on_notices_since, "event attribute", f"{field.json} on notices", field.source))
        if field.since > LOWEST:
            rows.append(Row(field.since, "event attribute", field.json, field.source))
    return rows


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
    Row(105, "transcript attribute", "monitored", "D1 row 105 (server 8.5.105.04)"),
    *event_attribute_rows(EVENT_FIELDS),
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


@dataclass(slots=True, frozen=True)
class _Withheld:
    """What an event loses: fields of ChatEvent, each with the value that means absent, and unknown attributes."""

    fields: Mapping[str, Any]
    unknown: frozenset[str]


_ABSENT: Final = ChatEvent("", 0)


def _withheld(version: int, fields: tuple[EventField, ...], *, notice: bool) -> _Withheld:
    lost = [field for field in fields if not field.is_carried(version, notice=notice)]
    return _Withheld(
        {field.attribute: getattr(_ABSENT, field.attribute) for field in lost if field.attribute is not None},
        frozenset(field.json for field in lost if field.attribute is None),
    )


_WITHHELD: Final = {
    (version, notice): _withheld(version, EVENT_FIELDS, notice=notice)
    for version in range(LOWEST, HIGHEST + 1)
    for notice in (False, True)
}


def withhold(event: ChatEvent, version: int, fields: tuple[EventField, ...] = EVENT_FIELDS) -> ChatEvent | None:
    """Return the event as a client of `version` gets it, or None when it does not get it. Ids stay as they are."""
    if not carries_event(event, version):
        return None
    notice = event.event_type == NOTICE
    withheld = _WITHHELD.get((version, notice)) if fields is EVENT_FIELDS else None
    if withheld is None:
        withheld = _withheld(version, fields, notice=notice)
    changes = {name: absent for name, absent in withheld.fields.items() if getattr(event, name) != absent}
    if withheld.unknown and not withheld.unknown.isdisjoint(event.unknown_attributes):
        changes["unknown_attributes"] = {
            name: text for name, text in event.unknown_attributes.items() if name not in withheld.unknown
        }
    return msgspec.structs.replace(event, **changes) if changes else event


def withhold_from_transcript(
    transcript: ChatTranscript, version: int, fields: tuple[EventField, ...] = EVENT_FIELDS
) -> ChatTranscript:
    """Return the transcript as a client of `version` gets it: events and transcript attributes it knows."""
    kept = [shown for event in transcript.chat_event_list if (shown := withhold(event, version, fields)) is not None]
    idle = transcript.idle_time_expire if version >= since("transcript attribute", "idleTimeExpire") else None
    monitored = transcript.monitored if version >= since("transcript attribute", "monitored") else None
    return msgspec.structs.replace(transcript, idle_time_expire=idle, monitored=monitored, chat_event_list=kept)
