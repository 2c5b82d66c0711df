"""Reads a stored transcript whose markup is damaged: every event that is whole, and a loss for each that is not.

Takes text that holds characters and references of XML only (`decoding`). An event that is begun before the one before
it has ended tells that the other one's end is missing: it is left out, and a loss with its id stands for it. An event
in which only an inner tag is amiss is kept. Elements that are not known and not closed are text: unescaped HTML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.archive import repair_codes as codes
from bridge.archive.damaged_tags import html_free, start_tag
from bridge.archive.repairs import Places
from bridge.archive.stored_documents import StoredDocument, loss
from bridge.archive.ucs_elements import (
    BLANK,
    COLLECTION_ELEMENTS,
    PART_ELEMENTS,
    UNKNOWN_ATTRIBUTES,
    UNNAMED_EVENT,
    Element,
    Kept,
    event_of,
    number,
)
from bridge.archive.ucs_xml import MAX_ELEMENT_DEPTH, notes_on, transcript_of
from bridge.errors import UnreadableTranscript
from bridge.transcript import input_codes
from bridge.transcript.bounds import EVENT_IDS
from bridge.transcript.events import MESSAGE, NEW_PARTY, NOTICE, PARTY_LEFT

if TYPE_CHECKING:
    from bridge.archive.damaged_tags import StartTag
    from bridge.archive.repairs import RepairLog
    from bridge.transcript.entries import Gap
    from bridge.transcript.events import ChatEvent

ROOT: Final = "chatTranscript"
MOST_REPEATS: Final = 1_000
"""Limit for copies of one chat in a document: each loss of one is looked for in all others."""
_EVENTS: Final = frozenset((NEW_PARTY, MESSAGE, NOTICE, PARTY_LEFT, UNNAMED_EVENT))
_KNOWN: Final = _EVENTS | PART_ELEMENTS.keys() | COLLECTION_ELEMENTS.keys() | {ROOT, "item", UNKNOWN_ATTRIBUTES}
_END_TAG: Final = re.compile(r"</([A-Za-z_][A-Za-z0-9_.:-]*)[^<>]*>")
_TAIL: Final = re.compile(r"<[^<>]*\Z")
_SECTIONS: Final = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"))


@dataclass(slots=True)
class _Copy:
    """One transcript while it is read. `after` is the id before a lost event whose own id could not be read."""

    root: Element
    events: list[ChatEvent] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    losses: list[Gap] = field(default_factory=list)
    last: int | None = None
    after: list[int | None] = field(default_factory=list)
    closed: bool = False


class DamagedReader:
    """Reads one text; `session_id` is the chat's id if it is known otherwise, empty if not."""

    def __init__(self, text: str, source: str, log: RepairLog, *, session_id: str, max_elements: int) -> None:
        """Nothing is read yet."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if tail := _TAIL.search(text):  # a tag that is cut off; the end tag of the root says enough
            begun = tail[0].rstrip()
            text = text[: tail.start()] + (f"</{ROOT}>" if f"</{ROOT}".startswith(begun) and len(begun) > 1 else "")
        self._text = text
        self._source = source
        self._session_id = session_id
        self._max_elements = max_elements
        self._log = log
        self._places = Places(text)
        self._elements = 0
        self._repeats = 0
        self._open: list[tuple[Element, str]] = []
        self._copy: _Copy | None = None
        self._done: list[_Copy] = []
        self._unending: set[str] = set()

    def read(self) -> list[StoredDocument]:
        """Return the transcripts of the text, in order; none if there is no beginning of one.

        Raises UnreadableTranscript for a document that passes a limit, or has a document type.
        """
        text, position = self._text, 0
        while (at := text.find("<", position)) >= 0:
            self._characters(text[position:at], position)
            position = self._markup(at)
        self._characters(text[position:], position)
        self._finish()
        return [self._document(copy) for copy in self._done]

    def _document(self, copy: _Copy) -> StoredDocument:
        transcript = transcript_of(copy.root, copy.events, copy.notes)
        if not transcript.session_id:
            if not self._session_id:
                reason = "no sessionId"
                raise UnreadableTranscript(self._source, copy.root.line, input_codes.NOT_A_TRANSCRIPT, reason)
            transcript = msgspec.structs.replace(transcript, session_id=self._session_id)
        return StoredDocument(transcript, copy.notes, copy.losses)

    def _note(self, code: str, at: int) -> None:
        self._log.add(code, self._places, at)

    def _refused(self, at: int, code: str, reason: str) -> UnreadableTranscript:
        return UnreadableTranscript(self._source, self._places.at(at)[0], code, reason)

    # --- pieces of the text --------------------------------------------------------------------------------------

    def _characters(self, raw: str, at: int, *, literal: bool = False) -> None:
        if self._open:
            self._open[-1][0].texts.append(raw if literal else html_free(raw))
        elif raw.strip(BLANK):
            self._note(codes.OUTSIDE_THE_ROOT, at)

    def _section(self, at: int) -> int:
        """Take a comment, a CDATA section or an instruction; return where it ends, `at` if none is there."""
        text = self._text
        for opening, closing in _SECTIONS:
            if not text.startswith(opening, at) or opening in self._unending:
                continue
            end = text.find(closing, at + len(opening))
            if end < 0:
                self._unending.add(opening)
                break
            if opening == "<![CDATA[":
                self._characters(text[at + len(opening) : end], at, literal=True)
            elif text.startswith("<?xml", at):
                self._note(codes.MISPLACED_DECLARATION, at)
            return end + len(closing)
        return at

    def _markup(self, at: int) -> int:
        """Take what begins with the `<` at a position; return where it ends."""
        text = self._text
        if (end := self._section(at)) > at:
            return end
        if text.startswith("<!DOCTYPE", at) and self._copy is None:
            raise self._refused(at, input_codes.NOT_A_TRANSCRIPT, "a document type is not allowed")
        if ended := _END_TAG.match(text, at):
            self._end(ended[1], at)
            return ended.end()
        tag = start_tag(text, at)
        if tag is None or (tag.name not in _KNOWN and not tag.closed):
            self._note(codes.BARE_MARKUP, at)
            self._characters("<", at, literal=True)
            return at + 1
        if tag.flaws:
            self._note(codes.BAD_ATTRIBUTE, at)
        if not tag.closed:
            self._note(codes.TAG_NOT_CLOSED, at)
        self._start(tag, at)
        return tag.end

    def _start(self, tag: StartTag, at: int) -> None:
        self._elements += 1
        if self._elements > self._max_elements:
            raise self._refused(at, input_codes.TOO_LONG, f"more than {self._max_elements} elements")
        begins_event = tag.name in _EVENTS and "eventId" in tag.attributes
        if tag.name == ROOT:
            self._open_root(tag, at)
            return
        if self._copy is None and begins_event and self._session_id:
            self._note(codes.NO_ROOT, at)
            self._copy = _Copy(Element(ROOT, {"sessionId": self._session_id}, self._places.at(at)[0]))
        if self._copy is None or (self._copy.closed and not begins_event and not self._open):
            self._note(codes.OUTSIDE_THE_ROOT, at)
            return
        if self._copy.closed and not self._open:
            self._note(codes.AFTER_THE_END, at)
        if begins_event and self._open:
            self._abandon(at)
        self._push(tag, at)

    def _push(self, tag: StartTag, at: int) -> None:
        if len(self._open) + 1 >= MAX_ELEMENT_DEPTH:
            raise self._refused(at, input_codes.TOO_DEEP, f"elements nested more than {MAX_ELEMENT_DEPTH} levels deep")
        element = Element(tag.name, tag.attributes, self._places.at(at)[0])
        if self._open:
            self._open[-1][0].children.append(element)
        self._open.append((element, self._text[at : tag.end]))
        if tag.empty:
            self._close(at)

    def _end(self, name: str, at: int) -> None:
        if name == ROOT:
            if self._open:
                self._abandon(at)
            if self._copy is None or self._copy.closed:
                self._note(codes.STRAY_END_TAG, at)
            else:
                self._copy.closed = True
            return
        if all(element.name != name for element, _ in self._open):
            self._note(codes.STRAY_END_TAG, at)
            return
        while self._open[-1][0].name != name:
            self._note(codes.MISMATCHED_TAG, at)
            self._dissolve()
        self._close(at)

    def _dissolve(self) -> None:
        """End an element whose end tag is missing; one that is not known was text."""
        element, raw = self._open.pop()
        if element.name not in _KNOWN and self._open:
            parent = self._open[-1][0]
            parent.texts += [raw, *element.texts]
            parent.children[-1:] = element.children

    # --- events and transcripts ----------------------------------------------------------------------------------

    def _close(self, at: int) -> None:
        element, _ = self._open.pop()
        if self._open or self._copy is None:
            return
        kept = Kept()
        event = event_of(element, kept)
        if event is None:
            self._lose(None, at)
            return
        self._copy.notes += notes_on(event, element, kept, self._copy.ids)
        self._told(event.event_id)
        self._copy.events.append(event)

    def _abandon(self, at: int) -> None:
        """Leave the open event out: its end is missing."""
        event_id = number(self._open[0][0].attributes.get("eventId"), EVENT_IDS)
        self._open.clear()
        self._lose(event_id, at)

    def _lose(self, event_id: int | None, at: int) -> None:
        self._note(codes.EVENT_LOST, at)
        copy = self._copy
        if copy is None:
            return
        if event_id is None:
            copy.after.append(copy.last)
        else:
            copy.losses.append(loss(event_id, event_id))
            self._told(event_id)

    def _told(self, event_id: int) -> None:
        """Note the id of an event: those that were lost before it have lower ones."""
        copy = self._copy
        if copy is None:
            return
        for low in copy.after:
            first = (low or 0) + 1
            copy.losses.append(loss(first, event_id - 1) if first < event_id else loss(None, None))
        copy.after.clear()
        if copy.last is None and not copy.root.attributes.keys() - {"sessionId"} and event_id > 1:
            copy.losses.append(loss(1, event_id - 1))  # without a beginning, the events there are missing as well
        copy.last = event_id

    def _open_root(self, tag: StartTag, at: int) -> None:
        copy = self._copy
        if copy is not None:
            same = tag.attributes.get("sessionId") == copy.root.attributes.get("sessionId")
            self._note(codes.DOUBLED_ROOT if same else codes.SEVERAL_CHATS, at)
            if same and not copy.closed and copy.last is None and not self._open:
                return
            self._repeats += same
            if self._repeats > MOST_REPEATS:
                raise self._refused(at, input_codes.TOO_LONG, f"the transcript more than {MOST_REPEATS} times")
            self._finish()
        self._copy = _Copy(Element(ROOT, tag.attributes, self._places.at(at)[0]))
        if tag.empty:
            self._copy.closed = True

    def _finish(self) -> None:
        """End the transcript that is being read. What it has lost after its last whole event is one loss."""
        copy, self._copy = self._copy, None
        if copy is None:
            return
        if self._open or not copy.closed:
            self._note(codes.CUT_OFF, len(self._text))
            self._open.clear()
            copy.after.clear()
            copy.losses.append(loss(None if copy.last is None else copy.last + 1, None))
        for low in copy.after:
            copy.losses.append(loss(None if low is None else low + 1, None))
        self._done.append(copy)
