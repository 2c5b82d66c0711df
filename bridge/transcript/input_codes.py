"""Why input was set aside, or could not be read: the codes of quarantine records and of unreadable documents."""

from __future__ import annotations

from typing import Final

NOT_UTF8: Final = "NOT_UTF8"
NOT_JSON: Final = "NOT_JSON"
TOO_DEEP: Final = "TOO_DEEP"
TOO_LONG: Final = "TOO_LONG"
UNREADABLE_MESSAGE: Final = "UNREADABLE_MESSAGE"
UNREADABLE_EVENT: Final = "UNREADABLE_EVENT"
UNKNOWN_MESSAGE: Final = "UNKNOWN_MESSAGE"
UNKNOWN_STATUS: Final = "UNKNOWN_STATUS"
STRAY: Final = "STRAY"
ANNOUNCEMENT: Final = "ANNOUNCEMENT"
TOO_LARGE: Final = "TOO_LARGE"
NOT_RECORDED: Final = "NOT_RECORDED"
INTERNAL: Final = "INTERNAL"
CHAT_CLOSED: Final = "CHAT_CLOSED"
NOT_FOLLOWED: Final = "NOT_FOLLOWED"
STORED_RECORD: Final = "STORED_RECORD"
STORED_TEXT_INCOMPLETE: Final = "STORED_TEXT_INCOMPLETE"
OTHER_CHAT: Final = "OTHER_CHAT"
UNREADABLE_ROW: Final = "UNREADABLE_ROW"
NO_TEXT: Final = "NO_TEXT"
NOT_OVER: Final = "NOT_OVER"
ROW_GONE: Final = "ROW_GONE"
LIST_FULL: Final = "LIST_FULL"

NOT_XML: Final = "NOT_XML"
NOT_A_TRANSCRIPT: Final = "NOT_A_TRANSCRIPT"

_GATEWAY: Final = "Report it to the maker of the gateway, with the record."
_ROW: Final = "See what else is written into that table; set `sources.ucs.media_types` if it holds other interactions."
_NOT_XML: Final = (
    "A stored transcript is no well-formed XML, or in an encoding that cannot be read.",
    "Export it again.",
)
_NOT_A_TRANSCRIPT: Final = (
    "The document is XML and no transcript: another root, a document type, no session id.",
    "Check which file was given.",
)

QUARANTINE_CODES: Final = {
    NOT_UTF8: ("A line is not UTF-8.", _GATEWAY),
    NOT_JSON: ("A line is not JSON.", _GATEWAY),
    TOO_DEEP: ("A line is nested too deeply.", _GATEWAY),
    TOO_LONG: ("A line is longer than the limit. Its beginning was kept.", _GATEWAY),
    UNREADABLE_MESSAGE: ("A line is JSON and no message: an attribute is missing, or has a wrong type.", _GATEWAY),
    UNREADABLE_EVENT: ("An event of a readable message has an attribute that cannot be read.", _GATEWAY),
    UNKNOWN_MESSAGE: ("A message has a name that is not known.", "Report it, so that a later version can read it."),
    UNKNOWN_STATUS: (
        "The state of a chat is said in a word that is not known. It decided nothing.",
        "Report it, so that a later version can read it.",
    ),
    STRAY: ("A message belongs to no chat that was joined on its connection, or not on such a connection.", _GATEWAY),
    ANNOUNCEMENT: (
        "A record of the announcements topic is no announcement.",
        "Mend its writer, and announce the chat again.",
    ),
    TOO_LARGE: (
        "The record of an event is larger than the topic allows.",
        "Raise `max.message.bytes` of the events topic if such events are expected.",
    ),
    NOT_RECORDED: (
        "An event cannot be expressed as a record, or changes one that was not recorded.",
        "Read it from the quarantine record.",
    ),
    INTERNAL: ("A defect of the bridge: the input could not be folded.", "Report the `chat_failed` line of the log."),
    CHAT_CLOSED: (
        "Content came of a chat that is over and of which only that is remembered.",
        "Read it from the quarantine record.",
    ),
    NOT_FOLLOWED: ("Content came of a chat that is not followed here.", "Report it."),
    STORED_RECORD: (
        "A record of the topic of stored transcripts has another key or other headers than such records have.",
        "Mend its writer: docs/formats.md says how such records are written.",
    ),
    STORED_TEXT_INCOMPLETE: (
        "A stored transcript is not whole on its topic: a part is missing, or its digest is another one.",
        "Have it written again: run `chatbridge backfill` again, or mend the writer.",
    ),
    OTHER_CHAT: (
        "A stored transcript is of another chat than the row or record in which it lies.",
        "Look at the quarantine record, and at the place that it names.",
    ),
    UNREADABLE_ROW: (
        "The database of UCS cannot give the text of a row, or it is too long. The record holds the row's id.",
        "Do what the detail says. The row is asked again for a day.",
    ),
    NO_TEXT: ("A row of UCS has an id that no chat has, is over, and has no text. The record holds the id.", _ROW),
    ROW_GONE: ("A row of UCS had an id that no chat has, and is not there any more. The record holds the id.", _ROW),
    NOT_OVER: (
        "A row of UCS has not been over for 30 days, and has not changed. The record holds its id.",
        "Nothing, unless the chat goes on: `chatbridge backfill` reads what is stored then.",
    ),
    LIST_FULL: (
        "More rows of UCS wait for their text than the bridge remembers, and this one had not changed for longest.",
        "Find out why UCS has so many rows that are not over. `chatbridge reconcile` finds what is missing.",
    ),
    NOT_XML: _NOT_XML,
    NOT_A_TRANSCRIPT: _NOT_A_TRANSCRIPT,
}
"""Code of a QuarantinedInput -> what it means, and what to do."""

ARCHIVE_CODES: Final = {
    NOT_XML: _NOT_XML,
    NOT_A_TRANSCRIPT: _NOT_A_TRANSCRIPT,
    UNREADABLE_EVENT: ("An event of the transcript has no readable eventId.", "Export it again."),
    TOO_LONG: ("The document has more bytes or elements than are read.", "Check which file was given."),
    NOT_RECORDED: ("An event of the transcript cannot be expressed as a record.", "Report it, with the file."),
    TOO_DEEP: ("The elements of the document are nested too deeply.", "Check which file was given."),
}
"""Code of a stored transcript that cannot be read -> what it means, and what to do."""
