"""From decoded TranscriptEvents back to the events of a chat: the way back of `normalise`.

What a record does not hold cannot come back: what the privacy rules took out, and userInfo of a newParty without any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.records.normalise import EVENT_TYPE_KEY
from bridge.transcript import entries as kinds
from bridge.transcript.attributes import unflatten
from bridge.transcript.events import (
    ALL,
    MESSAGE,
    NEW_PARTY,
    NOTICE,
    PARTY_LEFT,
    ChatEvent,
    ChatTranscript,
    MessageText,
    NoticeText,
    Reason,
    UserInfo,
)
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.transcript.events import Items

    Record = dict[str, Any]

_TYPE_OF: Final = {
    kinds.PARTY_JOINED: NEW_PARTY,
    kinds.MESSAGE: MESSAGE,
    kinds.NOTICE: NOTICE,
    kinds.PARTY_LEFT: PARTY_LEFT,
}
_SECONDS: Final = 19
"""Characters of an RFC 3339 time up to the seconds."""


def chat_event(record: Record) -> ChatEvent | None:
    """Return the event of a record; None for a GAP and a RESUMED, which are statements of the bridge.

    Raises ValueError for a record that the bridge does not write: a path of userData that nothing could have.
    """
    if record["eventId"] is None:
        return None
    unknown = dict(record["unknownAttributes"])
    word = _TYPE_OF.get(record["kind"]) or unknown.pop(EVENT_TYPE_KEY, "")
    message, notice, departure = record["message"], record["notice"], record["departure"]
    party = record["party"]
    return ChatEvent(
        word,
        record["eventId"],
        party["userId"] if party else "",
        record["timeShift"] or 0,
        record["visibility"] or ALL,
        record["receiverId"],
        _user_info(party) if party and word == NEW_PARTY else None,
        MessageText(message["text"], message["messageType"], message["treatAs"]) if message else None,
        NoticeText(notice["noticeType"], notice["text"]) if notice else None,
        departure["askerId"] if departure else None,
        _reason(departure),
        _items(record, "userData", "userDataTypes"),
        _items(record, "eventAttributes", "eventAttributeTypes"),
        unknown,
    )


def _user_info(party: Record) -> UserInfo:
    return UserInfo(
        party["nickname"] or "",
        party["userType"] or "",
        party["personId"] or "",
        party["protocolType"] or "",
        party["timeZoneOffset"],
        party["clientVersion"],
    )


def _reason(departure: Record | None) -> Reason | None:
    if departure is None or (departure["reasonCode"] is None and departure["reasonText"] is None):
        return None
    return Reason(departure["reasonCode"], departure["reasonText"] or "")


def _items(record: Record, values: str, types: str) -> Items:
    return unflatten(record[values], record[types]) if record[values] or record[types] else []


def transcript_of(records: Iterable[Record]) -> ChatTranscript:
    """Return the transcript that the records of one chat stand for, its events by id.

    An amended event has its last content; an id that was used again has each of its events. At least one record.
    Raises ValueError as `chat_event` does.
    """
    events: dict[int, list[ChatEvent]] = {}
    session_id, start_at = "", None
    for record in records:
        session_id = record["sessionId"]
        start_at = start_at or record["session"]["startAt"]
        event = chat_event(record)
        if event is None:
            continue
        known = events.setdefault(event.event_id, [])
        if known and record["amendment"] != kinds.ID_REUSED:
            known[-1] = event
        else:
            known.append(event)
    began = "" if start_at is None else f"{rfc3339(start_at * 1000)[:_SECONDS]}Z"
    told = [event for event_id in sorted(events) for event in events[event_id]]
    return ChatTranscript(session_id, began, chat_event_list=told)
