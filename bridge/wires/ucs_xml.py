"""Stored transcripts: the `chatTranscript` XML that Chat Server leaves in the contact database (UCS).

Element and attribute names are those of the stored form (protocol facts, section 3). Real files are untidy, so what is
not understood is kept rather than refused: unknown attributes and elements of an event, and text in odd places
(`strayText`), become `unknown_attributes`; an attribute of a part keeps the name it has on the live wire
(`messageText.foo`), so that the same event says the same whichever way it came. Dropped with a note, because no value
has a place for them: unknown attributes of the root, and text between events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

import msgspec

from bridge.chat.attributes import MAX_DEPTH, typed_value
from bridge.chat.events import (
    ALL,
    KVLIST,
    STRING,
    ChatEvent,
    Item,
    MessageText,
    NoticeText,
    Reason,
    UserInfo,
)
from bridge.chat.messages import ChatTranscript
from bridge.errors import UnreadableTranscript
from bridge.wires.bounds import EVENT_IDS, INT32, xml_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.chat.events import Items

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ELEMENTS: Final = 1_000_000
"""Elements of one document: about 300,000 events, a thousand times a long chat."""
MAX_ELEMENT_DEPTH: Final = MAX_DEPTH + 3  # root, event, userData, and the items in one another

_BLANK: Final = " \t\r\n"
_NUMBER: Final = re.compile(r"[ \t\r\n]*(-?[0-9]{1,19})[ \t\r\n]*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(slots=True)
class StoredTranscript:
    """What a stored transcript says, and notes on what was odd in it: line numbers and counts, never text."""

    transcript: ChatTranscript
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class _Part:
    """One kind of child of an event: its type, its name as JSON spells it, its attributes -> fields."""

    kind: type[msgspec.Struct]
    json_name: str
    field: str
    texts: Mapping[str, str]
    numbers: Mapping[str, str] = field(default_factory=dict)
    has_text: bool = True


_PARTS: Final = {
    "userInfo": _Part(
        UserInfo,
        "userInfo",
        "user_info",
        {
            "personId": "person_id",
            "userNick": "user_nickname",
            "userType": "user_type",
            "protocolType": "protocol_type",
        },
        {"timeZoneOffset": "time_zone_offset", "clientVersion": "client_version"},
        has_text=False,
    ),
    "noticeText": _Part(NoticeText, "noticeText", "notice_text", {"noticeType": "notice_type"}),
    "reason": _Part(Reason, "reason", "reason", {}, {"code": "code"}),
    "msgText": _Part(
        MessageText, "messageText", "message_text", {"msgType": "message_type", "treatAs": "treat_as"}
    ),
}
_COLLECTIONS: Final = {"userData": "user_data", "eventAttributes": "event_attributes"}
# Written by `write` for what no other place is known for; `read` takes it back.
_UNKNOWN: Final = "unknownAttributes"
_IDENTIFIERS: Final = {"userId": "user_id", "receiverId": "receiver_id", "askerId": "asker_id"}


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    line: int
    texts: list[str] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def read(data: bytes, source: str, *, max_bytes: int = MAX_BYTES) -> StoredTranscript:
    """Read one stored transcript; `source` names it in errors. The encoding is the declared one, else UTF-8.

    Raises UnreadableTranscript, the peer's fault: no well-formed XML, a document type (none is ever stored, and
    entities are how XML explodes), another root, no sessionId, an event without eventId, or a limit passed.
    """
    if len(data) > max_bytes:
        raise UnreadableTranscript(source, 0, f"{len(data)} bytes; at most {max_bytes} are read")
    return _Reader(source).read(data)


class _Reader:
    """Builds one event's elements at a time and turns them into the event when it ends."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[_Element] = []
        self._elements = 0
        self._events: list[ChatEvent] = []
        self._ids: set[int] = set()
        self._root: _Element | None = None
        self._notes: list[str] = []
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parser = parser

    def read(self, data: bytes) -> StoredTranscript:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise UnreadableTranscript(self._source, error.lineno, expat.ErrorString(error.code)) from None
        except (LookupError, ValueError):  # raised by Python's side of expat, before the first element
            raise self._refused("an encoding that cannot be read") from None
        root = self._root
        if root is None:  # expat would have said "no element found"
            raise self._refused("no element found")
        return StoredTranscript(self._transcript(root), self._notes)

    # --- what expat calls -----------------------------------------------------------------------------------------

    def _doctype(self, *_: object) -> None:
        raise self._refused("a document type is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise self._refused(f"more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_ELEMENT_DEPTH:
            raise self._refused(f"elements nested more than {MAX_ELEMENT_DEPTH} levels deep")
        element = _Element(name, attributes, self._parser.CurrentLineNumber)
        if not self._open:
            if name != "chatTranscript":
                raise self._refused("the root is not chatTranscript")
            self._root = element
        elif len(self._open) > 1:  # an event itself is not kept once it is converted
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self._events.append(self._event(element))

    def _text(self, data: str) -> None:
        if len(self._open) > 1:
            self._open[-1].texts.append(data)
        elif data.strip(_BLANK):
            self._note(self._parser.CurrentLineNumber, f"text between events dropped ({len(data)} characters)")

    # --- conversion -----------------------------------------------------------------------------------------------

    def _transcript(self, root: _Element) -> ChatTranscript:
        rest = dict(root.attributes)
        session_id = rest.pop("sessionId", "").strip(_BLANK)
        if not session_id:
            raise UnreadableTranscript(self._source, root.line, "no sessionId")
        idle, monitored = rest.pop("idleTimeExpire", None), rest.pop("monitored", None)
        idle_time_expire = None if idle is None else typed_value(idle, "int")
        transcript = ChatTranscript(
            session_id,
            rest.pop("startAt", "").strip(_BLANK),
            idle_time_expire if not isinstance(idle_time_expire, float) else idle,
            True if monitored == "true" else monitored,
            self._events,
        )
        if rest:
            self._note(root.line, f"unknown attributes of the root dropped ({len(rest)})")
        return transcript

    def _event(self, element: _Element) -> ChatEvent:
        rest = dict(element.attributes)
        event_id = _number(rest.pop("eventId", None), EVENT_IDS)
        if event_id is None:
            raise UnreadableTranscript(self._source, element.line, "an event without a readable eventId")
        if event_id in self._ids:
            self._note(element.line, f"eventId {event_id} occurs again")
        self._ids.add(event_id)
        fields: dict[str, object] = {name: None for name in ()}
        unknown = _Unknown()
        shift = _number(rest.get("timeShift"), INT32)
        if shift is None:
            self._note(element.line, f"event {event_id} has no readable timeShift; 0 taken")
        else:
            del rest["timeShift"]
        for name, field_name in _IDENTIFIERS.items():
            if name in rest:
                fields[field_name] = rest.pop(name).strip(_BLANK)
        visibility = rest.pop("visibility", ALL).strip(_BLANK)
        event_type = rest.pop("eventType", element.name)
        for name, text in rest.items():
            unknown.add(name, text)
        for child in element.children:
            self._child(child, fields, unknown)
        if stray := element.text.strip(_BLANK):
            unknown.add("strayText", stray)
        if unknown.stray:
            self._note(element.line, f"text in an odd place in event {event_id} ({unknown.stray} characters)")
        return ChatEvent(
            event_type,
            event_id,
            time_shift=shift or 0,
            visibility=visibility,
            unknown_attributes=unknown.values,
            **fields,  # type: ignore[arg-type]  # built from the tables above
        )
