"""Transcript events as lines of text: one line per event, without control characters."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wcwidth import iter_graphemes, wcswidth

HEADER: Final = f"{'time (UTC)':12} {'chat':16} {'seq':>5} {'kind':12} {'party':18} {'seen by':7} text"
_NARROWEST: Final = 40
_PARTY_COLUMNS: Final = 18
_CHAT_COLUMNS: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_CHARACTERS: Final = 4  # for each column


def say(text: str) -> None:
    """Write one line to standard output and flush it: the reader may be a pipe that waits for it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_line(line: bytes) -> None:
    """Write one line of JSON to standard output, as `say` does: it is UTF-8, whatever the locale."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def warn(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(text + "\n")


def width() -> int:
    """Return the columns of the terminal; 160 without one."""
    return shutil.get_terminal_size((160, 24)).columns


def escaped(text: str) -> str:
    """Return the text with every invisible character (control, format, line and paragraph separator) escaped.

    Format characters matter as much as control characters: some change the direction of the text after them.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def columns_of(text: str) -> int:
    """Return the columns of a terminal that a text without control characters takes."""
    return wcswidth(text)


def shortened(text: str, columns: int) -> str:
    """Return a text without control characters, cut to at most `columns` (at least 1) between two graphemes."""
    looked_at = text[: _MOST_CHARACTERS * columns]  # a text may have any number of zero-width marks
    if looked_at == text and columns_of(text) <= columns:
        return text
    kept: list[str] = []
    free = columns - 1  # the ellipsis takes one
    for grapheme in iter_graphemes(looked_at):
        free -= columns_of(grapheme)
        if free < 0:
            break
        kept.append(grapheme)
    return "".join(kept) + "…"


def event_line(record: dict[str, Any], columns: int) -> str:
    """Return a decoded TranscriptEvent as one line of about `columns` columns, to print under HEADER."""
    party = record["party"]
    name = (party["nickname"] or party["userId"]) if party else ""
    head = (
        f"{_time_of(record):12} {_cell(record['sessionId'], _CHAT_COLUMNS)} {record['sequence']:>5} "
        f"{_cell(record['kind'], 12)} {_cell(name, _PARTY_COLUMNS)} {_cell(record['visibility'] or '', 7)} "
    )
    return (head + shortened(escaped(_content(record)), max(columns - columns_of(head), _NARROWEST))).rstrip()


def _cell(text: str, columns: int) -> str:
    cut = shortened(escaped(text), columns)
    return cut + " " * max(columns - columns_of(cut), 0)


def _time_of(record: dict[str, Any]) -> str:
    at = record["occurredAt"]
    try:
        moment = timedelta(milliseconds=at) if at is not None else timedelta(microseconds=record["observedAt"])
        return (_EPOCH + moment).strftime("%H:%M:%S")
    except OverflowError:
        return "?"


def _content(record: dict[str, Any]) -> str:
    """Return what the event is about: its text where it has one."""
    parts: list[str] = []
    if record["amends"]:
        parts.append("(amended)")
    if record["gap"]:
        gap = record["gap"]
        ids = "" if gap["fromEventId"] is None else f" ids {gap['fromEventId']} to {gap['toEventId']}"
        said = f" ({gap['detail']})" if gap["detail"] else ""
        parts.append(f"missing{ids}: {gap['code']}{said}")
    if record["notice"]:
        parts.append(f"[{record['notice']['noticeType']}] {record['notice']['text']}".rstrip())
    if record["file"]:
        parts.append(f"{record['file']['name'] or ''} ({record['file']['size'] or '?'} bytes)")
    if record["message"]:
        parts.append(record["message"]["text"])
    if record["departure"]:
        parts.append(record["departure"]["reasonText"] or "left")
    if record["kind"] == "PARTY_JOINED" and record["party"]:
        parts.append(f"({record['party']['userType'] or '?'})")
    return " ".join(parts)
