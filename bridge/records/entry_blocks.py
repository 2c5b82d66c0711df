"""What the records of one entry have alike in all outputs: rules and seals change texts, and nothing here is one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.records.binary import NULL, SOME, data, long, optional_long, optional_text, text
from bridge.records.blocks import session_block
from bridge.records.cloud_events import CloudEvents, Header, Headers, time_header
from bridge.records.ids import escaped, id_of
from bridge.transcript import entries as kinds
from bridge.transcript.times import occurred_at

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry, SessionFacts

START_PLUS_SHIFT: Final = "START_PLUS_SHIFT"
"""How occurredAt was had: the session's start plus the event's timeShift, both to the second."""

_WHOLE_SECONDS: Final = optional_text(START_PLUS_SHIFT) + optional_long(1_000)
_NO_TIMES: Final = NULL + NULL + NULL
_WORDS: Final = {
    word: text(word)
    for word in (
        kinds.PARTY_JOINED,
        kinds.MESSAGE,
        kinds.NOTICE,
        kinds.PARTY_LEFT,
        kinds.UNKNOWN,
        kinds.GAP,
        kinds.RESUMED,
        kinds.LIVE,
        kinds.REPLAY,
        kinds.ARCHIVE,
    )
}


class EntryBlocks(NamedTuple):
    """The id of an entry's record, its fields in the order of the schema, and its CloudEvents headers.

    `begin` are those from id to observedAt, `end` are session and origin.
    """

    record_id: str
    begin: bytes
    end: bytes
    headers: Headers


class EntryEncoder:
    """Encodes the entries of one epoch of a chat; the session is on every record, and seldom changes."""

    __slots__ = ("_epoch", "_epoch_bytes", "_escaped_id", "_facts", "_id_length", "_session", "_site", "events")

    def __init__(self, session_id: str, site: str, source: str, epoch: int) -> None:
        """`site` and `source` are those of the installation."""
        self.events = CloudEvents(session_id, source, epoch)
        self._epoch = epoch
        self._epoch_bytes = long(epoch)
        self._escaped_id = escaped(session_id)
        self._id_length = long(len(self.events.subject))
        self._site = site
        self._facts: SessionFacts | None = None
        self._session = b""

    def blocks(self, entry: Entry, facts: SessionFacts) -> EntryBlocks:
        """Return what the records of an entry have alike.

        Raises OverflowError for a number beyond 64 bits, and UnicodeEncodeError for a text that is not Unicode.
        """
        if facts is not self._facts:
            self._session, self._facts = session_block(facts, self._site), facts
        event, kind = entry.event, entry.kind
        record_id = id_of(entry, self._escaped_id, self._epoch)
        raw_id = record_id.encode()
        if event is None:
            own_id = shift = NULL
            times, header = _NO_TIMES, time_header(entry.observed_at)
        else:
            own_id, shift = SOME + long(event.event_id), SOME + long(event.time_shift)
            at = occurred_at(facts.start_at, event.time_shift)
            times, header = (_NO_TIMES, time_header(entry.observed_at)) if at is None else _times(at)
        begin = (
            data(raw_id),
            self._id_length,
            self.events.subject,
            own_id,
            self._epoch_bytes,
            long(entry.sequence),
            _WORDS.get(kind) or text(kind),
            times,
            shift,
            long(entry.observed_at),
        )
        end = self._session + (_WORDS.get(entry.origin) or text(entry.origin))
        return EntryBlocks(record_id, b"".join(begin), end, self.events.of_event(kind, raw_id, header))


@lru_cache(maxsize=1024)  # events have whole seconds, which those of several chats share
def _times(at: int) -> tuple[bytes, Header]:
    """Return occurredAt with how it was had, encoded, and the header of it; `at` in ms since 1970 UTC."""
    return SOME + long(at) + _WHOLE_SECONDS, time_header(at * 1000)
