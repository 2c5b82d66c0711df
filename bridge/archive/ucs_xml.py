"""Stored transcripts: the `chatTranscript` XML that Chat Server leaves in the contact database (UCS).

Real files are untidy, so what is unknown is kept rather than refused (see `ucs_elements`). Dropped with a note, because
no type has a place for them: unknown attributes of the root, and text between events. XML turns line breaks in
attributes into blanks; blanks around identifiers and numbers are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from bridge.archive.ucs_elements import (
    BLANK,
    COLLECTION_ELEMENTS,
    EVENT_TYPE,
    OWN_ATTRIBUTES,
    PART_ELEMENTS,
    UNKNOWN_ATTRIBUTES,
    UNNAMED_EVENT,
    Element,
    Kept,
    event_of,
    number,
)
from bridge.errors import UnreadableTranscript
from bridge.transcript import input_codes
from bridge.transcript.attributes import MAX_DEPTH, typed_value
from bridge.transcript.bounds import INT32, xml_characters
from bridge.transcript.events import KVLIST, NEW_PARTY, ChatTranscript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.transcript.events import ChatEvent, Items

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ELEMENTS: Final = 1_000_000
"""Limit for the elements of a document: some 300,000 events, a thousand times those of a long chat."""
MAX_ELEMENT_DEPTH: Final = MAX_DEPTH + 3  # root, event, userData, and items in items

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MARKUP: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_QUOTED_MARKUP: Final = _MARKUP | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


@dataclass(slots=True)
class StoredTranscript:
    """A stored transcript as typed values, and notes on oddities: line numbers and counts, never text."""

    transcript: ChatTranscript
    notes: list[str] = field(default_factory=list)


# --- reading -------------------------------------------------------------------------------------------------


def read(data: bytes, source: str, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS) -> StoredTranscript:
    """Read one stored transcript; `source` names it in errors. The encoding is the declared one, else UTF-8.

    Raises UnreadableTranscript, the peer's fault: no well-formed XML, a document type (never stored, and
    entities allow expansion attacks), another root, no sessionId, an event without a readable eventId, a limit passed.
    """
    if len(data) > max_bytes:
        raise UnreadableTranscript(source, 0, input_codes.TOO_LONG, f"{len(data)} bytes; at most {max_bytes} are read")
    return _Reader(source, max_elements).read(data)


class _Reader:
    """Builds the elements of one event at a time, and turns them into the event when it ends."""

    def __init__(self, source: str, max_elements: int) -> None:
        self._source = source
        self._max_elements = max_elements
        self._root = Element("", {}, 0)
        self._open: list[Element] = []
        self._elements = 0
        self._events: list[ChatEvent] = []
        self._ids: set[int] = set()
        self._notes: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._handle(self._doctype, self._start, self._end, self._text)

    def _handle(
        self,
        doctype: Callable[..., None] | None = None,
        start: Callable[[str, dict[str, str]], None] | None = None,
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """Set what the parser calls; without arguments, nothing."""
        parser = self._parser
        parser.StartDoctypeDeclHandler, parser.StartElementHandler = doctype, start
        parser.EndElementHandler, parser.CharacterDataHandler = end, text

    def read(self, data: bytes) -> StoredTranscript:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise UnreadableTranscript(
                self._source, error.lineno, input_codes.NOT_XML, expat.ErrorString(error.code)
            ) from None
        except (LookupError, ValueError):  # how Python refuses the declared encoding
            raise self._refused(input_codes.NOT_XML, "an encoding that cannot be read") from None
        finally:  # the parser refers to this object, and takes 30 KB until the garbage collector comes
            self._handle()
        return StoredTranscript(self._transcript(), self._notes)

    def _refused(self, code: str, reason: str) -> UnreadableTranscript:
        return UnreadableTranscript(self._source, self._parser.CurrentLineNumber, code, reason)

    def _note(self, line: int, what: str) -> None:
        self._notes.append(f"line {line}: {what}")

    def _doctype(self, *_: object) -> None:
        raise self._refused(input_codes.NOT_A_TRANSCRIPT, "a document type is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._max_elements:
            raise self._refused(input_codes.TOO_LONG, f"more than {self._max_elements} elements")
        if len(self._open) >= MAX_ELEMENT_DEPTH:
            raise self._refused(input_codes.TOO_DEEP, f"elements nested more than {MAX_ELEMENT_DEPTH} levels deep")
        element = Element(name, attributes, self._parser.CurrentLineNumber)
        if not self._open:
            if name != "chatTranscript":
                raise self._refused(input_codes.NOT_A_TRANSCRIPT, "the root is not chatTranscript")
            self._root = element
        elif len(self._open) > 1:  # an event itself is converted when it ends, and not kept
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self._events.append(self._event(element))

    def _text(self, data: str) -> None:
        if len(self._open) > 1:
            self._open[-1].texts.append(data)
        elif data.strip(BLANK):
            self._note(self._parser.CurrentLineNumber, f"text between events dropped ({len(data)} characters)")

    def _event(self, element: Element) -> ChatEvent:
        kept = Kept()
        event = event_of(element, kept)
        if event is None:
            reason = "an event without a readable eventId"
            raise UnreadableTranscript(self._source, element.line, input_codes.UNREADABLE_EVENT, reason)
        self._notes += notes_on(event, element, kept, self._ids)
        return event

    def _transcript(self) -> ChatTranscript:
        transcript = transcript_of(self._root, self._events, self._notes)
        if not transcript.session_id:
            raise UnreadableTranscript(self._source, self._root.line, input_codes.NOT_A_TRANSCRIPT, "no sessionId")
        return transcript


def notes_on(event: ChatEvent, element: Element, kept: Kept, ids: set[int]) -> list[str]:
    """Return notes on an event and the element that it was read from; its id is added to `ids`, those before it."""
    name = f"line {element.line}: event {event.event_id}"
    notes: list[str] = []
    if event.event_id in ids:
        notes.append(f"{name} occurs again")
    ids.add(event.event_id)
    if number(element.attributes.get("timeShift"), INT32) is None:
        notes.append(f"{name} has no readable timeShift, 0 taken")
    if kept.stray:
        notes.append(f"{name} has text in odd places ({kept.stray} characters)")
    return notes


def transcript_of(root: Element, events: list[ChatEvent], notes: list[str]) -> ChatTranscript:
    """Return the transcript with this root element; without a session id, its own is empty."""
    rest = dict(root.attributes)
    session_id = rest.pop("sessionId", "").strip(BLANK)
    start_at = rest.pop("startAt", "").strip(BLANK)
    idle = rest.pop("idleTimeExpire", None)
    monitored = rest.pop("monitored", None)
    if rest:
        notes.append(f"line {root.line}: unknown attributes of the root dropped ({', '.join(sorted(rest))})")
    return ChatTranscript(
        session_id,
        start_at,
        idle_time_expire=None if idle is None else _whole_or_text(idle),
        monitored=True if (monitored or "").strip(BLANK) == "true" else monitored,
        chat_event_list=events,
    )


def _whole_or_text(text: str) -> int | str:
    value = typed_value(text, "int")
    return value if isinstance(value, int) else text


# --- writing -------------------------------------------------------------------------------------------------


def write(transcript: ChatTranscript) -> bytes:
    """Return the transcript in the stored form, UTF-8, one event per line.

    `read` gives the same value back if it is canonical: items typed as `typed_value` types them, an empty list as
    `kvlist` (one under another type word becomes one, and so does an item `kvlist` with nothing but blanks), and only
    characters that XML 1.0 has (others become U+FFFD).
    """
    root: list[tuple[str, str | int | None]] = [
        ("startAt", transcript.start_at),
        ("sessionId", transcript.session_id),
        ("idleTimeExpire", transcript.idle_time_expire),
        ("monitored", "true" if transcript.monitored is True else transcript.monitored),
    ]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>\n', f"<chatTranscript{_attributes(root)}>\n"]
    lines += [f"  {_written_event(event)}\n" for event in transcript.chat_event_list]
    lines.append("</chatTranscript>\n")
    return "".join(lines).encode()


def _written_event(event: ChatEvent) -> str:
    attributes: list[tuple[str, str | int | None]] = [
        (name, getattr(event, attribute)) for name, attribute in OWN_ATTRIBUTES.items()
    ]
    name = event.event_type
    if not _NAME.fullmatch(name):
        name = UNNAMED_EVENT
        attributes.append((EVENT_TYPE, event.event_type))
    inner: list[str] = []
    greeting: list[str] = []  # with which a party joins: it comes last (protocol facts, 3.2)
    for part_name, part in PART_ELEMENTS.items():
        value = getattr(event, part.event_field)
        if value is not None:
            known = [(xml, getattr(value, at)) for xml, at in {**part.texts, **part.numbers}.items()]
            is_greeting = part.event_field == "message_text" and name == NEW_PARTY
            (greeting if is_greeting else inner).append(
                _element(part_name, known, _escaped(value.text) if part.has_text else "")
            )
    for collection, field_name in COLLECTION_ELEMENTS.items():
        if items := getattr(event, field_name):
            inner.append(_element(collection, (), _written_items(items)))
    inner += greeting
    if event.unknown_attributes:
        unknown = [_element("item", [("key", key)], _escaped(text)) for key, text in event.unknown_attributes.items()]
        inner.append(_element(UNKNOWN_ATTRIBUTES, (), "".join(unknown)))
    return _element(name, attributes, "".join(inner))


def _written_items(items: Items) -> str:
    return "".join(
        _element(
            "item",
            # As in the flat form, whatever word it came under: an item without content is the empty text elsewhere.
            [("key", item.key), ("type", KVLIST if item.value == [] else item.type)],
            _written_items(item.value) if isinstance(item.value, list) else _escaped(str(item.value)),
        )
        for item in items
    )


def _element(name: str, attributes: Iterable[tuple[str, str | int | None]], inner: str) -> str:
    opened = f"<{name}{_attributes(attributes)}"
    return f"{opened}>{inner}</{name}>" if inner else f"{opened}/>"


def _attributes(pairs: Iterable[tuple[str, str | int | None]]) -> str:
    return "".join(
        f' {name}="{xml_characters(str(value)).translate(_QUOTED_MARKUP)}"'
        for name, value in pairs
        if value is not None
    )


def _escaped(text: str) -> str:
    return xml_characters(text).translate(_MARKUP)
