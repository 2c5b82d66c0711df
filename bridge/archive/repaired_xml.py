"""Reads stored transcripts as archives hold them: damaged or not, one or several in a document.

What is well-formed is read by `ucs_xml` and stays as it is. Otherwise the bytes and characters are repaired first, and
if that is not enough, the markup is read by `damaged_xml`. No event of the undamaged part is lost, none is invented;
where one is gone there is a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.archive.damaged_xml import DamagedReader
from bridge.archive.decoding import (
    beginning_found,
    decoded,
    is_mislabelled,
    with_known_references,
    with_xml_characters,
)
from bridge.archive.repair_codes import NOT_WELL_FORMED
from bridge.archive.repairs import RepairLog, TranscriptRepair
from bridge.archive.stored_documents import ReadDocuments, StoredDocument
from bridge.archive.ucs_xml import MAX_BYTES, MAX_ELEMENTS, read
from bridge.errors import UnreadableTranscript
from bridge.transcript import input_codes

if TYPE_CHECKING:
    from bridge.archive.ucs_xml import StoredTranscript

_DAMAGE: Final = frozenset(
    (input_codes.NOT_XML, input_codes.NOT_A_TRANSCRIPT, input_codes.UNREADABLE_EVENT, input_codes.TOO_DEEP)
)
"""What a repair may help against: events without an end tag nest."""


def read_repaired(
    data: bytes, source: str, *, session_id: str = "", max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS
) -> ReadDocuments:
    """Read all transcripts of a document; `source` names it in errors.

    `session_id` is the chat's id if it is known otherwise: it stands in for one that is damaged.

    Raises UnreadableTranscript, the peer's fault: nothing of a transcript is there, a document type, a limit passed.
    """
    if len(data) <= max_bytes and is_mislabelled(data):
        refused = None  # it could be read, as other characters than were written
    else:
        try:
            return _whole(read(data, source, max_bytes=max_bytes, max_elements=max_elements), [])
        except UnreadableTranscript as error:
            if error.code not in _DAMAGE:
                raise
            refused = _alike(error)
    log = RepairLog()
    text = with_xml_characters(decoded(data, log), log)
    text = with_known_references(beginning_found(text, log), log)
    try:
        return _whole(read(text.encode(), source, max_bytes=len(data) * 8, max_elements=max_elements), log.repairs)
    except UnreadableTranscript as error:
        if error.code not in _DAMAGE:
            raise
        refused = refused or _alike(error)
    documents = DamagedReader(text, source, log, session_id=session_id, max_elements=max_elements).read()
    if not documents:
        raise _alike(refused)
    repairs = log.repairs or [TranscriptRepair(NOT_WELL_FORMED, refused.line)]
    return ReadDocuments(documents, repairs)


def _whole(stored: StoredTranscript, repairs: list[TranscriptRepair]) -> ReadDocuments:
    return ReadDocuments([StoredDocument(stored.transcript, stored.notes)], repairs)


def _alike(error: UnreadableTranscript) -> UnreadableTranscript:
    """Return one that refers to no frame: a frame that holds its own error waits for the garbage collector."""
    return UnreadableTranscript(error.source, error.line, error.code, error.reason)
