"""Splits the JSON text of a long message, while it arrives, into its events and what stands around them.

The list of events is found by its place, `chatTranscript.chatEventList`, and its elements by their brackets: no value
is decoded, and no byte is looked at twice. What is no JSON is not refused here: whoever decodes the parts does.
"""

from __future__ import annotations

import re
from typing import Final

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# The outer repeats are not possessive: before 3.11.5 Python leaves one of a group that repeats inside at a wrong place.
# Nothing comes after them, so they match the same.
_TO_BRACKET: Final = re.compile(rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*', re.DOTALL)
_TO_BRACKET_OR_COMMA: Final = re.compile(rb'[^"{}\[\],]*+(?:' + _STRING + rb'[^"{}\[\],]*+)*', re.DOTALL)
_REST_OF_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SPACE: Final = b" \t\r\n"
_NAME_BEFORE: Final = {
    (1, b"{"): re.compile(rb'(?<!\\)"chatTranscript"[ \t\r\n]*:[ \t\r\n]*\Z'),
    (2, b"["): re.compile(rb'(?<!\\)"chatEventList"[ \t\r\n]*:[ \t\r\n]*\Z'),
}
_NAME_BYTES: Final = 64
_QUOTE, _COMMA = b'",'
_OPENING: Final = b"{["


class EventListScanner:
    """One message. `feed` what arrives, in chunks of any size; at its end `around` is the message without its events.

    Holds the text around the list, and the event that is not complete. If the message has several lists, the last one
    counts: `lists` says how many began.
    """

    __slots__ = ("_at", "_begin", "_buffer", "_depth", "_in_list", "_in_string", "_in_transcript", "around", "lists")

    def __init__(self) -> None:
        """Start before the first byte."""
        self.around = bytearray()
        self.lists = 0
        self._buffer = bytearray()  # from the beginning of the event, or of what belongs around
        self._begin = 0
        self._at = 0  # all before it was looked at
        self._depth = 0
        self._in_string = False
        self._in_transcript = False
        self._in_list = False

    @property
    def held(self) -> int:
        """Bytes held."""
        return len(self.around) + len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the text of each event that `data` completes, in order; if `lists` has risen, they are of the last."""
        buffer = self._buffer
        buffer += data
        self._begin = 0
        found: list[bytes] = []
        while self._at < len(buffer):
            if self._in_string:
                self._at = _end(_REST_OF_STRING, buffer, self._at)
                if buffer[self._at : self._at + 1] != b'"':
                    break  # it goes on, perhaps behind a backslash
                self._in_string = False
                self._at += 1
                continue
            listing = self._in_list and self._depth == 3  # noqa: PLR2004 - between two events
            self._at = at = _end(_TO_BRACKET_OR_COMMA if listing else _TO_BRACKET, buffer, self._at)
            if at == len(buffer):
                break
            byte = buffer[at]
            self._at = at + 1
            if byte == _QUOTE:
                self._in_string = True
            elif byte == _COMMA:
                self._event_ends(at, found)
                self._begin = at + 1
            elif byte in _OPENING:
                self._opened(at, found)
            else:
                self._closed(at, found)
        if not self._in_list:
            self.around += buffer[self._begin : self._at]
            self._begin = self._at
        del buffer[: self._begin]
        self._at -= self._begin
        return found

    def _opened(self, at: int, found: list[bytes]) -> None:
        named = _NAME_BEFORE.get((self._depth, bytes(self._buffer[at : at + 1])))
        if named is not None and not self._in_list:
            before = bytes(self.around[-_NAME_BYTES:]) + bytes(self._buffer[max(self._begin, at - _NAME_BYTES) : at])
            if named.search(before) and self._depth == 1:
                self._in_transcript = True
            elif named.search(before) and self._in_transcript:
                self._in_list = True
                self.lists += 1
                found.clear()
                self.around += self._buffer[self._begin : at + 1]
                self._begin = at + 1
        self._depth += 1

    def _closed(self, at: int, found: list[bytes]) -> None:
        if self._in_list and self._depth == 3:  # noqa: PLR2004
            self._event_ends(at, found)
            self._in_list = False
            self._begin = at
        self._depth -= 1
        self._in_transcript = self._in_transcript and self._depth > 1

    def _event_ends(self, at: int, found: list[bytes]) -> None:
        with memoryview(self._buffer) as view:  # one copy of what may be large
            text = bytes(view[self._begin : at]).strip(_SPACE)
        if text:
            found.append(text)


def _end(pattern: re.Pattern[bytes], buffer: bytearray, at: int) -> int:
    match = pattern.match(buffer, at)
    return at if match is None else match.end()
