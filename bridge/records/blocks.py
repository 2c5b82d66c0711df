"""Encodings of the records inside a TranscriptEvent: party, message, notice, file, departure, gap, session, redactions.

Each function returns one type of `schemas/` encoded; the order of its pieces is the order of that type's fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.binary import (
    EMPTY,
    NULL,
    array,
    long,
    optional_flag,
    optional_long,
    optional_text,
    text,
)
from bridge.transcript.events import NOTICE_TYPES, SYS_COMMAND, TREATMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.records.field_texts import FieldTexts
    from bridge.records.redactor import Redaction
    from bridge.transcript.entries import Gap, Party, SessionFacts
    from bridge.transcript.events import ChatEvent, MessageText, NoticeText

_FILE_KEY = "file-"  # D5: the prefix of all keys in a file notice's userData except uploaded-event-id
_MESSAGE_TYPES = {"text": optional_text("text")}
_TREATMENTS = {word: optional_text(word) for word in TREATMENTS}
_NOTICE_TYPES = {word: text(word) for word in NOTICE_TYPES}
_QUIT_REASON = "GCTI_SYSTEM.quit-reason-code"  # D4


def party_block(party: Party) -> bytes:
    """Encode a Party."""
    return b"".join(
        (
            text(party.user_id),
            optional_text(party.nickname),
            optional_text(party.user_type),
            optional_text(party.protocol_type),
            optional_text(party.person_id),
            optional_long(party.time_zone_offset),
            optional_long(party.client_version),
            optional_flag(party.bot),
        )
    )


def message_block(message: MessageText, said: str, redactor: FieldTexts, done: list[Redaction]) -> bytes:
    """Encode a MessageText; `said` is its text, redacted."""
    return b"".join(
        (
            text(said),
            _word("message.messageType", message.message_type, _MESSAGE_TYPES, redactor, done),
            _word("message.treatAs", message.treat_as, _TREATMENTS, redactor, done),
        )
    )


def _word(
    where: str, word: str | None, known: Mapping[str, bytes], redactor: FieldTexts, done: list[Redaction]
) -> bytes:
    """Encode a nullable word as `FieldTexts.word` returns it; `known` are the protocol's, encoded."""
    if word is None:
        return NULL
    return known.get(word) or optional_text(redactor.text(where, word, done))


def notice_block(notice: NoticeText, said: str, redactor: FieldTexts, done: list[Redaction]) -> bytes:
    """Encode a NoticeText; `said` is its text, redacted."""
    word = notice.notice_type
    kind = _NOTICE_TYPES.get(word) or text(redactor.text("notice.noticeType", word, done))
    return kind + text(said)


def file_block(event: ChatEvent, said: str, user_data: dict[str, str], size: str | None) -> bytes | None:
    """Encode the FileReference of a SYS_COMMAND notice about a file; None for any other event.

    `said` is the notice's text and `user_data` the flat map, both as they are recorded: what a rule has removed there
    is not in the file reference either. `size` is what the map says of it, redacted and never sealed.
    """
    notice = event.notice_text
    if notice is None or notice.notice_type != SYS_COMMAND:
        return None
    if not notice.text.startswith(_FILE_KEY) and not any(path.startswith(_FILE_KEY) for path in user_data):
        return None
    return b"".join(
        (
            optional_text(user_data.get("file-id")),
            optional_text(user_data.get("file-name")),
            optional_long(_number(size)),
            optional_text(user_data.get("file-source")),
            optional_text(user_data.get("file-document-id")),
            text(said),
        )
    )


def departure_block(event: ChatEvent, attributes: dict[str, str], redactor: FieldTexts, done: list[Redaction]) -> bytes:
    """Encode a Departure; `attributes` is the flat form of eventAttributes."""
    reason = event.reason
    why = reason.text if reason is not None else None
    if why:
        why = redactor.text("departure.reasonText", why, done)
    return b"".join(
        (
            optional_text(event.asker_id),
            optional_long(reason.code if reason is not None else None),
            optional_text(why),
            optional_long(_number(attributes.get(_QUIT_REASON))),
        )
    )


def gap_block(gap: Gap) -> bytes:
    """Encode a Gap."""
    return b"".join(
        (
            optional_long(gap.from_event_id),
            optional_long(gap.to_event_id),
            optional_long(gap.since),
            text(gap.code),
            optional_text(gap.detail),
        )
    )


def session_block(facts: SessionFacts, site: str) -> bytes:
    """Encode SessionFacts."""
    return b"".join(
        (
            text(site),
            text(facts.source),
            optional_long(facts.start_at),
            optional_text(facts.tenant),
            optional_flag(facts.monitored),
            optional_text(facts.idle_time_expire),
            optional_text(facts.server),
            optional_long(facts.client_version),
        )
    )


def redactions_block(done: Sequence[Redaction]) -> bytes:
    """Encode the array of redactions."""
    return array(
        text(one.field) + text(one.rule) + long(one.times) + (array(map(text, one.earlier)) if one.earlier else EMPTY)
        for one in done
    )


def _number(value: str | None) -> int | None:
    """Return the integer that a text spells; None if it is none, or too long to be a plausible one."""
    if value is None or len(value) > 18 or not value.isascii():  # noqa: PLR2004 - digits that surely fit in 64 bits
        return None
    return int(value) if value.removeprefix("-").isdigit() else None
