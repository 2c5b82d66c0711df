"""The CloudEvents headers (binary mode) of the records of one chat."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.records import avro
from bridge.records.ids import escaped, session_record_id
from bridge.transcript import entries as kinds
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from bridge.transcript.entries import Certificate

Header = tuple[str, bytes]
Headers = list[Header]

_KINDS: Final = (
    *(kinds.PARTY_JOINED, kinds.MESSAGE, kinds.NOTICE, kinds.PARTY_LEFT, kinds.UNKNOWN, kinds.GAP, kinds.RESUMED),
)
_TYPES: Final = {word: ("ce_type", f"{avro.TRANSCRIPT_EVENT}.{word}".encode()) for word in _KINDS}
_SESSION_TYPE: Final = ("ce_type", avro.SESSION_RECORD.encode())
_VERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/avro")


def time_header(at: int) -> Header:
    """Return the header `ce_time`; `at` in us since 1970 UTC."""
    return ("ce_time", rfc3339(at).encode())


@lru_cache(maxsize=64)  # one for each output, which all chats share
def _source_header(source: str) -> Header:
    return ("ce_source", source.encode())


class CloudEvents:
    """Headers for one epoch of a chat; `source` is the `ce_source` of all its records.

    `subject` is the session id, encoded.
    """

    __slots__ = ("_epoch", "_escaped_id", "_source", "_subject", "subject")

    def __init__(self, session_id: str, source: str, epoch: int) -> None:
        """Make the headers that all records of the chat have."""
        self._escaped_id = escaped(session_id)
        self._epoch = epoch
        self._source = _source_header(source)
        self.subject = session_id.encode()
        self._subject = ("ce_subject", self.subject)

    def of_event(self, kind: str, record_id: bytes, at: Header) -> Headers:
        """Return the headers of an event record; `at` is `time_header` of occurredAt, else of observedAt."""
        of_kind = _TYPES.get(kind) or ("ce_type", f"{avro.TRANSCRIPT_EVENT}.{kind}".encode())
        return [("ce_id", record_id), of_kind, at, self._source, self._subject, _VERSION, _CONTENT_TYPE]

    def of_session(self, state: str, at: int, certificate: Certificate | None) -> Headers:
        """Return the headers of a SessionRecord; `at` in us since 1970."""
        again = certificate is not None and certificate.supersedes is not None
        last = certificate.last_sequence if certificate is not None and again else None
        name = session_record_id(self._escaped_id, state, self._epoch, at, last_sequence=last)
        own: Headers = [("ce_id", name.encode()), _SESSION_TYPE, time_header(at)]
        return [*own, self._source, self._subject, _VERSION, _CONTENT_TYPE]
