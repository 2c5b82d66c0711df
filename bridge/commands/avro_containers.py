"""Stored transcripts from Avro containers of TranscriptEvents, as `chatbridge convert --avro` writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any, Final

import fastavro

from bridge.archive.ucs_xml import write
from bridge.commands.archived_chats import NOT_RECORDS, NOT_TOGETHER, Refusal
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.chat_events import transcript_of
from bridge.transcript.entries import GAP

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTAINER: Final = b"Obj\x01"
"""The first bytes of an Avro container."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Joined:
    """A stream whose beginning was read already."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        taken, self._first = (self._first, b"") if size < 0 else (self._first[:size], self._first[size:])
        return taken if len(taken) == size else taken + self._stream.read(size if size < 0 else size - len(taken))


def transcripts_in(place: str, first: bytes, stream: IO[bytes]) -> Iterator[tuple[str, bytes | Refusal]]:
    """Yield (session id, stored transcript) of each chat, in the order of the container.

    A Refusal stands for a chat whose records are not together, and, with an empty id, for what cannot be read: the
    chats before it are whole. GAPs have no place in a transcript; a chat without any event gives none.
    """
    seen: set[str] = set()
    try:
        records: Any = fastavro.reader(_Joined(first, stream))  # type: ignore[arg-type]
        name = records.writer_schema.get("name")
        if name != TRANSCRIPT_EVENT:
            yield "", Refusal(place, "", NOT_RECORDS, f"{place}:0: {NOT_RECORDS}: holds {name}, not {TRANSCRIPT_EVENT}")
            return
        for session_id, group in groupby(records, key=lambda record: str(record["sessionId"])):
            if session_id in seen:
                what = "its records are not together in the container: sort them by sessionId"
                yield session_id, Refusal(place, session_id, NOT_TOGETHER, f"{place}:0: {NOT_TOGETHER}: {what}")
                continue
            told = [_with_numbers(record) for record in group if record["kind"] != GAP]
            seen.add(session_id)
            if any(record["eventId"] is not None for record in told):
                yield session_id, write(transcript_of(told))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - fastavro has no common error type
        line = f"{place}:0: {NOT_RECORDS}: {type(error).__name__} after {len(seen)} chats"
        yield "", Refusal(place, "", NOT_RECORDS, line)


def _with_numbers(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its session's start in ms since 1970 UTC."""
    session = record["session"]
    start_at = session["startAt"]
    if isinstance(start_at, datetime):
        session = {**session, "startAt": round((start_at - _EPOCH).total_seconds() * 1000)}
    return {**record, "session": session}
